"""A scan over instance types from the plan: the most requests that keep the objectives, and the cheapest million tokens first."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cdk_sglang import ConfigurationError, GpuInstance, Slo
from cdk_sglang.benchmarking.scan import LADDER, scan_plan
from cdk_sglang.cli.main import app
from cdk_sglang.models.known_models import catalogue
from cdk_sglang.planning import ComponentRequest, answer
from cdk_sglang.planning.alternatives import question

TYPES = [GpuInstance.named(name) for name in ("ml.g6.2xlarge", "ml.g6e.2xlarge", "ml.p5.4xlarge")]
QWEN = ComponentRequest(
    name="qwen", facts=catalogue("Qwen/Qwen3-8B"), context_length=1280, input_tokens=1024, output_tokens=256
)


def test_the_load_of_each_type_is_the_most_that_keeps_the_objectives() -> None:
    slo = Slo(tpot_ms=40)
    found = {one.instance: one for one in scan_plan(QWEN, TYPES, slo, region="us-east-1")}
    for instance in TYPES[1:]:
        one = found[instance.name]
        assert one.answer is not None
        assert one.answer.tpot_ms is not None
        assert one.answer.tpot_ms.value <= 40
        step = LADDER.index(one.concurrency)
        if step + 1 < len(LADDER):
            (more,) = answer([question(QWEN, instance, QWEN.split(one.gpus), concurrency=LADDER[step + 1])])
            assert more.tpot_ms is not None
            assert more.tpot_ms.value > 40 or (more.running or 0) < LADDER[step + 1]
    assert found["ml.p5.4xlarge"].concurrency >= found["ml.g6e.2xlarge"].concurrency


def test_the_cheapest_million_tokens_comes_first() -> None:
    costs = [one.tokens.output for one in scan_plan(QWEN, TYPES, None, region="us-east-1") if one.tokens is not None]
    assert len(costs) > 1
    assert costs == sorted(costs)


def test_types_that_cannot_are_named_last() -> None:
    large = ComponentRequest(name="large", facts=catalogue("Qwen/Qwen3-32B"), context_length=1280)
    first, *others = scan_plan(large, TYPES, None, region="us-east-1")
    assert (first.instance, first.problem) == ("ml.p5.4xlarge", "")
    assert {one.problem for one in others} == {"does not fit"}
    impossible = scan_plan(QWEN, TYPES[1:], Slo(ttft_ms=0.001), region="us-east-1")
    assert {one.problem for one in impossible} == {"keeps the objectives at no load"}


def test_the_command_prints_a_row_for_each_type_and_makes_nothing() -> None:
    words = ["bench", "scan", "--model", "Qwen/Qwen3-8B", "--types", "ml.g6e.2xlarge,ml.p5.4xlarge"]
    done = CliRunner().invoke(app, [*words, "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "ml.g6e.2xlarge" in done.output
    assert CliRunner().invoke(app, [*words, "--dry-run", "--ttft-ms", "1"]).exit_code == 1
    for wrong, text in (
        (words, "--budget: missing; say how many dollars the scan may cost"),
        ([*words[:-1], "ml.g6e.2xlrge", "--dry-run"], "did you mean 'ml.g6e.2xlarge'"),
        ([*words[:-1], ",", "--dry-run"], "names no type"),
    ):
        error = CliRunner().invoke(app, wrong).exception
        assert isinstance(error, ConfigurationError)
        assert text in str(error)


@pytest.mark.parametrize("slo", [None, Slo(ttft_ms=2000, tpot_ms=60)])
def test_requests_that_would_wait_for_room_in_the_cache_do_not_count(slo: Slo | None) -> None:
    for one in scan_plan(QWEN, TYPES, slo, region="us-east-1"):
        if one.answer is not None:
            assert one.answer.running == one.concurrency
