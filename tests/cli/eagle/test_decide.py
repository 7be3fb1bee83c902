"""`cdk-sglang eagle promote|reject|rollback`: the versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import eagle
from tests.support.eagle import COMPONENT, EARLIER, EARLIEST, RUN, value_of
from tests.support.eagle_world import World, waiting, words_of


def test_promoting_answers_the_question_that_waits(world: World) -> None:
    arn = waiting(world)
    assert "waits for a person: cdk-sglang eagle promote" in words_of(world.run("status"))
    done = world.run("promote", answer="y\n")
    assert done.exit_code == 0
    assert f"{RUN} passed the gate: 1.21 times" in done.output
    world.clock.advance(5)
    ended = world.client("stepfunctions").describe_execution(executionArn=arn)
    assert (ended["status"], json.loads(ended["output"])["state"]) == ("SUCCEEDED", "Promoted")
    late = world.run("promote", "--yes")
    assert late.exit_code == 1
    assert f"no run of {COMPONENT} waits for an answer" in late.output


def test_rejecting_ends_the_run_without_a_promotion(world: World) -> None:
    arn = waiting(world)
    done = world.run("reject", "--reason", "not on a Friday", "--yes")
    assert done.exit_code == 0
    world.clock.advance(5)
    ended = world.client("stepfunctions").describe_execution(executionArn=arn)
    assert json.loads(ended["output"])["state"] == "ApprovalRefused"
    late = world.run("reject", "--yes")
    assert late.exit_code == 1
    assert "no run waits for an answer" in late.output
    named = world.run("reject", "--run", RUN, "--yes")
    assert f"{RUN} does not wait for an answer" in named.output


def test_an_answer_that_came_too_late_is_a_line(world: World) -> None:
    waiting(world)
    world.put(f"runs/{RUN}/approval.json", {"schema": 1, "token": "another"})
    late = world.run("promote", "--yes")
    assert late.exit_code == 1
    assert "was answered already, or its time is over" in late.output
    world.put(f"runs/{RUN}/approval.json", {"schema": 1})
    assert "has no question yet; try again in a minute" in world.run("promote", "--yes").output


def test_promoting_an_approved_version_rolls_it_out_and_keeps_the_other_parameters(world: World) -> None:
    world.deploy(eagle.definition())
    world.register(RUN)
    done = world.run("promote", "--run", RUN, answer="y\n")
    assert done.exit_code == 0, done.output
    assert f"{COMPONENT} serves the model alone; then: {RUN} (EAGLE3" in done.output
    assert "UPDATE_COMPLETE after" in done.output
    assert world.serving == f"{value_of(RUN)} mine"
    assert f"{RUN} serves already" in world.run("promote", "--run", RUN, "--yes").output
    assert f"{COMPONENT} serves {RUN}" in world.run("status").output


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        ({"approval": "Rejected"}, f"{RUN} was rejected"),
        ({"approval": "PendingManualApproval"}, f"{RUN} was never approved"),
        ({"parameter": "Draftffffffffffff"}, "is for a base model that the component does not have any more"),
        ({"whole": False}, "its files were deleted"),
    ],
)
def test_a_version_that_cannot_serve_is_not_rolled_out(world: World, evidence: dict[str, Any], says: str) -> None:
    world.deploy(eagle.definition())
    world.register(RUN, **evidence)
    refused = world.run("promote", "--run", RUN, "--yes")
    assert refused.exit_code == 1
    assert says in refused.output
    assert world.serving == "base mine"


def test_an_unknown_version_is_not_rolled_out(world: World) -> None:
    world.deploy(eagle.definition())
    refused = world.run("promote", "--run", RUN, "--yes")
    assert refused.exit_code == 1
    assert "in the model registry; its run has not reached a verdict" in refused.output


def test_the_way_back_leads_to_the_version_before_and_then_to_the_model_alone(world: World) -> None:
    world.deploy(eagle.definition())
    world.register(EARLIEST)
    world.register(EARLIER, approval="Rejected")
    world.register(RUN)
    world.serve(RUN)
    first = world.run("rollback", "--yes")
    assert first.exit_code == 0, first.output
    assert world.serving == f"{value_of(EARLIEST)} mine"
    second = world.run("rollback", "--yes")
    assert second.exit_code == 0, second.output
    assert world.serving == "base mine"
    third = world.run("rollback", "--yes")
    assert third.exit_code == 1
    assert "serves the model alone; there is nothing before it" in third.output


def test_the_way_back_passes_over_a_version_whose_files_are_gone(world: World) -> None:
    world.deploy(eagle.definition())
    world.register(EARLIER, whole=False)
    world.register(RUN)
    world.serve(RUN)
    done = world.run("rollback", "--yes")
    assert f"{EARLIER} is no longer complete, so the rollback goes to the model alone" in done.output
    assert world.serving == "base mine"


def test_the_way_back_can_be_named(world: World) -> None:
    world.deploy(eagle.definition())
    world.register(EARLIER)
    world.register(RUN)
    world.serve(RUN)
    assert world.run("rollback", "--to", "base", "--yes").exit_code == 0
    assert world.serving == "base mine"
    assert world.run("rollback", "--to", EARLIER, "--yes").exit_code == 0
    assert world.serving == f"{value_of(EARLIER)} mine"
    assert "already" in world.run("rollback", "--to", EARLIER, "--yes").output
