"""Problems and warnings of a plan lead to the section that explains them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import re
from pathlib import Path

import pytest

from cdk_sglang.errors import Problem
from cdk_sglang.planning import FleetRequest, plan_fleet
from cdk_sglang.planning.guides import GUIDES, Guide, docs_folder, docs_site, guide_of
from cdk_sglang.planning.page import plan_html
from cdk_sglang.spec.slo import Slo
from tests.planning.test_plan import fleet

LINK = re.compile(r'<a class="guide" href="([^"]+)">([^<]+)</a></li>')
LATE = dt.date(2030, 1, 1)


def _wrong() -> FleetRequest:
    """A fleet of old prices that is over its budget, too slow, and beyond its model."""
    slow = {"slo": Slo(ttft_ms=1, tpot_ms=1, at_concurrency=16), "context_length": 4_000_000}
    return dataclasses.replace(fleet(budget_usd_per_hour=1, qwen=slow), today=LATE)


@pytest.mark.parametrize(
    "guide", sorted(set(GUIDES.values()), key=str), ids=lambda guide: f"{guide.page}#{guide.anchor}"
)
def test_each_section_exists(root: Path, guide: Guide) -> None:
    lines = (root / "docs" / guide.page).read_text(encoding="utf-8").splitlines()
    headings = [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    assert headings.count(guide.heading) == 1
    assert "<" not in guide.anchor
    assert " " not in guide.anchor


def test_every_problem_and_warning_of_a_page_leads_to_its_section() -> None:
    request = _wrong()
    plan = plan_fleet(request)
    page = html.unescape(plan_html(plan, request, docs="../../docs"))
    lines = [*plan.problems, *plan.warnings]
    assert {"budget_usd_per_hour", "slo.ttft_ms", "server.context_length"} <= {
        re.sub(r"^endpoints\.\w+\.components\.\w+\.", "", line.path) for line in plan.problems
    }
    assert plan.warnings
    assert len(LINK.findall(page)) == len(lines)
    for line in lines:
        guide = guide_of(line)
        assert guide is not None, line
        assert f'<li>{line} <a class="guide" href="../../docs/{guide.page}#{guide.anchor}">' in page


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("budget_usd_per_hour", "planner.md#cost"),
        ("endpoints.chat", "planner.md#cost"),
        ("endpoints.chat.capacity.max_instances", "sizing.md#how-to-choose"),
        ("endpoints.chat.capacity.reserved", "capacity.md#reserved"),
        ("endpoints.chat.rollout", "updates.md#rollouts-in-steps-with-alarms-that-roll-back"),
        ("endpoints.chat.no_such_key", "planner.md#cost"),
        ("endpoints.chat.components.qwen", "planner.md#what-the-engine-refuses"),
        ("endpoints.chat.components.qwen.rollout.max_batch", "updates.md#rollouts-in-steps-with-alarms-that-roll-back"),
        ("endpoints.chat.components.qwen.server.tp_size", "planner.md#memory"),
        ("endpoints.chat.components.qwen.server.hicache.ratio", "host-memory.md#host-memory"),
        ("endpoints.chat.components.qwen.model", "planner.md#which-format"),
        ("endpoints.chat.components.qwen.model.id", "planner.md#your-own-models-and-prices"),
        ("endpoints.chat.components.qwen.slo.tpot_ms", "planner.md#speed"),
        ("endpoints.capacity.components.slo.anything", "planner.md#what-the-engine-refuses"),  # names, not keys
    ],
)
def test_every_path_of_an_environment_has_a_section(path: str, section: str) -> None:
    guide = guide_of(Problem(path, "x"))
    assert guide is not None
    assert guide.address("docs") == f"docs/{section}"


def test_what_has_no_path_of_an_environment_has_no_section() -> None:
    assert guide_of(Problem("--html", "cannot be written")) is None
    assert guide_of("no path at all") is None


def test_a_site_of_ones_own_is_linked_instead_of_the_repository() -> None:
    request = dataclasses.replace(_wrong(), docs_site=docs_site("https://docs.example.com/gpu/runbooks/"))
    page = plan_html(plan_fleet(request), request, docs="../../docs")
    assert 'href="https://docs.example.com/gpu/planner.html#cost"' in page
    assert "../../docs" not in page
    assert docs_site("docs/runbooks") == docs_site("https://wiki.example.com/alarms") == ""


def test_without_documents_the_section_is_named_alone() -> None:
    request = _wrong()
    page = plan_html(plan_fleet(request), request)
    assert '<a class="guide">planner.md: Cost</a>' in page
    assert "href" not in page


def test_documents_are_found_from_the_folder_of_the_page(root: Path) -> None:
    assert docs_folder(root / "cdk.out" / "prod") == "../../docs"
    assert docs_folder(root) == "docs"
