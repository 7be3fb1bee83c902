"""Figures of copies and instances: how many run, and how many should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cdk_sglang.metrics.classic import Classic, classic_metric, math
from cdk_sglang.metrics.cloudwatch import SCALING
from cdk_sglang.metrics.figures.figure import Band, Figure, line
from cdk_sglang.metrics.promql import Place, distinct
from cdk_sglang.metrics.series import CONTAINER, INSTANCE, INSTANCE_TYPE

SCALING_REASONS: Final[Mapping[str, str]] = {
    "TargetTracking": "load against the target",
    "Alarm": "an alarm of a step policy",
    "ScheduledAction": "a schedule",
    "PredictiveScaling": "a forecast",
    "MinCapacity": "min_copies was raised",
    "MaxCapacity": "max_copies was lowered",
    "AlreadyAtMaxCapacity": "not: already at max_copies",
    "AlreadyAtMinCapacity": "not: already at min_copies",
    "NotScaled": "not: another reason",
    "Other": "another reason",
}
"""Reasons of scaling by their dimension's value, in words: those that the function publishes which samples costs."""

_WITH_TRAFFIC = "The classic form divides requests by requests per {one} and so needs traffic; PromQL counts what published within five minutes."


def copies_query(place: Place) -> str:
    """Return PromQL for the copies whose engine publishes: distinct containers."""
    return distinct("running_requests", (CONTAINER, INSTANCE), place)


def instances_query(place: Place, *, by_type: bool = False) -> str:
    """Return PromQL for the instances whose GPUs publish: distinct hosts."""
    return distinct("gpu_utilization", (INSTANCE,), place, labels=(INSTANCE_TYPE,) if by_type else ())


def copies_running(place: Place, *, min_copies: int, max_copies: int) -> Figure:
    """Return the copies of a component that run, between the bounds of its scaling.

    The number that Application Auto Scaling wants at the moment is no metric of SageMaker (`copies_counted` reads the project's own); the
    bounds are what is always wanted.

    Args:
        place: Component.
        min_copies: Copies that always run.
        max_copies: Copies it may grow to.
    """
    return Figure(
        key="copies_running",
        title="Copies running",
        unit="copies",
        advice="Below the band: instances are unavailable or copies fail to start; look at refused launches and the component's log.",
        query=copies_query(place),
        classic=math(
            "requests / per_copy",
            {
                "requests": classic_metric("Invocations", place),
                "per_copy": classic_metric("InvocationsPerCopy", place),
            },
        ),
        bands=(Band(label="wanted", low=min_copies, high=max_copies),),
        note=_WITH_TRAFFIC.format(one="copy"),
    )


def copies_missing(place: Place, *, min_copies: int) -> Figure:
    """Return the copies that are missing to the fewest that should run; zero or less when none is.

    Args:
        place: Component.
        min_copies: Copies that always run.
    """
    return Figure(
        key="copies_missing",
        title="Copies missing",
        unit="copies",
        advice="Above zero: instances are unavailable or copies fail to start; look at refused launches and the component's log.",
        query=f"{min_copies} - (({copies_query(place)}) or vector(0))",
        bands=line("none", 0),
        note="Without any metric of the component all its copies count as missing, while CloudWatch's collector is late as well.",
    )


def instances_running(place: Place, *, most: int | None = None) -> Figure:
    """Return the instances of an endpoint that run.

    Args:
        place: Endpoint.
        most: Most instances that it may have; no line by default.
    """
    return Figure(
        key="instances_running",
        title="Instances running",
        unit="instances",
        advice="At the line with a queue: raise max_instances. High without load: copies hold instances; see scaling and placement.",
        query=instances_query(place),
        classic=math(
            "requests / per_instance",
            {
                "requests": classic_metric("Invocations", place),
                "per_instance": classic_metric("InvocationsPerInstance", place),
            },
        ),
        bands=line("most", None if most is None else float(most)),
        note=_WITH_TRAFFIC.format(one="instance"),
    )


def copies_counted(place: Place, *, period_seconds: int) -> tuple[Figure, Figure]:
    """Return the copies of a component that are wanted and that run, as SageMaker itself says at every sample of costs.

    Args:
        place: Component.
        period_seconds: Seconds between two samples.
    """
    advice = "Running below wanted for long: instances are unavailable or copies fail to start; look at refused launches and the component's log."
    target, running = (
        Figure(
            key=key,
            title=title,
            unit="copies",
            advice=advice,
            classic=_sampled(name, place, period_seconds, label=title),
        )
        for key, name, title in (
            ("copies_wanted", "CopiesWanted", "Copies wanted"),
            ("copies_counted", "CopiesRunning", "Copies running"),
        )
    )
    return target, running


def copies_short(place: Place, *, period_seconds: int) -> Classic | None:
    """Return metric math for the copies that are wanted and do not run.

    Args:
        place: Component.
        period_seconds: Seconds between two samples.
    """
    metrics = {
        key: classic_metric(name, place, namespace=SCALING, period_seconds=period_seconds)
        for key, name in (("wanted", "CopiesWanted"), ("running", "CopiesRunning"))
    }
    return math("wanted - running", metrics, period_seconds=period_seconds)


def scaling_decisions(place: Place, *, period_seconds: int) -> tuple[Figure, ...]:
    """Return what Application Auto Scaling decided of a component between two samples of costs, one figure for each reason.

    Args:
        place: Component.
        period_seconds: Seconds between two samples.
    """
    return tuple(
        Figure(
            key=f"scaling_{reason}",
            title=words,
            unit="decisions",
            advice="Often at its most: raise max_copies. Out and in again within minutes: see scaling.target and the cooldowns.",
            classic=_sampled("ScalingDecisions", place, period_seconds, label=words, further={"Reason": reason}),
        )
        for reason, words in SCALING_REASONS.items()
    )


def decisions_made(place: Place, *, period_seconds: int) -> Classic | None:
    """Return how many decisions were made of a component between two samples, whatever their reasons.

    Args:
        place: Component.
        period_seconds: Seconds between two samples.
    """
    return _sampled("ScalingDecisions", place, period_seconds, label="")


def _sampled(
    name: str, place: Place, period_seconds: int, *, label: str, further: Mapping[str, str] | None = None
) -> Classic | None:
    metric = classic_metric(name, place, namespace=SCALING, period_seconds=period_seconds, further=further)
    return math("metric", {"metric": metric}, period_seconds=period_seconds, label=label)
