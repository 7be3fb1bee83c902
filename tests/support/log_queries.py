"""What CloudWatch Logs does with a line: filter patterns of quoted terms, and `filter` and `parse` of Logs Insights.

Not CloudWatch: only the part of both languages that the project's patterns and queries use, and anything else is an error.
Patterns: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html; queries:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html (read 2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

_TERMS = re.compile(r'(?:\?("(?:[^"\\]|\\.)+")(?: |$))+')
_LIKE = re.compile(r"filter (?P<field>@?\w+) (?P<negated>not )?like /(?P<regex>(?:[^/\\]|\\.)*)/")
_PARSE = re.compile(r"parse (?P<field>@?\w+) /(?P<regex>(?:[^/\\]|\\.)*)/")
_CONDITION = re.compile(r" and (?=@?\w+ (?:not )?like /)")
_OTHERS = ("stats ", "sort ", "limit ", "display ")


def terms(pattern: str) -> list[str]:
    """Return the alternatives of a filter pattern that is made of optional terms alone."""
    assert _TERMS.fullmatch(pattern), pattern
    assert len(pattern) <= 1024, (
        "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html"
    )
    return [json.loads(quoted) for quoted in re.findall(r'\?("(?:[^"\\]|\\.)+")', pattern)]


def matches_words(pattern: str, line: str) -> bool:
    """Whether a line has one of the terms as whole words, the narrowest reading of the documentation."""
    return any(re.search(rf"(?<![A-Za-z0-9_]){re.escape(term)}(?![A-Za-z0-9_])", line) for term in terms(pattern))


def matches_anywhere(pattern: str, line: str) -> bool:
    """Whether a line has one of the terms anywhere, the widest reading of the documentation."""
    return any(term in line for term in terms(pattern))


def stages(query: str) -> list[str]:
    """Return the commands of a query."""
    return [stage.strip() for stage in re.split(r"(?:^|\n)\| ", query)]


def rows(query: str, lines: Iterable[str], *, log: str = "111122223333:/aws/sagemaker/x/y") -> list[Mapping[str, str]]:
    """Return the lines that pass the query's filters, each with the fields that it parses from them."""
    found: list[Mapping[str, str]] = []
    for line in lines:
        row: dict[str, str] | None = {"@message": line, "@log": log, "@logStream": "s", "@timestamp": "0"}
        for stage in stages(query):
            row = _apply(stage, row) if row is not None else None
        if row is not None:
            found.append({name: value for name, value in row.items() if not name.startswith("@")})
    return found


def fields(query: str) -> set[str]:
    """Return the names that a query gives to parts of a line or to its statistics."""
    aliases = {
        name for stage in stages(query) if stage.startswith("stats ") for name in re.findall(r" as (\w+)", stage)
    }
    return aliases | set(re.findall(r"\(\?<(\w+)>", query)) | {"@timestamp", "@message", "@log", "@logStream"}


def used(query: str) -> set[str]:
    """Return the names that a query's later commands use."""
    text = " ".join(stage.partition(" ")[2] for stage in stages(query) if stage.startswith((*_OTHERS[:2], "display ")))
    words = set(re.findall(r"@?[A-Za-z_]\w*", re.sub(r"\b\d+\w*", "", text)))
    return words - {"as", "by", "desc", "asc", "count", "max", "min", "sum", "latest", "count_distinct", "bin"}


def _apply(stage: str, row: dict[str, str]) -> dict[str, str] | None:
    if stage.startswith("filter "):
        conditions = _CONDITION.split(stage.removeprefix("filter "))
        return row if all(_holds(f"filter {condition}", row) for condition in conditions) else None
    if stage.startswith("parse "):
        command = _PARSE.fullmatch(stage)
        assert command, stage
        regex = _python(command["regex"])
        assert not re.search(r"(?<!\\)\((?!\?)", command["regex"]), f"a group without a name: {stage}"
        found = re.search(regex, row[command["field"]])
        return row | {name: text for name, text in (found.groupdict() if found else {}).items() if text is not None}
    assert stage.startswith(_OTHERS), stage
    return row


def _holds(condition: str, row: Mapping[str, str]) -> bool:
    command = _LIKE.fullmatch(condition)
    assert command, condition
    return bool(re.search(_python(command["regex"]), row[command["field"]])) != bool(command["negated"])


def _python(regex: str) -> str:
    """Return a regular expression of Java's kind as Python writes it."""
    return regex.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
