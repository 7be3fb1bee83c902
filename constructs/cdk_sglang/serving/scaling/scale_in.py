"""How instances leave an endpoint once copies need fewer: at once when empty, or after copies have moved together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared.tokens import is_token, token_problem

# botocore 1.44.5, sagemaker CreateEndpointConfig, ManagedInstanceScaling.ScaleInPolicy
COOLDOWN_MIN_MINUTES: Final = 5
COOLDOWN_MAX_MINUTES: Final = 1440
COOLDOWN_DEFAULT_MINUTES: Final = 20
STEP_MIN: Final = 1
STEP_MAX: Final = 100


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ScaleIn:
    """Which instances managed scaling gives back, how many at once, and how soon after the last change.

    Make one with `idle_release` or `consolidation`. Without one SageMaker decides; its tail was about 25 minutes in a field
    report (stdapi.ai#43, read 2026-11-21).

    Args:
        strategy: IDLE_RELEASE gives back empty instances; CONSOLIDATION moves copies together first.
        cooldown_minutes: Minutes after the last change before an instance is given back.
        max_step: Most instances that are given back at once.
    """

    strategy: Literal["IDLE_RELEASE", "CONSOLIDATION"]
    cooldown_minutes: int = COOLDOWN_DEFAULT_MINUTES
    max_step: int = STEP_MIN

    def __post_init__(self) -> None:
        bounds = {
            "cooldown_minutes": (self.cooldown_minutes, COOLDOWN_MIN_MINUTES, COOLDOWN_MAX_MINUTES),
            "max_step": (self.max_step, STEP_MIN, STEP_MAX),
        }
        raise_if_any(
            token_problem(f"scale_in.{name}", "the number itself")
            if is_token(value)
            else Problem(f"scale_in.{name}", f"{value} is not allowed; use {low} to {high}")
            for name, (value, low, high) in bounds.items()
            if is_token(value) or not low <= value <= high
        )

    @staticmethod
    @checked()
    def idle_release(*, cooldown_minutes: int = COOLDOWN_DEFAULT_MINUTES, max_step: int = STEP_MIN) -> ScaleIn:
        """Give an instance back only when no copy is on it; no copy is ever moved.

        Args:
            cooldown_minutes: Between two steps; 5 to 1440.
            max_step: Instances given back in one step; 1 to 100.

        Raises:
            ConfigurationError: A number is out of bounds.
        """
        return ScaleIn(strategy="IDLE_RELEASE", cooldown_minutes=cooldown_minutes, max_step=max_step)

    @staticmethod
    @checked()
    def consolidation(*, cooldown_minutes: int = COOLDOWN_DEFAULT_MINUTES, max_step: int = STEP_MIN) -> ScaleIn:
        """Move copies together so that instances become free; a moved copy starts anew elsewhere first.

        Args:
            cooldown_minutes: Since the last operation on the endpoint; 5 to 1440.
            max_step: Instances given back in one step; 1 to 100.

        Raises:
            ConfigurationError: A number is out of bounds.
        """
        return ScaleIn(strategy="CONSOLIDATION", cooldown_minutes=cooldown_minutes, max_step=max_step)
