"""How instances are removed from an endpoint when copies need fewer."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from cdk_sglang.arguments import checked
from cdk_sglang.validation import Spec

_COOLDOWN_MINUTES: Final = 20
_STEP: Final = 1


class ScaleIn(Spec):
    """Which instances managed instance scaling removes, how many at once, and how soon after the last change.

    Without it SageMaker decides; in a field report, removing the last instances took about 25 minutes (stdapi.ai#43, read 2026-11-21).
    """

    _noun = "scale_in"

    strategy: Literal["idle_release", "consolidation"]
    """`idle_release`: an instance is removed when it has no copy; `consolidation`: copies are first moved together to free instances."""
    # Bounds: botocore 1.44.5, sagemaker CreateEndpointConfig, ManagedInstanceScaling.ScaleInPolicy.
    cooldown_minutes: int = Field(default=_COOLDOWN_MINUTES, ge=5, le=1440)
    """Minutes between two steps."""
    max_step: int = Field(default=_STEP, ge=1, le=100)
    """Maximum number of instances that are removed in one step."""

    @classmethod
    @checked()
    def idle_release(cls, *, cooldown_minutes: int = _COOLDOWN_MINUTES, max_step: int = _STEP) -> ScaleIn:
        """Remove an instance only when it has no copy; copies are never moved.

        Args:
            cooldown_minutes: Minutes between two steps; 5 to 1440.
            max_step: Maximum number of instances that are removed in one step; 1 to 100.

        Raises:
            ConfigurationError: A number is out of bounds.
        """
        return cls(strategy="idle_release", cooldown_minutes=cooldown_minutes, max_step=max_step)

    @classmethod
    @checked()
    def consolidation(cls, *, cooldown_minutes: int = _COOLDOWN_MINUTES, max_step: int = _STEP) -> ScaleIn:
        """Move copies together so that instances become free; a moved copy first starts on another instance.

        Args:
            cooldown_minutes: Minutes since the last operation on the endpoint; 5 to 1440.
            max_step: Maximum number of instances that are removed in one step; 1 to 100.

        Raises:
            ConfigurationError: A number is out of bounds.
        """
        return cls(strategy="consolidation", cooldown_minutes=cooldown_minutes, max_step=max_step)
