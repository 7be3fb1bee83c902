"""`cdk-sglang eagle status`: a run as it stands, watched to its end."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import typer

from cdk_sglang.cli.eagle import status
from cdk_sglang.cli.eagle.pipeline import find_pipeline
from tests.support import eagle
from tests.support.eagle import COMPONENT, ENVIRONMENT, RUN
from tests.support.eagle_world import World, words_of


def test_a_run_that_trains_is_shown_with_its_step_time_and_cost(world: World) -> None:
    world.deploy(eagle.definition())
    world.start()
    world.clock.advance(120)
    shown = world.run("status")
    assert shown.exit_code == 0
    assert f"{COMPONENT} serves the model alone" in shown.output
    assert "about 26.10 $ so far" in words_of(shown)
    assert "12,034 conversations" in shown.output
    status = json.loads(world.run("status", "--json").output)
    assert (status["run"], status["step"], status["status"], status["spent_usd"]) == (RUN, "training", "RUNNING", 26.1)
    assert [step["name"] for step in status["steps"]] == ["inputs", "training"]


def test_a_run_is_found_on_the_second_page_and_its_history_is_read_to_the_end(world: World) -> None:
    world.deploy(eagle.definition(approval=False, wait_seconds=1))
    for minute in range(14):
        world.start(run=f"r20261130T16{minute:02d}00-4f2a")
        world.clock.advance(5)
    assert pages(world, "list_executions", stateMachineArn=world.machine) > 0
    shown = world.run("status", "--run", "r20261130T160000-4f2a")
    assert shown.exit_code == 0
    assert "Promoted: 1.21 times the output tokens per second" in shown.output
    assert shown.output.count("earlier: ") == 10


def pages(world: World, operation: str, **parameters: Any) -> int:
    return sum(1 for _ in world.client("stepfunctions").get_paginator(operation).paginate(**parameters))


def test_watching_ends_with_the_run(world: World) -> None:
    world.deploy(eagle.definition(approval=False))
    world.start()
    world.monkeypatch.setattr(status.time, "sleep", world.clock.advance)
    shown = world.run("status", "--watch", "--every", "100")
    assert shown.exit_code == 0
    lines = [line for line in shown.output.splitlines() if line.startswith(RUN)]
    assert lines[0] == f"{RUN}: training: running, 26.10 $; 26.10 $ so far"
    assert lines[-1].startswith(f"{RUN}: Promoted: 1.21 times the output tokens per second; report: s3://")
    assert len(lines) == len(set(lines))


def test_a_failed_run_is_exit_code_1_with_reason_and_next_step(world: World) -> None:
    world.deploy(eagle.definition(approval=False, end="CeilingReached"))
    world.start()
    world.clock.advance(700)
    shown = world.run("status")
    assert shown.exit_code == 1
    assert "CeilingReached: 1.21 times" in shown.output
    assert "next: cdk-sglang eagle status" in shown.output


def test_a_gate_that_said_no_is_no_failure(world: World) -> None:
    world.deploy(eagle.definition(approval=False, end="GateSaidNo"))
    world.start()
    world.clock.advance(700)
    assert world.run("status").exit_code == 0


def test_ctrl_c_says_that_the_run_goes_on_and_how_to_end_it(world: World) -> None:
    world.deploy(eagle.definition())
    arn = world.start()

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    world.monkeypatch.setattr(status.time, "sleep", interrupted)
    shown = world.run("status", "--watch")
    assert shown.exit_code == 0
    assert "stopped looking; the run goes on in AWS" in shown.output
    assert f"cdk-sglang eagle stop --env prod --component {COMPONENT}" in shown.output
    assert world.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "RUNNING"


def test_a_look_that_fails_shows_the_last_one_again_and_one_without_credentials_ends(world: World) -> None:
    world.deploy(eagle.definition(approval=False))
    arn = world.start()
    pipeline = find_pipeline(ENVIRONMENT, None, region="us-east-1")
    looks: list[int] = []

    def look() -> Any:
        """A stand-in for AWS that throttles every second look."""
        looks.append(1)
        if len(looks) == 2:
            raise typer.Exit(1)
        return pipeline.progress(arn)

    found = status._watch(look, 15, as_json=True, place="", pause=lambda _: world.clock.advance(400))
    assert found is not None
    assert (found.status, len(looks)) == ("SUCCEEDED", 3)

    def signed_out() -> Any:
        looks.append(1)
        if len(looks) > 4:
            raise typer.Exit(2)
        return dataclasses.replace(found, status="RUNNING")

    with pytest.raises(typer.Exit) as left:
        status._watch(signed_out, 15, as_json=True, place="", pause=lambda _: None)
    assert left.value.exit_code == 2


def test_no_run_yet_says_how_to_begin_one(world: World) -> None:
    world.deploy(eagle.definition())
    shown = world.run("status")
    assert shown.exit_code == 0
    assert "no run yet; begin one: cdk-sglang eagle start --env prod" in shown.output
