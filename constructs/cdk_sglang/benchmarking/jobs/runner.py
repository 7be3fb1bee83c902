"""One repeat of a step as a SageMaker AI benchmark job: created, awaited, stopped if need be, and its records read."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cdk_sglang.benchmarking.aiperf.process import INTERRUPTED, Ended
from cdk_sglang.benchmarking.aiperf.records import RECORDS, SUMMARY
from cdk_sglang.benchmarking.target import Target
from cdk_sglang.client.failures import THROTTLING_CODES
from cdk_sglang.spec.s3 import place_of

POLL_SECONDS: Final = 15.0
_QUOTA: Final = "ResourceLimitExceeded"
_EXISTS: Final = ("ResourceInUse", "ConflictException")
_RUNS: Final = "InProgress"
_ARCHIVE: Final = "output.tar.gz"
_MEMBERS: Final = (RECORDS, SUMMARY)
_MEMBER_MAX: Final = 2 * 2**30


@dataclass(frozen=True, kw_only=True)
class JobRunner:
    """Runs benchmark jobs one after the other: two at once would measure each other.

    Args:
        sagemaker: Client of SageMaker.
        s3: Client of S3.
        target: The component.
        role_arn: Role of the jobs.
        output: Place for their results, s3://bucket/prefix.
        timeout_seconds: Seconds after which a job counts as hanging and is stopped.
        sleep: Pauses between two looks at a job.
        clock: Seconds of a monotonic clock.
    """

    sagemaker: Any
    s3: Any
    target: Target
    role_arn: str
    output: str
    timeout_seconds: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def run(
        self, name: str, *, configuration: str, specification: str, folder: Path, stop: Callable[[], str | None]
    ) -> Ended:
        """Run one job to its end, and put its records into a folder.

        What SageMaker throttles, and what waits for a place among the account's jobs, is asked for again until the job counts as hanging.

        Args:
            name: Name of the job.
            configuration: Name of its workload configuration, which is made if it is missing.
            specification: Content of the configuration.
            folder: Folder for the records.
            stop: Called often; returns why the job is to stop, None to go on.

        Raises:
            botocore.exceptions.ClientError: SageMaker refuses the job.
            botocore.exceptions.BotoCoreError: SageMaker is not reached.
        """
        location = f"{self.output.rstrip('/')}/{name}/"
        start = self.clock()
        reason, refusal = None, ""
        job: dict[str, Any] = {}
        steps = [
            partial(self._ensure, configuration, specification),
            partial(self._create, name, configuration, location),
        ]
        try:
            while reason is None and steps:
                refusal = steps[0]()
                if refusal:
                    reason = self._pause(stop, start, late=f"{self._late}, since it was never created: {refusal}")
                else:
                    steps.pop(0)
            while reason is None and (job := self._describe(name))["AIBenchmarkJobStatus"] == _RUNS:
                reason = self._pause(stop, start, late=self._late)
        except KeyboardInterrupt:
            reason = INTERRUPTED
        except (ClientError, BotoCoreError):
            self._stop(name)  # nobody looks at it any more, and it goes on
            raise
        hung = reason is not None and reason.startswith(self._late)
        if steps:
            return Ended(code=1, reason=reason, log=f"job {name} was never created: {refusal}", hung=hung)
        if reason is not None:
            self._stop(name)
            job = self._describe(name)
        self._fetch(location, folder)
        status = job["AIBenchmarkJobStatus"]
        log = f"job {name}: {status}: {job.get('FailureReason', 'no reason given')}"
        return Ended(code=0 if status == "Completed" else 1, reason=reason, log=log, hung=hung)

    @property
    def _late(self) -> str:
        return f"the job did not end within {self.timeout_seconds:g} s"

    def _pause(self, stop: Callable[[], str | None], start: float, *, late: str) -> str | None:
        self.sleep(POLL_SECONDS)
        return late if self.clock() - start > self.timeout_seconds else stop()

    def _ensure(self, configuration: str, specification: str) -> str:
        """Make a configuration unless it is there; return why SageMaker wants the request later, empty if it is done."""
        try:
            self.sagemaker.create_ai_workload_config(
                AIWorkloadConfigName=configuration, AIWorkloadConfigs={"WorkloadSpec": {"Inline": specification}}
            )
        except ClientError as error:  # its name is made of its content: the one that is there is the same
            if _code(error) not in (*_EXISTS, *THROTTLING_CODES):
                raise
            return "" if _code(error) in _EXISTS else _throttled(error)
        return ""

    def _create(self, name: str, configuration: str, location: str) -> str:
        """Create a job; return why SageMaker wants the request later, empty if it is done."""
        try:
            self.sagemaker.create_ai_benchmark_job(
                AIBenchmarkJobName=name,
                AIWorkloadConfigIdentifier=configuration,
                BenchmarkTarget={
                    "Endpoint": {
                        "Identifier": self.target.endpoint_name,
                        "InferenceComponents": [{"Identifier": self.target.component_name}],
                    }
                },
                OutputConfig={"S3OutputLocation": location},
                RoleArn=self.role_arn,
            )
        except ClientError as error:
            if _code(error) not in (_QUOTA, *THROTTLING_CODES):
                raise
            return "the quota of parallel jobs is used up" if _code(error) == _QUOTA else _throttled(error)
        return ""

    def _describe(self, name: str) -> dict[str, Any]:
        """Return a job's description; that of a running one while SageMaker throttles the look."""
        try:
            return dict(self.sagemaker.describe_ai_benchmark_job(AIBenchmarkJobName=name))
        except ClientError as error:
            if _code(error) not in THROTTLING_CODES:
                raise
            return {"AIBenchmarkJobStatus": _RUNS, "FailureReason": _throttled(error)}

    def _stop(self, name: str) -> None:
        """Stop a job and wait for its end, which writes what it has; a second Ctrl-C leaves it stopping."""
        start = self.clock()
        with suppress(ClientError, BotoCoreError, KeyboardInterrupt):
            while not self._is_stopped(name) and self.clock() - start < self.timeout_seconds:
                self.sleep(POLL_SECONDS)
            while (
                self._describe(name)["AIBenchmarkJobStatus"] in {_RUNS, "Stopping"}
                and self.clock() - start < self.timeout_seconds
            ):
                self.sleep(POLL_SECONDS)

    def _is_stopped(self, name: str) -> bool:
        """Ask for a job's end; return whether SageMaker has taken the request, which it may throttle."""
        try:
            self.sagemaker.stop_ai_benchmark_job(AIBenchmarkJobName=name)
        except ClientError as error:
            if _code(error) not in THROTTLING_CODES:
                raise
            return False
        return True

    def _fetch(self, location: str, folder: Path) -> None:
        """Put records and summary of a job's archive into a folder; nothing if the job has written none."""
        place = place_of(location)
        assert place is not None
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key)
        for page in pages:
            for item in page.get("Contents", ()):
                if item["Key"].endswith(f"/{_ARCHIVE}"):
                    body = self.s3.get_object(Bucket=place.bucket, Key=item["Key"])["Body"].read()
                    unpack(body, folder)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))


def _throttled(error: ClientError) -> str:
    return f"SageMaker throttles {error.operation_name}"


def unpack(archive: bytes, folder: Path) -> None:
    """Write records and summary of an archive into a folder, whatever else is in it.

    Args:
        archive: Bytes of output.tar.gz.
        folder: The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(tarfile.TarError, EOFError), tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        for member in files:
            name = Path(member.name).name
            if (
                member.isfile()
                and name in _MEMBERS
                and "phases" not in Path(member.name).parts
                and member.size <= _MEMBER_MAX
            ):
                content = files.extractfile(member)
                assert content is not None
                (folder / name).write_bytes(content.read())
