"""Configs read into architectures, and the catalogue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.models import ModelArchitecture, all_models, catalogue, read_config, read_models

if TYPE_CHECKING:
    from pathlib import Path

LLAMA_8B = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
}


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        # what the configs' own shapes give, counted tensor by tensor
        ("meta-llama/Meta-Llama-3.1-8B", 8_030_261_248),
        ("Qwen/Qwen3-0.6B", 596_049_920),
        ("Qwen/Qwen3-235B-A22B", 235_093_634_560),
        ("deepseek-ai/DeepSeek-R1", 671_026_419_200),
        ("moonshotai/Kimi-K2-Instruct", 1_026_408_232_448),
        ("Qwen/Qwen3.5-397B-A17B", 396_798_537_728),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", 400_711_848_960),
        ("openai/gpt-oss-120b", 116_829_156_672),
        ("zai-org/GLM-4.5-Air", 106_852_251_264),
    ],
)
def test_parameters_are_counted_to_a_tenth_of_a_percent(model: str, parameters: int) -> None:
    assert catalogue(model).architecture.parameters == pytest.approx(parameters, rel=1e-3)


def test_totals_agree_with_what_their_makers_state() -> None:
    for facts in all_models():
        if facts.parameters_billion is not None:
            # totals are stated in whole billions; Nemotron Nano's 31.6 is called 30
            assert facts.architecture.parameters / 1e9 == pytest.approx(facts.parameters_billion, rel=0.055), facts.id


def test_every_model_of_the_catalogue_can_be_read() -> None:
    models = all_models()
    assert len(models) >= 92
    assert all(facts.source.startswith("https://") and facts.weights_gib > 0 for facts in models)
    assert all(facts.note for facts in models if not facts.described)


def test_a_multimodal_wrapper_is_read_by_its_text_model() -> None:
    wrapped = {"model_type": "qwen3_vl", "text_config": LLAMA_8B, "quantization_config": {"quant_method": "fp8"}}
    assert read_config(wrapped).hidden_size == 4096
    assert read_config(wrapped).quantization.method == "fp8"


def test_hybrid_and_sliding_layers_are_counted_from_their_patterns() -> None:
    types = ["linear_attention", "linear_attention", "linear_attention", "full_attention"] * 8
    hybrid = read_config(
        {
            **LLAMA_8B,
            "layer_types": types,
            "linear_num_value_heads": 32,
            "linear_num_key_heads": 16,
            "linear_key_head_dim": 128,
            "linear_value_head_dim": 128,
        }
    )
    assert (hybrid.full_layers, hybrid.linear_layers) == (8, 24)
    assert hybrid.linear is not None
    assert hybrid.linear.state_bytes_per_slot > 0
    gemma = read_config(
        {
            **LLAMA_8B,
            "model_type": "gemma3_text",
            "num_hidden_layers": 34,
            "sliding_window": 1024,
            "sliding_window_pattern": 6,
        }
    )
    assert (gemma.full_layers, gemma.sliding_layers, gemma.sliding_window) == (5, 29, 1024)
    nemotron = read_config({**LLAMA_8B, "model_type": "nemotron_h", "hybrid_override_pattern": "M-M*M-ME"})
    assert (nemotron.full_layers, nemotron.linear_layers, nemotron.dense_layers) == (1, 4, 2)


@pytest.mark.parametrize(
    ("section", "method", "experts_only"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", False),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4", False),
        ({"quant_method": "gptq", "bits": 8}, "int8", False),
        ({"quant_method": "mxfp4"}, "mxfp4", True),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4", False),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}},
                "ignore": ["re:.*attn.*"],
            },
            "int4",
            False,
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8",
            False,
        ),
    ],
)
def test_quantization_sections_are_understood(section: dict[str, object], method: str, experts_only: bool) -> None:
    quantization = read_config({**LLAMA_8B, "quantization_config": section}).quantization
    assert (quantization.method, quantization.experts_only) == (method, experts_only)


def test_layers_that_a_quantization_leaves_out_are_read_from_its_lists() -> None:
    llama = {
        **LLAMA_8B,
        "quantization_config": {
            "quant_method": "fbgemm_fp8",
            "modules_to_not_convert": ["self_attn", "model.layers.0.mlp"],
        },
    }
    quantization = read_config(llama).quantization
    assert quantization.parts == (("attention", "bf16", 1.0), ("output", "bf16", 1.0), ("mlp", "bf16", 1 / 32))
    experts = {
        **LLAMA_8B,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 2,
        "n_shared_experts": 1,
    }
    modelopt = {"quant_method": "modelopt", "quant_algo": "NVFP4"}
    names = ["lm_head", "model.layers.*.self_attn*", "model.layers.0*", "model.layers.1.*"]
    listed = read_config({**experts, "quantization_config": {**modelopt, "exclude_modules": names}}).quantization
    assert (listed.experts_only, listed.parts) == (True, (("shared", "nvfp4", 1.0),))
    gates = read_config(
        {**experts, "quantization_config": {**modelopt, "exclude_modules": ["model.layers.*.mlp.gate"]}}
    ).quantization
    assert (gates.experts_only, gates.parts) == (False, ())
    layers = {
        "model.layers.3.mlp.experts.7.down_proj": {"quant_algo": "W4A16_NVFP4"},
        "model.layers.3.self_attn.q_proj": {"quant_algo": "FP8"},
        "model.layers.3.self_attn.o_proj": {"quant_algo": "FP8"},
    }
    mixed = read_config(
        {**experts, "quantization_config": {"quant_algo": "MIXED_PRECISION", "quantized_layers": layers}}
    ).quantization
    assert (mixed.method, mixed.rest, mixed.parts) == ("nvfp4", "fp8", (("mlp", "bf16", 1.0), ("shared", "bf16", 1.0)))


@pytest.mark.parametrize(
    ("model", "gib"),
    [
        # Meta leaves attention and two layers in bf16, NVIDIA nothing but the output projection
        ("meta-llama/Llama-3.1-405B-Instruct-FP8", 453.7),
        ("nvidia/Llama-3.1-405B-Instruct-FP8", 381.9),
        ("moonshotai/Kimi-K3", 1453.0),  # 1.56 TB of files
    ],
)
def test_formats_are_those_of_the_repository_and_not_of_its_name(model: str, gib: float) -> None:
    assert catalogue(model).weights_gib == pytest.approx(gib, rel=2e-3)


def test_missing_keys_are_all_named_with_the_way_out() -> None:
    with pytest.raises(ConfigurationError) as error:
        read_config({"hidden_size": 64, "num_hidden_layers": "two"}, where="mine")
    assert [line.split(";")[0] for line in error.value.problems] == [
        "mine: num_attention_heads is missing",
        "mine: vocab_size is missing",
        "mine: num_hidden_layers is 'two'",
    ]
    assert "cdk-sglang models add" in error.value.problems[0]


def test_layers_of_different_shapes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="layers of different shapes"):
        read_config({**LLAMA_8B, "block_configs": [{}]})


@given(
    st.dictionaries(
        st.sampled_from([*LLAMA_8B, "num_experts", "layer_types", "quantization_config", "sliding_window"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-3, 99),
            st.text("ab1.-", max_size=4),
            st.lists(st.integers(0, 3), max_size=3),
        ),
    )
)
def test_no_config_breaks_the_reader(changes: dict[str, object]) -> None:
    try:
        found = read_config({**LLAMA_8B, **changes})
    except ConfigurationError:
        return
    assert isinstance(found, ModelArchitecture)


def test_an_unknown_model_is_refused_with_the_nearest_and_the_command() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"unknown model 'Qwen/Qwen3-33B'; did you mean 'Qwen/Qwen3-32B', or add it with: cdk-sglang models add",
    ):
        catalogue("Qwen/Qwen3-33B")


def test_ids_of_one_architecture_share_it_and_a_suffix_sets_the_format() -> None:
    assert (
        catalogue("meta-llama/Llama-3.3-70B-Instruct").architecture
        == catalogue("meta-llama/Meta-Llama-3.1-70B").architecture
    )
    awq = catalogue("Qwen/Qwen3-14B-AWQ")
    assert awq.architecture.quantization.method == "int4"
    assert awq.weights_gib < catalogue("Qwen/Qwen3-14B").weights_gib / 2


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("Qwen/Qwen3-30B-A3B", 40960),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", 262144),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", 262144),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", 262144),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507-FP8", 262144),  # by its suffix
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", 262144),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", 262144),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507-FP8", 262144),
        ("Qwen/Qwen2.5-72B", 131072),
        ("Qwen/Qwen2.5-72B-Instruct", 32768),
        ("Qwen/Qwen2.5-72B-Instruct-AWQ", 32768),
        ("Qwen/Qwen2.5-7B-Instruct", 32768),
        ("Qwen/Qwen2-7B-Instruct", 32768),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 131072),
        ("Qwen/Qwen2.5-14B-Instruct", 32768),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 131072),
        ("Qwen/Qwen2.5-32B-Instruct", 32768),
        ("Qwen/QwQ-32B", 40960),
        ("Qwen/Qwen2.5-Math-1.5B", 4096),
        ("moonshotai/Kimi-K2-Instruct", 131072),
        ("moonshotai/Kimi-K2-Instruct-0905", 262144),
        ("zai-org/GLM-4.5", 131072),
        ("zai-org/GLM-4.7", 202752),
    ],
)
def test_ids_of_one_architecture_have_the_context_limit_of_their_own_config(model: str, limit: int) -> None:
    assert catalogue(model).architecture.max_position_embeddings == limit


def test_what_is_not_known_of_an_id_is_said() -> None:
    facts = catalogue("Qwen/Qwen3.8-27B")
    assert facts.note == "its own context limit is not recorded; planned with that of Qwen/Qwen3.5-27B"
    assert not catalogue("Qwen/Qwen3.5-27B").note


def test_the_image_encoder_is_read_as_sglang_reads_it() -> None:
    def vision_size(**config: object) -> tuple[int, int] | None:
        vision = read_config({"model_type": "some_vl", "text_config": LLAMA_8B, **config}).vision
        return None if vision is None else (vision.layers, vision.hidden_size)

    assert vision_size() is None
    assert vision_size(vision_config={"num_hidden_layers": 34, "hidden_size": 1408}) == (34, 1408)
    assert vision_size(vision_config={"depth": 27, "hidden_size": 1152}) == (24, 1152)
    assert vision_size(vision_config={"width": 1536, "layers": 47}) == (24, 1024)
    assert vision_size(model_type="kimi_k25", vision_config={"vt_hidden_size": 1152}) == (27, 1152)
    assert vision_size(vision_config=None) is None
    assert vision_size(vision_config={"hidden_size": "wide", "num_hidden_layers": 2.5}) == (24, 1024)


def test_other_weights_formats_change_the_size_and_unknown_ones_are_refused() -> None:
    model = catalogue("Qwen/Qwen3-32B")
    assert model.with_weights("fp8").weights_gib == pytest.approx(model.weights_gib / 2, rel=0.05)
    assert catalogue("openai/gpt-oss-20b").with_weights("nvfp4/mxfp4") is catalogue("openai/gpt-oss-20b")
    with pytest.raises(ConfigurationError, match="weights_dtype: unknown format 'fp3'"):
        model.with_weights("fp3")


def test_models_of_the_user_win_over_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"id": "me/mine", "config": LLAMA_8B}))
    assert catalogue("me/mine", also=[tmp_path]).architecture.hidden_size == 4096
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(ConfigurationError, match="not a model's facts"):
        read_models(tmp_path)
