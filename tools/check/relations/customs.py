"""This project's custom resources: the function behind each type, and what their properties say about other resources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.check.graph import COMPONENT, Graph, literal, reference, references
from tools.check.relations.grants import grants
from tools.check.relations.order import role_of
from tools.check.template_text import text_of

_FUNCTION: Final = "AWS::Lambda::Function"
_ON_EVENT: Final = "USER_ON_EVENT_FUNCTION_ARN"

HANDLERS: Final[Mapping[str, str]] = {
    "Custom::CdkSglangBuild": "build_jobs",
    "Custom::CdkSglangCopies": "copies",
    "Custom::CdkSglangEmptied": "emptying",
    "Custom::CdkSglangReservation": "reservation",
    "Custom::CdkSglangTruth": "verification",
    "Custom::CdkSglangWeights": "weights",
}
"""Package in `cdk_sglang._runtime` with the handler of each type."""


def findings(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield place and message of each custom resource that another function answers, or that is about another resource than it says."""
    functions = graph.of_type(_FUNCTION)
    for resource_type, package in HANDLERS.items():
        for name, custom in graph.of_type(resource_type).items():
            found = reference(custom["Properties"].get("ServiceToken"))
            if found is not None and found.target in functions:
                handler = _handler(found.target, functions)
                if handler is not None and handler.partition(".")[0] != package:
                    yield name, f"ServiceToken leads to {handler or 'no handler'}, and the type is that of {package}"
    for name, emptied in graph.of_type("Custom::CdkSglangEmptied").items():
        about = {key: {one.target for one in references(emptied["Properties"].get(key))} for key in ("Bucket", "Arn")}
        if about["Bucket"] != about["Arn"]:
            yield name, f"Bucket is {', '.join(about['Bucket'])}, and Arn that of {', '.join(about['Arn'])}"
        yield from _emptying(name, emptied["Properties"], graph, functions)
    for name, copies in graph.of_type("Custom::CdkSglangCopies").items():
        yield from ((name, message) for message in _of_copies(name, copies["Properties"], graph))
    yield from _unchecked(graph)


def _handler(token: str, functions: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the handler that a function of CDK's framework calls, or a function's own; None for a function that is not here.

    One of the framework's that is not for events, such as its time-out's, has none.
    """
    properties = functions[token]["Properties"]
    own = str(properties.get("Handler", ""))
    if own.startswith("framework."):
        named = reference(properties.get("Environment", {}).get("Variables", {}).get(_ON_EVENT))
        if own != "framework.onEvent" or named is None:
            return own
        return str(functions[named.target]["Properties"].get("Handler", "")) if named.target in functions else None
    return own


def _emptying(
    name: str, properties: Mapping[str, Any], graph: Graph, functions: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield buckets that the function may not empty: it lists the bucket itself, and deletes what is in it."""
    token, bucket = reference(properties.get("ServiceToken")), reference(properties.get("Arn"))
    if token is None or bucket is None or token.target not in functions:
        return
    called = reference(functions[token.target]["Properties"].get("Environment", {}).get("Variables", {}).get(_ON_EVENT))
    role = role_of(functions[called.target], ("Role",)) if called and called.target in functions else ""
    if not role:
        return
    whole, inside = False, False
    for grant in grants(role, graph):
        for one in grant.resources:
            if bucket.target in {found.target for found in references(one)}:
                whole |= reference(one) is not None and any(
                    grant.names(f"s3:ListBucket{end}") for end in ("", "Versions")
                )
                inside |= reference(one) is None and grant.names("s3:DeleteObject")
    if not (whole and inside):
        yield name, f"{role} may not list {bucket.target} and delete what is in it"


def _of_copies(name: str, properties: Mapping[str, Any], graph: Graph) -> Iterator[str]:
    for user in sorted(graph.users[name]):
        component = graph.resources[user]
        if component.get("Type") != COMPONENT:
            continue
        own, subject = component["Properties"].get("InferenceComponentName"), properties.get("Component")
        if literal(own) is not None and literal(subject) is not None and literal(own) != literal(subject):
            yield f"asks about {literal(subject)}, and gives its answer to {literal(own)}"
        models = {
            found.target
            for key in ("Specification", "Specifications")
            for found in references(component["Properties"].get(key, []))
        }
        model = {found.target for found in references(properties.get("Model"))}
        if model and models and not model <= models:
            yield f"Model is {', '.join(sorted(model))}, and {user} serves {', '.join(sorted(models))}"
    for key in ("Initial", "Fewest", "Most"):
        if isinstance(properties.get(key), (str, int, float)) and not str(properties[key]).isdecimal():
            yield f"{key} {properties[key]} is no whole number"


def _unchecked(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield models whose weights nobody looks at before they are served, where the template looks at any."""
    checks = graph.of_type("Custom::CdkSglangWeights")
    if not checks:
        return
    prefixes = [_prefix(text_of(model)) for check in checks.values() for model in check["Properties"].get("Models", [])]
    for name, model in graph.of_type("AWS::SageMaker::Model").items():
        source = model["Properties"].get("PrimaryContainer", {}).get("ModelDataSource", {}).get("S3DataSource", {})
        uri = json.dumps(source.get("S3Uri", ""))  # where a draft is promoted, the base's prefix is one of two
        if source and not any(prefix and prefix in uri for prefix in prefixes):
            yield name, f"nothing looks at its weights before it is served: Models of {', '.join(sorted(checks))}"


def _prefix(text: str) -> str:
    try:
        return str(json.loads(text)["prefix"])
    except (ValueError, KeyError, TypeError):
        return ""
