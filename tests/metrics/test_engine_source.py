"""Names of SGLang's metrics against the source of the release that is installed, those included that appear only with a first event."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk_sglang.metrics.buckets import bucket_bounds
from cdk_sglang.metrics.series import Series, series
from localcloud.engine.recipe import EngineMissingError, engine_python

pytestmark = pytest.mark.engine

KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
ENGINE = [metric for metric in series().values() if metric.group == "engine"]
BUCKETS = {
    "time_to_first_token": "bucket_time_to_first_token",
    "inter_token_latency": "bucket_inter_token_latency",
    "time_per_output_token": "bucket_inter_token_latency",
    "request_latency": "bucket_e2e_request_latency",
}
"""Variable that holds the default bounds of a histogram; queue_time's stand in its own call."""


@pytest.fixture(scope="module")
def calls() -> dict[str, ast.Call]:
    """Return the calls that make SGLang's metrics, by name."""
    return {name: call for tree in _sources() for name, call in _metric_calls(tree)}


def _sources() -> Iterator[ast.Module]:
    if os.environ.get("ENGINE") == "0":
        pytest.skip("ENGINE=0: tests that need the SGLang engine are left out")
    try:
        environment = engine_python().parent.parent
    except EngineMissingError as error:
        pytest.skip(str(error))
    (folder,) = environment.glob("lib/python3*/site-packages/sglang/srt/observability")
    return (ast.parse(Path(file).read_text(encoding="utf-8")) for file in sorted(folder.glob("*.py")))


def _metric_calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        arguments = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "name")]
        for argument in arguments:
            if isinstance(argument, ast.Constant) and str(argument.value).startswith("sglang:"):
                yield str(argument.value), node


def _class_of(call: ast.Call) -> str:
    return (
        call.func.id
        if isinstance(call.func, ast.Name)
        else call.func.attr
        if isinstance(call.func, ast.Attribute)
        else ""
    )


@pytest.mark.parametrize("metric", ENGINE, ids=[metric.key for metric in ENGINE])
def test_a_metric_is_made_by_sglang_with_its_kind(calls: dict[str, ast.Call], metric: Series) -> None:
    assert metric.names[0] in calls, "SGLang makes no such metric"
    assert KINDS[_class_of(calls[metric.names[0]])] == metric.kind


@pytest.mark.parametrize("key", bucket_bounds())
def test_the_bounds_of_buckets_are_sglangs_own(calls: dict[str, ast.Call], key: str) -> None:
    (bounds,) = [word.value for word in calls[series()[key].names[0]].keywords if word.arg == "buckets"]
    if key in BUCKETS:
        assert isinstance(bounds, ast.Name)
        assert bounds.id == BUCKETS[key]
        assigned = [
            node.value
            for tree in _sources()
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
            if any(isinstance(target, ast.Name) and target.id == bounds.id for target in node.targets)
        ]
        (bounds,) = assigned
    assert tuple(map(float, ast.literal_eval(bounds))) == bucket_bounds()[key]
