"""The requests that callers are expected to send."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.kinds import matching
from cdk_sglang.validation import Spec

EXPECTED_INPUT_TOKENS: Final = 1024
EXPECTED_OUTPUT_TOKENS: Final = 256
"""Mean lengths of prompt and answer if unspecified, in tokens: the planner's own assumption."""

Arrivals = Literal["independent", "lockstep"]
ARRIVALS: Final[tuple[str, ...]] = get_args(Arrivals)
"""How requests arrive: independently, as from users, or all at once with equal lengths, as in a benchmark, so that they run in lockstep."""

IMAGES_MAX: Final = 1000
"""Not a limit of SGLang: a request with more images than this is assumed to be a unit mistake."""

IMAGE_PRESETS: Final = {"4k": (2160, 3840), "1080p": (1080, 1920), "720p": (720, 1280), "360p": (360, 640)}
"""Heights and widths by name, as in SGLang's benchmark (0.5.23, `--image-resolution` of benchmark/serving.py)."""

ImageResolution = Annotated[
    str,
    *matching(
        rf"({'|'.join(IMAGE_PRESETS)}|[1-9][0-9]{{0,4}}x[1-9][0-9]{{0,4}})",
        f"{', '.join(IMAGE_PRESETS)}, or height x width in pixels, such as 1080x1920",
    ),
]

Tokens = Annotated[float, Field(gt=0, le=10_000_000)]


class Load(Spec):
    """Requests that callers are expected to send; the plan and the scaling target follow from them."""

    _noun: ClassVar[str] = "load"

    input_tokens: Tokens = EXPECTED_INPUT_TOKENS
    """Mean number of tokens in a prompt, without those of images."""
    output_tokens: Tokens = EXPECTED_OUTPUT_TOKENS
    """Mean number of tokens in an answer."""
    arrivals: Arrivals = "independent"
    """How requests arrive: independently, or all at once and with equal lengths, as in many benchmarks."""
    images: float = Field(default=0, ge=0, le=IMAGES_MAX)
    """Mean number of images in a request, which an image encoder turns into tokens of the prompt; none by default."""
    image_resolution: ImageResolution = "1080p"
    """Size of an image: 4k, 1080p, 720p, 360p, or height x width in pixels, such as 1080x1920. The model's own image processor determines how many
    tokens it takes."""
    image_tokens: Tokens | None = None
    """Prompt tokens that one image takes, if the image processor is unknown or configured differently from the published model."""

    @model_validator(mode="after")
    def _of_images(self) -> Self:
        alone = [] if self.images else sorted(self.model_fields_set & {"image_resolution", "image_tokens"})
        raise_if_any(Problem(name, "goes with images; add images: 1, or leave it out") for name in alone)
        return self

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        preset = IMAGE_PRESETS.get(self.image_resolution)
        if preset is not None:
            return preset
        height, _, width = self.image_resolution.partition("x")
        return int(height), int(width)
