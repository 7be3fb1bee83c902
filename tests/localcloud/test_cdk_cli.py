"""The unmodified CDK CLI against the embedded AWS: what a stack goes through in its life."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_applicationautoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_ssm as ssm
from aws_cdk import custom_resources
from botocore.config import Config

from localcloud.aws import settings
from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import ROOT, SESSION

pytestmark = pytest.mark.timeout(400)
Cdk = Callable[..., CompletedProcess[str]]
HANDLER = """
import json, os, urllib.request

def handler(event, context):
    asked = event["ResourceProperties"]
    failed = asked.get("Fail") == event["RequestType"]
    answer = {
        "Status": "FAILED" if failed else "SUCCESS",
        "Reason": "the verifier said no",
        "PhysicalResourceId": event.get("PhysicalResourceId", "check-1"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Answer": f"{event['RequestType']} {asked['Word']} {os.environ['GREETING']}"},
    }
    request = urllib.request.Request(event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT")
    urllib.request.urlopen(request).close()
    print("seen", event["RequestType"])
"""


def component(stack: cdk.Stack, endpoint: sagemaker.CfnEndpoint, name: str, environment: dict[str, str]) -> Any:
    of = sagemaker.CfnInferenceComponent
    return of(
        stack,
        name.title(),
        inference_component_name=name,
        endpoint_name=endpoint.attr_endpoint_name,
        variant_name="main",
        specification=of.InferenceComponentSpecificationProperty(
            container=of.InferenceComponentContainerSpecificationProperty(image="sglang", environment=environment),
            compute_resource_requirements=of.InferenceComponentComputeResourceRequirementsProperty(
                min_memory_required_in_mb=1024, number_of_accelerator_devices_required=1
            ),
        ),
        runtime_config=of.InferenceComponentRuntimeConfigProperty(copy_count=1),
    )


def fleet(
    stack: cdk.Stack, *, context: str = "4096", components: tuple[str, ...] = ("llama",), instances: int = 1,
    extra: dict[str, str] | None = None,
) -> None:  # fmt: skip
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    s3.Bucket(stack, "Models", removal_policy=cdk.RemovalPolicy.DESTROY, enforce_ssl=True)
    of = sagemaker.CfnEndpointConfig
    config = of(
        stack,
        "Config",
        execution_role_arn=role.role_arn,
        production_variants=[
            of.ProductionVariantProperty(
                variant_name="main",
                instance_type="ml.g6e.12xlarge",
                initial_instance_count=instances,
                managed_instance_scaling=of.ManagedInstanceScalingProperty(
                    status="ENABLED", min_instance_count=0, max_instance_count=2
                ),
            )
        ],
    )
    endpoint = sagemaker.CfnEndpoint(
        stack, "Endpoint", endpoint_name="fleet", endpoint_config_name=config.attr_endpoint_config_name
    )
    for name in components:
        group = logs.LogGroup(
            stack,
            f"{name.title()}Logs",
            log_group_name=f"/aws/sagemaker/InferenceComponents/{name}",
            retention=logs.RetentionDays.ONE_WEEK,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        inference_component = component(stack, endpoint, name, {"SM_SGLANG_CONTEXT_LENGTH": context} | (extra or {}))
        inference_component.node.add_dependency(group)
        scale(stack, inference_component, name)
    ssm.StringParameter(stack, "Name", parameter_name="/fleet/endpoint", string_value=endpoint.attr_endpoint_name)
    cdk.CfnOutput(stack, "EndpointName", value=endpoint.attr_endpoint_name)


def scale(stack: cdk.Stack, inference_component: Any, name: str) -> None:
    target = autoscaling.CfnScalableTarget(
        stack,
        f"{name}Target",
        service_namespace="sagemaker",
        scalable_dimension="sagemaker:inference-component:DesiredCopyCount",
        resource_id=f"inference-component/{name}",
        min_capacity=0,
        max_capacity=2,
    )
    target.node.add_dependency(inference_component)
    of = autoscaling.CfnScalingPolicy
    policy = of(
        stack,
        f"{name}Policy",
        policy_name=f"{name}-concurrency",
        policy_type="TargetTrackingScaling",
        scaling_target_id=target.attr_id,
        target_tracking_scaling_policy_configuration=of.TargetTrackingScalingPolicyConfigurationProperty(
            target_value=5,
            predefined_metric_specification=of.PredefinedMetricSpecificationProperty(
                predefined_metric_type="SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
            ),
        ),
    )
    cloudwatch.CfnAlarm(
        stack,
        f"{name}Alarm",
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        namespace="AWS/SageMaker",
        metric_name="NoCapacityInvocationFailures",
        dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="InferenceComponentName", value=name)],
        period=60,
        statistic="Sum",
        threshold=1,
        alarm_actions=[policy.ref],
    )


@pytest.fixture
def assembly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("CDK_VALIDATION", "false")

    def synth(name: str, build: Callable[[cdk.Stack], None]) -> str:
        folder = str(tmp_path / name)
        app = cdk.App(outdir=folder, analytics_reporting=False)
        build(cdk.Stack(app, "Fleet", env=cdk.Environment(account="123456789012", region="us-east-1")))
        app.synth()
        return folder

    return synth


def deployed(cdk_cli: Cdk, folder: str) -> CompletedProcess[str]:
    return cdk_cli("deploy", "Fleet", "--app", folder, "--require-approval", "never")


@pytest.fixture
def bootstrapped(cdk_cli: Cdk) -> Cdk:
    done = cdk_cli("bootstrap", "aws://123456789012/us-east-1")
    assert done.returncode == 0, done.stderr
    return cdk_cli


@pytest.fixture
def prepared(cdk_cli: Cdk, client: Any) -> Cdk:
    """What `cdk bootstrap` leaves that a deployment of files needs, made in a moment."""
    client("s3").create_bucket(Bucket="cdk-hnb659fds-assets-123456789012-us-east-1")
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    return cdk_cli


def test_life_of_a_fleet(bootstrapped: Cdk, assembly: Any, invoke: Any, client: Any) -> None:
    first = assembly("first", fleet)
    done = deployed(bootstrapped, first)
    assert done.returncode == 0, done.stderr
    assert "Fleet.EndpointName = fleet" in done.stdout + done.stderr
    assert invoke()["Body"]["environment"]["SM_SGLANG_CONTEXT_LENGTH"] == "4096"
    assert client("ssm").get_parameter(Name="/fleet/endpoint")["Parameter"]["Value"] == "fleet"

    again = deployed(bootstrapped, first)
    assert "(no changes)" in again.stdout + again.stderr

    changed = assembly("changed", lambda stack: fleet(stack, context="8192", components=("llama", "qwen"), instances=2))
    diff = bootstrapped("diff", "Fleet", "--app", changed)
    assert "AWS::SageMaker::EndpointConfig Config Config replace" in diff.stdout + diff.stderr
    assert "SM_SGLANG_CONTEXT_LENGTH" in diff.stdout + diff.stderr
    before = client("sagemaker").describe_endpoint(EndpointName="fleet")["EndpointConfigName"]
    done = deployed(bootstrapped, changed)
    assert done.returncode == 0, done.stderr
    assert invoke()["Body"]["environment"]["SM_SGLANG_CONTEXT_LENGTH"] == "8192"
    assert invoke(InferenceComponentName="qwen")["Body"]["path"] == "/invocations"
    configs = [c["EndpointConfigName"] for c in client("sagemaker").list_endpoint_configs()["EndpointConfigs"]]
    now = client("sagemaker").describe_endpoint(EndpointName="fleet")["EndpointConfigName"]
    assert (configs, now != before) == ([now], True)

    bad = assembly("bad", lambda stack: fleet(stack, context="1", instances=1, extra={"SM_TEST_EXIT": "3"}))
    failed = deployed(bootstrapped, bad)
    assert failed.returncode == 1
    assert "the container exited with 3 before its first healthy /ping" in " ".join(
        (failed.stdout + failed.stderr).split()
    )
    assert invoke()["Body"]["environment"]["SM_SGLANG_CONTEXT_LENGTH"] == "8192"
    assert invoke(InferenceComponentName="qwen")["Body"]["path"] == "/invocations"
    assert client("sagemaker").describe_endpoint(EndpointName="fleet")["EndpointConfigName"] == now
    assert client("cloudformation").describe_stacks(StackName="Fleet")["Stacks"][0]["StackStatus"] == (
        "UPDATE_ROLLBACK_COMPLETE"
    )

    gone = bootstrapped("destroy", "Fleet", "-f", "--app", changed)
    assert gone.returncode == 0, gone.stderr
    for state in stores():
        assert (state.endpoints, state.components, state.configs) == ({}, {}, {})
    assert client("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker")["logGroups"] == []
    assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert client("ssm").get_parameters(Names=["/fleet/endpoint"])["Parameters"] == []
    assert [r["RoleName"] for r in client("iam").list_roles()["Roles"] if "Fleet" in r["RoleName"]] == []
    assert [b["Name"] for b in client("s3").list_buckets()["Buckets"] if "fleet" in b["Name"]] == []
    scaling = client("application-autoscaling")
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def test_failed_first_deployment_names_the_cause_and_the_next_one_succeeds(
    prepared: Cdk, assembly: Any, invoke: Any, admin: Any, client: Any
) -> None:
    first = assembly("first", fleet)
    admin("POST", "faults", {"fault": "insufficient-capacity", "target": "fleet"})
    failed = deployed(prepared, first)
    assert failed.returncode == 1
    assert "InsufficientInstanceCapacity" in failed.stdout + failed.stderr
    assert client("sagemaker").list_endpoints()["Endpoints"] == []
    admin("DELETE", "faults")
    done = deployed(prepared, first)
    assert done.returncode == 0, done.stderr
    assert invoke()["Body"]["path"] == "/invocations"


def test_rejected_property_and_unknown_type_stop_the_deployment(prepared: Cdk, assembly: Any) -> None:
    def wrong(stack: cdk.Stack) -> None:
        cdk.CfnResource(stack, "Wrong", type="AWS::SageMaker::EndpointConfig", properties={"ProductionVariants": "no"})

    failed = deployed(prepared, assembly("wrong", wrong))
    assert failed.returncode == 1
    assert "Model validation failed (#/ProductionVariants" in " ".join((failed.stdout + failed.stderr).split())
    unknown = assembly("unknown", lambda stack: cdk.CfnResource(stack, "Odd", type="AWS::SageMaker::Teleporter"))
    failed = deployed(prepared, unknown)
    assert "Unrecognized resource types: [AWS::SageMaker::Teleporter]" in " ".join(
        (failed.stdout + failed.stderr).split()
    )


def verified(word: str, *, fail: str = "no") -> Callable[[cdk.Stack], None]:
    def build(stack: cdk.Stack) -> None:
        folder = Path(cdk.Stage.of(stack).outdir).parent / "handler"
        folder.mkdir(exist_ok=True)
        (folder / "index.py").write_text(HANDLER)
        function = lambda_.Function(
            stack,
            "Verifier",
            runtime=lambda_.Runtime.PYTHON_3_12,
            handler="index.handler",
            code=lambda_.Code.from_asset(str(folder)),
            environment={"GREETING": "hello"},
            timeout=cdk.Duration.seconds(30),
        )
        check = cdk.CustomResource(
            stack,
            "Check",
            service_token=function.function_arn,
            resource_type="Custom::Check",
            properties={"Word": word, "Fail": fail},
        )
        cdk.CfnOutput(stack, "Answer", value=check.get_att_string("Answer"))

    return build


def test_custom_resource_really_invokes_its_function(prepared: Cdk, assembly: Any, client: Any) -> None:
    def answer() -> str:
        (stack,) = client("cloudformation").describe_stacks(StackName="Fleet")["Stacks"]
        return str(stack["Outputs"][0]["OutputValue"])

    done = deployed(prepared, assembly("one", verified("one")))
    assert done.returncode == 0, done.stderr
    assert answer() == "Create one hello"
    assert deployed(prepared, assembly("two", verified("two"))).returncode == 0
    assert answer() == "Update two hello"
    failed = deployed(prepared, assembly("three", verified("three", fail="Update")))
    assert failed.returncode == 1
    assert "the verifier said no" in failed.stdout + failed.stderr
    assert prepared("destroy", "Fleet", "-f", "--app", assembly("one", verified("one"))).returncode == 0
    groups = client("logs").describe_log_groups()["logGroups"]
    events = client("logs").filter_log_events(logGroupName=groups[0]["logGroupName"])["events"]
    assert [e["message"].split()[-1] for e in events if "seen" in e["message"]][-1] == "Delete"
    assert client("lambda").list_functions()["Functions"] == []


PROVIDED = """
import pathlib, tempfile

def on_event(event, context):
    return {"PhysicalResourceId": "made"}

def is_complete(event, context):
    polls = pathlib.Path(tempfile.gettempdir(), event["RequestId"])
    count = len(polls.read_text()) if polls.exists() else 0
    polls.write_text("x" * (count + 1))
    return {"IsComplete": count > 0, "Data": {"Answer": "polled"}} if count else {"IsComplete": False}
"""


@pytest.mark.skipif(
    not (ROOT / "node_modules" / "@aws-sdk" / "client-sfn").exists(),
    reason="CDK's provider framework needs @aws-sdk/client-lambda and @aws-sdk/client-sfn, which npm did not install",
)
def test_provider_framework_polls_until_complete(prepared: Cdk, assembly: Any, client: Any) -> None:
    def build(stack: cdk.Stack) -> None:
        def function(name: str, handler: str) -> lambda_.Function:
            code, runtime = lambda_.Code.from_inline(PROVIDED), lambda_.Runtime.PYTHON_3_12
            return lambda_.Function(stack, name, runtime=runtime, handler=handler, code=code)

        provider = custom_resources.Provider(
            stack,
            "Provider",
            on_event_handler=function("OnEvent", "index.on_event"),
            is_complete_handler=function("IsComplete", "index.is_complete"),
            query_interval=cdk.Duration.seconds(1),
        )
        resource = cdk.CustomResource(stack, "Made", service_token=provider.service_token)
        cdk.CfnOutput(stack, "Answer", value=resource.get_att_string("Answer"))

    folder = assembly("provider", build)
    done = deployed(prepared, folder)
    assert done.returncode == 0, done.stderr
    assert "Fleet.Answer = polled" in done.stdout + done.stderr
    assert prepared("destroy", "Fleet", "-f", "--app", folder).returncode == 0


def test_network_and_other_types_come_and_go(prepared: Cdk, assembly: Any, client: Any) -> None:
    def network(stack: cdk.Stack) -> None:
        vpc = ec2.Vpc(stack, "Vpc", availability_zones=["us-east-1a", "us-east-1b"], nat_gateways=1)
        vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        vpc.add_interface_endpoint("Runtime", service=ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_RUNTIME)
        cloudwatch.Dashboard(stack, "Dashboard")
        kms.Key(stack, "Key", enable_key_rotation=True, removal_policy=cdk.RemovalPolicy.DESTROY)
        cdk.CfnResource(
            stack,
            "Build",
            type="AWS::CodeBuild::Project",
            properties={
                "ServiceRole": "arn:aws:iam::123456789012:role/build",
                "Artifacts": {"Type": "NO_ARTIFACTS"},
                "Source": {"Type": "NO_SOURCE", "BuildSpec": json.dumps({"version": "0.2"})},
                "Environment": {
                    "Type": "LINUX_CONTAINER",
                    "ComputeType": "BUILD_GENERAL1_SMALL",
                    "Image": "aws/codebuild/standard:7.0",
                },
            },
        )

    folder = assembly("network", network)
    done = deployed(prepared, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    gone = prepared("destroy", "Fleet", "-f", "--app", folder)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    (key,) = client("kms").list_keys()["Keys"]
    assert client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "PendingDeletion"
    vpcs = client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    assert vpcs == []


@pytest.mark.parametrize("logical_id", ["Short", "CdkSglangBuildJobsProviderwaiterstatemachine6905F6F7", "L" * 200])
def test_generated_name_of_a_state_machine_fits_and_stays_unique(logical_id: str) -> None:
    from moto.cloudformation import parsing

    from localcloud.aws import extension

    extension.install()
    names = {
        parsing.generate_resource_name("AWS::StepFunctions::StateMachine", "cdk-sglang-e2e-foundation", logical_id)
        for _ in range(20)
    }
    assert max(map(len, names)) <= 80
    assert len(names) == 20


def test_the_cli_hears_of_a_stack_when_it_has_ended_and_everybody_else_at_once(
    cloud: Any, client: Any, request: pytest.FixtureRequest
) -> None:
    """The CLI asks every five seconds, which most deployments would end with."""
    before = settings.current()
    request.addfinalizer(lambda: settings.restore(before))
    settings.configure(endpoint_s=1)
    endpoint = {"EndpointName": "fleet", "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}}
    variant = {"VariantName": "AllTraffic", "InstanceType": "ml.g6e.12xlarge", "InitialInstanceCount": 1}
    config = {"ExecutionRoleArn": "arn:aws:iam::123456789012:role/sagemaker", "ProductionVariants": [variant]}
    resources = {
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": config},
        "Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": endpoint},
    }
    everybody = client("cloudformation")
    cli = SESSION.client("cloudformation", endpoint_url=cloud.url, config=Config(user_agent_extra="aws-cdk"))
    everybody.create_stack(StackName="Slow", TemplateBody=json.dumps({"Resources": resources}))

    statuses = [
        asks.describe_stacks(StackName="Slow")["Stacks"][0]["StackStatus"] for asks in (everybody, cli, everybody)
    ]

    assert statuses == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_COMPLETE"]
