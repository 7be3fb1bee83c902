"""What a change replaces, as `cdk diff` says it and docs/updates.md tells it."""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_sns as sns

from cdk_sglang import (
    AdapterSource,
    Alarms,
    BatchSize,
    Capacity,
    ComponentRollout,
    ComponentScaling,
    EndpointRollout,
    HostResources,
    InferenceComponent,
    InferenceEndpoint,
    LoraOptions,
    ModelSource,
    NightlyStop,
    NoAlarms,
    NoVerification,
    Placement,
    RollbackAlarms,
    Routing,
    ServingImage,
    SglangOptions,
    StartupTimeouts,
    Verification,
)

LORA = LoraOptions(max_rank=16, target_modules=("all",))
PLAIN = SglangOptions(lora=LORA)
TYPES = ("ml.g6e.12xlarge", "ml.g6e.24xlarge")


def _scaling(low: int, high: int) -> ComponentScaling:
    return ComponentScaling(min_copies=low, max_copies=high, concurrency=4)


@dataclass(frozen=True)
class State:
    """An endpoint before or after a change."""

    endpoint: dict[str, Any] = field(default_factory=dict)
    component: dict[str, Any] = field(default_factory=dict)
    more: dict[str, dict[str, Any]] = field(default_factory=dict)
    adapters: tuple[str, ...] = ()
    image: str = "v1"
    id: str = "llama"
    prefix: str = "llama"


def _capacity(most: int = 4, instance: str = TYPES[0]) -> Capacity:
    return Capacity.on_demand(instance, max_instances=most)


def _pool(*types: str) -> State:
    return State(endpoint={"capacity": Capacity.pool(list(types), max_instances=4)})


BASE = State()
SCALED = State(component={"scaling": _scaling(1, 2)})
ASLEEP = State(component={"scaling": _scaling(0, 2)})
STATED = {"capacity": Capacity.on_demand(TYPES[0], min_instances=1, max_instances=4)}
CHANGES: dict[str, tuple[State, State]] = {
    "`max_instances`": (BASE, State(endpoint={"capacity": _capacity(5)})),
    "the instance type": (BASE, State(endpoint={"capacity": _capacity(instance=TYPES[1])})),
    "the order of a pool": (_pool(*TYPES), _pool(*reversed(TYPES))),
    "`metric_frequency_seconds`": (BASE, State(endpoint={"metric_frequency_seconds": 10})),
    "`routing`": (BASE, State(endpoint={"routing": Routing.prefix_aware()})),
    "`nightly_stop`": (SCALED, State(endpoint={"nightly_stop": NightlyStop(begins="22:00", ends="06:00")}, component=SCALED.component)),
    "`rollout` of the endpoint": (
        BASE, State(endpoint={"rollout": EndpointRollout.blue_green_all_at_once(alarms=RollbackAlarms())}),
    ),
    "`alarms`": (BASE, State(endpoint={"alarms": "topic"})),
    "`log_retention_days`": (BASE, State(endpoint={"log_retention_days": 90})),
    "`verification`": (BASE, State(endpoint={"verification": Verification()})),
    "the image": (BASE, State(image="v2")),
    "the model's folder": (BASE, State(prefix="other")),
    "an option of SGLang (`server`)": (BASE, State(component={"server": SglangOptions(lora=LORA, context_length=8192)})),
    "`environment`": (BASE, State(component={"environment": {"A": "b"}})),
    "`resources`, `startup`, `placement`": (
        BASE,
        State(component={
            "resources": HostResources(cpu_cores=8, memory_mib=65536),
            "startup": StartupTimeouts(download_seconds=1200, health_check_seconds=1200),
            "placement": Placement(strategy="spread"),
        }),
    ),
    "`copies`": (BASE, State(component={"copies": 2})),
    "`rollout` of a component": (
        State(component={"copies": 2}),
        State(component={
            "copies": 2, "rollout": ComponentRollout.rolling(max_batch=BatchSize.copies(1), alarms=RollbackAlarms())
        }),
    ),
    "`scaling` that is new": (BASE, SCALED),
    "`scaling` with other bounds": (SCALED, State(component={"scaling": _scaling(1, 3)})),
    "the last component that may not sleep may (`min_copies: 0`)": (SCALED, ASLEEP),
    "`team`": (BASE, State(component={"team": "search"})),
    "one more component": (BASE, State(more={"other": {}})),
    "one more component, always on, beside sleeping ones": (ASLEEP, State(component=ASLEEP.component, more={"other": {}})),
    "`nightly_stop`, with `min_instances` stated": (
        State(endpoint=STATED, component=SCALED.component),
        State(endpoint={**STATED, "nightly_stop": NightlyStop(begins="22:00", ends="06:00")}, component=SCALED.component),
    ),
    "`min_copies: 0`, with `min_instances` stated": (
        State(endpoint=STATED, component=SCALED.component), State(endpoint=STATED, component=ASLEEP.component),
    ),
    "one more component, always on, beside sleeping ones, with `min_instances` stated": (
        State(endpoint=STATED, component=ASLEEP.component),
        State(endpoint=STATED, component=ASLEEP.component, more={"other": {}}),
    ),
    "one more adapter": (State(adapters=("one",)), State(adapters=("one", "two"))),
    "the id of a component": (BASE, State(id="other")),
}  # fmt: skip


