"""SageMaker jobs, which run for a while and end: optimization jobs, AI benchmark jobs and the workloads of the latter.

A job that completes writes its output first, see `job_outputs`; with AIPerf in the settings, a benchmark job sends requests, see
`benchmark_processes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml
from moto.sagemaker.exceptions import SagemakerClientError

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.compute import job_outputs, quotas
from localcloud.aws.compute.benchmark_processes import BenchmarkProcess
from localcloud.aws.hosting import limits, validation
from localcloud.aws.hosting.operations import Handler, handles, listing, missing, taken
from localcloud.aws.hosting.records import Record
from localcloud.aws.hosting.store import LOCK, Store, stores
from localcloud.aws.settings import current


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """Names of members and states of one kind of job, from botocore's service model."""

    noun: str
    prefix: str
    arn: str
    running: str
    completed: str
    failed: str
    stopping: str
    stopped: str
    start: str
    end: str
    fault: str
    """First part of the names of its faults."""


_OPTIMIZATION = _Kind(
    noun="OptimizationJob",
    prefix="OptimizationJob",
    arn="optimization-job",
    running="INPROGRESS",
    completed="COMPLETED",
    failed="FAILED",
    stopping="STOPPING",
    stopped="STOPPED",
    start="OptimizationStartTime",
    end="OptimizationEndTime",
    fault="optimization-job",
)
_UNLIMITED_S = 86400
"""Maximum run time of a job without a stopping condition."""
_BENCHMARK = _Kind(
    noun="AIBenchmarkJob",
    prefix="AIBenchmarkJob",
    arn="ai-benchmark-job",
    running="InProgress",
    completed="Completed",
    failed="Failed",
    stopping="Stopping",
    stopped="Stopped",
    start="StartTime",
    end="EndTime",
    fault="benchmark-job",
)


def _now(record: Record, kind: _Kind) -> dict[str, Any]:
    """Description of a job at this moment."""
    data, now = record.data, clock().now()
    _complete(record, kind)
    ends, result = data["_ends"], data["_result"]
    status = (
        result
        if now >= ends
        else (kind.stopping if result == kind.stopped and data["_stop_requested"] else kind.running)
    )
    description = data | {f"{kind.prefix}Status": status, "OptimizationTypes": ["ModelSpeculativeDecoding"]}
    if now >= ends:
        description |= {
            kind.end: datetime.fromtimestamp(ends, UTC),
            "LastModifiedTime": datetime.fromtimestamp(ends, UTC),
        }
        if result == kind.failed:
            description["FailureReason"] = data["_reason"]
    return description


def _complete(record: Record, kind: _Kind) -> None:
    """Run the step of a job whose time is over, once."""
    data = record.data
    if clock().now() < data["_ends"] or data["_result"] != kind.completed or data["_written"]:
        return
    data["_written"] = True
    try:
        job_outputs.run(kind.noun, data["_job"])
    except job_outputs.JobFailedError as error:
        data |= {"_result": kind.failed, "_reason": str(error)}


def tick() -> None:
    """Complete the jobs whose time is over."""
    with LOCK:
        for state in stores():
            for kind in (_OPTIMIZATION, _BENCHMARK):
                for record in list(state.jobs.get(kind.noun, {}).values()):
                    _complete(record, kind)


