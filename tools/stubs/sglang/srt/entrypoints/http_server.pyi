from collections.abc import Callable

from fastapi import FastAPI
from sglang.srt.managers.tokenizer_manager import TokenizerManager

class _GlobalState:
    tokenizer_manager: TokenizerManager

app: FastAPI
launch_server: Callable[..., None]

# None until the server has started.
def get_global_state() -> _GlobalState | None: ...
