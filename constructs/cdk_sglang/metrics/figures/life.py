"""Figures of life: start-up by phase, scaling operations, refused launches, days left of a reservation."""

from __future__ import annotations

import datetime as dt
from typing import Final

from cdk_sglang.metrics.classic import classic_metric, math
from cdk_sglang.metrics.figures.figure import DAY_SECONDS, Figure, line
from cdk_sglang.metrics.promql import Place, either, events, gauge, mean_of_events

DIRECTION: Final = "aws.sagemaker.scaling.direction"
OPERATION: Final = "aws.sagemaker.operation.type"

_PHASES: Final = (
    (
        "model_download_time",
        "Start-up: weights downloaded",
        "Longer than before: the weights grew, or lie in another Region; see the fast start guide.",
    ),
    (
        "container_start_time",
        "Start-up: container started",
        "Longer than before: the image grew or is pulled anew; keep the image and the instances.",
    ),
    (
        "gpu_load_time",
        "Start-up: weights loaded into GPUs",
        "Longer than before: the weights are read from a slower disk; see weights and fast start.",
    ),
    (
        "scaling_duration",
        "Start-up: scaling operation as a whole",
        "What the other phases do not explain is the wait for an instance; reserve capacity if it is long.",
    ),
)


def startup_phases(place: Place, *, window: str = "1h") -> tuple[Figure, ...]:
    """Return start-up by phase: SageMaker's phases and the engine's own.

    Args:
        place: Endpoint or component.
        window: Range whose start-ups are averaged.
    """
    platform = (
        Figure(
            key=f"startup_{key}",
            title=title,
            unit="seconds",
            advice=advice,
            query=_mean_of_event(key, place, window, labels=(DIRECTION,) if key == "scaling_duration" else ()),
            note="AWS does not document whether this is a histogram or a gauge; the query reads either.",
            labels=(DIRECTION,) if key == "scaling_duration" else (),
        )
        for key, title, advice in _PHASES
    )
    engine = (
        Figure(
            key=f"startup_{name}",
            title=title,
            unit="seconds",
            advice=advice,
            query=gauge(key, place, aggregate="max", labels=("phase",)),
            labels=("phase",),
        )
        for name, key, title, advice in (
            (
                "engine",
                "startup_time",
                "Start-up of the engine by phase",
                "One phase longer than before: see its lines in the component's log.",
            ),
            (
                "graphs",
                "graph_capture_time",
                "Capture of CUDA graphs by phase",
                "Long: capture fewer batch sizes (cuda_graph_max_bs), or keep compiled graphs.",
            ),
        )
    )
    return (*platform, *engine)


def _mean_of_event(key: str, place: Place, window: str, *, labels: tuple[str, ...]) -> str:
    """Return a mean, whether AWS publishes the metric as a histogram or as a gauge for each event."""
    return either(
        [
            mean_of_events(key, place, window=window, labels=labels),
            gauge(key, place, aggregate="avg", labels=labels, over=f"avg_over_time[{window}]"),
        ]
    )


def scaling_events(place: Place, *, window: str = "1h") -> Figure:
    """Return the scaling operations in a window, by direction and type.

    What made Application Auto Scaling act is no metric: it is in the cause of each scaling activity.

    Args:
        place: Endpoint or component.
        window: Window.
    """
    labels = (DIRECTION, OPERATION)
    return Figure(
        key="scaling_events",
        title=f"Scaling operations ({window})",
        unit="operations",
        advice="Up and down within minutes: lengthen scale_in's cooldown, or raise min_copies; the activity's cause says why.",
        query=events("scaling_duration", place, window=window, labels=labels),
        labels=labels,
    )


def _counted(key: str, metric: str, title: str, advice: str, *, place: Place, window: str) -> Figure:
    return Figure(
        key=key, title=f"{title} ({window})", unit="count", advice=advice, query=events(metric, place, window=window)
    )


def launches_refused(place: Place, *, window: str = "1h") -> Figure:
    """Return the instance launches that AWS refused for lack of capacity in a window."""
    advice = (
        "Above zero: add instance types to the pool, another availability zone, or reserve capacity (docs/capacity.md)."
    )
    figure = _counted("launches_refused", "ice_count", "Instance launches refused", advice, place=place, window=window)
    refused = classic_metric("NoCapacityInvocationFailures", place)
    return Figure(
        key=figure.key,
        title=figure.title,
        unit=figure.unit,
        advice=advice,
        query=figure.query,
        classic=math("refused", {"refused": refused}, label="Requests that found no copy to run on"),
    )


def copies_moved(place: Place, *, window: str = "1h") -> Figure:
    """Return the copies that SageMaker moved to other instances in a window."""
    advice = (
        "Often: copies are packed anew after scale-in; each move starts a copy, so keep min_copies above 1 meanwhile."
    )
    return _counted("copies_moved", "ic_copy_moved", "Copies moved", advice, place=place, window=window)


def instances_released(place: Place, *, window: str = "1h") -> Figure:
    """Return the instances that were given back in a window."""
    advice = "None after load has ended: copies hold instances; see rebalancing blocked and min_instances."
    return _counted(
        "instances_released", "instances_released", "Instances given back", advice, place=place, window=window
    )


def rebalancings_blocked(place: Place, *, window: str = "1h") -> Figure:
    """Return the rebalancings that could not be done in a window."""
    advice = "Above zero: a half-empty instance stays paid for; leave room for a copy on the others."
    return _counted(
        "rebalancings_blocked", "rebalancing_blocked", "Rebalancings blocked", advice, place=place, window=window
    )


def reservation_days_left(place: Place, *, end: dt.datetime) -> Figure:
    """Return the days that are left of a capacity reservation.

    Args:
        place: Endpoint, whose metrics give the classic form its points in time.
        end: End of the reservation, with its time zone.
    """
    end_seconds = int(end.timestamp())
    return Figure(
        key="reservation_days_left",
        title="Days left of the reservation",
        unit="days",
        advice="Below 7: buy the next reservation, or move the endpoint to on-demand capacity (docs/capacity.md).",
        query=f"vector(({end_seconds} - time()) / {DAY_SECONDS})",
        classic=math(
            f"({end_seconds} - EPOCH(FILL(requests, 0))) / {DAY_SECONDS}",
            {"requests": classic_metric("Invocations", place)},
        ),
        bands=line("buy the next one", 7),
    )
