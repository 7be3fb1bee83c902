"""Wording of code and documents: phrases that a native reader stumbles over do not come back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.folders import CODE

PHRASES: Final = {
    r"[;,] (none|null|empty|0) for none\b(?! of)": "None if there is none",
    r"\bnobody says\b": "if unspecified",
    r"\bnobody knows\b": "unknown",
    r"\bstands there\b": "is listed",
    r"\bspeaks? against\b": "the problems of",
    r"\bworks out to\b": "resolves to",
    r"\bheld against\b": "compared with, checked against",
    r"\bas ever\b": "as usual",
    r"\bdear(er|est)?\b": "expensive, more expensive, most expensive",
    r"\bfor want of\b": "without",
    r"\bto be had\b": "available",
    r"\bcannot be had\b": "is unavailable",
    r"\bmend(s|ed|ing)?\b": "fix, correct",
    r"\b(tak(e|es|ing|en)|took) ((it|them|an update|the update|a deployment) )?back\b": "roll back",
}
"""What is not written, as a regular expression, and what is written in its place."""

ROOT: Final = Path(__file__).resolve().parents[1]
_SHIPPED: Final = [folder for folder in CODE if folder != "tests"]
_SUFFIXES: Final = {".guard", ".html", ".j2", ".md", ".py", ".yaml"}
_SKIPPED: Final = {"node_modules", "__pycache__", "data"}


def _findings(text: str) -> list[str]:
    return [
        f"line {text[: match.start()].count(chr(10)) + 1}: {match.group()!r}; write {replacement}"
        for phrase, replacement in PHRASES.items()
        for match in re.finditer(phrase, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "the bucket; None for none.",
        "The dearest type.",
        "# no alarm takes it back",
        "Mend the cause.",
        "a type that\ncannot be had",
    ],
)
def test_a_phrase_is_found_in_any_line(text: str) -> None:
    assert _findings(text)


def test_plain_wording_passes() -> None:
    assert not _findings("None for none of them. A recommendation is rolled back; the models amend nothing.")


def test_code_and_documents_are_worded_plainly() -> None:
    files = [
        file
        for folder in (*_SHIPPED, "docs")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in _SUFFIXES and not _SKIPPED.intersection(file.relative_to(ROOT).parts) and file.is_file()
    ]
    assert len(files) > 800
    findings = [
        f"{file.relative_to(ROOT)}, {finding}"
        for file in (*files, ROOT / "README.md", ROOT / "app.py")
        for finding in _findings(file.read_text(encoding="utf-8"))
    ]
    assert not findings, "\n".join(findings)
