"""What the optional agent needs: AgentCore in the Region, free names, the quota of runtimes, the author's own functions, zones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, Once, code_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, unknown, warning
from cdk_sglang.cli.doctor.https import ask
from cdk_sglang.environments.account_needs import AgentNeeds, Needs, NetworkNeeds
from cdk_sglang.hardware.agent_regions import AgentCorePart, agentcore_region_problem, agentcore_zone_ids

_CONTROL: Final = "bedrock-agentcore-control"
_QUOTA: Final = re.compile("total agents per account", re.IGNORECASE)
"""https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/bedrock-agentcore-limits.html (read 2026-12): 1,000 by default, adjustable. The name
in Service Quotas was not seen, so where nothing is listed the check could not be made."""
_SERVICE: Final = "bedrock-agentcore"
_OPENID: Final = ("issuer", "jwks_uri")
"""What a provider's description has to have (https://openid.net/specs/openid-connect-discovery-1_0.html, section 3)."""
_CONSOLE: Final = "https://console.aws.amazon.com/servicequotas/home/services/bedrock-agentcore/quotas"


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield the checks of the agent; none where there is no agent.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    agent = needs.agent
    if agent is None:
        return
    runtimes = Once(lambda: account.pages(_CONTROL, "list_agent_runtimes", "agentRuntimes"))
    yield Check(name="agent: Region", look=partial(_region, agent, account, runtimes))
    yield Check(name="agent: names", look=partial(_names, agent, account, runtimes))
    yield Check(name="agent: quota of runtimes", look=partial(_quota, agent, account, runtimes))
    for function in agent.functions:
        yield Check(
            name=f"agent: function {function.rpartition(':function:')[2]}", look=partial(_function, function, account)
        )
    if agent.discovery_url is not None:
        yield Check(name="agent: sign-in", look=partial(_provider, agent.discovery_url))
    if agent.in_vpc:
        yield Check(name="agent: zones", look=partial(_zones, needs.network, account))


def _region(agent: AgentNeeds, account: Account, runtimes: Once[list[Any]]) -> Finding:
    """Check AWS's list of Regions, and that the service answers there."""
    parts: list[AgentCorePart] = ["runtime"]
    if agent.memory_name:
        parts.append("memory")
    if agent.has_policies:
        parts.append("policy")
    for part in parts:
        problem = agentcore_region_problem(account.region, part)
        if problem is not None:
            return failure(problem, "use another Region, or leave that part of `agent` off: docs/agent.md")
    runtimes()
    return ok(f"AgentCore answers in {account.region}, and has {', '.join(parts)} there by AWS's list")


def _names(agent: AgentNeeds, account: Account, runtimes: Once[list[Any]]) -> Finding:
    """Check that no runtime, gateway or memory of another stack has a name of the environment's."""
    own = account.stack_resources(agent.stack_name)
    ends = {physical.rpartition("/")[2] for physical in own}
    there = {f"runtime {one['agentRuntimeName']}": one["agentRuntimeId"] for one in runtimes()}
    names = [f"runtime {agent.runtime_name}"]
    if agent.gateway_name:
        names.append(f"gateway {agent.gateway_name}")
        there |= {
            f"gateway {one['name']}": one["gatewayId"] for one in account.pages(_CONTROL, "list_gateways", "items")
        }
    if agent.memory_name:
        names.append(f"memory {agent.memory_name}")
        # A memory's summary has no name: its id is the name and ten characters (botocore 1.44.5, MemoryId).
        listed = account.pages(_CONTROL, "list_memories", "memories")
        there |= {f"memory {one['id'].rpartition('-')[0]}": one["id"] for one in listed}
    taken = [name for name in names if name in there and there[name] not in ends]
    if taken:
        return failure(
            f"there is {', '.join(taken)} already, which is not of stack {agent.stack_name}",
            "delete it, or rename the environment: two cannot have one name in a Region",
        )
    return ok(f"{', '.join(names)}: free, or the stack's own")