def _build(app: cdk.App, states: list[State]) -> cdk.Stack:
    stack = cdk.Stack(app, "Serve", env=cdk.Environment(account="111122223333", region="us-east-1"))
    repository = ecr.Repository.from_repository_name(stack, "Images", "sglang")
    topic = sns.Topic.from_topic_arn(stack, "Topic", "arn:aws:sns:us-east-1:111122223333:oncall")
    for number, state in enumerate(states):
        image = ServingImage.from_repository(repository, tag=state.image, cuda="13.0", sglang_version="0.5.23")
        options = {
            "capacity": _capacity(),
            "alarms": NoAlarms(reason="a test"),
            "verification": NoVerification(reason="a test"),
            **state.endpoint,
        }
        if options["alarms"] == "topic":
            options["alarms"] = Alarms(topic=topic)
        endpoint = InferenceEndpoint(stack, f"E{number:02d}", image=image, endpoint_name=f"e{number}", **options)
        component = _add(endpoint, state.id, state.component, state.prefix)
        for name, more in state.more.items():
            _add(endpoint, name, more, name)
        for name in state.adapters:
            component.add_adapter(name, AdapterSource.from_s3(f"s3://adapters/{name}.tar.gz"))
    return stack


def _add(endpoint: InferenceEndpoint, name: str, options: dict[str, Any], prefix: str) -> InferenceComponent:
    model = ModelSource.from_s3(f"s3://models/{prefix}/", check=False)
    return endpoint.add_component(name, model=model, **{"server": PLAIN, **options})


_LINE = re.compile(
    r"^\[([~+-])\] (?:AWS::\w+|Custom)::(\w+) E(\d\d)\S*(?: \S+)??(?: (replace|may be replaced|destroy|orphan))?$"
)
WORDS = {
    "Alarm": "alarms",
    "CdkSglangCopies": "reading of live copies",
    "CdkSglangTruth": "verification",
    "Endpoint": "endpoint",
    "EndpointConfig": "endpoint configuration",
    "InferenceComponent": "component",
    "LogGroup": "log group",
    "Model": "model",
    "Role": "rights of a role",
    "ScalableTarget": "bounds of scaling",
    "ScalingPolicy": "scaling policy",
}


@pytest.fixture(scope="module")
def effects_by_change(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, dict[str, set[str]]]:
    """What `cdk diff` says of each change: kinds of resources by what happens to them, in one run over all changes."""
    folder = tmp_path_factory.mktemp("updates")
    for at, name in enumerate(("before", "after")):
        app = cdk.App(outdir=str(folder / name))
        _build(app, [change[at] for change in CHANGES.values()])
        app.synth()
    command = [
        "cdk",
        "diff",
        "--app",
        str(folder / "after"),
        "--template",
        str(folder / "before" / "Serve.template.json"),
    ]
    done = subprocess.run(
        [*command, "--no-change-set", "--no-color", "Serve"],
        env={**os.environ, "PATH": f"{root / 'node_modules' / '.bin'}:{os.environ['PATH']}", "CDK_DISABLE_CLI_TELEMETRY": "true"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    found: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in (done.stdout + done.stderr).splitlines():
        match = _LINE.match(line.strip())
        if match is None:
            continue
        sign, kind, number, what = match.groups()
        effect = {"+": "created", "-": "removed"}.get(sign) or ("replaced" if "replace" in (what or "") else "updated")
        found[int(number)][effect].add(WORDS[kind])
    return {change: dict(found[number]) for number, change in enumerate(CHANGES)}


def test_the_page_says_what_each_change_replaces(effects_by_change: dict[str, dict[str, set[str]]], root: Path) -> None:
    page = (root / "docs" / "updates.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.count("|") == 4]
    written = {row[0]: row[1:] for row in rows}
    for change, effects in effects_by_change.items():
        assert written.get(change) == _row(effects), f"| {change} | {' | '.join(_row(effects))} |"


def _row(effects: dict[str, set[str]]) -> list[str]:
    """Columns of the page: what is replaced, and what else changes."""
    others = [
        f"{', '.join(sorted(effects[effect]))} {effect}"
        for effect in ("updated", "created", "removed")
        if effects.get(effect)
    ]
    return [", ".join(sorted(effects.get("replaced", {"nothing"}))), "; ".join(others) or "nothing"]


def test_what_cannot_change_in_place_is_replaced_and_never_the_endpoint(
    effects_by_change: dict[str, dict[str, set[str]]],
) -> None:
    replaced = set().union(*(effects.get("replaced", set()) for effects in effects_by_change.values()))
    assert replaced == {"endpoint configuration", "model"}


def test_a_stated_minimum_keeps_the_configuration(effects_by_change: dict[str, dict[str, set[str]]]) -> None:
    kept = [change for change in effects_by_change if change.endswith("with `min_instances` stated")]
    assert len(kept) == 3
    for change in kept:
        assert "replaced" not in effects_by_change[change], change
