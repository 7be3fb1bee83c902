"""Names of endpoints and components."""

from __future__ import annotations

import aws_cdk as cdk
import botocore.session
import pytest

from cdk_sglang.spec.physical_names import MAX_NAME_LENGTH, name_problems


def test_the_limit_is_the_apis() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    for shape in ("EndpointName", "InferenceComponentName"):
        assert model.shape_for(shape).metadata["max"] == MAX_NAME_LENGTH


def test_a_name_over_the_limit_says_by_how_much() -> None:
    assert name_problems("endpoints.chat", "a" * 70, "endpoint") == [
        f"endpoints.chat: endpoint name {'a' * 70!r} has 70 characters, AWS allows 63; shorten it by 7"
    ]


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a.b", "a b", "é", "a\n"])
def test_rejects_what_the_api_would(name: str) -> None:
    assert name_problems("chat", name, "component") == [
        (
            f"chat: component name {name!r} is not allowed; use letters, digits and single hyphens inside, "
            "starting and ending with a letter or digit"
        )
    ]


@pytest.mark.parametrize("name", ["a", "A9", "a-b", "a--b", "a" * 63])
def test_accepts_what_the_api_would(name: str) -> None:
    assert name_problems("chat", name, "component") == []


def test_a_name_must_be_known_at_synth(stack: cdk.Stack) -> None:
    name = cdk.CfnParameter(stack, "Name").value_as_string
    assert name_problems("chat", f"prod-{name}", "endpoint") == [
        "chat: the endpoint name must be known at synth, got a token; give a literal string"
    ]
