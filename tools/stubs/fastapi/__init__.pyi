# The part of FastAPI that `container` uses; the image has it, the checks' environment has not.

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from fastapi.exceptions import HTTPException as HTTPException

_Scope: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Application: TypeAlias = Callable[[_Scope, _Receive, _Send], Awaitable[None]]

class _Route:
    path: str

class APIRouter:
    routes: Sequence[_Route]

class Request: ...
class Response: ...

class FastAPI:
    router: APIRouter
    # Middleware is a class that takes the next application and its own options by name.
    def add_middleware(self, middleware_class: Callable[..., _Application], **options: object) -> None: ...
