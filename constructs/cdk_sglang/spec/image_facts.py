"""What serving images were built for: SGLang, CUDA and GPU generations, and the types of values that describe them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from cdk_sglang.checks import did_you_mean
from cdk_sglang.engine.rendering import ImageKind
from cdk_sglang.tokens import is_text_token

_DIGEST: Final = r"sha256:[0-9a-f]{64}"
_CUDA: Final = r"[0-9]+\.[0-9]+"
_AL2023_SGLANG: Final = "0.5.17"
"""SGLang version in `server-sagemaker-cuda-v1.3`, whose tag does not state it (docs/src/data/sglang-server, read 2026-08-21)."""


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What a serving image was built for; created by the specification of an image, which checks the values.

    Attributes:
        sglang_version: SGLang version in the image, such as "0.5.17".
        cuda: CUDA toolkit version of the image, such as "13.0"; it decides the driver, and so the inference AMI.
        compute_capabilities: GPU generations its kernels were compiled for ("9.0" is Hopper); None if unknown, which skips that check.
        kind: "dlc" for the entry script of AWS's container (one value per flag), "cdk-sglang" for this project's.
    """

    sglang_version: str
    cuda: str
    compute_capabilities: frozenset[str] | None
    kind: ImageKind


class SglangDlc(Enum):
    """Tags of AWS's SGLang deep learning container.

    Source: github.com/aws/deep-learning-containers, docs/src/data/sglang and sglang-server; 0.5.17 read 2026-08-21, the others 2026-11-30
    (commits b25eefe, e868478, 2a48521). A tag moves when AWS rebuilds the image (0.5.19 on 2026-09-08).
    """

    V0_5_17_UBUNTU = "0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker"
    """Built on lmsysorg/sglang; for every GPU family of SageMaker hosting."""

    V0_5_18_UBUNTU = "0.5.18-gpu-py312-cu130-ubuntu24.04-sagemaker"
    """Like V0_5_17_UBUNTU; published 2026-08-25."""

    V0_5_19_UBUNTU = "0.5.19-gpu-py312-cu130-ubuntu24.04-sagemaker"
    """Like V0_5_17_UBUNTU; published 2026-09-07."""

    V0_5_20_UBUNTU = "0.5.20-gpu-py312-cu130-ubuntu24.04-sagemaker"
    """Like V0_5_17_UBUNTU; published 2026-09-19."""

    V0_5_17_AL2023 = "server-sagemaker-cuda-v1.3"
    """Compiled only for Hopper and Blackwell data-centre GPUs: does not run on g5, g6, g6e, g7e and p4."""

    @property
    def facts(self) -> ImageFacts:
        """SGLang version, CUDA version and GPU generations of the tag."""
        hopper_and_blackwell = frozenset({"9.0", "10.0", "10.3"})
        # The Ubuntu images are upstream's own, whose kernels cover Ampere to Blackwell; their build arguments do not list them.
        return ImageFacts(
            sglang_version=_AL2023_SGLANG if self is SglangDlc.V0_5_17_AL2023 else self.value.partition("-")[0],
            cuda="13.0",
            compute_capabilities=hopper_and_blackwell if self is SglangDlc.V0_5_17_AL2023 else None,
            kind="dlc",
        )


def _digest(value: str) -> str:
    if not re.fullmatch(_DIGEST, value):
        raise ValueError(f"{value!r} is not a digest; use 'sha256:' and 64 hexadecimal digits")
    return value


def _digest_or_token(value: str) -> str:
    return value if is_text_token(value) else _digest(value)


def _cuda(value: str) -> str:
    if is_text_token(value):
        raise ValueError("must be known at synth, got a token; give a literal such as '13.0'")
    if not re.fullmatch(_CUDA, value):
        raise ValueError(f"{value!r} is not a CUDA version; use major.minor, such as '13.0'")
    return value


def _dlc_tag(value: str) -> str:
    tags = [tag.value for tag in SglangDlc]
    if value not in tags:
        raise ValueError(f"{value!r} is not allowed; {did_you_mean(value, tags)}")
    return value


Digest = Annotated[str, AfterValidator(_digest), WithJsonSchema({"type": "string", "pattern": f"^{_DIGEST}$"})]
"""Digest of an image."""
DigestOrToken = Annotated[str, AfterValidator(_digest_or_token)]
"""Digest of an image, or a token that is known only at deployment."""
Cuda = Annotated[str, AfterValidator(_cuda), WithJsonSchema({"type": "string", "pattern": f"^{_CUDA}$"})]
"""Version of a CUDA toolkit. It decides the AMI, so it must be known at synth."""
SglangVersion = Annotated[str, StringConstraints(min_length=1, max_length=40)]
"""SGLang release in an image."""
DlcTag = Annotated[
    str, AfterValidator(_dlc_tag), WithJsonSchema({"type": "string", "enum": [tag.value for tag in SglangDlc]})
]
"""Tag of AWS's own container."""
