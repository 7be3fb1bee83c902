"""What each field of a request may be, by its name: OpenAI's, Anthropic's, Ollama's and SGLang's own fields.

SGLang 0.5.23 hands most values to its scheduler unchecked, and one that does not fit a tensor, the vocabulary or the type
the scheduler decodes ends the process for every caller (`sampling_params.py`, `io_struct.py`, `sampling_batch_info.py` of
sglang/srt, read 2026-11). A name means the same on every path, so one table serves all of them; a value that is wrong in
another way is left to SGLang, which answers 400.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang_container.grammars import grammar_problem
from cdk_sglang_container.other_fields import SWITCHES
from cdk_sglang_container.patterns import pattern_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdk_sglang_container.limits import RequestLimits

    # Says what the field must be when the value is not that; None when it is.
    Rule = Callable[[object, RequestLimits], str | None]

INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1
# SamplingParams' TOP_K_ALL: the whole vocabulary (sglang/srt/sampling/sampling_params.py). The scheduler keeps 32 bits.
TOP_K_MAX = 1 << 30
# https://platform.openai.com/docs/api-reference/chat/create (read 2026-11): -100 bans a token, 100 makes it the only one.
_BIAS_MAX = 100
_TOKEN_DIGITS_MAX = 9  # int() of a long text is quadratic
# Below this, dividing logits by it overflows 32-bit floats, and sampling from the result ends SGLang's scheduler.
_PENALTY_MIN = 0.01
_NUMBER_MAX = 1e9
# SGLang aborts by prefix (sglang/srt/managers/scheduler.py, abort_request): a short rid would take other callers' with it,
# since theirs are random hexadecimal digits; one that begins like a health check's is never answered under load.
_RID: Final = re.compile(r"(?!HEALTH_CHECK)[A-Za-z0-9_.:\-]{8,256}")
_TEXT_MAX = 1024
# SGLang 0.5.23 takes 32 of each (srt/sampling/sampling_params.py); a pattern costs more than a text.
_STOPS_MAX, _STOP_PATTERNS_MAX = 32, 16
PASSES_MAX = (
    2048  # as OpenAI's embeddings: https://platform.openai.com/docs/api-reference/embeddings/create (read 2026-11)
)
_FLOAT32_MAX = 3e38
# Parameters of transformers' apply_chat_template that SGLang gives itself, or that replace the model's own template.
_TEMPLATE_OWN: Final = frozenset(
    {
        "add_generation_prompt",
        "chat_template",
        "continue_final_message",
        "conversation",
        "documents",
        "max_length",
        "messages",
        "padding",
        "return_assistant_tokens_mask",
        "return_dict",
        "return_tensors",
        "tokenize",
        "tokenizer_kwargs",
        "tools",
        "truncation",
    }
)
# SessionParams of sglang/srt/managers/io_struct.py.
_SESSION_KEYS: Final = frozenset({"drop_previous_output", "id", "offset", "replace", "rid"})

# What SGLang takes from Ollama's options (srt/entrypoints/ollama/serving.py, 0.5.23), without `stop`.
_OLLAMA_NUMBERS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "num_predict",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)


def is_whole(value: object) -> bool:
    """Whether a JSON number is a whole one; 1.0 is, true is not."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _each(value: object) -> Sequence[Any]:
    """The values of a field that takes one, or a list of them (one per prompt)."""
    return value if isinstance(value, list) else (value,)


def _whole(bounds: Callable[[RequestLimits], tuple[int, int]]) -> Rule:
    """A whole number, or a list of them (one per prompt)."""

    def rule(value: object, limits: RequestLimits) -> str | None:
        low, high = bounds(limits)
        if all(each is None or (is_whole(each) and low <= each <= high) for each in _each(value)):
            return None
        return f"a whole number from {low} to {high}"

    return rule


def _between(low: int, high: int) -> Rule:
    return _whole(lambda _limits: (low, high))


def _number(low: float, high: float) -> Rule:
    def rule(value: object, _limits: RequestLimits) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"a number from {low:g} to {high:g}"

    return rule


def _tokens_of_context(low: int) -> Rule:
    return _whole(lambda limits: (low, INT32_MAX if limits.truncates else limits.context))


def _alternatives(limits: RequestLimits) -> tuple[int, int]:
    return 0, min(limits.top_logprobs, limits.vocabulary)


def _logprobs(value: object, limits: RequestLimits) -> str | None:
    """Chat: whether; completions: how many."""
    return None if isinstance(value, bool) else _whole(_alternatives)(value, limits)


def token_ids_problem(ids: Sequence[Any], vocabulary: int) -> str | None:
    """What a flat sequence of token ids must be; quick, since prompts are long."""
    return None if _within(ids, vocabulary) else f"token ids from 0 to {vocabulary - 1}, the model's vocabulary"


def _within(numbers: Sequence[Any], end: int) -> bool:
    typed = isinstance(numbers, array) or set(map(type, numbers)) <= {int}
    return not len(numbers) or (typed and min(numbers) >= 0 and max(numbers) < end)


