"""How requests are spread."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import botocore.session
import pytest
from aws_cdk.assertions import Template

from cdk_sglang import ConfigurationError, InferenceEndpoint, Routing
from cdk_sglang.spec.routing import PrefixAware


def test_the_bounds_are_the_apis() -> None:
    members = (
        botocore.session.get_session().get_service_model("sagemaker").shape_for("PrefixAwareRoutingConfig").members
    )
    fields = PrefixAware.model_json_schema()["properties"]
    for member, field in (("PrefixLength", "prefix_length"), ("ConcurrencyThreshold", "concurrency_threshold")):
        bounds = members[member].metadata
        assert (fields[field]["minimum"], fields[field]["maximum"]) == (bounds["min"], bounds["max"])


def test_rejects_both_bounds_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        Routing.prefix_aware(prefix_length=1023, concurrency_threshold=0)
    assert error.value.problems == (
        "routing.prefix_length: 1023 is not allowed; use a value >= 1024",
        "routing.concurrency_threshold: 0 is not allowed; use a value >= 1",
    )


def test_rejects_prefix_awareness_on_one_instance() -> None:
    assert Routing.prefix_aware().problems(max_instances=1) == [
        (
            "prefix-aware routing needs 2 instances or more, max_instances is 1; "
            "raise it or use least_outstanding_requests"
        )
    ]
    assert Routing.prefix_aware().problems(max_instances=2) == []
    assert Routing.least_outstanding_requests().problems(max_instances=1) == []


def test_the_fewest_outstanding_requests_win_by_default(chat: Template) -> None:
    config = next(iter(chat.find_resources("AWS::SageMaker::EndpointConfig").values()))["Properties"]
    assert config["ProductionVariants"][0]["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}


def test_prefix_awareness_carries_its_bounds(any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack) -> None:
    any_endpoint(routing=Routing.prefix_aware(prefix_length=2048, concurrency_threshold=8))
    config = next(iter(Template.from_stack(stack).find_resources("AWS::SageMaker::EndpointConfig").values()))
    assert config["Properties"]["ProductionVariants"][0]["RoutingConfig"] == {
        "RoutingStrategy": "PREFIX_AWARE",
        "PrefixAwareRoutingConfig": {"PrefixLength": 2048, "ConcurrencyThreshold": 8},
    }


def test_a_token_is_not_measured(any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack) -> None:
    length = cdk.CfnParameter(stack, "Length", type="Number").value_as_number
    any_endpoint(routing=Routing.prefix_aware(prefix_length=length, concurrency_threshold=length))
    config = next(iter(Template.from_stack(stack).find_resources("AWS::SageMaker::EndpointConfig").values()))
    assert config["Properties"]["ProductionVariants"][0]["RoutingConfig"]["PrefixAwareRoutingConfig"] == {
        "PrefixLength": {"Ref": "Length"},
        "ConcurrencyThreshold": {"Ref": "Length"},
    }
