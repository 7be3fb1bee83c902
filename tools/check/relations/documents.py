"""Policies as IAM reads them: their words, and that the policy of a resource is about that resource."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.check.graph import Graph, listed, references
from tools.check.relations.meant import statements
from tools.check.template_text import text_of

_SID: Final = re.compile(r"[A-Za-z0-9 _.-]*")
_ACTION: Final = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE: Final = re.compile(r"\*|arn:.*", re.DOTALL)

OWN: Final[Mapping[str, str]] = {
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::SNS::TopicPolicy": "Topics",
    "AWS::SQS::QueuePolicy": "Queues",
}
"""Policies that are resources of their own, and the property that says what of: each of their statements is about that alone.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html ("Policy has invalid resource"),
https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-key-concepts.html (read 2026-12)."""


def findings(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield place and message of each statement that IAM cannot read, or that is about another resource."""
    for name, resource in graph.resources.items():
        for place, statement in statements(resource.get("Properties", {})):
            yield from ((f"{name}.{place}", message) for message in _of_statement(statement))
    for resource_type, by in OWN.items():
        for name, policy in graph.of_type(resource_type).items():
            own = {found.target for found in references(policy["Properties"].get(by))}
            for place, statement in statements(policy["Properties"]):
                for value in listed(statement.get("Resource")):
                    about = {found.target for found in references(value)} & graph.resources.keys()
                    if about - own:
                        yield (
                            f"{name}.{place}",
                            f"is about {', '.join(sorted(about))}, and a policy of {', '.join(sorted(own))}",
                        )
    yield from _logged(graph)


def _of_statement(statement: Mapping[str, Any]) -> Iterator[str]:
    sid = statement.get("Sid", "")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        yield f"Sid {sid} has other characters than letters and digits"
    if statement.get("Effect") not in {"Allow", "Deny"}:
        yield f"Effect is {statement.get('Effect')}, neither Allow nor Deny"
    for key, pattern in (("Action", _ACTION), ("NotAction", _ACTION), ("Resource", _RESOURCE)):
        for value in listed(statement.get(key)):
            if not pattern.fullmatch(text_of(value)):
                yield f"{key} {text_of(value)} has not the form that IAM reads"
    if "Action" not in statement and "NotAction" not in statement:
        yield "has no Action"


def _logged(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield buckets whose access logs another bucket does not take, since its policy names other sources."""
    buckets = graph.of_type("AWS::S3::Bucket")
    for name, bucket in buckets.items():
        for found in references(bucket["Properties"].get("LoggingConfiguration", {})):
            if found.target == name:
                yield name, "its access logs go to itself, and each of them makes another"
            for policy in graph.of_type("AWS::S3::BucketPolicy").values():
                if found.target in {one.target for one in references(policy["Properties"].get("Bucket"))}:
                    sources = {
                        one.target
                        for _, statement in statements(policy["Properties"])
                        if "logging.s3" in str(statement.get("Principal"))
                        for one in references(statement.get("Condition", {}))
                    } & buckets.keys()
                    if sources and name not in sources:
                        yield (
                            found.target,
                            f"takes access logs of {', '.join(sorted(sources))}, and not those of {name}",
                        )
