from __future__ import annotations

import pydantic
import pytest
from jsonschema import Draft202012Validator

from cdk_sglang.engine import LoraOptions, SglangOptions, SpeculativeOptions
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.validation_errors import problems_of


class _Component(pydantic.BaseModel):
    server: SglangOptions


def _lines(**wrong: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        SglangOptions(**wrong)
    return list(caught.value.problems)


def test_collects_every_wrong_value_into_one_error() -> None:
    assert _lines(tp_size=0, quantization="fp9", lora={"max_rnk": 8}, tp_sze=1) == [
        "SglangOptions.tp_size: 0 is not allowed; use a value >= 1",
        "SglangOptions.quantization: 'fp9' is not allowed; did you mean 'fp8'",
        "SglangOptions.lora.max_rnk: unknown key; did you mean 'max_rank'",
        "SglangOptions.tp_sze: unknown key; did you mean 'tp_size'",
    ]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"tp_size": "4"}, "tp_size: '4' is text; write 4 without quotes"),
        ({"tp_size": True}, "tp_size: takes a whole number, got True; write a whole number"),
        (
            {"context_length": "32k"},
            "context_length: '32k' is text; write digits alone: 32000, or 32768 if that is meant",
        ),
        ({"trust_remote_code": 1}, "trust_remote_code: takes true or false, got 1; write true or false"),
        ({"served_model_name": 7}, "served_model_name: 7 is a number here; write it in quotes"),
        ({"mem_fraction_static": 1.5}, "mem_fraction_static: 1.5 is not allowed; use a value < 1"),
        ({"mem_fraction_static": 0}, "mem_fraction_static: 0 is not allowed; use a value > 0"),
        ({"log_requests_level": 9}, "log_requests_level: 9 is not allowed; use 0, 1, 2 or 3"),
        (
            {"lora": 3},
            "lora: takes a mapping, in Python LoraOptions(...), got 3; give keys such as max_rank, target_modules, max_loras_per_batch, max_loaded_loras",
        ),
        ({"speculative": {}}, "speculative.algorithm: missing; it has no default"),
        ({"speculative": {"algorithm": "mtp"}}, "speculative.algorithm: SGLang has no algorithm called MTP; use NEXTN"),
        (
            {"extra": {"gc_threshold": {"a": 1}}},
            "extra.gc_threshold: takes text, a number, true, false or a list of text and numbers",
        ),
        ({"served_model_name": "a:b"}, "served_model_name: 'a:b' is not allowed; it has to match ^[^\\s:]+$"),
    ],
)
def test_says_what_is_wrong_with_a_value(wrong: dict[str, object], line: str) -> None:
    assert _lines(**wrong) == [f"SglangOptions.{line}"]


def test_a_draft_model_without_an_algorithm_is_refused() -> None:
    assert _lines(speculative={"draft_model_path": "/opt/ml/model/draft"}) == [
        "SglangOptions.speculative.algorithm: missing; it has no default"
    ]


def test_a_group_alone_raises_the_same_error() -> None:
    with pytest.raises(ConfigurationError, match=r"^LoraOptions\.max_rank: 0 is not allowed; use a value >= 1$"):
        LoraOptions(max_rank=0)


def test_inside_another_model_errors_are_pydantics_with_their_place() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        _Component.model_validate({"server": {"tp_size": 0, "lora": {"max_rank": 0}, "tpsize": 1}})
    assert [detail["loc"] for detail in caught.value.errors()] == [
        ("server", "tp_size"),
        ("server", "lora", "max_rank"),
        ("server", "tpsize"),
    ]
    assert problems_of(caught.value, _Component) == [
        "server.tp_size: 0 is not allowed; use a value >= 1",
        "server.lora.max_rank: 0 is not allowed; use a value >= 1",
        "server.tpsize: unknown key; did you mean 'tp_size'",
    ]


def test_an_algorithm_is_taken_in_any_case() -> None:
    assert SpeculativeOptions.model_validate({"algorithm": "eagle3"}).algorithm == "EAGLE3"


def test_is_frozen() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        SglangOptions().tp_size = 2


def test_survives_a_round_trip_without_changing_the_environment() -> None:
    options = SglangOptions(
        tp_size=2, lora=LoraOptions(max_rank=8, target_modules=("all",)), extra={"stream_interval": 4}
    )
    again = SglangOptions.model_validate(options.model_dump())
    assert again == options
    assert again.environment() == options.environment()


def test_the_json_schema_describes_every_field_and_closes_every_object() -> None:
    schema = SglangOptions.model_json_schema()
    Draft202012Validator.check_schema(schema)
    objects = [schema, *(schema["$defs"].values())]
    assert len(objects) == 5
    for each in objects:
        assert each["additionalProperties"] is False
        assert [name for name, field in each["properties"].items() if not field.get("description")] == []


def test_the_json_schema_takes_what_the_model_takes() -> None:
    validator = Draft202012Validator(SglangOptions.model_json_schema())
    good = {"tp_size": 4, "lora": {"max_rank": 8, "target_modules": ["q_proj"]}, "extra": {"numa_node": [0, 1]}}
    assert list(validator.iter_errors(good)) == []
    SglangOptions.model_validate(good)
    assert len(list(validator.iter_errors({"tp_size": 0, "tp": 1}))) == 2


@pytest.mark.parametrize(
    ("sizes", "gpus"),
    [
        ({}, 1),
        ({"tp_size": 4}, 4),
        ({"tp_size": 4, "pp_size": 2}, 8),
        ({"tp_size": 2, "dp_size": 4}, 8),
        ({"tp_size": 8, "attn_dp_size": 8, "ep_size": 8}, 8),
    ],
)
def test_a_copy_needs_as_many_gpus_as_sglang_starts_processes(sizes: dict[str, int], gpus: int) -> None:
    assert SglangOptions.model_validate(sizes).gpus_per_copy == gpus


def test_a_copy_with_other_values_forgets_what_was_worked_out_from_the_old_ones() -> None:
    options = SglangOptions(context_length=4096)
    assert options.get("context_length") == 4096
    copied = options.model_copy(update={"context_length": 8192})
    assert copied.get("context_length") == 8192
    assert copied.environment()["SM_SGLANG_CONTEXT_LENGTH"] == "8192"
    assert options.environment()["SM_SGLANG_CONTEXT_LENGTH"] == "4096"
