"""The pipeline of a component: what its functions are told and may do, and what starts it and cleans up after it."""

from __future__ import annotations

import dataclasses
import json
import re
from importlib import resources
from typing import Any

import pytest
from aws_cdk.assertions import Match

from cdk_sglang import (
    DraftModel,
    EagleOptimization,
    EagleTraining,
    NoAlarms,
    OptimizedComponent,
    Retrain,
    Speculative,
    SpeculativeOptimization,
)
from cdk_sglang._runtime.speculative.config import Config
from cdk_sglang.optimization.group_rights import rights_of
from cdk_sglang.optimization.steps import GROUPS
from cdk_sglang.serving.shared.drafts import parameter_id
from cdk_sglang.spec.model import Model
from tests.support.fleets import problems
from tests.support.pipelines import COMPONENT, MODEL, Pipeline, flat
from tests.support.policies import policies_of

ARN = "arn:<AWS::Partition>:sagemaker:us-east-1:111122223333"
WRITTEN = "arn:<AWS::Partition>:s3:::weights-bucket"
LAMBDA_ENVIRONMENT_MAX = 4096
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


@pytest.fixture(scope="module")
def whole() -> Pipeline:
    """A pipeline with everything: captured traffic, a person to ask, a schedule, an alarm."""
    eagle = EagleTraining(
        dataset="captured",
        max_usd=200,
        approval="required",
        scrub="arn:aws:lambda:us-east-1:111122223333:function:scrub",
        retrain=Retrain(every_days=30, on_alarm=True),
    )
    return Pipeline(Speculative(eagle=eagle), asks=True, enrichment=True)


@pytest.fixture(scope="module")
def elsewhere() -> Pipeline:
    """A pipeline of a draft that was trained elsewhere."""
    return Pipeline(
        Speculative(draft=DraftModel(s3="s3://drafts/llama/", num_steps=3, eagle_topk=1, num_draft_tokens=4))
    )


def test_the_functions_are_told_everything(whole: Pipeline) -> None:
    config = whole.config()
    assert {
        name: config[name] for name in ("environment", "endpoint_name", "component_name", "kind", "stack_name")
    } == {
        "environment": "prod",
        "endpoint_name": "prod-chat",
        "component_name": COMPONENT,
        "kind": "eagle",
        "stack_name": "Fleet",
    }
    assert config["parameter"] == parameter_id(COMPONENT, whole.component.plan.component.model)
    assert (config["base_bucket"], config["base_prefix"]) == ("weights-bucket", "weights/llama/")
    assert config["tokenizer"] == MODEL
    training = config["training"]
    assert (training["instance"], training["max_usd"], training["captured_prefix"]) == (
        "ml.g6e.12xlarge",
        200,
        "captured/prod-chat/",
    )
    assert training["usd_per_hour"] > 0
    gate = config["gate"]
    assert (gate["concurrency"], gate["requests"], gate["gpus"]) == ([1, 16], {"1": 20, "16": 160}, 4)
    assert "${component}" in config["accept_length_query"]


def test_what_the_functions_are_told_is_what_they_read(whole: Pipeline, elsewhere: Pipeline) -> None:
    config = Config.parse(json.dumps(whole.config()))
    assert (config.kind, config.approval, config.component) == ("eagle", True, COMPONENT)
    assert config.training is not None
    other = Config.parse(json.dumps(elsewhere.config()))
    assert other.draft_source is not None
    assert other.draft_source.uri == "s3://drafts/llama/"
    assert elsewhere.config()["drafting"] == {"steps": 3, "topk": 1, "draft_tokens": 4}


def test_the_environment_of_a_function_has_room(whole: Pipeline) -> None:
    arn = "arn:aws:iam::111122223333:role/cdk-sglang-production-speculative-chatllamaBenchmarkRole898178B8-0123456789ab"
    config = whole.config() | dict.fromkeys(("job_role_arn", "execution_role_arn", "benchmark_role_arn"), arn)
    assert len(json.dumps(config)) < LAMBDA_ENVIRONMENT_MAX - 500


