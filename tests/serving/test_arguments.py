"""Wrong types in every public function of the library: a `ConfigurationError` that names the argument, never silence or a traceback."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import aws_cdk as cdk
import jsii
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

import cdk_sglang
from cdk_sglang import (
    AdapterConfig,
    AdapterSource,
    AgentImage,
    AgentMetrics,
    AgentModel,
    AgentRuntime,
    Alarms,
    BatchSize,
    BurnRate,
    Capacity,
    ChartQuery,
    ComponentScaling,
    ConfigurationError,
    ContainerBase,
    EagleTraining,
    GpuInstance,
    InferenceEndpoint,
    LoraOptions,
    MetricStat,
    ModelSource,
    NightlyStop,
    NoVerification,
    OptimizedComponent,
    RollbackAlarms,
    RouteDestination,
    ServingImage,
    SglangDlc,
    SglangOptions,
    SmokeRequest,
    ToolGateway,
    ToolPolicies,
    ToolTarget,
    Verification,
    Window,
)
from cdk_sglang.agents.schemas import Tool
from cdk_sglang.metrics.promql import Place
from cdk_sglang.metrics.series import series
from cdk_sglang.observability.observed import observed_endpoint
from cdk_sglang.planning import Hosting, ResolvedEndpoint
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.spec import adapter
from cdk_sglang.spec.model import Model
from cdk_sglang.validation import Spec
from tests.serving.conftest import own_image

HERE = cdk.Environment(account="111122223333", region="us-east-1")
STACK = cdk.Stack(cdk.App(), "Fleet", env=HERE)
MODEL = ModelSource.from_s3("s3://models/llama/", check=False)
CAPACITY = Capacity.on_demand("ml.g6e.12xlarge", max_instances=2)
ENDPOINT = InferenceEndpoint(STACK, "Chat", capacity=CAPACITY, image=own_image(STACK), endpoint_name="chat")
LORA = LoraOptions(max_rank=16, target_modules=("all",))
COMPONENT = ENDPOINT.add_component("llama", model=MODEL, server=SglangOptions(lora=LORA))
IMPORTED = InferenceEndpoint.from_endpoint_name(STACK, "Elsewhere", "chat", component_names=["chat-llama"])
SOURCE = AdapterSource.from_s3("s3://adapters/a/x.tar.gz")
ADAPTER = COMPONENT.add_adapter("triage", SOURCE)
TO = [RouteDestination(endpoint_name=name, component_name=f"{name}-llama") for name in ("chat", "burst")]
ROUTE = cdk_sglang.InferenceRoute(STACK, "Route", parameter_name="/routes/chat", destinations=TO)
TOPIC, ROLE = sns.Topic(STACK, "Topic"), iam.Role(STACK, "Caller", assumed_by=iam.AccountRootPrincipal())
BUCKET, REPOSITORY = s3.Bucket(STACK, "Bucket"), ecr.Repository(STACK, "Repository")
UNPINNED = {"unpinned": "a test"}
HOURS = {"begins": "22:00", "ends": "06:00"}
WINDOW = Window.weekly(**HOURS, min_copies=0)
KEY = kms.Key.from_key_arn(STACK, "Key", "arn:aws:kms:us-east-1:111122223333:key/1")
FUNCTION = lambda_.Function.from_function_arn(STACK, "Tool", "arn:aws:lambda:us-east-1:111122223333:function:visits")
TARGET = ToolTarget(
    name="visits",
    function=FUNCTION,
    tools=(Tool(name="book", description="Books.", input_schema={"type": "object", "properties": {}}),),
)
TOOLS = ToolGateway(STACK, "Tools", name="tools", targets=[TARGET], policies=ToolPolicies(name="tools"))
IMAGE = AgentImage(repository="agents/intake", digest=f"sha256:{'a' * 64}")
ASKS = AgentModel(endpoint_name="chat", component_name="chat-llama")
AGENT = AgentRuntime(STACK, "Agent", name="intake", artifact=IMAGE, model=ASKS, gateway=TOOLS)
AGENT_METRICS = AgentMetrics(
    runtime_name="intake", runtime_arn="arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/intake-1"
)
TRAINED = OptimizedComponent.of(COMPONENT)

CALLS: dict[str, dict[str, Any]] = {
    "BenchmarkHistory": {"scope": STACK, "construct_id": "Bench"},
    "BenchmarkHistory.grant_write": {"grantee": ROLE},
    "BenchmarkHistory.grant_query": {"grantee": ROLE},
    "BenchmarkJobs": {
        "scope": STACK, "construct_id": "Jobs", "component": COMPONENT, "environment": "prod", "workloads": {"a": cdk_sglang.Workload()},
        "bucket": BUCKET, "tokenizer": "me/llama",
    },
    "InferenceEndpoint": {"scope": STACK, "construct_id": "Other", "capacity": CAPACITY, "image": ServingImage.from_dlc()},
    "InferenceEndpoint.add_component": {"construct_id": "qwen", "model": MODEL},
    "InferenceEndpoint.add_resolved_component": {"plan": dataclasses.replace(COMPONENT.plan, name="other"), "model": MODEL},
    "InferenceEndpoint.grant_invoke": {"grantee": ROLE},
    "InferenceEndpoint.grant_bearer_token": {"grantee": ROLE},
    **{
        f"{name}.{grant}": {"grantee": ROLE}
        for name in ("InvocableEndpoint", "InvocableComponent", "ImportedEndpoint", "ImportedComponent")
        for grant in ("grant_invoke", "grant_describe", "grant_bearer_token")
        if grant in vars(getattr(cdk_sglang, name))
    },
    "InferenceComponent.add_adapter": {"name": "other", "source": SOURCE},
    "InferenceComponent.grant_invoke": {"grantee": ROLE},
    "InferenceComponent.grant_invoke_adapters": {"grantee": ROLE},
    "Adapter.grant_invoke": {"grantee": ROLE},
    "Adapter.grant_describe": {"grantee": ROLE},
    "AdapterConfig": {"rank": 8, "target_modules": frozenset({"q_proj"})},
    "AdapterConfig.read": {"path": "adapter_config.json"},
    "AdapterConfig.parse": {"content": {"r": 8}},
    "AdapterSource": {"adapter": adapter.Adapter(s3="s3://adapters/a/x.tar.gz")},
    "AdapterSource.from_s3": {"uri": "s3://adapters/a/x.tar.gz"},
    "AdapterSource.from_bucket": {"bucket": BUCKET, "key": "a/x.tar.gz"},
    "AdapterSource.from_folder": {"folder": "adapters/triage"},
    "AgentCode": {},
    "AgentDashboard": {
        "scope": STACK, "construct_id": "AgentBoard", "name": "prod", "metrics": AGENT_METRICS, "model_endpoint": "chat",
    },
    "AgentSession": {},
    "Authorizer": {"iam": cdk_sglang.IamAuthorizer()},
    "Gate": {},
    "IamAuthorizer": {},
    "JwtAuthorizer": {
        "discovery_url": "https://id.example.com/.well-known/openid-configuration", "allowed_clients": ("app",),
    },
    "Tool": {"name": "book", "description": "Books.", "input_schema": {"type": "object", "properties": {}}},
    "AgentMetrics": {"runtime_name": "intake", "runtime_arn": AGENT_METRICS.runtime_arn},
    "AgentMetrics.runtime": {"name": "Invocations"},
    "AgentMetrics.gateway": {"name": "Duration"},
    "AgentMetrics.memory": {"name": "Errors", "operation": "CreateEvent"},
    "AgentImage": {"repository": "agents/intake", "digest": f"sha256:{'a' * 64}"},
    "AgentMemory": {"scope": STACK, "construct_id": "Memory", "name": "intake"},
    "AgentMlflow": {"scope": STACK, "construct_id": "Mlflow", "name": "intake"},
    "AgentModel": {"endpoint_name": "chat", "component_name": "chat-llama"},
    "AgentModel.statements": {"arns": SageMakerArns.of(STACK)},
    "AgentRuntime": {"scope": STACK, "construct_id": "Other", "name": "other", "artifact": IMAGE, "model": ASKS},
    "AgentRuntime.grant_invoke": {"grantee": ROLE},
    "AlarmRules": {},
    "Alarms": {"topic": TOPIC},
    "BurnRate": {"budget_percent": 2, "long_minutes": 60, "short_minutes": 5},
    "BurnRate.factor": {"window_days": 30},
    "EndpointAlarms": {"scope": STACK, "construct_id": "ChatAlarms", "endpoint": ENDPOINT, "alarms": TOPIC},
    "ChartAxis": {"title": "seconds"},
    "ChartBand": {"low": 1, "high": 2, "label": "plan"},
    "ChartQuery": {"query": "up"},
    "ChartThreshold": {"value": 1, "label": "objective"},
    "ChartWidget": {"title": "Up", "queries": [ChartQuery(query="up")]},
    "ClinicalTools": {"scope": STACK, "construct_id": "Clinical", "key": KEY},
    "FleetDashboards": {"scope": STACK, "construct_id": "Dashboards", "name": "prod", "endpoints": [ENDPOINT]},
    "OtelEnrichment": {"scope": STACK, "construct_id": "Enrichment"},
    "NoAlarms": {"reason": "a test"},
    "BatchSize": {"percent": 5},
    "BatchSize.percent": {"value": 5},
    "BatchSize.copies": {"value": 5},
    "Capacity": {"type": GpuInstance.of("ml.g6e.12xlarge"), "min_instances": 1, "max_instances": 2},
    "Capacity.on_demand": {"instance": "ml.g6e.12xlarge", "max_instances": 2},
    "Capacity.pool": {"instances": ["ml.g6e.12xlarge"], "max_instances": 2},
    "Capacity.reserved": {
        "training_plan_arn": "arn:aws:sagemaker:us-east-1:111122223333:training-plan/june",
        "instance": "ml.p5en.48xlarge", "count": 1, "until": dt.date(2027, 1, 31),
    },
    "ComponentRollout": {
        "max_batch": BatchSize.percent(50), "wait_seconds": 5, "rollback_batch": None, "timeout_seconds": None,
        "alarms": RollbackAlarms(),
    },
    "ComponentRollout.rolling": {"max_batch": BatchSize.percent(50)},
    "ComponentScaling": {"min_copies": 1, "max_copies": 2},
    "ComponentScaling.fixed": {"copies": 1, "schedules": {"night": WINDOW}},
    "ComponentScaling.stopped_nightly": {"stop": NightlyStop(**HOURS)},
    "Concurrency": {},
    "ContainerBase": {"reference": "x/y:1", "cuda": "13.0", "sglang_version": "0.5.23", **UNPINNED},
    "ContainerBase.upstream": UNPINNED,
    "ContainerBase.dlc": {"tag": SglangDlc.V0_5_17_UBUNTU, **UNPINNED},
    "ContainerBase.of": {"reference": "x/y:1", "cuda": "13.0", "sglang_version": "0.5.23", **UNPINNED},
    "DraftModel": {"s3": "s3://drafts/llama/"},
    "EagleOptimization": {"scope": STACK, "construct_id": "Eagle", "component": TRAINED, "bucket": BUCKET},
    "EagleTraining": {"dataset": "built_in", "max_usd": 200},
    "EndpointLogs": {
        "scope": STACK, "construct_id": "Logs",
        "endpoint": observed_endpoint(ResolvedEndpoint(name="chat", hosting=Hosting(
            capacity=CAPACITY, image=SglangDlc.V0_5_17_UBUNTU.facts, region="us-east-1"), components={}), endpoint_name="chat"),
    },
    "EndpointNetwork": {"subnet_ids": ("subnet-1", "subnet-2"), "security_group_ids": ("sg-1",)},
    "EndpointNetwork.of": {
        "vpc": ec2.Vpc(STACK, "Vpc"), "security_groups": [ec2.SecurityGroup.from_security_group_id(STACK, "Sg", "sg-1")],
    },
    "EndpointRollout": {
        "strategy": "rolling", "percent": 5, "wait_seconds": 5, "termination_wait_seconds": None, "rollback_percent": None,
        "timeout_seconds": None, "alarms": RollbackAlarms(),
    },
    "EndpointRollout.blue_green_all_at_once": {},
    "EndpointRollout.canary": {"percent": 5},
    "EndpointRollout.linear": {"percent": 10},
    "EndpointRollout.rolling": {"percent": 50},
    "Gpu.of": {"name": "H100-SXM-80GB"},
    "GpuInstance.of": {"name": "ml.g6e.12xlarge"},
    "GpuInstance.named": {"name": "ml.g6e.12xlarge"},
    "HelperFunctions": {"scope": cdk.Stack(), "construct_id": "Helpers"},
    "HostResources": {"cpu_cores": 4, "memory_mib": 1024},
    "HostResources.share_of": {"instance": GpuInstance.of("ml.g6e.12xlarge"), "gpus": 1},
    "IdleAlarm": {},
    "InferenceEndpoint.from_endpoint_attributes": {
        "scope": STACK, "construct_id": "Imported", "endpoint_name": "chat", "component_names": ("chat-llama",)
    },
    "InferenceEndpoint.from_endpoint_name": {"scope": STACK, "construct_id": "Imported", "endpoint_name": "chat"},
    "InferenceEndpoint.from_endpoint_arn": {"scope": STACK, "construct_id": "Imported", "endpoint_arn": ENDPOINT.endpoint_arn},
    "InferenceComponent.from_component_name": {
        "scope": STACK, "construct_id": "Imported", "component_name": "chat-llama", "endpoint": ENDPOINT
    },
    "InferenceComponent.from_component_attributes": {
        "scope": STACK, "construct_id": "Imported", "component_name": "chat-llama", "endpoint_name": "chat"
    },
    "InferenceRoute": {"scope": STACK, "construct_id": "Other", "parameter_name": "/routes/other", "destinations": TO},
    "InferenceRoute.grant_read": {"grantee": ROLE},
    "InferenceRoute.grant_invoke": {"grantee": ROLE},
    "InvocationsPerMinute": {"per_copy": 5},
    "Load": {},
    "Workload": {},
    "Dataset": {"file": "prompts.jsonl"},
    "Goodput": {"ttft_ms": 500.0},
    "SharedPrefix": {"tokens": 512},
    "Turns": {"mean": 4},
    "MetricMath": {"expression": "a", "metrics": {"a": MetricStat(metric_name="x", statistic="Sum")}, "target": 1},
    "MetricStat": {"metric_name": "x", "statistic": "Sum"},
    "ModelSource": {"model": Model(s3="s3://models/llama/")},
    "ModelSource.from_s3": {"uri": "s3://models/llama/"},
    "ModelSource.from_bucket": {"bucket": BUCKET, "prefix": "llama/"},
    "ModelSource.from_hugging_face": {"repo": "Qwen/Qwen3-8B", "revision": "a" * 40, "bucket": BUCKET},
    "NextN": {},
    "Ngram": {},
    "NightlyStop": HOURS,
    "NoFitCheck": {"reason": "a test"},
    "NoTruthCheck": {"reason": "a test"},
    "NoVerification": {"reason": "a test"},
    "OnDemandMove": {"max_instances": 1},
    "OptimizedComponent": {
        "plan": COMPONENT.plan, "endpoint_name": "chat", "component_name": "chat-llama", "stack_name": "Fleet",
        "execution_role_arn": "arn:aws:iam::111122223333:role/serving",
    },
    "OptimizedComponent.of": {"component": COMPONENT},
    "Placement": {},
    "Retrain": {"every_days": 30},
    "RollbackAlarms": {},
    "RouteDestination": {"endpoint_name": "chat", "component_name": "chat-llama"},
    "Routing": {},
    "Routing.prefix_aware": {},
    "ScaleIn": {"strategy": "idle_release"},
    "ScaleIn.idle_release": {},
    "ScaleIn.consolidation": {},
    "ServingImage.from_dlc": {},
    "ServingImage.from_repository": {"repository": REPOSITORY, "tag": "v1", "cuda": "13.0", "sglang_version": "0.5.23"},
    "ServingImage.from_build": {"repository": REPOSITORY, "base": ContainerBase.upstream(**UNPINNED)},
    "EndpointMetrics": {"endpoint_name": "chat"},
    "EndpointMetrics.of_type": {"instance_type": "ml.g6e.2xlarge"},
    "ComponentMetrics": {"component_name": "chat-llama", "endpoint_name": "chat"},
    "GpuMetrics": {"endpoint_name": "chat"},
    "GpuMetrics.of_gpu": {"instance_id": "i-1", "accelerator_id": "0", "instance_type": "ml.g6e.2xlarge"},
    "EngineMetrics": {"place": Place(endpoint="chat")},
    **{f"EngineMetrics.query_{key}": {} for key, metric in series().items() if metric.group == "engine"},
    "ServingMetrics": {"dimensions": {"EndpointName": "chat"}, "utilization_namespace": "x"},
    "ServingMetrics.metric": {"name": "Invocations", "namespace": "AWS/SageMaker"},
    "Slo": {"ttft_ms": 500},
    "SmokeRequest": {},
    "Speculative": {"eagle": EagleTraining(dataset="built_in", max_usd=200)},
    "SpeculativeOptimization": {"scope": STACK, "construct_id": "Drafts", "component": TRAINED, "bucket": BUCKET},
    "StartupTimeouts": {"download_seconds": 600, "health_check_seconds": 600},
    "ToolGateway": {"scope": STACK, "construct_id": "More", "name": "more", "targets": [TARGET]},
    "ToolGateway.grant_invoke": {"grantee": ROLE},
    "ToolGateway.grant_policy_creation": {"grantee": ROLE},
    "ToolGateway.permit": {"role": ROLE},
    "ToolPolicies": {"name": "tools"},
    "ToolTarget": {"name": "visits", "function": FUNCTION, "tools": TARGET.tools},
    "TransactionSearch": {"scope": STACK, "construct_id": "Transactions"},
    "TruthCheck": {},
    "Verification": {},
    "Window": {"days": ("mon",), "begins": "22:00", "ends": "06:00", "min_copies": 0, "max_copies": None},
    "Window.weekly": {**HOURS, "min_copies": 0},
    "Window.off": HOURS,
    "Window.once": {"begins": "2027-01-01T00:00", "ends": "2027-01-02T00:00", "min_copies": 0},
}  # fmt: skip
"""Every public function with arguments that fit."""

NOT_FOR_CALLERS = {
    "Adapter": "made by add_adapter",
    "InferenceComponent": "made by add_component",
    "ImportedComponent": "made by InferenceComponent.from_... methods",
    "ImportedEndpoint": "made by InferenceEndpoint.from_... methods",
    "InvocableComponent": "what made and imported ones have in common",
    "InvocableEndpoint": "what made and imported ones have in common",
    "ImageFacts": "known of an image",
    "MeasuredCalibration": "made by read_measurements",
    "MeasuredCalibration.release": "asked by the planner",
    "ModelFacts": "read from a model's config.json",
    "ModelVariant": "worked out by the plan",
    "ObservedEndpoint": "made by observed_endpoint",
    "ResolvedComponent": "made by resolve",
    "SmokeRequest.as_sent": "asked by the verification",
    "Place": "metrics of endpoints and components have theirs",
    "ServingImage": "made by its from_... methods",
    "Gpu": "rows of a table",
    "GpuInstance": "rows of a table",
}
MEMBERS = (
    "problems",
    "thresholds",
    "render",
    "bind",
    "prepare",
    "make",
    "bounds",
    "minutes",
    "steps",
    "in_one_step",
    "dest_of",
    "join",
    "members",
    "switch",
    "to_json",
    "position",
    "published",
    "where",
    "fit_problems",
    "with_weights",
    "in_float32",
)
"""What objects of the library ask each other."""
OBJECTS = {
    "AgentMetrics": AGENT_METRICS, "AgentModel": ASKS, "AgentRuntime": AGENT, "ToolGateway": TOOLS,
    "InvocableEndpoint": ENDPOINT, "ImportedEndpoint": IMPORTED, "InvocableComponent": COMPONENT,
    "InferenceEndpoint": ENDPOINT, "InferenceComponent": COMPONENT, "Adapter": ADAPTER, "InferenceRoute": ROUTE,
    "BurnRate": BurnRate(budget_percent=2, long_minutes=60, short_minutes=5),
    "ComponentScaling": ComponentScaling(min_copies=1, max_copies=2), "ServingMetrics": ENDPOINT.metrics,
    "EndpointMetrics": ENDPOINT.metrics, "GpuMetrics": ENDPOINT.metrics.gpus, "EngineMetrics": ENDPOINT.metrics.engine,
    "BenchmarkHistory": cdk_sglang.BenchmarkHistory(STACK, "History"),
}  # fmt: skip

CANDIDATES: dict[str, Any] = {
    "None": None,
    "bool": True,
    "int": 7,
    "float": 1.5,
    "str": "text",
    "Mapping": {"key": object()},
    "list": [object()],
    "object": object(),
    "class": Capacity,
    "RetentionDays": logs.RetentionDays.ONE_WEEK,
    "RemovalPolicy": cdk.RemovalPolicy.RETAIN,
    "Duration": cdk.Duration.minutes(5),
    "Size": cdk.Size.gibibytes(5),
    "ITopic": TOPIC,
    "IBucket": BUCKET,
}
ALSO = {"float": {"int"}, "object": set(CANDIDATES), "Any": set(CANDIDATES), "Construct": {"ITopic", "IBucket"}}
OWN_CHECKS = {
    *((f"ModelSource.{maker}", "facts") for maker in ("from_s3", "from_bucket", "from_hugging_face")),
    *(("ModelSource", argument) for argument in ("facts", "token")),
    ("Capacity.reserved", "until"),
    ("ModelSource.from_hugging_face", "token"),
}
"""Arguments whose lines do not begin with the function."""
SPECS = {name for name in CALLS if isinstance(cls := getattr(cdk_sglang, name, None), type) and issubclass(cls, Spec)}
"""Specifications: their constructors look into mappings, so one wrong argument may have several lines."""


def _is_spec(name: str) -> bool:
    """Whether a function makes a specification, which words its problems as it does for the reader of an environment file."""
    return issubclass(getattr(cdk_sglang, name.partition(".")[0]), Spec)


def _function(name: str) -> Callable[..., Any]:
    owner, _, member = name.partition(".")
    found = getattr(cdk_sglang, owner)
    if member:
        found = getattr(OBJECTS.get(owner, found), member)
    return found


def _annotations(name: str) -> Mapping[str, str]:
    owner, _, member = name.partition(".")
    cls = getattr(cdk_sglang, owner)
    if name in SPECS:
        return {field.alias or key: _words(field.annotation) for key, field in cls.model_fields.items()}
    function = getattr(cls, member or "__init__")
    return {key: text for key, text in function.__annotations__.items() if key not in {"return", "options"}}


def _words(annotation: Any) -> str:
    """Return the text of the annotation of a specification's field, without bounds and without what lists and mappings hold."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0])
    if origin in {Union, UnionType}:
        return " | ".join(map(_words, arguments))
    names = {NoneType: "None", Literal: "Literal", dict: "Mapping", tuple: "list"}
    return names.get(origin or annotation) or annotation.__name__


