"""Other instance types for a component: the cheapest that are fast enough."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.planning.fits import fitting_splits, whole_instances
from cdk_sglang.planning.fleet_plan import Alternative
from cdk_sglang.planning.measured_calibration import fitted_of
from cdk_sglang.planning.pools import cache_format
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.price import TokenPrices, copy_usd_per_hour, token_prices
from cdk_sglang.planning.rows import Question
from cdk_sglang.planning.splits import context_of

if TYPE_CHECKING:
    from cdk_sglang.hardware import PriceTable
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import Parallelism
    from cdk_sglang.planning.predict import Answer
    from cdk_sglang.spec.slo import Slo

SUGGESTIONS = 3


def question(component: ComponentRequest, instance: GpuInstance, split: Parallelism, *, concurrency: float) -> Question:
    """Return the question for a component on an instance type: one replica with its share of the requests."""
    return Question(
        row_id=component.name,
        facts=component.facts,
        gpu=instance.gpu,
        split=dataclasses.replace(split, gpus=split.gpus // split.replicas, replicas=1),
        engine="sglang",
        engine_version=""
        if component.calibration is None
        else component.calibration.release(component.facts.id, instance.gpu.name, component.engine.version),
        kv_dtype=cache_format(component.facts.architecture, instance.gpu, component.kv_dtype),
        input_tokens=component.input_tokens,
        output_tokens=component.output_tokens,
        concurrency=concurrency / split.replicas,
        mem_fraction=component.mem_fraction,
        context_len=None,
        accept_len=component.accept_len,
        instance_gpus=instance.gpu_count,
        options=component.engine,
        speculation=component.speculation,
        arrivals=component.arrivals,
        encoder_tflop=component.encoder_tflop,
    )


def prices_of(component: ComponentRequest, prediction: Answer, *, usd_per_hour: float, gpus: int) -> TokenPrices | None:
    """Return the token prices of a copy with this number of GPUs at this price; None if there is no prediction."""
    rate = prediction.output_tok_s_per_gpu
    if rate is None or prediction.prompt_share is None:
        return None
    return token_prices(
        usd_per_hour=usd_per_hour,
        output_tok_s=rate.value * gpus,
        input_tokens=component.input_tokens,
        output_tokens=component.output_tokens,
        prompt_share=prediction.prompt_share if component.generates else 1.0,
    )


def cheapest_fast_enough(
    component: ComponentRequest, slo: Slo, context: float, region: str, prices: PriceTable | None
) -> tuple[Alternative, ...]:
    """Return the three cheapest (instance type, tp_size) pairs, by whole instances, whose predicted times meet the requested latency."""
    return _by_price(component, slo, context, region, prices)[:SUGGESTIONS]


def holding(
    component: ComponentRequest, region: str, prices: PriceTable | None, *, tp_size: int | None = None
) -> tuple[Alternative, ...]:
    """Return every instance type that a component fits on, each with its cheapest tp_size, cheapest first.

    Args:
        component: The component, with a load.
        region: AWS Region of the prices.
        prices: Prices that take precedence over the package's.
        tp_size: The only tensor-parallel size to consider; all by default.
    """
    assert component.slo is not None
    return _by_price(component, component.slo, context_of(component), region, prices, tp_size=tp_size)


def _by_price(
    component: ComponentRequest,
    slo: Slo,
    context: float,
    region: str,
    prices: PriceTable | None,
    *,
    tp_size: int | None = None,
) -> tuple[Alternative, ...]:
    """Return the instance types that a component fits on and that are fast enough, cheapest first, each with its cheapest tp_size.

    The cost is that of whole instances: as many as hold the minimum number of copies, at least one.
    """
    options = []
    for instance in GpuInstance.all():
        price = price_usd_per_hour(instance, region, table=prices)
        if price is None:
            continue
        splits = fitting_splits(component, instance, context)
        options += [(instance, split, price) for split in splits if tp_size in {None, split.tensor}]
    answers = answer(
        [question(component, i, s, concurrency=slo.at_concurrency) for i, s, _ in options],
        using=fitted_of(component.calibration),
    )
    fast_enough = []
    for (instance, split, price), prediction in zip(options, answers, strict=True):
        usd = copy_usd_per_hour(price, instance, split.gpus)
        tokens = prices_of(component, prediction, usd_per_hour=usd, gpus=split.gpus)
        if prediction.ttft_ms is None or prediction.tpot_ms is None or tokens is None:
            continue
        slow_first = slo.ttft_ms is not None and prediction.ttft_ms.value > slo.ttft_ms
        slow_next = slo.tpot_ms is not None and prediction.tpot_ms.value > slo.tpot_ms
        if slow_first or slow_next:
            continue
        fast_enough.append(
            Alternative(
                instance=instance.name,
                tp_size=split.tensor,
                ttft_ms=prediction.ttft_ms,
                tpot_ms=prediction.tpot_ms if component.generates else None,
                usd_per_hour_per_copy=usd,
                usd_per_hour=whole_instances(component.min_copies, instance, split.gpus) * price.usd_per_hour,
                usd_per_million_input_tokens=tokens.input,
                usd_per_million_output_tokens=tokens.output if component.generates else None,
            )
        )
    fast_enough.sort(key=lambda option: (option.usd_per_hour, option.usd_per_hour_per_copy, option.tp_size))
    distinct: list[Alternative] = []
    for option in fast_enough:
        if all(option.instance != kept.instance for kept in distinct):
            distinct.append(option)
    return tuple(distinct)
