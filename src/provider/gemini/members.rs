//! The known members of the bodies of Gemini, in both spellings.

use crate::provider::members::{EMPTY, Members, Nested, Reason, Shape};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        read: &["contents", "tools", "topP", "maxOutputTokens", "cachedContent", "cached_content"],
        nested: &[
            ("systemInstruction", Nested::One(&INSTRUCTION)),
            ("system_instruction", Nested::One(&INSTRUCTION)),
            ("generationConfig", Nested::One(&GENERATION_CONFIG)),
            ("generation_config", Nested::One(&GENERATION_CONFIG)),
        ],
        unread: &[
            (
                Reason::Setting,
                &[
                    "labels",
                    "safetySettings",
                    "safety_settings",
                    "serviceTier",
                    "service_tier",
                    "store",
                    "toolConfig",
                    "tool_config",
                    "modelArmorConfig",
                    "model_armor_config",
                ],
            ),
            (Reason::Repeated, &["model"]),
            (Reason::Bookkeeping, &["sessionId", "session_id"]),
        ],
        ..EMPTY
    },
    entries: Nested::One(&CONTENT),
    response: Shape {
        name: "response",
        read: &["responseId", "response_id", "modelVersion", "model_version", "promptFeedback", "prompt_feedback"],
        nested: &[
            ("candidates", Nested::One(&CANDIDATE)),
            ("usageMetadata", Nested::One(&USAGE)),
            ("usage_metadata", Nested::One(&USAGE)),
        ],
        unread: &[
            (Reason::Bookkeeping, &["createTime", "create_time", "modelStatus", "model_status"]),
            (
                Reason::Repeated,
                &[
                    "error",
                    "automaticFunctionCallingHistory",
                    "automatic_function_calling_history",
                    "parsed",
                    "sdkHttpResponse",
                    "sdk_http_response",
                ],
            ),
        ],
        ..EMPTY
    },
};

static GENERATION_CONFIG: Shape = Shape {
    name: "generation config",
    read: &["temperature", "topP", "top_p", "maxOutputTokens", "max_output_tokens"],
    nested: &[("thinkingConfig", Nested::One(&THINKING_CONFIG)), ("thinking_config", Nested::One(&THINKING_CONFIG))],
    unread: &[(
        Reason::Setting,
        &[
            "audioTimestamp",
            "audio_timestamp",
            "audioTranscriptionConfig",
            "audio_transcription_config",
            "candidateCount",
            "candidate_count",
            "enableAffectiveDialog",
            "enable_affective_dialog",
            "enableEnhancedCivicAnswers",
            "enable_enhanced_civic_answers",
            "frequencyPenalty",
            "frequency_penalty",
            "imageConfig",
            "image_config",
            "logprobs",
            "mediaResolution",
            "media_resolution",
            "modelSelectionConfig",
            "model_selection_config",
            "presencePenalty",
            "presence_penalty",
            "responseFormat",
            "response_format",
            "responseJsonSchema",
            "response_json_schema",
            "responseLogprobs",
            "response_logprobs",
            "responseMimeType",
            "response_mime_type",
            "responseModalities",
            "response_modalities",
            "responseSchema",
            "response_schema",
            "_responseJsonSchema",
            "_response_json_schema",
            "routingConfig",
            "routing_config",
            "seed",
            "speechConfig",
            "speech_config",
            "stopSequences",
            "stop_sequences",
            "topK",
            "top_k",
            "translationConfig",
            "translation_config",
        ],
    )],
    ..EMPTY
};

static THINKING_CONFIG: Shape = Shape {
    name: "thinking config",
    read: &["thinkingLevel", "thinking_level"],
    unread: &[(Reason::Setting, &["thinkingBudget", "thinking_budget", "includeThoughts", "include_thoughts"])],
    ..EMPTY
};

static CANDIDATE: Shape = Shape {
    name: "candidate",
    read: &[
        "finishReason",
        "finish_reason",
        "finishMessage",
        "finish_message",
        // What the answer rests on.
        "citationMetadata",
        "citation_metadata",
        "groundingAttributions",
        "grounding_attributions",
        "groundingMetadata",
        "grounding_metadata",
        "urlContextMetadata",
        "url_context_metadata",
    ],
    nested: &[("content", Nested::One(&CONTENT))],
    unread: &[
        (
            Reason::Scores,
            &["avgLogprobs", "avg_logprobs", "logprobsResult", "logprobs_result", "safetyRatings", "safety_ratings"],
        ),
        (Reason::Bookkeeping, &["index", "tokenCount", "token_count"]),
    ],
    ..EMPTY
};

static CONTENT: Shape = Shape { name: "message", read: &["role"], nested: &[("parts", PART)], ..EMPTY };

/// The instructions are a message, or its only part.
static INSTRUCTION: Shape = Shape { name: "message", read: &["role", "text"], nested: &[("parts", PART)], ..EMPTY };

/// A part has one member with its content, and members that describe it. A part that is kept whole, such as an image,
/// has no shape.
const PART: Nested = Nested::Having {
    members: &["text", "functionCall", "function_call", "functionResponse", "function_response"],
    shape: &TEXT_OR_CALL,
};

static TEXT_OR_CALL: Shape = Shape {
    name: "part",
    read: &["text", "thought", "thoughtSignature", "thought_signature", "videoMetadata", "video_metadata"],
    nested: &[
        ("functionCall", Nested::One(&FUNCTION_CALL)),
        ("function_call", Nested::One(&FUNCTION_CALL)),
        ("functionResponse", Nested::One(&FUNCTION_RESPONSE)),
        ("function_response", Nested::One(&FUNCTION_RESPONSE)),
    ],
    unread: &[
        (Reason::Setting, &["mediaResolution", "media_resolution", "cache_control"]),
        (Reason::Program, &["partMetadata", "part_metadata"]),
        // The language of a text that is a transcript, and who spoke.
        (Reason::Bookkeeping, &["audioTranscription", "audio_transcription"]),
    ],
    ..EMPTY
};

static FUNCTION_CALL: Shape = Shape {
    name: "call",
    read: &["id", "name", "args"],
    unread: &[(Reason::Bookkeeping, &["partialArgs", "partial_args", "willContinue", "will_continue"])],
    ..EMPTY
};

static FUNCTION_RESPONSE: Shape = Shape {
    name: "output",
    read: &["id", "name", "response", "parts"],
    unread: &[(Reason::Bookkeeping, &["willContinue", "will_continue", "scheduling"])],
    ..EMPTY
};

static USAGE: Shape = Shape {
    name: "usage",
    read: &[
        "promptTokenCount",
        "prompt_token_count",
        "candidatesTokenCount",
        "candidates_token_count",
        "responseTokenCount",
        "response_token_count",
        "cachedContentTokenCount",
        "cached_content_token_count",
        "thoughtsTokenCount",
        "thoughts_token_count",
        "toolUsePromptTokenCount",
        "tool_use_prompt_token_count",
        "totalTokenCount",
        "total_token_count",
    ],
    unread: &[(
        Reason::Breakdown,
        &[
            "cacheTokensDetails",
            "cache_tokens_details",
            "candidatesTokensDetails",
            "candidates_tokens_details",
            "promptTokensDetails",
            "prompt_tokens_details",
            "responseTokensDetails",
            "response_tokens_details",
            "serviceTier",
            "service_tier",
            "toolUsePromptTokensDetails",
            "tool_use_prompt_tokens_details",
            "trafficType",
            "traffic_type",
        ],
    )],
    ..EMPTY
};
