"""One embedded AWS for the tests of a module: both fleets and their pipelines are deployed once, and every test leaves them as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from localcloud.aws import clock as clocks
from localcloud.aws import extension, faults, settings
from localcloud.aws.clock import Clock
from localcloud.aws.compute import functions, job_outputs
from tests.localcloud.helpers import SESSION
from tests.support import drafts
from tests.support.functions import InProcess
from tests.support.speculative import (
    ASKED,
    ASSETS,
    BUCKET,
    JOB_S,
    PLAIN,
    Pipeline,
    fill,
    measured,
    trained,
)
from tests.support.speculative_stacks import deploy, synthesise


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(tmp_path_factory.mktemp("speculative"))


@pytest.fixture(scope="module")
def deployed(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pipeline]]:
    before, kept = clocks.clock(), settings.current()
    settings.configure()
    settings.configure(job_s=JOB_S)
    extension.install()
    clock = clocks.use(Clock(driven=True))
    runner = InProcess(clock, tmp_path_factory.mktemp("functions"))
    earlier = functions.use_runner(runner)
    with mock_aws():
        storage = SESSION.client("s3")
        for bucket in (BUCKET, ASSETS):
            storage.create_bucket(Bucket=bucket)
        SESSION.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        SESSION.client("sns").create_topic(Name="alarms")
        fill(storage)
        for name in (PLAIN, ASKED):
            deploy(assembly, name)
        yield {name: Pipeline(name, clock, runner) for name in (PLAIN, ASKED)}
        clock.abandon()
    functions.use_runner(earlier)
    clocks.use(before)
    settings._current = kept


@pytest.fixture
def pipelines(deployed: dict[str, Pipeline]) -> Iterator[dict[str, Pipeline]]:
    """The pipelines with a good draft and a speed-up of 1.5, unless a test chooses otherwise."""
    steps = dict(job_outputs._steps)
    job_outputs.use_step("OptimizationJob", trained(drafts.EAGLE3))
    job_outputs.use_step("AIBenchmarkJob", measured(1.5))
    runner = deployed[PLAIN].functions
    runner.invocations.clear()
    runner.calls.clear()
    runner.broken.clear()
    yield deployed
    job_outputs._steps.update(steps)
    faults.clear()
    for pipeline in deployed.values():
        _restore(pipeline)
    assert runner.broken == []


@pytest.fixture
def plain(pipelines: dict[str, Pipeline]) -> Pipeline:
    return pipelines[PLAIN]


@pytest.fixture
def asked(pipelines: dict[str, Pipeline]) -> Pipeline:
    return pipelines[ASKED]


def _restore(pipeline: Pipeline) -> None:
    """Bring a pipeline back to what it was: the base alone is served, and no run has been."""
    running: Any = pipeline.states.list_executions(stateMachineArn=pipeline.machine, statusFilter="RUNNING")
    for execution in running["executions"]:
        pipeline.states.stop_execution(executionArn=execution["executionArn"])
    pipeline.clock.advance(120, step_s=30)
    if not pipeline.parameter().startswith("base,"):
        pipeline.promote_by_hand("base,,,,,,")
    for prefix in ("speculative/", "captured/", "base/", "data/"):
        for key in pipeline.keys(prefix):
            pipeline.s3.delete_object(Bucket=BUCKET, Key=f"{prefix}{key}")
    for job in pipeline.sagemaker.list_optimization_jobs(MaxResults=100)["OptimizationJobSummaries"]:
        pipeline.sagemaker.delete_optimization_job(OptimizationJobName=job["OptimizationJobName"])
    group = pipeline.sagemaker.list_model_packages(ModelPackageGroupName=pipeline.component, MaxResults=100)
    for package in group["ModelPackageSummaryList"]:
        pipeline.sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    fill(pipeline.s3)
