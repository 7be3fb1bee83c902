"""Dollars per million tokens: one definition, whoever shows them."""

from __future__ import annotations

import csv
import html
import io

import pytest

from cdk_sglang.cli.predict import predict_table
from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentPlan, ComponentRequest, EndpointRequest, FleetRequest, Slo, plan_fleet
from cdk_sglang.planning.page import plan_html
from cdk_sglang.planning.price import PER_MILLION_MEANS, copy_usd_per_hour, token_prices

P5EN = GpuInstance.P5EN_48XLARGE
HOUR = 72.795
"""Dollars of an ml.p5en.48xlarge with its 8 GPUs (us-east-2, hardware/data/prices.csv)."""


def request(model: str, gpus: int, **changes: object) -> FleetRequest:
    options = {"tp_size": gpus, "context_length": 16384, "min_copies": 1, "max_copies": 1} | changes
    component = ComponentRequest(name="c", facts=catalogue(model), **options)
    endpoint = EndpointRequest(name="e", instances=(P5EN,), components=(component,))
    return FleetRequest(environment="test", region="us-east-2", endpoints=(endpoint,))


def planned(model: str, gpus: int, **changes: object) -> ComponentPlan:
    (component,) = plan_fleet(request(model, gpus, **changes)).endpoints[0].components
    return component


@pytest.mark.parametrize(
    ("gpus", "usd_per_hour", "usd_in", "usd_out"),
    [
        # An instance of 8 GPUs at 72 $/h; a copy makes 1000 output tokens/s, 3.6 million an hour, for prompts of 1024 and answers of
        # 256: four input tokens for each, 14.4 million an hour. A quarter of the time goes to prompts.
        # 1 GPU: 9 $/h. In: 9 x 0.25 / 14.4 = 0.15625. Out: 9 x 0.75 / 3.6 = 1.875.
        (1, 9, 0.15625, 1.875),
        # 2 GPUs: 18 $/h. In: 18 x 0.25 / 14.4 = 0.3125. Out: 18 x 0.75 / 3.6 = 3.75.
        (2, 18, 0.3125, 3.75),
        # 4 GPUs: 36 $/h. In: 36 x 0.25 / 14.4 = 0.625. Out: 36 x 0.75 / 3.6 = 7.5.
        (4, 36, 0.625, 7.5),
        # 8 GPUs: 72 $/h. In: 72 x 0.25 / 14.4 = 1.25. Out: 72 x 0.75 / 3.6 = 15.
        (8, 72, 1.25, 15),
    ],
)
def test_tokens_cost_what_is_worked_out_by_hand(gpus: int, usd_per_hour: float, usd_in: float, usd_out: float) -> None:
    instance_price = price_usd_per_hour(P5EN, "us-east-2")
    assert instance_price is not None
    assert copy_usd_per_hour(instance_price, P5EN, gpus) == pytest.approx(usd_per_hour * HOUR / 72)
    found = token_prices(
        usd_per_hour=usd_per_hour, output_tok_s=1000, input_tokens=1024, output_tokens=256, prompt_share=0.25
    )
    assert (found.input, found.output) == pytest.approx((usd_in, usd_out))


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_the_tokens_of_an_hour_cost_what_the_copys_gpus_cost(gpus: int) -> None:
    copy = planned("Qwen/Qwen3-32B", gpus)
    assert copy.output_tok_s is not None
    assert copy.usd_per_million_input_tokens is not None
    assert copy.usd_per_million_output_tokens is not None
    millions_out = copy.output_tok_s.value * 3600 / 1e6
    millions_in = millions_out * 1024 / 256
    usd = millions_in * copy.usd_per_million_input_tokens + millions_out * copy.usd_per_million_output_tokens
    assert usd == pytest.approx(HOUR * gpus / 8)


def test_the_large_model_of_the_production_environment_costs_what_its_rate_says() -> None:
    copy = planned("Qwen/Qwen3-235B-A22B-FP8", 4, context_length=32768)
    assert copy.output_tok_s is not None
    assert copy.usd_per_million_output_tokens is not None
    # Half of the instance: 36.40 $/h. At 593 tokens/s an hour makes 2.13 million: 17.05 $ if output paid for all of it.
    all_of_it = HOUR / 2 / (copy.output_tok_s.value * 3600) * 1e6
    assert all_of_it == pytest.approx(17, abs=1.5)
    assert 0.7 * all_of_it < copy.usd_per_million_output_tokens < 0.85 * all_of_it


@pytest.mark.parametrize(("model", "gpus"), [("deepseek-ai/DeepSeek-R1", 8), ("Qwen/Qwen3-235B-A22B-FP8", 4)])
def test_the_plan_and_its_alternatives_say_the_same_of_the_same_thing(model: str, gpus: int) -> None:
    copy = planned(model, gpus, slo=Slo(tpot_ms=60, at_concurrency=32))
    if gpus == 8:
        (same,) = [other for other in copy.alternatives if (other.instance, other.tp_size) == (P5EN.name, gpus)]
    else:  # the plan finds a smaller copy on the same type: plan that one
        (other,) = [other for other in copy.alternatives if other.instance == P5EN.name]
        copy, same = planned(model, other.tp_size, slo=Slo(tpot_ms=60, at_concurrency=32)), other
    assert same.usd_per_million_input_tokens == pytest.approx(copy.usd_per_million_input_tokens)
    assert same.usd_per_million_output_tokens == pytest.approx(copy.usd_per_million_output_tokens)
    assert same.usd_per_hour_per_copy == pytest.approx(HOUR * copy.gpus / 8)


def test_a_prediction_and_a_plan_say_the_same_of_the_same_thing() -> None:
    copy = planned("Qwen/Qwen3-32B", 2)
    target = io.StringIO()
    row = "model,gpu,tp,isl,osl,concurrency,engine,arrivals\nQwen/Qwen3-32B,H200-SXM-141GB,2,1024,256,16,sglang,independent\n"
    predict_table(io.StringIO(row), target)
    (row_of_table,) = csv.DictReader(io.StringIO(target.getvalue()))
    # Its price is that of the cheapest instance with such GPUs, the plan's that of the one asked for: the same here.
    assert float(row_of_table["usd_per_million_input_tokens"]) == pytest.approx(
        copy.usd_per_million_input_tokens, rel=1e-3
    )
    assert float(row_of_table["usd_per_million_output_tokens"]) == pytest.approx(
        copy.usd_per_million_output_tokens, rel=1e-3
    )


def test_a_prompt_costs_something_where_no_other_request_is_there() -> None:
    alone = planned("Qwen/Qwen3-32B", 2, slo=Slo(availability_percent=99.9, at_concurrency=1))
    assert alone.usd_per_million_input_tokens is not None
    assert alone.usd_per_million_input_tokens > 0


def test_the_page_says_what_its_token_prices_mean() -> None:
    fleet = request("Qwen/Qwen3-32B", 2)
    page = html.unescape(plan_html(plan_fleet(fleet), fleet))
    assert PER_MILLION_MEANS in page
