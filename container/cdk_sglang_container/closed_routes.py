"""Close SGLang's administrative routes, which no caller of an endpoint may use: weights, caches, profiles, log levels.

SageMaker calls only the contract's paths, but a caller may name another one (`X-Amzn-SageMaker-Model-Invocation-Path` of a bidirectional
stream), and SGLang does not check an admin key with several tokenizer workers.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cdk_sglang_container.errors import answer_error
from cdk_sglang_container.http import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastapi import FastAPI

    from cdk_sglang_container.http import Application, Receive, Scope, Send

VARIABLE = "CDK_SGLANG_ADMIN_ROUTES"
"""`open` leaves the routes open to everyone who can reach the server, for measurements on your own machine."""
_OWN = frozenset({"/freeze_gc"})
"""SGLang calls it itself once it has started (srt/entrypoints/http_server.py of sglang 0.5.23)."""
_NORMAL = "normal"
_NOT_FOUND = 404


class ClosedRoutes:
    """Middleware that answers 404 on administrative paths.

    Args:
        app: The application.
        paths: The paths.
    """

    def __init__(self, app: Application, *, paths: frozenset[str]) -> None:
        self._app, self._paths = app, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and self._is_closed(scope):
            await answer_error(send, HttpError(_NOT_FOUND, "Not Found"))
        else:
            await self._app(scope, receive, send)

    def _is_closed(self, scope: Scope) -> bool:
        path = "/" + scope["path"].strip("/")
        return path in self._paths and not (path in _OWN and _is_this_machine(scope))


def admin_paths(routes: Iterable[object]) -> frozenset[str]:
    """Return the paths that SGLang marks as administrative (srt/utils/auth.py).

    Args:
        routes: Routes of SGLang's application.

    Raises:
        RuntimeError: No route is marked: this SGLang marks them in another way.
    """
    levels = {
        str(getattr(route, "path", "")): getattr(getattr(route, "endpoint", None), "_auth_level", None)
        for route in routes
    }
    found = frozenset(
        path for path, level in levels.items() if level is not None and getattr(level, "value", level) != _NORMAL
    )
    if not found:
        raise RuntimeError("SGLang marks no route as administrative, so that none could be closed; use SGLang 0.5.23")
    return found


def close_admin_routes(app: FastAPI, environment: Mapping[str, str]) -> None:
    """Put the middleware in front of SGLang's application, unless the environment leaves the routes open.

    Args:
        app: SGLang's application.
        environment: Usually `os.environ`.
    """
    if environment.get(VARIABLE, "").strip().lower() != "open":
        app.add_middleware(ClosedRoutes, paths=admin_paths(app.router.routes))


def _is_this_machine(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
