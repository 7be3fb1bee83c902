"""How many subnets and security groups an endpoint takes."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Strict

from cdk_sglang.spec.kinds import Count, unique
from cdk_sglang.validation import Spec

SUBNETS: Final = (Strict(False), Count(2, 16, "subnets"), AfterValidator(unique))
"""Two subnets in different Availability Zones at least (https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html); sixteen at most
(botocore 1.44.5, sagemaker VpcConfig)."""
SECURITY_GROUPS: Final = (Strict(False), Count(1, 5, "security groups"), AfterValidator(unique))
"""One to five security groups (botocore 1.44.5, sagemaker VpcConfig)."""


def _known_length(ids: Any) -> Any:
    """Refuse a list that is one token as a whole, which CDK encodes as its only item."""
    if isinstance(ids, list | tuple) and any(isinstance(item, str) and item.startswith("#{Token[") for item in ids):
        raise ValueError(
            "must be known at synth, got a token; give a list of known length, such as Fn.split(',', value, 2)"
        )
    return ids


class NetworkIds(Spec):
    """Subnets and security groups of an endpoint."""

    _noun = "network"

    subnet_ids: Annotated[tuple[str, ...], *SUBNETS, BeforeValidator(_known_length)]
    """Two or more subnets in different Availability Zones. They need a route to S3 (a gateway endpoint is free)."""
    security_group_ids: Annotated[tuple[str, ...], *SECURITY_GROUPS, BeforeValidator(_known_length)]
    """One to five security groups; they need no inbound rule, and 443 outbound to S3."""
