from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang import ConfigurationError
from cdk_sglang.weights import AdapterConfig, AdapterFiles, same_base_model
from cdk_sglang.weights.adapter_files import read_archive
from tests.support.weights import PEFT_CONFIG, adapter_shapes, safetensors_bytes

type_of_folder = Callable[..., Path]


def problems_of(content: dict[str, object]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        AdapterConfig.parse(content)
    return list(caught.value.problems)


def test_reads_rank_modules_and_base_from_a_peft_file() -> None:
    config = AdapterConfig.parse({**PEFT_CONFIG, "target_modules": ["model.layers.0.self_attn.q_proj", "v_proj"]})

    assert config.rank == 8
    assert config.target_modules == {"q_proj", "v_proj"}
    assert config.base_model == "meta-llama/Llama-3.2-3B-Instruct"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("use_rslora", True, "use_rslora: true is ignored by SGLang, so that the answers would be wrong"),
        ("rank_pattern", {"q_proj": 4}, 'rank_pattern: {"q_proj": 4} is ignored'),
        ("alpha_pattern", {"q_proj": 4}, 'alpha_pattern: {"q_proj": 4} is ignored'),
        ("modules_to_save", ["lm_head"], 'modules_to_save: ["lm_head"] is ignored'),
        ("bias", "all", 'bias: "all" is ignored'),
        ("use_dora", True, "use_dora: SGLang does not serve DoRA adapters; train one without it"),
        ("peft_type", "IA3", 'peft_type: "IA3" is not served by SGLang; only LORA adapters are'),
        ("r", 0, "r: 0 is not a rank; use a whole number of 1 or more"),
        ("r", True, "r: true is not a rank"),
        ("lora_alpha", None, "lora_alpha: null is not a number"),
        ("target_modules", ".*_proj", 'the pattern ".*_proj" is not understood by SGLang; list the modules\' names'),
        ("target_modules", [], "target_modules: [] is not a list of module names"),
    ],
)
def test_refuses_what_sglang_would_not_serve_as_trained(key: str, value: object, problem: str) -> None:
    problems = problems_of({**PEFT_CONFIG, key: value})

    assert len(problems) == 1
    assert problems[0].startswith("adapter_config.json: ")
    assert problem in problems[0]


def test_says_everything_at_once() -> None:
    assert len(problems_of({"peft_type": "LORA", "use_dora": True})) == 4


def test_rank_over_the_maximum_is_refused_with_the_number_to_raise() -> None:
    config = AdapterConfig(rank=64, target_modules=frozenset({"q_proj"}))

    assert config.problems("triage", max_rank=16, server_modules=["all"]) == [
        (
            "triage: rank 64 is over the component's server.lora.max_rank 16; raise that to 64 or more, "
            "which costs GPU memory for every slot"
        )
    ]


def test_a_module_the_server_lacks_is_named() -> None:
    config = AdapterConfig(rank=8, target_modules=frozenset({"q_proj", "down_proj"}))

    assert config.problems("triage", max_rank=8, server_modules=["q_proj", "v_proj"]) == [
        (
            "triage: changes down_proj, which the component's server.lora.target_modules lacks (q_proj, v_proj); "
            "add them, or use [all]"
        )
    ]


def test_modules_that_sglang_keeps_in_one_buffer_stand_for_each_other() -> None:
    config = AdapterConfig(rank=8, target_modules=frozenset({"q_proj", "up_proj"}))

    assert not config.problems("triage", max_rank=8, server_modules=["k_proj", "gate_proj"])


def test_all_linear_needs_a_server_that_takes_all() -> None:
    config = AdapterConfig.parse({**PEFT_CONFIG, "target_modules": "all-linear"})

    assert "leave the others out without a word" in config.problems("t", max_rank=8, server_modules=["q_proj"])[0]
    assert not config.problems("t", max_rank=8, server_modules=["all"])


