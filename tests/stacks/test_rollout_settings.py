"""Rollouts and the check as an environment states them, and the lines its mistakes become."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
import yaml
from aws_cdk.assertions import Template

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import cdk_json_context, parse
from stacks.fleet import add_fleet

FLAGS = cdk_json_context()
SOURCE = "environments/test.yaml"
CHAT = "endpoints.chat"
LLAMA = f"{CHAT}.components.llama"


def environment(*, endpoint: dict[str, Any] | None = None, component: dict[str, Any] | None = None) -> str:
    llama = {"model": {"prefix": "weights/llama/"}, "copies": 2} | (component or {})
    chat = {
        "capacity": {"type": "ml.g6e.12xlarge", "min_instances": 2, "max_instances": 2},
        "components": {"llama": llama},
    }
    return yaml.safe_dump(
        {
            "account": "111122223333",
            "region": "us-east-1",
            "network": {"vpc": "none"},
            "endpoints": {"chat": chat | (endpoint or {})},
        }
    )


def synthesised(text: str) -> Template:
    settings = parse(text, source=SOURCE)
    env = cdk.Environment(account=settings.account, region=settings.region)
    fleet = add_fleet(cdk.App(context=FLAGS), name="test", settings=settings, source=SOURCE, env=env)
    (stack,) = fleet.stacks
    return Template.from_stack(stack)


def lines(**changes: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        synthesised(environment(**changes))
    return [line.removeprefix(f"{SOURCE}: ") for line in error.value.problems]


def test_what_is_stated_becomes_policies_alarms_and_a_check() -> None:
    template = synthesised(
        environment(
            endpoint={
                "rollout": {
                    "strategy": "canary",
                    "percent": 20,
                    "wait_seconds": 600,
                    "alarms": {"p99_latency_ms": 900},
                },
                "verify": {"timeout_minutes": 30, "smoke": {"body": {"messages": []}, "expect": ["id"]}},
            },
            component={
                "rollout": {
                    "max_batch": {"copies": 1},
                    "rollback_batch": {"percent": 100},
                    "alarms": {"no_capacity": None},
                },
                "smoke": {"timeout_seconds": 10},
            },
        )
    )
    (endpoint,) = template.find_resources("AWS::SageMaker::Endpoint").values()
    routing = endpoint["Properties"]["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing == {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 600,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 20},
    }
    (component,) = template.find_resources("AWS::SageMaker::InferenceComponent").values()
    deployment = component["Properties"]["DeploymentConfig"]
    assert deployment["RollingUpdatePolicy"]["MaximumBatchSize"] == {"Type": "COPY_COUNT", "Value": 1}
    assert len(deployment["AutoRollbackConfiguration"]["Alarms"]) == 2
    (check,) = template.find_resources("Custom::CdkSglangTruth").values()
    specification = str(check["Properties"]["Asked"])
    assert '"timeout_seconds":1800' in specification
    assert '"smoke":{"body":{"messages":[]},"expect":["id"],"timeout_seconds":60}' in specification
    assert '"timeout_seconds":10}' in specification


def test_a_check_can_be_left_out_for_a_reason() -> None:
    template = synthesised(environment(endpoint={"verify": {"none": "nobody uses it yet"}}))
    template.resource_count_is("Custom::CdkSglangTruth", 0)


@pytest.mark.parametrize("strategy", ["all_at_once", "linear", "rolling"])
def test_every_strategy_can_be_stated(strategy: str) -> None:
    stated: dict[str, Any] = {"strategy": strategy} | ({} if strategy == "all_at_once" else {"percent": 50})
    template = synthesised(environment(endpoint={"rollout": stated}))
    (endpoint,) = template.find_resources("AWS::SageMaker::Endpoint").values()
    assert "AutoRollbackConfiguration" in endpoint["Properties"]["DeploymentConfig"]


FAULTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a batch outside of what SageMaker takes": (
        {"component": {"rollout": {"max_batch": {"percent": 60}}}},
        [f"{LLAMA}.rollout.max_batch: 60% is not allowed; use 5 to 50"],
    ),
    "two sizes": (
        {"component": {"rollout": {"max_batch": {"percent": 50, "copies": 1}}}},
        [f"{LLAMA}.rollout.max_batch: give exactly one of percent and copies; got percent and copies"],
    ),
    "one copy": (
        {"component": {"copies": 1, "rollout": {"max_batch": {"percent": 50}}}},
        [
            (
                f"{LLAMA}.rollout.max_batch: 50% of 1 copy is less than one copy, and the component may have 1 when an update comes; give it 2 or more "
                "copies at least, or leave the rollout out: SageMaker then starts the new copy before the old one goes"
            )
        ],
    ),
    "no alarm": (
        {
            "component": {
                "rollout": {
                    "max_batch": {"percent": 50},
                    "alarms": {"server_errors": None, "model_errors": None, "no_capacity": None},
                }
            }
        },
        [
            (
                f"{LLAMA}.rollout.alarms: alarms missing for rollback; without one SageMaker finishes every update, however bad: "
                "give server_errors, model_errors or p99_latency_ms"
            )
        ],
    ),
    "a wait that is too long": (
        {"component": {"rollout": {"max_batch": {"percent": 50}, "wait_seconds": 3601}}},
        [f"{LLAMA}.rollout.wait_seconds: 3601 is not allowed; use a value <= 3600"],
    ),
    "a step without a size": (
        {"endpoint": {"rollout": {"strategy": "canary"}}},
        [f"{CHAT}.rollout.percent: missing; canary needs it"],
    ),
    "fields of another strategy": (
        {"endpoint": {"rollout": {"strategy": "rolling", "percent": 50, "termination_wait_seconds": 60}}},
        [f"{CHAT}.rollout.termination_wait_seconds: rolling has no second fleet; remove it"],
    ),
    "fields of rolling elsewhere": (
        {"endpoint": {"rollout": {"strategy": "all_at_once", "percent": 5, "rollback_percent": 50}}},
        [
            f"{CHAT}.rollout.percent: all_at_once has no steps; remove it",
            f"{CHAT}.rollout.rollback_percent: goes with rolling, got all_at_once; remove it",
        ],
    ),
    "a step that is too small": (
        {"endpoint": {"rollout": {"strategy": "linear", "percent": 5}}},
        [f"{CHAT}.rollout.percent: 5% is not allowed; use 10 to 50"],
    ),
    "steps of one instance": (
        {
            "endpoint": {
                "capacity": {"type": "ml.g6e.12xlarge", "min_instances": 1, "max_instances": 2},
                "rollout": {"strategy": "rolling", "percent": 50},
            }
        },
        [
            (
                f"{CHAT}.rollout.percent: 50% of 1 instance is less than one instance, and the endpoint may have 1 when an update comes; "
                "raise min_instances to 2 or more, or move all traffic at once"
            )
        ],
    ),
    "a path that is none": (
        {"component": {"smoke": {"expect": ["choices..content"]}}},
        [
            (
                f"{LLAMA}.smoke.expect: 'choices..content' is not a path; write field names and positions with dots, such as "
                "choices.0.message.content"
            )
        ],
    ),
    "a check and none": (
        {"endpoint": {"verify": {"none": "why", "timeout_minutes": 10}}},
        [f"{CHAT}.verify.none: goes without timeout_minutes and smoke; remove them, or check"],
    ),
    "a check longer than CloudFormation waits": (
        {"endpoint": {"verify": {"timeout_minutes": 90}}},
        [f"{CHAT}.verify.timeout_minutes: 90 is not allowed; use a value <= 55"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_a_line_with_its_place_and_the_next_step(fault: str) -> None:
    changes, problems = FAULTS[fault]
    assert lines(**changes) == problems
