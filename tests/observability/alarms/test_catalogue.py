"""The catalogue of alarms, its runbook pages and its table in the guide say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from cdk_sglang.observability.alarms.catalogue import KINDS, LOG_METRICS, AlarmKind, runbook

SECTIONS = ["What it means", "Look first", "How it ends", "False positives"]


def test_every_kind_has_a_page_and_every_page_a_kind(root: Path) -> None:
    assert {path.stem for path in (root / "docs" / "runbooks").glob("*.md")} == {kind.id for kind in KINDS}
    assert all((root / runbook(kind, "docs/runbooks")).is_file() for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.id for kind in KINDS])
def test_a_page_says_what_it_means_three_things_to_look_at_how_it_ends_and_when_it_is_wrong(
    root: Path, kind: AlarmKind
) -> None:
    text = (root / "docs" / "runbooks" / f"{kind.id}.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert text.count("```console") == 3
    assert "(../alarms.md)" in text


def test_the_guide_lists_every_kind_with_its_severity_and_what_it_needs(root: Path) -> None:
    guide = (root / "docs" / "alarms.md").read_text(encoding="utf-8")
    for kind in KINDS:
        enrichment = "yes" if kind.needs_enrichment else "no"
        condition = f"`{kind.optional}`" if kind.optional else "always"
        row = f"| [{kind.id}](runbooks/{kind.id}.md) | {kind.severity} | {enrichment} | {kind.meaning} | {condition} |"
        assert row in guide
    assert guide.count("](runbooks/") == len(KINDS)


def test_every_page_is_in_the_navigation(root: Path) -> None:
    text = (root / "mkdocs.yml").read_text(encoding="utf-8")
    (nav,) = re.findall(r"^nav:\n(?:.+\n?)+", text, re.MULTILINE)
    pages = set(re.findall(r"[\w/.-]+\.md", str(yaml.safe_load(nav))))
    assert {"alarms.md", *(f"runbooks/{kind.id}.md" for kind in KINDS)} <= pages


def test_every_alarm_on_logs_has_a_metric() -> None:
    assert {kind.id for kind in KINDS if kind.source == "log"} == set(LOG_METRICS)