@pytest.mark.parametrize("concurrency", [(1, 8), (4,)])
def test_the_gate_measures_what_it_is_told(concurrency: tuple[int, ...]) -> None:
    eagle = EagleTraining(dataset="built_in", max_usd=1, concurrency=concurrency)
    assert Pipeline(Speculative(eagle=eagle)).config()["gate"]["concurrency"] == list(concurrency)


def test_a_training_is_counted_with_the_price_that_its_owner_names() -> None:
    named = Pipeline(Speculative(eagle=EagleTraining(dataset="built_in", max_usd=1, usd_per_hour=9.5)))
    training = Config.parse(json.dumps(named.config())).training
    assert training is not None
    assert (training.usd_per_hour, training.is_price_given) == (9.5, True)
    assert Config.parse(json.dumps(Pipeline().config())).training == dataclasses.replace(
        training, usd_per_hour=13.12, is_price_given=False, max_usd=200
    )


def test_one_asset_has_all_functions_and_nothing_else(whole: Pipeline) -> None:
    functions = whole.own("AWS::Lambda::Function")
    steps = {name: one for name, one in functions.items() if one["Handler"].startswith("speculative.handler.")}
    assert len(steps) == sum(len(group.steps) for group in GROUPS)
    assert len({one["Code"]["S3Key"] for one in steps.values()}) == 1
    assert len(functions) == len(steps) + 1  # what the schedule calls


@pytest.mark.parametrize(
    ("group", "mine", "others"),
    [
        ("Inputs", "states:ListExecutions", ["sagemaker:CreateOptimizationJob", "cloudformation:UpdateStack"]),
        ("Training", "sagemaker:CreateOptimizationJob", ["s3:DeleteObject", "sagemaker:CreateModel"]),
        ("Draft", "s3:PutObject", ["sagemaker:CreateModel", "s3:DeleteObject", "iam:PassRole"]),
        ("Gate", "sagemaker:CreateInferenceComponent", ["s3:PutObject", "cloudformation:UpdateStack"]),
        ("Bench", "sagemaker:CreateAIBenchmarkJob", ["sagemaker:DeleteInferenceComponent", "s3:DeleteObject"]),
        ("Verdict", "sagemaker:CreateModelPackage", ["sagemaker:UpdateModelPackage", "iam:PassRole"]),
        ("Approval", "sns:Publish", ["sagemaker:UpdateModelPackage", "states:StartExecution"]),
        ("Promotion", "cloudformation:UpdateStack", ["s3:PutObject", "s3:DeleteObject", "iam:PassRole"]),
        ("CleanUp", "s3:DeleteObject", ["sagemaker:CreateModel", "cloudformation:UpdateStack", "iam:PassRole"]),
    ],
)
def test_a_group_may_do_its_own_and_not_what_others_do(
    whole: Pipeline, group: str, mine: str, others: list[str]
) -> None:
    rights = whole.rights(group)
    assert mine in rights
    assert not set(others) & set(rights)


def test_the_base_is_read_with_the_key_that_the_model_names() -> None:
    key = "arn:aws:kms:us-east-1:444455556666:key/0e1c0a5e-0000-4000-8000-000000000000"
    model = Model(id=MODEL, s3="s3://models/llama/", kms_key=key)
    policies = policies_of(Pipeline(model=model).template()).values()
    readers = {
        str(policy["Properties"]["Roles"])
        for policy in policies
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Resource"] == key
    }
    assert any("JobRole" in role for role in readers)
    assert any("InputsRole" in role for role in readers)
    assert any("ChatExecutionRole" in role for role in readers)


def test_only_versions_of_this_component_can_be_deleted(whole: Pipeline) -> None:
    assert set(whole.rights("CleanUp")["s3:DeleteObject"]) == {f"{WRITTEN}/speculative/{COMPONENT}/versions/*"}
    names = [group.name for group in GROUPS]
    assert [name for name in names if "s3:DeleteObject" in whole.rights(name)] == ["CleanUp"]