def _unfit(annotation: str) -> list[str]:
    """Kinds of candidates that do not fit, by the words of an annotation."""
    outer = annotation
    while "[" in outer:  # a list of something does not take any list, but its items are another test's
        begin = outer.rindex("[")
        outer = outer[:begin] + outer[outer.index("]", begin) + 1 :]
    words = {word.strip().rpartition(".")[2] for word in outer.split("|")}
    fitting = set.union(words, *(ALSO.get(word, set()) for word in words))
    return [kind for kind in CANDIDATES if kind not in fitting]


WRONG = [
    (name, argument, kind)
    for name in CALLS
    if name not in NOT_FOR_CALLERS
    for argument, annotation in _annotations(name).items()
    for kind in _unfit(annotation)
]


def test_every_public_function_is_tried() -> None:
    found = set()
    for name in cdk_sglang.__all__:
        cls = getattr(cdk_sglang, name)
        if not isinstance(cls, type) or name.endswith(("Options", "Error", "Dlc")):
            continue  # these have a test of their own: engine/test_options.py
        if is_dataclass(cls) or issubclass(cls, cdk.Resource | Spec) or "__init__" in vars(cls):
            found.add(name)
        for member, value in vars(cls).items():
            function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            takes = inspect.isfunction(function) and len(inspect.signature(function).parameters) > (
                not isinstance(value, staticmethod)
            )
            metric = member.startswith("metric_")  # options alone, tried below
            if takes and not member.startswith("_") and member not in MEMBERS and not metric:
                found.add(f"{name}.{member}")
    ours = {"allow_reading_alarms", "grant_components", "region_problems", "place_problems", "zero_copies_problems"}
    missing = {name for name in found if name not in NOT_FOR_CALLERS and name.rpartition(".")[2] not in ours} - set(
        CALLS
    )
    assert missing == set()


