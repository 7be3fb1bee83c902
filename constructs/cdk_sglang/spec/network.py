"""How many subnets and security groups an endpoint takes."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Strict

from cdk_sglang.spec.kinds import Count, unique
from cdk_sglang.validation import Spec

SUBNETS: Final = (Strict(False), Count(2, 16, "subnets"), AfterValidator(unique))
"""At least two subnets in different Availability Zones (https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html), at most sixteen
(botocore 1.44.5, sagemaker VpcConfig)."""
SECURITY_GROUPS: Final = (Strict(False), Count(1, 5, "security groups"), AfterValidator(unique))
"""One to five security groups (botocore 1.44.5, sagemaker VpcConfig)."""


def _known_length(ids: Any) -> Any:
    """Reject a list that is a token as a whole; CDK encodes such a list as a list with one item."""
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
    """One to five security groups. They need no inbound rules, and must allow outbound port 443 to S3."""