def test_only_jobs_of_this_component_can_be_stopped_and_none_of_one_whose_name_begins_alike(whole: Pipeline) -> None:
    (job,) = whole.rights("CleanUp")["sagemaker:StopOptimizationJob"]
    name = re.compile(job.rpartition("/")[2].replace("?", "."))
    assert name.fullmatch(f"{COMPONENT}-{'0' * 12}")
    assert not name.fullmatch(f"{COMPONENT}-70b-{'0' * 12}")


def test_canaries_can_be_deleted_and_the_component_cannot(whole: Pipeline) -> None:
    for group in ("Gate", "CleanUp"):
        resources = whole.rights(group)["sagemaker:DeleteInferenceComponent"]
        assert f"{ARN}:inference-component/gate-r*" in resources
        assert f"{ARN}:inference-component/{COMPONENT}" not in resources


def test_roles_are_passed_to_sagemaker_alone(whole: Pipeline) -> None:
    for name, policy in whole.policies().items():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Action"] == "iam:PassRole":
                assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}, (
                    name
                )


def test_every_action_of_every_group_exists(whole: Pipeline, elsewhere: Pipeline) -> None:
    # cfn-lint carries the actions of every service, generated from AWS's service authorization reference.
    folder = resources.files("cfnlint.data.AdditionalSpecs")
    policies = json.loads(folder.joinpath("Policies.json").read_text(encoding="utf-8"))
    places = [pipeline.pipeline._places for pipeline in (whole, elsewhere)]
    found = {
        action
        for place in places
        for group in GROUPS
        if place.target.speculative.kind in group.kinds and (group.name != "Approval" or place.topic_arn)
        for right in rights_of(group.name, place)
        for action in right.actions
    }
    assert len(found) > 40
    unknown = set()
    for action in found:
        service, _, verb = action.partition(":")
        if verb.lower() not in {known.lower() for known in policies[service]["Actions"]}:
            unknown.add(action)
    assert not unknown


def test_a_wildcard_has_a_reason(whole: Pipeline) -> None:
    for group in GROUPS:
        for right in rights_of(group.name, whole.pipeline._places):
            assert right.reason or not any("*" in arn for arn in right.resources), right


def test_the_end_of_every_execution_is_cleaned_up_after(whole: Pipeline) -> None:
    whole.template().has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["aws.states"],
                "detail-type": ["Step Functions Execution Status Change"],
                "detail": {
                    "stateMachineArn": [
                        {
                            "Fn::Join": [
                                "",
                                [
                                    "arn:",
                                    {"Ref": "AWS::Partition"},
                                    f":states:us-east-1:111122223333:stateMachine:{COMPONENT}-speculative",
                                ],
                            ]
                        }
                    ],
                    "status": ["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"],
                },
            },
            "Targets": [
                Match.object_like(
                    {
                        "Arn": {"Fn::GetAtt": [Match.string_like_regexp("^DraftsCleanUp"), "Arn"]},
                        "DeadLetterConfig": Match.any_value(),
                    }
                )
            ],
        },
    )


def test_a_schedule_and_the_alarm_start_a_run(whole: Pipeline) -> None:
    template = whole.template()
    template.has_resource_properties(
        "AWS::Scheduler::Schedule",
        {
            "ScheduleExpression": "rate(30 days)",
            "Target": Match.object_like({"Input": '{"id": "<aws.scheduler.execution-id>", "reason": "schedule"}'}),
        },
    )
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "detail": {"alarmName": [f"{COMPONENT}-accept-length"], "state": {"value": ["ALARM"]}},
            }
        },
    )
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm", {"Namespace": "AWS/States", "MetricName": "ExecutionsFailed"}
    )


