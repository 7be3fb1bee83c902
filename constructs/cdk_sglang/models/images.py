"""Number of prompt tokens of an image, by the rules of each model's own image processor.

Each rule follows the processor that SGLang 0.5.23 runs (srt/multimodal/processors) and, where that one calls the checkpoint's processor,
the one of transformers 5.19 with the limits of the published `preprocessor_config.json`. Tokens that stand for an image and divide its rows and tiles are
counted; the one to three that begin and end an image in a chat template are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class ImageSize:
    """Size of one image in the prompt and in the encoder.

    Attributes:
        tokens: Tokens in the prompt.
        patches: Patches that pass through the encoder.
    """

    tokens: int
    patches: int


class ImageRule(Protocol):
    """A processor's rule."""

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """How a model takes images.

    Attributes:
        rule: Its processor's rule; None if it was not read.
        layers: Number of layers of the encoder; 0 if unknown.
        width: Width of the encoder; 0 if unknown.
    """

    rule: ImageRule | None = None
    layers: int = 0
    width: int = 0


@dataclass(frozen=True, kw_only=True)
class AreaLimits:
    """Sides become multiples of merged patches, within an area (Qwen: `smart_resize` of srt/multimodal/processors/qwen_vl.py)."""

    patch: int
    merge: int
    least_pixels: int
    most_pixels: int

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""
        factor = self.patch * self.merge
        rows, columns = max(1, round(height / factor)), max(1, round(width / factor))
        if rows * columns * factor**2 > self.most_pixels:
            scale = math.sqrt(height * width / self.most_pixels)
            rows, columns = (max(1, math.floor(side / scale / factor)) for side in (height, width))
        elif rows * columns * factor**2 < self.least_pixels:
            scale = math.sqrt(self.least_pixels / (height * width))
            rows, columns = (math.ceil(side * scale / factor) for side in (height, width))
        return ImageSize(tokens=rows * columns, patches=rows * columns * self.merge**2)


