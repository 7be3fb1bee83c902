"""Whether the installed SGLang has every name that `engine.py` relies on; a missing name ends the start with one line."""

from __future__ import annotations

from pathlib import Path

from cdk_sglang_container.engine import WORKER_APPLICATION_VARIABLE
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.tasks import PATHS

_ROUTES = {"/ping": "GET", "/v1/chat/completions": "POST", **dict.fromkeys(PATHS, "POST")}
_MANAGER_METHODS = (
    "_dispatch_to_scheduler",
    "abort_request",
    "generate_request",
    "load_lora_adapter",
    "unload_lora_adapter",
)
_MANAGER_FIELDS = (
    "allow_auto_truncate",
    "context_len",
    "enable_lora",
    "gracefully_exit",
    "is_generation",
    "last_receive_tstamp",
    "lora_ref_cache",
    "lora_registry",
    "model_config",
    "rid_to_state",
    "served_model_name",
    "server_status",
)
# Names in the schedulers' processes, whose modules are not imported here.
_SCHEDULER_TEXTS = {
    "sglang.srt.constrained.xgrammar_backend": ("class XGrammarGrammar(", "def accept_token(", "def fill_vocab_mask("),
    "sglang.srt.managers.schedule_batch": ("class FINISH_ABORT(", "self.to_finish"),
    "sglang.srt.managers.scheduler_components.batch_result_processor": (
        "class SchedulerBatchResultProcessor",
        "def _accept_grammar_tokens(",
        "def _apply_prefill_grammar(",
    ),
}


def check_sglang(*, tokenizer_workers: int = 1) -> None:
    """Raise unless this SGLang has every name the contract relies on.

    Args:
        tokenizer_workers: Several of them import the application by a path that SGLang must let us set.

    Raises:
        RefusedError: With each missing name.
    """
    import inspect

    from sglang.srt.entrypoints import http_server
    from sglang.srt.environ import envs
    from sglang.srt.managers import io_struct, tokenizer_manager
    from sglang.version import __version__

    missing: list[str] = []
    routes = {
        (route.path, method)
        for route in http_server.app.router.routes
        for method in getattr(route, "methods", None) or ()
    }
    missing += [f"route {method} {path}" for path, method in _ROUTES.items() if (path, method) not in routes]
    missing += [
        f"http_server.{name}" for name in ("app", "get_global_state", "launch_server") if not hasattr(http_server, name)
    ]
    manager = tokenizer_manager.TokenizerManager
    missing += [f"TokenizerManager.{name}" for name in _MANAGER_METHODS if not hasattr(manager, name)]
    files = {inspect.getfile(base) for base in manager.__mro__ if base is not object}
    sources = "".join(Path(file).read_text(encoding="utf-8") for file in sorted(files))
    missing += [f"TokenizerManager.{name}" for name in _MANAGER_FIELDS if f"self.{name}" not in sources]
    struct_names = (
        "GenerateReqInput",
        "EmbeddingReqInput",
        "LoadLoRAAdapterReqInput",
        "UnloadLoRAAdapterReqInput",
        "msgpack_decode",
        "msgpack_encode",
    )
    missing += [f"io_struct.{name}" for name in struct_names if not hasattr(io_struct, name)]
    if "run_scheduler_process_func" not in inspect.signature(http_server.launch_server).parameters:
        missing.append("launch_server(run_scheduler_process_func)")
    for module, texts in _SCHEDULER_TEXTS.items():
        source = _source(module)
        missing += [f"{module}: {text.rstrip('(')}" for text in texts if text not in source]
    if tokenizer_workers > 1 and not hasattr(envs, WORKER_APPLICATION_VARIABLE):
        missing.append(f"environment variable {WORKER_APPLICATION_VARIABLE}")
    if missing:
        names = ", ".join(missing)
        raise RefusedError(
            [f"sglang {__version__} has moved {names}; use sglang 0.5.23, or a container made for this one"]
        )


def _source(module: str) -> str:
    """The text of a module; empty if there is none."""
    import importlib.util

    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return ""
    return Path(found.origin).read_text(encoding="utf-8") if found is not None and found.origin else ""