def test_nothing_starts_by_itself_unless_the_settings_say_so(elsewhere: Pipeline) -> None:
    assert not elsewhere.own("AWS::Scheduler::Schedule")
    assert len(elsewhere.own("AWS::Events::Rule")) == 1


def test_the_machine_logs_no_payload_and_is_traced(whole: Pipeline) -> None:
    (machine,) = whole.own("AWS::StepFunctions::StateMachine").values()
    assert machine["StateMachineName"] == f"{COMPONENT}-speculative"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["LoggingConfiguration"]["Level"] == "ALL"


def test_versions_have_a_group_that_outlives_the_pipeline(whole: Pipeline) -> None:
    whole.template().has_resource(
        "AWS::SageMaker::ModelPackageGroup",
        {
            "Properties": {"ModelPackageGroupName": COMPONENT},
            "DeletionPolicy": "RetainExceptOnCreate",
            "UpdateReplacePolicy": "Retain",
        },
    )


def test_the_command_line_finds_everything(whole: Pipeline, elsewhere: Pipeline) -> None:
    def place(pipeline: Pipeline) -> dict[str, Any]:
        (parameter,) = pipeline.own("AWS::SSM::Parameter").values()
        assert parameter["Name"] == f"/cdk-sglang/prod/speculative/{COMPONENT}"
        found: dict[str, Any] = json.loads(flat(parameter["Value"]))
        return found

    found = place(whole)
    assert (found["bucket"], found["stack"], found["approval"]) == ("weights-bucket", "Fleet", True)
    assert (found["training_instance"], found["training_max_usd"], found["gate_max_usd"]) == (
        "ml.g6e.12xlarge",
        200,
        100,
    )
    assert place(elsewhere)["approval"] is False


def test_a_draft_of_hugging_face_is_copied_by_the_deployment() -> None:
    draft = DraftModel(hugging_face="me/draft", revision="a" * 40)
    pipeline = Pipeline(Speculative(draft=draft))
    builds = pipeline.template().find_resources("Custom::CdkSglangBuild")
    copied = [json.dumps(build) for build in builds.values() if f"weights/me/draft/{'a' * 40}/" in json.dumps(build)]
    assert any("--draft" in build for build in copied)  # it needs no tokenizer
    assert pipeline.config()["draft_source"] == {"bucket": "weights-bucket", "prefix": f"weights/me/draft/{'a' * 40}/"}


def test_both_names_are_the_same_pipeline() -> None:
    assert EagleOptimization is SpeculativeOptimization


def test_a_component_without_a_draft_is_refused() -> None:
    pipeline = Pipeline()
    plan = pipeline.component.plan
    without = dataclasses.replace(plan, component=plan.component.replace(speculative=None))
    component = dataclasses.replace(OptimizedComponent.of(pipeline.component), plan=without)
    assert problems(
        lambda: SpeculativeOptimization(pipeline.stack, "More", component=component, bucket=pipeline.bucket)
    ) == ["More.component: prod-chat-llama has no draft; give add_component speculative=Speculative(...)"]


def test_a_person_is_not_asked_without_a_topic() -> None:
    eagle = EagleTraining(dataset="built_in", max_usd=1, approval="required", retrain=Retrain(on_alarm=True))
    pipeline = Pipeline()
    plan = pipeline.component.plan
    asking = dataclasses.replace(plan, component=plan.component.replace(speculative=Speculative(eagle=eagle)))
    component = dataclasses.replace(OptimizedComponent.of(pipeline.component), plan=asking)
    assert problems(
        lambda: SpeculativeOptimization(
            pipeline.stack, "More", component=component, bucket=pipeline.bucket, alarms=NoAlarms(reason="a test")
        )
    ) == [
        "More.alarms: missing: a person is asked for approval by mail; give Alarms(topic=...), or approval: none",
        (
            "More.enrichment: False, and retrain.on_alarm waits for an alarm on the accept length, which SGLang's metrics and OTel enrichment "
            "are needed for; set enrichment=True, or give every_days instead"
        ),
    ]
