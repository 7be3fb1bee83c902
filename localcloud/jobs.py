"""Things that run for a while and end: optimization jobs, AI benchmark jobs and their workloads, training plans."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.exceptions import ServiceException

from localcloud import faults, validation
from localcloud.clock import clock
from localcloud.operations import Handler, handles, listing, missing, taken
from localcloud.settings import current
from localcloud.store import Record, Store


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """How one kind of job names its members and states (botocore's service model)."""

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
    """A job as it is at this moment."""
    data, now = record.data, clock().now()
    ends, result = data["_ends"], data["_result"]
    status = result if now >= ends else (kind.stopping if result == kind.stopped and data["_asked"] else kind.running)
    shown = data | {f"{kind.prefix}Status": status, "OptimizationTypes": ["ModelSpeculativeDecoding"]}
    if now >= ends:
        shown |= {kind.end: datetime.fromtimestamp(ends, UTC), "LastModifiedTime": datetime.fromtimestamp(ends, UTC)}
        if result == kind.failed:
            shown["FailureReason"] = "ClientError: the job failed (injected fault)"
    return shown


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
        data |= {"_ends": clock().now() + lasts, "_result": result, "_asked": False}
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


def _rest(kind: _Kind) -> None:
    """Describe, List, Stop and Delete of one kind."""
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
            record.data |= {"_ends": clock().now() + current().endpoint_s, "_result": kind.stopped, "_asked": True}
        return {f"{kind.prefix}Arn": record.data[f"{kind.prefix}Arn"]}

    def delete(state: Store, **request: Any) -> dict[str, Any]:
        record = _find(state, kind.noun, f"Delete{kind.noun}", request[name_key])
        if clock().now() < record.data["_ends"]:
            raise ServiceException("ResourceInUse", f"{kind.noun} {request[name_key]} is still running")
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


_rest(_OPTIMIZATION)
_rest(_BENCHMARK)


@handles("CreateAIWorkloadConfig")
def create_workload(state: Store, **request: Any) -> dict[str, Any]:
    """Create what a benchmark job runs."""
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


_PLAN_USD_PER_HOUR = 31.25
"""Of one instance, whatever its type: made up, so that prices differ with what is asked for."""
_PLAN_DELAY = timedelta(minutes=30)
"""The earliest start of a plan (reserve-capacity-with-training-plans page, read 2026-11-21)."""


@handles("SearchTrainingPlanOfferings")
def search_offerings(state: Store, **request: Any) -> dict[str, Any]:
    """Offer one plan that starts as early as asked; the embedded cloud always has capacity, at made-up prices."""
    if "InstanceType" not in request:
        return {"TrainingPlanOfferings": []}
    start = max(request.get("StartTimeAfter", clock().utc()).astimezone(UTC), clock().utc() + _PLAN_DELAY)
    hours, count = request.get("DurationHours", 24), request.get("InstanceCount", 1)
    capacity = {"InstanceType": request["InstanceType"], "InstanceCount": count, "DurationHours": hours}
    capacity |= {"StartTime": start, "EndTime": start + timedelta(hours=hours)}
    offering = {
        "TrainingPlanOfferingId": f"tpo-{uuid.uuid4().hex[:12]}",
        "TargetResources": request.get("TargetResources", ["endpoint"]),
        "DurationHours": hours,
        "UpfrontFee": f"{hours * count * _PLAN_USD_PER_HOUR:.2f}",
        "CurrencyCode": "USD",
        "ReservedCapacityOfferings": [capacity],
    }
    state.jobs.setdefault("Offering", {})[offering["TrainingPlanOfferingId"]] = Record(data=offering)
    return {"TrainingPlanOfferings": [offering]}


@handles("CreateTrainingPlan")
def create_plan(state: Store, **request: Any) -> dict[str, Any]:
    """Take a plan out of an offering."""
    name, plans = request["TrainingPlanName"], state.jobs.setdefault("TrainingPlan", {})
    if name in plans:
        raise taken("CreateTrainingPlan", f"Training plan {name} already exists")
    if faults.strikes("plan-quota", name):
        raise ServiceException("ResourceLimitExceeded", "The account-level service limit is 0 Instances")
    offer = _find(state, "Offering", "CreateTrainingPlan", request["TrainingPlanOfferingId"]).data
    capacity, arn = offer["ReservedCapacityOfferings"][0], state.arn("training-plan", name)
    data = {key: offer[key] for key in ("TargetResources", "DurationHours", "UpfrontFee", "CurrencyCode")}
    data |= {
        "TrainingPlanArn": arn,
        "TrainingPlanName": name,
        "StartTime": capacity["StartTime"],
        "EndTime": capacity["EndTime"],
        "TotalInstanceCount": capacity["InstanceCount"],
        "CreationTime": clock().utc(),
        "_type": capacity["InstanceType"],
        "_capacity": state.arn("reserved-capacity", uuid.uuid4().hex[:12]),
    }
    plans[name] = Record(data=data, tags=list(request.get("Tags", [])))
    return {"TrainingPlanArn": arn}


def plan_now(state: Store, record: Record) -> dict[str, Any]:
    """A training plan as it is at this moment: Scheduled, Active or Expired."""
    data, now = record.data, clock().utc()
    status = "Scheduled" if now < data["StartTime"] else "Active" if now < data["EndTime"] else "Expired"
    in_use = sum(
        len(endpoint.instances.get(variant["VariantName"], []))
        for endpoint in state.endpoints.values()
        for variant in state.config_of(endpoint).get("ProductionVariants", [])
        if variant.get("CapacityReservationConfig", {}).get("MlReservationArn") == data["TrainingPlanArn"]
    )
    capacity = {
        "ReservedCapacityArn": data["_capacity"],
        "InstanceType": data["_type"],
        "TotalInstanceCount": data["TotalInstanceCount"],
        "Status": status,
        "StartTime": data["StartTime"],
        "EndTime": data["EndTime"],
    }
    free = data["TotalInstanceCount"] - in_use
    counts = {"InUseInstanceCount": in_use, "AvailableInstanceCount": free}
    return data | counts | {"Status": status, "ReservedCapacitySummaries": [capacity]}


@handles("DescribeTrainingPlan")
def describe_plan(state: Store, TrainingPlanName: str) -> dict[str, Any]:
    """Describe a plan by name or ARN."""
    record = _find(state, "TrainingPlan", "DescribeTrainingPlan", TrainingPlanName.rsplit("/", 1)[-1])
    return validation.pick(validation.operation("DescribeTrainingPlan").output_shape, plan_now(state, record))


@handles("ListTrainingPlans")
def list_plans(state: Store, **request: Any) -> dict[str, Any]:
    """List plans."""
    wanted = {item["Value"] for item in request.pop("Filters", [])}
    after, before = request.pop("StartTimeAfter", None), request.pop("StartTimeBefore", None)
    plans = [plan_now(state, record) for record in state.jobs.get("TrainingPlan", {}).values()]
    plans = [plan for plan in plans if not wanted or plan["Status"] in wanted]
    plans = [plan for plan in plans if not after or plan["StartTime"] > after]
    return listing("ListTrainingPlans", [plan for plan in plans if not before or plan["StartTime"] < before], request)
