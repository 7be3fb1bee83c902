"""How SageMaker picks the copy of a component that answers a request."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from cdk_sglang.arguments import checked
from cdk_sglang.errors import Problem
from cdk_sglang.tokens import OrToken
from cdk_sglang.validation import Spec

_PREFIX_AWARE_MIN_INSTANCES: Final = 2
_PREFIX_LENGTH: Final = 4096
_CONCURRENCY_THRESHOLD: Final = 32


class PrefixAware(Spec):
    """Send requests with the same prefix to the same copy, whose radix cache then serves the shared prefix."""

    _noun = "routing"

    # Bounds of PrefixAwareRoutingConfig: botocore 1.44.5, sagemaker CreateEndpointConfig.
    prefix_length: Annotated[int, Field(ge=1024, le=65536), OrToken] = _PREFIX_LENGTH
    """How much of a request is compared: bytes of the body, or characters of the messages on the OpenAI path."""
    concurrency_threshold: Annotated[int, Field(ge=1, le=1024), OrToken] = _CONCURRENCY_THRESHOLD
    """Number of concurrent requests on a copy above which further requests go to other copies."""


class Routing(Spec):
    """How requests are distributed: each goes to the copy with the fewest outstanding requests, unless this is a `PrefixAwareRouting`."""

    _noun = "routing"

    @staticmethod
    def least_outstanding_requests() -> Routing:
        """Send each request to the copy with the fewest outstanding requests; suits generation, where the cost per request varies widely."""
        return Routing()

    @staticmethod
    @checked()
    def prefix_aware(
        *, prefix_length: int = _PREFIX_LENGTH, concurrency_threshold: int = _CONCURRENCY_THRESHOLD
    ) -> Routing:
        """Send requests with the same prefix to the same copy, so that its radix cache serves the shared prefix.

        Args:
            prefix_length: How much of the request is compared: bytes of the body for InvokeEndpoint, characters of the
                messages on the OpenAI path. 1,024 to 65,536.
            concurrency_threshold: Number of concurrent requests on a copy above which further requests go to other copies. 1 to 1,024.

        Raises:
            ConfigurationError: A number is out of bounds.
        """
        prefix = PrefixAware(prefix_length=prefix_length, concurrency_threshold=concurrency_threshold)
        return PrefixAwareRouting(prefix_aware=prefix)

    def problems(self, *, max_instances: int) -> list[Problem]:
        """Return why this strategy does not suit an endpoint of at most `max_instances` instances; an empty list if it does.

        Args:
            max_instances: Maximum number of instances of the endpoint.
        """
        del max_instances
        return []


class PrefixAwareRouting(Routing):
    """How requests are distributed. Without this, each goes to the copy with the fewest outstanding requests."""

    # Only by alias: in Python, `prefix_aware` creates a Routing.
    model_config = ConfigDict(populate_by_name=False, serialize_by_alias=True)

    prefix: PrefixAware = Field(alias="prefix_aware")
    """Send requests with the same prefix to the same copy."""

    def problems(self, *, max_instances: int) -> list[Problem]:  # noqa: D102  the base class documents it
        if max_instances >= _PREFIX_AWARE_MIN_INSTANCES:
            return []
        return [
            Problem(
                "",
                f"prefix-aware routing needs {_PREFIX_AWARE_MIN_INSTANCES} instances or more, "
                f"max_instances is {max_instances}; raise it or use least_outstanding_requests",
            )
        ]
