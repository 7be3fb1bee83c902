"""What an environment may say, and what it says when it does not."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from cdk_sglang.environments import kinds
from cdk_sglang.environments.settings import Environment
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.kinds import InstanceType, Name


def test_what_is_left_out_has_safe_defaults(fine: dict[str, Any]) -> None:
    settings = Environment.model_validate({"network": fine["network"], "endpoints": fine["endpoints"]})
    endpoint = settings.endpoints["chat"]
    assert (settings.account, settings.region, dict(settings.tags)) == (None, None, {})
    assert (settings.data.on_delete, settings.data.log_retention_days) == ("retain", 30)
    assert (endpoint.network_isolation, endpoint.routing, endpoint.metric_frequency_seconds) == (True, None, 60)
    assert (endpoint.capacity.min_instances, endpoint.components["llama"].first_copies) == (None, 1)


def test_nothing_costs_money_by_default(fine: dict[str, Any]) -> None:
    for missing in ("type", "max_instances"):
        broken = {key: value for key, value in fine["endpoints"]["chat"]["capacity"].items() if key != missing}
        with pytest.raises(pydantic.ValidationError):
            Capacity.model_validate(broken)


def test_settings_cannot_be_changed(fine: dict[str, Any]) -> None:
    settings = Environment.model_validate(fine)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.region = "eu-west-1"


def test_types_are_listed_by_priority() -> None:
    pool = ["ml.g6e.24xlarge", "ml.g6e.12xlarge"]
    for types, content in ((pool, {"pool": pool}), (pool[:1], {"type": pool[0]})):
        capacity = Capacity.model_validate({**content, "max_instances": 1})
        assert [instance.name for instance in capacity.instances] == types


def _check(kind: Any, value: Any) -> Any:
    return pydantic.TypeAdapter(kind, config=pydantic.ConfigDict(strict=True)).validate_python(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Name, "a"),
        (Name, "gpt-oss-20b"),
        (Name, "a" * 40),
        (kinds.AccountId, "000000000000"),
        (kinds.Region, "us-gov-west-1"),
        (kinds.Region, "eusc-de-east-1"),
        (kinds.Zone, "us-east-1f"),
        (kinds.Zone, "use1-az4"),
        (kinds.Zone, "usgw1-az1"),
        (kinds.Cidr, "10.0.0.0/16"),
        (kinds.Cidr, "100.64.3.0/24"),
        (kinds.SubnetId, "subnet-12345678"),
        (kinds.SecurityGroupId, "sg-0123456789abcdef0"),
        (kinds.TagKey, "cost centre/é=1"),
        (kinds.TagValue, ""),
        (kinds.RetentionDays, 3653),
        *((InstanceType, instance.name) for instance in GpuInstance.all()),
    ],
)
def test_accepts_what_aws_does(kind: Any, value: Any) -> None:
    assert _check(kind, value) == value


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Name, "A", "use lower-case letters, digits and single hyphens, starting with a letter"),
        (Name, "a--b", "use lower-case letters"),
        (Name, "a-", "use lower-case letters"),
        (Name, "a\n", "use lower-case letters"),
        (Name, "a" * 41, "has 41 characters; use 40 or fewer"),
        (kinds.AccountId, "١٢٣٤٥٦٧٨٩٠١٢", "use 12 digits in quotes"),
        (kinds.AccountId, "1111-2222-3333", "use 12 digits in quotes"),
        (kinds.Region, "us-east", "use a Region, such as us-east-1"),
        (kinds.Zone, "us-east-1", "use an Availability Zone, such as us-east-1a"),
        (kinds.Cidr, "10.0.0.0", "use an IPv4 range from /16 to /24, such as 10.64.0.0/16"),
        (kinds.Cidr, "300.0.0.0/16", "use an IPv4 range"),
        (kinds.Cidr, "10.0.0.0/25", "use an IPv4 range"),
        (kinds.Cidr, "10.0.0.0/255.255.0.0", "use an IPv4 range"),
        (kinds.Cidr, "fd00::/16", "use an IPv4 range"),
        (kinds.SubnetId, "subnet-xyz", "use a subnet id, such as subnet-0123456789abcdef0"),
        (kinds.SecurityGroupId, "sg-1", "use a security group id"),
        (kinds.TagKey, "", "has 0 characters; use 1 to 128"),
        (kinds.TagKey, "Aws:x", "tags that begin with aws: are AWS's"),
        (kinds.TagValue, "a" * 257, "has 257 characters; use 0 to 256"),
        (kinds.TagValue, "50%", "without '%'"),
        (kinds.RetentionDays, 2, "use one of 1, 3, 5"),
        (InstanceType, "ml.p5.48xlage", "did you mean 'ml.p5.48xlarge'"),
    ],
)
def test_refuses_what_aws_would_in_words(kind: Any, value: Any, message: str) -> None:
    with pytest.raises(pydantic.ValidationError) as error:
        _check(kind, value)
    assert message in str(error.value)


def test_a_cidr_is_written_with_its_length() -> None:
    with pytest.raises(pydantic.ValidationError):
        _check(kinds.Cidr, "10.0.0.0/")
    with pytest.raises(pydantic.ValidationError):
        _check(kinds.Cidr, 16)
