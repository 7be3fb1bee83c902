"""A component whose engine publishes no metrics: a note, and an error where a promise needs them."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match

from cdk_sglang import ConfigurationError, InferenceComponent, SglangOptions, Slo

WORDS = Match.string_like_regexp("enable_metrics is false: SGLang publishes no tokens")


@pytest.mark.parametrize(("enabled", "notes"), [(True, 0), (False, 1)])
def test_metrics_that_are_off_are_told_at_synth(
    any_component: Callable[..., InferenceComponent], enabled: bool, notes: int
) -> None:
    component = any_component(server=SglangOptions(tp_size=1, enable_metrics=enabled))
    assert len(Annotations.from_stack(cdk.Stack.of(component)).find_info("*", WORDS)) == notes


def test_latency_objectives_without_metrics_are_refused(any_component: Callable[..., InferenceComponent]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        any_component(server=SglangOptions(tp_size=1, enable_metrics=False), slo=Slo(ttft_ms=800))
    assert (
        "server.enable_metrics: false, while slo promises latencies that only SGLang's metrics show; use true, or leave slo out"
        in str(caught.value)
    )
