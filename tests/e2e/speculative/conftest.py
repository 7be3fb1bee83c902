"""One embedded AWS for the tests of a module: a fleet and its pipeline are deployed once, and every test leaves them as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from localcloud.aws import clock as clocks
from localcloud.aws import extension, faults, settings
from localcloud.aws.clock import Clock
from localcloud.aws.compute import builds, functions, job_outputs
from tests.localcloud.helpers import SESSION
from tests.support import drafts
from tests.support.accounts import LARGE
from tests.support.functions import InProcess
from tests.support.hub_server import HubModel, HubServer
from tests.support.speculative import (
    ASKED,
    ASSETS,
    BUCKET,
    JOB_S,
    PLAIN,
    REPOSITORY,
    Pipeline,
    fill,
    measured,
    staging,
    trained,
)
from tests.support.speculative_stacks import deploy, synthesise


class Assemblies(dict[str, Path]):
    """Folders of the assemblies, by the name of the fleet: a fleet is synthesised when a test first needs it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> Path:
        self[name] = synthesise(self._folder / name, name)
        return self[name]


class Deployed(dict[str, Pipeline]):
    """Pipelines by the name of their fleet, each deployed when a test first needs it."""

    def __init__(self, assemblies: Assemblies, clock: Clock, runner: InProcess) -> None:
        super().__init__()
        self._assemblies, self._clock, self.runner = assemblies, clock, runner
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> Pipeline:
        self.used.add(name)
        return super().__getitem__(name)

    def __missing__(self, name: str) -> Pipeline:
        deploy(self._assemblies[name], name, self._clock)
        self[name] = Pipeline(name, self._clock, self.runner)
        return self[name]


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Assemblies:
    return Assemblies(tmp_path_factory.mktemp("speculative"))


@pytest.fixture(scope="module")
def deployed(assemblies: Assemblies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    before, kept = clocks.clock(), settings.current()
    settings.configure()
    settings.configure(job_s=JOB_S, quotas=LARGE)
    extension.install()
    clock = clocks.use(Clock(driven=True))
    runner = InProcess(clock, tmp_path_factory.mktemp("functions"))
    earlier = functions.use_runner(runner)
    with mock_aws(), HubServer() as hub:
        hub.models[REPOSITORY] = HubModel(files=dict(drafts.EAGLE3.files()))
        step = builds.use_step(staging(hub.url))
        storage = SESSION.client("s3")
        for bucket in (BUCKET, ASSETS):
            storage.create_bucket(Bucket=bucket)
        SESSION.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        SESSION.client("sns").create_topic(Name="alarms")
        fill(storage)
        yield Deployed(assemblies, clock, runner)
        builds.use_step(step)
        clock.abandon()
    functions.use_runner(earlier)
    clocks.use(before)
    settings._current = kept


@pytest.fixture
def pipelines(deployed: Deployed) -> Iterator[Deployed]:
    """The pipelines with a good draft and a speed-up of 1.5, unless a test chooses otherwise."""
    steps = dict(job_outputs._steps)
    job_outputs.use_step("OptimizationJob", trained(drafts.EAGLE3))
    job_outputs.use_step("AIBenchmarkJob", measured(1.5))
    runner = deployed.runner
    deployed.used.clear()
    runner.invocations.clear()
    runner.calls.clear()
    runner.broken.clear()
    yield deployed
    job_outputs._steps.update(steps)
    faults.clear()
    for name in deployed.used:
        _restore(deployed[name])
    assert runner.broken == []


@pytest.fixture
def plain(pipelines: Deployed) -> Pipeline:
    return pipelines[PLAIN]


@pytest.fixture
def approval_pipeline(pipelines: Deployed) -> Pipeline:
    return pipelines[ASKED]


def _restore(pipeline: Pipeline) -> None:
    """Bring a pipeline back to what it was: the base alone is served, and no run has been."""
    running: Any = pipeline.states.list_executions(stateMachineArn=pipeline.machine, statusFilter="RUNNING")
    for execution in running["executions"]:
        pipeline.states.stop_execution(executionArn=execution["executionArn"])
    pipeline.clock.advance(120, step_s=30)
    if not pipeline.parameter().startswith("base,"):
        pipeline.promote_by_hand("base,,,,,,")
    for prefix in ("speculative/", "captured/", "base/", "predicting/", "drafts/", "data/"):
        for key in pipeline.keys(prefix):
            pipeline.s3.delete_object(Bucket=BUCKET, Key=f"{prefix}{key}")
    for job in pipeline.sagemaker.list_optimization_jobs(MaxResults=100)["OptimizationJobSummaries"]:
        pipeline.sagemaker.delete_optimization_job(OptimizationJobName=job["OptimizationJobName"])
    group = pipeline.sagemaker.list_model_packages(ModelPackageGroupName=pipeline.component, MaxResults=100)
    for package in group["ModelPackageSummaryList"]:
        pipeline.sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    fill(pipeline.s3)