@pytest.mark.parametrize("name", sorted({name for name, _, _ in WRONG}))
def test_a_wrong_type_is_refused_with_the_argument_and_what_was_got(name: str) -> None:
    function, annotations = _function(name), _annotations(name)
    before = len(STACK.node.find_all())
    for _, argument, kind in [case for case in WRONG if case[0] == name]:
        with pytest.raises(ConfigurationError) as caught:
            function(**{**CALLS[name], argument: CANDIDATES[kind]})
        for line in caught.value.problems:
            if _is_spec(name) and " takes " not in line:
                assert argument in line.path.split("."), (argument, kind, line)
                assert "; " in line.text or ", got " in line.text, (argument, kind, line)
            elif (name, argument) not in OWN_CHECKS:
                assert f".{argument}" in line.partition(": takes ")[0], (argument, kind, line)
                assert "; " in line.partition(", got ")[2], (argument, kind, line)
            assert argument in line, (argument, kind, line)
        assert len(caught.value.problems) == 1 or name in SPECS, caught.value.problems
    assert annotations or not CALLS[name]
    assert len(STACK.node.find_all()) == before


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        (
            "InferenceEndpoint", {"capacity": "ml.g6e.2xlarge"},
            "Other.capacity: takes Capacity, got 'ml.g6e.2xlarge'; use Capacity.on_demand(...) or Capacity.pool(...) or Capacity.reserved(...)",
        ),
        (
            "InferenceEndpoint", {"verification": False},
            (
                "Other.verification: takes Verification, NoVerification or None, got False; use Verification() or "
                "NoVerification(reason=...)"
            ),
        ),
        (
            "InferenceEndpoint", {"truth_check": False},
            (
                "Other.truth_check: takes Verification, NoVerification or None, got False; use Verification() or "
                "NoVerification(reason=...)"
            ),
        ),
        (
            "InferenceEndpoint", {"log_removal": "retain"},
            (
                "Other.log_removal: takes cdk.RemovalPolicy, got 'retain'; use cdk.RemovalPolicy.DESTROY or cdk.RemovalPolicy.RETAIN or "
                "cdk.RemovalPolicy.SNAPSHOT or cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE"
            ),
        ),
        (
            "ComponentRollout.rolling", {"max_batch": BatchSize.copies(1), "wait_seconds": cdk.Duration.minutes(1)},
            (
                "ComponentRollout.rolling.wait_seconds: takes a whole number, got an object of Duration; give it in the unit that the name says, "
                "such as by to_seconds()"
            ),
        ),
        (
            "InferenceEndpoint.add_component", {"server": {}},
            "qwen.server: takes SglangOptions or None, got a mapping; use SglangOptions(...)",
        ),
        (
            "InferenceEndpoint.add_component", {"scaling": {"min_copies": 0}},
            (
                "qwen.scaling: takes ComponentScaling or None, got a mapping; use ComponentScaling(min_copies=..., max_copies=...) or "
                "ComponentScaling.fixed(...)"
            ),
        ),
        ("InferenceEndpoint.add_component", {"environment": {"A": 1}}, "qwen.environment.A: takes text, got 1; put it in quotes"),
        ("InferenceEndpoint.add_component", {"environment": {1: "A"}}, "qwen.environment, key: takes text, got 1; put it in quotes"),
        (
            "InferenceComponent.add_adapter", {"source": "s3://adapters/a/x.tar.gz"},
            (
                "llama.adapters.other.source: takes AdapterSource, got 's3://adapters/a/x.tar.gz'; use AdapterSource.from_s3(...) or "
                "AdapterSource.from_bucket(...) or AdapterSource.from_folder(...)"
            ),
        ),
        (
            "Capacity.pool", {"instances": "ml.g6e.2xlarge"},
            "Capacity.pool.instances: takes a list (GpuInstance or text each), got 'ml.g6e.2xlarge'; write ['ml.g6e.2xlarge']",
        ),
        (
            "Capacity.pool", {"instances": ["ml.g6e.2xlarge", 5]},
            "Capacity.pool.instances[1]: takes GpuInstance or text, got 5; use GpuInstance.of(...) or GpuInstance.named(...)",
        ),
        (
            "Capacity.on_demand", {"max_instances": "2"},
            "Capacity.on_demand.max_instances: takes a whole number, got '2'; write it without quotes",
        ),
        ("Alarms", {"topic": None}, "Alarms.topic: nobody is notified; give topic or actions, or say why not: NoAlarms(reason=...)"),
        ("Alarms", {"topic": "oncall"},
         "Alarms.topic: takes sns.ITopic or None, got 'oncall'; use sns.Topic or sns.Topic.from_...(...)"),
        ("Alarms", {"actions": [TOPIC]}, (
            "Alarms.actions[0]: takes cloudwatch.IAlarmAction, got an object of Topic; use cloudwatch_actions.SnsAction(...) or "
            "cloudwatch_actions.LambdaAction(...)"
        )),
        ("Placement", {"strategy": 5}, "placement.strategy: 5 is not allowed; known: binpack, spread"),
        ("ModelSource.from_s3", {"weights_size": 6},
         "ModelSource.from_s3.weights_size: takes cdk.Size or None, got 6; use cdk.Size.gibibytes(...)"),
        ("AdapterSource", {"adapter": "s3://adapters/a/x.tar.gz"},  # the public `Adapter`, which add_adapter makes, is another class
         "AdapterSource.adapter: takes Adapter, got 's3://adapters/a/x.tar.gz'; give one"),
        ("ServingMetrics.metric", {"dimensions": {}}, (
            "ServingMetrics.metric.dimensions: no such option; known: account, color, id, label, period, region, stack_account, stack_region, "
            "statistic, unit, visible"
        )),
        ("ServingMetrics.metric", {"period": 60},
         "ServingMetrics.metric.period: takes cdk.Duration, got 60; use cdk.Duration.minutes(...)"),
    ],
)  # fmt: skip
def test_the_line_says_what_was_got_and_what_to_do(name: str, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _function(name)(**{**CALLS[name], **arguments})
    assert caught.value.problems == (problem,)


def test_every_argument_that_does_not_fit_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ENDPOINT.add_component("qwen", model=None, copies=1.5, server={"tp_size": 1})
    assert [line.partition(":")[0] for line in caught.value.problems] == ["qwen.model", "qwen.server", "qwen.copies"]


def test_what_may_be_a_secret_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ModelSource.from_bucket("hf_" + "a" * 30, "llama/")
    assert "a" * 30 not in str(caught.value)


def test_a_topic_is_taken_for_the_alarms_that_tell_it(any_endpoint: Callable[..., InferenceEndpoint]) -> None:
    stack = cdk.Stack(cdk.App(), "Fleet", env=HERE)
    topics = [
        sns.Topic(stack, "Own"),
        sns.Topic.from_topic_arn(stack, "Imported", "arn:aws:sns:us-east-1:111122223333:x"),
    ]
    for number, topic in enumerate(topics):
        endpoint = any_endpoint(f"Chat{number}", scope=stack, alarms=topic)
        assert endpoint.alarms == Alarms(topic=topic)
    alarms = Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm").values()
    assert len(alarms) == len(topics)
    for alarm in alarms:
        assert len(alarm["Properties"]["AlarmActions"]) == len(alarm["Properties"]["OKActions"]) == 1


def test_a_retention_may_be_as_cdk_names_it_if_it_has_an_end(
    any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack
) -> None:
    assert any_endpoint(log_retention_days=logs.RetentionDays.ONE_WEEK).log_options.retention_days == 7
    with pytest.raises(ConfigurationError) as caught:
        any_endpoint("Other", log_retention_days=logs.RetentionDays.INFINITE)
    assert caught.value.problems == (
        "Other.log_retention_days: INFINITE is not allowed, retention must be limited; use up to TEN_YEARS (3653)",
    )
    with pytest.raises(ConfigurationError, match=r"Other\.log_removal: SNAPSHOT is not allowed, logs have none"):
        any_endpoint("Other", log_removal=cdk.RemovalPolicy.SNAPSHOT)
    assert stack.node.try_find_child("Other") is None


def test_what_cdk_encodes_and_what_it_imports_is_taken(stack: cdk.Stack) -> None:
    text, number = cdk.Lazy.string, cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    del text
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/1")
    vpc = ec2.Vpc.from_vpc_attributes(
        stack, "Vpc", vpc_id="vpc-1", availability_zones=["a", "b"], isolated_subnet_ids=["subnet-1", "subnet-2"]
    )
    group = ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-1")
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "models")
    secret = secretsmanager.Secret.from_secret_name_v2(stack, "Token", "hub")
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=CAPACITY,
        image=ServingImage.from_repository(
            ecr.Repository.from_repository_name(stack, "Images", "sglang"),
            tag="v1",
            cuda="13.0",
            sglang_version="0.5.23",
        ),
        network=cdk_sglang.EndpointNetwork.of(vpc, security_groups=[group]),
        log_key=key,
        metric_frequency_seconds=number,
        verification=Verification(smoke=SmokeRequest(timeout_seconds=number)),
    )
    model = ModelSource.from_hugging_face("Qwen/Qwen3-8B", revision="a" * 40, bucket=bucket, token=secret)
    component = endpoint.add_component("qwen", model=model, environment={"A": cdk.Lazy.string(_Text())})
    for number, grantee in enumerate((
        iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::111122223333:role/caller"),
        iam.ArnPrincipal("arn:aws:iam::111122223333:role/other"),
        iam.User(stack, "User"),
        ROLE.grant_principal,
    )):  # fmt: skip
        assert number >= 0
        component.grant_invoke(grantee)


