from collections.abc import Mapping, Sequence

class _Request:
    def __init__(
        self,
        *,
        rid: str | None = ...,
        input_ids: Sequence[int] | None = ...,
        sampling_params: Mapping[str, object] | None = ...,
        log_metrics: bool = ...,
    ) -> None: ...

class GenerateReqInput(_Request): ...
class EmbeddingReqInput(_Request): ...

class LoadLoRAAdapterReqInput:
    def __init__(self, *, lora_name: str, lora_path: str, pinned: bool = ...) -> None: ...

class UnloadLoRAAdapterReqInput:
    def __init__(self, *, lora_name: str) -> None: ...

class LoRAUpdateOutput:
    success: bool
    error_message: str | None

def msgpack_encode(obj: object) -> bytes: ...
def msgpack_decode(data: bytes) -> object: ...
