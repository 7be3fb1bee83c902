"""What leaves for SGLang's scheduler, whatever path it came by."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import pytest
from cdk_sglang_container.gate import guard_dispatch
from cdk_sglang_container.limits import RequestLimits

LIMITS = RequestLimits(vocabulary=261, context=2048)


class Sampling(SimpleNamespace):
    __struct_fields__ = ("max_new_tokens", "stop_token_ids")


class Tokenized(SimpleNamespace):
    __struct_fields__ = ("rid", "input_ids", "mm_inputs", "sampling_params")


def _request(**changes: Any) -> Tokenized:
    sampling = Sampling(max_new_tokens=4, stop_token_ids=None)
    for name in [name for name in changes if name in {"top_k", "logit_bias", "stop_token_ids", "temperature"}]:
        setattr(sampling, name, changes.pop(name))
    return Tokenized(
        **{"rid": "r", "input_ids": array("q", [0, 260]), "mm_inputs": None, "sampling_params": sampling, **changes}
    )


class Manager:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    def _dispatch_to_scheduler(self, message: Any) -> None:
        self.sent.append(message)


def _guarded(roundtrip: Any = None) -> Manager:
    manager = Manager()
    guard_dispatch(manager, LIMITS, roundtrip=roundtrip)
    return manager


def test_a_request_within_bounds_and_what_is_no_request_go_on() -> None:
    manager = _guarded()
    messages = [_request(), SimpleNamespace(batch=[_request(), _request()]), SimpleNamespace(rid="abort")]
    for message in messages:
        manager._dispatch_to_scheduler(message)
    assert manager.sent == messages


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"input_ids": array("q", [261])}, "input_ids must be token ids from 0 to 260"),
        ({"input_ids": array("q", [-1])}, "input_ids must be token ids from 0 to 260"),
        ({"input_ids": array("q")}, "the prompt must have at least one token"),
        ({"top_k": 2**31}, "top_k must be a whole number from -1"),
        ({"top_logprobs_num": 300}, "top_logprobs_num must be a whole number from 0 to 20"),
        ({"stop_token_ids": {999_999}}, "stop_token_ids must be token ids"),
        ({"logit_bias": {"5": 1e39}}, "logit_bias must be an object"),
        ({"temperature": "warm"}, "temperature must be a number"),
    ],
)
@pytest.mark.parametrize("batched", [False, True])
def test_a_request_beyond_its_bounds_stays_here(changes: dict[str, Any], problem: str, batched: bool) -> None:
    manager = _guarded()
    request = _request(**changes)
    message = SimpleNamespace(batch=[_request(), request]) if batched else request
    with pytest.raises(ValueError, match=problem):
        manager._dispatch_to_scheduler(message)
    assert manager.sent == []


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("$[4][0]", "sampling_params.max_new_tokens"),
        ("$[1]", "rid"),
        ("$[9]", r"\$\[9\]"),
        ("$[4][7]", "sampling_params"),
    ],
)
def test_what_the_scheduler_cannot_decode_stays_here_and_is_named(place: str, name: str) -> None:
    def refuse(_message: object) -> object:
        raise TypeError(f"Expected `int`, got `float` - at `{place}`")

    manager = _guarded(refuse)
    with pytest.raises(ValueError, match=f"Expected `int`, got `float` - at `{name}`"):
        manager._dispatch_to_scheduler(_request())
    assert manager.sent == []


def test_images_are_sglangs_own_business_and_the_rest_of_their_request_is_not() -> None:
    encoded: list[Any] = []
    manager = _guarded(encoded.append)
    request = _request(mm_inputs=object(), input_ids=array("q", [10**9]))
    manager._dispatch_to_scheduler(request)
    assert [(each.mm_inputs, each.input_ids) for each in encoded] == [(None, None)]
    assert manager.sent == [request]
    assert request.mm_inputs is not None
    assert list(request.input_ids) == [10**9]
    with pytest.raises(ValueError, match="at least one token"):
        manager._dispatch_to_scheduler(_request(mm_inputs=object(), input_ids=array("q")))
