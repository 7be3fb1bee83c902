"""Every operation of ours answers what botocore's model says, and refuses as the model says."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from moto.core.utils import camelcase_to_underscores

from localcloud.aws import faults
from localcloud.aws.hosting import operations, validation
from tests.localcloud.helpers import ROLE, SESSION, any_component, any_endpoint, specification

JOB = {
    "OptimizationJobName": "eagle",
    "RoleArn": ROLE,
    "ModelSource": {"S3": {"S3Uri": "s3://models/llama/"}},
    "DeploymentInstanceType": "ml.g6e.12xlarge",
    "OptimizationConfigs": [{"ModelSpeculativeDecodingConfig": {"Technique": "EAGLE"}}],
    "OutputConfig": {"S3OutputLocation": "s3://models/out/"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}
BENCHMARK = {
    "AIBenchmarkJobName": "bench",
    "BenchmarkTarget": {"Endpoint": {"Identifier": "fleet"}},
    "OutputConfig": {"S3OutputLocation": "s3://models/out/"},
    "AIWorkloadConfigIdentifier": "load",
    "RoleArn": ROLE,
}


def walk(sagemaker: Any, driven: Any) -> dict[str, list[Any]]:
    """Call every operation once or more; what each answered."""
    answers: dict[str, list[Any]] = {}

    def call(name: str, **params: Any) -> Any:
        answer = getattr(sagemaker, camelcase_to_underscores(name))(**params)
        answers.setdefault(name, []).append(answer)
        return answer

    call("CreateModel", ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "x"})
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker, copies=1)
    driven.advance(5)
    call(
        "CreateEndpointConfig",
        EndpointConfigName="c",
        ExecutionRoleArn=ROLE,
        ProductionVariants=[variant_of(sagemaker)],
    )
    call("DescribeEndpointConfig", EndpointConfigName="c")
    call("ListEndpointConfigs", NameContains="c")
    call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    driven.advance(5)
    call("UpdateEndpoint", EndpointName="e", EndpointConfigName="fleet-1")
    call("DescribeEndpoint", EndpointName="e")
    call("ListEndpoints", StatusEquals="Updating")
    driven.advance(5)
    call("DeleteEndpoint", EndpointName="e")
    call("DeleteEndpointConfig", EndpointConfigName="c")
    own = {"InferenceComponentName": "a", "EndpointName": "fleet", "VariantName": "main"}
    call("CreateInferenceComponent", **own, Specification=specification(), RuntimeConfig={"CopyCount": 1})
    call("DescribeInferenceComponent", InferenceComponentName="a")
    driven.advance(9)
    call("UpdateInferenceComponent", InferenceComponentName="a", Specification=specification())
    call("ListInferenceComponents", StatusEquals="Updating")
    driven.advance(9)
    scaled = {"CopyCount": 0}
    call("UpdateInferenceComponentRuntimeConfig", InferenceComponentName="a", DesiredRuntimeConfig=scaled)
    driven.advance(9)
    call("DeleteInferenceComponent", InferenceComponentName="a")
    jobs(call, driven)
    return answers


def variant_of(sagemaker: Any) -> Any:
    return sagemaker.describe_endpoint_config(EndpointConfigName="fleet-1")["ProductionVariants"][0]


def jobs(call: Callable[..., Any], driven: Any) -> None:
    for create, describe, every, stop, delete, request, name in (
        ("CreateOptimizationJob", "DescribeOptimizationJob", "ListOptimizationJobs", "StopOptimizationJob",
         "DeleteOptimizationJob", JOB, "OptimizationJobName"),
        ("CreateAIBenchmarkJob", "DescribeAIBenchmarkJob", "ListAIBenchmarkJobs", "StopAIBenchmarkJob",
         "DeleteAIBenchmarkJob", BENCHMARK, "AIBenchmarkJobName"),
    ):  # fmt: skip
        if create == "CreateAIBenchmarkJob":
            call("CreateAIWorkloadConfig", AIWorkloadConfigName="load")
            call("DescribeAIWorkloadConfig", AIWorkloadConfigName="load")
            call("ListAIWorkloadConfigs")
        call(create, **request)
        call(describe, **{name: request[name]})
        call(stop, **{name: request[name]})
        driven.advance(9)
        call(describe, **{name: request[name]})
        call(every)
        call(delete, **{name: request[name]})
    call("DeleteAIWorkloadConfig", AIWorkloadConfigName="load")
    offering = call("SearchTrainingPlanOfferings", InstanceType="ml.p5.48xlarge", TargetResources=["endpoint"])
    call(
        "CreateTrainingPlan",
        TrainingPlanName="plan",
        TrainingPlanOfferingId=offering["TrainingPlanOfferings"][0]["TrainingPlanOfferingId"],
    )
    call("DescribeTrainingPlan", TrainingPlanName="plan")
    call("ListTrainingPlans")
    registry(call)


def registry(call: Callable[..., Any]) -> None:
    call("CreateModelPackageGroup", ModelPackageGroupName="versions")
    call("DescribeModelPackageGroup", ModelPackageGroupName="versions")
    call("ListModelPackageGroups")
    arn = call("CreateModelPackage", ModelPackageGroupName="versions")["ModelPackageArn"]
    call("DescribeModelPackage", ModelPackageName=arn)
    call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")
    call("ListModelPackages", ModelPackageGroupName="versions")
    call("DeleteModelPackage", ModelPackageName=arn)
    call("DeleteModelPackageGroup", ModelPackageGroupName="versions")


def test_every_operation_answers_what_the_model_says(sagemaker: Any, driven: Any) -> None:
    answers = walk(sagemaker, driven)
    assert set(answers) == set(operations.HANDLERS)
    for name, found in answers.items():
        shape = validation.operation(name).output_shape
        for answer in found:
            assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
            if shape is None:
                assert answer == {}
                continue
            report = ParamValidator().validate(answer, shape)
            assert not report.has_errors(), f"{name}: {report.generate_report()}"
            assert list(validation._constraints(shape, answer, "")) == [], name


def test_missing_names_are_refused_with_the_error_the_model_has(sagemaker: Any) -> None:
    for name in operations.HANDLERS:
        shape = validation.operation(name)
        verb = name.removesuffix("RuntimeConfig")
        if not verb.startswith(("Describe", "Delete", "Stop")):
            continue
        key = next(member for member in shape.input_shape.required_members)
        with pytest.raises(ClientError) as caught:
            getattr(sagemaker, camelcase_to_underscores(name))(**{key: "absent"})
        expected = (
            "ResourceNotFound" if "ResourceNotFound" in {e.name for e in shape.error_shapes} else "ValidationException"
        )
        assert caught.value.response["Error"]["Code"] == expected, name
        assert "absent" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(("fault", "end"), [(None, "COMPLETED"), ("optimization-job-failed", "FAILED")])
def test_optimization_job_ends(sagemaker: Any, driven: Any, fault: str | None, end: str) -> None:
    if fault:
        faults.inject(fault, target="eagle")
    storage = SESSION.client("s3")
    storage.create_bucket(Bucket="models")
    base = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "vocab_size": 300}
    storage.put_object(Bucket="models", Key="llama/config.json", Body=json.dumps(base))
    sagemaker.create_optimization_job(**JOB)
    assert sagemaker.describe_optimization_job(OptimizationJobName="eagle")["OptimizationJobStatus"] == "INPROGRESS"
    driven.advance(10)
    described = sagemaker.describe_optimization_job(OptimizationJobName="eagle")
    assert described["OptimizationJobStatus"] == end
    assert ("FailureReason" in described) == (end == "FAILED")


def test_optimization_job_that_hangs_is_stopped_at_its_run_time(sagemaker: Any, driven: Any) -> None:
    faults.inject("optimization-job-hangs")
    sagemaker.create_optimization_job(**JOB)
    driven.advance(3000)
    assert sagemaker.describe_optimization_job(OptimizationJobName="eagle")["OptimizationJobStatus"] == "INPROGRESS"
    driven.advance(700)
    assert sagemaker.describe_optimization_job(OptimizationJobName="eagle")["OptimizationJobStatus"] == "STOPPED"


def test_training_plan_must_be_active_and_of_the_type_for_an_endpoint(sagemaker: Any, driven: Any) -> None:
    criteria = {
        "InstanceType": "ml.p5.48xlarge",
        "InstanceCount": 1,
        "DurationHours": 24,
        "TargetResources": ["endpoint"],
    }
    offering = sagemaker.search_training_plan_offerings(**criteria)["TrainingPlanOfferings"][0]
    arn = sagemaker.create_training_plan(
        TrainingPlanName="plan", TrainingPlanOfferingId=offering["TrainingPlanOfferingId"]
    )["TrainingPlanArn"]
    reserved = {"CapacityReservationPreference": "capacity-reservations-only", "MlReservationArn": arn}
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 1}
    for name, kind in (("right", "ml.p5.48xlarge"), ("wrong", "ml.p5e.48xlarge")):
        production_variant = {"VariantName": "main", "InstanceType": kind, "InitialInstanceCount": 1}
        production_variant |= {"CapacityReservationConfig": reserved, "ManagedInstanceScaling": scaling}
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ExecutionRoleArn=ROLE, ProductionVariants=[production_variant]
        )
    driven.advance(5)
    with pytest.raises(ClientError, match="is Scheduled for"):
        sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="right")
    driven.advance(1900)
    with pytest.raises(ClientError, match=r"is for ml.p5.48xlarge, not \['ml.p5e.48xlarge'\]"):
        sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="wrong")
    sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="right")
    driven.advance(5)
    assert sagemaker.describe_training_plan(TrainingPlanName="plan")["InUseInstanceCount"] == 1


def test_throttling_is_the_error_boto3_retries(sagemaker: Any) -> None:
    faults.inject("throttling", target="ListEndpoints", times=1)
    answer = sagemaker.list_endpoints()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    faults.inject("throttling", target="ListEndpoints")
    with pytest.raises(ClientError, match="ThrottlingException"):
        sagemaker.list_endpoints()


def test_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown fault 'meteor'; known: insufficient-capacity"):
        faults.inject("meteor")


def test_state_machine_drives_an_optimization_job(sagemaker: Any, driven: Any) -> None:
    base = "arn:aws:states:::aws-sdk:sagemaker"
    definition = {
        "StartAt": "Create",
        "States": {
            "Create": {
                "Type": "Task",
                "Resource": f"{base}:createOptimizationJob",
                "Parameters": JOB,
                "ResultPath": None,
                "Next": "Describe",
            },
            "Describe": {
                "Type": "Task",
                "Resource": f"{base}:describeOptimizationJob",
                "Parameters": {"OptimizationJobName": "eagle"},
                "End": True,
            },
        },
    }
    states = SESSION.client("stepfunctions")
    machine = states.create_state_machine(name="m", definition=json.dumps(definition), roleArn=ROLE)["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    from tests.localcloud.helpers import eventually

    described = eventually(
        lambda: (d := states.describe_execution(executionArn=execution))["status"] != "RUNNING" and d
    )
    assert described["status"] == "SUCCEEDED", described
    output = json.loads(described["output"])
    assert output["OptimizationJobStatus"] == "INPROGRESS"
    assert dt.datetime.fromisoformat(output["CreationTime"])
