"""Parameters of an image encoder, counted from the `vision_config` of a checkpoint.

A block is four projections of attention and an MLP of two; the connector to the text model is counted where its keys are known. Norms,
biases and position tables (below 1 %) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def vision_parameters(section: Mapping[str, Any], hidden_size: int) -> float:
    """Return the parameters of the encoder and its connector; 0 if the section does not state its size.

    Args:
        section: `vision_config`.
        hidden_size: Width of the text model.
    """
    layers = number_of(section, "depth", "num_hidden_layers", "vt_num_hidden_layers", "layers")
    width = number_of(section, "hidden_size", "vt_hidden_size", "width")
    inner = number_of(section, "intermediate_size", "vt_intermediate_size") or round(
        width * float(section.get("mlp_ratio") or 0)
    )
    if not layers or not width or not inner:
        return 0.0
    attention = number_of(section, "qkv_hidden_size") or width
    blocks = layers * (4 * width * attention + 2 * width * inner)
    patch = number_of(section, "patch_size") ** 2 * 3 * (number_of(section, "temporal_patch_size") or 1) * width
    return float(blocks + patch + _connector(section, width, hidden_size))


def _connector(section: Mapping[str, Any], width: int, hidden_size: int) -> int:
    """Return the parameters between encoder and text model: two layers over merged patches, and the same again for each deep stack (Qwen)."""
    merge = section.get("merge_kernel_size")
    size = number_of(section, "spatial_merge_size") or (
        int(merge[0]) if isinstance(merge, list) and merge and isinstance(merge[0], int) else 0
    )
    if not size:
        return width * hidden_size
    merged = width * size**2
    out = number_of(section, "out_hidden_size", "text_hidden_size") or hidden_size
    stacks = section.get("deepstack_visual_indexes")
    return merged * (merged + out) * (1 + (len(stacks) if isinstance(stacks, list) else 0))


def number_of(section: Mapping[str, Any], *keys: str) -> int:
    """Return the value of the first key that is a whole number above 0; 0 if there is none."""
    for key in keys:
        value = section.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 0
