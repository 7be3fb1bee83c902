from collections.abc import AsyncIterator, Callable, MutableMapping
from enum import Enum

from sglang.srt.lora.lora_registry import LoRARef, LoRARegistry
from sglang.srt.managers.io_struct import (
    EmbeddingReqInput,
    GenerateReqInput,
    LoadLoRAAdapterReqInput,
    LoRAUpdateOutput,
    UnloadLoRAAdapterReqInput,
)

class ServerStatus(Enum):
    Up = ...
    Starting = ...
    UnHealthy = ...

class _ModelConfig:
    hidden_size: int
    vocab_size: int

class TokenizerManager:
    allow_auto_truncate: bool
    context_len: int
    enable_lora: bool
    gracefully_exit: bool
    is_generation: bool
    last_receive_tstamp: float
    lora_ref_cache: dict[str, LoRARef]
    lora_registry: LoRARegistry
    model_config: _ModelConfig
    rid_to_state: MutableMapping[str, object]
    served_model_name: str
    server_status: ServerStatus
    _dispatch_to_scheduler: Callable[[object], None]  # a method, which the container's gate replaces on the instance
    def abort_request(self, rid: str = ...) -> None: ...
    def generate_request(
        self, obj: GenerateReqInput | EmbeddingReqInput, request: None = ...
    ) -> AsyncIterator[dict[str, object]]: ...
    async def load_lora_adapter(self, obj: LoadLoRAAdapterReqInput) -> LoRAUpdateOutput: ...
    async def unload_lora_adapter(self, obj: UnloadLoRAAdapterReqInput) -> LoRAUpdateOutput: ...
