"""Allowed values of each field of a request, by its name: OpenAI's, Anthropic's, Ollama's and SGLang's own fields.

A name means the same on every path, so one table serves all of them; a value that is wrong in a way that its rule does not check is left
to SGLang, which answers 400.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang_container import field_rules as rules
from cdk_sglang_container.other_fields import SWITCHES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang_container.field_rules import Rule


def _by_name(rule: Rule, *names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, rule)


FIELDS: Final[Mapping[str, Rule]] = {
    **_by_name(rules.switch(), *SWITCHES),
    "return_hidden_states": rules.switch("last"),
    "n": rules.whole(lambda limits: (1, limits.sequences)),
    **_by_name(rules.whole(lambda limits: (1, limits.sequences)), "best_of", "beam_width"),
    **_by_name(rules.whole(rules.alternatives), "top_logprobs", "top_logprobs_num"),
    "logprobs": rules.logprobs,
    "top_k": rules.between(-1, rules.TOP_K_MAX),
    **_by_name(
        rules.tokens_of_context(0), "max_tokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens"
    ),
    **_by_name(rules.tokens_of_context(0), "min_tokens", "min_new_tokens", "max_thinking_tokens"),
    "num_predict": rules.tokens_of_context(-2),  # Ollama's: -1 and -2 set no bound
    "logprob_start_len": rules.whole(lambda limits: (-1, limits.context)),
    "routed_experts_start_len": rules.whole(lambda limits: (0, limits.context)),
    **_by_name(rules.between(-(2**63), rules.INT64_MAX), "seed", "sampling_seed"),
    **_by_name(rules.between(-(2**31), rules.INT32_MAX), "priority"),
    **_by_name(rules.between(0, rules.INT64_MAX), "bootstrap_room"),
    **_by_name(rules.between(0, 65535), "bootstrap_port"),
    **_by_name(
        rules.between(0, rules.INT32_MAX),
        "routed_dp_rank",
        "data_parallel_rank",
        "disagg_prefill_dp_rank",
        "decode_tp_size",
    ),
    **_by_name(rules.between(1, rules.INT32_MAX), "stream_interval", "dimensions", "top_n"),
    **_by_name(rules.between(0, rules.INT32_MAX), "max_tool_calls", "capacity_of_str_len"),
    "timeout": rules.number(0, rules.INT32_MAX),
    **_by_name(
        rules.between(1, 1024),
        "max_dynamic_patch",
        "min_dynamic_patch",
        "image_max_dynamic_patch",
        "video_max_dynamic_patch",
    ),
    "temperature": rules.number(0, rules.NUMBER_MAX),
    **_by_name(rules.number(0, 1), "top_p", "min_p"),
    **_by_name(rules.number(-2, 2), "frequency_penalty", "presence_penalty"),
    "repetition_penalty": rules.number(rules.PENALTY_MIN, 2),
    **_by_name(rules.token_ids, "input_ids", "prompt", "input", "tokens", "query", "text"),
    **_by_name(rules.token_ids, "stop_token_ids", "token_ids_logprob", "label_token_ids", "embed_override_token_id"),
    **_by_name(rules.positions, "multi_item_delimiter_indices", "token_indices_to_pool"),
    "items": rules.items,
    "documents": rules.parts,
    **_by_name(rules.vectors, "input_embeds", "embed_overrides", "query_embed_overrides", "item_embed_overrides"),
    "logit_bias": rules.logit_bias,
    # A response's id is the engine's rid (srt/entrypoints/openai/serving_responses.py).
    **_by_name(rules.rid, "rid", "request_id"),
    **_by_name(rules.text, "session_id", "conversation_id", "routing_key", "extra_key", "cache_salt", "bootstrap_host"),
    **_by_name(rules.text, "bootstrap_pair_key", "lora_path", "previous_response_id", "score_extraction_token"),
    **_by_name(rules.text, "reasoning_parser", "tool_call_parser"),
    **_by_name(rules.stops, "stop", "stop_sequences"),
    "stop_regex": rules.stop_regex,
    "regex": rules.regex,
    **_by_name(rules.grammar, "ebnf", "json_schema", "structural_tag", "response_format", "tools", "format"),
    "chat_template_kwargs": rules.object_without(rules.TEMPLATE_OWN),
    "session_params": rules.session_params,
    "options": rules.options,
    # GenerateReqInput and EmbeddingReqInput also read these from a body, although SGLang's own processes set them.
    **_by_name(rules.set_by_server, "lora_id", "http_worker_ipc", "kv_hints", "positional_embed_overrides"),
    **_by_name(rules.set_by_server, "need_wait_for_mm_inputs", "num_items_assigned", "encoder_urls", "decision_layout"),
    **_by_name(rules.set_by_server, "received_time", "external_trace_header", "return_bytes", "is_normalized"),
    **_by_name(rules.set_by_server, "stop_strs", "stop_str_max_len", "stop_regex_strs", "stop_regex_max_len"),
    "ebnf_full_assistant": rules.set_by_server,
}
"""Null passes everywhere: it is SGLang's default."""