def _create(kind: _Kind) -> Handler:
    def create(state: Store, **request: Any) -> dict[str, Any]:
        name, jobs = request[f"{kind.prefix}Name"], state.jobs.setdefault(kind.noun, {})
        if name in jobs:
            raise taken(f"Create{kind.noun}", f"{kind.noun} {name} already exists")
        if kind is _BENCHMARK:
            _check_benchmark(state, request)
        kind_of_instance = request.get("DeploymentInstanceType")
        going = [job for job in jobs.values() if clock().now() < job.data["_ends"]]
        used = sum(job.data.get("DeploymentInstanceType") == kind_of_instance for job in going)
        quotas.check_job(kind_of_instance, running=used)
        now, result, lasts = clock().utc(), kind.completed, current().job_s
        if faults.strikes(f"{kind.fault}-failed", name):
            result = kind.failed
        if faults.strikes(f"{kind.fault}-hangs", name):
            result = kind.stopped
            lasts = request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _UNLIMITED_S)
        arn = state.arn(kind.arn, name)
        data = request | {f"{kind.prefix}Arn": arn, "CreationTime": now, "LastModifiedTime": now, kind.start: now}
        data |= {"_ends": clock().now() + lasts, "_result": result, "_stop_requested": False, "_written": False}
        data |= {"_reason": "ClientError: the job failed (injected fault)", "_job": _job(state, request, name)}
        jobs[name] = Record(data=data, tags=list(request.get("Tags", [])))
        if kind is _BENCHMARK and result == kind.completed and current().aiperf is not None and current().base_url:
            _start_process(data)
        return {f"{kind.prefix}Arn": arn}

    return create


def _start_process(data: dict[str, Any]) -> None:
    """Let a benchmark job end with its process, and not by the clock."""

    def done(reason: str | None) -> None:
        with LOCK:
            data["_ends"] = clock().now()
            if reason is not None and data["_result"] == _BENCHMARK.completed:
                data.update({"_result": _BENCHMARK.failed, "_reason": reason})

    data |= {"_ends": clock().now() + _UNLIMITED_S, "_written": True}
    data["_process"] = BenchmarkProcess(data["_job"], current(), done)


def _job(state: Store, request: dict[str, Any], name: str) -> job_outputs.Job:
    target = request.get("BenchmarkTarget", {}).get("Endpoint", {})
    workload: dict[str, Any] = {}
    if identifier := request.get("AIWorkloadConfigIdentifier"):
        config = _find(state, "AIWorkloadConfig", "CreateAIBenchmarkJob", identifier.rsplit("/", 1)[-1]).data
        inline = config.get("AIWorkloadConfigs", {}).get("WorkloadSpec", {}).get("Inline", "{}")
        workload = (yaml.safe_load(inline) or {}).get("parameters") or {}
    return job_outputs.Job(
        name=name,
        account=state.account,
        region=state.region,
        request=request,
        workload=workload,
        components=tuple(one["Identifier"].rsplit("/", 1)[-1] for one in target.get("InferenceComponents", ())),
        began=clock().now(),
    )


def _check_benchmark(state: Store, request: dict[str, Any]) -> None:
    target = request["BenchmarkTarget"].get("Endpoint", {}).get("Identifier", "").rsplit("/", 1)[-1]
    if target not in state.endpoints:
        raise missing("CreateAIBenchmarkJob", f"Could not find endpoint {target}")
    for component in request["BenchmarkTarget"].get("Endpoint", {}).get("InferenceComponents", ()):
        name = component["Identifier"].rsplit("/", 1)[-1]
        if name not in state.components:
            raise missing("CreateAIBenchmarkJob", f"Could not find inference component {name}")
    _find(state, "AIWorkloadConfig", "CreateAIBenchmarkJob", request["AIWorkloadConfigIdentifier"].rsplit("/", 1)[-1])
    jobs = state.jobs.get("AIBenchmarkJob", {}).values()
    limit = limits.value(quotas.BENCHMARKS)
    running = sum(clock().now() < job.data["_ends"] for job in jobs)
    if running >= limit:
        message = (
            f"The account-level service limit '{quotas.BENCHMARKS}' is {limit:g}, with current utilization of {running} and a request "
            "delta of 1."
        )
        raise SagemakerClientError("ResourceLimitExceeded", message)


def _find(state: Store, noun: str, operation: str, name: str) -> Record:
    found = state.jobs.get(noun, {}).get(name)
    if found is None:
        raise missing(operation, f"Could not find {noun} {name}")
    return found


