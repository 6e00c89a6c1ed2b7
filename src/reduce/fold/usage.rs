//! Reports problems of the token usage in responses.

use crate::event::RawPayloadId;
use crate::graph::Code;
use crate::provider::UsageProblem;
use crate::reduce::Diagnostics;
use crate::reduce::decode::Logged;

/// Reports the problems of the usage in a response. `subject` names the response.
pub(super) fn report_problems<F>(
    at: &Logged<F>,
    subject: &str,
    problems: &[UsageProblem],
    payload: &RawPayloadId,
    diagnostics: &mut Diagnostics,
) {
    for problem in problems {
        let code = match problem {
            UsageProblem::BadCount { .. } => Code::BadUsage,
            UsageProblem::Differs { .. } => Code::UsageDiffers,
            UsageProblem::OnlyTotal { .. } | UsageProblem::Truncated => Code::PartialUsage,
        };
        diagnostics.add(at, code, format!("{subject} {problem}"), Some(payload));
    }
}
