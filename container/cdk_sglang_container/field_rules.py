"""Rules for single fields: each returns what a value must be if the value is invalid, and None if it is valid.

SGLang 0.5.23 passes most values to its scheduler unchecked, and one that does not fit a tensor, the vocabulary or the type
the scheduler decodes ends the process for every caller (`sampling_params.py`, `io_struct.py`, `sampling_batch_info.py` of
sglang/srt, read 2026-11).
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang_container.grammars import grammar_problem
from cdk_sglang_container.patterns import pattern_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cdk_sglang_container.limits import RequestLimits

    # Returns what the field must be if the value is invalid; None if it is valid.
    Rule = Callable[[object, RequestLimits], str | None]

INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1
# SamplingParams' TOP_K_ALL: the whole vocabulary (sglang/srt/sampling/sampling_params.py). The scheduler keeps 32 bits.
TOP_K_MAX = 1 << 30
# https://platform.openai.com/docs/api-reference/chat/create (read 2026-11): -100 bans a token, 100 makes it the only one.
_BIAS_MAX = 100
_TOKEN_DIGITS_MAX = 9  # int() of a long text is quadratic
# Below this, dividing logits by it overflows 32-bit floats, and sampling from the result ends SGLang's scheduler.
PENALTY_MIN = 0.01
NUMBER_MAX = 1e9
# SGLang aborts by prefix (sglang/srt/managers/scheduler.py, abort_request): a short rid would abort other callers' requests,
# since theirs are random hexadecimal digits; one that begins like a health check's is never answered under load.
_RID: Final = re.compile(r"(?!HEALTH_CHECK)[A-Za-z0-9_.:\-]{8,256}")
_TEXT_MAX = 1024
# SGLang 0.5.23 accepts 32 of each (srt/sampling/sampling_params.py); a pattern costs more than a text.
_STOPS_MAX, _STOP_PATTERNS_MAX = 32, 16
PASSES_MAX = (
    2048  # as OpenAI's embeddings: https://platform.openai.com/docs/api-reference/embeddings/create (read 2026-11)
)
_FLOAT32_MAX = 3e38
# Parameters of transformers' apply_chat_template that SGLang sets itself, or that replace the model's own template.
TEMPLATE_OWN: Final = frozenset(
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

# What SGLang reads from Ollama's options (srt/entrypoints/ollama/serving.py, 0.5.23), without `stop`.
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
    """Whether a JSON value is a whole number; 1.0 is, true is not."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _each(value: object) -> Sequence[Any]:
    """The values of a field that takes one value, or a list of them (one per prompt)."""
    return value if isinstance(value, list) else (value,)


def whole(bounds: Callable[[RequestLimits], tuple[int, int]]) -> Rule:
    """A whole number, or a list of them (one per prompt)."""

    def rule(value: object, limits: RequestLimits) -> str | None:
        low, high = bounds(limits)
        if all(each is None or (is_whole(each) and low <= each <= high) for each in _each(value)):
            return None
        return f"a whole number from {low} to {high}"

    return rule


def between(low: int, high: int) -> Rule:
    """Return the rule for a whole number from `low` to `high`."""
    return whole(lambda _limits: (low, high))


def number(low: float, high: float) -> Rule:
    """Return the rule for a number from `low` to `high`."""

    def rule(value: object, _limits: RequestLimits) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"a number from {low:g} to {high:g}"

    return rule


def tokens_of_context(low: int) -> Rule:
    """Return the rule for a number of tokens, bounded by the context."""
    return whole(lambda limits: (low, INT32_MAX if limits.truncates else limits.context))


def alternatives(limits: RequestLimits) -> tuple[int, int]:
    """Return the bounds of the number of alternatives whose probabilities are returned."""
    return 0, min(limits.top_logprobs, limits.vocabulary)


def logprobs(value: object, limits: RequestLimits) -> str | None:
    """Rule for `logprobs`: a boolean in chats, a number in completions."""
    return None if isinstance(value, bool) else whole(alternatives)(value, limits)


def token_ids_problem(ids: Sequence[Any], vocabulary: int) -> str | None:
    """What a flat sequence of token ids must be; fast, since prompts are long."""
    return None if _within(ids, vocabulary) else f"token ids from 0 to {vocabulary - 1}, the model's vocabulary"


def _within(numbers: Sequence[Any], end: int) -> bool:
    typed = isinstance(numbers, array) or set(map(type, numbers)) <= {int}
    return not len(numbers) or (typed and min(numbers) >= 0 and max(numbers) < end)


def token_ids(value: object, limits: RequestLimits) -> str | None:
    """A token id, a list of them, or a list of such lists; texts and other meanings of the name pass."""
    return None if _all_within(value, limits.vocabulary) else token_ids_problem([-1], limits.vocabulary)


def positions(value: object, limits: RequestLimits) -> str | None:
    """Say what positions in a prompt must be."""
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


def logit_bias(value: object, limits: RequestLimits) -> str | None:
    """Say what biases of tokens must be."""
    requirement = f"an object of token ids (0 to {limits.vocabulary - 1}) and numbers from -{_BIAS_MAX} to {_BIAS_MAX}"
    if not isinstance(value, dict):
        return requirement
    bias = number(-_BIAS_MAX, _BIAS_MAX)
    for key, each in value.items():
        short = len(key) <= _TOKEN_DIGITS_MAX and key.isascii() and key.isdecimal()
        if not (short and int(key) < limits.vocabulary):
            return requirement
        if bias(each, limits) is not None:
            return requirement
    return None