def _register(kind: _Kind) -> None:
    """Register the operations of one kind of job."""
    name_key = f"{kind.prefix}Name"

    def describe(state: Store, **request: Any) -> dict[str, Any]:
        record = _find(state, kind.noun, f"Describe{kind.noun}", request[name_key])
        return validation.pick(validation.operation(f"Describe{kind.noun}").output_shape, _now(record, kind))

    def list_all(state: Store, **request: Any) -> dict[str, Any]:
        records = [_now(record, kind) for record in state.jobs.get(kind.noun, {}).values()]
        return listing(f"List{kind.noun}s", records, request)

    def stop(state: Store, **request: Any) -> dict[str, Any]:
        record = _find(state, kind.noun, f"Stop{kind.noun}", request[name_key])
        _complete(record, kind)
        if clock().now() < record.data["_ends"]:
            record.data |= {"_result": kind.stopped, "_stop_requested": True}
            process = record.data.get("_process")
            if process is None:
                record.data["_ends"] = clock().now() + current().endpoint_s
            else:
                process.ask_to_end()
        return {f"{kind.prefix}Arn": record.data[f"{kind.prefix}Arn"]}

    def delete(state: Store, **request: Any) -> dict[str, Any]:
        record = _find(state, kind.noun, f"Delete{kind.noun}", request[name_key])
        if clock().now() < record.data["_ends"]:
            raise SagemakerClientError("ResourceInUse", f"{kind.noun} {request[name_key]} is still running")
        del state.jobs[kind.noun][request[name_key]]
        return {f"{kind.prefix}Arn": record.data[f"{kind.prefix}Arn"]}

    for verb, handler in (("Create", _create(kind)), ("Describe", describe), ("Stop", stop), ("Delete", delete)):
        handles(f"{verb}{kind.noun}")(_trim(f"{verb}{kind.noun}", handler))
    handles(f"List{kind.noun}s")(list_all)


def _trim(operation: str, handler: Handler) -> Handler:
    shape = validation.operation(operation).output_shape

    def answer(state: Store, **request: Any) -> dict[str, Any]:
        result = handler(state, **request)
        return validation.pick(shape, result) if shape else {}

    return answer


_register(_OPTIMIZATION)
_register(_BENCHMARK)


@handles("CreateAIWorkloadConfig")
def create_workload(state: Store, **request: Any) -> dict[str, Any]:
    """Create the workload that benchmark jobs run."""
    name, arn = request["AIWorkloadConfigName"], state.arn("ai-workload-config", request["AIWorkloadConfigName"])
    configs = state.jobs.setdefault("AIWorkloadConfig", {})
    if name in configs:
        raise taken("CreateAIWorkloadConfig", f"AIWorkloadConfig {name} already exists")
    data = request | {"AIWorkloadConfigArn": arn, "CreationTime": clock().utc()}
    configs[name] = Record(data=data, tags=list(request.get("Tags", [])))
    return {"AIWorkloadConfigArn": arn}


@handles("DescribeAIWorkloadConfig")
def describe_workload(state: Store, AIWorkloadConfigName: str) -> dict[str, Any]:
    """Describe a workload."""
    record = _find(state, "AIWorkloadConfig", "DescribeAIWorkloadConfig", AIWorkloadConfigName)
    return validation.pick(validation.operation("DescribeAIWorkloadConfig").output_shape, record.data)


@handles("ListAIWorkloadConfigs")
def list_workloads(state: Store, **request: Any) -> dict[str, Any]:
    """List workloads."""
    records = [record.data for record in state.jobs.get("AIWorkloadConfig", {}).values()]
    return listing("ListAIWorkloadConfigs", records, request)


@handles("DeleteAIWorkloadConfig")
def delete_workload(state: Store, AIWorkloadConfigName: str) -> dict[str, Any]:
    """Delete a workload."""
    record = _find(state, "AIWorkloadConfig", "DeleteAIWorkloadConfig", AIWorkloadConfigName)
    del state.jobs["AIWorkloadConfig"][AIWorkloadConfigName]
    return {"AIWorkloadConfigArn": record.data["AIWorkloadConfigArn"]}
