"""The last check of a request before it leaves this process for SGLang's scheduler.

The contract checks bodies; this module checks the resulting requests, on every path and under any field name. SGLang's
scheduler decodes what it receives by type and uses the rest unchecked (srt/managers/io_struct.py and
scheduler_components/request_receiver.py of sglang 0.5.23): a value that does not fit ends it, and with it every other request.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cdk_sglang_container.field_rules import token_ids_problem
from cdk_sglang_container.fields import FIELDS
from cdk_sglang_container.passage import note_dispatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sglang.srt.managers.tokenizer_manager import TokenizerManager

    from cdk_sglang_container.limits import RequestLimits

# Fields of SGLang's TokenizedGenerateReqInput and SamplingParams that have rules under their own names.
_REQUEST_FIELDS = ("top_logprobs_num", "token_ids_logprob", "logprob_start_len", "routed_experts_start_len")
_SAMPLING_FIELDS = (
    "beam_width",
    "logit_bias",
    "max_new_tokens",
    "min_new_tokens",
    "repetition_penalty",
    "sampling_seed",
    "stream_interval",
    "temperature",
    "top_k",
)

_MADE_BY_SGLANG = ("mm_inputs", "positional_embed_overrides", "time_stats")


class Sampling(Protocol):
    """What the gate reads by name of SGLang's `SamplingParams`."""

    stop_token_ids: Sequence[int] | None


class TokenizedRequest(Protocol):
    """What the gate reads by name of SGLang's `TokenizedGenerateReqInput` and `TokenizedEmbeddingReqInput`."""

    __struct_fields__: ClassVar[tuple[str, ...]]
    mm_inputs: object
    input_ids: Sequence[int] | None
    sampling_params: Sampling


_PLACE = re.compile(r"\$\[(\d+)\](?:\[(\d+)\])?")


def guard_dispatch(
    manager: TokenizerManager, limits: RequestLimits, *, roundtrip: Callable[[object], object] | None
) -> None:
    """Check everything that SGLang's tokenizer manager sends to its scheduler; an invalid request raises `ValueError`, SGLang's 400.

    Args:
        manager: SGLang's `TokenizerManager`.
        limits: Bounds of a request.
        roundtrip: Encodes a message and decodes it by the types that SGLang declares. SGLang 0.5.23 itself pickles what it sends
            to its scheduler (SGLANG_USE_PICKLE_IPC), which accepts any type, and the scheduler ends on a wrong one. Default: types are not checked.
    """
    dispatch = manager._dispatch_to_scheduler

    def checked(message: object) -> None:
        requests: Sequence[Any] = getattr(message, "batch", None) or (message,)
        for request in requests:
            if hasattr(request, "sampling_params"):
                check_tokenized(request, limits)
                if roundtrip is not None:
                    _check_types(_as_asked(request), roundtrip)
        note_dispatch()
        dispatch(message)

    manager._dispatch_to_scheduler = checked


def check_tokenized(request: TokenizedRequest, limits: RequestLimits) -> None:
    """Raise `ValueError` unless a tokenized request is within the vocabulary and the bounds."""
    if request.input_ids is not None and not len(request.input_ids) and getattr(request, "input_embeds", None) is None:
        # A pass over no tokens ends SGLang's scheduler; an empty prompt alone in its batch is such a pass.
        raise ValueError("the prompt must have at least one token")
    if request.mm_inputs is None and request.input_ids is not None:
        problem = token_ids_problem(request.input_ids, limits.vocabulary)
        if problem is not None:
            raise ValueError(f"input_ids must be {problem}")
    for holder, names in ((request, _REQUEST_FIELDS), (request.sampling_params, _SAMPLING_FIELDS)):
        for name in names:
            value = getattr(holder, name, None)
            requirement = None if value is None else FIELDS[name](value, limits)
            if requirement is not None:
                raise ValueError(f"{name} must be {requirement}; got {str(value)[:80]}")
    stops = request.sampling_params.stop_token_ids
    if stops:
        problem = token_ids_problem(list(stops), limits.vocabulary)
        if problem is not None:
            raise ValueError(f"stop_token_ids must be {problem}")


def _as_asked(request: TokenizedRequest) -> TokenizedRequest:
    """The request without the values that SGLang's own code added: images are megabytes, and not all of them can be encoded.

    Its tokens are also left out, since they have been checked: encoding a long prompt takes longer than everything else.
    """
    bare = copy.copy(request)
    bare.input_ids = None
    for name in _MADE_BY_SGLANG:
        if getattr(bare, name, None) is not None:
            setattr(bare, name, None)
    return bare


def _check_types(request: TokenizedRequest, roundtrip: Callable[[object], object]) -> None:
    try:
        roundtrip(request)
    except Exception as error:  # msgspec's errors have no common base but Exception's child of its own
        raise ValueError(_PLACE.sub(lambda place: _name(request, place), str(error))) from error


def _name(request: TokenizedRequest, place: re.Match[str]) -> str:
    """Convert a position in SGLang's positional encoding to the field's name."""
    fields = type(request).__struct_fields__
    outer = int(place[1]) - 1  # the first element is the message's type
    if not 0 <= outer < len(fields):
        return place[0]
    name = str(fields[outer])
    inner = getattr(type(getattr(request, name, None)), "__struct_fields__", None)
    if place[2] is None or inner is None or int(place[2]) >= len(inner):
        return name
    return f"{name}.{inner[int(place[2])]}"
