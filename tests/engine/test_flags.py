from __future__ import annotations

import typing

import pytest
from pydantic import BaseModel

from cdk_sglang.engine import SglangOptions, choices
from cdk_sglang.engine.flags import all_flags, find_flag, flag_of, value_problem
from cdk_sglang.engine.model_base import typed_dests
from cdk_sglang.engine.releases import release_of

_DEST_OF_TYPE = {
    "SchedulePolicy": "schedule_policy",
    "Dtype": "dtype",
    "Quantization": "quantization",
    "KvCacheDtype": "kv_cache_dtype",
    "AttentionBackend": "attention_backend",
    "SamplingBackend": "sampling_backend",
    "GrammarBackend": "grammar_backend",
    "LoadFormat": "load_format",
    "ReasoningParser": "reasoning_parser",
    "ToolCallParser": "tool_call_parser",
    "MoeA2aBackend": "moe_a2a_backend",
    "LoraTargetModule": "lora_target_modules",
    "LoraBackend": "lora_backend",
    "LoraEvictionPolicy": "lora_eviction_policy",
    "HicacheHostMemoryMode": "hicache_host_memory_mode",
    "HicacheWritePolicy": "hicache_write_policy",
    "HicacheIoBackend": "hicache_io_backend",
    "HicacheMemLayout": "hicache_mem_layout",
    "HicacheStorageBackend": "hicache_storage_backend",
    "HicachePrefetchPolicy": "hicache_storage_prefetch_policy",
    "SpeculativeAttentionMode": "speculative_attention_mode",
    "LogRequestsLevel": "log_requests_level",
    "LogRequestsFormat": "log_requests_format",
}


def _literal_values(annotation: object) -> set[object]:
    if typing.get_origin(annotation) is typing.Literal:
        return set(typing.get_args(annotation))
    return {value for part in typing.get_args(annotation) for value in _literal_values(part)}


def _fields(model: type[BaseModel]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        inner = [
            part for part in typing.get_args(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)
        ]
        if inner:
            found |= {f"{name}.{key}": value for key, value in _fields(inner[0]).items()}
        else:
            found[name] = field.annotation
    return found


@pytest.mark.parametrize(("name", "dest"), sorted(_DEST_OF_TYPE.items()))
def test_the_values_of_a_type_are_those_of_sglangs_parser(name: str, dest: str) -> None:
    assert typing.get_args(getattr(choices, name)) == flag_of(dest).choices


def test_every_type_of_the_choices_module_is_compared() -> None:
    types = {name for name, value in vars(choices).items() if typing.get_origin(value) is typing.Literal}
    assert types == set(_DEST_OF_TYPE)


def test_the_data_holds_every_option_of_the_parser() -> None:
    assert len(all_flags()) == 531
    assert len({flag for spec in all_flags() for flag in spec.flags}) == len([f for s in all_flags() for f in s.flags])


def test_every_typed_field_is_an_option_of_sglang() -> None:
    dests = typed_dests(SglangOptions)
    assert len(dests) > 70
    assert {dest for dest in dests if find_flag(dest) is None} == set()


def test_every_closed_field_offers_only_values_sglang_takes() -> None:
    paths = {path: dest for dest, path in typed_dests(SglangOptions).items()}
    compared = 0
    for path, annotation in _fields(SglangOptions).items():
        values = _literal_values(annotation)
        allowed = flag_of(paths[path]).choices if path in paths else ()
        if values and allowed:
            assert values <= set(allowed), path
            compared += 1
    assert compared >= 20


def test_closed_options_of_sglang_are_closed_here() -> None:
    paths = {path: dest for dest, path in typed_dests(SglangOptions).items()}
    annotations = _fields(SglangOptions)
    open_here = {
        path
        for path, dest in paths.items()
        if path in annotations and flag_of(dest).choices
        if not _literal_values(annotations[path])
    }
    assert open_here == set()


def test_an_option_is_found_by_any_spelling() -> None:
    assert find_flag("tp-size") is find_flag("tp_size") is find_flag("tensor-parallel-size")
    assert find_flag("tp") is None
    assert "mem_fraction_static" in release_of().names


def test_a_retired_spelling_finds_the_option_under_its_name_of_today() -> None:
    retired = find_flag("nsa_prefill_backend")
    assert retired is not None
    assert retired.dest == "dsa_prefill_backend"
    assert flag_of(retired.dest).flags == ("--dsa-prefill-backend",)


def test_an_option_that_is_gone_is_found_in_the_release_that_had_it() -> None:
    assert flag_of("torchao_config").flags == ("--torchao-config",)
    with pytest.raises(KeyError):
        flag_of("torchao")


@pytest.mark.parametrize("name", ["disable_piecewise_cuda_graph", "collect_tokens_histogram"])
def test_what_only_tells_that_it_is_gone_or_sets_another_option_is_no_option(name: str) -> None:
    assert find_flag(name) is None


def test_a_value_is_taken_when_any_release_takes_it() -> None:
    assert value_problem("decode_attention_backend", "cutlass_mla") is None
    assert (
        value_problem("decode_attention_backend", "cutlas_mla")
        == "does not take 'cutlas_mla'; did you mean 'cutedsl_mla'"
    )
