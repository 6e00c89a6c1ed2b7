//! The known members of the bodies of Converse.

use crate::provider::members::{CONTEXT_MANAGEMENT, EMPTY, INPUT_TRANSFORMATION, Members, Nested, Reason, Shape};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        // The model and the variables name a stored prompt, and fill it.
        read: &["messages", "modelId", "promptVariables"],
        nested: &[
            ("system", PART),
            ("inferenceConfig", Nested::One(&INFERENCE_CONFIG)),
            ("toolConfig", Nested::One(&TOOL_CONFIG)),
        ],
        unread: &[
            (
                Reason::Setting,
                &[
                    "additionalModelRequestFields",
                    "additionalModelResponseFieldPaths",
                    "guardrailConfig",
                    "outputConfig",
                    "performanceConfig",
                    "serviceTier",
                ],
            ),
            (Reason::Program, &["requestMetadata"]),
        ],
        ..EMPTY
    },
    entries: Nested::One(&MESSAGE),
    response: Shape {
        name: "response",
        read: &["stopReason"],
        nested: &[
            ("output", Nested::One(&OUTPUT)),
            ("usage", Nested::One(&USAGE)),
            ("trace", Nested::One(&TRACE)),
            ("additionalModelResponseFields", Nested::One(&MODEL_FIELDS)),
        ],
        unread: &[(
            Reason::Bookkeeping,
            &["ResponseMetadata", "$metadata", "metrics", "performanceConfig", "serviceTier"],
        )],
        ..EMPTY
    },
};

static TRACE: Shape = Shape {
    name: "trace",
    nested: &[("guardrail", Nested::One(&GUARDRAIL))],
    // The model that a router chose.
    unread: &[(Reason::Bookkeeping, &["promptRouter"])],
    ..EMPTY
};

/// What a guardrail found. What the model wrote before the guardrail replaced it, `modelOutput`, is read by no rule.
static GUARDRAIL: Shape = Shape {
    name: "guardrail",
    read: &["actionReason"],
    unread: &[(Reason::Scores, &["inputAssessment", "outputAssessment", "outputAssessments"])],
    ..EMPTY
};

/// Members of the model's own response that the request asked for.
static MODEL_FIELDS: Shape = Shape {
    name: "model response",
    nested: &[
        ("context_management", Nested::One(&CONTEXT_MANAGEMENT)),
        ("input_transformations", Nested::One(&INPUT_TRANSFORMATION)),
    ],
    unread: &[(Reason::Bookkeeping, &["stop_sequence"])],
    ..EMPTY
};

static INFERENCE_CONFIG: Shape = Shape {
    name: "inference config",
    read: &["maxTokens", "temperature", "topP"],
    unread: &[(Reason::Setting, &["stopSequences"])],
    ..EMPTY
};

static TOOL_CONFIG: Shape =
    Shape { name: "tool config", read: &["tools"], unread: &[(Reason::Setting, &["toolChoice"])], ..EMPTY };

static OUTPUT: Shape = Shape { name: "output", nested: &[("message", Nested::One(&MESSAGE))], ..EMPTY };

static MESSAGE: Shape = Shape { name: "message", read: &["role"], nested: &[("content", PART)], ..EMPTY };

/// A part has one member with its content. A part that is kept whole, such as an image, has no shape.
const PART: Nested = Nested::Having {
    members: &["text", "toolUse", "toolResult", "reasoningContent", "citationsContent", "guardContent", "cachePoint"],
    shape: &CONTENT_BLOCK,
};

static CONTENT_BLOCK: Shape = Shape {
    name: "part",
    read: &["text", "cachePoint"],
    nested: &[
        ("toolUse", Nested::One(&TOOL_USE)),
        ("toolResult", Nested::One(&TOOL_RESULT)),
        ("reasoningContent", Nested::One(&REASONING)),
        ("citationsContent", Nested::One(&CITED)),
        // An image to guard is kept whole.
        ("guardContent", Nested::Having { members: &["text"], shape: &GUARDED }),
    ],
    ..EMPTY
};

static TOOL_USE: Shape =
    Shape { name: "call", read: &["toolUseId", "name", "input"], unread: &[(Reason::Bookkeeping, &["type"])], ..EMPTY };

static TOOL_RESULT: Shape = Shape {
    name: "output",
    read: &["toolUseId", "status"],
    nested: &[("content", Nested::Having { members: &["text", "json", "cachePoint"], shape: &RESULT_BLOCK })],
    unread: &[(Reason::Bookkeeping, &["type"])],
    ..EMPTY
};

static RESULT_BLOCK: Shape = Shape { name: "part", read: &["text", "json", "cachePoint"], ..EMPTY };

static REASONING: Shape = Shape {
    name: "reasoning",
    read: &["redactedContent"],
    nested: &[("reasoningText", Nested::One(&REASONING_TEXT))],
    ..EMPTY
};

static REASONING_TEXT: Shape = Shape { name: "reasoning", read: &["text", "signature"], ..EMPTY };

/// Citations are kept whole.
static CITED: Shape =
    Shape { name: "part", read: &["citations"], nested: &[("content", Nested::One(&GENERATED))], ..EMPTY };

static GENERATED: Shape = Shape { name: "part", read: &["text"], ..EMPTY };

static GUARDED: Shape = Shape { name: "part", nested: &[("text", Nested::One(&GUARDED_TEXT))], ..EMPTY };

static GUARDED_TEXT: Shape =
    Shape { name: "part", read: &["text"], unread: &[(Reason::Setting, &["qualifiers"])], ..EMPTY };

static USAGE: Shape = Shape {
    name: "usage",
    read: &[
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "cacheReadInputTokens",
        "cacheReadInputTokenCount",
        "cacheWriteInputTokens",
        "cacheWriteInputTokenCount",
    ],
    nested: &[("cacheDetails", Nested::One(&CACHE_DETAIL))],
    unread: &[(Reason::Breakdown, &["serverToolUsage"])],
    ..EMPTY
};

static CACHE_DETAIL: Shape = Shape { name: "usage", read: &["ttl", "inputTokens"], ..EMPTY };