def switch(*also: str) -> Rule:
    """True or false, or a list of them (one per prompt); 1 and 0 mean the same."""
    allowed = (True, False, None, *also)
    shown = " or ".join(["true or false", *map(repr, also)])
    return lambda value, _limits: None if value != [] and all(each in allowed for each in _each(value)) else shown


def rid(value: object, _limits: RequestLimits) -> str | None:
    """Say what the id of a request must be."""
    if isinstance(value, str) and _RID.fullmatch(value):
        return None
    return "a text of 8 to 256 letters, digits, '_', '.', ':' and '-' that does not begin with HEALTH_CHECK"


def text(value: object, _limits: RequestLimits) -> str | None:
    """Say what a text, or a list of texts, must be."""
    values = _each(value)
    if all(each is None or (isinstance(each, str) and len(each) <= _TEXT_MAX) for each in values):
        return None
    return f"a text of at most {_TEXT_MAX} characters"


def stops(value: object, _limits: RequestLimits) -> str | None:
    """Texts that end an answer: at every token, the scheduler searches the end of the answer for each of them."""
    values = _each(value)
    if len(values) <= _STOPS_MAX and all(isinstance(each, str) and len(each) <= _TEXT_MAX for each in values):
        return None
    return f"a text, or a list of at most {_STOPS_MAX} texts, of at most {_TEXT_MAX} characters each"


def parts(value: object, _limits: RequestLimits) -> str | None:
    """Texts that cost one pass each, such as documents to rank."""
    few = not isinstance(value, list) or len(value) <= PASSES_MAX
    return None if few else f"at most {PASSES_MAX:,} of them"


def items(value: object, limits: RequestLimits) -> str | None:
    """Say what the items to score must be."""
    return parts(value, limits) or token_ids(value, limits)


def vectors(value: object, limits: RequestLimits) -> str | None:
    """Embeddings in place of tokens: lists of as many numbers as the model is wide, in lists of lists."""
    if isinstance(value, list) and value and (value[0] is None or isinstance(value[0], list)):
        return next((problem for part in value if part is not None and (problem := vectors(part, limits))), None)
    width = limits.width
    if isinstance(value, list) and (not value or (width is not None and len(value) != width)):
        return f"lists of {width} numbers, the model's width"
    finite = isinstance(value, list) and all(type(each) in {int, float} and abs(each) < _FLOAT32_MAX for each in value)
    return None if finite else "lists of numbers"


def object_without(reserved: frozenset[str]) -> Rule:
    """Return the rule for an object that must not contain what the server sets itself."""

    def rule(value: object, _limits: RequestLimits) -> str | None:
        if not isinstance(value, dict):
            return "an object"
        taken = sorted(reserved & value.keys())
        return f"an object without {', '.join(taken)}, which the server sets" if taken else None

    return rule


def options(value: object, _limits: RequestLimits) -> str | None:
    """Ollama's options: for one prompt; SGLang would report an error only after the 200 of its stream."""
    if isinstance(value, dict) and any(isinstance(value.get(name), list) for name in _OLLAMA_NUMBERS):
        return f"an object with one number each for {', '.join(_OLLAMA_NUMBERS)}"
    return None


def session_params(value: object, limits: RequestLimits) -> str | None:
    """Say what SGLang's session parameters must be."""
    if isinstance(value, dict) and value.keys() <= _SESSION_KEYS:
        texts = all(value.get(key) is None or text(value[key], limits) is None for key in ("id", "rid"))
        offset = value.get("offset") is None or between(0, INT32_MAX)(value["offset"], limits) is None
        flags = (value.get(key) for key in ("replace", "drop_previous_output"))
        if texts and offset and all(flag is None or isinstance(flag, bool) for flag in flags):
            return None
    return f"an object with {', '.join(sorted(_SESSION_KEYS))} alone"


def grammar(value: object, limits: RequestLimits) -> str | None:
    """Return the required size and depth of a grammar or a schema."""
    return grammar_problem(value, size=limits.grammar_bytes, depth=limits.depth)


def regex(value: object, limits: RequestLimits) -> str | None:
    """Say what a regular expression for the answer must be."""
    if not isinstance(value, str):
        return "a regular expression"
    if len(value) > limits.grammar_bytes:
        return f"at most {limits.grammar_bytes} bytes long"
    return pattern_problem(value, backtracks=False)


def stop_regex(value: object, _limits: RequestLimits) -> str | None:
    """Say what patterns that end an answer must be."""
    values = _each(value)
    if len(values) > _STOP_PATTERNS_MAX or not all(isinstance(each, str) for each in values):
        return f"a regular expression, or a list of at most {_STOP_PATTERNS_MAX}"
    return next((problem for each in values if (problem := pattern_problem(each, backtracks=True))), None)


def set_by_server(_value: object, _limits: RequestLimits) -> str | None:
    """Refuse a field that callers must not set."""
    return "left out: it is set by the server"
