"""Who may call the server if no network protects it: on a developer's machine, where web pages reach loopback.

SageMaker's network admits only SageMaker, which sets its own Host header, so nothing is checked there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang_container.errors import answer_error
from cdk_sglang_container.http import HttpError, header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

    from cdk_sglang_container.http import Application, Receive, Scope, Send

VARIABLE = "CDK_SGLANG_ALLOWED_HOSTS"
_FORBIDDEN = 403


class Visitors:
    """Middleware in front of everything: a request must have one of these Hosts, and no Origin, which only web pages send.

    Args:
        app: The application.
        hosts: Allowed values of Host, port included.
    """

    def __init__(self, app: Application, *, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        kind = scope["type"]
        if kind not in {"http", "websocket"} or self._may(scope):
            await self._app(scope, receive, send)
        elif kind == "websocket":
            await receive()  # the request to connect; closing before acceptance answers 403
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer_error(send, HttpError(_FORBIDDEN, "this server answers the programs of its own machine alone"))

    def _may(self, scope: Scope) -> bool:
        return (header(scope, "host") or "").lower() in self._hosts and header(scope, "origin") is None


def add_visitors_check(app: FastAPI, environment: Mapping[str, str]) -> None:
    """Put the check in front of the application where the environment names the hosts; call it last.

    Args:
        app: SGLang's application.
        environment: Usually `os.environ`.
    """
    names = environment.get(VARIABLE, "").lower().split(",")
    hosts = frozenset(name.strip() for name in names if name.strip())
    if hosts:
        app.add_middleware(Visitors, hosts=hosts)
