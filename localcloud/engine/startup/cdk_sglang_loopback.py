"""Keep PyTorch's store on loopback.

`init_process_group("tcp://127.0.0.1:…")` listens on every interface whatever address it is given (torch 2.13.0: its
TCPStore was seen to listen on "::", 2026-11), and the store neither authenticates nor encrypts: anyone on the same network could read
and change it. It accepts a socket that already listens, so it gets one on the requested address.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import socket
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MODULE = "torch.distributed.rendezvous"
_BACKLOG = 128


def keep_on(store: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap TCPStore so that a server listens on the address of its clients and on no other."""

    def create_store(*positions: Any, **options: Any) -> Any:
        if options.get("is_master") and "master_listen_fd" not in options and not positions:
            listening = socket.create_server((options["host_name"], options["port"]), backlog=_BACKLOG)
            options |= {"port": listening.getsockname()[1], "master_listen_fd": listening.detach()}
        return store(*positions, **options)

    return create_store


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        names = vars(module)
        names["TCPStore"] = keep_on(names["TCPStore"])


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the one module, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def install() -> None:
    """Patch the module of the store when it is imported."""
    sys.meta_path.insert(0, _Finder())