@jsii.implements(cdk.IStableStringProducer)
class _Text:
    def produce(self) -> str:
        return "text"


def test_a_rejected_endpoint_leaves_its_id_and_its_name_free(any_endpoint: Callable[..., InferenceEndpoint]) -> None:
    with pytest.raises(ConfigurationError):
        any_endpoint(log_retention_days=2)
    any_endpoint()


@pytest.mark.parametrize("construct_id", ["Models", "ModelsChecked", "Truth1", "Reservation", "Idle"])
def test_a_component_cannot_take_an_id_that_the_endpoint_needs(
    any_endpoint: Callable[..., InferenceEndpoint], construct_id: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        any_endpoint().add_component(construct_id, model=MODEL)
    assert caught.value.problems == (
        f"{construct_id}: the endpoint has something of this name already; choose another",
    )


def test_an_endpoint_belongs_in_a_stack() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^Chat: an endpoint belongs in a stack, and its scope, App, is in none"
    ):
        InferenceEndpoint(cdk.App(), "Chat", capacity=CAPACITY, image=ServingImage.from_dlc())


def test_a_config_is_read_from_a_path_as_text_too(tmp_path: Path) -> None:
    file = tmp_path / "adapter_config.json"
    file.write_text('{"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}', encoding="utf-8")
    assert AdapterConfig.read(str(file)) == AdapterConfig.read(file)


def test_no_verification_is_how_to_leave_it_out(any_endpoint: Callable[..., InferenceEndpoint]) -> None:
    assert any_endpoint(verification=NoVerification(reason="a test")).verification is None
