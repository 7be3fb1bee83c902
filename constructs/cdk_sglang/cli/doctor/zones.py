"""Zones that offer the instance types, and the network in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, Once, code_of, message_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, unknown, warning
from cdk_sglang.environments.account_needs import Needs, NetworkNeeds

_DEFAULT_ZONES: Final = 2
_HINT: Final = "by EC2's list; SageMaker publishes none, so this is a hint, and no promise of capacity"
_EVERYWHERE: Final = "0.0.0.0/0"
_VPC_PAGE: Final = "https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"
_VPCS: Final = "L-F678F1CE"
"""VPCs per Region, 5 by default (the page above, read 2026-12; the code as `aws service-quotas list-service-quotas` has it)."""


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield a check for each instance type, and those of the network.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    types = tuple(dict.fromkeys(kind for endpoint in needs.endpoints for kind in endpoint.types))
    subnets = Once(lambda: _subnets(needs.network, account))
    zones = Once(lambda: _zones(needs.network, account, subnets))
    offerings = Once(lambda: _offerings(account, types))
    for kind in types:
        yield Check(name=f"zones: {kind}", look=partial(_offered, needs, kind, zones, offerings))
    if needs.network.vpc == "create":
        look = partial(_interface_endpoints, needs.network, account, zones)
        yield Check(name="network: interface endpoints", look=look)
        yield Check(name="network: quota of VPCs", look=partial(_room_for_a_vpc, needs, account))
    if needs.network.vpc == "existing":
        yield Check(name="network: subnets", look=partial(_subnets_fit, needs, subnets))
        yield Check(
            name="network: security groups", look=partial(_security_groups_fit, needs.network, account, subnets)
        )
        yield Check(name="network: route to S3", look=partial(_route_to_s3, account, subnets))


def _offered(
    needs: Needs, kind: str, zones: Once[tuple[str, ...]], offerings: Once[Mapping[str, frozenset[str]]]
) -> Finding:
    there = offerings().get(_ec2_name(kind), frozenset())
    good = ", ".join(sorted(there))
    if not there:
        return failure(f"no zone of the Region has {kind} ({_HINT})", "use another instance type, or another Region")
    used = zones()
    have = [zone for zone in used if zone in there]
    if not used:  # SageMaker's own network: it chooses among all zones
        return ok(f"{good} have it ({_HINT})")
    change = "use subnets in those zones" if needs.network.vpc == "existing" else _zones_setting(there, offerings())
    if not have:
        return failure(f"none of {', '.join(used)} has it; {good} have ({_HINT})", change)
    if len(have) < len(used):
        return warning(f"of {', '.join(used)} only {', '.join(have)} has it; {good} have ({_HINT})", change)
    return ok(f"{', '.join(used)} have it ({_HINT})")


def _zones_setting(there: frozenset[str], offerings: Mapping[str, frozenset[str]]) -> str:
    """Return the setting that names two zones: those that have every type of the environment, if there are two."""
    everywhere = there.intersection(*offerings.values())
    chosen = sorted(everywhere if len(everywhere) >= _DEFAULT_ZONES else there)[:_DEFAULT_ZONES]
    if len(chosen) < _DEFAULT_ZONES:
        return "use another instance type, or another Region: a network needs two zones"
    return f"set network: {{availability_zones: [{', '.join(chosen)}]}} before the foundation is deployed"


def _interface_endpoints(network: NetworkNeeds, account: Account, zones: Once[tuple[str, ...]]) -> Finding:
    missing = []
    for service in network.services:
        name = f"com.amazonaws.{account.region}.{service}"
        try:
            answer = account.call("ec2", "describe_vpc_endpoint_services", ServiceNames=[name])
        except ClientError as error:
            if code_of(error) != "InvalidServiceName":
                raise
            missing.append(f"{service} in the whole Region")
            continue
        there = {zone for one in answer["ServiceDetails"] for zone in one.get("AvailabilityZones", ())}
        absent = [zone for zone in zones() if zone not in there]
        missing += [f"{service} in {', '.join(absent)}"] if absent else []
    if missing:
        return failure(
            f"no interface endpoint for {'; '.join(missing)}",
            "name other zones in network.availability_zones: aws ec2 describe-vpc-endpoint-services lists them",
        )
    return ok(f"{', '.join(network.services)} in {', '.join(zones())}")


def _room_for_a_vpc(needs: Needs, account: Account) -> Finding:
    """Compare the quota of VPCs with those that exist, unless the foundation already has its own."""
    if any(one.startswith("vpc-") for one in account.stack_resources(needs.foundation_stack)):
        return ok("the foundation has its VPC")
    value = None
    for listing in ("list_aws_default_service_quotas", "list_service_quotas"):  # the account's own wins
        try:
            found = account.pages("service-quotas", listing, "Quotas", ServiceCode="vpc")
        except ClientError as error:
            if code_of(error) != "NoSuchResourceException":
                raise
            continue
        value = next((float(one["Value"]) for one in found if one["QuotaCode"] == _VPCS), value)
    if value is None:
        return unknown(
            f"Service Quotas does not list VPCs per Region ({_VPCS}) in {account.region}", f"see {_VPC_PAGE}"
        )
    there = len(account.pages("ec2", "describe_vpcs", "Vpcs"))
    text = f"'VPCs per Region' ({_VPCS}) is {value:g}: 1 here, {there} are there"
    if value >= there + 1:
        return ok(text)
    return failure(
        text,
        f"delete a VPC that nobody uses, set network: {{vpc: existing}}, or request {there + 1}: aws service-quotas "
        f"request-service-quota-increase --service-code vpc --quota-code {_VPCS} --desired-value {there + 1} --region {account.region}",
    )


def _subnets_fit(needs: Needs, subnets: Once[Sequence[Mapping[str, Any]]]) -> Finding:
    try:
        found = subnets()
    except ClientError as error:
        if not code_of(error).startswith("InvalidSubnet"):
            raise
        return failure(message_of(error), "name subnets of this account and Region in network.subnet_ids")
    zones = sorted({one["AvailabilityZone"] for one in found})
    networks = sorted({one["VpcId"] for one in found})
    if len(networks) > 1:
        return failure(f"the subnets are of {', '.join(networks)}", "name subnets of one VPC")
    if len(zones) < _DEFAULT_ZONES:
        return failure(f"all subnets are in {zones[0]}", "name subnets in two zones or more")
    most = sum(endpoint.max_instances for endpoint in needs.endpoints)
    free = sum(int(one.get("AvailableIpAddressCount", most)) for one in found)
    if free < most:
        return failure(
            f"the subnets have {free} free addresses, and up to {most} instances join them",
            "name larger subnets: every instance takes an address at least",
        )
    return ok(f"{len(found)} subnets of {networks[0]} in {', '.join(zones)}")


def _security_groups_fit(
    network: NetworkNeeds, account: Account, subnets: Once[Sequence[Mapping[str, Any]]]
) -> Finding:
    try:
        answer = account.call("ec2", "describe_security_groups", GroupIds=list(network.security_group_ids))
    except ClientError as error:
        if not code_of(error).startswith("InvalidGroup"):
            raise
        return failure(message_of(error), "name security groups of this Region in network.security_group_ids")
    (vpc, *_) = {one["VpcId"] for one in subnets()}
    foreign = [one["GroupId"] for one in answer["SecurityGroups"] if one.get("VpcId") != vpc]
    if foreign:
        return failure(f"{', '.join(foreign)} are not of {vpc}, whose subnets are named", f"name groups of {vpc}")
    return ok(f"{', '.join(network.security_group_ids)} are of {vpc}")


def _route_to_s3(account: Account, subnets: Once[Sequence[Mapping[str, Any]]]) -> Finding:
    """Check that every subnet reaches S3: through a gateway endpoint or another route of its table, or an interface endpoint."""
    (vpc, *_) = {one["VpcId"] for one in subnets()}
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    endpoints = [
        one
        for one in account.pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=of_vpc)
        if one["ServiceName"].endswith(".s3")
    ]
    if any(one.get("VpcEndpointType") == "Interface" for one in endpoints):
        return ok(f"{vpc} has an interface endpoint for S3")
    gateways = {table for one in endpoints for table in one.get("RouteTableIds", ())}
    tables = account.pages("ec2", "describe_route_tables", "RouteTables", Filters=of_vpc)
    without = [one["SubnetId"] for one in subnets() if not _leads_out(_table_of(one["SubnetId"], tables), gateways)]
    if without:
        return failure(
            f"{', '.join(without)} have no route to S3, from which the weights come",
            f"make a gateway endpoint (it is free): aws ec2 create-vpc-endpoint --vpc-id {vpc} "
            f"--service-name com.amazonaws.{account.region}.s3 --route-table-ids <their tables>",
        )
    return ok(f"every subnet of {vpc} has a route to S3")


def _table_of(subnet: str, tables: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the route table of a subnet: its own, else the VPC's main one."""
    ties = [(tie, table) for table in tables for tie in table.get("Associations", ())]
    own = [table for tie, table in ties if tie.get("SubnetId") == subnet]
    return next(iter([*own, *(table for tie, table in ties if tie.get("Main"))]), {})