def _token_ids(value: object, limits: RequestLimits) -> str | None:
    """A token id, a list of them, or a list of such lists; texts and what else the name may mean pass."""
    return None if _all_within(value, limits.vocabulary) else token_ids_problem([-1], limits.vocabulary)


def _positions(value: object, limits: RequestLimits) -> str | None:
    return None if _all_within(value, limits.context) else f"positions from 0 to {limits.context - 1}, the context"


def _all_within(value: object, end: int) -> bool:
    if isinstance(value, int | float):
        value = [value]
    if not isinstance(value, list):
        return True
    kinds = set(map(type, value))
    if kinds & {int, float, bool}:
        return _within(value, end)
    return list not in kinds or all(_all_within(each, end) for each in value)


def _logit_bias(value: object, limits: RequestLimits) -> str | None:
    wanted = f"an object of token ids (0 to {limits.vocabulary - 1}) and numbers from -{_BIAS_MAX} to {_BIAS_MAX}"
    if not isinstance(value, dict):
        return wanted
    bias = _number(-_BIAS_MAX, _BIAS_MAX)
    for key, each in value.items():
        short = len(key) <= _TOKEN_DIGITS_MAX and key.isascii() and key.isdecimal()
        if not (short and int(key) < limits.vocabulary):
            return wanted
        if bias(each, limits) is not None:
            return wanted
    return None


def _switch(*also: str) -> Rule:
    """True or false, or a list of them (one per prompt); 1 and 0 mean the same."""
    allowed = (True, False, None, *also)
    shown = " or ".join(["true or false", *map(repr, also)])
    return lambda value, _limits: None if value != [] and all(each in allowed for each in _each(value)) else shown


def _rid(value: object, _limits: RequestLimits) -> str | None:
    if isinstance(value, str) and _RID.fullmatch(value):
        return None
    return "a text of 8 to 256 letters, digits, '_', '.', ':' and '-' that does not begin with HEALTH_CHECK"


def _text(value: object, _limits: RequestLimits) -> str | None:
    values = _each(value)
    if all(each is None or (isinstance(each, str) and len(each) <= _TEXT_MAX) for each in values):
        return None
    return f"a text of at most {_TEXT_MAX} characters"


def _stops(value: object, _limits: RequestLimits) -> str | None:
    """Texts that end an answer: the scheduler looks for each of them in as much of the answer, at every token."""
    values = _each(value)
    if len(values) <= _STOPS_MAX and all(isinstance(each, str) and len(each) <= _TEXT_MAX for each in values):
        return None
    return f"a text, or a list of at most {_STOPS_MAX} texts, of at most {_TEXT_MAX} characters each"


def _parts(value: object, _limits: RequestLimits) -> str | None:
    """Texts that are one pass each, such as documents to rank."""
    few = not isinstance(value, list) or len(value) <= PASSES_MAX
    return None if few else f"at most {PASSES_MAX:,} of them"


def _items(value: object, limits: RequestLimits) -> str | None:
    return _parts(value, limits) or _token_ids(value, limits)


def _vectors(value: object, limits: RequestLimits) -> str | None:
    """Embeddings in place of tokens: lists of numbers, one for each unit of the model's width, in lists of lists."""
    if isinstance(value, list) and value and (value[0] is None or isinstance(value[0], list)):
        return next((problem for part in value if part is not None and (problem := _vectors(part, limits))), None)
    width = limits.width
    if isinstance(value, list) and (not value or (width is not None and len(value) != width)):
        return f"lists of {width} numbers, the model's width"
    finite = isinstance(value, list) and all(type(each) in {int, float} and abs(each) < _FLOAT32_MAX for each in value)
    return None if finite else "lists of numbers"


def _object_without(reserved: frozenset[str]) -> Rule:
    def rule(value: object, _limits: RequestLimits) -> str | None:
        if not isinstance(value, dict):
            return "an object"
        taken = sorted(reserved & value.keys())
        return f"an object without {', '.join(taken)}, which the server sets" if taken else None

    return rule


def _options(value: object, _limits: RequestLimits) -> str | None:
    """Ollama's: of one prompt, and told as an error only after the 200 of its stream."""
    if isinstance(value, dict) and any(isinstance(value.get(name), list) for name in _OLLAMA_NUMBERS):
        return f"an object with one number each for {', '.join(_OLLAMA_NUMBERS)}"
    return None


def _session_params(value: object, limits: RequestLimits) -> str | None:
    if isinstance(value, dict) and value.keys() <= _SESSION_KEYS:
        texts = all(value.get(key) is None or _text(value[key], limits) is None for key in ("id", "rid"))
        offset = value.get("offset") is None or _between(0, INT32_MAX)(value["offset"], limits) is None
        flags = (value.get(key) for key in ("replace", "drop_previous_output"))
        if texts and offset and all(flag is None or isinstance(flag, bool) for flag in flags):
            return None
    return f"an object with {', '.join(sorted(_SESSION_KEYS))} alone"


def _grammar(value: object, limits: RequestLimits) -> str | None:
    return grammar_problem(value, size=limits.grammar_bytes, depth=limits.depth)


