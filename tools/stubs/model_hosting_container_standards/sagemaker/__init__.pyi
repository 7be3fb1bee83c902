from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import TypeAlias

from fastapi import Request, Response

_Handler: TypeAlias = Callable[[SimpleNamespace, Request], Awaitable[Response]]

def register_load_adapter_handler(
    request_shape: Mapping[str, str], response_shape: Mapping[str, str] | None = ...
) -> Callable[[_Handler], _Handler]: ...
def register_unload_adapter_handler(
    request_shape: Mapping[str, str], response_shape: Mapping[str, str] | None = ...
) -> Callable[[_Handler], _Handler]: ...
