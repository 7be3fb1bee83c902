"""The console's fleet in a real browser: drawn live, acted on by keyboard and pointer, in light and dark, wide and on a phone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.console import actions, promql
from localcloud.aws.console.pages import STREAMS
from localcloud.aws.server import LocalCloud
from tests.localcloud import console_board as board
from tests.localcloud.helpers import SESSION
from tests.support.browser import Page

LIVE = "document.querySelector('.status .pill')?.textContent === 'live'"
MAIN = "document.querySelector('main').innerText"


@pytest.fixture(scope="module")
def page(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(browser, tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


@pytest.fixture
def opened(serving: Any, cloud: LocalCloud, page: Page) -> Iterator[Page]:
    """The console of a fleet of one copy."""
    page.problems.clear()
    page.open(cloud.credentials.console_address(cloud.url))
    page.until(LIVE)
    yield page
    assert page.problems == []
    page.call("Page.navigate", url="about:blank")
    del serving


def press(page: Page, key: str) -> None:
    text = "\r" if key == "Enter" else ""
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=13, text=text)


def fill(page: Page, field: str, value: object) -> None:
    page.value(
        f"(() => {{ const one = document.getElementById({json.dumps(field)}); one.value = {json.dumps(str(value))};"
        " one.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def watch(page: Page, selector: str, expression: str) -> None:
    """Keep in `seen` what the page shows in a place from now on, however quickly it goes."""
    observed = "{ subtree: true, childList: true, characterData: true, attributes: true }"
    page.value(
        f"(() => {{ window.seen = []; const one = document.querySelector({json.dumps(selector)});"
        f" new MutationObserver(() => seen.push({expression})).observe(one, {observed}); }})()"
    )


def copies(page: Page) -> list[str]:
    found: list[str] = page.value("[...document.querySelectorAll('[id^=kill-]')].map((one) => one.id)")
    return found


def test_a_copy_is_killed_by_keyboard_and_its_successor_appears_without_a_reload(opened: Page) -> None:
    (button,) = copies(opened)
    assert opened.value("document.querySelectorAll('.gpu').length") == 4
    opened.value(f"document.getElementById('{button}').focus()")
    assert opened.value("document.activeElement.getAttribute('aria-label')").startswith("Kill copy ")
    press(opened, "Enter")
    opened.until(f"document.querySelector('[id^=kill-]') && document.querySelector('[id^=kill-]').id !== '{button}'")
    opened.until(f"{MAIN}.includes('KILLED')")
    assert opened.value("document.querySelector('main [role=status]').textContent")
    assert "USD an hour if this were AWS" in opened.value(MAIN)


def test_faults_and_skipped_time_and_load_act_on_the_fleet(opened: Page) -> None:
    fill(opened, "fault-name", "throttling")
    assert "requests are refused as too many" in opened.value("document.getElementById('fault-text').textContent")
    assert "InvokeEndpoint" in opened.value(
        "[...document.getElementById('fault-targets').options].map((one) => one.value)"
    )
    fill(opened, "fault-target", "InvokeEndpoint")
    opened.value("document.getElementById('fault-inject').click()")
    opened.until("document.querySelector('.status').textContent.includes('injected: throttling on InvokeEndpoint')")
    fill(opened, "load-rate", 20)
    fill(opened, "load-seconds", 600)
    opened.value("document.getElementById('load-start').click()")
    opened.until("document.getElementById('load-state').textContent.includes('ThrottlingException')")
    opened.value("document.getElementById('end-fault-0').click()")
    opened.until("document.getElementById('fault-active').textContent.includes('No fault is in effect')")
    assert faults.active() == []
    opened.until(r"/[1-9]\d* answered/.test(document.getElementById('load-state').textContent)")
    before = clock().now()
    opened.value("document.getElementById('skip-60').click()")
    opened.until("document.getElementById('time-said').textContent === 'skipped 1 min'")
    assert clock().now() - before >= 60
    opened.until("document.querySelector('svg.rate rect')")
    opened.value("document.getElementById('load-stop').click()")
    opened.until("document.getElementById('load-state').textContent.startsWith('last load')")
    fill(opened, "load-rate", 19)
    opened.value("document.getElementById('load-rate').max = 99")
    fill(opened, "load-rate", 21)
    opened.value("document.getElementById('load-start').click()")
    opened.until("document.getElementById('load-said').textContent.includes('per_s: 21 is not allowed')")
    opened.problems = [one for one in opened.problems if "400" not in one]  # Chromium's log has every refusal


def test_an_answer_appears_as_it_arrives_and_can_be_stopped(opened: Page) -> None:
    watch(opened, "#chat-log", "[one.querySelector('li.assistant p')?.textContent, one.getAttribute('aria-busy')]")
    opened.value("document.getElementById('chat-text').focus()")
    opened.call("Input.insertText", text="hello")
    press(opened, "Enter")
    opened.until("document.querySelector('#chat-log li.assistant small').textContent.includes('tokens/s')")
    states = opened.value("seen")
    assert ["part 0 ", "true"] in states
    assert ["part 0 part 1 part 2 ", "true"] in states
    assert states[-1] == ["part 0 part 1 part 2 ", None]
    assert opened.value("document.querySelector('#chat-log li.user p').textContent") == "hello"
    opened.value(
        "(() => { const stop = document.getElementById('chat-stop');"
        " new MutationObserver(() => stop.click()).observe(stop, { attributes: true }); })()"
    )
    opened.call("Input.insertText", text="again")
    press(opened, "Enter")
    opened.until("document.querySelector('#chat-log li:last-child small').textContent.includes('stopped')")


def test_the_page_says_that_it_is_not_live_and_comes_back(opened: Page) -> None:
    watch(opened, ".status", "one.querySelector('.pill')?.textContent")
    STREAMS.end()
    opened.until("seen.includes('not live: the stream has ended')")
    opened.until(LIVE)


def test_a_key_that_reads_shows_the_fleet_and_no_button(serving: Any, cloud: LocalCloud, page: Page) -> None:
    page.open(cloud.credentials.console_address(cloud.url, acts=False))
    page.until(LIVE)
    assert page.value("document.querySelectorAll('.gpu').length") == 4
    assert page.value("document.querySelectorAll('main button, main input, main textarea').length") == 0
    assert "This key reads the console" in page.value(MAIN)
    page.value("localStorage.clear()")
    page.call("Page.navigate", url="about:blank")
    del serving


def test_a_page_in_a_bucket_finds_no_key_and_performs_nothing(opened: Page, cloud: LocalCloud) -> None:
    s3 = SESSION.client("s3", endpoint_url=cloud.url, config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket="pages")
    s3.put_object(Bucket="pages", Key="evil.html", Body=EVIL, ContentType="text/html")
    address = s3.generate_presigned_url("get_object", Params={"Bucket": "pages", "Key": "evil.html"})
    assert address.startswith(cloud.url)  # the console's origin, if it were not for the sandbox
    opened.call("Page.navigate", url=address)
    opened.until("document.title.startsWith('done')")
    assert opened.value("document.title") == "done: SecurityError TypeError"
    assert opened.value("origin") == "null"
    opened.problems.clear()  # Chromium's log has what was refused


EVIL = b"""<script>
  (async () => {
    const said = [];
    try { said.push(localStorage.getItem("localcloud-console-key")); } catch (error) { said.push(error.name); }
    try { said.push((await fetch("/localcloud/console/actions/end-fault", { method: "POST", body: "{}" })).status); } catch (error) { said.push(error.name); }
    document.title = `done: ${said.join(" ")}`;
  })();
