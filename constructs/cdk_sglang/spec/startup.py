"""How long SageMaker waits for a new copy."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from cdk_sglang.tokens import OrToken
from cdk_sglang.validation import Spec

TIMEOUT_MAX_SECONDS: Final = 3600

_Seconds = Annotated[int, Field(ge=60, le=TIMEOUT_MAX_SECONDS), OrToken]
"""Bounds of StartupParameters of an inference component: botocore 1.44.5, sagemaker CreateInferenceComponent."""


class StartupTimeouts(Spec):
    """How long a new copy may take to start. Without this, both time-outs are derived from the size of the weights."""

    _noun = "startup"

    download_seconds: _Seconds
    """Maximum number of seconds for the download of the weights from S3."""
    health_check_seconds: _Seconds
    """Maximum number of seconds from the container's start to its first successful health check."""
