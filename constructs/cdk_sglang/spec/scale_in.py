"""How instances leave an endpoint once copies need fewer."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from cdk_sglang.arguments import checked
from cdk_sglang.validation import Spec

_COOLDOWN_MINUTES: Final = 20
_STEP: Final = 1


class ScaleIn(Spec):
    """Which instances managed instance scaling gives back, how many at once, and how soon after the last change.

    Without it SageMaker decides; its last instances took about 25 minutes to leave in a field report (stdapi.ai#43, read 2026-11-21).
    """

    _noun = "scale_in"

    strategy: Literal["idle_release", "consolidation"]
    """`idle_release`: an instance leaves when no copy is on it; `consolidation`: copies are moved together first."""
    # Bounds: botocore 1.44.5, sagemaker CreateEndpointConfig, ManagedInstanceScaling.ScaleInPolicy.
    cooldown_minutes: int = Field(default=_COOLDOWN_MINUTES, ge=5, le=1440)
    """Minutes between two steps."""
    max_step: int = Field(default=_STEP, ge=1, le=100)
    """Instances that leave in one step."""

    @classmethod
    @checked()
    def idle_release(cls, *, cooldown_minutes: int = _COOLDOWN_MINUTES, max_step: int = _STEP) -> ScaleIn:
        """Give an instance back only when no copy is on it; no copy is ever moved.

        Args:
            cooldown_minutes: Minutes between two steps; 5 to 1440.
            max_step: Instances given back in one step; 1 to 100.

        Raises:
            ConfigurationError: A number is out of bounds.
        """
        return cls(strategy="idle_release", cooldown_minutes=cooldown_minutes, max_step=max_step)

    @classmethod
    @checked()
    def consolidation(cls, *, cooldown_minutes: int = _COOLDOWN_MINUTES, max_step: int = _STEP) -> ScaleIn:
        """Move copies together so that instances become free; a moved copy starts anew elsewhere first.

        Args:
            cooldown_minutes: Minutes since the last operation on the endpoint; 5 to 1440.
            max_step: Instances given back in one step; 1 to 100.

        Raises:
            ConfigurationError: A number is out of bounds.
        """
        return cls(strategy="consolidation", cooldown_minutes=cooldown_minutes, max_step=max_step)
