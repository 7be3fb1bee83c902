"""The page of a plan: what is on it, and how a browser draws it."""

from __future__ import annotations

import dataclasses
import html
import math
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from cdk_sglang.planning import plan_fleet
from cdk_sglang.planning.chart import LEFT, log_chart
from cdk_sglang.planning.layouts import CopyNeeds
from cdk_sglang.planning.page import _copies_of, _template, plan_html
from cdk_sglang.planning.predict import Band
from cdk_sglang.spec.slo import Slo
from tests.planning.test_plan import fleet


def test_the_page_is_self_contained_and_escapes_names() -> None:
    request = fleet(qwen={"name": "<b>"})
    page = plan_html(plan_fleet(request), request)
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "src=" not in page
    assert "http" not in page
    assert len(page) < 100_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_renders_in_a_browser(tmp_path: Path, browser: str, scheme: str) -> None:
    request = fleet()
    page = tmp_path / "plan.html"
    page.write_text(plan_html(plan_fleet(request), request), encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
    setting = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"

    def look(*arguments: str) -> str:
        done = subprocess.run(
            [browser, *flags.split(), setting, f"--user-data-dir={tmp_path / 'profile'}", *arguments, page.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    drawn = look("--dump-dom")
    assert drawn.count("<svg") == 9  # three charts of each component
    assert drawn.count('title="GPU ') == sum(
        len(layout) for one in plan_fleet(request).endpoints for layout in one.layouts
    )
    assert "</html>" in drawn
    shot = tmp_path / "plan.png"
    look(f"--screenshot={shot}", "--window-size=1150,2300")
    assert corner_of(shot) == {"light": (255, 255, 255), "dark": (13, 17, 23)}[scheme]


def corner_of(png: Path) -> tuple[int, ...]:
    """The first pixel of a picture: no filter changes it, whatever the encoder chose."""
    data, position, packed = png.read_bytes(), 8, b""
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"IDAT":
            packed += data[position + 8 : position + 8 + size]
        position += size + 12
    return tuple(zlib.decompress(packed)[1:4])


def test_the_same_plan_is_the_same_page() -> None:
    first, second = fleet(), fleet()
    assert plan_html(plan_fleet(first), first) == plan_html(plan_fleet(second), second)


def test_a_plan_that_cannot_be_deployed_says_so_and_why() -> None:
    request = fleet(budget_usd_per_hour=100)
    plan = plan_fleet(request)
    page = html.unescape(plan_html(plan, request))
    assert "This plan cannot be deployed" in page
    assert all(f"<li>{problem} <a" in page for problem in plan.problems)
    assert "cannot be deployed" not in plan_html(plan_fleet(fleet()), fleet())


def test_a_template_that_names_something_unknown_is_an_error() -> None:
    environment = _template().environment
    with pytest.raises(UndefinedError):
        environment.from_string("{{ plan.no_such_part }}").render(plan=plan_fleet(fleet()))


def test_the_library_and_the_command_load_without_jinja2() -> None:
    code = "import sys, cdk_sglang.planning.page, cdk_sglang.cli.main; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "False\n"


def test_the_page_is_no_wider_than_a_phone(tmp_path: Path, browser: str) -> None:
    request = fleet()
    framed = html.escape(plan_html(plan_fleet(request), request))
    measure = "const page = this.contentDocument.documentElement; document.title = `width ${page.clientWidth} needs ${page.scrollWidth}`"
    page = tmp_path / "phone.html"
    page.write_text(f'<iframe width="375" height="700" style="border:0" onload="{measure}" srcdoc="{framed}"></iframe>')
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "<title>width 375 needs 375</title>" in done.stdout


def test_no_table_is_wider_than_the_page(tmp_path: Path, browser: str) -> None:
    request = fleet()
    script = "<script>document.title='cut '+[...document.querySelectorAll('.wide')].filter(e=>e.scrollWidth>e.clientWidth).length</script>"
    page = tmp_path / "plan.html"
    page.write_text(plan_html(plan_fleet(request), request).replace("</body>", script + "</body>"), encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--window-size=1150,900", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "<title>cut 0</title>" in done.stdout


def test_the_page_tells_copies_apart_and_shows_load_promise_and_month() -> None:
    request = fleet(qwen={"slo": Slo(ttft_ms=900, tpot_ms=60, at_concurrency=24)})
    plan = plan_fleet(request)
    page = plan_html(plan, request)
    assert {f", copy {number}" in page for number in (1, 2)} == {True}
    assert "<title>planned: 24</title>" in page
    assert "<title>slo 900</title>" in page
    assert "<title>slo 60</title>" in page
    assert plan.usd_per_hour is not None
    assert f"{plan.usd_per_hour.typical * 730:,.0f}" in page
    assert "Cheapest that hold" in page  # of components without a promise
    assert "Cheapest that are fast enough for qwen" in page


def test_a_copy_of_several_gpus_has_one_number() -> None:
    counted: dict[str, int] = {}
    first = list(_copies_of(("a", "a", "b", ""), {"a": 2, "b": 1}, counted))
    assert first == [("a", "1"), ("a", "1"), ("b", "1"), ("", "")]
    assert list(_copies_of(("a", "a", "b", "c"), {"a": 2, "b": 1}, counted)) == [
        ("a", "2"), ("a", "2"), ("b", "2"), ("c", ""),
    ]  # fmt: skip


def test_routes_and_what_nobody_plans_are_on_the_page() -> None:
    request = dataclasses.replace(fleet(), routes={"best": ("chat/qwen", "chat/llama")}, unplanned=("chat.own",))
    page = plan_html(plan_fleet(request), request)
    assert "<li>best: chat/qwen, then chat/llama</li>" in page
    assert "chat.own" in page
    assert "Routes" not in plan_html(plan_fleet(fleet()), fleet())


def test_the_load_stands_between_the_steps_around_it() -> None:
    bands = [Band(value=10, low=5, high=20)] * 3
    chart = log_chart("t", (1, 2, 4), bands, now=math.sqrt(8), goal=1000)
    assert chart.now is not None
    assert chart.now.at == pytest.approx((chart.steps[1].at + chart.steps[2].at) / 2)
    assert chart.goal is not None
    assert chart.decades[-1].label == "1,000"  # the axis reaches the promise
    assert log_chart("t", (1, 2, 4), bands, now=64).now is None


def test_copies_of_a_model_that_nobody_knows_are_numbered_too() -> None:
    own = CopyNeeds(name="own", gpus_by_type=dict.fromkeys(("ml.p5en.48xlarge",), 2), min_copies=1, max_copies=1)
    request = fleet(reasoning={"others": (own,)})
    assert 'title="GPU 0: own, copy 1">1<' in plan_html(plan_fleet(request), request)


def test_a_promise_counts_for_its_own_endpoint_alone() -> None:
    request = fleet(qwen={"slo": None})
    promised = dataclasses.replace(request.endpoints[0].components[0], slo=Slo(ttft_ms=1500))
    twin = dataclasses.replace(request.endpoints[0], name="promised", components=(promised,))
    request = dataclasses.replace(request, endpoints=(*request.endpoints, twin))
    page = plan_html(plan_fleet(request), request)
    assert page.count("Cheapest that hold qwen") == page.count("Cheapest that are fast enough for qwen") == 1


def test_no_label_of_an_axis_is_cut() -> None:
    bands = [Band(value=value, low=value / 2, high=value * 2) for value in (1, 400_000, 4_000_000)]
    labels = [decade.label for decade in log_chart("t", (1, 2, 4), bands).decades]
    assert labels[-3:] == ["100,000", "1M", "10M"]
    widest = 7.0  # of a digit of 11 px in any system font
    assert max(map(len, labels)) * widest < LEFT - 6
