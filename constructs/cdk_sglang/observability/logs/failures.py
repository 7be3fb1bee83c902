"""Failures of the engine and the GPUs as they read in a container's log: the terms that each failure is known by, from `data/failures.csv`.

A term is one or more whole words of a real text, so that it matches whether CloudWatch compares words or substrings: its documentation shows
whole words only (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html, read 2026-11).

The kernel's log, where NVIDIA's driver writes "NVRM: Xid", is not part of a container's log: `GpuXid` counts the texts by which the same
faults reach the container, those of the CUDA runtime, of NVML and of the container's own check of its GPUs. No GPU was at hand to see them:
CUDA's are those of NVIDIA's documentation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cdk_sglang.hardware.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Term:
    """A text by which a failure is known.

    Attributes:
        text: The words.
        example: A line of a log that has them.
        source: Where the line comes from.
    """

    text: str
    example: str
    source: str


@dataclass(frozen=True, kw_only=True)
class EngineFailure:
    """A failure that is counted.

    Attributes:
        metric: Name of its CloudWatch metric.
        terms: Texts by which it is known.
    """

    metric: str
    terms: tuple[Term, ...]

    @property
    def pattern(self) -> str:
        """The filter pattern of CloudWatch Logs: any of the terms, with the case they are written in."""
        return " ".join(f"?{json.dumps(term.text)}" for term in self.terms)


@cache
def engine_failures() -> Mapping[str, EngineFailure]:
    """Return every failure by the name of its metric."""
    terms: dict[str, list[Term]] = {}
    for row in read_table(__file__, "failures.csv"):
        term = Term(text=row["term"], example=row["example"], source=row["source"])
        terms.setdefault(row["metric"], []).append(term)
    return {metric: EngineFailure(metric=metric, terms=tuple(known)) for metric, known in terms.items()}


def failure_namespace(endpoint_name: str) -> str:
    """Return the CloudWatch namespace of an endpoint's failures.

    Args:
        endpoint_name: Name of the endpoint in SageMaker.
    """
    return f"cdk-sglang/{endpoint_name}"
