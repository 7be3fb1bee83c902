"""One repeat of a step as a SageMaker AI benchmark job: created, awaited, stopped if need be, and its records read."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from cdk_sglang.benchmarking.aiperf.process import INTERRUPTED, Ended
from cdk_sglang.benchmarking.aiperf.records import RECORDS, SUMMARY
from cdk_sglang.benchmarking.target import Target
from cdk_sglang.spec.s3 import place_of

POLL_SECONDS: Final = 15.0
_QUOTA: Final = "ResourceLimitExceeded"
_EXISTS: Final = ("ResourceInUse", "ConflictException")
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

        Args:
            name: Name of the job.
            configuration: Name of its workload configuration, which is made if it is missing.
            specification: Content of the configuration.
            folder: Folder for the records.
            stop: Called often; returns why the job is to stop, None to go on.

        Raises:
            botocore.exceptions.ClientError: SageMaker refuses the job.
        """
        self._ensure(configuration, specification)
        location = f"{self.output.rstrip('/')}/{name}/"
        start = self.clock()
        reason = None
        is_created = False
        try:
            while reason is None and not is_created:
                is_created = self._create(name, configuration, location)
                if not is_created:  # another job of the account has the place
                    reason = self._pause(stop, start)
            while reason is None and self._describe(name)["AIBenchmarkJobStatus"] == "InProgress":
                reason = self._pause(stop, start)
        except KeyboardInterrupt:
            reason = INTERRUPTED
        except ClientError:
            self._stop(name)  # nobody looks at it any more, and it goes on
            raise
        hung = reason == self._late
        if not is_created:
            log = f"job {name} was never created: the quota of parallel jobs is used up"
            return Ended(code=1, reason=reason, log=log, hung=hung)
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

    def _pause(self, stop: Callable[[], str | None], start: float) -> str | None:
        self.sleep(POLL_SECONDS)
        return self._late if self.clock() - start > self.timeout_seconds else stop()

    def _ensure(self, configuration: str, specification: str) -> None:
        try:
            self.sagemaker.create_ai_workload_config(
                AIWorkloadConfigName=configuration, AIWorkloadConfigs={"WorkloadSpec": {"Inline": specification}}
            )
        except ClientError as error:  # its name is made of its content: the one that is there is the same
            if error.response.get("Error", {}).get("Code") not in _EXISTS:
                raise

    def _create(self, name: str, configuration: str, location: str) -> bool:
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
            if error.response.get("Error", {}).get("Code") != _QUOTA:
                raise
            return False
        return True

    def _describe(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_ai_benchmark_job(AIBenchmarkJobName=name))

    def _stop(self, name: str) -> None:
        """Stop a job and wait for its end, which writes what it has; a second Ctrl-C leaves it stopping."""
        with suppress(ClientError, KeyboardInterrupt):
            self.sagemaker.stop_ai_benchmark_job(AIBenchmarkJobName=name)
            start = self.clock()
            while (
                self._describe(name)["AIBenchmarkJobStatus"] in {"InProgress", "Stopping"}
                and self.clock() - start < self.timeout_seconds
            ):
                self.sleep(POLL_SECONDS)

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
