"""Quotas of endpoint instances, compared with what the environment may take and what else runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, Once, message_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, unknown
from cdk_sglang.cli.status.hosting import instances_of
from cdk_sglang.environments.account_needs import EndpointNeeds, Needs

_PER_TYPE: Final = "{} for endpoint usage"
"""Name of a type's quota, as the refusals of CreateEndpoint have it."""
_ALL: Final = "Number of instances across active endpoints"
"""Name of the quota of all types together, from the same refusals."""
_PER_ENDPOINT: Final = re.compile("instances per endpoint", re.IGNORECASE)
"""Of the name of the quota of a single endpoint: "Maximum number of instances per endpoint" (L-ED8DEE9B) in us-east-1, 2024-02."""
_CONSOLE: Final = "https://console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"


class Quota(NamedTuple):
    """A quota of the account.

    Attributes:
        code: Its code in Service Quotas.
        value: Its value.
    """

    code: str
    value: float


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield a check for each type that may run on demand, one for all of them, and one for the largest endpoint.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    quotas = Once(lambda: _quotas(account))
    elsewhere = Once(lambda: _running_elsewhere(needs, account))
    most: Counter[str] = Counter()
    for endpoint in needs.endpoints:
        for kind in endpoint.types if endpoint.max_instances else ():
            most[kind] += endpoint.max_instances
    for kind, count in sorted(most.items()):
        look = partial(_look, account, _PER_TYPE.format(kind), count, kind, quotas=quotas, elsewhere=elsewhere)
        yield Check(name=f"quota: {kind}", look=look)
    total = sum(endpoint.max_instances for endpoint in needs.endpoints)
    if total:
        yield Check(
            name="quota: all endpoints",
            look=partial(_look, account, _ALL, total, None, quotas=quotas, elsewhere=elsewhere),
        )
    largest = max(needs.endpoints, key=_most_of)
    yield Check(name="quota: one endpoint", look=partial(_one_endpoint, account, largest, quotas))


def _most_of(endpoint: EndpointNeeds) -> int:
    return max(endpoint.max_instances, 0 if endpoint.reservation is None else endpoint.reservation.count)


def _one_endpoint(account: Account, largest: EndpointNeeds, quotas: Once[Mapping[str, Quota]]) -> Finding:
    """Compare the quota of a single endpoint with the largest one of the environment."""
    names = [name for name in quotas() if _PER_ENDPOINT.search(name)]
    if not names:
        return unknown(
            f"Service Quotas lists no quota of instances per endpoint in {account.region}",
            f"look for it in the console; {largest.name} may have {_most_of(largest)}: {_CONSOLE}",
        )
    (name, *_) = names
    quota = quotas()[name]
    text = f"'{name}' ({quota.code}) is {quota.value:g}: {largest.name} may have {_most_of(largest)}"
    if quota.value >= _most_of(largest):
        return ok(text)
    return failure(text, _request(account, quota, _most_of(largest)))


def _request(account: Account, quota: Quota, needed: int) -> str:
    return (
        f"request {needed}: aws service-quotas request-service-quota-increase --service-code sagemaker "
        f"--quota-code {quota.code} --desired-value {needed} --region {account.region}"
    )


def _look(
    account: Account,
    name: str,
    most: int,
    kind: str | None,
    *,
    quotas: Once[Mapping[str, Quota]],
    elsewhere: Once[Mapping[str, int]],
) -> Finding:
    """Compare a quota with the maximum instances of the environment plus those that run elsewhere, of one type or of all."""
    quota = quotas().get(name)
    if quota is None:
        return unknown(
            f"Service Quotas does not list '{name}' in {account.region}", f"look for it in the console: {_CONSOLE}"
        )
    others = elsewhere().get(kind, 0) if kind is not None else sum(elsewhere().values())
    text = f"'{name}' ({quota.code}) is {quota.value:g}: at most {most} here, {others} run on the account's other endpoints"
    if quota.value >= most + others:
        return ok(text)
    return failure(text, _request(account, quota, most + others))


def _quotas(account: Account) -> Mapping[str, Quota]:
    """Return SageMaker's quotas by name: the account's own, else AWS's defaults."""
    found: dict[str, Quota] = {}
    for listing in ("list_aws_default_service_quotas", "list_service_quotas"):  # the account's own win
        for one in account.pages("service-quotas", listing, "Quotas", ServiceCode="sagemaker"):
            found[one["QuotaName"]] = Quota(code=one["QuotaCode"], value=float(one["Value"]))
    return found


def _running_elsewhere(needs: Needs, account: Account) -> Mapping[str, int]:
    """Return the instances by type of every endpoint of the account and Region that is not the environment's."""
    own = {endpoint.endpoint_name for endpoint in needs.endpoints}
    names = [one["EndpointName"] for one in account.pages("sagemaker", "list_endpoints", "Endpoints")]
    counts: Counter[str] = Counter()
    for name in names:
        if name in own:
            continue
        with account.asking("sagemaker") as sagemaker:
            try:
                described = sagemaker.describe_endpoint(EndpointName=name)
                found = instances_of(sagemaker, described, region=account.region, prices=None)
            except ClientError as error:
                if "could not find" not in message_of(error).lower():  # else it has gone since the list was made
                    raise
                continue
        for one in found:
            counts[one.type] += one.running
    return counts