</script>"""


@pytest.fixture
def planned(
    serving: Any, cloud: LocalCloud, client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> LocalCloud:
    """A fleet of one copy, a dashboard with a plan, and a fault."""
    monkeypatch.setattr(promql, "query_range", board.query_range)
    board.put_board(client("cloudwatch"))
    actions._fault({"fault": "silent-rollback", "target": "fleet"})
    del serving
    return cloud


def test_the_fleet_fits_every_window_and_names_every_field(planned: LocalCloud, page: Page, tmp_path: Path) -> None:
    page.problems.clear()
    for width, scheme in ((1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")):
        page.open(planned.credentials.console_address(planned.url), width=width, height=1900, scheme=scheme)
        page.until(LIVE)
        page.until("document.querySelector('#table-plan')")
        plan = page.value("document.querySelector('#table-plan').innerText")
        for part in ("Tokens per second", "40 \N{EN DASH} 70", "measured", "plan"):
            assert part in plan
        page.screenshot(tmp_path / f"fleet-{scheme}-{width}.png")
        assert page.value("document.documentElement.scrollWidth") == width
        assert page.value(UNNAMED) == []
        ids = page.value("[...document.querySelectorAll('[id]')].map((one) => one.id)")
        assert len(ids) == len(set(ids))
    assert page.problems == []
    page.call("Page.navigate", url="about:blank")


UNNAMED = """[...document.querySelectorAll('input, select, textarea, button')].filter((one) => one.offsetParent !== null)
  .filter((one) => !(one.getAttribute('aria-label') || one.closest('label') || one.textContent.trim())).map((one) => one.id)"""