@pytest.mark.parametrize(
    ("trained", "served", "same"),
    [
        ("meta-llama/Llama-3.2-3B-Instruct", "meta-llama/Llama-3.2-3B-Instruct", True),
        ("unsloth/Llama-3.2-3B-Instruct-bnb-4bit", "meta-llama/Llama-3.2-3B-Instruct", True),
        ("unsloth/Meta-Llama-3.1-8B-Instruct-unsloth-bnb-4bit", "meta-llama/Llama-3.1-8B-Instruct", True),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-FP8", True),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-AWQ", True),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-4B", False),
        ("meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct", False),
    ],
)
def test_quantized_and_republished_bases_count_as_the_same(trained: str, served: str, same: bool) -> None:
    assert same_base_model(trained, served) is same


def test_a_folder_of_save_pretrained_is_read_whole(adapter_folder: type_of_folder) -> None:
    files = AdapterFiles.read(adapter_folder())

    assert files.config.rank == 8
    assert files.names == ("adapter_config.json", "adapter_model.safetensors")
    assert files.weights_bytes == 4 * (8 * 64 * 2)


def test_truncated_weights_are_refused_with_the_file_and_both_sizes(adapter_folder: type_of_folder) -> None:
    folder = adapter_folder()
    weights = folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])

    with pytest.raises(ConfigurationError) as caught:
        AdapterFiles.read(folder)
    assert str(caught.value) == (
        f"{weights}: is cut short: it has {len(whole) - 100} bytes, its header announces {len(whole)}; copy it again"
    )


@given(cut=st.integers(min_value=0, max_value=2000))
def test_no_cut_of_a_weights_file_goes_unnoticed(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = safetensors_bytes(adapter_shapes(8))
    folder = tmp_path_factory.mktemp("cut")
    (folder / "adapter_config.json").write_text(json.dumps(PEFT_CONFIG))
    (folder / "adapter_model.safetensors").write_bytes(whole[: min(cut, len(whole) - 1)])

    with pytest.raises(ConfigurationError, match=r"cut short|no readable safetensors header"):
        AdapterFiles.read(folder)


def test_a_pickle_alone_is_refused_by_name(adapter_folder: type_of_folder) -> None:
    folder = adapter_folder()
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")

    with pytest.raises(ConfigurationError, match=r"adapter_model\.bin, a pickle that runs code when it is read"):
        AdapterFiles.read(folder)


def test_weights_of_another_rank_than_the_config_are_refused(adapter_folder: type_of_folder) -> None:
    folder = adapter_folder()
    (folder / "adapter_model.safetensors").write_bytes(safetensors_bytes(adapter_shapes(16)))

    with pytest.raises(ConfigurationError, match=r"says r 8; the two files are not of one adapter"):
        AdapterFiles.read(folder)


def test_a_full_model_is_not_taken_for_an_adapter(adapter_folder: type_of_folder) -> None:
    folder = adapter_folder()
    (folder / "adapter_model.safetensors").write_bytes(safetensors_bytes({"model.embed_tokens.weight": (64, 8)}))

    with pytest.raises(ConfigurationError, match="holds no LoRA matrices"):
        AdapterFiles.read(folder)


def test_packs_files_at_the_top_with_the_same_bytes_every_time(adapter_folder: type_of_folder, tmp_path: Path) -> None:
    files = AdapterFiles.read(adapter_folder())
    one, two = tmp_path / "one.tar.gz", tmp_path / "two.tar.gz"
    files.pack(one)
    (files.folder / "adapter_config.json").touch()
    files.pack(two)

    with tarfile.open(one) as tar:
        assert tar.getnames() == ["adapter_config.json", "adapter_model.safetensors"]
    assert one.read_bytes() == two.read_bytes()
    assert read_archive(one) == files.config


def test_the_content_hash_follows_the_content(adapter_folder: type_of_folder) -> None:
    first, second = adapter_folder("one"), adapter_folder("two", lora_alpha=32)

    assert AdapterFiles.read(first).content_hash() != AdapterFiles.read(second).content_hash()


def test_an_archive_without_weights_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    (tmp_path / "adapter_config.json").write_text(json.dumps(PEFT_CONFIG))
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "adapter_config.json", "adapter_config.json")

    with pytest.raises(ConfigurationError, match=r"a\.tar\.gz: holds no adapter_model\.safetensors"):
        read_archive(archive)
