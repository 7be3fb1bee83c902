"""What a plan offers where a component does not fit: on the same instance, cheapest first, each tried and priced; and by the bill."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EngineOptions
from cdk_sglang.planning.alternatives import cheapest_fast_enough
from cdk_sglang.planning.fits import nearest_fit, whole_instances
from cdk_sglang.planning.verdict import component_problems
from cdk_sglang.spec.slo import Slo


def component(model: str, tp_size: int | None, context: int, **options: object) -> ComponentRequest:
    """One copy."""
    return ComponentRequest(name="c", facts=catalogue(model), tp_size=tp_size, context_length=context, **options)


def refusal(request: ComponentRequest, instance: GpuInstance) -> str:
    """Return the one problem."""
    (problem,) = component_problems(request, [instance], path="c", region="us-east-1")
    return problem


def test_remedies_on_the_same_instance_are_priced_and_come_before_another_one() -> None:
    problem = refusal(component("Qwen/Qwen3-32B", 1, 40_960), GpuInstance.P5_4XLARGE)
    assert problem.endswith(
        "; it fits here with mem_fraction_static: 0.91, or context_length: 15360, or model.id: Qwen/Qwen3-32B-FP8 (7.91 $/h per copy); "
        "nearest fit: ml.g7e.2xlarge with tp_size 1 (4.20 $/h)"
    )


@pytest.mark.parametrize(
    ("model", "instance", "tp_size", "context"),
    [
        ("Qwen/Qwen3-32B", GpuInstance.P5_4XLARGE, 1, 40_960),
        ("openai/gpt-oss-120b", GpuInstance.P5_4XLARGE, 1, 85_000),
        ("Qwen/Qwen3-32B", GpuInstance.G6E_12XLARGE, 1, 32_768),
        ("google/gemma-3-27b-it", GpuInstance.P5_4XLARGE, 1, 131_072),
        ("deepseek-ai/DeepSeek-R1", GpuInstance.G7E_48XLARGE, 8, 163_840),
        ("meta-llama/Llama-3.3-70B-Instruct", GpuInstance.P4D_24XLARGE, 4, 131_072),
        ("Qwen/Qwen3.5-27B", GpuInstance.P5_4XLARGE, 1, 262_144),
        ("meta-llama/Llama-3.1-8B-Instruct", GpuInstance.G5_XLARGE, 1, 131_072),
    ],
)
def test_every_remedy_makes_it_fit(model: str, instance: GpuInstance, tp_size: int, context: int) -> None:
    request = component(model, tp_size, context)
    problem = refusal(request, instance)
    advice = problem.split("; it fits here with ")[1].split("; nearest fit")[0]
    remedies = re.split(r", or ", re.sub(r" \([^)]*\)", "", advice))
    assert remedies
    for remedy in remedies:
        changed = request
        for name, value in re.findall(r"([a-z_.]+): (\S+)", remedy):
            engine = changed.engine
            change: dict[str, Any] = {
                "chunked_prefill_size": lambda text, engine=engine: {
                    "engine": dataclasses.replace(engine, chunked_prefill_size=int(text))
                },
                "cuda_graph_max_bs": lambda text, engine=engine: {
                    "engine": dataclasses.replace(engine, cuda_graph_max_bs=int(text))
                },
                "mem_fraction_static": lambda text: {"mem_fraction": float(text)},
                "kv_cache_dtype": lambda _: {"kv_dtype": "fp8"},
                "context_length": lambda text: {"context_length": int(text)},
                "tp_size": lambda text: {"tp_size": int(text)},
                "model.id": lambda text: {"facts": catalogue(text)},
            }[name](value)
            changed = dataclasses.replace(changed, **change)
        assert component_problems(changed, [instance], path="c", region="us-east-1") == [], remedy


def test_options_that_make_it_fit_only_together_are_named_together() -> None:
    problem = refusal(component("deepseek-ai/DeepSeek-R1", 8, 163_840), GpuInstance.G7E_48XLARGE)
    assert re.search(
        r"; it fits here with mem_fraction_static: 0\.9\d and kv_cache_dtype: fp8_e4m3 \(41\.43 \$/h per copy\);",
        problem,
    )


def test_another_model_of_the_same_shape_is_no_remedy() -> None:
    request = component("meta-llama/Llama-3.1-8B-Instruct", 1, 131_072, engine=EngineOptions(version="0.5.23"))
    problem = refusal(request, GpuInstance.G5_XLARGE)
    assert "DeepSeek" not in problem
    assert "model.id: " not in problem or "Llama-3.1-8B-Instruct" in problem.split("model.id: ")[1]


def test_the_nearest_fit_costs_least_in_whole_instances() -> None:
    one, eight = (
        nearest_fit(component("Qwen/Qwen3-32B", None, 40_960, min_copies=n), 40_960, "us-east-1", None) for n in (1, 8)
    )
    assert one == "ml.g7e.2xlarge with tp_size 1 (4.20 $/h)"
    assert float(eight.split("(")[1].split(" ")[0].replace(",", "")) >= 4 * 4.2
    assert [whole_instances(copies, GpuInstance.P5_48XLARGE, 2) for copies in (0, 1, 4, 5)] == [1, 1, 1, 2]


def test_alternatives_are_ranked_by_what_is_paid_for_and_not_by_a_share_of_it() -> None:
    slo = Slo(tpot_ms=60, at_concurrency=8)
    found = cheapest_fast_enough(component("Qwen/Qwen3-32B", 1, 8192, slo=slo), slo, 8192, "us-east-1", None)
    assert found
    bills = [one.usd_per_hour for one in found]
    assert bills == sorted(bills)
    for one in found:
        price = price_usd_per_hour(GpuInstance.named(one.instance), "us-east-1")
        assert price is not None
        assert one.usd_per_hour == pytest.approx(price.usd_per_hour)  # one copy: one instance
