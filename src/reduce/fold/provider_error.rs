//! The errors that providers report in responses.

/// Adds the error that the provider reports in a response to the errors of its call: the one of the end event and the
/// provider's. The end of a call may report it as completed although the provider refused it, or with an error that lacks
/// the provider's text.
pub(super) fn add((own, of_provider): (&mut Option<String>, &mut Option<String>), error: &str) {
    match own {
        None => *own = Some(error.to_owned()),
        Some(own) if own.contains(error) => {}
        Some(_) => *of_provider = Some(error.to_owned()),
    }
}
