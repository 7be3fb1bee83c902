from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container import tracing
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.rules import check_combination
from cdk_sglang_container.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def test_the_defaults_are_sagemakers() -> None:
    settings = Settings.from_environment({})
    assert (settings.model_dir, settings.host, settings.port) == ("/opt/ml/model", "0.0.0.0", 8080)
    assert settings.max_body_bytes == 6_291_456


def test_the_platforms_port_is_honoured_and_ours_wins() -> None:
    assert Settings.from_environment({"SAGEMAKER_BIND_TO_PORT": "9000"}).port == 9000
    assert Settings.from_environment({"SAGEMAKER_BIND_TO_PORT": "9000", "CDK_SGLANG_PORT": "9001"}).port == 9001


def test_the_limits_of_a_request_have_defaults_and_are_settings() -> None:
    defaults = Settings.from_environment({})
    assert (defaults.max_sequences, defaults.max_top_logprobs) == (64, 20)
    assert (defaults.max_json_depth, defaults.max_grammar_bytes, defaults.stalled_after_s) == (64, 65_536, 120)
    changed = Settings.from_environment(
        {
            "CDK_SGLANG_MAX_SEQUENCES": "500",
            "CDK_SGLANG_MAX_TOP_LOGPROBS": "1000",
            "CDK_SGLANG_MAX_JSON_DEPTH": "100",
            "CDK_SGLANG_MAX_GRAMMAR_BYTES": "1000000",
            "CDK_SGLANG_STALLED_AFTER_S": "60",
        }
    )
    assert (changed.max_sequences, changed.max_top_logprobs) == (500, 1000)
    assert (changed.max_json_depth, changed.max_grammar_bytes, changed.stalled_after_s) == (100, 1_000_000, 60)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"CDK_SGLANG_MAX_SEQUENCES": "0"}, "CDK_SGLANG_MAX_SEQUENCES: must be a number from 1 to 4096, got '0'"),
        ({"CDK_SGLANG_MAX_SEQUENCES": "1.5"}, "CDK_SGLANG_MAX_SEQUENCES: must be a whole number, got '1.5'"),
        (
            {"CDK_SGLANG_MAX_JSON_DEPTH": "5000"},
            "CDK_SGLANG_MAX_JSON_DEPTH: must be a number from 8 to 400, got '5000'",
        ),
        (
            {"CDK_SGLANG_WEDGED_AFTER_S": "20", "CDK_SGLANG_STALLED_AFTER_S": "10"},
            "CDK_SGLANG_STALLED_AFTER_S: must be a number from 20 to 86400, got '10'",
        ),
    ],
)
def test_a_limit_that_bounds_nothing_is_refused(variables: dict[str, str], problem: str) -> None:
    with pytest.raises(RefusedError) as refused:
        Settings.from_environment(variables)
    assert refused.value.problems == [problem]


def test_bad_settings_are_all_named() -> None:
    environment = {"CDK_SGLANG_PORT": "80.5", "CDK_SGLANG_MAX_BODY_BYTES": "much", "CDK_SGLANG_WEDGED_AFTER_S": "1"}
    with pytest.raises(RefusedError) as refused:
        Settings.from_environment(environment)
    assert refused.value.problems == [
        "CDK_SGLANG_PORT: must be a whole number, got '80.5'",
        "CDK_SGLANG_MAX_BODY_BYTES: must be a number from 1024 to 2.14748e+09, got 'much'",
        "CDK_SGLANG_WEDGED_AFTER_S: must be a number from 4 to 300, got '1'",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mem_fraction_static": 1.5}, "SM_SGLANG_MEM_FRACTION_STATIC: must be a fraction between 0 and 1, got 1.5"),
        ({"mem_fraction_static": 0.0}, "between 0 and 1, got 0"),
        ({"speculative_draft_model_path": "/d"}, "is not used without SM_SGLANG_SPECULATIVE_ALGORITHM"),
        ({"speculative_algorithm": "eagle3"}, "EAGLE3 needs a draft model"),
        ({"speculative_algorithm": "STANDALONE"}, "STANDALONE needs a draft model"),
        (
            {"speculative_algorithm": "EAGLE", "speculative_draft_model_path": "/d", "speculative_num_steps": 3},
            "give all three or none",
        ),
        (
            {
                "speculative_algorithm": "EAGLE",
                "speculative_draft_model_path": "/d",
                "speculative_num_steps": 3,
                "speculative_eagle_topk": 1,
                "speculative_num_draft_tokens": 8,
            },
            "is steps + 1 with topk 1, so 4, got 8",
        ),
        ({"hicache_storage_backend": "file"}, "is not used without SM_SGLANG_ENABLE_HIERARCHICAL_CACHE=true"),
        ({"load_format": "remote_instance"}, "remote_instance falls back to auto without"),
        ({"tokenizer_worker_num": 2, "enable_lora": True}, "must be 1 with LoRA, got 2"),
        ({"tokenizer_worker_num": 2, "lora_paths": ["a=/x"]}, "must be 1 with LoRA, got 2"),
    ],
)
def test_what_sglang_accepts_silently_is_refused(values: dict[str, Any], message: str) -> None:
    (problem,) = check_combination(values, on_cpu=False)
    assert message in problem


