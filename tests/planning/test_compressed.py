"""Models whose cache does not follow from heads: DeepSeek-V4's compressed attention and Kimi-K3's delta attention."""

from __future__ import annotations

import pytest

from cdk_sglang.hardware import Gpu
from cdk_sglang.models import catalogue
from cdk_sglang.planning import Parallelism, plan_memory
from cdk_sglang.planning.parallel import kv_bytes_per_token
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.rows import read_question


@pytest.mark.parametrize(
    ("model", "kilobytes"),
    # SGLang 0.5.23 (pool_configurator.py) with the layers of the config, per token and GPU, without what each request keeps
    [("deepseek-ai/DeepSeek-V4-Flash", 7.05), ("deepseek-ai/DeepSeek-V4-Pro", 10.06)],
)
def test_compressed_attention_keeps_what_the_engine_sizes_for_it_on_each_gpu(model: str, kilobytes: float) -> None:
    sizes = [kv_bytes_per_token(catalogue(model).architecture, Parallelism(gpus=n)).all_layers / 1000 for n in (1, 8)]
    assert sizes == [pytest.approx(kilobytes, rel=0.015)] * 2


@pytest.mark.parametrize(
    ("model", "gpu", "fits"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", "H200-SXM-141GB", True),
        ("deepseek-ai/DeepSeek-V4-Pro", "H200-SXM-141GB", True),
        ("sgl-project/DeepSeek-V4-Pro-FP8", "H200-SXM-141GB", False),
        ("moonshotai/Kimi-K3", "B200-SXM-180GB", False),
        ("moonshotai/Kimi-K3", "B300-SXM-288GB", True),
    ],
)
def test_they_fit_where_their_makers_serve_them(model: str, gpu: str, fits: bool) -> None:
    row = {"model": model, "gpu": gpu, "tp": "8", "engine": "sglang", "concurrency": "8", "isl": "8000", "osl": "500"}
    (found,) = answer([read_question(row)])
    assert found.fits == fits
    assert found.tpot_ms is not None


def test_delta_attention_keeps_a_state_for_each_request_and_latents_of_the_other_layers() -> None:
    model = catalogue("moonshotai/Kimi-K3").architecture
    assert (model.full_layers, model.linear_layers) == (24, 69)
    memory = plan_memory(model, Gpu.of("B300-SXM-288GB"), Parallelism(gpus=8))
    assert memory.bytes_per_token == 24 * 576 * 2
    assert memory.kv.state_per_request == pytest.approx(69 * (96 * 128 * 128 * 4 + 3 * 96 * 128 * 3 * 2) / 8)
