"""The console in a real browser: every kind of widget is drawn, in light and dark, on a wide screen and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws.console import promql
from localcloud.aws.server import LocalCloud
from tests.localcloud import console_board as board
from tests.localcloud.console_board import put_board
from tests.support.browser import Page

DRAWN = f"document.querySelectorAll('.panel').length === {board.COUNT} && !document.querySelector('[aria-busy]')"
PANEL = "[...document.querySelectorAll('.panel')].find((one) => one.querySelector('h2')?.textContent === '{title}')"


@pytest.fixture(scope="module")
def page(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(browser, tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


@pytest.fixture
def deployed(
    cloud: LocalCloud, client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, page: Page
) -> LocalCloud:
    monkeypatch.setattr(promql, "query_range", board.query_range)
    put_board(client("cloudwatch"))
    page.problems.clear()
    return cloud


def address(cloud: LocalCloud, query: str = f"?dashboard={board.NAME}") -> str:
    return cloud.credentials.console_address(cloud.url).replace("#", f"{query}#")


def painted(title: str) -> str:
    """Number of different colours on a panel's canvas."""
    return f"""(() => {{
      const canvas = {PANEL.format(title=title)}.querySelector("canvas");
      const data = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
      return new Set(data).size;
    }})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_every_kind_of_widget_shows_its_data(
    deployed: LocalCloud, page: Page, tmp_path: Path, scheme: str, width: int
) -> None:
    page.open(address(deployed), width=width, height=9000, scheme=scheme)
    page.until(DRAWN)
    for title in (
        "Requests",
        "Latency",
        "Errors in percent",
        "Found by SEARCH",
        "Alarm as a line",
        "Tokens per second",
        "Tokens per step",
    ):
        page.until(f"{painted(title)} > 20")  # axes, lines and their soft edges
    assert page.value(painted("GPU utilisation by instance and accelerator")) == 7  # six steps, and what is not painted
    texts = {title: page.value(f"{PANEL.format(title=title)}.innerText") for title in board.TITLES}
    assert "runbook" in page.value("document.querySelector('.panel.text').innerText")
    assert "✔ ok" in texts["Alarms of the promise"] or "no data" in texts["Alarms of the promise"]
    assert "requests of llama" in texts["Requests"]
    assert "Add copies when the line leaves the band" in texts["Latency"]
    assert " ms" in texts["Now"]
    assert " %" in texts["GPU busy"]
    assert "qwen" in texts["By component"]
    assert "qwen" in texts["Shares"]
    assert "ModelLatency p90" in texts["Values"]
    assert "plan\n40 \N{EN DASH} 70" in texts["Tokens per second"]
    assert "host i-02 · gpu 3" in texts["GPU utilisation by instance and accelerator"]
    assert "host i-02 · gpu 3" in texts["Busy GPUs"]
    background = page.value("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    page.screenshot(tmp_path / "board.png")
    assert page.value("document.documentElement.scrollWidth") == width
    assert page.problems == []


def test_a_panel_without_data_says_so_and_why(deployed: LocalCloud, page: Page) -> None:
    page.open(address(deployed), height=9000)
    page.until(DRAWN)
    reasons = {
        "Queue": "find no series",
        "Throttles": "nobody has published Custom/Nobody Throttles of a",
        "Refused": "parse error",
    }
    for title, reason in reasons.items():
        text = page.value(f"{PANEL.format(title=title)}.innerText")
        assert "No data" in text
        assert reason in text
    assert (
        page.value("[...document.querySelectorAll('.panel')].filter((one) => one.innerText.trim() === '').length") == 0
    )


def test_a_panel_that_gets_no_answer_says_so(deployed: LocalCloud, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[promql.Line]:
        raise RuntimeError("boom")

    monkeypatch.setattr(promql, "query_range", broken)
    page.open(address(deployed), height=9000)
    page.until(DRAWN)
    assert "No answer" in page.value(f"{PANEL.format(title='Tokens per second')}.innerText")
    assert "requests of llama" in page.value(f"{PANEL.format(title='Requests')}.innerText")


def test_values_of_a_drawing_are_a_table_for_who_cannot_see_it(deployed: LocalCloud, page: Page) -> None:
    page.open(address(deployed), height=9000)
    page.until(DRAWN)
    panel = PANEL.format(title="Latency")
    label = page.value(f"{panel}.querySelector('.drawing').getAttribute('aria-label')")
    assert label.startswith("Latency. p90 now ")
    page.value(f"{panel}.querySelector('header button').click()")
    assert page.value(f"{panel}.querySelector('header button').getAttribute('aria-pressed')") == "true"
    assert "p90" in page.value(f"{panel}.querySelector('table').innerText")
    assert "promise" in page.value(f"{panel}.querySelector('table').innerText")


def test_links_lead_to_dashboards_here_and_to_no_page_that_is_not_here(deployed: LocalCloud, page: Page) -> None:
    page.open(address(deployed), height=9000)
    page.until(DRAWN)
    links = page.value(
        "[...document.querySelectorAll('.panel.text a')].map((one) => [one.textContent, one.getAttribute('href'), one.target])"
    )
    assert links == [
        ["the runbook", "https://docs.example.com/runbook", "_blank"],
        ["this board", f"?dashboard={board.NAME}", ""],
    ]
    page.value("document.querySelectorAll('.panel.text a')[1].click()")
    page.until(DRAWN)


def test_a_series_is_hidden_by_its_entry_in_the_legend(deployed: LocalCloud, page: Page) -> None:
    page.open(address(deployed), height=9000)
    page.until(DRAWN)
    entry = f"{PANEL.format(title='Found by SEARCH')}.querySelector('.legend button')"
    before = page.value(painted("Found by SEARCH"))
    page.value(f"{entry}.click()")
    assert page.value(f"{entry}.getAttribute('aria-pressed')") == "false"
    page.until(f"{painted('Found by SEARCH')} !== {before}")


def test_the_page_refreshes_itself_and_keeps_what_the_reader_chose(
    deployed: LocalCloud, page: Page, client: Callable[[str], Any]
) -> None:
    page.open(address(deployed), height=9000)
    page.until(DRAWN)
    assert page.value("document.getElementById('range').value") == str(board.HOURS)  # what the dashboard opens with
    page.value("(range.value = '900', range.dispatchEvent(new Event('change')))")
    page.value(
        "(document.getElementById('refresh').value = '5', document.getElementById('refresh').dispatchEvent(new Event('change')))"
    )
    dimensions = [{"Name": "Team", "Value": "a"}]
    client("cloudwatch").put_metric_data(
        Namespace="Custom/Nobody", MetricData=[{"MetricName": "Throttles", "Dimensions": dimensions, "Value": 4.0}]
    )
    page.until(f"!{PANEL.format(title='Throttles')}.innerText.includes('No data')")
    assert page.value("document.getElementById('range').value") == "900"


def test_the_key_leaves_the_address_and_a_wrong_one_is_asked_for_again(deployed: LocalCloud, page: Page) -> None:
    page.open(address(deployed), height=900)
    page.until("document.querySelector('.panel')")
    assert "key" not in page.value("location.href")
    page.call("Page.navigate", url=f"{deployed.url}/localcloud/console/#key=wrong")
    page.until("document.getElementById('key')")
    page.value("localStorage.clear()")
    page.call("Page.navigate", url=f"{deployed.url}/localcloud/console/")
    page.until("document.getElementById('key')")
    page.value(f"document.getElementById('key').value = '{address(deployed, '')}'")
    page.value("document.querySelector('main form button').click()")
    page.until("document.querySelector('h1').textContent === 'Fleet'")


def test_the_overview_shows_the_fleet_and_leads_to_the_dashboards_by_keyboard(
    serving: Any, deployed: LocalCloud, page: Page
) -> None:
    page.open(address(deployed, ""), width=1280, height=900)
    page.until("document.querySelectorAll('.gpu').length === 4")
    text = page.value("document.querySelector('main').innerText")
    for part in ("ml.g6e.12xlarge", "2 of 4 GPUs reserved", "healthy", "llama-latency", "runbook", "Last events"):
        assert part in text
    assert page.value("document.querySelectorAll('.gpu.free').length") == 2
    page.value("document.querySelector('nav a[href*=dashboard]').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    page.until(f"document.querySelector('h1').textContent === '{board.NAME}'")
    assert page.value("document.querySelector('nav a[aria-current]').textContent") == board.NAME
    page.value("history.back()")
    page.until("document.querySelector('h1').textContent === 'Fleet'")
    page.open(address(deployed, ""), width=400, height=900)
    page.until("document.querySelector('.cards')")
    assert page.value("document.documentElement.scrollWidth") == 400
    assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(deployed: LocalCloud, page: Page, scheme: str) -> None:
    page.open(address(deployed, ""), scheme=scheme)
    page.until("document.querySelector('.cards')")
    measured = page.value(CONTRAST)
    worst = min(measured.items(), key=lambda one: float(one[1]))
    assert worst[1] >= 4.5, worst


CONTRAST = """(() => {
  const probe = document.body.appendChild(document.createElement("i"));
  const light = (name) => {
    probe.style.color = `var(${name})`;
    const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = {};
  for (const ink of ["--fg", "--soft", "--bad", "--good", "--warn", "--link"]) for (const paper of ["--bg", "--card"]) {
    const [least, most] = [light(ink), light(paper)].sort((a, b) => a - b);
    found[`${ink} on ${paper}`] = (most + 0.05) / (least + 0.05);
  }
  return found;
})()"""
