"""Finds the image processor of a model by the family that its `config.json` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cdk_sglang.models.images import (
    AreaLimits,
    FittingTiles,
    ImageInput,
    ImageRule,
    LongSide,
    NearestTiles,
    PatchBudget,
    PatchLimits,
    Rows,
    Windows,
)
from cdk_sglang.models.vision import number_of

Section = Mapping[str, Any]


def image_input(config: Section, text: Section) -> ImageInput | None:
    """Return how a model takes images; None for a text-only model.

    Args:
        config: The whole `config.json`.
        text: Its text model's section, with `vision_config` of the whole.
    """
    section = text.get("vision_config")
    vision = section if isinstance(section, dict) else None
    kinds = tuple(str(part.get("model_type") or "") for part in (config, text, vision or {}))
    if vision is None and not (text.get("vision_parameters") and _is(kinds, *_ROWS)):
        return None
    vision = vision or {}
    return ImageInput(
        rule=_rule(kinds, config, vision),
        layers=number_of(vision, "depth", "num_hidden_layers", "vt_num_hidden_layers", "layers"),
        width=number_of(vision, "hidden_size", "vt_hidden_size", "width"),
    )


_ROWS = ("mistral3", "ministral3", "pixtral")


def _is(kinds: tuple[str, ...], *beginnings: str) -> bool:
    return any(kind.startswith(beginnings) for kind in kinds)


def _rule(kinds: tuple[str, ...], config: Section, vision: Section) -> ImageRule | None:
    """Return the rule of a family of models; None if its processor was not read."""
    found = next((rule for beginnings, rule in _FAMILIES.items() if _is(kinds, *beginnings)), None)
    return None if found is None else found(config, vision)


def _area(patch: int, least_pixels: int, most_pixels: int) -> Callable[[Section, Section], ImageRule]:
    """Return the rule of a family whose limits are in the `preprocessor_config.json` of its checkpoints."""

    def rule(_config: Section, vision: Section) -> ImageRule:
        return AreaLimits(
            patch=number_of(vision, "patch_size") or patch,
            merge=number_of(vision, "spatial_merge_size") or 2,
            least_pixels=least_pixels,
            most_pixels=most_pixels,
        )

    return rule


def _internvl(config: Section, vision: Section) -> ImageRule:
    side = number_of(config, "force_image_size") or number_of(vision, "image_size") or 448
    patches = (side // (number_of(vision, "patch_size") or 14)) ** 2
    tokens = int(patches * float(config.get("downsample_ratio") or 0.5) ** 2)
    return NearestTiles(tokens=tokens, patches=patches, most_tiles=12)


def _rows(patch: int, merge: int, long_side: int) -> Callable[[Section, Section], ImageRule]:
    """Return a family's rule with transformers' defaults of its `vision_config`."""

    def rule(config: Section, vision: Section) -> ImageRule:
        return Rows(
            patch=number_of(vision, "patch_size") or patch,
            merge=number_of(config, "spatial_merge_size") or number_of(vision, "spatial_merge_size") or merge,
            long_side=number_of(vision, "image_size") or long_side,
        )

    return rule


def _kimi(_config: Section, vision: Section) -> ImageRule | None:
    """Return Kimi-K2.5's rule; in some of its checkpoints the text model has DeepSeek's type."""
    if "vt_hidden_size" not in vision:
        return None
    patch = number_of(vision, "patch_size") or 14
    return PatchLimits(patch=patch, merge=2, most_patches=16_384, most_per_side=512)


_FAMILIES: Final[Mapping[tuple[str, ...], Callable[[Section, Section], ImageRule | None]]] = {
    ("qwen3_vl", "qwen3_5"): _area(patch=16, least_pixels=65_536, most_pixels=16_777_216),
    ("qwen2_vl", "qwen2_5_vl"): _area(patch=14, least_pixels=3_136, most_pixels=12_845_056),
    ("gemma3",): lambda config, _: NearestTiles(
        tokens=number_of(config, "mm_tokens_per_image") or 256, patches=4096, most_tiles=1
    ),
    ("gemma4",): lambda _, vision: PatchBudget(patch=number_of(vision, "patch_size") or 16, merge=3, most_tokens=280),
    ("llama4",): lambda *_: FittingTiles(tile=336, tokens=144, patches=576, most_tiles=16),
    ("internvl_chat",): _internvl,
    ("minimax_m3",): lambda _, vision: LongSide(
        patch=number_of(vision, "patch_size") or 14, merge=2, long_side=2016, short_side=112
    ),
    ("step3p7",): lambda *_: Windows(),
    ("mistral3", "ministral3"): _rows(patch=14, merge=2, long_side=1540),
    ("pixtral",): _rows(patch=16, merge=1, long_side=1024),
    ("kimi_k2", "deepseek_v3"): _kimi,
}
"""Rules by prefixes of `model_type`; the first match applies."""
