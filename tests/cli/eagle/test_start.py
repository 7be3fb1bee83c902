"""`cdk-sglang eagle start`: the ceilings, the question, one run at a time."""

from __future__ import annotations

import json

from tests.support import eagle
from tests.support.eagle import COMPONENT, RUN
from tests.support.eagle_world import RUNS, World


def test_starting_shows_the_ceilings_and_asks_first(world: World) -> None:
    world.deploy(eagle.definition())
    refused = world.run("start", answer="n\n")
    assert refused.exit_code == 1
    assert "training on ml.g6e.12xlarge: at most 200.00 $, then the job is stopped" in refused.output
    assert "counted at 13.12 $/h, assumed to be that of hosting: compare the bill" in refused.output
    assert "in all: at most 300.00 $ on demand" in refused.output
    assert "a person is asked" in refused.output
    assert "not confirmed. Nothing was started" in refused.output
    done = world.run("start", answer="yes\n")
    assert done.exit_code == 0
    (run,) = RUNS.findall(done.output)
    (execution,) = world.client("stepfunctions").list_executions(stateMachineArn=world.machine)["executions"]
    assert execution["name"] == run
    described = world.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"]) == {"run": run, "reason": "start"}
    assert f"cdk-sglang eagle status --env prod --component {COMPONENT} --watch" in done.output


def test_without_a_terminal_nothing_is_started_unless_yes_is_said(world: World) -> None:
    world.deploy(eagle.definition())
    refused = world.run("start")
    assert refused.exit_code == 2
    assert "nobody is there to answer; add --yes. Nothing was started" in refused.output
    assert world.run("start", "--yes").exit_code == 0


def test_a_second_run_is_refused_while_one_runs(world: World) -> None:
    world.deploy(eagle.definition())
    world.start()
    refused = world.run("start", "--yes")
    assert refused.exit_code == 1
    assert f"{RUN} is running since" in refused.output
    assert "one run of a component excludes another" in refused.output


def test_a_price_that_the_settings_name_is_no_assumption(world: World) -> None:
    world.deploy(eagle.definition(), training_usd_per_hour=9, training_is_price_given=True)
    refused = world.run("start", answer="n\n")
    assert "counted at 9.00 $/h, named in the settings" in refused.output
    assert "assumed to be that of hosting" not in refused.output
    assert "benchmark jobs' own instances are counted at 1.00 $/h, which is assumed" in refused.output
