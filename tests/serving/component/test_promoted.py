"""A component whose draft is promoted by a parameter of its stack: model, verification, alarm and rights follow the parameter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import (
    Capacity,
    EagleTraining,
    InferenceComponent,
    InferenceEndpoint,
    ModelSource,
    Ngram,
    ServingImage,
    SglangOptions,
    Speculative,
    Verification,
)
from cdk_sglang.serving.shared.drafts import ALLOWED_VALUES, BASE_VALUE, parameter_id
from cdk_sglang.spec.model import Model
from tests.support.fleets import problems
from tests.support.policies import policies_of

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
EAGLE = Speculative(eagle=EagleTraining(dataset="built_in", max_usd=200))
VERSION = "r20261130T155204-ab12,speculative/chat-llama/versions/r20261130T155204-ab12/,EAGLE3,3,1,4,2.1"


def _stack(speculative: Speculative | None = EAGLE, *, uri: str | None = None, **options: Any) -> cdk.Stack:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
    bucket = s3.Bucket.from_bucket_name(stack, "Weights", "weights-bucket")
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=ServingImage.from_dlc(),
        endpoint_name="chat",
        verification=Verification(),
        **options,
    )
    source = (
        ModelSource.from_bucket(bucket, "weights/llama/", model_id=MODEL, check=False)
        if uri is None
        else ModelSource.from_s3(uri, model_id=MODEL, check=False, bucket=bucket)
    )
    endpoint.add_component(
        "llama", model=source, server=SglangOptions(tp_size=1, context_length=8192), speculative=speculative
    )
    return stack


@pytest.fixture(scope="module")
def trained() -> Template:
    return Template.from_stack(_stack(enrichment=True))


def _resolved(  # noqa: PLR0911  one return for each function
    value: Any, *, parameters: dict[str, str], conditions: dict[str, Any]
) -> Any:
    """Work out what CloudFormation makes of a value: a stand-in for its functions, as far as these templates use them."""

    def of(inner: Any) -> Any:
        return _resolved(inner, parameters=parameters, conditions=conditions)

    match value:
        case {"Ref": "AWS::NoValue"}:
            return None
        case {"Ref": str(name)}:
            return parameters.get(name, f"<{name}>")
        case {"Fn::If": [name, yes, no]}:
            return of(yes if of(conditions[name]) else no)
        case {"Fn::Equals": [one, other]}:
            return of(one) == of(other)
        case {"Fn::Not": [one]}:
            return not of(one)
        case {"Fn::Join": [separator, parts]}:
            return separator.join(map(of, parts))
        case {"Fn::Select": [index, parts]}:
            return of(parts)[int(index)]
        case {"Fn::Split": [separator, text]}:
            return of(text).split(separator)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case dict():
            return {key: found for key, inner in value.items() if (found := of(inner)) is not None}
        case list():
            return [of(inner) for inner in value]
        case _:
            return value


def _served(template: Template, value: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the model's container, and the environment that the verification expects, under a value of the parameter."""
    content = template.to_json()
    name = next(name for name in content["Parameters"] if name.startswith("Draft"))
    context = {"parameters": {name: value}, "conditions": content["Conditions"]}
    (model,) = template.find_resources("AWS::SageMaker::Model").values()
    (verification,) = template.find_resources("Custom::CdkSglangTruth").values()
    specification = json.loads(_resolved(verification["Properties"]["Asked"], **context))
    return _resolved(model["Properties"]["PrimaryContainer"], **context), specification["components"][0]["environment"]


def test_the_model_alone_is_served_until_a_version_is_promoted(trained: Template) -> None:
    (parameter,) = trained.find_parameters("*", {"Type": "String", "AllowedPattern": f"^{ALLOWED_VALUES}$"}).values()
    assert parameter["Default"] == BASE_VALUE
    container, expected = _served(trained, BASE_VALUE)
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == "s3://weights-bucket/weights/llama/"
    assert not any("SPECULATIVE" in name for name in container["Environment"])
    assert container["Environment"] == expected


def test_a_promoted_version_is_served_with_its_variables(trained: Template) -> None:
    container, expected = _served(trained, VERSION)
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == f"s3://weights-bucket/{VERSION.split(',')[1]}"
    assert {name: value for name, value in container["Environment"].items() if "SPECULATIVE" in name} == {
        "SM_SGLANG_SPECULATIVE_ALGORITHM": "EAGLE3",
        "SM_SGLANG_SPECULATIVE_NUM_STEPS": "3",
        "SM_SGLANG_SPECULATIVE_EAGLE_TOPK": "1",
        "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS": "4",
        "SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH": "/opt/ml/model/draft",
    }
    assert container["Environment"] == expected


def test_a_draft_without_files_leaves_the_model_where_it_is() -> None:
    template = Template.from_stack(_stack(Speculative(ngram=Ngram())))
    container, expected = _served(template, "r20261130T155204-ab12,weights/llama/,NGRAM,,,12,1.4")
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == "s3://weights-bucket/weights/llama/"
    assert {name for name in container["Environment"] if "SPECULATIVE" in name} == {
        "SM_SGLANG_SPECULATIVE_ALGORITHM",
        "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS",
    }
    assert container["Environment"] == expected


