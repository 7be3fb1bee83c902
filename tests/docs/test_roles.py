"""An environment with everything: docs/roles.md holds each of its roles, and somebody publishes each metric that its templates name."""

from __future__ import annotations

from typing import Any

import pytest

from tools.check.metric_names import findings
from tools.check.metric_uses import own_metrics, uses
from tools.docs import roles


def _statements(resource: dict[str, Any]) -> list[Any]:
    """Return the statements of a policy, or of the policies in a role."""
    properties = resource.get("Properties", {})
    policies = {
        "AWS::IAM::Policy": [properties],
        "AWS::IAM::ManagedPolicy": [properties],
        "AWS::IAM::Role": properties.get("Policies", []),
    }
    return [one for policy in policies.get(resource["Type"], ()) for one in policy["PolicyDocument"]["Statement"]]


@pytest.fixture(scope="module")
def stacks() -> dict[str, Any]:
    return dict(roles.templates())


def test_the_page_is_what_the_templates_say(stacks: dict[str, Any]) -> None:
    assert roles.PAGE.read_text(encoding="utf-8") == roles.page(stacks), "run: python -m tools.docs.roles"


def test_somebody_publishes_every_metric_that_its_templates_name(stacks: dict[str, Any]) -> None:
    templates = {name: {"Resources": resources} for name, resources in stacks.items()}
    published = frozenset[tuple[str, str]]().union(*map(own_metrics, templates.values()))
    assert sum(len(list(uses(template))) for template in templates.values()) > 300
    for name, template in templates.items():
        assert list(findings(template, published=published)) == [], name


def test_every_action_of_every_policy_is_on_the_page(stacks: dict[str, Any]) -> None:
    page = roles.PAGE.read_text(encoding="utf-8")
    for resources in stacks.values():
        for resource in resources.values():
            for statement in _statements(resource):
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert all(f"`{action}`" in page for action in actions)


def test_the_environment_has_a_stack_of_every_kind(stacks: dict[str, Any]) -> None:
    parts = {name.removeprefix("cdk-sglang-whole-") for name in stacks}
    assert {"agent", "chat", "chat-alarms", "foundation", "peak", "showback", "speculative"} <= parts


def test_a_wildcard_as_resource_is_for_actions_without_a_resource_type_alone(stacks: dict[str, Any]) -> None:
    """The actions are those that AWS's service authorization reference lists without one, each with its reason in the code."""
    found = {
        action
        for resources in stacks.values()
        for resource in resources.values()
        for statement in _statements(resource)
        if statement["Resource"] == "*"
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
    }
    services = {action.partition(":")[0] for action in found}
    assert services <= {
        "application-autoscaling",
        "cloudwatch",
        "ec2",
        "ecr",
        "logs",
        "sagemaker",
        "servicequotas",
        "xray",
    }
    assert all(
        action.partition(":")[2].startswith(("Describe", "List"))
        for action in found
        if action.startswith(("ec2", "sagemaker"))
    )


def test_an_assets_digest_is_left_out_whichever_digits_it_has() -> None:
    digest = "0b5e7f1c" * 6 + "0b5e7abc" + "12345678"  # eight digits before a dot look like the end of a logical id
    assert roles._cell(f"arn:aws:s3:::assets/{digest}.zip") == "`arn:aws:s3:::assets/….zip`"
