"""Random environments: most are valid, the others have one to three faults."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

from hypothesis import strategies as st

from cdk_sglang.hardware import PLAN_COUNTS, GpuInstance, reservable_problem
from tools.fuzz.faults import break_something

_Content = st.SearchStrategy[dict[str, Any]]

_INSTANCES = sorted(GpuInstance.all(), key=lambda instance: (instance.gpu_count, instance.name))
_POOLS = (
    ("ml.g6e.12xlarge", "ml.g6e.24xlarge"),
    ("ml.g5.12xlarge", "ml.g6.12xlarge", "ml.g6e.12xlarge"),
    ("ml.p5.48xlarge", "ml.p5e.48xlarge", "ml.p5en.48xlarge", "ml.p6-b200.48xlarge", "ml.p6-b300.48xlarge"),
    ("ml.g6e.xlarge", "ml.g6e.12xlarge"),
)
_NAMES = st.sampled_from(("chat", "llama", "gpt-oss-20b", "q", "code2", "a-very-long-name-for-one-model"))
_REGIONS = st.sampled_from((None, "us-east-1", "us-east-2", "us-west-2", "eu-central-1", "ap-northeast-1"))
_NETWORKS: _Content = st.sampled_from(
    (
        {"vpc": "none"},
        {"vpc": "none"},
        {"vpc": "create"},
        {"vpc": "create", "cidr": "10.9.0.0/20"},
        {
            "vpc": "existing",
            "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
            "security_group_ids": ["sg-0123456789abcdef0"],
        },
    )
)
_DATA = st.sampled_from((None, {}, {"on_delete": "destroy"}, {"log_retention_days": 365}, {"log_retention_days": 1}))
_TAGS = st.sampled_from((None, {}, {"cost-centre": "ml"}, {"Team": "a b", "x/y": "z=1", "": ""}))
_SERVER_OPTIONS: tuple[tuple[str, st.SearchStrategy[Any]], ...] = (
    ("context_length", st.integers(1, 200_000)),
    ("mem_fraction_static", st.floats(0.1, 0.95)),
    ("chunked_prefill_size", st.sampled_from((-1, 2048, 8192))),
    ("kv_cache_dtype", st.sampled_from(("auto", "fp8_e4m3", "fp8_e5m2"))),
    ("reasoning_parser", st.sampled_from(("qwen3", "gpt-oss", "deepseek-r1"))),
    ("tool_call_parser", st.sampled_from(("llama3", "qwen25", "gpt-oss"))),
    ("trust_remote_code", st.booleans()),
    ("max_running_requests", st.integers(1, 512)),
    ("disable_radix_cache", st.booleans()),
    ("served_model_name", st.sampled_from(("llama", "a/b"))),
    ("extra", st.sampled_from(({}, {"schedule-conservativeness": 0.5}, {"enable-p2p-check": True}))),
)
_OPTION = st.sampled_from(_SERVER_OPTIONS).flatmap(lambda option: st.tuples(st.just(option[0]), option[1]))
_MODELS: _Content = st.sampled_from(
    (
        {"prefix": "weights/llama/"},
        {"prefix": "weights/Qwen/Qwen3-8B", "weights_gib": 15.3},
        {"s3": "s3://models-of-mine/llama/", "id": "meta-llama/Llama-3.2-3B-Instruct"},
    )
)
_WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
_SCALINGS: _Content = st.sampled_from(
    (
        {"min_copies": 0, "concurrency": 8},
        {"min_copies": 1, "concurrency": 2.5, "scale_in_cooldown_seconds": 0},
        {"min_copies": 0, "invocations_per_minute": 90, "wake_after_seconds": 10},
        {"min_copies": 1},
        {
            "min_copies": 1,
            "concurrency": 8,
            "time_zone": "Europe/Berlin",
            "schedules": {"day": {"days": _WEEKDAYS, "begins": "08:00", "ends": "18:00", "max_copies": 2}},
        },
        {
            "min_copies": 0,
            "concurrency": 1,
            "schedules": {"launch": {"begins": "2027-03-01T06:00", "ends": "2027-03-02T06:00", "min_copies": 1}},
        },
        {
            "min_copies": 1,
            "metric": {
                "expression": "load / 2",
                "metrics": {"load": {"name": "ConcurrentRequestsPerCopy", "statistic": "Maximum"}},
                "target": 3,
            },
        },
    )
)
_NIGHTS: _Content = st.sampled_from(
    (
        {"begins": "20:00", "ends": "06:00"},
        {"begins": "20:00", "ends": "06:00", "days": _WEEKDAYS, "time_zone": "Europe/Berlin"},
        {"begins": "12:00", "ends": "13:00", "days": ["sat"]},
    )
)
_ROLLED_BACK_BY: _Content = st.sampled_from(
    (
        {},
        {"server_errors": None, "p99_latency_ms": 60_000, "minutes": 3},
        {"no_capacity": None},
        {"server_errors": None, "model_errors": None, "p99_latency_ms": 30.5, "no_capacity": None},
    )
)
_COMPONENT_ROLLOUTS: _Content = st.sampled_from(
    (
        {"max_batch": {"percent": 50}},
        {"max_batch": {"copies": 1}, "wait_seconds": 0, "rollback_batch": {"percent": 100}},
        {"max_batch": {"percent": 5}, "wait_seconds": 60, "timeout_seconds": 7200, "rollback_batch": {"copies": 2}},
    )
)
_ENDPOINT_ROLLOUTS: _Content = st.sampled_from(
    (
        {"strategy": "all_at_once", "termination_wait_seconds": 600},
        {"strategy": "canary", "percent": 10, "wait_seconds": 3600},
        {"strategy": "linear", "percent": 50, "timeout_seconds": 28800},
        {"strategy": "rolling", "percent": 5, "wait_seconds": 60, "rollback_percent": 100},
    )
)
_SMOKES: _Content = st.sampled_from(
    (
        {},
        {"body": {"prompt": "1+1=", "max_tokens": 2}, "expect": ["choices.0.text"], "timeout_seconds": 5},
        {"body": {"messages": [{"role": "user", "content": "x" * 200}]}},
    )
)
_VERIFICATIONS: _Content = st.sampled_from(
    ({}, {"none": "a test"}, {"timeout_minutes": 5, "smoke": {"timeout_seconds": 30}})
)
_SCALE_INS: _Content = st.sampled_from(
    ({"strategy": "idle_release"}, {"strategy": "consolidation", "cooldown_minutes": 1440, "max_step": 100})
)
_EXPIRIES: _Content = st.sampled_from(
    (
        {},
        {"on_expiry": "alarm"},
        {"on_expiry": "on_demand"},
        {"on_expiry": "on_demand", "on_demand_max_instances": 3, "on_demand_hours_before": 48},
    )
)
_RESERVABLE = [instance for instance in _INSTANCES if reservable_problem(instance) is None]
_RARELY = st.sampled_from((False,) * 19 + (True,))
_ALARMS = st.sampled_from(
    (None, None, {"topic": "create"}, {"topic": "arn:aws:sns:us-east-1:111122223333:alarms"}, {"none": "a test"})
)
_VARIABLES = st.sampled_from((None, {}, {"OMP_NUM_THREADS": "8"}, {"A": "x" * 1024}))


@st.composite
def components(draw: st.DrawFn, *, gpus: int) -> dict[str, Any]:
    """A component that fits an instance with `gpus` GPUs, and has at most three copies."""
    sizes = [size for size in (1, 2, 4, 8) if size <= gpus]
    component: dict[str, Any] = {"model": dict(draw(_MODELS)), "copies": draw(st.integers(1, 3))}
    server = dict(draw(st.lists(_OPTION, max_size=3)))
    if draw(st.booleans()):
        server["tp_size"] = draw(st.sampled_from(sizes))
    component["server"] = server
    if draw(st.integers(0, 2)) == 0:
        component["scaling"] = {"max_copies": component["copies"], **copy.deepcopy(draw(_SCALINGS))}
        component["load"] = draw(st.sampled_from(({}, {"input_tokens": 8000, "output_tokens": 500})))
    if draw(st.integers(0, 3)) == 0:
        component["placement"] = draw(st.sampled_from(({}, {"strategy": "binpack", "max_zone_imbalance": 20})))
    # Mostly if a rollout is allowed: an environment that the constructs refuse tests nothing else.
    if draw(_RARELY) or (component["copies"] > 1 and "scaling" not in component and draw(st.integers(0, 2)) == 0):
        component["rollout"] = {**copy.deepcopy(draw(_COMPONENT_ROLLOUTS)), "alarms": dict(draw(_ROLLED_BACK_BY))}
    if draw(st.integers(0, 3)) == 0:
        component["smoke"] = copy.deepcopy(draw(_SMOKES))
    if draw(st.booleans()):
        component["environment"] = draw(_VARIABLES) or {}
    if draw(st.integers(0, 3)) == 0:
        component["resources"] = {"cpu_cores": draw(st.sampled_from((0.25, 1, 4.5))), "memory_mib": 2048}
        component["startup"] = {"download_seconds": 600, "health_check_seconds": draw(st.integers(60, 3600))}
    return component


@st.composite
def capacities(draw: st.DrawFn, *, region: str) -> tuple[dict[str, Any], int]:
    """A type, a pool or a reservation, without bounds, and the GPUs of its smallest type."""
    kind = draw(st.sampled_from(("type", "type", "type", "pool", "pool", "reserved")))
    if kind == "pool":
        pool = draw(st.sampled_from(_POOLS))
        return {"pool": list(pool)}, min(GpuInstance.of(name).gpu_count for name in pool)
    if kind == "type":
        instance = draw(st.sampled_from(_INSTANCES))
        return {"type": instance.name}, instance.gpu_count
    instance = draw(st.sampled_from(_RESERVABLE))
    reserved = {
        "training_plan": f"arn:aws:sagemaker:{region}:111122223333:training-plan/for-chat",
        "type": instance.name,
        "count": draw(st.sampled_from(PLAN_COUNTS)),
        "until": draw(st.sampled_from((dt.date(2027, 3, 1), "2027-03-01"))),
        **draw(_EXPIRIES),
    }
    return {"reserved": reserved}, instance.gpu_count


@st.composite
def endpoints(draw: st.DrawFn, *, region: str) -> dict[str, Any]:
    """An endpoint whose components fit it."""
    capacity, gpus = draw(capacities(region=region))
    names = draw(st.lists(_NAMES, min_size=1, max_size=2, unique=True))
    components_by_name = {name: draw(components(gpus=gpus)) for name in names}
    most = 1 + sum(component["copies"] for component in components_by_name.values())
    capacity["max_instances"] = min(most, capacity["reserved"]["count"]) if "reserved" in capacity else most
    endpoint: dict[str, Any] = {"capacity": capacity, "components": components_by_name}
    if draw(st.booleans()):
        capacity["min_instances"] = 2
        endpoint["routing"] = {"prefix_aware": draw(st.sampled_from(({}, {"prefix_length": 65536})))}
        endpoint["network_isolation"] = draw(st.booleans())
        endpoint["idle_alarm"] = draw(st.sampled_from(({}, {"gpu_below_percent": 5, "for_hours": 24})))
        endpoint["metric_frequency_seconds"] = draw(st.sampled_from((10, 60, 300)))
    if draw(st.integers(0, 3)) == 0:
        endpoint["nightly_stop"] = copy.deepcopy(draw(_NIGHTS))
    if draw(st.integers(0, 3)) == 0:
        capacity["scale_in"] = dict(draw(_SCALE_INS))
    may_be_zero = any(component.get("scaling", {}).get("min_copies") == 0 for component in components_by_name.values())
    if draw(_RARELY) or ("min_instances" in capacity and not may_be_zero and draw(st.integers(0, 1)) == 0):
        endpoint["rollout"] = {**draw(_ENDPOINT_ROLLOUTS), "alarms": dict(draw(_ROLLED_BACK_BY))}
    if draw(st.integers(0, 2)) == 0:
        endpoint["verify"] = copy.deepcopy(draw(_VERIFICATIONS))
    return endpoint


@st.composite
def environments(draw: st.DrawFn, *, max_faults: int = 3) -> dict[str, Any]:
    """The content of an environment's YAML file, with up to `max_faults` faults."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=2, unique=True))
    region = draw(_REGIONS)
    endpoints_by_name = {name: draw(endpoints(region=region or "us-east-1")) for name in names}
    content: dict[str, Any] = {
        "region": region,
        "account": draw(st.sampled_from((None, "111122223333"))),
        "network": copy.deepcopy(draw(_NETWORKS)),
        "data": draw(_DATA),
        "tags": draw(_TAGS),
        "alarms": draw(_ALARMS),
        "endpoints": endpoints_by_name,
        "routes": draw(_routes(endpoints_by_name)),
    }
    content = {key: value for key, value in copy.deepcopy(content).items() if value is not None}
    for _ in range(draw(st.sampled_from((0, 0, 0, *range(1, max_faults + 1))))):
        break_something(draw, content)
    return content


@st.composite
def _routes(draw: st.DrawFn, endpoints_by_name: dict[str, Any]) -> dict[str, Any] | None:
    """A route over all components of the first component's model, if there are several."""
    served = [
        (f"{name}/{short}", part["model"])
        for name, one in endpoints_by_name.items()
        for short, part in one["components"].items()
    ]
    same = [target for target, model in served if model == served[0][1]]
    if len(same) > 1 and draw(st.booleans()):
        return {"all": draw(st.permutations(same))}
    return draw(st.sampled_from((None, None, {})))