def _regex(value: object, limits: RequestLimits) -> str | None:
    if not isinstance(value, str):
        return "a regular expression"
    if len(value) > limits.grammar_bytes:
        return f"at most {limits.grammar_bytes} bytes long"
    return pattern_problem(value, backtracks=False)


def _stop_regex(value: object, _limits: RequestLimits) -> str | None:
    values = _each(value)
    if len(values) > _STOP_PATTERNS_MAX or not all(isinstance(each, str) for each in values):
        return f"a regular expression, or a list of at most {_STOP_PATTERNS_MAX}"
    return next((problem for each in values if (problem := pattern_problem(each, backtracks=True))), None)


def _set_by_server(_value: object, _limits: RequestLimits) -> str | None:
    return "left out: it is set by the server"


def _by_name(rule: Rule, *names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, rule)


FIELDS: Final[Mapping[str, Rule]] = {
    **_by_name(_switch(), *SWITCHES),
    "return_hidden_states": _switch("last"),
    "n": _whole(lambda limits: (1, limits.sequences)),
    **_by_name(_whole(lambda limits: (1, limits.sequences)), "best_of", "beam_width"),
    **_by_name(_whole(_alternatives), "top_logprobs", "top_logprobs_num"),
    "logprobs": _logprobs,
    "top_k": _between(-1, TOP_K_MAX),
    **_by_name(_tokens_of_context(0), "max_tokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens"),
    **_by_name(_tokens_of_context(0), "min_tokens", "min_new_tokens", "max_thinking_tokens"),
    "num_predict": _tokens_of_context(-2),  # Ollama's: -1 and -2 mean no bound of its own
    "logprob_start_len": _whole(lambda limits: (-1, limits.context)),
    "routed_experts_start_len": _whole(lambda limits: (0, limits.context)),
    **_by_name(_between(-(2**63), INT64_MAX), "seed", "sampling_seed"),
    **_by_name(_between(-(2**31), INT32_MAX), "priority"),
    **_by_name(_between(0, INT64_MAX), "bootstrap_room"),
    **_by_name(_between(0, 65535), "bootstrap_port"),
    **_by_name(
        _between(0, INT32_MAX), "routed_dp_rank", "data_parallel_rank", "disagg_prefill_dp_rank", "decode_tp_size"
    ),
    **_by_name(_between(1, INT32_MAX), "stream_interval", "dimensions", "top_n"),
    **_by_name(_between(0, INT32_MAX), "max_tool_calls", "capacity_of_str_len"),
    "timeout": _number(0, INT32_MAX),
    **_by_name(
        _between(1, 1024),
        "max_dynamic_patch",
        "min_dynamic_patch",
        "image_max_dynamic_patch",
        "video_max_dynamic_patch",
    ),
    "temperature": _number(0, _NUMBER_MAX),
    **_by_name(_number(0, 1), "top_p", "min_p"),
    **_by_name(_number(-2, 2), "frequency_penalty", "presence_penalty"),
    "repetition_penalty": _number(_PENALTY_MIN, 2),
    **_by_name(_token_ids, "input_ids", "prompt", "input", "tokens", "query", "text"),
    **_by_name(_token_ids, "stop_token_ids", "token_ids_logprob", "label_token_ids", "embed_override_token_id"),
    **_by_name(_positions, "multi_item_delimiter_indices", "token_indices_to_pool"),
    "items": _items,
    "documents": _parts,
    **_by_name(_vectors, "input_embeds", "embed_overrides", "query_embed_overrides", "item_embed_overrides"),
    "logit_bias": _logit_bias,
    # A response's id is the engine's rid (srt/entrypoints/openai/serving_responses.py).
    **_by_name(_rid, "rid", "request_id"),
    **_by_name(_text, "session_id", "conversation_id", "routing_key", "extra_key", "cache_salt", "bootstrap_host"),
    **_by_name(_text, "bootstrap_pair_key", "lora_path", "previous_response_id", "score_extraction_token"),
    **_by_name(_text, "reasoning_parser", "tool_call_parser"),
    **_by_name(_stops, "stop", "stop_sequences"),
    "stop_regex": _stop_regex,
    "regex": _regex,
    **_by_name(_grammar, "ebnf", "json_schema", "structural_tag", "response_format", "tools", "format"),
    "chat_template_kwargs": _object_without(_TEMPLATE_OWN),
    "session_params": _session_params,
    "options": _options,
    # GenerateReqInput and EmbeddingReqInput take these from a body too; SGLang's own processes fill them in.
    **_by_name(_set_by_server, "lora_id", "http_worker_ipc", "kv_hints", "positional_embed_overrides"),
    **_by_name(_set_by_server, "need_wait_for_mm_inputs", "num_items_assigned", "encoder_urls", "decision_layout"),
    **_by_name(_set_by_server, "received_time", "external_trace_header", "return_bytes", "is_normalized"),
    **_by_name(_set_by_server, "stop_strs", "stop_str_max_len", "stop_regex_strs", "stop_regex_max_len"),
    "ebnf_full_assistant": _set_by_server,
}
"""Null passes everywhere: it is SGLang's default."""
