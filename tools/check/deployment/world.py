"""An embedded AWS in this process, on a driven clock, without containers and without a server, and what a stack expects to find there.

CloudFormation refuses a role that its service cannot assume, or that may not do what the service tries at once. Of custom resources the functions
run that need AWS alone (`handlers`); of the others, which look at weights and engines, CloudFormation gets an answer once it is clear that the
function could start and that its role allows what its code calls. CDK's provider framework, a Node process, is passed over.
"""

from __future__ import annotations

import functools
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from moto import mock_aws
from moto.awslambda.models import LambdaFunction

from localcloud.aws import clock as clocks
from localcloud.aws import extension, settings
from localcloud.aws.clock import Clock
from localcloud.aws.cloudformation.resources import custom
from localcloud.aws.compute import functions
from tools.check.assemblies import Assembly, Stack
from tools.check.deployment import handlers

_ACCOUNT: Final = "123456789012"
_REGION: Final = "us-east-1"
"""Account and Region of an environment that leaves them to the CLI."""

_NO_SERVER: Final = "http://localhost:9"
"""Address without a server: with an address, stacks are deployed in the background, as on AWS, and custom resources get an answer."""

_ANY_FLEET: Final = {"*": 1000.0}
"""Service quotas of an account that has asked for them: those of a new one would refuse every GPU, whatever the template says."""

_BOOTSTRAP: Final = "/cdk-bootstrap/"
_BOOTSTRAP_VERSION: Final = "30"
"""Version of CDK's bootstrap stack; templates demand 6 or later."""

_PLAN_HOURS: Final = 24
_PLAN_COUNTS: Final = (1, 2, 4, 8, 16, 32, 64)
"""Instances of a training plan (reserve-capacity-with-training-plans page, read 2026-11-21)."""

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """The embedded AWS of one environment.

    Attributes:
        clock: Its clock.
        client: Returns the client of a service.
    """

    clock: Clock
    client: Callable[[str], Any]


_ANSWERS: Final[Mapping[str, Callable[[Properties], dict[str, Any]]]] = {
    "Custom::CdkSglangBuild": lambda _: {"Digest": f"sha256:{'0' * 64}"},
}
"""Attributes by type of custom resource, for the types that do not run and whose attributes templates read."""


@contextmanager
def world(assembly: Assembly, *, runner: Callable[[Clock], functions.Runner] | None = None) -> Iterator[World]:
    """An empty embedded AWS with what an environment expects: bootstrap, assets, training plans; nothing is left of it afterwards.

    Args:
        assembly: Cloud assembly of the environment.
        runner: Creates what runs functions on the world's clock. Default: a stand-in that answers custom resources with success.
    """
    account, region = _place(assembly)
    before = clocks.clock(), settings.current(), os.environ.get("MOTO_ACCOUNT_ID")
    extension.install()
    earlier = functions.use_runner(functools.partial(_answer, assembly.folder))
    settings.configure()
    settings.configure(base_url=_NO_SERVER, quotas=_ANY_FLEET, judges_roles=True)
    clock = clocks.use(Clock(driven=True))
    if runner is not None:
        functions.use_runner(runner(clock))
    os.environ["MOTO_ACCOUNT_ID"] = account
    try:
        with mock_aws():
            session: Any = boto3.Session("local", "local", region_name=region)
            once = Config(retries={"total_max_attempts": 1})
            here = World(clock, lambda service: session.client(service, config=once))
            _bootstrap(here, assembly, account, region)
            _buy_plans(here, assembly)
            yield here
    finally:
        functions.use_runner(earlier)
        clocks.use(before[0])
        settings.restore(before[1])
        os.environ.pop("MOTO_ACCOUNT_ID")
        if before[2] is not None:
            os.environ["MOTO_ACCOUNT_ID"] = before[2]


def _place(assembly: Assembly) -> tuple[str, str]:
    """Account and Region of an environment's first stack."""
    for artifact in assembly.manifest["artifacts"].values():
        if artifact["type"] == "aws:cloudformation:stack":
            account, _, region = artifact["environment"].removeprefix("aws://").partition("/")
            return (
                account if account.isdigit() else _ACCOUNT,
                _REGION if region.startswith("unknown") else region,
            )
    return _ACCOUNT, _REGION


