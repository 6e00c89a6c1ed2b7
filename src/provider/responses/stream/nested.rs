//! Pieces of texts inside of the members of an item: commands of a shell, their outputs, and patches.

use crate::provider::assembler::{Growing, GrowingObject, Mismatch};
use crate::provider::object::{Object, list_or_one};

/// A text inside of a member of an item.
#[derive(Debug, Clone, Copy)]
pub(super) enum NestedText {
    Command,
    Output,
    Patch,
}

impl NestedText {
    /// Returns the text that events with this name are about. Returns `None` for other events.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "shell_call_command" => Self::Command,
            "shell_call_output_content" => Self::Output,
            "apply_patch_call_operation_diff" => Self::Patch,
            _ => return None,
        })
    }

    /// Returns the type of the items that have such a text.
    pub(super) fn item_type(self) -> &'static str {
        match self {
            Self::Command => "shell_call",
            Self::Output => "shell_call_output",
            Self::Patch => "apply_patch_call",
        }
    }

    /// Adds an event about the text to the members of its item. `step` is what happened to the text: `added`, `delta` or
    /// `done`.
    ///
    /// # Errors
    /// Returns [`Mismatch`] if the event does not continue what arrived of the text.
    pub(super) fn push(self, item: &mut GrowingObject, step: &str, event: &Object<'_>) -> Result<(), Mismatch> {
        match self {
            Self::Command => item.edit_object("action", |action| push_command(action, step, event)),
            Self::Output => item.edit_list("output", |outputs| push_output(outputs, step, event)),
            Self::Patch => item.edit_object("operation", |operation| push_patch(operation, step, event)),
        }
    }
}

/// Returns the place of the command that an event is about.
fn place(event: &Object<'_>) -> usize {
    event.number("command_index").unwrap_or(0)
}

fn push_command(action: &mut GrowingObject, step: &str, event: &Object<'_>) -> Result<(), Mismatch> {
    let piece = event.first(&["delta", "command"]).ok_or(Mismatch)?;
    action.edit_list("commands", |commands| {
        match commands.get_mut(place(event)) {
            Some(command) if step == "delta" => return command.append(piece),
            Some(command) => *command = Growing::new(piece),
            None => commands.push(Growing::new(piece)),
        }
        Ok(())
    })
}

fn push_output(outputs: &mut Vec<Growing>, step: &str, event: &Object<'_>) -> Result<(), Mismatch> {
    let place = place(event).min(outputs.len());
    if step == "done" {
        // The whole output of the command, in place of its pieces. Moving what follows would take time for each event.
        let mut whole = list_or_one(event, "output").into_iter().map(Growing::new);
        if let Some(output) = outputs.get_mut(place) {
            whole.next().into_iter().for_each(|first| *output = first);
        }
        outputs.extend(whole);
        return Ok(());
    }
    if place == outputs.len() {
        outputs.push(Growing::Object(GrowingObject::default()));
    }
    let Some(Growing::Object(output)) = outputs.get_mut(place) else { return Err(Mismatch) };
    let delta = event.object("delta").ok_or(Mismatch)?;
    Mismatch::of_all(delta.fields().map(|(name, piece)| output.append(name, piece)))
}

fn push_patch(operation: &mut GrowingObject, step: &str, event: &Object<'_>) -> Result<(), Mismatch> {
    let piece = event.first(&["delta", "diff"]).ok_or(Mismatch)?;
    if step == "delta" {
        return operation.append("diff", piece);
    }
    operation.set("diff", piece);
    Ok(())
}
