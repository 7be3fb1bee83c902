"""`POST /adapters` and `DELETE /adapters/{name}`, with AWS's own handlers around SGLang's LoRA calls.

model-hosting-container-standards owns the routes and their request and response shapes; here is what they do.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_sglang_container.adapters import AdapterError, check_adapter, check_name, find_folder

if TYPE_CHECKING:
    from types import SimpleNamespace

    from fastapi import FastAPI
    from sglang.srt.lora.lora_registry import LoRARef

    from cdk_sglang_container.engine import SglangEngine

_BAD_REQUEST, _NOT_FOUND, _CONFLICT = 400, 404, 409


class Adapters:
    """The registered adapters, and how they are registered and deleted.

    Args:
        engine: SGLang.
        folder: Folder below which the adapters' files may be.
    """

    def __init__(self, engine: SglangEngine, folder: str) -> None:
        self._engine, self._within = engine, Path(folder)
        self._changing = asyncio.Lock()

    async def add(self, name: str, source: str, *, preload: bool, pin: bool) -> None:
        """Register an adapter. Registering the same one again changes nothing, so SageMaker may retry.

        Args:
            name: Name that callers will use.
            source: Folder in this container.
            preload: Load it now. Otherwise it is loaded with its first request.
            pin: Never evict it from the engine.

        Raises:
            AdapterError: It cannot be used.
            ConflictError: The name belongs to another adapter.
        """
        self._require_lora()
        folder = await asyncio.to_thread(self._checked_folder, check_name(name), source)
        async with self._changing:
            known = self._engine.lora_references.get(name)
            if known is not None:
                if known.lora_path == str(folder):
                    return
                raise ConflictError(f"the adapter {name} is registered from another source; delete it first")
            if not preload:
                self._engine.lora_references[name] = _reference(name, folder, pin=pin)
                return
            problem = await self._engine.load_adapter(name, str(folder), pin=pin)
            if problem is not None:
                self._engine.lora_references.pop(name, None)
                if name in self._engine.loaded_adapters:
                    await self._engine.unload_adapter(name)
                raise AdapterError(problem)

    async def remove(self, name: str) -> None:
        """Forget an adapter; requests that use it finish first.

        Raises:
            KeyError: There is no such adapter.
        """
        self._require_lora()
        async with self._changing:
            # First: SGLang reloads by itself any adapter in this record when a request names it.
            reference = self._engine.lora_references.pop(name)
            if name not in self._engine.loaded_adapters:
                return
            problem = await self._engine.unload_adapter(name)
            if problem is not None:
                self._engine.lora_references[name] = reference
                raise AdapterError(problem)

    def _require_lora(self) -> None:
        if not self._engine.lora_enabled:
            raise AdapterError("this server has LoRA off; start it with SM_SGLANG_ENABLE_LORA=true")

    def _checked_folder(self, name: str, source: str) -> Path:
        folder = find_folder(source, within=self._within)
        max_rank, modules = self._engine.lora_limits
        model = Path(self._engine.model_path)
        try:
            check_adapter(folder, model=model, max_rank=max_rank, target_modules=modules)
        except AdapterError as error:
            raise AdapterError(f"adapter {name}: {error}") from error
        return folder


class ConflictError(Exception):
    """The name is taken."""


def _reference(name: str, folder: Path, *, pin: bool) -> LoRARef:
    from sglang.srt.lora.lora_registry import LoRARef

    return LoRARef(lora_name=name, lora_path=str(folder), pinned=pin)


def add_adapter_routes(app: FastAPI, *, engine: SglangEngine, folder: str) -> None:
    """Mount the two routes on SGLang's application.

    Args:
        app: SGLang's application.
        engine: SGLang.
        folder: Folder below which the adapters' files may be.
    """
    from fastapi import Request, Response
    from fastapi.exceptions import HTTPException
    from model_hosting_container_standards.common.fastapi.routing import safe_include_router
    from model_hosting_container_standards.sagemaker import (
        register_load_adapter_handler,
        register_unload_adapter_handler,
    )
    from model_hosting_container_standards.sagemaker.sagemaker_router import create_sagemaker_router

    adapters = Adapters(engine, folder)

    async def add(adapter: SimpleNamespace, _request: Request) -> Response:
        try:
            await adapters.add(adapter.name, adapter.src, preload=adapter.preload, pin=adapter.pin)
        except ConflictError as error:
            raise HTTPException(_CONFLICT, str(error)) from error
        except AdapterError as error:
            raise HTTPException(_BAD_REQUEST, str(error)) from error
        return Response()

    async def remove(adapter: SimpleNamespace, _request: Request) -> Response:
        try:
            await adapters.remove(adapter.name)
        except KeyError as error:
            raise HTTPException(_NOT_FOUND, f"The adapter {adapter.name} was not found") from error
        except AdapterError as error:
            raise HTTPException(_BAD_REQUEST, str(error)) from error
        return Response()

    shape = {"name": "body.name", "src": "body.src", "preload": "body.preload", "pin": "body.pin"}
    register_load_adapter_handler(request_shape=shape, response_shape={})(add)
    register_unload_adapter_handler(request_shape={"name": "path_params.adapter_name"}, response_shape={})(remove)
    safe_include_router(app, create_sagemaker_router())
