"""`explain_problem`: what a problem's line, an alarm's name or a line of a container's log means, and where to read more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from cdk_sglang.cli.mcp.problems import problem_row
from cdk_sglang.cli.mcp.tool import Tool
from cdk_sglang.cli.mcp.workspace import Workspace
from cdk_sglang.errors import Problem
from cdk_sglang.validation import Spec

if TYPE_CHECKING:
    from cdk_sglang.observability.alarms.catalogue import AlarmKind

_LINE: Final = re.compile(r"(?:(?P<file>[^\s:]+\.ya?ml): )?(?P<path>[A-Za-z_][\w.\[\]-]*): (?P<text>.+)")
"""How a `Problem` reads: file, path, text."""
_READ_ON: Final = 3
_ALLOWED_SHOWN: Final = 40
_DEFAULT_SHOWN: Final = 100
_BOUNDS: Final[Mapping[str, str]] = {
    "minimum": ">=",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "exclusiveMaximum": "<",
    "pattern": "matching",
}
"""Keywords of JSON Schema in words."""


class Unclear(Spec):
    """A text to explain."""

    text: Annotated[str, Field(min_length=1, max_length=4_000)]
    """A line that cdk-sglang or make synth printed, the name or description of an alarm, or a line of a container's log."""


class Setting(Spec):
    """A setting of an environment file."""

    path: str
    """Its place."""

    description: str
    """What it means."""

    type: str
    """Its type."""

    default: str | None
    """Its default as JSON; null without one."""

    allowed: list[str]
    """Values that it takes, or keys; empty if it takes any of its type."""


class Place(Spec):
    """Where to read more."""

    uri: str
    """Address of a resource of this server."""

    section: str
    """Heading of the section in it."""


class Explanation(Spec):
    """What it is about."""

    kind: Literal["setting", "alarm", "engine failure", "unknown"]
    """A setting of an environment, an alarm, a failure of the engine or of a GPU, or nothing that this tool knows."""

    path: str
    """Place of the setting, or the name of the kind of alarm or failure."""

    problem: str
    """What is wrong."""

    next_step: str
    """What to do."""

    setting: Setting | None
    """What the schema says about the setting; null for anything else, or if the schema is not installed."""

    read_on: list[Place]
    """Sections of the documentation; empty if it is not installed."""


def _explain(query: Unclear, workspace: Workspace) -> Explanation:
    del workspace  # every tool takes it
    text = " ".join(query.text.split())
    return _failure(text) or _setting(text) or _alarm(text) or _unknown(text)


def _failure(text: str) -> Explanation | None:
    """Explain a log line of a failure that is counted."""
    from cdk_sglang.observability.alarms.catalogue import KINDS, LOG_METRICS
    from cdk_sglang.observability.logs.failures import engine_failures

    for metric, failure in engine_failures().items():
        if any(term.text in text for term in failure.terms):
            kind = next(one for one in KINDS if LOG_METRICS.get(one.id) == metric)
            return _of_kind(kind, "engine failure")
    return None


def _alarm(text: str) -> Explanation | None:
    """Explain a name or a text with the name of a kind of alarm."""
    from cdk_sglang.observability.alarms.catalogue import KINDS

    squeezed = text.lower().replace("-", "").replace("_", "")
    for kind in KINDS:
        if kind.id in text or kind.id.replace("-", "") in squeezed.split(":")[0].split(" ")[0]:
            return _of_kind(kind, "alarm")
    return None


def _of_kind(kind: AlarmKind, word: Literal["alarm", "engine failure"]) -> Explanation:
    return Explanation(
        kind=word,
        path=kind.id,
        problem=kind.meaning,
        next_step=kind.action,
        setting=None,
        read_on=list(_runbook(kind.id)),
    )


def _runbook(kind_id: str) -> Iterator[Place]:
    from cdk_sglang.cli.mcp.documents import documents

    document = documents().get(f"cdk-sglang://docs/runbooks/{kind_id}.md")
    if document is not None:
        yield Place(uri=document.uri, section=document.title)


