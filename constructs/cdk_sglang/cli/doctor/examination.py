"""All checks of an environment, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdk_sglang.cli.doctor import (
    agent,
    hub,
    identity,
    images,
    keys,
    money,
    permissions,
    quotas,
    reservations,
    stacks,
    telemetry,
    weights,
    zones,
)
from cdk_sglang.cli.doctor.account import Account
from cdk_sglang.cli.doctor.check import Outcome, Result
from cdk_sglang.cli.doctor.run import LIMIT_SECONDS, run_checks
from cdk_sglang.environments.account_needs import Needs


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What all checks of an environment found.

    Attributes:
        environment: Name of the environment.
        region: AWS Region.
        results: What each check found, in order.
    """

    environment: str
    region: str
    results: tuple[Result, ...]

    def count(self, outcome: Outcome) -> int:
        """Return how many checks have an outcome."""
        return sum(result.finding.outcome is outcome for result in self.results)

    @property
    def failed(self) -> bool:
        """Whether a check failed."""
        return self.count(Outcome.FAILURE) > 0

    def as_json(self) -> dict[str, Any]:
        """Return the examination for `--json`."""
        return {
            "environment": self.environment,
            "region": self.region,
            "failed": self.failed,
            "counts": {outcome.value: self.count(outcome) for outcome in Outcome},
            "checks": [
                {
                    "name": result.name,
                    "outcome": result.finding.outcome.value,
                    "text": result.finding.text,
                    "next_step": result.finding.next_step or None,
                }
                for result in self.results
            ],
        }


def examine(
    needs: Needs,
    *,
    region: str | None = None,
    hub_url: str | None = None,
    registry_url: str | None = None,
    tries_tokens: bool = False,
    limit_seconds: float = LIMIT_SECONDS,
) -> Examination:
    """Check everything that a deployment of an environment depends on; nothing is changed.

    Args:
        needs: What the environment needs.
        region: AWS Region; the environment's own, else that of the user's AWS settings, by default.
        hub_url: Address of another hub with Hugging Face's API.
        registry_url: Address of a mirror with Docker Hub's API.
        tries_tokens: Whether tokens of Hugging Face are read from their secrets and tried.
        limit_seconds: Maximum seconds that a check may take.

    Raises:
        ConfigurationError: boto3 is not installed, or an address is not valid.
    """
    account = Account(region or needs.region)
    checks = [
        *identity.checks(needs, account),
        *permissions.checks(needs, account),
        *stacks.checks(needs, account),
        *quotas.checks(needs, account),
        *reservations.checks(needs, account),
        *zones.checks(needs, account),
        *images.checks(needs, account, registry_url=registry_url),
        *keys.checks(needs, account),
        *hub.checks(needs, account, hub_url=hub_url, tries_tokens=tries_tokens),
        *weights.checks(needs, account),
        *money.checks(needs, account),
        *telemetry.checks(needs, account),
        *agent.checks(needs, account),
    ]
    results = run_checks(checks, limit_seconds=limit_seconds)
    return Examination(environment=needs.environment, region=account.region, results=tuple(results))
