"""SGLang's server module, its state and its LoRA calls, as the contract needs them. Written against sglang 0.5.23.

`sglang_names.check_sglang` checks every name of SGLang that is used here, before any weights are read.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
import uuid
from typing import TYPE_CHECKING

from cdk_sglang_container.field_rules import PASSES_MAX
from cdk_sglang_container.gate import guard_dispatch
from cdk_sglang_container.heartbeat import open_heartbeat
from cdk_sglang_container.limits import RequestLimits
from cdk_sglang_container.processes import EngineProcesses
from cdk_sglang_container.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection

    from sglang.srt.lora.lora_registry import LoRARef
    from sglang.srt.managers.tokenizer_manager import TokenizerManager

# Where SGLang's tokenizer workers import the application from (sglang/srt/environ.py: SGLANG_HTTP_SERVER_APP_PATH).
WORKER_APPLICATION = "cdk_sglang_container.server:app"
WORKER_APPLICATION_VARIABLE = "SGLANG_HTTP_SERVER_APP_PATH"
# Set by the entry for the workers: their number.
TOKENIZER_WORKERS_VARIABLE = "CDK_SGLANG_TOKENIZER_WORKERS"
_POLL_S = 0.05


class SglangEngine:
    """SGLang's state, as the contract needs it; valid once the server has started.

    Args:
        settings: The container's own.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._processes = EngineProcesses()
        self._adapter_changes = 0
        self._heartbeat = open_heartbeat(os.environ)

    @functools.cached_property
    def _manager(self) -> TokenizerManager:
        from sglang.srt.entrypoints import http_server

        state = http_server.get_global_state()
        assert state is not None, "nothing is asked of SGLang before it has started"
        return state.tokenizer_manager

    @property
    def started(self) -> bool:
        """Whether SGLang reports that it is up and not stopping."""
        from sglang.srt.entrypoints import http_server
        from sglang.srt.managers.tokenizer_manager import ServerStatus

        if http_server.get_global_state() is None:
            return False
        return self._manager.server_status == ServerStatus.Up and not self.draining

    @property
    def draining(self) -> bool:
        """Whether SIGTERM was received."""
        return bool(self._manager.gracefully_exit)

    @functools.cached_property
    def limits(self) -> RequestLimits:
        """Bounds of a request, from the loaded model; once this was called, SGLang sends nothing to its scheduler that exceeds them."""
        from sglang.srt.managers.io_struct import msgpack_decode, msgpack_encode

        manager, settings = self._manager, self._settings
        limits = RequestLimits(
            vocabulary=int(manager.model_config.vocab_size),
            context=int(manager.context_len),
            width=int(manager.model_config.hidden_size),
            truncates=bool(manager.allow_auto_truncate),
            # An embedding model makes one pass over each text: it streams no answers.
            sequences=settings.max_sequences if manager.is_generation else PASSES_MAX,
            top_logprobs=settings.max_top_logprobs,
            depth=settings.max_json_depth,
            grammar_bytes=settings.max_grammar_bytes,
        )
        guard_dispatch(manager, limits, roundtrip=lambda message: msgpack_decode(msgpack_encode(message)))
        return limits

    @property
    def base_model(self) -> str:
        """The served model name."""
        return str(self._manager.served_model_name)

    @functools.cached_property
    def lora_enabled(self) -> bool:
        """Whether SGLang was started with LoRA."""
        return bool(self._manager.enable_lora)

    @property
    def adapters(self) -> Collection[str] | None:
        """Registered adapters, on the GPU or evicted from it; None if LoRA is off."""
        return self._manager.lora_ref_cache.keys() if self.lora_enabled else None

    @property
    def lora_references(self) -> dict[str, LoRARef]:
        """SGLang's own record of registered adapters; SGLang reloads these by itself when a request names them."""
        return self._manager.lora_ref_cache

    @property
    def lora_limits(self) -> tuple[int | None, frozenset[str] | None]:
        """Largest rank and target modules the server was started for."""
        from sglang.srt.runtime_context import get_lora

        modules = get_lora().lora_target_modules
        return get_lora().max_lora_rank, frozenset(modules) if modules else None

    @property
    def model_path(self) -> str:
        """Folder of the base model."""
        from sglang.srt.runtime_context import get_model

        return str(get_model().model_path)

    async def load_adapter(self, name: str, path: str, *, pin: bool) -> str | None:
        """Load an adapter; return the reason if that failed."""
        from sglang.srt.managers.io_struct import LoadLoRAAdapterReqInput

        self._adapter_changes += 1
        try:
            result = await self._manager.load_lora_adapter(
                LoadLoRAAdapterReqInput(lora_name=name, lora_path=path, pinned=pin)
            )
        finally:
            self._adapter_changes -= 1
        return None if result.success else str(result.error_message)

    async def unload_adapter(self, name: str) -> str | None:
        """Unload an adapter from the engine after its last request; return the reason if that failed."""
        from sglang.srt.managers.io_struct import UnloadLoRAAdapterReqInput

        result = await self._manager.unload_lora_adapter(UnloadLoRAAdapterReqInput(lora_name=name))
        return None if result.success else str(result.error_message)

    @property
    def loaded_adapters(self) -> Collection[str]:
        """Adapters that are on the engine now."""
        return self._manager.lora_registry.get_all_adapters().keys()

    def beats(self) -> bool:
        """Whether a scheduler has made progress since this was last asked, and none of the engine's processes is stopped."""
        beaten = self._heartbeat is not None and self._heartbeat.beaten()
        alive = beaten and self._processes.alive()
        if alive:
            self._note_alive()
        return alive

    def _note_alive(self) -> None:
        """Clear the wedged state that an abandoned probe set in SGLang."""
        from sglang.srt.managers.tokenizer_manager import ServerStatus

        manager = self._manager
        if manager.server_status == ServerStatus.UnHealthy and not manager.gracefully_exit:
            manager.server_status = ServerStatus.Up

    def computes(self) -> bool:
        """Whether the engine has computed for callers since this was last asked.

        An idle scheduler also runs its loop: without a request in flight its computing proves nothing.
        """
        from sglang.srt.constants import HEALTH_CHECK_RID_PREFIX

        if not self._processes.computed():
            return False
        manager = self._manager
        # With several tokenizer workers, each knows only its own requests.
        shared = os.environ.get(TOKENIZER_WORKERS_VARIABLE, "1") != "1"
        has_requests = any(not str(rid).startswith(HEALTH_CHECK_RID_PREFIX) for rid in manager.rid_to_state)
        busy = has_requests or shared or self._adapter_changes > 0
        if busy:
            self._note_alive()
        return busy

    async def generate(self) -> bool:
        """Make the engine generate one token, as SGLang's own `/health_generate` does, but without its sleeps.

        A busy scheduler acknowledges the request without running it, which is a sign of life too. An abandoned probe
        is aborted: nothing of it runs later. An answered probe is dropped from SGLang's state, as SGLang drops its own, since it counts
        aborted requests among those whose callers disconnected.
        """
        from sglang.srt.constants import HEALTH_CHECK_RID_PREFIX
        from sglang.srt.managers.io_struct import EmbeddingReqInput, GenerateReqInput
        from sglang.srt.managers.tokenizer_manager import ServerStatus

        manager = self._manager
        request_class = GenerateReqInput if manager.is_generation else EmbeddingReqInput
        sampling = {"max_new_tokens": 1, "temperature": 0.0}
        rid = f"{HEALTH_CHECK_RID_PREFIX}_{uuid.uuid4().hex}"
        request = request_class(rid=rid, input_ids=[0], sampling_params=sampling, log_metrics=False)

        async def consume() -> None:
            async for _ in manager.generate_request(request, None):
                return

        began = time.time()
        task = asyncio.create_task(consume())
        alive = False
        try:
            while not alive:
                await asyncio.sleep(_POLL_S)
                alive = manager.last_receive_tstamp > began
            # The token arrives about now: SGLang discards a token of a dropped probe, older releases with an error in the log.
            await asyncio.wait({task}, timeout=_POLL_S)
        finally:
            if alive:  # before the task ends: SGLang aborts a request that it still knows when its caller abandons it
                manager.rid_to_state.pop(rid, None)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if rid in manager.rid_to_state:
                manager.abort_request(rid)
                manager.rid_to_state.pop(rid, None)
            if not manager.gracefully_exit:
                # Do not wait for a wedged engine to stop: SGLang exits at once when unhealthy.
                manager.server_status = ServerStatus.Up if alive else ServerStatus.UnHealthy
        return alive
