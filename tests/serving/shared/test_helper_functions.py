"""Functions that endpoints share: their logs and their network come from one stated place, whatever the order of endpoints."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import (
    Capacity,
    ConfigurationError,
    HelperFunctions,
    InferenceEndpoint,
    ModelSource,
    ServingImage,
)
from tests.support.policies import policies_of

ENV = cdk.Environment(account="111122223333", region="us-east-1")
KEY_ARN = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"


def _stack(scope: cdk.App | cdk.Stage | None = None) -> cdk.Stack:
    return cdk.Stack(scope or cdk.App(), "Fleet", env=ENV)


def _endpoint(stack: cdk.Stack, name: str, **options: Any) -> InferenceEndpoint:
    endpoint = InferenceEndpoint(
        stack,
        name,
        capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=1),
        image=ServingImage.from_dlc(),
        endpoint_name=name.lower(),
        **options,
    )
    endpoint.add_component("m", model=ModelSource.from_s3(f"s3://models/{name.lower()}/"))
    return endpoint


def _logs(stack: cdk.Stack) -> dict[str, tuple[Any, Any, Any]]:
    groups = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup")
    return {
        name: (
            group["Properties"].get("RetentionInDays"),
            group["Properties"].get("KmsKeyId"),
            group["DeletionPolicy"],
        )
        for name, group in groups.items()
    }


def _shared(stack: cdk.Stack) -> set[tuple[Any, Any, Any]]:
    found = {options for name, options in _logs(stack).items() if name.startswith("CdkSglang")}
    assert found
    return found


@pytest.mark.parametrize("order", [("Plain", "Secret"), ("Secret", "Plain")])
def test_the_order_of_endpoints_changes_no_log(order: tuple[str, str]) -> None:
    stack = _stack()
    key = kms.Key.from_key_arn(stack, "Key", KEY_ARN)
    options: dict[str, dict[str, Any]] = {
        "Plain": {"log_retention_days": 7, "log_removal": cdk.RemovalPolicy.DESTROY},
        "Secret": {"log_retention_days": 365, "log_key": key},
    }
    for name in order:
        _endpoint(stack, name, **options[name])
    assert _shared(stack) == {(30, None, "Retain")}
    Annotations.from_stack(stack).has_warning("/Fleet/Secret", Match.string_like_regexp("not those of the functions"))
    Annotations.from_stack(stack).has_no_warning("/Fleet/Plain", Match.string_like_regexp("not those of the functions"))


def test_one_place_says_what_becomes_of_them() -> None:
    stack = _stack()
    key = kms.Key.from_key_arn(stack, "Key", KEY_ARN)
    HelperFunctions(
        stack,
        "Helpers",
        log_retention_days=logs.RetentionDays.ONE_WEEK,
        log_key=key,
        log_removal=cdk.RemovalPolicy.DESTROY,
    )
    _endpoint(stack, "Chat", log_key=key)
    assert _shared(stack) == {(7, KEY_ARN, "Delete")}
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("not those of the functions"))


def test_the_nearest_place_counts() -> None:
    app = cdk.App()
    HelperFunctions(app, "Helpers", log_retention_days=90)
    stage = cdk.Stage(app, "Prod")
    stack, other = _stack(stage), cdk.Stack(app, "Other", env=ENV)
    HelperFunctions(stage, "Helpers", log_retention_days=180)
    _endpoint(stack, "Chat")
    _endpoint(other, "Code")
    assert {days for days, _, _ in _shared(stack)} == {180}
    assert {days for days, _, _ in _shared(other)} == {90}


@pytest.mark.parametrize("at_app", [False, True])
def test_a_place_that_comes_too_late_is_refused_and_its_id_stays_free(at_app: bool) -> None:
    app = cdk.App()
    stack = _stack(app)
    _endpoint(stack, "Chat")
    scope = app if at_app else stack
    with pytest.raises(ConfigurationError) as error:
        HelperFunctions(scope, "Helpers")
    assert str(error.value) == "Helpers: Fleet has functions already; create it before the first endpoint"
    assert scope.node.try_find_child("Helpers") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"log_retention_days": 31}, "Late.log_retention_days: 31 is not allowed; nearest allowed: 30"),
        ({"log_removal": cdk.RemovalPolicy.SNAPSHOT}, "Late.log_removal: SNAPSHOT is not allowed, logs have none; use RETAIN or DESTROY"),
        ({"vpc_subnets": ec2.SubnetSelection()}, "Late.vpc: missing; give the VPC that subnets and security groups are of"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        HelperFunctions(_stack(), "Late", **options)
    assert str(error.value) == message


def test_two_places_are_refused() -> None:
    stack = _stack()
    HelperFunctions(stack, "Helpers")
    with pytest.raises(ConfigurationError, match="More: Fleet/Helpers says it already; keep one of them"):
        HelperFunctions(stack, "More")


class TestTheirNetwork:
    def _vpc(self, stack: cdk.Stack) -> ec2.Vpc:
        return ec2.Vpc(stack, "Vpc", max_azs=2)

    def test_every_function_joins_it(self) -> None:
        stack = _stack()
        helpers = HelperFunctions(stack, "Helpers", vpc=self._vpc(stack))
        _endpoint(stack, "Chat")
        helpers.connections.allow_to(ec2.Peer.ipv4("10.9.0.0/16"), ec2.Port.tcp(443))
        template = Template.from_stack(stack)
        functions = {
            name: function["Properties"]
            for name, function in template.find_resources("AWS::Lambda::Function").items()
            if name.startswith("CdkSglang")
        }
        assert len(functions) == 2
        for properties in functions.values():
            assert len(properties["VpcConfig"]["SubnetIds"]) == 2
            assert len(properties["VpcConfig"]["SecurityGroupIds"]) == 1
        allowed = [
            statement
            for policy in policies_of(template).values()
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if "ec2:CreateNetworkInterface" in statement["Action"]
        ]
        assert len(allowed) == len({str(f["Role"]) for f in functions.values()})

    def test_an_app_needs_a_security_group(self) -> None:
        app = cdk.App()
        network = cdk.Stack(app, "Network", env=ENV)
        vpc = self._vpc(network)
        with pytest.raises(ConfigurationError) as error:
            HelperFunctions(app, "Helpers", vpc=vpc)
        assert str(error.value) == (
            "Helpers.security_groups: missing: only a stack can hold a security group; give one, or create this construct in each stack"
        )
        HelperFunctions(app, "Helpers", vpc=vpc, security_groups=[ec2.SecurityGroup(network, "Group", vpc=vpc)])

    def test_without_one_there_are_no_connections(self) -> None:
        with pytest.raises(ConfigurationError, match="the functions join no VPC; give one"):
            _ = HelperFunctions(_stack(), "Helpers").connections
