"""A component's pipeline as it is deployed: where its parts are, and what the commands query from AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cdk_sglang.checks import did_you_mean
from cdk_sglang.cli.aws import client, fail, failures_of
from cdk_sglang.cli.eagle.place import Place
from cdk_sglang.cli.region import region_of
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.optimization.progress import Progress, progress_of
from cdk_sglang.optimization.report import Report, read_report
from cdk_sglang.optimization.versions import BASE, Served, Version
from cdk_sglang.serving.shared.drafts import BASE_VALUE, drafts_prefix, versions_prefix

_ABSENT: Final = {"NoSuchKey", "404", "NotFound"}
_EVENTS_AT_ONCE: Final = 1000
"""Events of one answer at most (GetExecutionHistory)."""
RECORD: Final = "version.json"
"""Written last of a version's files, so that a version without it is not whole."""


def find_pipeline(environment: str, component: str | None, *, region: str | None) -> Pipeline:
    """Return the pipeline of a component.

    Args:
        environment: Name of the environment.
        component: Component, as <endpoint>/<component> or by SageMaker's name; the only one by default.
        region: Region; that of the AWS settings by default.

    Raises:
        ConfigurationError: There is no such component with a draft, or it is unclear which one is meant.
    """
    ssm, root = client("ssm", region=region_of(environment, region)), f"/cdk-sglang/{environment}/speculative/"
    with failures_of(f"ssm:GetParametersByPath {root}"):
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=root)
        texts = {item["Name"]: item["Value"] for page in pages for item in page["Parameters"]}
    names = {name.removeprefix(root): name for name in texts}
    if not names:
        text = (
            f"{environment} has no component with a draft in {ssm.meta.region_name}; set `speculative` of a component, and deploy "
            f"(cdk-sglang deploy --env {environment})"
        )
        raise ConfigurationError([Problem("--env", text)])
    if component is None and len(names) > 1:
        text = f"missing; these have a draft: {', '.join(sorted(names))}"
        raise ConfigurationError([Problem("--component", text)])
    component_name = next(iter(names)) if component is None else component
    if "/" in component_name:
        component_name = f"{environment}-{component_name.replace('/', '-')}"
    if component_name not in names:
        raise ConfigurationError(
            [
                Problem(
                    "--component", f"{component!r} has no draft in {environment}; {did_you_mean(component_name, names)}"
                )
            ]
        )
    place = Place.parse(environment, names[component_name], texts[names[component_name]])
    return Pipeline(place=place, region=ssm.meta.region_name)


