"""Variables of a container, read back as options."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdk_sglang.engine import SglangOptions
from cdk_sglang.engine.parsing import parse
from cdk_sglang.engine.releases import KNOWN_RELEASES
from tests.engine.strategies import options_of


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(fields=options_of(SglangOptions), release=st.sampled_from(KNOWN_RELEASES))
def test_any_options_come_back_from_the_variables_that_they_become(fields: dict[str, Any], release: str) -> None:
    whole = SglangOptions.model_validate(fields)
    refused = {line.path.split(".")[1] for line in whole.problems_for("cdk-sglang", sglang_version=release)}
    sound = SglangOptions.model_validate({name: value for name, value in fields.items() if name not in refused})
    wrong = {line.path.split(".")[1] for line in sound.problems("server", sglang_version=release)}
    sound = SglangOptions.model_validate({name: value for name, value in fields.items() if name not in refused | wrong})
    rendered = sound.environment(sglang_version=release)
    parsed = parse(rendered, sglang_version=release)
    assert parsed.left == {}
    assert parsed.options.environment(sglang_version=release) == rendered
    assert SglangOptions.model_validate(dict(parsed.server)) == parsed.options


def test_other_spellings_lists_groups_and_json_are_read_as_the_typed_options() -> None:
    parsed = parse(
        {
            "SM_SGLANG_TENSOR_PARALLEL_SIZE": "4",
            "SM_SGLANG_ENABLE_LORA": "TRUE",
            "SM_SGLANG_MAX_LORA_RANK": "16",
            "SM_SGLANG_LORA_TARGET_MODULES": "q_proj v_proj",
            "SM_SGLANG_SPECULATIVE_ALGORITHM": "EAGLE3",
            "SM_SGLANG_MODEL_LOADER_EXTRA_CONFIG": '{"num_threads":8}',
            "SM_SGLANG_SLEEP_ON_IDLE": "true",
            "SM_SGLANG_ENABLE_METRICS": "true",
            "SM_SGLANG_TRUST_REMOTE_CODE": "false",
            "OMP_NUM_THREADS": "4",
        }
    )
    assert parsed.left == {}
    assert parsed.server == {
        "tp_size": 4,
        "lora": {"max_rank": 16, "target_modules": ["q_proj", "v_proj"]},
        "speculative": {"algorithm": "EAGLE3"},
        "model_loader_extra_config": {"num_threads": 8},
        "extra": {"sleep_on_idle": True},
        "enable_metrics": True,
    }


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("SM_SGLANG_MADE_UP", "1", "SGLang 0.5.23 has no such option"),
        ("SM_SGLANG_CONTEXT_LENGTH", "long", "'long' is none of its values"),
        ("SM_SGLANG_CONTEXT_LENGTH", "", "it has no value"),
        ("SM_SGLANG_ENABLE_LORA", "yes", "a switch takes no value"),
        ("SM_SGLANG_MAX_LORA_RANK", "16", "it does nothing without --enable-lora"),
        ("SM_SGLANG_SPECULATIVE_NUM_STEPS", "3", "it does nothing without --speculative-algorithm"),
        ("SM_SGLANG_ATTENTION_BACKEND", "abacus", "'abacus' is not allowed"),
        ("SM_SGLANG_MEM_FRACTION_STATIC", "1.5", "1"),
        ("SM_SGLANG_PORT", "9000", "8080"),
    ],
)
def test_what_no_option_can_say_is_left_with_its_reason(variable: str, value: str, why: str) -> None:
    parsed = parse({variable: value, "SM_SGLANG_TP_SIZE": "2"})
    assert why in parsed.left[variable]
    assert parsed.server == {"tp_size": 2, "enable_metrics": False}


def test_attention_groups_of_older_releases_are_read_from_their_switch() -> None:
    variables = {"SM_SGLANG_DP_SIZE": "4", "SM_SGLANG_ENABLE_DP_ATTENTION": "true", "SM_SGLANG_TP_SIZE": "4"}
    assert parse(variables, sglang_version="0.5.17").options.attn_dp_size == 4
