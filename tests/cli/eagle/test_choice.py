"""Which pipeline a command means, and what it says of one that cannot be had."""

from __future__ import annotations

from cdk_sglang.errors import ConfigurationError
from tests.support import eagle
from tests.support.eagle import COMPONENT, ENVIRONMENT
from tests.support.eagle_world import World


def test_the_component_is_chosen_and_a_wrong_one_is_refused(world: World) -> None:
    world.deploy(eagle.definition())
    assert world.run("status", "--component", "chat/llama").exit_code == 0
    assert world.run("status", "--component", COMPONENT).exit_code == 0
    world.place("prod-chat-qwen")
    for words, says in (
        ((), "--component: missing; these have a draft: prod-chat-llama, prod-chat-qwen"),
        (("--component", "chat/lama"), "'chat/lama' has no draft in prod; did you mean 'prod-chat-llama'"),
        (("--run", "latest"), "--run: 'latest' is not the name of a run"),
    ):
        result = world.run("status", *words)
        assert isinstance(result.exception, ConfigurationError)
        assert says in str(result.exception.problems[0])


def test_an_environment_without_a_draft_says_how_to_get_one(world: World) -> None:
    result = world.run("status")
    assert isinstance(result.exception, ConfigurationError)
    assert "prod has no component with a draft in us-east-1; set `speculative` of a component, and deploy" in str(
        result.exception.problems[0]
    )


def test_a_pipeline_that_is_gone_or_of_another_version_is_a_line(world: World) -> None:
    world.deploy(eagle.definition())
    world.client("stepfunctions").delete_state_machine(stateMachineArn=world.machine)
    gone = world.run("start", "--yes")
    assert gone.exit_code == 1
    assert "no longer exists; deploy prod again" in gone.output
    name = f"/cdk-sglang/{ENVIRONMENT}/speculative/{COMPONENT}"
    world.client("ssm").put_parameter(Name=name, Type="String", Value="{}", Overwrite=True)
    result = world.run("status")
    assert isinstance(result.exception, ConfigurationError)
    assert "has another form (KeyError('component')); deploy prod with this version of cdk-sglang" in str(
        result.exception.problems[0]
    )


def test_ceilings_that_an_older_deployment_does_not_say_are_said_to_be_unknown(world: World) -> None:
    world.deploy(eagle.definition(), training_max_usd=None, gate_max_usd=None, approval=False)
    shown = world.run("start", "--yes")
    assert shown.output.count("an unknown ceiling; deploy again to see it") == 2
    assert "in all" not in shown.output
    assert "the draft is rolled out" in shown.output