def _setting(text: str) -> Explanation | None:
    """Explain the line of a problem of an environment file."""
    match = _LINE.search(text)
    if match is None:
        return None
    row = problem_row(Problem(match["path"], match["text"], file=match["file"] or ""))
    parts = [part for part in re.split(r"\.|\[\d+\]", match["path"]) if part]
    setting = _described(parts)
    if setting is None and not match["file"]:
        return _setting(match["text"])  # the line does not begin with a place: "warning: ..."
    return Explanation(
        kind="setting",
        path=row.path,
        problem=row.problem,
        next_step=row.next_step or "see the setting and the sections of read_on",
        setting=setting,
        read_on=_read_on(parts),
    )


def _described(parts: Sequence[str]) -> Setting | None:
    """Return what the schema says of a place; None if there is no such setting, or no schema."""
    from cdk_sglang.cli.mcp.documents import schema

    whole = schema()
    if whole is None:
        return None
    here: Mapping[str, Any] | None = whole
    for part in parts:
        here = _below(whole, here or {}, part)
    if here is None:
        return None
    types = list(_alternatives(whole, here))
    keys = [key for one in types for key in one.get("properties", {})]
    values = [
        json.dumps(value)
        for one in types
        for value in (*one.get("enum", ()), *([one["const"]] if "const" in one else ()))
    ]
    described = [one["description"] for one in (here, *types) if "description" in one]
    default = json.dumps(here["default"]) if "default" in here else None
    return Setting(
        path=".".join(parts),
        description=next(iter(described), ""),
        type=" or ".join(dict.fromkeys(map(_type, types))),
        default=default if default is None or len(default) <= _DEFAULT_SHOWN else "see its own settings",
        allowed=(values or keys)[:_ALLOWED_SHOWN],
    )


def _type(here: Mapping[str, Any]) -> str:
    """Return the type of a schema in words, with its bounds."""
    bounds = [f"{word} {here[key]}" for key, word in _BOUNDS.items() if key in here]
    return " ".join([str(here.get("type", "value")), *bounds])


def _below(whole: Mapping[str, Any], here: Mapping[str, Any], part: str) -> Mapping[str, Any] | None:
    """Return the schema of a key or of an item."""
    for one in _alternatives(whole, here):
        named = one.get("patternProperties", {}).values()  # mappings by names of the user's own
        found = one.get("properties", {}).get(part) or next(iter(named), None) or one.get("additionalProperties")
        if isinstance(found, dict):
            return found
    return None


def _alternatives(whole: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what a schema refers to: other types, or itself."""
    if "$ref" in here:
        yield from _alternatives(whole, whole["$defs"][str(here["$ref"]).rpartition("/")[2]])
        return
    inner = [*here.get("anyOf", ()), *here.get("oneOf", ())]
    if not inner or "properties" in here:
        yield here
        return
    for one in inner:
        yield from _alternatives(whole, one)
    for one in inner:  # items of lists, whose numbers are not part of a place
        if isinstance(one.get("items"), dict):
            yield from _alternatives(whole, one["items"])


def _read_on(parts: Sequence[str]) -> list[Place]:
    """Return the sections that mention the last names of a place most."""
    from cdk_sglang.cli.mcp.documents import sections

    names = [part for part in reversed(parts) if part not in {"endpoints", "components"}][:2]
    marks = [f"`{name}" for name in names] + [f"{name}:" for name in names]
    ranked = sorted(
        (
            (sum(one.text.count(mark) for mark in marks) + 3 * sum(name in one.heading for name in names), one)
            for one in sections()
        ),
        key=lambda pair: -pair[0],
    )
    return [Place(uri=one.document.uri, section=one.heading) for points, one in ranked[:_READ_ON] if points > 0]


def _unknown(text: str) -> Explanation:
    return Explanation(
        kind="unknown",
        path="",
        problem=f"nothing is known here of {text[:200]!r}",
        next_step=(
            "give one whole line as cdk-sglang printed it, the name of an alarm, or a line of the container's log; a person can run "
            "cdk-sglang doctor --env <name>, which names what would make a deployment fail"
        ),
        setting=None,
        read_on=[],
    )


EXPLAIN_PROBLEM: Final = Tool(
    name="explain_problem",
    title="Explain a problem, an alarm or a failure",
    description=(
        "What a line of cdk-sglang, an alarm or a line of a container's log is about: the setting with its meaning, type, default and allowed "
        "values, or the meaning of the alarm and what to do first, and the sections of the documentation to read."
    ),
    takes=Unclear,
    gives=Explanation,
    answer=_explain,
)
