"""Random environments: most of them fine, the others with one to three things wrong."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from cdk_sglang.hardware import GpuInstance

_INSTANCES = sorted(GpuInstance.all(), key=lambda instance: (instance.gpu_count, instance.name))
_POOLS = (
    ("ml.g6e.12xlarge", "ml.g6e.24xlarge"),
    ("ml.g5.12xlarge", "ml.g6.12xlarge", "ml.g6e.12xlarge"),
    ("ml.p5.48xlarge", "ml.p5e.48xlarge", "ml.p5en.48xlarge", "ml.p6-b200.48xlarge", "ml.p6-b300.48xlarge"),
    ("ml.g6e.xlarge", "ml.g6e.12xlarge"),
)
_NAMES = st.sampled_from(("chat", "llama", "gpt-oss-20b", "q", "code2", "a-very-long-name-for-one-model"))
_REGIONS = st.sampled_from((None, "us-east-1", "us-east-2", "us-west-2", "eu-central-1", "ap-northeast-1"))
_NETWORKS = st.sampled_from(
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
_MODELS = st.sampled_from(
    (
        {"prefix": "weights/llama/"},
        {"prefix": "weights/Qwen/Qwen3-8B", "weights_gib": 15.3},
        {"s3": "s3://models-of-mine/llama/", "id": "meta-llama/Llama-3.2-3B-Instruct"},
    )
)
_WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
_SCALINGS = st.sampled_from(
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
_NIGHTS = st.sampled_from(
    (
        {"begins": "20:00", "ends": "06:00"},
        {"begins": "20:00", "ends": "06:00", "days": _WEEKDAYS, "time_zone": "Europe/Berlin"},
        {"begins": "12:00", "ends": "13:00", "days": ["sat"]},
    )
)
_ALARMS = st.sampled_from(
    (None, None, {"topic": "create"}, {"topic": "arn:aws:sns:us-east-1:111122223333:alarms"}, {"none": "a test"})
)
_VARIABLES = st.sampled_from((None, {}, {"OMP_NUM_THREADS": "8"}, {"A": "x" * 1024}))

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10**19),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        (
            "",
            " ",
            "a\nb",
            "x" * 2000,
            "${Token[TOKEN.1]}",
            "#{Token[TOKEN.2]}",
            "ml.g6e.12xlage",
            "s3://",
            "s3://UPPER/x",
            "s3://a-bucket/*",
            "١٢٣٤٥٦٧٨٩٠١٢",
            "111122223333\n",
            "-a",
            "A",
            "null",
            "${AWS::Region}",
            "{{resolve:ssm:/x}}",
            "\x00",
            "\ud7ff\U0001f600",
            -0.0,
            10**400,
            [],
            {},
            [None],
            {"a": {}},
            {1: 2},
            [["a"], {"b": 1}],
        )
    ),
)


@st.composite
def components(draw: st.DrawFn, *, gpus: int) -> dict[str, Any]:
    """One component that fits an instance of so many GPUs, and asks for at most three copies."""
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
    if draw(st.booleans()):
        component["environment"] = draw(_VARIABLES) or {}
    if draw(st.integers(0, 3)) == 0:
        component["resources"] = {"cpu_cores": draw(st.sampled_from((0.25, 1, 4.5))), "memory_mib": 2048}
        component["startup"] = {"download_seconds": 600, "health_check_seconds": draw(st.integers(60, 3600))}
    return component


@st.composite
def endpoints(draw: st.DrawFn) -> dict[str, Any]:
    """One endpoint whose components fit it."""
    if draw(st.integers(0, 3)) == 0:
        pool = draw(st.sampled_from(_POOLS))
        gpus = min(GpuInstance.of(name).gpu_count for name in pool)
        capacity: dict[str, Any] = {"pool": list(pool)}
    else:
        instance = draw(st.sampled_from(_INSTANCES))
        gpus = instance.gpu_count
        capacity = {"type": instance.name}
    names = draw(st.lists(_NAMES, min_size=1, max_size=2, unique=True))
    made = {name: draw(components(gpus=gpus)) for name in names}
    capacity["max_instances"] = 1 + sum(component["copies"] for component in made.values())
    endpoint: dict[str, Any] = {"capacity": capacity, "components": made}
    if draw(st.booleans()):
        capacity["min_instances"] = 2
        endpoint["routing"] = {"prefix_aware": draw(st.sampled_from(({}, {"prefix_length": 65536})))}
        endpoint["network_isolation"] = draw(st.booleans())
        endpoint["idle_alarm"] = draw(st.sampled_from(({}, {"gpu_below_percent": 5, "for_hours": 24})))
        endpoint["metric_frequency_seconds"] = draw(st.sampled_from((10, 60, 300)))
    if draw(st.integers(0, 3)) == 0:
        endpoint["nightly_stop"] = copy.deepcopy(draw(_NIGHTS))
    return endpoint


@st.composite
def environments(draw: st.DrawFn, *, max_faults: int = 3) -> dict[str, Any]:
    """An environment as a YAML file would hold it, with up to so many things wrong."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=2, unique=True))
    content: dict[str, Any] = {
        "region": draw(_REGIONS),
        "account": draw(st.sampled_from((None, "111122223333"))),
        "network": copy.deepcopy(draw(_NETWORKS)),
        "data": draw(_DATA),
        "tags": draw(_TAGS),
        "alarms": draw(_ALARMS),
        "endpoints": {name: draw(endpoints()) for name in names},
    }
    content = {key: value for key, value in copy.deepcopy(content).items() if value is not None}
    for _ in range(draw(st.sampled_from((0, 0, 0, *range(1, max_faults + 1))))):
        _break(draw, content)
    return content


def _places(value: object) -> list[tuple[Any, Any]]:
    """Return every place of nested mappings and lists, as (container, key)."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in inner for place in ((value, key), *_places(child))]


def _break(draw: st.DrawFn, content: dict[str, Any]) -> None:
    places = _places(content)
    if not places:
        return
    container, key = places[draw(st.integers(0, len(places) - 1))]
    kind = draw(st.sampled_from(("replace", "replace", "nudge", "remove", "rename", "add")))
    value = container[key]
    if kind == "replace":
        container[key] = copy.deepcopy(draw(JUNK))
    elif kind == "nudge" and isinstance(value, int | float):
        container[key] = value * draw(st.sampled_from((-1, 0, 2, 16, 1000)))
    elif kind == "nudge" and isinstance(value, str):
        container[key] = draw(st.sampled_from((value.upper(), value[:-1], value + value, f" {value}", f"{value}/")))
    elif kind == "remove":
        del container[key]
    elif kind == "rename" and isinstance(container, dict):
        container[draw(st.sampled_from((f"{key}s", "no", False, 3, "a" * 40, "Config", "foundation", "a\nb")))] = (
            container.pop(key)
        )
    elif isinstance(container, dict):
        container[draw(st.text(max_size=8))] = copy.deepcopy(draw(JUNK))
    else:
        container.append(copy.deepcopy(draw(JUNK)))
