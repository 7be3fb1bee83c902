"""Names that one part of a resource declares and another uses: attributes of tables, entries of metric math, targets that may be called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.check.graph import Graph, listed, reference, references
from tools.check.relations.grants import at, grants
from tools.check.relations.order import role_of

_IDENTIFIER: Final = re.compile(r"(?<![\w'\"])[a-z]\w*")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_HOUR, _DAY = 3600, 86_400


def findings(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield place and message of each name that is used and not declared, or declared and not used."""
    for name, table in graph.of_type("AWS::DynamoDB::Table").items():
        declared = {str(one) for one in at(table["Properties"], "AttributeDefinitions.AttributeName")}
        used = {
            str(one)
            for path in ("KeySchema", "GlobalSecondaryIndexes.KeySchema", "LocalSecondaryIndexes.KeySchema")
            for one in at(table["Properties"], f"{path}.AttributeName")
        }
        for attribute in sorted(declared ^ used):
            yield name, f"{attribute} is {'a key that AttributeDefinitions lacks' if attribute in used else 'no key'}"
    for name, alarm in graph.of_type("AWS::CloudWatch::Alarm").items():
        entries = listed(alarm["Properties"].get("Metrics"))
        if entries:
            yield from ((name, message) for message in _of_math(entries, alarm["Properties"]))
    for name, machine in graph.of_type("AWS::StepFunctions::StateMachine").items():
        logging: Mapping[str, Any] = machine["Properties"].get("LoggingConfiguration", {})
        if logging.get("Level", "OFF") != "OFF" and not logging.get("Destinations"):
            yield name, "LoggingConfiguration has a level, and no destination"
    yield from _uncalled(graph)
    yield from _unpassed(graph)


def _of_math(entries: list[Mapping[str, Any]], alarm: Mapping[str, Any]) -> Iterator[str]:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html (read 2026-12)."""
    ids = [str(entry.get("Id")) for entry in entries]
    used = {
        word
        for entry in entries
        if isinstance(entry.get("Expression"), str)
        for word in _IDENTIFIER.findall(_QUOTED.sub("", entry["Expression"]))
    }
    returned = [str(entry.get("Id")) for entry in entries if entry.get("ReturnData", True)]
    for word in sorted(used - set(ids)):
        yield f"an expression refers to {word}, which no entry of Metrics is called"
    for one in sorted(set(ids) - used - set(returned)):
        yield f"{one} is neither returned nor used by an expression"
    if len(returned) != 1:
        yield f"{len(returned)} entries of Metrics return data, one has to"
    if len(ids) != len(set(ids)):
        yield "two entries of Metrics have one Id"
    periods = [
        float(entry[where]["Period"] if where else entry["Period"])
        for entry in entries
        for where in ("MetricStat", "")
        if isinstance((entry.get("MetricStat", {}) if where else entry).get("Period"), (int, float))
    ]
    number = alarm.get("EvaluationPeriods")
    if periods and isinstance(number, (int, float)):
        most = 7 * _DAY if max(periods) >= _HOUR else _DAY
        if max(periods) * number > most:
            yield f"period times EvaluationPeriods is {max(periods) * number:g} seconds, at most {most} are allowed"


def _uncalled(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield functions that a rule of EventBridge calls without leave: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html."""
    permissions = [permission["Properties"] for permission in graph.of_type("AWS::Lambda::Permission").values()]
    for name, rule in graph.of_type("AWS::Events::Rule").items():
        for value in at(rule["Properties"], "Targets.Arn"):
            found = reference(value)
            if found is None or found.target not in graph.of_type("AWS::Lambda::Function"):
                continue
            if not any(
                permission.get("Principal") == "events.amazonaws.com"
                and found.target in {one.target for one in references(permission.get("FunctionName"))}
                and name in {one.target for one in references(permission.get("SourceArn"))}
                for permission in permissions
            ):
                yield name, f"calls {found.target}, and no AWS::Lambda::Permission lets it"
    for name, permission in graph.of_type("AWS::Lambda::Permission").items():
        sources = {one.target for one in references(permission["Properties"].get("SourceArn"))}
        called = {one.target for one in references(permission["Properties"].get("FunctionName"))}
        for source in sorted(sources & graph.of_type("AWS::Events::Rule").keys()):
            targets = {one.target for one in references(graph.resources[source]["Properties"].get("Targets", []))}
            if called and not called & targets:
                yield name, f"lets {source} call {', '.join(sorted(called))}, which it does not"


def _unpassed(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield roles that functions are given in their variables and that none of them may pass on: they start jobs with them."""
    roles = graph.of_type("AWS::IAM::Role")
    functions = graph.of_type("AWS::Lambda::Function")
    functions_by_role: dict[str, list[str]] = {}
    for name, function in functions.items():
        for found in references(function["Properties"].get("Environment", {})):
            if found.target in roles:
                functions_by_role.setdefault(found.target, []).append(name)
    for role, names in functions_by_role.items():
        if not any(
            grant.names("iam:PassRole")
            and role in {found.target for one in grant.resources for found in references(one)}
            for name in names
            for grant in grants(role_of(functions[name], ("Role",)), graph)
        ):
            yield role, f"is given to {', '.join(sorted(names)[:3])}, none of which may pass it: iam:PassRole"
