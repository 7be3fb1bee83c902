"""The server: moto's, with the data plane and an administration path in front of it, on one port."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import threading
import traceback
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.core.base_backend import BackendDict
from moto.moto_server import werkzeug_app
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

import localcloud
from localcloud import copies, custom, faults
from localcloud.clock import clock
from localcloud.credentials import FILE, Credentials, private_folder
from localcloud.door import Door
from localcloud.handler import Handler, closed_in_any_case
from localcloud.settings import configure, current, restore
from localcloud.store import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_BACKLOG = 1024
"""Connections that may wait for a thread; werkzeug's 128 would drop a burst of 200."""


class StateInUseError(Exception):
    """Another server has the state folder."""


class LocalCloud:
    """One embedded AWS that answers on a port.

    Args:
        port: Where to listen on loopback; 0 picks a free one.
        state_dir: Where logs and model folders go; nobody else may look into it. Default: a temporary folder.
        credentials: What every request must be signed with. Default: made for this start.
        settings: Further `localcloud.settings.Settings`, such as `images` or `endpoint_s`.

    Attributes:
        url: Where it answers.
        credentials: What every request must be signed with; the file `credentials.sh` in the state folder has them too.
    """

    def __init__(
        self, *, port: int, state_dir: Path | None = None, credentials: Credentials | None = None, **settings: Any
    ) -> None:
        localcloud.install()
        moto = DomainDispatcherApplication(_without_cors)
        self.credentials = credentials or Credentials.random()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        bound = self._socket.getsockname()[1]
        front = _front(moto, Door(port=bound, credentials=self.credentials))
        self._server = make_server(
            "127.0.0.1", port, front, threaded=True, request_handler=Handler, fd=self._socket.fileno()
        )
        self._server.daemon_threads = True
        self.url = f"http://localhost:{bound}"
        configure()
        given = {"processes": True} | settings | ({"state_dir": state_dir} if state_dir else {})
        configure(**given, base_url=self.url, credentials=self.credentials)
        self._settings = current()
        os.environ["MOTO_PORT"] = self.url.rsplit(":", 1)[1]  # where moto's state machines find the other services
        self._lock = _take(current().folder)
        copies.end_leftovers(current().folder / "copies")
        self.credentials.write(current().folder, self.url)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        _running.append(self)
        clock().start()
        self._thread = threading.Thread(target=self._server.serve_forever, name="localcloud-server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def serve(self) -> None:
        """Answer until `stop`."""
        _running.append(self)
        clock().start()
        self._server.serve_forever()

    def stop(self) -> None:
        """Answer nothing more, and leave no process behind."""
        self._server.shutdown()
        if self._thread is not None:
            self._thread.join()
        self._server.server_close()
        self._socket.close()
        if self in _running:
            _running.remove(self)
        if not _running:
            clock().stop()
        for state in stores():
            state.close()
        reset()
        for name in ("copies", "lambdas"):
            shutil.rmtree(self._settings.folder / name, ignore_errors=True)
        (self._settings.folder / FILE).unlink(missing_ok=True)
        self._lock.close()
        if _running:  # state, clock and settings are one per process: they go on as those of the server that is left
            left = _running[-1]
            restore(left._settings)
            os.environ["MOTO_PORT"] = left.url.rsplit(":", 1)[1]
        else:
            os.environ.pop("MOTO_PORT", None)
            configure()


_running: list[LocalCloud] = []


def _take(state_dir: Path) -> IO[str]:
    """One server per state folder: what an earlier one left there is ended, so nobody may be using it."""
    private_folder(state_dir)
    lock = (state_dir / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StateInUseError(f"{state_dir} is used by another embedded AWS; stop it, or use --state-dir") from error
    return lock


def reset() -> None:
    """Empty every service, end every fault, forget skipped time."""
    faults.clear()
    BackendDict.reset()
    clock().reset()


def _without_cors(service: Any) -> Any:
    """Make the application of one service, which no web page may read: moto's would let every page of any site in."""
    werkzeug_app.DISABLE_GLOBAL_CORS = True
    return werkzeug_app.create_backend_app(service)


def _front(moto: Any, door: Door) -> Any:
    from localcloud import runtime  # noqa: PLC0415 -- the data plane is part of the server alone

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        request = Request(environ)
        refusal = door.refuses(request)
        if refusal is not None:
            answer: Any = refusal
        elif path.startswith("/localcloud/"):
            answer = _admin(request)
        elif runtime.serves(path):
            answer = runtime.answer(request)
        else:
            answer = moto
        try:
            body: Iterable[bytes] = answer(environ, start_response)
        except NotImplementedError as error:
            body = _refused(request, "UnknownOperation", str(error), 400)(environ, start_response)
        except Exception as error:  # noqa: BLE001 -- one request must not take the server's terminal over
            traceback.print_exc(limit=-2)
            body = _refused(request, "InternalFailure", repr(error), 500)(environ, start_response)
        return body

    return closed_in_any_case(application)


def _admin(request: Request) -> Response:
    """/localcloud/health, faults, clock, reset, and cfn-response/<token>."""
    what, _, rest = request.path.removeprefix("/localcloud/").partition("/")
    answers: dict[tuple[str, str], Callable[[Request], dict[str, Any]]] = {
        ("GET", "health"): _health,
        ("GET", "faults"): _faults,
        ("POST", "faults"): _faults,
        ("DELETE", "faults"): _faults,
        ("POST", "clock"): _clock,
        ("POST", "reset"): _reset,
        ("PUT", "cfn-response"): lambda asked: custom.take(rest, asked.get_data()),
    }
    chosen = answers.get((request.method, what))
    if chosen is None:
        return _json({"message": f"no such path: {request.method} {request.path}"}, status=404)
    try:
        return _json(chosen(request))
    except (ValueError, KeyError, TypeError) as error:
        return _json({"message": str(error)}, status=400)


def _health(_: Request) -> dict[str, Any]:
    return {"status": "ok", "time": clock().now()}


def _clock(request: Request) -> dict[str, Any]:
    clock().advance(float(json.loads(request.get_data())["advance"]))
    return {"time": clock().now()}


def _reset(_: Request) -> dict[str, Any]:
    reset()
    return {}


def _faults(request: Request) -> dict[str, Any]:
    if request.method == "POST":
        given = json.loads(request.get_data())
        faults.inject(given["fault"], target=given.get("target", "*"), times=given.get("times"))
    elif request.method == "DELETE":
        faults.clear(parse_qs(request.query_string.decode()).get("fault", [None])[0])
    return {"active": [vars(fault) for fault in faults.active()], "known": faults.KNOWN}


def _refused(request: Request, code: str, message: str, status: int) -> Response:
    """An error in the shape of the protocol the question was asked in."""
    if "X-Amz-Target" in request.headers:
        return _json({"__type": code, "message": message}, status=status)
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
    return Response(body, status=status, content_type="text/xml")


def _json(body: Any, *, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