def _bootstrap(here: World, assembly: Assembly, account: str, region: str) -> None:
    """Put in place what `cdk bootstrap` and the publishing of assets do."""
    for name in sorted(
        {name for stack in assembly.stacks for name in _parameters(stack) if name.startswith(_BOOTSTRAP)}
    ):
        here.client("ssm").put_parameter(Name=name, Value=_BOOTSTRAP_VERSION, Type="String")
    storage, buckets = here.client("s3"), set[str]()
    for file in sorted(assembly.folder.glob("*.assets.json")):
        for asset in json.loads(file.read_text(encoding="utf-8")).get("files", {}).values():
            source = asset["source"]
            if source.get("packaging", "zip") != "zip":
                continue  # templates, which are given to CloudFormation as they are
            # Some archives, such as an agent's, are made at deployment alone.
            content = _packed(assembly.folder / source["path"]) if "path" in source else b""
            for place in asset["destinations"].values():
                bucket = place["bucketName"].replace("${AWS::AccountId}", account).replace("${AWS::Region}", region)
                if bucket not in buckets:
                    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
                    storage.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else elsewhere))
                    buckets.add(bucket)
                storage.put_object(Bucket=bucket, Key=place["objectKey"], Body=content)


def _parameters(stack: Stack) -> Iterator[str]:
    """Names of the SSM parameters that a template reads."""
    parameters = json.loads(stack.template.read_text(encoding="utf-8")).get("Parameters", {})
    for parameter in parameters.values():
        if parameter["Type"].startswith("AWS::SSM::Parameter::Value") and "Default" in parameter:
            yield parameter["Default"]


def _packed(source: Path) -> bytes:
    if source.is_file():
        return source.read_bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(source.rglob("*")):
            if file.is_file():
                packed.write(file, file.relative_to(source))
    return archive.getvalue()


def _buy_plans(here: World, assembly: Assembly) -> None:
    """Buy the training plans of an environment's variants, as the user did before, and wait until they are active."""
    plans = dict(plan for stack in assembly.stacks for plan in _plans(stack))
    sagemaker = here.client("sagemaker")
    for name, (instance_type, count) in plans.items():
        offer, *_ = sagemaker.search_training_plan_offerings(
            InstanceType=instance_type,
            InstanceCount=next((some for some in _PLAN_COUNTS if some >= count), _PLAN_COUNTS[-1]),
            DurationHours=_PLAN_HOURS,
            TargetResources=["endpoint"],
        )["TrainingPlanOfferings"]
        sagemaker.create_training_plan(TrainingPlanName=name, TrainingPlanOfferingId=offer["TrainingPlanOfferingId"])
    if plans:
        here.clock.advance(timedelta(hours=1).total_seconds(), step_s=600)


def _plans(stack: Stack) -> Iterator[tuple[str, tuple[str, int]]]:
    """Name, instance type and instances of each training plan that a template names."""
    for resource in stack.resources.values():
        for variant in resource.get("Properties", {}).get("ProductionVariants", []):
            arn = variant.get("CapacityReservationConfig", {}).get("MlReservationArn")
            if isinstance(arn, str) and isinstance(variant.get("InstanceType"), str):
                yield arn.rpartition("/")[2], (variant["InstanceType"], int(variant.get("InitialInstanceCount", 1)))


def _answer(assembly: Path, function: LambdaFunction, event: str) -> functions.Outcome:
    """Answer a custom resource, by its function where that runs, and do nothing else."""
    request = json.loads(event)
    if not isinstance(request, dict) or "ResponseURL" not in request:
        return functions.Outcome("null")
    answer = {name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {
        "Status": "SUCCESS",
        "PhysicalResourceId": request.get("PhysicalResourceId", request["LogicalResourceId"]),
    }
    if problem := handlers.problem(function, assembly):
        answer |= {"Status": "FAILED", "Reason": problem}
    elif request["ResourceType"] in handlers.RUN:
        try:
            answer |= handlers.run(function, request)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a handler raises, the framework passes on
            answer |= {"Status": "FAILED", "Reason": handlers.said(error)}
    elif attributes := _ANSWERS.get(request["ResourceType"]):
        answer |= {"Data": attributes(request["ResourceProperties"])}
    custom.take(request["ResponseURL"].partition("?")[0].rpartition("/")[2], json.dumps(answer).encode())
    return functions.Outcome("null")
