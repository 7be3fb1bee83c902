"""Tokens of images: the cases are what the processors' own functions returned, of SGLang 0.5.23 and transformers 5.19."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang.models import catalogue, read_config
from cdk_sglang.models.images import (
    AreaLimits,
    FittingTiles,
    ImageRule,
    LongSide,
    NearestTiles,
    PatchBudget,
    PatchLimits,
    Rows,
    Windows,
)
from tests.models.test_config import LLAMA_8B

SIZES = [(1080, 1920), (1024, 1024), (720, 1280), (360, 640), (2160, 3840), (64, 64)]


@pytest.mark.parametrize(
    ("rule", "tokens"),
    [
        # transformers' smart_resize with the limits of the checkpoints' preprocessor_config.json
        (AreaLimits(patch=16, merge=2, least_pixels=65_536, most_pixels=16_777_216), [2040, 1024, 880, 220, 8160, 64]),
        (AreaLimits(patch=14, merge=2, least_pixels=3_136, most_pixels=12_845_056), [2691, 1369, 1196, 299, 10549, 4]),
        # navit_resize_config of kimi_k25.py
        (PatchLimits(patch=14, merge=2, most_patches=16_384, most_per_side=512), [2691, 1369, 1196, 299, 4214, 9]),
        # _compute_aligned_size of minimax_m3_vl.py
        (LongSide(patch=14, merge=2, long_side=2016, short_side=112), [2691, 1369, 1196, 299, 2880, 16]),
        # get_aspect_ratio_preserving_size of transformers' gemma4
        (PatchBudget(patch=16, merge=3, most_tokens=280), [264, 256, 264, 264, 264, 256]),
        # get_num_image_tokens of step3_vl.py
        (Windows(), [836, 504, 670, 337, 2166, 171]),
        # dynamic_preprocess of internvl.py
        (NearestTiles(tokens=256, patches=1024, most_tiles=12), [2304, 2560, 2304, 2304, 2304, 2560]),
        # get_best_fit of transformers' llama4, and the tokens of its prompt
        (FittingTiles(tile=336, tokens=144, patches=576, most_tiles=16), [2319, 2464, 1884, 724, 2319, 144]),
        # _num_image_tokens of transformers' pixtral after pixtral.py's own limit
        (Rows(patch=14, merge=2, long_side=1540), [1736, 1406, 1222, 312, 1736, 12]),
        # transformers' Gemma3Config.mm_tokens_per_image
        (NearestTiles(tokens=256, patches=4096, most_tiles=1), [256] * 6),
    ],
)
def test_tokens_are_those_of_the_processor(rule: ImageRule, tokens: list[int]) -> None:
    assert [rule.size_of(height, width).tokens for height, width in SIZES] == tokens


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("Qwen/Qwen3-VL-8B-Instruct", 2040),
        ("Qwen/Qwen3.5-27B", 2040),
        ("google/gemma-3-27b-it", 256),
        ("google/gemma-4-31B-it", 264),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 2319),
        ("MiniMaxAI/MiniMax-M3", 2691),
        ("mistralai/Ministral-3-8B-Instruct-2512", 1736),
        ("nvidia/Kimi-K2.5-NVFP4", 2691),
        ("stepfun-ai/Step-3.7-Flash", 836),
        ("moonshotai/Kimi-K3", None),
    ],
)
def test_models_of_the_catalogue_have_their_familys_rule(model: str, tokens: int | None) -> None:
    images = catalogue(model).architecture.images
    assert images is not None
    assert (None if images.rule is None else images.rule.size_of(1080, 1920).tokens) == tokens


def test_models_of_text_take_no_images() -> None:
    for model in ("Qwen/Qwen3-8B", "deepseek-ai/DeepSeek-R1", "google/gemma-2-9b-it"):
        assert catalogue(model).architecture.images is None


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({**LLAMA_8B, "model_type": "qwen2_5_vl", "vision_config": {"patch_size": 14, "spatial_merge_size": 2}}, 2691),
        (
            {
                "model_type": "internvl_chat",
                "llm_config": LLAMA_8B,
                "force_image_size": 448,
                "downsample_ratio": 0.5,
                "vision_config": {"image_size": 448, "patch_size": 14, "num_hidden_layers": 24, "hidden_size": 1024},
            },
            2304,
        ),
        ({"model_type": "gemma3", "text_config": LLAMA_8B, "mm_tokens_per_image": 64, "vision_config": {}}, 64),
        (
            {
                "model_type": "llava",
                "text_config": LLAMA_8B,
                "vision_config": {"model_type": "pixtral", "image_size": 1024},
            },
            36 * 65,
        ),
        ({"model_type": "some_vl", "text_config": LLAMA_8B, "vision_config": {"patch_size": 14}}, None),
    ],
)
def test_a_config_of_the_users_own_is_read_by_its_family(config: dict[str, Any], tokens: int | None) -> None:
    images = read_config(config).images
    assert images is not None
    assert (None if images.rule is None else images.rule.size_of(1080, 1920).tokens) == tokens
