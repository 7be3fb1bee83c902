"""Actions of the console, under `/localcloud/console/actions/`: load, skipped time, faults and killed copies.

The door has admitted the request: its Host and Origin are this server's, and it has the key of the actions in a header, which no
form and no simple request of another page can send. It must also be JSON, which a form cannot send either.
"""

from __future__ import annotations

import http
import json
import threading
from collections.abc import Callable
from typing import Any, Final

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from werkzeug.wrappers import Request, Response

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.console import chatting, journal, load
from localcloud.aws.credentials import REGION
from localcloud.aws.hosting.store import LOCK, store

_BODY_MAX_BYTES: Final = 256 * 1024
ADVANCE_MAX_S: Final = 6 * 3600
"""Maximum number of seconds that one action skips: it runs every tick of them before it answers."""
_STEPS: Final = 600
_TARGET_MAX: Final = 200
_TIMES_MAX: Final = 1000
_advancing = threading.Lock()


class _RefusedError(Exception):
    """A refused request, with its status; the message is shown on the page."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def choices() -> dict[str, Any]:
    """The available choices: faults with their descriptions, shapes of load, and limits."""
    return {
        "faults": [_described(name, text) for name, text in faults.KNOWN.items()],
        "shapes": {name: shape.title for name, shape in load.SHAPES.items()},
        "limits": {
            "per_s": load.RATE_MAX,
            "seconds": load.SECONDS_MAX,
            "in_flight": load.IN_FLIGHT_MAX,
            "advance_s": ADVANCE_MAX_S,
            "times": _TIMES_MAX,
            "max_tokens": chatting.TOKENS_MAX,
        },
    }


def answer(request: Request, name: str) -> Response:
    """Perform an action: 404 for an unknown one, 400 for a malformed body, 409 or 429 while it cannot be performed."""
    try:
        return _performed(request, name)
    except _RefusedError as refused:
        return _json({"message": str(refused)}, refused.status)
    except chatting.BusyError as busy:
        return _json({"message": str(busy)}, http.HTTPStatus.TOO_MANY_REQUESTS)
    except KeyError as missing:
        return _json({"message": f"{missing.args[0]}: is missing"}, http.HTTPStatus.BAD_REQUEST)
    except (ValueError, TypeError) as error:
        return _json({"message": str(error)}, http.HTTPStatus.BAD_REQUEST)


def reset() -> None:
    """Stop what the console has begun, and forget it."""
    load.clear()
    journal.clear()


def _performed(request: Request, name: str) -> Response:
    if request.method != "POST":
        raise _RefusedError(http.HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} is not for actions; use POST")
    if request.mimetype != "application/json":
        raise _RefusedError(http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "an action is JSON, with this content type")
    if request.content_length is None or request.content_length > _BODY_MAX_BYTES:
        raise _RefusedError(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {_BODY_MAX_BYTES} bytes")
    handler = _ACTIONS.get(name)
    if handler is None and name != "chat":
        raise _RefusedError(http.HTTPStatus.NOT_FOUND, f"no such action: {name}; use {', '.join([*_ACTIONS, 'chat'])}")
    arguments = json.loads(request.get_data() or b"{}")
    if not isinstance(arguments, dict):
        raise TypeError(f"an action is a JSON object, got {type(arguments).__name__}")
    return chatting.chat(arguments) if handler is None else _json(handler(arguments))


def _load(arguments: dict[str, Any]) -> dict[str, Any]:
    endpoint, component = str(arguments["endpoint"]), str(arguments["component"])
    _find_component(endpoint, component)
    one = load.Load(
        endpoint=endpoint,
        component=component,
        shape=str(arguments["shape"]),
        per_s=arguments["per_s"],
        seconds=arguments["seconds"],
    )
    load.start(one)
    journal.note(f"load on {component}", "BEGUN", f"{one.per_s:g} requests/s for {one.seconds:g} s: {one.shape}")
    return {"load": load.state()}


def _end_load(_: dict[str, Any]) -> dict[str, Any]:
    stopped = load.stop()
    if stopped is not None:
        journal.note(f"load on {stopped.component}", "ENDED", f"{stopped.sent} requests sent")
    return {"load": load.state()}


def _advance(arguments: dict[str, Any]) -> dict[str, Any]:
    seconds = arguments["seconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= ADVANCE_MAX_S:
        raise ValueError(f"seconds: {seconds!r} is not allowed; use a number above 0, at most {ADVANCE_MAX_S}")
    if not _advancing.acquire(blocking=False):
        raise _RefusedError(http.HTTPStatus.CONFLICT, "time is being skipped already; wait for it")
    try:
        journal.note("clock", "SKIPPED", f"{seconds:g} s")
        clock().advance(seconds, step_s=max(1.0, seconds / _STEPS))
    finally:
        _advancing.release()
    return {"now": clock().now()}


def _fault(arguments: dict[str, Any]) -> dict[str, Any]:
    name, target, times = str(arguments["fault"]), arguments.get("target") or "*", arguments.get("times")
    if not isinstance(target, str) or len(target) > _TARGET_MAX:
        raise ValueError(f"target: a pattern of at most {_TARGET_MAX} characters")
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or not 0 < times <= _TIMES_MAX):
        raise ValueError(f"times: {times!r} is not allowed; use a whole number from 1 to {_TIMES_MAX}, or none")
    faults.inject(name, target=target, times=times)
    journal.note(f"fault {name} on {target}", "INJECTED", f"{times} times" if times else "until it is ended")
    return {"active": active_faults()}


def _end_fault(arguments: dict[str, Any]) -> dict[str, Any]:
    name = arguments.get("fault")
    if name is not None and name not in faults.KNOWN:
        raise ValueError(f"fault: {name!r} is unknown; use one of {', '.join(faults.KNOWN)}, or none for all")
    faults.clear(name)
    journal.note(f"fault {name}" if name else "all faults", "ENDED")
    return {"active": active_faults()}


def _kill(arguments: dict[str, Any]) -> dict[str, Any]:
    copy_id = str(arguments["copy"])
    with LOCK:
        copies = [copy for one in store(ACCOUNT, REGION).components.values() for copy in one.copies]
        found = next((copy for copy in copies if copy.id == copy_id), None)
        if found is None or found.state not in ("healthy", "unhealthy"):
            state = "gone" if found is None else found.state
            raise _RefusedError(
                http.HTTPStatus.CONFLICT, f"copy {copy_id} is {state}; only one that runs can be killed"
            )
        found.kill()
    journal.note(f"copy {found.id} of {found.component}", "KILLED", "its process got SIGKILL; SageMaker starts another")
    return {"killed": found.id}


_ACTIONS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "load": _load,
    "end-load": _end_load,
    "advance": _advance,
    "fault": _fault,
    "end-fault": _end_fault,
    "kill": _kill,
}


def active_faults() -> list[dict[str, Any]]:
    """Faults in effect, each with its description."""
    return [
        {**vars(fault), "text": _described(fault.name, faults.KNOWN[fault.name])["text"]} for fault in faults.active()
    ]


def _described(name: str, text: str) -> dict[str, str]:
    """A fault's description without its target, and what the target is."""
    what, _, target = text.partition(" (target: ")
    return {"name": name, "text": what, "target": target.removesuffix(")")}


def _find_component(endpoint: str, component: str) -> None:
    with LOCK:
        one = store(ACCOUNT, REGION).components.get(component)
        if one is None or one.data["EndpointName"] != endpoint:
            raise ValueError(f"component: there is no {component!r} on the endpoint {endpoint!r}")


def _json(body: Any, status: int = http.HTTPStatus.OK) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
