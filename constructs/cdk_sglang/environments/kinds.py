"""Types of values in an environment: their format, and the message for a value that does not match.

Each type also carries its part of the JSON Schema, so that an editor flags the same values as the app.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from cdk_sglang.spec.kinds import matching, one_of
from cdk_sglang.spec.log_retention import RETENTION_DAYS

_TAG_SIGNS: Final = frozenset("_.:/=+-@")
"""Characters that, in addition to letters, digits and spaces, every service accepts in tags
(https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html, read 2026-11)."""

_OWN_TAGS: Final = "cdk-sglang:"

_PREFIX_LENGTHS: Final = range(16, 25)
"""A VPC accepts /16 to /28; in a VPC smaller than /24, four subnets leave no room for instances and VPC endpoints
(https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html, read 2026-11)."""


AccountId = Annotated[str, *matching(r"[0-9]{12}", "12 digits in quotes")]
Region = Annotated[str, *matching(r"[a-z]{2,4}(-[a-z]+)+-[0-9]", "a Region, such as us-east-1")]
ZONE_ID = r"[a-z]{3,6}[0-9]-az[0-9]{1,2}"
"""Format of Availability Zone ids, which name the same zone in every account (https://docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html)."""

Zone = Annotated[
    str,
    *matching(
        rf"([a-z]{{2,4}}(-[a-z]+)+-[0-9][a-z]|{ZONE_ID})",
        "an Availability Zone, such as us-east-1a, or its id, such as use1-az1",
    ),
]
SubnetId = Annotated[str, *matching(r"subnet-[0-9a-f]{8,17}", "a subnet id, such as subnet-0123456789abcdef0")]
SecurityGroupId = Annotated[str, *matching(r"sg-[0-9a-f]{8,17}", "a security group id, such as sg-0123456789abcdef0")]


def _cidr(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError:
        network = None
    if network is None or str(network) != value or network.prefixlen not in _PREFIX_LENGTHS:
        raise ValueError(f"{value!r} is not allowed; use an IPv4 range from /16 to /24, such as 10.64.0.0/16")
    return value


Cidr = Annotated[
    str,
    AfterValidator(_cidr),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/(1[6-9]|2[0-4])$"}),
]


def _tag_text(value: str) -> str:
    odd = sorted({sign for sign in value if unicodedata.category(sign)[0] not in "LZN" and sign not in _TAG_SIGNS})
    if odd:
        raise ValueError(
            f"{value!r} is not allowed in a tag; use letters, digits, spaces and {' '.join(sorted(_TAG_SIGNS))}, "
            f"without {' '.join(map(repr, odd))}"
        )
    return value


def _sized(low: int, high: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not low <= len(value) <= high:
            raise ValueError(f"{value!r} has {len(value)} characters; use {low} to {high}")
        return value

    return check


def _tag_key(value: str) -> str:
    if value.lower().startswith("aws:") or value.startswith(_OWN_TAGS):
        raise ValueError(f"{value!r} is not allowed; tags that begin with aws: are AWS's, {_OWN_TAGS} this library's")
    return _tag_text(_sized(1, 128)(value))


TagKey = Annotated[str, AfterValidator(_tag_key), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 128})]
TagValue = Annotated[
    str,
    AfterValidator(_sized(0, 256)),
    AfterValidator(_tag_text),
    WithJsonSchema({"type": "string", "maxLength": 256}),
]


RetentionDays = Annotated[
    int,
    *one_of(RETENTION_DAYS, lambda days: f"{days} is not allowed; use one of {', '.join(map(str, RETENTION_DAYS))}"),
]


def is_zone_id(zone: str) -> bool:
    """Return whether an Availability Zone is given by its id, which is the same in every account, and not by its name."""
    return re.fullmatch(ZONE_ID, zone) is not None
