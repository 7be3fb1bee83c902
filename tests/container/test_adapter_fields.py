"""Every field that PEFT writes for LoRA: packing, synth and the container let it pass or refuse it for the same reason."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cdk_sglang_container.adapter_fields import FIELDS
from cdk_sglang_container.adapters import AdapterError, check_adapter
from typer.testing import CliRunner

from cdk_sglang import AdapterConfig, AdapterSource, ConfigurationError
from cdk_sglang.cli import adapters
from cdk_sglang.weights.adapter_files import AdapterFiles, read_archive
from localcloud.engine.recipe import engine_python
from tests.support.weights import PEFT_CONFIG, adapter_folder

__all__ = ["adapter_folder"]
Folders = Callable[..., Path]

OWN_CHECK = {"peft_type", "r", "lora_alpha", "target_modules", "use_dora"}
HARMLESS = sorted(name for name, field in FIELDS.items() if field.served is None and name not in OWN_CHECK)
REFUSED = sorted(name for name, field in FIELDS.items() if field.served is not None)
PEFT_0_20 = {
    *("r", "target_modules", "exclude_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "use_rslora"),
    *("modules_to_save", "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern"),
    *("megatron_config", "megatron_core", "trainable_token_indices", "loftq_config", "eva_config", "corda_config"),
    *("lora_ga_config", "use_dora", "velora_config", "alora_invocation_tokens", "use_qalora", "qalora_group_size"),
    *("monteclora_config", "layer_replication", "runtime_config", "lora_bias", "target_parameters", "use_bdlora"),
    *("arrow_config", "ensure_weight_tying"),
    *("task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
    "inference_mode",
}
"""Fields of LoraConfig and PeftConfig in PEFT 0.20.0 (src/peft/tuners/lora/config.py, src/peft/config.py)."""
AS_PEFT_WRITES: dict[str, Any] = {
    **dict.fromkeys(PEFT_0_20 - {"runtime_config"}),
    **PEFT_CONFIG,
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "loftq_config": {},
    "lora_bias": False,
    "lora_dropout": 0.05,
    "megatron_core": "megatron.core",
    "peft_version": "0.20.0",
    "qalora_group_size": 16,
    "use_qalora": False,
    "ensure_weight_tying": False,
}
"""What `save_pretrained` of PEFT 0.20.0 writes for a LoRA of two modules."""
CHANGED_BASE = ["pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga", "what-comes-next"]


def _archive(folder: Path) -> Path:
    path = folder.parent / f"{folder.name}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            content = (folder / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def _answers(folder: Path) -> Iterator[str]:
    """Return what each place that takes an adapter says of it: an empty text where it passes."""
    places: dict[str, Callable[[], object]] = {
        "pack": lambda: AdapterFiles.read(folder),
        "show of an archive": lambda: read_archive(_archive(folder)),
        "folder of the settings": lambda: AdapterSource.from_folder(folder),
        "config of the settings": lambda: AdapterConfig.read(folder),
        "POST /adapters": lambda: check_adapter(folder, model=folder.parent, max_rank=8, target_modules=None),
    }
    for take in places.values():
        try:
            take()
        except (ConfigurationError, AdapterError) as refused:
            yield str(refused)
        else:
            yield ""


def _refusals(folder: Path) -> str:
    """Return the one problem that every place names, without the place."""
    problems = {answer.partition("adapter_config.json: ")[2] for answer in _answers(folder)}
    assert len(problems) == 1, problems
    return problems.pop()


def test_every_field_of_peft_is_classified_with_a_reason() -> None:
    assert PEFT_0_20 - set(FIELDS) == set()
    assert all(field.reason and field.advice for field in FIELDS.values())


def test_a_plain_adapter_as_peft_writes_it_passes_everywhere(adapter_folder: Folders) -> None:
    assert _refusals(adapter_folder(**AS_PEFT_WRITES)) == ""


@pytest.mark.parametrize("name", HARMLESS)
def test_a_field_that_changes_nothing_passes_everywhere(adapter_folder: Folders, name: str) -> None:
    for number, value in enumerate((None, True, 0.1, "text", [1, 2], {"a": 1})):
        assert _refusals(adapter_folder(str(number), **AS_PEFT_WRITES | {name: value})) == "", value


@pytest.mark.parametrize("name", REFUSED)
def test_a_field_that_sglang_would_ignore_is_refused_everywhere(adapter_folder: Folders, name: str) -> None:
    field = FIELDS[name]
    for number, value in enumerate(("pissa", {"a": 1})):
        shown = json.dumps(value)
        assert _refusals(adapter_folder(str(number), **AS_PEFT_WRITES | {name: value})) == (
            f"{name}: {shown} is ignored by SGLang, so that the answers would be wrong ({field.reason}); {field.advice}"
        )
    for number, value in enumerate(field.served or ()):
        assert _refusals(adapter_folder(f"served-{number}", **AS_PEFT_WRITES | {name: value})) == "", value


@pytest.mark.parametrize("way", CHANGED_BASE)
def test_an_adapter_trained_beside_changed_base_weights_is_refused_with_the_conversion(
    adapter_folder: Folders, way: str
) -> None:
    problem = _refusals(adapter_folder(**AS_PEFT_WRITES | {"init_lora_weights": way}))

    assert problem.startswith(f'init_lora_weights: "{way}" is ignored by SGLang')
    assert "save_pretrained(path_initial_model_for_weight_conversion=...)" in problem


def test_a_converted_adapter_passes_with_the_configuration_it_was_initialized_with(adapter_folder: Folders) -> None:
    converted = {"init_lora_weights": True, "corda_config": {"corda_method": "kpm"}, "loftq_config": {"loftq_bits": 4}}

    assert _refusals(adapter_folder(**AS_PEFT_WRITES | converted)) == ""


@pytest.mark.parametrize("value", [True, 1, "x", [0], {"a": None}])
def test_a_field_that_nobody_knows_is_refused_unless_it_is_off(adapter_folder: Folders, value: object) -> None:
    problem = _refusals(adapter_folder(what_comes_next=value))

    assert problem.startswith(f"what_comes_next: {json.dumps(value)} is ignored by SGLang")
    assert "remove it from the file if the training did not depend on it" in problem
    for number, off in enumerate((None, False, 0, "", [], {})):
        assert _refusals(adapter_folder(f"off-{number}", what_comes_next=off)) == "", off


def test_a_name_and_a_value_that_no_line_can_hold_are_shown_on_one(adapter_folder: Folders) -> None:
    problem = _refusals(adapter_folder(**{"a\nb": "\n" * 500}))

    assert problem.startswith('a\\nb: "\\n\\n')
    assert "\n" not in problem
    assert len(problem) < 300


def test_packing_refuses_with_one_line_and_writes_nothing(
    adapter_folder: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = adapter_folder(init_lora_weights="pissa")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(adapters.app, ["pack", str(folder)])

    assert isinstance(result.exception, ConfigurationError)
    assert len(result.exception.problems) == 1
    assert not list(tmp_path.glob("*.tar.gz"))


@pytest.mark.engine
def test_the_engine_reads_no_other_field_than_those_with_a_check_of_their_own() -> None:
    """SGLang holds the file's content as `hf_config`; a release that reads more of it changes the table."""
    (folder,) = engine_python().parent.parent.glob("lib/python3*/site-packages/sglang/srt/lora")
    source = "".join(file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.py")))
    read = set(re.findall(r"(?<!base_)hf_config(?:\[|\.get\()\s*\"(\w+)\"", source))

    assert read == OWN_CHECK
