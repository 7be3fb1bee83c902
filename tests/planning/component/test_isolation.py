"""Options and variables that would wait for a network are refused on an endpoint without one."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang import SglangOptions
from cdk_sglang.engine import HicacheOptions, SpeculativeOptions
from cdk_sglang.planning.component.isolation import isolation_problems
from tests.support.fleets import Built, problems


def draft(path: str) -> SglangOptions:
    return SglangOptions(speculative=SpeculativeOptions(algorithm="EAGLE3", draft_model_path=path))


def store(name: Any) -> SglangOptions:
    return SglangOptions(hicache=HicacheOptions(size_gb=1, storage_backend=name))


NEEDS_A_NETWORK = [
    (
        draft("owner/name"),
        "server.speculative.draft_model_path",
        "the draft cannot be fetched by a container without network",
    ),
    (
        draft("s3://models/draft/"),
        "server.speculative.draft_model_path",
        "network_isolation: true and s3://models/draft/",
    ),
    (
        SglangOptions(extra={"tokenizer_path": "owner/name"}),
        "server.extra.tokenizer_path",
        "the tokenizer cannot be fetched",
    ),
    (
        SglangOptions(extra={"speculative_token_map": "thunlp/map/freq.pt"}),
        "server.extra.speculative_token_map",
        "the map of tokens cannot be fetched",
    ),
    (
        store("mooncake"),
        "server.hicache.storage_backend",
        "mooncake keeps the cache on other machines, and its containers have no network",
    ),
    (store("hf3fs"), "server.hicache.storage_backend", "hf3fs keeps the cache on other machines"),
    (SglangOptions(load_format="remote"), "server.load_format", "remote reads weights from other machines"),
    (
        SglangOptions(extra={"encoder_urls": ["http://encoder:8000"]}),
        "server.extra.encoder_urls",
        "encoders on other machines cannot be reached",
    ),
    (
        SglangOptions(extra={"tool_server": "tools:8000"}),
        "server.extra.tool_server",
        "a server of tools cannot be reached",
    ),
]


@pytest.mark.parametrize(("server", "path", "message"), NEEDS_A_NETWORK, ids=[path for _, path, _ in NEEDS_A_NETWORK])
def test_what_needs_a_network_is_refused_without_one(server: SglangOptions, path: str, message: str) -> None:
    (problem,) = isolation_problems("chat.llama", server, {}, network_isolation=True)
    assert problem.path == f"chat.llama.{path}"
    assert message in problem
    assert "network_isolation" in problem
    assert isolation_problems("chat.llama", server, {}, network_isolation=False) == []


@pytest.mark.parametrize(
    "server",
    [
        draft("/opt/ml/model/draft"),
        store("file"),
        store("shm"),
        SglangOptions(),
        SglangOptions(load_format="safetensors"),
    ],
)
def test_what_is_in_the_container_needs_none(server: SglangOptions) -> None:
    assert isolation_problems("chat.llama", server, {"HTTP_PROXY": ""}, network_isolation=True) == []


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "HF_ENDPOINT", "https_proxy", "all_proxy", "LMCACHE_REMOTE_URL"]
)
def test_a_variable_that_names_another_machine_is_refused_too(name: str) -> None:
    (problem,) = isolation_problems("chat.llama", SglangOptions(), {name: "http://x:1"}, network_isolation=True)
    assert problem.path == f"chat.llama.environment.{name}"


def test_an_endpoint_says_it_at_synth() -> None:
    (line,) = problems(lambda: Built().add("llama", server=draft("owner/name")))
    assert line == (
        "llama.server.speculative.draft_model_path: the draft cannot be fetched by a container without network, "
        "got network_isolation: true and owner/name; put its files below the model's prefix, and name the folder in the container, "
        "such as /opt/ml/model/draft, or set the endpoint's network_isolation to false"
    )
    Built(network_isolation=False).add("llama", server=draft("owner/name"))
