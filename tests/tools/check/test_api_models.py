"""Literal values against the models of the APIs behind them."""

from __future__ import annotations

from typing import Any

import pytest

from tools.check import api_models

COMPONENT = "AWS::SageMaker::InferenceComponent"


def template(resource_type: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": {"R": {"Type": resource_type, "Properties": properties}}}


@pytest.mark.parametrize(
    ("resource_type", "properties", "place", "message"),
    [
        ("AWS::SageMaker::Endpoint", {"EndpointName": "a_b", "EndpointConfigName": "c"}, "R.EndpointName", "does not match"),
        ("AWS::SageMaker::Endpoint", {"EndpointName": "a" * 64, "EndpointConfigName": "c"}, "R.EndpointName", "64 characters is outside of"),
        ("AWS::SageMaker::Endpoint", {"EndpointName": "a"}, "R.endpointconfigname", "which is missing"),
        (COMPONENT, {"EndpointName": "e", "RuntimeConfig": {"CopyCount": -1}}, "R.RuntimeConfig.CopyCount", "-1 is outside of"),
        (COMPONENT, {"EndpointName": "e", "RuntimeConfig": {}}, None, ""),
        (COMPONENT, {"EndpointName": "e", "Specification": {"ModelName": "m"}, "Specifications": []}, "R.Properties", "exclude each other"),
        ("AWS::CloudWatch::Alarm", {"AlarmName": "a", "ComparisonOperator": "More"}, "R.ComparisonOperator", "'More' is none of"),
        ("AWS::CloudWatch::Alarm", {"Statistic": "Sum", "ExtendedStatistic": "p99"}, "R.Properties", "exclude each other"),
        ("AWS::Events::Rule", {"Targets": [{"Id": "a", "Arn": "b", "Input": "1", "InputPath": "$"}]}, "R.Targets.0", "exclude each other"),
        ("AWS::Lambda::Function", {"Code": {}, "Role": "arn:aws:iam::111122223333:user/a"}, "R.Role", "does not match"),
        ("AWS::S3::Bucket", {"BucketName": "!"}, None, ""),
    ],
)  # fmt: skip
def test_a_value_that_the_api_refuses(
    resource_type: str, properties: dict[str, Any], place: str | None, message: str
) -> None:
    found = list(api_models.findings(template(resource_type, properties)))
    if place is None:
        assert found == []
    else:
        assert any(where == place and message in text for where, text in found), found


def test_the_source_is_named() -> None:
    (message,) = (
        text
        for place, text in api_models.findings(
            template("AWS::SageMaker::Endpoint", {"EndpointName": "a_b", "EndpointConfigName": "c"})
        )
        if place
    )
    assert message.startswith("EndpointName: 'a_b'")
    assert message.endswith("(sagemaker, AWS::SageMaker::Endpoint)")


@pytest.mark.parametrize(
    "name",
    [
        {"Ref": "Other"},
        {"Fn::Sub": "${Other}_"},
        {"Fn::Join": ["", ["a_", {"Ref": "Other"}]]},
        {"Fn::GetAtt": ["Other", "Name"]},
    ],
)
def test_a_value_that_is_known_only_after_deployment_is_left_alone(name: object) -> None:
    assert (
        list(
            api_models.findings(template("AWS::SageMaker::Endpoint", {"EndpointName": name, "EndpointConfigName": "c"}))
        )
        == []
    )


def test_a_joined_text_of_literal_parts_is_read() -> None:
    name = {"Fn::Join": ["_", ["a", "b"]]}
    assert (
        len(
            list(
                api_models.findings(
                    template("AWS::SageMaker::Endpoint", {"EndpointName": name, "EndpointConfigName": "c"})
                )
            )
        )
        == 1
    )
