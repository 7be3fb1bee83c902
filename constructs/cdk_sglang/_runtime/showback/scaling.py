"""Desired and running copies, and what scaled them and why, as CloudWatch metrics: SageMaker and Application Auto Scaling publish none of these."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .samples import Sample

WINDOWS = 3
"""Number of windows that every run counts: either of the next two runs makes up for a missed run."""
PAGES = 20
"""Maximum number of pages read; each holds fifty decisions of the account's components."""
_PAGE = 50
_SERVICE = "sagemaker"
_KIND = "inference-component/"
_NOT_SCALED = ("AlreadyAtMaxCapacity", "AlreadyAtMinCapacity")
"""Codes for why a policy did not scale that have a reason of their own
(https://docs.aws.amazon.com/autoscaling/application/APIReference/API_NotScaledReason.html, read 2026-11)."""
_CAUSES = (
    ("policy TargetTracking", "TargetTracking"),
    ("alarm TargetTracking-", "TargetTracking"),
    ("triggered policy", "Alarm"),
    ("scheduled action", "ScheduledAction"),
    ("predictive", "PredictiveScaling"),
    ("minimum capacity", "MinCapacity"),
    ("min capacity", "MinCapacity"),
    ("maximum capacity", "MaxCapacity"),
    ("max capacity", "MaxCapacity"),
)
"""Text that a cause contains, and the reason it is counted as. AWS gives examples of causes, not a list
(https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html, read 2026-11)."""

REASONS = (*dict.fromkeys(reason for _, reason in _CAUSES), *_NOT_SCALED, "NotScaled", "Other")
"""Every reason that is published: a dimension must have few values."""

Datum = tuple[str, Mapping[str, str], float]


class TooManyPagesError(Exception):
    """More decisions were made than can be read in one run."""


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What scaled components in one window.

    Attributes:
        began: The window's beginning, a multiple of its length since 1970: two runs agree on it regardless of when they run.
        by_reason: Decisions by component and reason.
    """

    began: dt.datetime
    by_reason: Mapping[tuple[str, str], int]


def copies(sample: Sample, components: Collection[str]) -> Iterator[Datum]:
    """Yield desired and running copies of the components that were read.

    Args:
        sample: What the endpoints have now.
        components: Names of the components known to the stack.
    """
    for endpoint in sample.endpoints.values():
        for member in endpoint.members:
            if member.adapter or member.name not in components:
                continue
            place = {"InferenceComponentName": member.name}
            yield "CopiesRunning", place, float(sum(member.copies.values()))
            if member.target_copies is not None:
                yield "CopiesWanted", place, float(member.target_copies)


def reason(activity: Mapping[str, Any]) -> str:
    """Return the reason of a decision."""
    codes = [one.get("Code", "") for one in activity.get("NotScaledReasons") or ()]
    if codes:
        return next((code for code in codes if code in _NOT_SCALED), "NotScaled")
    cause = activity.get("Cause", "").lower()
    return next((name for part, name in _CAUSES if part.lower() in cause), "Other")


def decisions(
    scaling: Any,
    components: Collection[str],
    *,
    due: dt.datetime,
    seconds: int,
    seconds_left: Callable[[], float],
    enough: float,
) -> list[Decisions]:
    """Return what scaled components in the last completed windows; reading the same windows again gives the same counts, or later ones.

    Args:
        scaling: Client of Application Auto Scaling.
        components: Names of the components known to the stack.
        due: Scheduled time.
        seconds: Length of a window.
        seconds_left: Returns the remaining time.
        enough: Seconds that must remain after reading another page.

    Raises:
        TooManyPagesError: There are more pages than the limit, or than there is time for.
    """
    end = int(due.timestamp()) // seconds * seconds
    begins = [end - seconds * back for back in range(WINDOWS, 0, -1)]
    counts: dict[int, Counter[tuple[str, str]]] = {begin: Counter() for begin in begins}
    for activity in _since(scaling, begins[0], seconds_left=seconds_left, enough=enough):
        began = int(activity["StartTime"].timestamp()) // seconds * seconds
        resource = activity["ResourceId"]
        name = resource.removeprefix(_KIND)
        if began in counts and resource.startswith(_KIND) and name in components:
            counts[began][name, reason(activity)] += 1
    return [
        Decisions(began=dt.datetime.fromtimestamp(begin, tz=dt.UTC), by_reason=dict(found))
        for begin, found in counts.items()
    ]


def data(window: Decisions, components: Collection[str]) -> Iterator[Datum]:
    """Yield the decisions of a window: the number for every component, zero included, and the number by reason where there are any.

    Args:
        window: The window.
        components: Names of the components known to the stack.
    """
    totals = Counter[str]()
    for (name, _), count in window.by_reason.items():
        totals[name] += count
    for name in sorted(components):
        yield "ScalingDecisions", {"InferenceComponentName": name}, float(totals[name])
    for (name, why), count in sorted(window.by_reason.items()):
        yield "ScalingDecisions", {"InferenceComponentName": name, "Reason": why}, float(count)


def _since(
    scaling: Any, begin: int, *, seconds_left: Callable[[], float], enough: float
) -> Iterator[Mapping[str, Any]]:
    """Yield the decisions of the account's components, until a whole page is older than a given time: AWS returns six weeks, newest first."""
    request: dict[str, Any] = {
        "ServiceNamespace": _SERVICE,
        "IncludeNotScaledActivities": True,
        "MaxResults": _PAGE,
    }
    for _ in range(PAGES):
        if seconds_left() < enough:
            raise TooManyPagesError("no time is left for a further page")
        page = scaling.describe_scaling_activities(**request)
        found: Sequence[Mapping[str, Any]] = page["ScalingActivities"]
        yield from found
        if not page.get("NextToken") or (found and all(one["StartTime"].timestamp() < begin for one in found)):
            return
        request["NextToken"] = page["NextToken"]
    raise TooManyPagesError(f"more than {PAGES} pages of decisions in {WINDOWS} windows")
