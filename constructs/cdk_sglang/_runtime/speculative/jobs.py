"""AI benchmark jobs of a gate: their names, workloads, requests and deletion.

Parameters as documented (docs.aws.amazon.com/sagemaker/latest/dg/generative-ai-inference-recommendations-workload-config.html, read 2026-11).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from .canaries import SIDES, name_of, tags
from .config import Config
from .ends import answered, code_of, message_of

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import CreateAIBenchmarkJobRequestTypeDef

PARALLEL_MAX = 2
"""Concurrent benchmark jobs per account and Region (docs.aws.amazon.com/general/latest/gr/sagemaker.html, read 2026-11); adjustable."""
ATTEMPTS = 2
"""Attempts of one measurement: a job may lose its instance."""
_TOOL_VERSION = "0.8.0"
"""Version of the API standard in AWS's sample (read 2026-11)."""
_SEED = 1701
_REQUEST_TIMEOUT = 600
_WARMUPS = 2
_EXISTS = ("ResourceInUse", "ConflictException")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One repeat at one concurrency on one canary.

    Attributes:
        side: `base` or `draft`.
        concurrency: Requests in flight.
        repeat: Number of the repeat, from 0.
    """

    side: str
    concurrency: int
    repeat: int

    @property
    def key(self) -> str:
        """Short name."""
        return f"{self.side}-c{self.concurrency}-r{self.repeat}"

    @property
    def pair(self) -> tuple[int, int]:
        """Repeat and concurrency, which are the same for base and candidate."""
        return self.repeat, self.concurrency

    def name(self, run: str, attempt: int) -> str:
        """Return the name of the measurement's job."""
        return f"gate-{run}-{self.key}-{attempt}"


def plan(config: Config) -> list[Measurement]:
    """Return all measurements in the order of their start: base and candidate take turns at starting first.

    Repeats are the outermost loop, so that changes over time affect every concurrency equally.
    """
    found = []
    for repeat in range(config.gate.repeats):
        for index, concurrency in enumerate(config.gate.concurrency):
            sides = SIDES if (repeat + index) % 2 == 0 else SIDES[::-1]
            found += [Measurement(side=side, concurrency=concurrency, repeat=repeat) for side in sides]
    return found


def workload(config: Config, concurrency: int, repeat: int) -> str:
    """Return the inline workload of a repeat, the same for base and candidate: the same prompts by the same seed.

    Args:
        config: Configuration.
        concurrency: Requests in flight.
        repeat: Number of the repeat; each has its own prompts, so that none hits the cache of the previous one.
    """
    gate = config.gate
    parameters: dict[str, Any] = {
        "streaming": True,
        "tokenizer": config.tokenizer,
        "prompt_input_tokens_mean": gate.input_tokens,
        "prompt_input_tokens_stddev": 0,
        "output_tokens_mean": gate.output_tokens,
        "output_tokens_stddev": 0,
        "concurrency": concurrency,
        "request_count": gate.requests[concurrency],
        "warmup_request_count": max(_WARMUPS, concurrency),
        "random_seed": _SEED + repeat,
        "request_timeout_seconds": _REQUEST_TIMEOUT,
        "extra_inputs": "ignore_eos:true",
    }
    content = {
        "benchmark": {"type": "aiperf"},
        "parameters": parameters,
        "tooling": {"api_standard": "openai", "version": _TOOL_VERSION},
    }
    return json.dumps(content, sort_keys=True)


def workload_name(run: str, concurrency: int, repeat: int) -> str:
    """Return the name of a workload's configuration: in lower case, since one with capitals can never be deleted."""
    return f"gate-{run}-c{concurrency}-r{repeat}".lower()


def output_prefix(config: Config, run: str, name: str) -> str:
    """Return the prefix of a job's output."""
    return f"{config.run_prefix(run)}bench/{name}/"


def request(
    config: Config, run: str, measurement: Measurement, *, attempt: int, endpoint: str
) -> CreateAIBenchmarkJobRequestTypeDef:
    """Return the request of a job.

    Args:
        config: Configuration.
        run: Name of the run.
        measurement: What it measures.
        attempt: Number of the attempt, from 1.
        endpoint: Endpoint of the canaries.
    """
    name = measurement.name(run, attempt)
    return {
        "AIBenchmarkJobName": name,
        "AIWorkloadConfigIdentifier": workload_name(run, measurement.concurrency, measurement.repeat),
        "BenchmarkTarget": {
            "Endpoint": {
                "Identifier": endpoint,
                "InferenceComponents": [{"Identifier": name_of(run, measurement.side)}],
            }
        },
        "OutputConfig": {"S3OutputLocation": f"s3://{config.bucket}/{output_prefix(config, run, name)}"},
        "RoleArn": config.benchmark_role_arn,
        "Tags": tags(run, config),  # type: ignore[typeddict-item]  # keys and values, as every service takes them
    }


def ensure_workload(sagemaker: Any, config: Config, run: str, measurement: Measurement) -> None:
    """Create the configuration of a measurement's workload unless it exists."""
    text = workload(config, measurement.concurrency, measurement.repeat)
    try:
        sagemaker.create_ai_workload_config(
            AIWorkloadConfigName=workload_name(run, measurement.concurrency, measurement.repeat),
            AIWorkloadConfigs={"WorkloadSpec": {"Inline": text}},
            Tags=tags(run, config),
        )
    except ClientError as error:
        if code_of(error) not in _EXISTS:
            raise


def create(sagemaker: Any, request: CreateAIBenchmarkJobRequestTypeDef) -> bool:
    """Start a job, or find it already started; False if the account's quota of parallel jobs is used up."""
    try:
        sagemaker.create_ai_benchmark_job(**request)
    except ClientError as error:
        if code_of(error) in _EXISTS:
            return True
        if code_of(error) == "ResourceLimitExceeded":
            return False
        raise
    return True


def stop_jobs(sagemaker: Any, run: str) -> tuple[list[str], list[str]]:
    """Stop a run's jobs that are in progress, and delete its workloads' configurations.

    Args:
        sagemaker: Client of SageMaker.
        run: Name of the run.

    Returns:
        Names of what was stopped or deleted, and what could not be with the reason.
    """
    removed: list[str] = []
    left: list[str] = []
    for name in _names(sagemaker.list_ai_benchmark_jobs, "AIBenchmarkJobs", "AIBenchmarkJobName", run, "InProgress"):
        _take(sagemaker.stop_ai_benchmark_job, removed, left, AIBenchmarkJobName=name)
    for name in _names(sagemaker.list_ai_workload_configs, "AIWorkloadConfigs", "AIWorkloadConfigName", run.lower()):
        _take(sagemaker.delete_ai_workload_config, removed, left, AIWorkloadConfigName=name)
    return removed, left


def _names(listing: Any, key: str, name: str, run: str, status: str = "") -> Iterator[str]:
    parameters: dict[str, Any] = {"NameContains": f"gate-{run}", **({"StatusEquals": status} if status else {})}
    while True:
        page = answered(listing, **parameters) or {}
        yield from [item[name] for item in page.get(key, ()) if item[name].startswith(f"gate-{run}")]
        if not page.get("NextToken"):
            return
        parameters["NextToken"] = page["NextToken"]


def _take(request_: Any, removed: list[str], left: list[str], **name: str) -> None:
    (value,) = name.values()
    try:
        if answered(request_, **name) is not None:
            removed.append(value)
    except ClientError as error:
        left.append(f"{value}: {code_of(error)}: {message_of(error)}")