@dataclass(frozen=True, kw_only=True)
class PatchLimits:
    """Images are scaled down to a maximum number of patches, and padded to whole merged patches (Kimi: `navit_resize_config` of kimi_k25.py)."""

    patch: int
    merge: int
    most_patches: int
    most_per_side: int

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""
        side = self.most_per_side * self.patch
        held = max(1.0, width // self.patch) * max(1.0, height // self.patch)
        scale = min(1.0, math.sqrt(self.most_patches / held), side / width, side / height)
        factor = self.patch * self.merge
        rows, columns = (
            math.ceil(min(max(1, int(pixels * scale)), side) / factor) for pixels in (height, width)
        )  # padded to whole ones
        return ImageSize(tokens=rows * columns, patches=rows * columns * self.merge**2)


@dataclass(frozen=True, kw_only=True)
class LongSide:
    """The long side is scaled down to a maximum, or a short side up to a minimum (MiniMax-M3: `_compute_aligned_size` of minimax_m3_vl.py)."""

    patch: int
    merge: int
    long_side: int
    short_side: int

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""
        factor, longest, shortest = self.patch * self.merge, max(height, width), min(height, width)
        limit = self.long_side - self.long_side % factor
        scale = 1.0
        if longest > limit:
            scale = limit / longest
        elif shortest < self.short_side:
            scale = min(self.short_side / shortest, limit / longest)
        rows, columns = (max(1, round(side * scale / factor)) for side in (height, width))
        return ImageSize(tokens=rows * columns, patches=rows * columns * self.merge**2)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The long side is scaled down to a maximum; each row of merged patches ends with a token (Pixtral, Mistral 3: pixtral.py)."""

    patch: int
    merge: int
    long_side: int

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""
        factor, scale = self.patch * self.merge, max(1.0, height / self.long_side, width / self.long_side)
        rows, columns = ((math.floor(side / scale) - 1) // factor + 1 for side in (height, width))
        return ImageSize(tokens=rows * (columns + 1), patches=rows * columns * self.merge**2)


@dataclass(frozen=True, kw_only=True)
class PatchBudget:
    """Images are scaled to the largest size within a number of patches (Gemma 4: transformers `get_aspect_ratio_preserving_size`)."""

    patch: int
    merge: int
    most_tokens: int

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""
        factor = self.patch * self.merge
        scale = math.sqrt(self.most_tokens * factor**2 / (height * width))
        rows, columns = (math.floor(side * scale / factor) for side in (height, width))
        if rows == 0 or columns == 0:
            rows, columns = 1, min(max(height, width) // min(height, width), self.most_tokens)
        return ImageSize(tokens=rows * columns, patches=rows * columns * self.merge**2)


@dataclass(frozen=True, kw_only=True)
class NearestTiles:
    """The grid of tiles with the nearest aspect ratio, plus the whole image (InternVL: `dynamic_preprocess` of internvl.py).

    With one tile at most, every image is scaled to the same square (Gemma 3, whose pan and scan is off by default).
    """

    tokens: int
    patches: int
    most_tiles: int

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""
        grids = sorted(_grids(self.most_tiles), key=lambda grid: grid[0] * grid[1])
        nearest = min(abs(width / height - columns / rows) for columns, rows in grids)
        tiles = max(
            columns * rows for columns, rows in grids if abs(width / height - columns / rows) == nearest
        )  # the more tiles
        count = tiles + 1 if tiles > 1 else 1
        return ImageSize(tokens=count * self.tokens, patches=count * self.patches)


@dataclass(frozen=True, kw_only=True)
class FittingTiles:
    """The smallest grid of tiles that holds the image, else the largest scale (Llama 4: transformers `get_best_fit`), plus the whole image."""

    tile: int
    tokens: int
    patches: int
    most_tiles: int

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""
        scales = {
            (rows, columns): min(rows * self.tile / height, columns * self.tile / width)
            for columns, rows in _grids(self.most_tiles)
        }
        larger = [scale for scale in scales.values() if scale >= 1]
        chosen = min(larger) if larger else max(scales.values())
        rows, columns = min(
            (grid for grid, scale in scales.items() if scale == chosen), key=lambda grid: grid[0] * grid[1]
        )
        tiles = rows * columns
        count = tiles + 1 if tiles > 1 else 1
        separators = tiles if tiles > 1 else 0  # after each tile, across or down
        return ImageSize(tokens=count * self.tokens + separators, patches=count * self.patches)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The whole image, plus windows of it if it is large (Step 3.7: `ImagePatcher` and `get_num_image_tokens` of step3_vl.py)."""

    def size_of(self, height: int, width: int) -> ImageSize:
        """Return the size of an image with these pixel dimensions."""
        ratio = width / height
        if min(height, width) < _STEP_LEAST and not 1 / _STEP_NARROW <= ratio <= _STEP_NARROW:
            height = width = max(height, width)
        if max(height, width) > _STEP_MOST:
            scale = _STEP_MOST / max(height, width)
            height, width = int(height * scale), int(width * scale)
        longest, shortest = max(height, width), min(height, width)
        if longest <= _STEP_IMAGE:
            window = shortest if longest / shortest > _STEP_LONG else 0
        else:
            window = min(shortest, _STEP_WINDOW) if longest / shortest > _STEP_NARROW else _STEP_WINDOW
        count = newlines = 0
        if window:
            rows, columns = (_windows(side, window) for side in (height, width))
            count, newlines = rows * columns, rows - 1
        tokens = count * (_STEP_WINDOW_TOKENS + 2) + _STEP_IMAGE_TOKENS + 2 + newlines
        return ImageSize(
            tokens=tokens, patches=_STEP_PATCHES_PER_TOKEN * (count * _STEP_WINDOW_TOKENS + _STEP_IMAGE_TOKENS)
        )


# Sides in pixels, tokens and ratios of srt/multimodal/processors/step3_vl.py, SGLang 0.5.23 (read 2026-12).
_STEP_IMAGE, _STEP_WINDOW, _STEP_MOST, _STEP_LEAST = 728, 504, 3024, 32
_STEP_IMAGE_TOKENS, _STEP_WINDOW_TOKENS, _STEP_PATCHES_PER_TOKEN = 169, 81, 16
_STEP_NARROW, _STEP_LONG, _STEP_REST = 4, 1.5, 0.2


def _windows(side: int, window: int) -> int:
    """Return the number of windows that a side is cut into; a remainder of more than a fifth counts as one more."""
    if side < window:
        return 1
    return side // window + (side / window - side // window > _STEP_REST)


def _grids(most: int) -> list[tuple[int, int]]:
    return [(columns, rows) for columns in range(1, most + 1) for rows in range(1, most // columns + 1)]
