"""Finds settings of a component that need network access, which containers of an isolated endpoint do not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem

if TYPE_CHECKING:
    from cdk_sglang.engine import SglangOptions

_FETCHED: Final[Mapping[str, str]] = {
    "speculative.draft_model_path": "the draft",
    "extra.tokenizer_path": "the tokenizer",
    "extra.speculative_token_map": "the map of tokens",
    "extra.uno_lora_path": "the adapter",
    "extra.lora_paths": "adapters",
}
"""Options that take a folder; SGLang 0.5.23 downloads anything else (srt/utils/hf_transformers, model_loader, lora)."""
_FETCHED_BY_DRAFT: Final = (
    "put its files below the model's prefix, and name the folder in the container, such as /opt/ml/model/draft"
)
_STORES: Final = frozenset({"mooncake", "hf3fs", "aibrix", "eic", "simm", "mori", "tensorcast", "seaweedfs"})
"""KV-cache stores on other machines (SGLang 0.5.23, srt/mem_cache/storage); `file`, `shm`, `nixl` and `dynamic` may be in the container."""
_LOADED_REMOTELY: Final = frozenset({"remote", "remote_instance"})
_CONNECTED: Final[Mapping[str, str]] = {
    "encoder_urls": "encoders on other machines",
    "encoder_register_urls": "servers on other machines",
    "decoupled_spec_connect_endpoints": "verifiers on other machines",
    "tool_server": "a server of tools",
    "enable_mm_global_cache": "a cache on other machines",
    "enable_unified_cache_external_linker": "a cache on other machines",
}
"""Options that connect to other machines."""
_VARIABLES: Final[Mapping[str, str]] = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "a collector",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "a collector",
    "HF_ENDPOINT": "a hub",
    "MOONCAKE_MASTER": "a store",
    "MOONCAKE_TE_META_DATA_SERVER": "a store",
    "HTTP_PROXY": "a proxy",
    "HTTPS_PROXY": "a proxy",
    "ALL_PROXY": "a proxy",
    "LMCACHE_REMOTE_URL": "a cache",
}
_OPEN: Final = "set the endpoint's network_isolation to false, with subnets from which {what} reached, or leave it out"


def isolation_problems(
    path: str, server: SglangOptions, environment: Mapping[str, str], *, network_isolation: bool
) -> list[Problem]:
    """Return the settings of a component that would need network access.

    "If you enable network isolation, the containers can't make any outbound network calls"
    (https://docs.aws.amazon.com/sagemaker/latest/dg/mkt-algo-model-internet-free.html, read 2026-11). Traces are checked by `tracing_problems`.

    Args:
        path: Path of the component.
        server: SGLang's options.
        environment: Environment variables that the user sets.
        network_isolation: Whether containers of the endpoint have no network access.
    """
    if not network_isolation:
        return []
    found = [problem.under(f"{path}.server") for problem in (*_fetched(server), *_connected(server))]
    for name, what in _VARIABLES.items():
        if environment.get(name, environment.get(name.lower())):
            place = name if name in environment else name.lower()
            found.append(Problem(f"{path}.environment.{place}", _no_network(f"{what} cannot be reached", f"{what} is")))
    return found


def _fetched(server: SglangOptions) -> Iterator[Problem]:
    for field, dest_value in _values(server).items():
        values = dest_value if isinstance(dest_value, list | tuple) else [dest_value]
        for value in values:
            place = str(value).rpartition("=")[2] if field == "extra.lora_paths" else str(value)
            if value is None or place.startswith(("/", "{")):
                continue  # a folder of the container; JSON in lora_paths is not inspected here
            what = _FETCHED[field]
            yield Problem(
                field,
                f"{what} cannot be fetched by a container without network, got network_isolation: true and {value}; {_FETCHED_BY_DRAFT}, "
                "or set the endpoint's network_isolation to false",
            )


def _values(server: SglangOptions) -> dict[str, object]:
    draft = None if server.speculative is None else server.speculative.draft_model_path
    extra = {field: server.get(field.removeprefix("extra.")) for field in _FETCHED if field.startswith("extra.")}
    return {"speculative.draft_model_path": draft, **extra}


def _connected(server: SglangOptions) -> Iterator[Problem]:
    hicache = server.hicache
    if hicache is not None and hicache.storage_backend in _STORES:
        text = f"{hicache.storage_backend} keeps the cache on other machines"
        yield Problem(
            "hicache.storage_backend",
            _no_network(text, "they are", instead=", or use file, which is the instance's own disk"),
        )
    if server.load_format in _LOADED_REMOTELY:
        text = f"{server.load_format} reads weights from other machines"
        yield Problem("load_format", _no_network(text, "they are"))
    for dest, what in _CONNECTED.items():
        if server.get(dest):
            yield Problem(f"extra.{dest}", _no_network(f"{what} cannot be reached", "they are"))


def _no_network(text: str, reached: str, *, instead: str = "") -> str:
    advice = _OPEN.format(what=reached)
    return f"{text}, and its containers have no network, got network_isolation: true; {advice}{instead}"
