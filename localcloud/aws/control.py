"""Control paths of the server, under `/localcloud/`: health, faults, clock, reset, the console, and the answers of custom resources."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from moto.core.base_backend import BackendDict
from werkzeug.wrappers import Request, Response

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.cloudformation.resources import custom
from localcloud.aws.compute import quotas
from localcloud.aws.console import actions, pages
from localcloud.aws.door.guard import CONSOLE
from localcloud.aws.hosting import limits, stand_ins
from localcloud.aws.hosting.store import LOCK

PREFIX: Final = "/localcloud/"


def reset() -> None:
    """Empty every service, end every fault, and return the clock to the machine's time."""
    faults.clear()
    limits.clear()
    stand_ins.clear()
    actions.reset()
    with LOCK:  # before moto's lock, as in all code that needs both: the other order would deadlock
        BackendDict.reset()
    clock().reset()


def answer(request: Request) -> Response:
    """Answer a request to a control path: 404 for an unknown path, 400 for an invalid body."""
    if str(request.environ.get("PATH_INFO", "")).startswith(CONSOLE):
        return pages.answer(request)
    command, _, rest = request.path.removeprefix(PREFIX).partition("/")
    answers: dict[tuple[str, str], Callable[[Request], dict[str, Any]]] = {
        ("GET", "health"): _health,
        ("GET", "faults"): _faults,
        ("POST", "faults"): _faults,
        ("DELETE", "faults"): _faults,
        ("POST", "clock"): _clock,
        ("GET", "quotas"): _quotas,
        ("POST", "quotas"): _quotas,
        ("POST", "reset"): _reset,
        ("POST", "stand-in"): _stand_in,
        ("PUT", "cfn-response"): lambda response: custom.take(rest, response.get_data()),
    }
    handler = answers.get((request.method, command))
    if handler is None:
        return _json({"message": f"no such path: {request.method} {request.path}"}, status=404)
    try:
        return _json(handler(request))
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


def _stand_in(request: Request) -> dict[str, Any]:
    body = json.loads(request.get_data())
    stand_ins.put(body["component"], body["port"])
    return {"stand-ins": stand_ins.ports()}


def _quotas(request: Request) -> dict[str, Any]:
    if request.method == "POST":
        body = json.loads(request.get_data())
        quotas.put(body["quota"], None if body["value"] is None else float(body["value"]))
    return {"quotas": limits.values()}


def _faults(request: Request) -> dict[str, Any]:
    if request.method == "POST":
        fault = json.loads(request.get_data())
        faults.inject(fault["fault"], target=fault.get("target", "*"), times=fault.get("times"))
    elif request.method == "DELETE":
        faults.clear(parse_qs(request.query_string.decode()).get("fault", [None])[0])
    return {"active": [vars(fault) for fault in faults.active()], "known": faults.KNOWN}


def _json(body: Any, *, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
