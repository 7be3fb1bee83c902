"""Metrics that CloudWatch queries with PromQL: SGLang's own, GPUs', and SageMaker's operations, from `data/series.csv`.

AWS's pages, its blog and its collector spell SGLang's names differently (`sglang:x`, `sglang_x`, CamelCase); a metric holds every spelling, and
`promql` renders queries that accept all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, TypeAlias, get_args

from cdk_sglang.hardware.tables import read_table

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Group: TypeAlias = Literal["engine", "gpu", "operations"]

_KINDS: Final[Mapping[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_GROUPS: Final[Mapping[str, Group]] = {group: group for group in get_args(Group)}

# https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-detailed-observability-promql.html (read 2026-11)
ENDPOINT: Final = "aws.sagemaker.endpoint.name"
VARIANT: Final = "aws.sagemaker.variant.name"
COMPONENT: Final = "aws.sagemaker.inference_component.name"
CONTAINER: Final = "aws.sagemaker.container.id"
INSTANCE: Final = "@resource.host.id"
INSTANCE_TYPE: Final = "@resource.host.type"
GPU: Final = "gpu"
"""The DCGM exporter's own label of a GPU's index (https://github.com/NVIDIA/dcgm-exporter, read 2026-11); AWS's pages name none."""

ENGINE_LABELS: Final = ("model_name", "engine_type", "tp_rank", "pp_rank", "moe_ep_rank", "dp_rank", "priority")
"""SGLang's own labels (sglang 0.5.23 srt/observability/metrics_collector.py); those of ranks are the scheduler's alone."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A metric that PromQL reads.

    Attributes:
        group: Who publishes the metric.
        key: The project's name for its meaning.
        kind: Counter, gauge or histogram.
        unit: Unit of its values.
        names: Every spelling seen, the engine's own first; of a histogram the name without `_bucket`.
        labels: Labels in addition to SageMaker's.
        meaning: What the metric says, as a phrase.
        source: Where the name was read.
    """

    group: Group
    key: str
    kind: Kind
    unit: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    meaning: str
    source: str


@cache
def series() -> Mapping[str, Series]:
    """Return every metric by its key."""
    return {
        row["key"]: Series(
            group=_GROUPS[row["group"]],
            key=row["key"],
            kind=_KINDS[row["kind"]],
            unit=row["unit"],
            names=tuple(row["names"].split()),
            labels=tuple(row["labels"].split()),
            meaning=row["meaning"],
            source=row["source"],
        )
        for row in read_table(__file__, "series.csv")
    }
