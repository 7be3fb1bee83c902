"""Fields of SGLang's protocol that are switches, and those that need no rule: no value in them is a count or an index."""

from __future__ import annotations

from typing import Final

SWITCHES: Final = (
    "add_generation_prompt",
    "add_special_tokens",
    "apply_softmax",
    "background",
    "continue_final_message",
    "echo",
    "ignore_eos",
    "is_cross_encoder_request",
    "item_first",
    "log_metrics",
    "no_logs",
    "no_stop_trim",
    "parallel_tool_calls",
    "raw",
    "require_reasoning",
    "return_blocks",
    "return_cached_tokens_details",
    "return_documents",
    "return_entropy",
    "return_flat_raw_output_top_logprobs",
    "return_flat_raw_top_logprobs",
    "return_flat_raw_top_logprobs_b64",
    "return_indexer_topk",
    "return_input_ids_in_sglext",
    "return_logprob",
    "return_meta_info",
    "return_output_ids_in_sglext",
    "return_pooled_hidden_states",
    "return_prompt_token_ids",
    "return_routed_experts",
    "return_sampling_mask",
    "return_spec_tokens_details",
    "return_text_in_logprobs",
    "return_token_ids",
    "return_token_logprobs",
    "separate_reasoning",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "store",
    "stream",
    "stream_reasoning",
    "streaming",
    "use_audio_in_video",
)
"""True or false, or a list of them (one per prompt)."""

# Names from a fixed list, and small objects: SGLang's own types check those.
_TYPED: Final = """
    encoding_format include keep_alive reasoning reasoning_effort sampling_logprobs_mode service_tier stream_options task think
    thinking tool_choice truncation
"""
# Texts and media, which become tokens or are looked up; objects whose fields are checked by their own names; and what
# SGLang refuses unless its operator has enabled it.
_CONTENT: Final = """
    audio_data betas context custom_labels custom_logit_processor custom_params image_data images images_config instances
    instruct instructions messages metadata mm_content_hashes mm_hashes mm_processor_kwargs modalities model
    output_config parameters prompt_format_version questions sampling_params state suffix system template user video_config
    video_data watermark
"""
UNBOUNDED: Final = frozenset(_TYPED.split()) | frozenset(_CONTENT.split())
"""Fields without a rule."""
