"""SageMaker jobs, which run for a while and end: optimization jobs, AI benchmark jobs and the workloads of the latter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.sagemaker.exceptions import SagemakerClientError

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.hosting import validation
from localcloud.aws.hosting.operations import Handler, handles, listing, missing, taken
from localcloud.aws.hosting.records import Record
from localcloud.aws.hosting.store import Store
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
)
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
)


def _now(record: Record, kind: _Kind) -> dict[str, Any]:
    """Description of a job at this moment."""
    data, now = record.data, clock().now()
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
            description["FailureReason"] = "ClientError: the job failed (injected fault)"
    return description


def _create(kind: _Kind) -> Handler:
    def create(state: Store, **request: Any) -> dict[str, Any]:
        name, jobs = request[f"{kind.prefix}Name"], state.jobs.setdefault(kind.noun, {})
        if name in jobs:
            raise taken(f"Create{kind.noun}", f"{kind.noun} {name} already exists")
        if kind is _BENCHMARK:
            _check_benchmark(state, request)
        now, result, lasts = clock().utc(), kind.completed, current().job_s
        if kind is _OPTIMIZATION and faults.strikes("optimization-job-failed", name):
            result = kind.failed
        if kind is _OPTIMIZATION and faults.strikes("optimization-job-hangs", name):
            result, lasts = kind.stopped, request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        arn = state.arn(kind.arn, name)
        data = request | {f"{kind.prefix}Arn": arn, "CreationTime": now, "LastModifiedTime": now, kind.start: now}
        data |= {"_ends": clock().now() + lasts, "_result": result, "_stop_requested": False}
        jobs[name] = Record(data=data, tags=list(request.get("Tags", [])))
        return {f"{kind.prefix}Arn": arn}

    return create


def _check_benchmark(state: Store, request: dict[str, Any]) -> None:
    target = request["BenchmarkTarget"].get("Endpoint", {}).get("Identifier", "").rsplit("/", 1)[-1]
    if target not in state.endpoints:
        raise missing("CreateAIBenchmarkJob", f"Could not find endpoint {target}")
    _find(state, "AIWorkloadConfig", "CreateAIBenchmarkJob", request["AIWorkloadConfigIdentifier"].rsplit("/", 1)[-1])


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
        if clock().now() < record.data["_ends"]:
            record.data |= {
                "_ends": clock().now() + current().endpoint_s,
                "_result": kind.stopped,
                "_stop_requested": True,
            }
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
