class LoRARef:
    lora_name: str | None
    lora_path: str | None
    pinned: bool | None
    def __init__(
        self, *, lora_name: str | None = ..., lora_path: str | None = ..., pinned: bool | None = ...
    ) -> None: ...

class LoRARegistry:
    def get_all_adapters(self) -> dict[str, LoRARef]: ...
