"""Predicted latency and throughput of a component by the number of requests in flight, for the HTML page of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.planning.alternatives import question
from cdk_sglang.planning.measured_calibration import fitted_of
from cdk_sglang.planning.predict import answer

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.predict import Band

CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Latency and throughput of one copy at each of `CONCURRENCIES`."""

    ttft_ms: tuple[Band, ...]
    tpot_ms: tuple[Band, ...]
    output_tok_s: tuple[Band, ...]


def curve(component: ComponentRequest, instance: GpuInstance, gpus: int) -> Curve | None:
    """Return the curve of a component on an instance type; None if its times cannot be predicted at every concurrency."""
    split = component.split(gpus)
    answers = answer(
        [question(component, instance, split, concurrency=float(c)) for c in CONCURRENCIES],
        using=fitted_of(component.calibration),
    )
    found = [(a.ttft_ms, a.tpot_ms, a.output_tok_s_per_gpu) for a in answers if a.fits]
    bands = [(t, p, o) for t, p, o in found if t is not None and p is not None and o is not None]
    if len(bands) < len(CONCURRENCIES):
        return None
    return Curve(
        ttft_ms=tuple(t for t, _, _ in bands),
        tpot_ms=tuple(p for _, p, _ in bands),
        output_tok_s=tuple(type(o)(value=o.value * gpus, low=o.low * gpus, high=o.high * gpus) for _, _, o in bands),
    )
