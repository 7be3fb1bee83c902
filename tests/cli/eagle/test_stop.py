"""`cdk-sglang eagle stop`: what it ends, and what it says first."""

from __future__ import annotations

import json
import re

from cdk_sglang.cli.eagle import stop
from tests.support import eagle
from tests.support.eagle import COMPONENT, EARLIER, RUN
from tests.support.eagle_world import World, waiting, words_of


def test_stopping_a_run_shows_its_cost_asks_and_ends_it_by_name(world: World) -> None:
    world.deploy(eagle.definition())
    arn = world.start()
    world.clock.advance(120)
    kept = world.run("stop", answer="n\n")
    assert kept.exit_code == 1
    assert f"{RUN} is at training; about 26.10 $ so far" in kept.output
    assert "not confirmed. The run goes on" in kept.output
    assert world.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "RUNNING"
    done = world.run("stop", "--reason", "wrong dataset", answer="y\n")
    assert done.exit_code == 0, done.output
    assert f"{RUN}: Stopped, about 26.10 $ spent until then" in done.output
    ended = world.client("stepfunctions").describe_execution(executionArn=arn)
    assert (ended["status"], ended["error"]) == ("ABORTED", "Stopped")
    cause = json.loads(ended["cause"])
    assert re.fullmatch(r"arn:aws:\S+ stopped it at training: wrong dataset", cause["reason"])
    shown = world.run("status")
    assert shown.exit_code == 1
    assert "Stopped: arn:aws:" in words_of(shown)
    assert f"next: start again: cdk-sglang eagle start --env prod --component {COMPONENT}" in words_of(shown)


def test_a_run_that_waits_for_a_person_can_be_stopped_and_its_question_is_over(world: World) -> None:
    waiting(world)
    assert world.run("stop", "--run", RUN, "--yes").exit_code == 0
    assert f"no run of {COMPONENT} waits for an answer" in world.run("promote", "--yes").output


def test_where_no_run_is_in_progress_nothing_is_stopped(world: World) -> None:
    world.deploy(eagle.definition(approval=False))
    none = world.run("stop", "--yes")
    assert none.exit_code == 1
    assert f"no run of {COMPONENT} is in progress; nothing was stopped" in none.output
    world.start()
    world.clock.advance(700)
    over = world.run("stop", "--run", RUN, "--yes")
    assert over.exit_code == 1
    assert f"{RUN} has ended already: Promoted: 1.21 times" in over.output
    assert "no such run" in world.run("stop", "--run", EARLIER, "--yes").output


def test_a_run_that_ends_while_it_is_stopped_is_said_to_have_ended(world: World) -> None:
    world.deploy(eagle.definition(approval=False))
    world.start()
    world.clock.advance(120)
    world.monkeypatch.setattr(stop, "confirm", lambda *_, **__: world.clock.advance(700))
    late = world.run("stop")
    assert late.exit_code == 1
    assert f"{RUN} has ended by itself meanwhile: Promoted: 1.21 times" in late.output
