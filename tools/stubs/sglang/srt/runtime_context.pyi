from collections.abc import Collection

class _Lora:
    max_lora_rank: int | None
    lora_target_modules: Collection[str] | None

class _Model:
    model_path: str

def get_lora() -> _Lora: ...
def get_model() -> _Model: ...
