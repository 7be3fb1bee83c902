"""Host memory of a copy: adapters, the cache's tier and loading buffers against what the copy reserves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from cdk_sglang import (
    AdapterConfig,
    AdapterSource,
    Capacity,
    ConfigurationError,
    HostResources,
    InferenceComponent,
    InferenceEndpoint,
    ModelSource,
    SglangOptions,
)
from cdk_sglang.engine import HicacheOptions, LoraOptions
from tests.serving.conftest import own_image

MakeEndpoint = Callable[..., InferenceEndpoint]
LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
ALL_OF_64 = LoraOptions(max_rank=64, target_modules=("all",))

# Rank 64 on all linear layers of Llama-3.1-8B: 32 layers, hidden size 4096, 1024 values of keys, 14336 of the MLP, two bytes each.
ADAPTER_BYTES = 64 * 32 * 2 * ((3 * 4096 + 4096 + 2 * 1024) + (4096 + 4096) + (2 * (4096 + 14336) + 14336 + 4096))
ADAPTER_GIB = ADAPTER_BYTES / 2**30


def model(**options: Any) -> ModelSource:
    return ModelSource.from_s3("s3://models/llama/", **{"model_id": LLAMA_8B, "check": False, **options})


def problems_of(call: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        call()
    return error.value.problems


def lora(**changes: Any) -> LoraOptions:
    return ALL_OF_64.model_copy(update=changes)


@pytest.fixture
def endpoint(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> InferenceEndpoint:
    """Four L40S with 384 GiB of host memory, of which a copy on one GPU reserves 48 GiB."""
    return any_endpoint(image=own_image(stack), capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=1))


def add(endpoint: InferenceEndpoint, *, source: ModelSource | None = None, **options: Any) -> InferenceComponent:
    return endpoint.add_component("llama", model=source or model(), **options)


def test_adapters_that_sglang_keeps_are_held_to_the_instances_share(endpoint: InferenceEndpoint) -> None:
    fit = int(48 / ADAPTER_GIB)
    problems = problems_of(lambda: add(endpoint, server=SglangOptions(lora=lora(max_loaded_loras=200))))
    assert problems == (
        (
            f"llama.server.lora.max_loaded_loras: 200 adapters of rank 64 take {200 * ADAPTER_GIB:.1f} GiB of host memory in 1 process, and "
            f"the copy reserves 49152 MiB; use {fit} or fewer, or raise resources.memory_mib to {math.ceil(200 * ADAPTER_GIB * 1024)}"
        ),
    )
    add(endpoint, server=SglangOptions(lora=lora(max_loaded_loras=fit)))


def test_the_memory_an_error_names_is_enough(endpoint: InferenceEndpoint) -> None:
    options = SglangOptions(lora=lora(max_loaded_loras=200))
    (problem,) = problems_of(lambda: add(endpoint, server=options))
    named = int(problem.rsplit(" ", maxsplit=1)[-1])
    assert problems_of(
        lambda: add(endpoint, server=options, resources=HostResources(cpu_cores=4, memory_mib=named - 1))
    )
    add(endpoint, server=options, resources=HostResources(cpu_cores=4, memory_mib=named))


def test_every_process_of_a_copy_keeps_all_adapters(endpoint: InferenceEndpoint) -> None:
    options = {"max_loaded_loras": 100}
    memory = HostResources(cpu_cores=4, memory_mib=49_152)
    add(endpoint, server=SglangOptions(lora=lora(**options)), resources=memory)
    (problem,) = problems_of(
        lambda: endpoint.add_component(
            "two", model=model(), server=SglangOptions(tp_size=2, lora=lora(**options)), resources=memory
        )
    )
    assert "in 2 processes, each of which keeps all of them" in problem
    assert f"take {2 * 100 * ADAPTER_GIB:.1f} GiB" in problem


def test_no_fewer_adapters_are_advised_than_sglang_takes_in_a_batch(endpoint: InferenceEndpoint) -> None:
    small = HostResources(cpu_cores=1, memory_mib=1024)
    (problem,) = problems_of(
        lambda: add(endpoint, server=SglangOptions(lora=lora(max_loaded_loras=8)), resources=small)
    )
    assert "; lower max_rank, name fewer target_modules, or raise resources.memory_mib to " in problem


def test_of_a_model_nobody_knows_nothing_is_said(endpoint: InferenceEndpoint) -> None:
    add(endpoint, source=model(model_id=None), server=SglangOptions(lora=lora(max_loaded_loras=100_000)))


def test_the_caches_tier_leaves_room_for_the_adapters(endpoint: InferenceEndpoint) -> None:
    memory = HostResources(cpu_cores=8, memory_mib=100_000)
    plain = add(endpoint, server=SglangOptions(hicache=HicacheOptions()), resources=memory)
    beside = endpoint.add_component(
        "adapted",
        model=model(),
        server=SglangOptions(hicache=HicacheOptions(), lora=lora(max_loaded_loras=100)),
        resources=memory,
    )
    left = 0.8 * (100_000 * 2**20 - 100 * ADAPTER_BYTES) / 10**9
    assert (plain.environment["SM_SGLANG_HICACHE_SIZE"], beside.environment["SM_SGLANG_HICACHE_SIZE"]) == (
        "83",
        str(int(left)),
    )


def test_a_tier_that_fits_alone_is_refused_beside_the_adapters(endpoint: InferenceEndpoint) -> None:
    memory = HostResources(cpu_cores=8, memory_mib=100_000)
    tier = HicacheOptions(size_gb=80)
    add(endpoint, server=SglangOptions(hicache=tier), resources=memory)
    (problem,) = problems_of(
        lambda: endpoint.add_component(
            "adapted",
            model=model(),
            server=SglangOptions(hicache=tier, lora=lora(max_loaded_loras=100)),
            resources=memory,
        )
    )
    assert problem.startswith("adapted.server.hicache.size_gb: 80 GB for each of 1 GPUs, and ")
    assert f"host memory beside {100 * ADAPTER_GIB:.1f} GiB of adapters; use " in problem


def test_without_a_limit_the_adapter_that_is_one_too_many_is_refused(endpoint: InferenceEndpoint) -> None:
    memory = HostResources(cpu_cores=4, memory_mib=int(2.5 * ADAPTER_GIB * 1024))
    component = add(endpoint, server=SglangOptions(lora=lora()), resources=memory)
    for name in ("first", "second"):
        component.add_adapter(name, AdapterSource.from_s3(f"s3://models/adapters/{name}.tar.gz"))
    third = AdapterSource.from_s3("s3://models/adapters/third.tar.gz")
    (problem,) = problems_of(lambda: component.add_adapter("third", third))
    assert problem == (
        f"llama.adapters.third: with it, 3 adapters take {3 * ADAPTER_GIB:.1f} GiB of host memory in 1 process, and the copy reserves "
        f"{memory.memory_mib} MiB; raise resources.memory_mib to {math.ceil(3 * ADAPTER_GIB * 1024)}, or let SGLang keep fewer with "
        "server.lora.max_loaded_loras"
    )
    assert "third" not in component.adapters
    component.add_adapter("third", third, config=AdapterConfig(rank=8, target_modules=frozenset({"q_proj"})))


def test_adapters_and_a_tier_count_together(endpoint: InferenceEndpoint) -> None:
    memory = HostResources(cpu_cores=4, memory_mib=20_000)
    component = add(endpoint, server=SglangOptions(hicache=HicacheOptions(size_gb=16), lora=lora()), resources=memory)
    room = int((20_000 / 1024 - 16e9 / 2**30) / ADAPTER_GIB)
    for index in range(room):
        component.add_adapter(f"a{index}", AdapterSource.from_s3("s3://models/adapters/a.tar.gz"))
    (problem,) = problems_of(
        lambda: component.add_adapter("last", AdapterSource.from_s3("s3://models/adapters/a.tar.gz"))
    )
    assert " in 1 process beside 14.9 GiB of cache, and the copy reserves 20000 MiB" in problem


def test_a_folder_counts_with_the_size_of_its_own_files(endpoint: InferenceEndpoint, tmp_path: Path) -> None:
    config = {"peft_type": "LORA", "r": 64, "lora_alpha": 64, "target_modules": ["o_proj"]}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    half, columns = 80 * 2**20, 80 * 2**20 // 64 // 4
    sides = {
        "lora_A": {"dtype": "F32", "shape": [64, columns], "data_offsets": [0, half]},
        "lora_B": {"dtype": "F32", "shape": [columns, 64], "data_offsets": [half, 2 * half]},
    }
    header = json.dumps({f"layers.0.o_proj.{side}.weight": tensor for side, tensor in sides.items()}).encode()
    with (tmp_path / "adapter_model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 160 * 2**20)
    nobody_knows = model(model_id=None)
    memory = HostResources(cpu_cores=4, memory_mib=150)
    component = add(endpoint, source=nobody_knows, server=SglangOptions(lora=lora()), resources=memory)
    (problem,) = problems_of(lambda: component.add_adapter("big", AdapterSource.from_folder(tmp_path)))
    assert problem.startswith("llama.adapters.big: with it, 1 adapter takes 0.2 GiB of host memory in 1 process, and ")


def streamed(**options: Any) -> SglangOptions:
    return SglangOptions(load_format="runai_streamer", **options)


def test_a_loader_that_buffers_more_than_the_copy_reserves_is_refused(endpoint: InferenceEndpoint) -> None:
    memory = HostResources(cpu_cores=4, memory_mib=8192)
    weights = model(weights_size=cdk.Size.gibibytes(15))
    assert problems_of(lambda: add(endpoint, source=weights, server=streamed(tp_size=2), resources=memory)) == (
        (
            "llama.server.load_format: runai_streamer reads 15.0 GiB at a time into a buffer of each of 2 processes, 30.0 GiB, and the copy "
            f"reserves 8192 MiB of its host; set model_loader_extra_config: {{memory_limit: {2**32}}}, or raise resources.memory_mib to 30720"
        ),
    )
    add(endpoint, source=weights, server=SglangOptions(tp_size=2), resources=memory)


@pytest.mark.parametrize(
    "options",
    [
        {"server": streamed(model_loader_extra_config={"memory_limit": 2**32})},
        {"server": streamed(), "environment": {"RUNAI_STREAMER_MEMORY_LIMIT": str(2**32)}},
    ],
)
def test_a_buffer_with_a_limit_is_as_large_as_the_limit(endpoint: InferenceEndpoint, options: dict[str, Any]) -> None:
    weights = model(weights_size=cdk.Size.gibibytes(15))
    add(endpoint, source=weights, resources=HostResources(cpu_cores=4, memory_mib=4096), **options)
    less = HostResources(cpu_cores=4, memory_mib=4095)
    (problem,) = problems_of(
        lambda: endpoint.add_component("less", model=weights, resources=less, **options),
    )
    assert "reads 4.0 GiB at a time" in problem


def test_without_a_limit_the_buffer_holds_all_weights_up_to_40_gb(endpoint: InferenceEndpoint) -> None:
    weights = model(weights_size=cdk.Size.gibibytes(100))
    memory = HostResources(cpu_cores=4, memory_mib=8192)
    (by_default,) = problems_of(lambda: add(endpoint, source=weights, server=streamed(), resources=memory))
    unlimited = streamed(model_loader_extra_config={"memory_limit": -1})
    (without,) = problems_of(lambda: add(endpoint, source=weights, server=unlimited, resources=memory))
    assert "reads 37.3 GiB at a time" in by_default
    assert "reads 100.0 GiB at a time" in without


def test_memory_that_is_known_at_deployment_alone_is_not_checked(endpoint: InferenceEndpoint, stack: cdk.Stack) -> None:
    token = cdk.CfnParameter(stack, "Memory", type="Number").value_as_number
    memory = HostResources(cpu_cores=4, memory_mib=token)
    component = add(endpoint, server=streamed(lora=lora(max_loaded_loras=10_000)), resources=memory)
    assert component.variants[0].memory_mib == token


def test_a_buffer_that_is_bounded_at_deployment_alone_is_not_checked(
    endpoint: InferenceEndpoint, stack: cdk.Stack
) -> None:
    limit = {"RUNAI_STREAMER_MEMORY_LIMIT": cdk.CfnParameter(stack, "Limit").value_as_string}
    weights = model(weights_size=cdk.Size.gibibytes(15))
    little = HostResources(cpu_cores=4, memory_mib=1024)
    assert problems_of(lambda: add(endpoint, source=weights, server=streamed(), resources=little))
    add(endpoint, source=weights, server=streamed(), resources=little, environment=limit)