def _leads_out(table: Mapping[str, Any], gateways: set[str]) -> bool:
    routes = table.get("Routes", ())
    return table.get("RouteTableId") in gateways or any(
        route.get("DestinationCidrBlock") == _EVERYWHERE and route.get("State", "active") == "active"
        for route in routes
    )


def _zones(network: NetworkNeeds, account: Account, subnets: Once[Sequence[Mapping[str, Any]]]) -> tuple[str, ...]:
    """Return the zones of the instances; none for SageMaker's own network."""
    if network.vpc == "none":
        return ()
    if network.vpc == "existing":
        return tuple(sorted({one["AvailabilityZone"] for one in subnets()}))
    if network.zones:
        return network.zones
    answer = account.call(
        "ec2",
        "describe_availability_zones",
        Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}],
    )
    return tuple(sorted(one["ZoneName"] for one in answer["AvailabilityZones"])[:_DEFAULT_ZONES])


def _subnets(network: NetworkNeeds, account: Account) -> Sequence[Mapping[str, Any]]:
    subnets: list[Mapping[str, Any]] = account.call("ec2", "describe_subnets", SubnetIds=list(network.subnet_ids))[
        "Subnets"
    ]
    return subnets


def _offerings(account: Account, types: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """Return the zones of EC2's types by their names."""
    found = account.pages(
        "ec2",
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [_ec2_name(kind) for kind in types]}],
    )
    zones: dict[str, set[str]] = {}
    for one in found:
        zones.setdefault(one["InstanceType"], set()).add(one["Location"])
    return {name: frozenset(there) for name, there in zones.items()}


def _ec2_name(kind: str) -> str:
    return kind.removeprefix("ml.")