def _quota(agent: AgentNeeds, account: Account, runtimes: Once[list[Any]]) -> Finding:
    quotas: dict[str, tuple[str, float]] = {}
    for listing in ("list_aws_default_service_quotas", "list_service_quotas"):  # the account's own win
        try:
            found = account.pages("service-quotas", listing, "Quotas", ServiceCode=_SERVICE)
        except ClientError as error:
            if code_of(error) != "NoSuchResourceException":
                raise
            continue
        quotas |= {one["QuotaName"]: (one["QuotaCode"], float(one["Value"])) for one in found}
    name = next((name for name in quotas if _QUOTA.search(name)), None)
    if name is None:
        return unknown(
            f"Service Quotas lists no quota of agents per account in {account.region}",
            f"look for it in the console; AWS's page says 1,000 by default: {_CONSOLE}",
        )
    code, value = quotas[name]
    others = [one for one in runtimes() if one["agentRuntimeName"] != agent.runtime_name]
    text = f"'{name}' ({code}) is {value:g}: 1 here, {len(others)} others are there"
    if value >= len(others) + 1:
        return ok(text)
    return failure(
        text,
        f"request {len(others) + 1}: aws service-quotas request-service-quota-increase --service-code {_SERVICE} "
        f"--quota-code {code} --desired-value {len(others) + 1} --region {account.region}",
    )


def _function(arn: str, account: Account) -> Finding:
    try:
        answer = account.call("lambda", "get_function_configuration", FunctionName=arn)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return failure(f"there is no function {arn}", "deploy it first, or correct agent.tools.own")
    state = answer.get("State", "Active")
    if state == "Failed":
        return failure(
            f"its state is {state}: {answer.get('StateReason', 'no reason given')}", "repair the function first"
        )
    return ok(f"it is there, {state}")


def _provider(url: str) -> Finding:
    """Check that the identity provider describes itself where the file says: AgentCore reads its keys there."""
    answer = ask(url)
    missing = [name for name in _OPENID if not answer.content.get(name)]
    if not missing:
        return ok(f"{answer.content['issuer']} describes itself")
    gap = f"without {' and '.join(missing)}" if answer.content else "without a description"
    return failure(
        f"{url} answers {answer.status}, {gap}",
        "correct agent.authorizer.jwt.discovery_url; of a Cognito user pool it is "
        "https://cognito-idp.REGION.amazonaws.com/POOL/.well-known/openid-configuration",
    )


def _zones(network: NetworkNeeds, account: Account) -> Finding:
    """Compare the zones of the subnets with those that AgentCore supports, which are ids: names differ between accounts."""
    joined = agentcore_zone_ids(account.region)
    if not joined:
        return unknown(
            f"which zones of {account.region} AgentCore joins is not known here",
            "compare: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/agentcore-vpc.html",
        )
    used = _zone_ids(network, account)
    outside = [name for name in used if name not in joined]
    hint = "by public guides of 2025-11; AWS adds zones"
    if outside:
        return warning(
            f"{', '.join(outside)} of {', '.join(used)} are not among {', '.join(joined)} ({hint})",
            "compare with https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/agentcore-vpc.html, or use agent: {network: public}",
        )
    return ok(f"AgentCore joins {', '.join(used)} ({hint})")


def _zone_ids(network: NetworkNeeds, account: Account) -> Sequence[str]:
    if network.vpc == "existing":
        found = account.call("ec2", "describe_subnets", SubnetIds=list(network.subnet_ids))["Subnets"]
        return sorted({str(one["AvailabilityZoneId"]) for one in found})
    zones: list[Mapping[str, Any]] = account.call(
        "ec2", "describe_availability_zones", Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}]
    )["AvailabilityZones"]
    ids = {str(one["ZoneName"]): str(one["ZoneId"]) for one in zones}
    names = network.zones or sorted(ids)[:2]  # the foundation's default: the first two
    return [ids.get(name, name) for name in names]
