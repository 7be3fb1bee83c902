"""The evidence of a run, as the pipeline keeps it in `report.json`: read and checked, for the terminal, the page and the planner."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.errors import ConfigurationError, Problem

SCHEMA: Final = 1
"""Version of the report that is read; parts are only ever added within a version."""
SIDES: Final = ("base", "draft")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean over repeats with its 95 % interval.

    Args:
        mean: Mean.
        low: Lower end; None with a single repeat.
        high: Upper end; None with a single repeat.
    """

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one of the two did at a concurrency; None for what was not measured.

    Args:
        output_tok_s: Output tokens per second.
        ttft_ms: Time to the first token.
        tpot_ms: Time per further token.
        accept_length: Tokens per verification step.
    """

    output_tok_s: Figure | None
    ttft_ms: Figure | None
    tpot_ms: Figure | None
    accept_length: Figure | None


@dataclass(frozen=True, kw_only=True)
class Level:
    """Both sides at one concurrency.

    Args:
        concurrency: Requests in flight.
        base: The model alone.
        draft: The model with the draft.
        speedup: Output tokens per second with the draft over those without, over paired repeats.
        ttft_change: Change of the time to the first token, as a share.
    """

    concurrency: int
    base: Side
    draft: Side
    speedup: Figure
    ttft_change: Figure


@dataclass(frozen=True, kw_only=True)
class Report:
    """The evidence of a run.

    Args:
        run: Name of the run.
        component: Name of the component in SageMaker.
        environment: Name of the environment.
        kind: Where the draft comes from: `eagle`, `draft`, `nextn` or `ngram`.
        created: When it was written, as text.
        passed: Whether the gate let the draft pass.
        reasons: Why, or why not.
        levels: Figures by concurrency, in ascending order.
        min_speedup: Least speed-up that was asked.
        max_ttft_regression: Most change of the time to the first token that was allowed, as a share.
        workload: What was sent: tokens, requests, repeats, instance type.
        draft: Algorithm, options, size and notes of the draft.
        job: The training job; empty for a draft that was not trained.
        dataset: What it was trained on; empty for the same.
        base: Prefix and hash of the model.
        jobs: Benchmark jobs.
        gate_usd: US dollars that the measurement cost, about.
        spent_usd: US dollars of the whole run, about.
        version_prefix: Prefix of the version in the weights bucket.
    """

    run: str
    component: str
    environment: str
    kind: str
    created: str
    passed: bool
    reasons: tuple[str, ...]
    levels: tuple[Level, ...]
    min_speedup: float
    max_ttft_regression: float
    workload: Mapping[str, Any]
    draft: Mapping[str, Any]
    job: Mapping[str, Any]
    dataset: Mapping[str, Any]
    base: Mapping[str, Any]
    jobs: Sequence[Mapping[str, Any]]
    gate_usd: float
    spent_usd: float
    version_prefix: str

    @property
    def speedup(self) -> float:
        """The least speed-up of all concurrencies."""
        return min(level.speedup.mean for level in self.levels)

    @property
    def accept_length(self) -> float | None:
        """Mean accept length over the concurrencies; None if it was not measured."""
        found = [level.draft.accept_length.mean for level in self.levels if level.draft.accept_length is not None]
        return math.fsum(found) / len(found) if found else None


def read_report(text: str, *, place: str) -> Report:
    """Return the report of a file.

    Args:
        text: Content of `report.json`.
        place: Where it was read, for messages.

    Raises:
        ConfigurationError: It is not such a report, or one of a newer version.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _refused(place, f"no JSON ({error})") from None
    if not isinstance(content, Mapping):
        raise _refused(place, "no JSON object")
    if content.get("schema") != SCHEMA:
        raise _refused(place, f"schema {content.get('schema')!r}, this version reads {SCHEMA}; update cdk-sglang")
    try:
        return _report(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _refused(place, f"{error!r} is missing or has another form") from None


def _refused(place: str, reason: str) -> ConfigurationError:
    return ConfigurationError([Problem(place, f"cannot be read as the report of a run: {reason}")])


def _report(content: Mapping[str, Any]) -> Report:
    gate = content["gate"]
    levels = sorted((_level(one) for one in gate["concurrency"]), key=lambda one: one.concurrency)
    if not levels:
        raise ValueError("gate.concurrency is empty")
    return Report(
        run=str(content["run"]),
        component=str(content["component"]),
        environment=str(content["environment"]),
        kind=str(content["kind"]),
        created=str(content["created"]),
        passed=content["verdict"] == "yes",
        reasons=tuple(map(str, content.get("reasons") or ())),
        levels=tuple(levels),
        min_speedup=float(gate["rule"]["min_speedup"]),
        max_ttft_regression=float(gate["rule"]["max_ttft_regression"]),
        workload=dict(gate.get("workload") or {}),
        draft=dict(content.get("draft") or {}),
        job=dict(content.get("job") or {}),
        dataset=dict(content.get("dataset") or {}),
        base=dict(content.get("base") or {}),
        jobs=tuple(one if isinstance(one, Mapping) else {"job": one} for one in gate.get("jobs") or ()),
        gate_usd=float(gate.get("usd") or 0.0),
        spent_usd=float(content.get("spent_usd") or 0.0),
        version_prefix=str((content.get("version") or {}).get("prefix") or ""),
    )


def _level(content: Mapping[str, Any]) -> Level:
    speedup, change = _figure(content["speedup"]), _figure(content["ttft_change"])
    if speedup is None or change is None:
        raise ValueError("speedup or ttft_change")
    base, draft = (_side(content[side]) for side in SIDES)
    return Level(concurrency=int(content["concurrency"]), base=base, draft=draft, speedup=speedup, ttft_change=change)


def _side(content: Mapping[str, Any]) -> Side:
    return Side(**{name: _figure(content.get(name)) for name in Side.__dataclass_fields__})


def _figure(content: object) -> Figure | None:
    """Return a figure, which may be a bare number where nobody counted repeats."""
    if content is None:
        return None
    if isinstance(content, int | float):
        return Figure(mean=float(content), low=None, high=None)
    if not isinstance(content, Mapping):
        raise TypeError(content)
    low, high = content.get("low"), content.get("high")
    mean = float(content["mean"])
    if not math.isfinite(mean):
        raise ValueError(f"mean {mean}")
    return Figure(mean=mean, low=None if low is None else float(low), high=None if high is None else float(high))
