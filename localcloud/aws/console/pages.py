"""Routes of the console, under `/localcloud/console/`: the page and its files for everyone on this machine, data and actions for holders of a key.

The page contains no data; its script sends the key from the part of the address after `#`, which browsers do not send to servers.
"""

from __future__ import annotations

import http
import json
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from werkzeug.wrappers import Request, Response

from cdk_sglang.console import page
from cdk_sglang.console.stream import Streams, TooManyError, hung_up
from localcloud.aws.clock import clock
from localcloud.aws.console import actions, dashboards
from localcloud.aws.console.beside import beside_plan
from localcloud.aws.console.overview import overview, snapshot
from localcloud.aws.console.panels import Lookup
from localcloud.aws.credentials import REGION
from localcloud.aws.door.guard import ACTS, CONSOLE, CONSOLE_ACTIONS, CONSOLE_DATA
from localcloud.aws.settings import REPOSITORY

_HERE: Final = Path(__file__).parent
_UPLOT: Final = REPOSITORY / "node_modules" / "uplot" / "dist"
"""uPlot 1.6.32 draws the lines: 0.2 MB to download and 51 kB on the page, where Plotly and ECharts have 10 MB and 1 to 5 MB; a heat map is a
drawing hook of it."""
_LIBRARY: Final = {"uplot.js": "uPlot.esm.js", "uplot.css": "uPlot.min.css"}
_RANGE_S: Final = 3600
_RANGE_MAX_S: Final = 30 * 86400
RANGES: Final = (
    (900, "15 min"),
    (3600, "1 h"),
    (3 * 3600, "3 h"),
    (6 * 3600, "6 h"),
    (86400, "1 day"),
    (7 * 86400, "7 days"),
)
"""Available time ranges, in seconds."""
REFRESHES: Final = ((0, "off"), (5, "5 s"), (10, "10 s"), (60, "1 min"))
"""Available refresh intervals, in seconds."""
STREAMS: Final = Streams(lambda: snapshot(ACCOUNT, REGION), lambda: {"now": clock().now()})


def answer(request: Request) -> Response:
    """Answer a request to the console: 404 for an unknown path, dashboard or widget, 400 for a malformed argument."""
    path = str(request.environ.get("PATH_INFO", ""))
    if path.startswith(CONSOLE_ACTIONS):
        return _guarded(actions.answer(request, path.removeprefix(CONSOLE_ACTIONS)))
    if request.method not in ("GET", "HEAD"):
        return _problem(
            f"{request.method} is not for the console, which only reads", http.HTTPStatus.METHOD_NOT_ALLOWED
        )
    if path.startswith(CONSOLE_DATA):
        return _data(request, path.removeprefix(CONSOLE_DATA))
    name = path.removeprefix(CONSOLE)
    content = _page().encode() if not name else _file(name)
    if content is None:
        return _problem(f"no such path: {path}", http.HTTPStatus.NOT_FOUND)
    kind = mimetypes.guess_type(name)[0] if name else "text/html"
    return _guarded(Response(content, content_type=f"{kind}; charset=utf-8"))


def _data(request: Request, what: str) -> Response:
    if what == "live":
        return _live(request)
    answers: dict[str, Callable[[Request], Any]] = {
        "overview": lambda _: overview(ACCOUNT, REGION) | {"dashboards": dashboards.listing(ACCOUNT, REGION)},
        "dashboards": lambda _: dashboards.listing(ACCOUNT, REGION),
        "dashboard": lambda request: dashboards.dashboard(ACCOUNT, REGION, _argument(request, "name")),
        "widget": _widget,
        "plan": lambda request: beside_plan(_lookup(request)),
        "choices": lambda request: actions.choices() | {"acts": bool(request.environ.get(ACTS))},
    }
    handler = answers.get(what)
    if handler is None:
        return _problem(f"no such path: {request.path}", http.HTTPStatus.NOT_FOUND)
    try:
        body = handler(request)
    except dashboards.UnknownError as error:
        return _problem(str(error), http.HTTPStatus.NOT_FOUND)
    except ValueError as error:
        return _problem(f"malformed argument: {error}", http.HTTPStatus.BAD_REQUEST)
    return _json(body)


def _live(request: Request) -> Response:
    """The event stream; only its headers for a HEAD request."""
    try:
        events, close = STREAMS.open(lambda: hung_up(request.environ["werkzeug.socket"]))
    except TooManyError as error:
        return _problem(str(error), http.HTTPStatus.SERVICE_UNAVAILABLE)
    response = _guarded(Response(events, content_type="text/event-stream"))
    response.call_on_close(close)
    return response


def _argument(request: Request, name: str) -> str:
    value: str | None = request.args.get(name)
    if value is None:
        raise ValueError(f"{name} is missing")
    return value


def _lookup(request: Request) -> Lookup:
    seconds = float(request.args.get("seconds", _RANGE_S))
    if not 0 < seconds <= _RANGE_MAX_S:
        raise ValueError(f"seconds: {seconds:g}; a number above 0, at most {_RANGE_MAX_S}")
    end = clock().now()
    return Lookup(account=ACCOUNT, region=REGION, start=end - seconds, end=end)


def _widget(request: Request) -> Any:
    lookup = _lookup(request)
    chosen = {name.removeprefix("var-"): value for name, value in request.args.items() if name.startswith("var-")}
    return dashboards.widget(_argument(request, "name"), int(_argument(request, "widget")), chosen, lookup)


def _page() -> str:
    return page.page(console="embedded", ranges=RANGES, refreshes=REFRESHES)


def _file(name: str) -> bytes | None:
    """A file of the page, of dashboards and actions, or of the library that draws lines, by its exact name; None if there is none."""
    if name in _LIBRARY:
        path = _UPLOT / _LIBRARY[name]
        return path.read_bytes() if path.exists() else None
    own = {path.name: path for path in (_HERE / "static").iterdir() if path.is_file()}
    return own[name].read_bytes() if name in own else page.file(name)


def _json(body: Any, status: int = http.HTTPStatus.OK) -> Response:
    return _guarded(Response(json.dumps(body), status=status, content_type="application/json"))


def _problem(message: str, status: int) -> Response:
    return _json({"message": message}, status)


def _guarded(response: Response) -> Response:
    response.headers.update(page.HEADERS)
    return response
