"""The server: moto's, behind the door, with the data plane and the control paths in front of it, on one port."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import shutil
import socket
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Self
from xml.sax.saxutils import escape

from moto.moto_server import werkzeug_app
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from localcloud.aws import control, extension
from localcloud.aws.agents import control as agent_control
from localcloud.aws.agents import gateway, sessions
from localcloud.aws.agents import invocations as agent_invocations
from localcloud.aws.agents.store import stores as agent_stores
from localcloud.aws.clock import clock
from localcloud.aws.console.pages import STREAMS
from localcloud.aws.credentials import FILE, Credentials, private_folder
from localcloud.aws.door import permissions
from localcloud.aws.door.guard import SIGNED, Guard
from localcloud.aws.door.handler import Handler, closed_in_any_case
from localcloud.aws.door.sandbox import sandboxed
from localcloud.aws.hosting import copies, runtime
from localcloud.aws.hosting.store import stores
from localcloud.aws.metrics import prometheus_api
from localcloud.aws.settings import configure, current, restore

_BACKLOG = 1024
"""Maximum number of connections that wait for a thread; with werkzeug's 128 a burst of 200 would lose some."""


class StateInUseError(Exception):
    """Another server uses the state folder."""


class LocalCloud:
    """One embedded AWS that answers on a port.

    Args:
        port: Port on loopback; 0 picks a free one.
        state_dir: Private folder of logs and model folders. Default: a temporary folder.
        credentials: Credentials that every request must be signed with. Default: new ones for this start.
        settings: Further `localcloud.aws.settings.Settings`, for example `images` or `endpoint_s`.

    Attributes:
        url: Address of the server.
        credentials: Credentials that every request must be signed with; also in `credentials.sh` in the state folder.
    """

    def __init__(
        self, *, port: int, state_dir: Path | None = None, credentials: Credentials | None = None, **settings: Any
    ) -> None:
        extension.install()
        moto = DomainDispatcherApplication(_without_cors)
        self.credentials = credentials or Credentials.random()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        bound = self._socket.getsockname()[1]
        front = _front(moto, Guard(port=bound, credentials=self.credentials))
        self._server = make_server(
            "127.0.0.1", port, front, threaded=True, request_handler=Handler, fd=self._socket.fileno()
        )
        self._server.daemon_threads = True
        self.url = f"http://localhost:{bound}"
        configure()
        changes = {"processes": True} | settings | ({"state_dir": state_dir} if state_dir else {})
        configure(**changes, base_url=self.url, credentials=self.credentials)
        self._settings = current()
        os.environ["MOTO_PORT"] = self.url.rsplit(":", 1)[1]  # moto's state machines use it to find the other services
        self._lock = _take(current().folder)
        copies.end_leftovers(current().folder / "copies")
        copies.end_leftovers(current().folder / sessions.FOLDER)
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

    def stop(self) -> None:
        """Stop answering, and leave no process behind."""
        STREAMS.end()
        self._server.shutdown()
        STREAMS.end()  # those that were opened in the meantime
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
        for agents in agent_stores():
            agents.end()
        control.reset()
        for name in ("copies", "lambdas", sessions.FOLDER):
            shutil.rmtree(self._settings.folder / name, ignore_errors=True)
        (self._settings.folder / FILE).unlink(missing_ok=True)
        self._lock.close()
        if _running:  # state, clock and settings belong to the process: a remaining server keeps using them
            remaining = _running[-1]
            restore(remaining._settings)
            os.environ["MOTO_PORT"] = remaining.url.rsplit(":", 1)[1]
        else:
            os.environ.pop("MOTO_PORT", None)
            configure()


_running: list[LocalCloud] = []


def _take(state_dir: Path) -> IO[str]:
    """Lock the state folder: a server ends the processes that an earlier one left there, so only one may use it."""
    private_folder(state_dir)
    lock = (state_dir / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StateInUseError(f"{state_dir} is used by another embedded AWS; stop it, or use --state-dir") from error
    return lock


def _without_cors(service: Any) -> Any:
    """Create the application of one service without CORS headers: with moto's headers, pages of any site could read it."""
    werkzeug_app.DISABLE_GLOBAL_CORS = True
    return werkzeug_app.create_backend_app(service)


def _front(moto: Any, guard: Guard) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        request = Request(environ)
        refusal = guard.refuses(request)
        if refusal is not None:
            answer: Any = refusal
        elif path.startswith(control.PREFIX):
            answer = control.answer(request)
        elif runtime.serves(path):
            signed = request.environ[SIGNED]
            answer = runtime.answer(request, denial=functools.partial(permissions.denial, signed.access_key_id))
        elif agent_invocations.serves(path):
            answer = agent_invocations.answer(request)
        elif gateway.serves(path):
            answer = gateway.answer(request)
        elif agent_control.serves(request):
            answer = agent_control.answer(request)
        elif prometheus_api.serves(path):
            answer = prometheus_api.answer(request)
        else:
            answer = moto
        try:
            body: Iterable[bytes] = answer(environ, start_response)
        except NotImplementedError as error:
            body = _refused(request, "UnknownOperation", str(error), 400)(environ, start_response)
        except Exception as error:  # noqa: BLE001 -- one failed request must neither end the server nor flood its terminal
            traceback.print_exc(limit=-2)
            body = _refused(request, "InternalFailure", repr(error), 500)(environ, start_response)
        return body

    return closed_in_any_case(sandboxed(application))


def _refused(request: Request, code: str, message: str, status: int) -> Response:
    """Error in the format of the request's protocol."""
    if "X-Amz-Target" in request.headers:
        return _json({"__type": code, "message": message}, status=status)
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
    return Response(body, status=status, content_type="text/xml")


def _json(body: Any, *, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
