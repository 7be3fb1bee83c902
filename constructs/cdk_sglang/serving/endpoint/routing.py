"""How SageMaker picks an instance or a component copy for a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.tokens import is_token

# Bounds of PrefixAwareRoutingConfig: botocore 1.44.5, sagemaker CreateEndpointConfig.
PREFIX_LENGTH_MIN: Final = 1024
PREFIX_LENGTH_MAX: Final = 65536
CONCURRENCY_THRESHOLD_MIN: Final = 1
CONCURRENCY_THRESHOLD_MAX: Final = 1024
PREFIX_AWARE_MIN_INSTANCES: Final = 2


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Routing:
    """A routing strategy; make one with `least_outstanding_requests` or `prefix_aware`.

    Args:
        strategy: SageMaker's name of the strategy.
        prefix_length: With PREFIX_AWARE: how much of a request is compared; see `prefix_aware`.
        concurrency_threshold: With PREFIX_AWARE: requests in flight on a copy above which requests go elsewhere.
    """

    strategy: Literal["LEAST_OUTSTANDING_REQUESTS", "PREFIX_AWARE"]
    prefix_length: int | None = None
    concurrency_threshold: int | None = None

    @staticmethod
    def least_outstanding_requests() -> Routing:
        """Send a request where the fewest are waiting: right for generation, whose cost per request varies widely."""
        return Routing(strategy="LEAST_OUTSTANDING_REQUESTS")

    @staticmethod
    @checked()
    def prefix_aware(*, prefix_length: int = 4096, concurrency_threshold: int = 32) -> Routing:
        """Send requests that begin alike to the same place, so that its radix cache serves the shared prefix.

        Args:
            prefix_length: How much of the request is compared: bytes of the body for InvokeEndpoint, characters of the
                messages on the OpenAI path. 1,024 to 65,536.
            concurrency_threshold: Above so many requests at once on a copy, requests go elsewhere. 1 to 1,024.

        Raises:
            ConfigurationError: A bound is not kept.
        """
        problems = []
        if not PREFIX_LENGTH_MIN <= prefix_length <= PREFIX_LENGTH_MAX and not is_token(prefix_length):
            problems.append(
                Problem(
                    "prefix_length", f"{prefix_length} is not allowed; use {PREFIX_LENGTH_MIN} to {PREFIX_LENGTH_MAX}"
                )
            )
        if not CONCURRENCY_THRESHOLD_MIN <= concurrency_threshold <= CONCURRENCY_THRESHOLD_MAX and not is_token(
            concurrency_threshold
        ):
            problems.append(
                Problem(
                    "concurrency_threshold",
                    f"{concurrency_threshold} is not allowed; "
                    f"use {CONCURRENCY_THRESHOLD_MIN} to {CONCURRENCY_THRESHOLD_MAX}",
                )
            )
        if problems:
            raise ConfigurationError(problems)
        return Routing(
            strategy="PREFIX_AWARE", prefix_length=prefix_length, concurrency_threshold=concurrency_threshold
        )

    def problems(self, path: str, *, max_instances: int) -> list[Problem]:
        """Say why this strategy does not suit an endpoint of at most so many instances.

        Args:
            path: Path of the settings, for messages.
            max_instances: Most instances of the endpoint.
        """
        if self.strategy == "PREFIX_AWARE" and max_instances < PREFIX_AWARE_MIN_INSTANCES:
            return [
                (
                    Problem(
                        path,
                        f"prefix-aware routing needs {PREFIX_AWARE_MIN_INSTANCES} instances or more, "
                        f"max_instances is {max_instances}; raise it or use least_outstanding_requests",
                    )
                )
            ]
        return []

    def render(self) -> sagemaker.CfnEndpointConfig.RoutingConfigProperty:
        """Return the RoutingConfig of a production variant."""
        prefix = None
        if self.strategy == "PREFIX_AWARE":
            prefix = sagemaker.CfnEndpointConfig.PrefixAwareRoutingConfigProperty(
                prefix_length=self.prefix_length, concurrency_threshold=self.concurrency_threshold
            )
        return sagemaker.CfnEndpointConfig.RoutingConfigProperty(
            routing_strategy=self.strategy, prefix_aware_routing_config=prefix
        )