@pytest.mark.parametrize(
    "values",
    [
        {"attention_backend": "fa3"},
        {"decode_attention_backend": "flashinfer"},
        {"quantization": "fp8"},
        {"kv_cache_dtype": "fp8_e4m3"},
    ],
)
def test_what_needs_a_gpu_is_refused_on_a_cpu_alone(values: dict[str, Any]) -> None:
    assert "needs a GPU and this platform has none" in check_combination(values, on_cpu=True)[0]
    assert check_combination(values, on_cpu=False) == []


@pytest.mark.parametrize(("config", "refused"), [({}, True), ({"num_nextn_predict_layers": 1}, False), (None, False)])
def test_eagle_without_a_draft_needs_the_models_own_layers(
    tmp_path: Path, config: dict[str, int] | None, refused: bool
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    values = {"speculative_algorithm": "EAGLE", "model_path": str(tmp_path)}
    assert bool(check_combination(values, on_cpu=False)) is refused


def test_good_settings_pass() -> None:
    values = {
        "mem_fraction_static": 0.85,
        "speculative_algorithm": "EAGLE3",
        "speculative_draft_model_path": "/opt/ml/model/draft",
        "speculative_num_steps": 3,
        "speculative_eagle_topk": 1,
        "speculative_num_draft_tokens": 4,
        "enable_hierarchical_cache": True,
        "hicache_storage_backend": "file",
        "tokenizer_worker_num": 4,
    }
    assert check_combination(values, on_cpu=False) == []


def test_adaptive_speculation_may_begin_with_one_number() -> None:
    values = {"speculative_algorithm": "EAGLE", "speculative_draft_model_path": "/d", "speculative_num_steps": 3}
    assert check_combination({**values, "speculative_adaptive": True}, on_cpu=False) == []


def test_tracing_without_its_packages_is_one_line_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracing.tracing_problems({"enable_trace": False}) == []
    monkeypatch.setattr(tracing.importlib.util, "find_spec", lambda name: None if "exporter" in name else object())
    (line,) = tracing.tracing_problems({"enable_trace": True})
    assert line.startswith(
        "SM_SGLANG_ENABLE_TRACE: the image lacks opentelemetry.exporter.otlp.proto.grpc.trace_exporter, "
    )
    assert line.endswith("use an image with SGLang's 'tracing' extra, or leave tracing out")
    monkeypatch.setattr(tracing.importlib.util, "find_spec", lambda _: object())
    assert tracing.tracing_problems({"enable_trace": True}) == []


def test_the_seconds_from_which_an_answer_is_late_are_a_setting() -> None:
    assert Settings.from_environment({}).slow_after_s == 20
    assert Settings.from_environment({"CDK_SGLANG_SLOW_AFTER_S": "2.5"}).slow_after_s == 2.5
    with pytest.raises(RefusedError, match=r"CDK_SGLANG_SLOW_AFTER_S: must be a number from 0\.1 to 3600, got '0'"):
        Settings.from_environment({"CDK_SGLANG_SLOW_AFTER_S": "0"})
