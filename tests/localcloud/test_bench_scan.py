"""`cdk-sglang bench scan` on the embedded AWS: endpoints made from this library's templates, measured, and deleted whatever happens."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
from typing import Any

import pytest
from botocore.config import Config
from typer.testing import CliRunner

from cdk_sglang import ConfigurationError, Slo
from cdk_sglang.benchmarking.scan_run import best_of
from cdk_sglang.benchmarking.scan_stacks import DEADLINE_TAG, PREFIX, SCAN_TAG, ScanStacks
from cdk_sglang.cli.bench import scan_measure
from cdk_sglang.cli.bench.clean import clean_left_over
from cdk_sglang.cli.bench.scan_measure import confirm, ended_as_interrupted, levels
from cdk_sglang.cli.main import app
from localcloud.aws import faults
from tests.localcloud.helpers import SESSION
from tests.localcloud.scans import SCAN, TYPES, World, chosen
from tests.support.measurements import distribution, measurement


@pytest.fixture
def world(driven: Any) -> World:
    return World(driven)


def test_endpoints_come_from_the_librarys_templates_and_leave_nothing() -> None:
    for candidate in chosen():
        template = json.loads(candidate.endpoint.template)
        assert set(template) == {"Description", "Resources"}  # no assets, no bootstrap
        kinds = {resource["Type"] for resource in template["Resources"].values()}
        assert {"AWS::SageMaker::Endpoint", "AWS::SageMaker::InferenceComponent", "AWS::IAM::Role"} <= kinds
        policies = {resource.get("DeletionPolicy", "Delete") for resource in template["Resources"].values()}
        assert policies == {"Delete"}
        assert len(candidate.endpoint.component_name) <= 63
        (variant,) = next(
            resource["Properties"]["ProductionVariants"]
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::SageMaker::EndpointConfig"
        )
        assert variant["ManagedInstanceScaling"]["MaxInstanceCount"] == 1


def test_types_are_measured_one_after_the_other_and_deleted(world: World) -> None:
    done = world.scan()
    assert [(one.problem, one.left, one.best is not None) for one in done.results] == [("", "", True)] * 2
    assert world.names() == world.endpoints() == []
    prices = [one.candidate.usd_per_hour for one in done.results]
    for one, price in zip(done.results, prices, strict=True):
        assert 0 < one.usd < price  # an hour would be too much
    assert done.usd == sum(one.usd for one in done.results)


def test_a_type_without_capacity_is_a_row_and_the_next_is_measured(world: World) -> None:
    faults.inject("insufficient-capacity", target=chosen()[0].endpoint.endpoint_name)
    first, second = world.scan().results
    assert "capacity" in first.problem.lower()
    assert (first.best, first.left, second.problem) == (None, "", "")
    assert world.names() == world.endpoints() == []


def test_a_quota_of_zero_is_a_row(world: World) -> None:
    faults.inject("endpoint-quota-zero", target=TYPES[0])
    first, second = world.scan().results
    assert "limit" in first.problem.lower()
    assert second.best is not None
    assert world.names() == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"start_minutes": 1.0}, "not in service within 1 minutes"),
        ({"budget_usd": 0.62}, "the budget of $0.62 is spent"),
    ],
)
def test_an_endpoint_that_does_not_start_in_time_or_within_the_budget_is_deleted(
    world: World, changes: dict[str, Any], problem: str
) -> None:
    faults.inject("component-creating", target=chosen()[0].endpoint.component_name)
    world.on_sleep = lambda: faults.clear() if any("deleting" in line for line in world.lines) else None
    first = world.scan(**changes).results[0]
    assert (first.problem, first.left) == (problem, "")
    assert world.names() == world.endpoints() == []


def test_what_the_budget_does_not_reach_is_not_begun(world: World) -> None:
    first, second = world.scan(budget_usd=1.0).results
    assert first.best is not None
    assert second.problem.startswith("not begun: $0.")
    assert second.usd == 0
    nothing = world.scan(budget_usd=0.01).results
    assert all(one.problem.startswith("not begun: $0.01 of the budget are left") for one in nothing)


def test_ctrl_c_while_an_endpoint_is_created_deletes_it_and_ends_the_scan(world: World) -> None:
    def interrupt() -> None:
        if not any("deleting" in line for line in world.lines):
            raise KeyboardInterrupt

    world.on_sleep = interrupt
    done = world.scan()
    assert done.interrupted
    assert [one.problem for one in done.results] == ["interrupted", "not begun: the scan was interrupted"]
    assert world.names() == world.endpoints() == []


def test_ctrl_c_once_more_leaves_the_deletion_to_cloudformation(world: World) -> None:
    begun: list[int] = []

    def interrupt() -> None:
        name = chosen()[0].endpoint.stack_name
        found = world.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        begun.append(1)
        if len(begun) == 1 or found == "DELETE_IN_PROGRESS":
            raise KeyboardInterrupt

    world.on_sleep = interrupt
    done = world.scan()
    assert done.results[0].left.endswith("the wait for its deletion was interrupted")
    assert done.results[1].problem == "not begun: the scan was interrupted"
    world.clock.advance(3600, step_s=15)
    world.on_sleep = lambda: None
    assert world.names() == world.endpoints() == []


def test_a_failure_while_measuring_deletes_the_endpoint(world: World) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("a mistake of ours")

    with pytest.raises(RuntimeError):
        world.scan(measure=broken)
    assert world.names() == world.endpoints() == []


def test_what_a_killed_scan_left_is_tagged_and_deleted_after_its_deadline(world: World) -> None:
    stacks, now = world.stacks, world.clock.utc()
    killed, running = chosen()
    stacks.create(killed.endpoint, scan="killed", deadline=now - dt.timedelta(seconds=1))
    stacks.create(running.endpoint, scan="running", deadline=now + dt.timedelta(hours=1))
    world.clock.advance(3600, step_s=15)
    deadlines = {one.name: one.deadline for one in stacks.left()}
    assert set(deadlines) == {killed.endpoint.stack_name, running.endpoint.stack_name}
    tags = SESSION.client("sagemaker").list_tags(
        ResourceArn=SESSION.client("sagemaker").describe_endpoint(EndpointName=killed.endpoint.endpoint_name)[
            "EndpointArn"
        ]
    )["Tags"]
    assert SCAN_TAG in {tag["Key"] for tag in tags}
    early = ScanStacks(
        cloudformation=world, now=lambda: now, elapsed=world.clock.now, sleep=world.sleep, say=world.lines.append
    )  # as seen before the second deadline
    clean_left_over(early)
    assert world.names() == [running.endpoint.stack_name]
    assert any("which may still be running; if not: cdk-sglang bench clean" in line for line in world.lines)


def test_clean_deletes_all_of_scans_and_nothing_else_and_may_be_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks = world.stacks
    for candidate in chosen():
        stacks.create(candidate.endpoint, scan=SCAN, deadline=world.clock.utc())
    others = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    world.cloudformation.create_stack(StackName=f"{PREFIX}lookalike", TemplateBody=json.dumps(others))
    monkeypatch.setattr("cdk_sglang.cli.bench.scan_measure.scan_stacks", lambda _: stacks)
    unasked = CliRunner().invoke(app, ["bench", "clean"])
    assert isinstance(unasked.exception, ConfigurationError)
    assert len(world.names()) == 2
    done = CliRunner().invoke(app, ["bench", "clean", "--yes"])
    assert done.exit_code == 0, done.output
    assert world.names() == world.endpoints() == []
    assert "no scan has left anything" in CliRunner().invoke(app, ["bench", "clean", "--yes"]).output
    kept = [one["StackName"] for one in world.cloudformation.describe_stacks()["Stacks"]]
    assert kept == [f"{PREFIX}lookalike"]


def test_a_deletion_that_fails_is_asked_for_again_and_then_told(world: World) -> None:
    statuses = iter(["DELETE_FAILED", "DELETE_IN_PROGRESS", "DELETE_FAILED", "DELETE_COMPLETE"])
    deletions = []

    class Refusing:
        def delete_stack(self, **_: Any) -> None:
            deletions.append(1)

        def describe_stacks(self, **_: Any) -> Any:
            return {"Stacks": [{"StackStatus": next(statuses, "DELETE_FAILED")}]}

        def get_paginator(self, _: str) -> Any:
            event = {"ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "endpoint is in use"}
            return type("Pages", (), {"paginate": lambda *_, **__: [{"StackEvents": [event]}]})()

    stacks = ScanStacks(
        cloudformation=Refusing(),
        now=world.clock.utc,
        elapsed=world.clock.now,
        sleep=world.sleep,
        say=world.lines.append,
    )
    assert stacks.delete("a") is None
    assert len(deletions) == 3
    assert stacks.delete("b") == "b is DELETE_FAILED: endpoint is in use"


def test_the_cheapest_load_that_keeps_the_objectives_counts() -> None:
    planned = chosen()[0].planned
    rows = [
        measurement(step=0, concurrency=1, tpot_ms=distribution(10), output_tok_s=100.0),
        measurement(step=1, concurrency=4, tpot_ms=distribution(20), output_tok_s=200.0),
        measurement(step=1, repeat=1, concurrency=4, tpot_ms=distribution(22), output_tok_s=220.0),
        measurement(step=2, concurrency=8, tpot_ms=distribution(40), output_tok_s=400.0),
        measurement(step=3, concurrency=16, tpot_ms=distribution(20), output_tok_s=900.0, failed=1),
    ]
    best = best_of(rows, planned, slo=Slo(tpot_ms=25), load=(1024, 256))
    assert best is not None
    assert (best.concurrency, best.tpot_ms) == (4, 21)
    cheaper = best_of(rows, planned, slo=None, load=(1024, 256))
    assert cheaper is not None
    assert cheaper.concurrency == 8
    assert cheaper.tokens.output == pytest.approx(best.tokens.output * 210 / 400)
    assert best_of(rows, planned, slo=Slo(tpot_ms=1), load=(1024, 256)) is None
    assert best_of([], planned, slo=None, load=(1024, 256)) is None


def test_loads_around_the_planned_one_are_measured() -> None:
    assert [levels(level) for level in (1, 8, 256)] == [(1, 2), (4, 8, 16), (128, 256)]


def test_looks_that_cloudformation_throttles_are_repeated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a start nor a deletion that goes on is given up for them, and the next type is measured."""
    config = Config(retries={"total_max_attempts": 1})  # its own repetitions would take real seconds
    monkeypatch.setattr(world, "cloudformation", SESSION.client("cloudformation", config=config))
    looks: list[int] = []

    def throttle() -> None:
        looks.append(1)
        if len(looks) % 2:  # every other look
            faults.inject("throttling", target="DescribeStacks", times=1)

    world.on_sleep = throttle
    done = world.scan()
    assert [(one.problem, one.left, one.best is not None) for one in done.results] == [("", "", True)] * 2
    faults.clear()
    assert world.names() == world.endpoints() == []


def test_termination_cleans_up_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def terminated() -> None:
        with ended_as_interrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()

    with pytest.raises(KeyboardInterrupt):
        terminated()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_question_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    questions: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text: questions.append(text) or False)
    with pytest.raises(scan_measure.typer.Exit):
        confirm("spend?", yes=False)
    confirm("spend?", yes=True)
    assert questions == ["spend?"]
    assert DEADLINE_TAG.startswith(SCAN_TAG)