@dataclass(frozen=True)
class Pipeline:
    """The AWS calls of the commands for one pipeline.

    Args:
        place: Where its parts are.
        region: Region.
    """

    place: Place
    region: str

    @cached_property
    def states(self) -> Any:
        """Client of Step Functions."""
        return client("stepfunctions", region=self.region)

    @cached_property
    def s3(self) -> Any:
        """Client of S3."""
        return client("s3", region=self.region)

    @cached_property
    def sagemaker(self) -> Any:
        """Client of SageMaker."""
        return client("sagemaker", region=self.region)

    @cached_property
    def cloudformation(self) -> Any:
        """Client of CloudFormation."""
        return client("cloudformation", region=self.region)

    def executions(self, *, status: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield executions, newest first.

        Args:
            status: Status of those that count; all by default.
        """
        status_filter = {} if status is None else {"statusFilter": status}
        with failures_of("states:ListExecutions"):
            try:
                pages = self.states.get_paginator("list_executions").paginate(
                    stateMachineArn=self.place.state_machine, **status_filter
                )
                for page in pages:
                    yield from page["executions"]
            except self.states.exceptions.StateMachineDoesNotExist:
                fail(f"{self.place.state_machine} no longer exists; deploy {self.place.environment} again", code=1)

    def execution_of(self, run: str) -> dict[str, Any]:
        """Return the execution of a run; end the command if there is none.

        Args:
            run: Name of the run, which is that of its execution unless a schedule or an alarm started it.
        """
        found = next((one for one in self.executions() if one["name"] == run or self._named(one["name"]) == run), None)
        if found is None:
            fail(
                f"{run}: no such run of {self.place.component}; see cdk-sglang eagle status {self.place.options}",
                code=1,
            )
        return found

    def _named(self, execution: str) -> str:
        """Return the run of an execution that a schedule or an alarm started, as its first step has written it down."""
        text = self.file(f"{drafts_prefix(self.place.component)}executions/{execution}.json")
        if text is None:
            return ""
        try:
            found = json.loads(text)
        except ValueError:
            return ""
        return str(found.get("run", "")) if isinstance(found, dict) else ""

    def progress(self, execution_arn: str) -> Progress:
        """Return how far an execution is."""
        with failures_of("states:DescribeExecution"):
            execution = self.states.describe_execution(executionArn=execution_arn)
        with failures_of("states:GetExecutionHistory"):
            pages = self.states.get_paginator("get_execution_history").paginate(
                executionArn=execution_arn, includeExecutionData=True, PaginationConfig={"PageSize": _EVENTS_AT_ONCE}
            )
            return progress_of(execution, (event for page in pages for event in page["events"]))

    def file(self, key: str) -> str | None:
        """Return a text of the weights bucket; None if it does not exist."""
        from botocore.exceptions import ClientError

        with failures_of(f"s3:GetObject s3://{self.place.bucket}/{key}"):
            try:
                body: bytes = self.s3.get_object(Bucket=self.place.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] in _ABSENT:
                    return None
                raise
        return body.decode("utf-8", "replace")

    def runs(self) -> list[str]:
        """Return the runs that left something behind, the newest first."""
        root = f"{drafts_prefix(self.place.component)}runs/"
        with failures_of(f"s3:ListBucket {self.place.bucket}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.place.bucket, Prefix=root, Delimiter="/"
            )
            found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ())]
        return sorted((prefix.removeprefix(root).rstrip("/") for prefix in found), reverse=True)

    def report(self, run: str | None) -> Report:
        """Return the report of a run; end the command if there is none.

        Args:
            run: Name of the run; the newest with a report by default.
        """
        texts = ((one, self._report_text(one)) for one in (self.runs() if run is None else [run]))
        found = next(((one, text) for one, text in texts if text is not None), None)
        if found is None:
            what = f"run {run} has no report" if run else "no run has a report yet"
            fail(
                f"{self.place.component}: {what}: it is written when the measurement is over; see cdk-sglang eagle status {self.place.options}",
                code=1,
            )
        return read_report(found[1], place=f"s3://{self.place.bucket}/{self.place.run_key(found[0], 'report.json')}")

    def _report_text(self, run: str) -> str | None:
        return self.file(self.place.run_key(run, "report.json"))

    def stack(self) -> dict[str, Any]:
        """Return the serving stack as CloudFormation describes it."""
        with failures_of(f"cloudformation:DescribeStacks {self.place.stack}"):
            found: dict[str, Any] = self.cloudformation.describe_stacks(StackName=self.place.stack)["Stacks"][0]
        return found

    def served(self, stack: Mapping[str, Any] | None = None) -> Served:
        """Return what the component serves by its stack's parameter; end the command if the stack has no such parameter."""
        values = parameters_of(self.stack() if stack is None else stack)
        if self.place.parameter not in values:
            fail(
                f"stack {self.place.stack} has no parameter {self.place.parameter}: the component has another base model than its pipeline; "
                f"deploy {self.place.environment} again",
                code=1,
            )
        return Served.parse(values[self.place.parameter] or BASE_VALUE)

    def versions(self) -> list[Version]:
        """Return the versions of the registry, the newest first; those of others in the same group are left out."""
        group = self.place.model_package_group
        with failures_of(f"sagemaker:ListModelPackages {group}"):
            pages = self.sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
            arns = [item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]]
        with failures_of(f"sagemaker:DescribeModelPackage {group}"):
            found = [Version.of(self.sagemaker.describe_model_package(ModelPackageName=arn)) for arn in arns]
        return sorted((one for one in found if one.run), key=lambda one: one.run, reverse=True)

    def is_whole(self, served: Served) -> bool:
        """Whether the files of a version exist; a version without files of its own uses those of the model."""
        if not served.prefix.startswith(versions_prefix(self.place.component)):
            return True
        return self.file(f"{served.prefix}{RECORD}") is not None

    def value_of(self, version: Version | None) -> str:
        """Return the parameter's value for a version; that of the model alone if there is none."""
        return BASE_VALUE if version is None else version.value


def parameters_of(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a stack's parameters by name."""
    return {one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", ())}


def name_of(version: Version | None) -> str:
    """Return the name of a version; `base` for the model alone."""
    return BASE if version is None else version.run