def test_a_model_of_another_bucket_moves_to_the_version_and_back() -> None:
    template = Template.from_stack(_stack(uri="s3://models/llama/"))
    base, _ = _served(template, BASE_VALUE)
    version, _ = _served(template, VERSION)
    assert base["ModelDataSource"]["S3DataSource"]["S3Uri"] == "s3://models/llama/"
    assert version["ModelDataSource"]["S3DataSource"]["S3Uri"].startswith("s3://weights-bucket/speculative/")


def test_another_model_is_another_parameter() -> None:
    one, other = Model(prefix="weights/llama/"), Model(prefix="weights/llama-2/")
    assert parameter_id("chat-llama", one) != parameter_id("chat-llama", other)
    assert parameter_id("chat-llama", one) != parameter_id("chat-qwen", one)
    assert re.fullmatch(r"Draft[0-9a-f]{12}", parameter_id("chat-llama", one))


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (BASE_VALUE, True),
        (VERSION, True),
        ("r20261130T155204-ab12,p/,EAGLE,3,1,4,", True),
        ("r20261130T155204-ab12,p/,NGRAM,,,12,1.2", True),
        ("r20261130T155204-ab12,p/,EAGLE,,,,1.2", False),
        ("r20261130T155204-ab12,p,EAGLE,3,1,4,1.2", False),
        ('r20261130T155204-ab12,p"/,EAGLE,3,1,4,1.2', False),
        ("latest,p/,EAGLE,3,1,4,1.2", False),
        ("base", False),
    ],
)
def test_the_parameter_refuses_what_sglang_would(value: str, allowed: bool) -> None:
    assert (re.fullmatch(ALLOWED_VALUES, value) is not None) == allowed


def test_the_role_may_read_versions_of_its_own_component(trained: Template) -> None:
    text = json.dumps(policies_of(trained))
    assert "/speculative/chat-llama/versions/*" in text


def test_the_alarm_exists_only_while_a_version_with_an_accept_length_is_served(trained: Template) -> None:
    content = trained.to_json()
    (alarm,) = (
        one for one in content["Resources"].values() if one["Properties"].get("AlarmName") == "chat-llama-accept-length"
    )
    query = alarm["Properties"]["EvaluationCriteria"]["PromQLCriteria"]["Query"]
    parameter = next(name for name in content["Parameters"] if name.startswith("Draft"))
    for value, exists in ((BASE_VALUE, False), (VERSION, True), (VERSION.removesuffix("2.1"), False)):
        context = {"parameters": {parameter: value}, "conditions": content["Conditions"]}
        assert _resolved(content["Conditions"][alarm["Condition"]], **context) is exists
    text = _resolved(query, parameters={parameter: VERSION}, conditions={})
    assert " < 0.85 * 2.1 and " in text
    assert "spec_accept_length" in text


def test_without_enrichment_there_is_no_alarm_and_a_note() -> None:
    stack = _stack()
    assert "accept-length" not in json.dumps(Template.from_stack(stack).to_json())
    words = Match.string_like_regexp("nobody watches whether the draft is still accepted")
    assert len(Annotations.from_stack(stack).find_info("*", words)) == 1


def test_a_component_without_a_draft_is_as_it_was() -> None:
    text = json.dumps(Template.from_stack(_stack(None)).to_json())
    assert not any(word in text.lower() for word in ("speculative", "draft", "gate-", '"conditions"'))


def test_a_model_in_s3_needs_a_bucket_for_its_drafts(any_component: Callable[..., InferenceComponent]) -> None:
    source = ModelSource.from_s3("s3://models/llama/", model_id=MODEL, check=False)
    server = SglangOptions(tp_size=1, context_length=8192)
    assert problems(lambda: any_component(model=source, server=server, speculative=EAGLE)) == [
        "llama.speculative: has no bucket for its drafts; give one to the model's source: ModelSource.from_s3(..., bucket=...)"
    ]


def test_a_nested_stack_has_no_parameter_that_can_be_set(stack: cdk.Stack) -> None:
    nested = cdk.NestedStack(stack, "Nested")
    endpoint = InferenceEndpoint(
        nested,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=ServingImage.from_dlc(),
        endpoint_name="chat",
    )
    bucket = s3.Bucket.from_bucket_name(nested, "Weights", "weights-bucket")
    source = ModelSource.from_bucket(bucket, "weights/llama/", model_id=MODEL, check=False)
    server = SglangOptions(tp_size=1, context_length=8192)
    assert problems(lambda: endpoint.add_component("llama", model=source, server=server, speculative=EAGLE)) == [
        (
            "llama.speculative: is promoted by a parameter of its stack, which only the parent sets in a nested stack; use a stack of its "
            "own"
        )
    ]
