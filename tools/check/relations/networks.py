"""Networks whose parts meet: subnets and route tables, endpoints and who may reach them, lists without repetitions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from tools.check.graph import Graph, Path_, dotted, is_intrinsic, literal, references

_ENDPOINT: Final = "AWS::EC2::VPCEndpoint"
_INGRESS: Final = "AWS::EC2::SecurityGroupIngress"
_ASSOCIATION: Final = "AWS::EC2::SubnetRouteTableAssociation"


def findings(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield place and message of each part of a network that does not meet the others, and of each list with a reference twice."""
    for name, resource in graph.resources.items():
        for path, items in _lists(resource.get("Properties", {}), ()):
            texts = [json.dumps(item, sort_keys=True) for item in items if is_intrinsic(item)]
            if len(texts) != len(set(texts)) and "Fn::Join" not in [str(part) for part in path]:
                yield f"{name}.{dotted(path)}", "names the same resource twice"
    yield from _associated(graph)
    routed = {
        found.target
        for association in graph.of_type(_ASSOCIATION).values()
        for found in references(association["Properties"].get("RouteTableId"))
    }
    entered = {
        found.target
        for ingress in graph.of_type(_INGRESS).values()
        for found in references(ingress["Properties"].get("GroupId"))
    }
    for name, endpoint in graph.of_type(_ENDPOINT).items():
        properties = endpoint["Properties"]
        if properties.get("VpcEndpointType") == "Gateway":
            tables = {found.target for found in references(properties.get("RouteTableIds", []))}
            for table in sorted(routed - tables):
                yield name, f"has no route from {table}, whose subnets cannot reach its service"
            continue
        groups = {found.target for found in references(properties.get("SecurityGroupIds", []))} & graph.resources.keys()
        for group in sorted(groups - entered):
            if not graph.resources[group].get("Properties", {}).get("SecurityGroupIngress"):
                yield group, f"lets nobody in, and {name} is behind it"
    yield from _exported(graph)


def _associated(graph: Graph) -> Iterator[tuple[str, str]]:
    by_subnet: dict[str, str] = {}
    for name, association in graph.of_type(_ASSOCIATION).items():
        subnet = json.dumps(association["Properties"].get("SubnetId"), sort_keys=True)
        if subnet in by_subnet:
            yield name, f"its subnet has a route table already, by {by_subnet[subnet]}"
        by_subnet[subnet] = name
    missing = graph.of_type("AWS::EC2::Subnet").keys() - {
        found.target
        for association in graph.of_type(_ASSOCIATION).values()
        for found in references(association["Properties"].get("SubnetId"))
    }
    if by_subnet:
        yield from ((name, "has no route table of its own, as the other subnets have") for name in sorted(missing))


def _exported(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield parameters for other stacks whose value serves another purpose in this one."""
    behind = {
        found.target
        for endpoint in graph.of_type(_ENDPOINT).values()
        for found in references(endpoint["Properties"].get("SecurityGroupIds", []))
    }
    logs = {
        found.target
        for bucket in graph.of_type("AWS::S3::Bucket").values()
        for found in references(bucket["Properties"].get("LoggingConfiguration", {}))
    }
    sources = {
        found.target
        for ingress in graph.of_type(_INGRESS).values()
        for found in references(ingress["Properties"].get("SourceSecurityGroupId"))
    }
    roles = graph.of_type("AWS::IAM::Role")
    for name, parameter in graph.of_type("AWS::SSM::Parameter").items():
        called = (literal(parameter["Properties"].get("Name")) or "").rpartition("/")[2]
        for found in references(parameter["Properties"].get("Value")):
            if called == "weights-bucket" and found.target in logs:
                yield name, f"is {found.target}, which holds access logs"
            if called == "security-group-id" and found.target in behind:
                yield name, f"is {found.target}, which is that of network endpoints"
            if called == "security-group-id" and sources and found.target not in sources:
                yield name, f"is {found.target}, which network endpoints do not let in"
            if called == "execution-role-arn" and found.target in roles:
                trust = json.dumps(roles[found.target]["Properties"].get("AssumeRolePolicyDocument"))
                if "sagemaker.amazonaws.com" not in trust:
                    yield name, f"is {found.target}, which SageMaker may not assume"
    for name, ingress in graph.of_type(_INGRESS).items():
        source, own = ingress["Properties"].get("SourceSecurityGroupId"), ingress["Properties"].get("GroupId")
        if source is not None and source == own:
            yield name, "lets in its own group alone"


def _lists(value: object, path: Path_) -> Iterator[tuple[Path_, list[Any]]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lists(item, (*path, key))
    elif isinstance(value, list):
        yield path, value
        for index, item in enumerate(value):
            yield from _lists(item, (*path, index))
