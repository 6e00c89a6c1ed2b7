//! The known events of the streams of the Responses API.

use crate::provider::assembler::{EventShape, NO_MEMBERS};

/// Members of all events. `obfuscation` makes all events equally long, and `agent` names the agent of an item, which the
/// item has, too.
pub(super) const MEMBERS: [&str; 7] =
    ["type", "sequence_number", "output_index", "item_id", "obfuscation", "stream_id", "agent"];

pub(super) static SHAPES: [EventShape; 16] = [
    EventShape {
        types: &[
            "response.created",
            "response.queued",
            "response.in_progress",
            "response.completed",
            "response.incomplete",
            "response.failed",
            "response.cancelled",
        ],
        objects: &["response"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["response.output_item.added", "response.output_item.done"],
        objects: &["item"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["response.content_part.added", "response.content_part.done"],
        objects: &["part"],
        others: &["content_index"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["response.reasoning_summary_part.added", "response.reasoning_summary_part.done"],
        objects: &["part"],
        others: &["summary_index", "status"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["response.output_text.annotation.added"],
        objects: &["annotation"],
        others: &["content_index", "annotation_index"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["response.output_text.delta", "response.refusal.delta", "response.reasoning_text.delta"],
        texts: &["delta"],
        others: &["content_index", "logprobs"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["response.output_text.done", "response.refusal.done", "response.reasoning_text.done"],
        texts: &["text", "refusal"],
        others: &["content_index", "logprobs"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["response.reasoning_summary_text.delta", "response.reasoning_summary_text.done"],
        texts: &["delta", "text"],
        others: &["summary_index"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &[
            "response.function_call_arguments.delta",
            "response.mcp_call_arguments.delta",
            "response.custom_tool_call_input.delta",
            "response.code_interpreter_call_code.delta",
        ],
        texts: &["delta"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &[
            "response.function_call_arguments.done",
            "response.mcp_call_arguments.done",
            "response.custom_tool_call_input.done",
            "response.code_interpreter_call_code.done",
        ],
        texts: &["arguments", "input", "code"],
        // The item has the name.
        others: &["name"],
        ..NO_MEMBERS
    },
    // States of calls that the server runs. The item has the last one.
    EventShape {
        types: &[
            "response.web_search_call.in_progress",
            "response.web_search_call.searching",
            "response.web_search_call.completed",
            "response.file_search_call.in_progress",
            "response.file_search_call.searching",
            "response.file_search_call.completed",
            "response.code_interpreter_call.in_progress",
            "response.code_interpreter_call.interpreting",
            "response.code_interpreter_call.completed",
            "response.image_generation_call.in_progress",
            "response.image_generation_call.generating",
            "response.image_generation_call.completed",
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
            "response.mcp_call.failed",
            "response.mcp_list_tools.in_progress",
            "response.mcp_list_tools.completed",
            "response.mcp_list_tools.failed",
            // The progress of a compaction, whose item arrives as a whole.
            "response.compaction.compacting",
        ],
        ..NO_MEMBERS
    },
    // Previews of an image, of which the item has the last one.
    EventShape {
        types: &["response.image_generation_call.partial_image"],
        others: &[
            "partial_image_b64",
            "partial_image_index",
            "background",
            "output_format",
            "quality",
            "size",
            "revised_prompt",
        ],
        ..NO_MEMBERS
    },
    EventShape {
        types: &[
            "response.audio.delta",
            "response.audio.done",
            "response.audio.transcript.delta",
            "response.audio.transcript.done",
        ],
        texts: &["delta"],
        others: &["response_id"],
        ..NO_MEMBERS
    },
    // Receipts for input that a client sent while the model responded. The next request or response has the input.
    EventShape {
        types: &["response.steer.accepted", "response.steer.pending", "response.steer.failed"],
        objects: &["steer"],
        others: &["error", "reason", "required_input"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["response.inject.created", "response.inject.failed"],
        others: &["error", "input", "response_id"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &[
            "response.shell_call_command.added",
            "response.shell_call_command.delta",
            "response.shell_call_command.done",
            "response.shell_call_output_content.delta",
            "response.shell_call_output_content.done",
            "response.apply_patch_call_operation_diff.delta",
            "response.apply_patch_call_operation_diff.done",
        ],
        others: &["command", "command_index", "delta", "diff", "output"],
        ..NO_MEMBERS
    },
];
