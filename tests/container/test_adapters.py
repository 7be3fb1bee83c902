from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cdk_sglang_container.adapters import (
    AdapterError,
    base_tensors,
    check_adapter,
    check_name,
    find_folder,
    read_tensors,
)

from cdk_sglang import ConfigurationError
from cdk_sglang.weights import AdapterFiles

ROOT = Path(__file__).resolve().parents[2]
Shapes = dict[str, tuple[int, ...]]
LAYER = "model.layers.0.self_attn"
BASE: Shapes = {f"{LAYER}.{module}.weight": (64, 32) for module in ("q_proj", "k_proj", "v_proj", "o_proj")}
BASE |= {"model.norm.weight": (32,), "model.embed_tokens.weight": (100, 32)}
CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "bias": "none"}


def _pair(module: str, *, rank: int = 4, inputs: int = 32, outputs: int = 64) -> Shapes:
    name = f"base_model.model.{module}"
    return {f"{name}.lora_A.weight": (rank, inputs), f"{name}.lora_B.weight": (outputs, rank)}


ADAPTER: Shapes = _pair(f"{LAYER}.q_proj") | _pair(f"{LAYER}.v_proj")


def _safetensors(path: Path, shapes: Shapes, *, dtype: str = "BF16", cut: int = 0) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        size = 2
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + bytes(end)
    path.write_bytes(data[: len(data) - cut])


@pytest.fixture(autouse=True)
def _fresh() -> None:
    base_tensors.cache_clear()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    _safetensors(folder / "model.safetensors", BASE)
    return folder


def _adapter(
    folder: Path,
    *,
    shapes: Shapes = ADAPTER,
    config: dict[str, Any] | None = None,
    dtype: str = "BF16",
    cut: int = 0,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _safetensors(folder / "adapter_model.safetensors", shapes, dtype=dtype, cut=cut)
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **(config or {})}))
    return folder


def test_an_adapter_that_fits_passes(tmp_path: Path, model: Path) -> None:
    check_adapter(_adapter(tmp_path / "a"), model=model, max_rank=4, target_modules=frozenset({"q_proj", "v_proj"}))
    check_adapter(_adapter(tmp_path / "a"), model=model, max_rank=4, target_modules=frozenset({"qkv_proj"}))
    check_adapter(_adapter(tmp_path / "a"), model=model, max_rank=None, target_modules=None)


@pytest.mark.parametrize("rules", ["adapter_fields.py", "adapter_rules.py"])
def test_the_library_and_the_container_have_one_text_of_the_rules(rules: str) -> None:
    packs = ROOT / "constructs" / "cdk_sglang" / "weights" / rules
    loads = ROOT / "container" / "cdk_sglang_container" / rules
    assert packs.read_bytes() == loads.read_bytes(), f"change both: cp {packs} {loads}"


_SAME_RULES: list[tuple[dict[str, Any], str]] = [
    ({"config": {"use_rslora": True}}, "use_rslora: true is ignored by SGLang, so that the answers would be wrong"),
    ({"config": {"alpha_pattern": {"q_proj": 4}}}, 'alpha_pattern: {"q_proj": 4} is ignored'),
    ({"config": {"rank_pattern": {"q_proj": 4}}}, 'rank_pattern: {"q_proj": 4} is ignored'),
    ({"config": {"modules_to_save": ["lm_head"]}}, 'modules_to_save: ["lm_head"] is ignored'),
    ({"config": {"bias": "all"}}, 'bias: "all" is ignored'),
    ({"config": {"lora_bias": True}}, "lora_bias: true is ignored"),
    ({"config": {"layer_replication": [[0, 1]]}}, "layer_replication: [[0, 1]] is ignored"),
    ({"config": {"use_bdlora": {"blocks": 4}}}, 'use_bdlora: {"blocks": 4} is ignored by SGLang'),
    ({"config": {"use_what_comes_next": True}}, "use_what_comes_next: true is ignored by SGLang"),
    ({"config": {"arrow_config": {"top_k": 2}}}, 'arrow_config: {"top_k": 2} is ignored by SGLang'),
    ({"config": {"use_dora": True}}, "use_dora: SGLang does not serve DoRA adapters"),
    ({"config": {"peft_type": "IA3"}}, 'peft_type: "IA3" is not served by SGLang'),
    ({"config": {"peft_type": None}}, "peft_type: null is not served by SGLang"),
    ({"config": {"r": "4"}}, 'r: "4" is not a rank'),
    ({"config": {"r": True}}, "r: true is not a rank"),
    ({"config": {"lora_alpha": None}}, "lora_alpha: null is not a number"),
    ({"config": {"lora_alpha": float("nan")}}, "lora_alpha: NaN is not a number"),
    ({"config": {"target_modules": ".*_proj"}}, 'the pattern ".*_proj" is not understood'),
    ({"config": {"target_modules": []}}, "target_modules: [] is not a list of module names"),
    ({"config": {"r": 2}}, "has the shape [4, 32], adapter_config.json says r 2; the two files are not of one adapter"),
    (
        {"config": {"target_modules": ["q_proj"]}},
        "v_proj.lora_A.weight changes a module that adapter_config.json does not",
    ),
    ({"shapes": _pair(f"{LAYER}.q_proj")}, "q_proj is changed without v_proj"),
    ({"shapes": _pair(f"{LAYER}.v_proj")}, "v_proj is changed without q_proj"),
    (
        {"shapes": _pair(f"{LAYER}.k_proj"), "config": {"target_modules": ["k_proj"]}},
        "k_proj is changed without q_proj and v_proj",
    ),
    ({"shapes": dict(list(ADAPTER.items())[:3])}, "v_proj has no lora_B; the file is not whole"),
    ({"shapes": ADAPTER | {f"base_model.model.{LAYER}.q_proj.lora_B.bias": (64,)}}, "lora_B.bias is no LoRA matrix"),
    ({"shapes": ADAPTER | {"base_model.model.lm_head.weight": (100, 32)}}, "lm_head.weight is no LoRA matrix"),
    (
        {"shapes": ADAPTER | {f"x.{LAYER}.q_proj.lora_magnitude_vector": (64,)}},
        "lora_magnitude_vector is no LoRA matrix",
    ),
    (
        {"shapes": ADAPTER | _pair("vision.q_proj"), "config": {"target_modules": ["q_proj", "v_proj"]}},
        "vision.q_proj.lora_A.weight is in no layer",
    ),
    ({"shapes": ADAPTER | {f"base_model.model.{LAYER}.q_proj.lora_A.weight": (4,)}}, "a LoRA matrix has two axes"),
    ({"dtype": "I8"}, "is of type I8; SGLang takes F64, F32, F16, BF16"),
    ({"shapes": {"something.weight": (4, 32)}}, "holds no LoRA matrices (lora_A, lora_B); is it a full model?"),
    ({"cut": 5}, "is cut short"),
]


@pytest.mark.parametrize(("change", "message"), _SAME_RULES, ids=[message[:60] for _, message in _SAME_RULES])
def test_what_pack_refuses_the_container_refuses_for_the_same_reason(
    tmp_path: Path, model: Path, change: dict[str, Any], message: str
) -> None:
    adapter = _adapter(tmp_path / "a", **change)
    with pytest.raises(AdapterError) as loaded:
        check_adapter(adapter, model=model, max_rank=4, target_modules=None)
    with pytest.raises(ConfigurationError) as packed:
        AdapterFiles.read(adapter)
    assert message in str(loaded.value)
    assert message in str(packed.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"config": {"r": 8}, "shapes": _pair(f"{LAYER}.q_proj", rank=8)},
            "rank 8 is greater than the server's max_lora_rank 4",
        ),
        ({"config": {"target_modules": ["gate_proj"]}}, "target_modules gate_proj are not among the server's"),
        ({"config": {"target_modules": "all-linear"}}, "target_modules are all linear ones, the server's"),
        (
            {"shapes": _pair(f"{LAYER}.q_proj", inputs=48) | _pair(f"{LAYER}.v_proj", inputs=48)},
            "q_proj has input size 48, the base model 32; the adapter is of another model",
        ),
        (
            {"shapes": _pair(f"{LAYER}.q_proj") | _pair(f"{LAYER}.v_proj", outputs=48)},
            "v_proj has output size 48, the base model 64; the adapter is of another model",
        ),
        (
            {"shapes": ADAPTER | _pair("model.layers.7.self_attn.q_proj") | _pair("model.layers.7.self_attn.v_proj")},
            "the base model has no model.layers.7.self_attn.q_proj",
        ),
        (
            {
                "shapes": ADAPTER
                | {
                    "base_model.model.model.embed_tokens.lora_embedding_A": (4, 99),
                    "base_model.model.model.embed_tokens.lora_embedding_B": (32, 4),
                },
                "config": {"target_modules": ["q_proj", "v_proj", "embed_tokens"]},
            },
            "model.embed_tokens has input size 99, the base model 100",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_this_server_is_refused(
    tmp_path: Path, model: Path, change: dict[str, Any], message: str
) -> None:
    adapter = _adapter(tmp_path / "a", **change)
    modules = frozenset({"q_proj", "v_proj", "embed_tokens"})
    with pytest.raises(AdapterError) as refused:
        check_adapter(adapter, model=model, max_rank=4, target_modules=modules)
    assert message in str(refused.value)


def test_every_problem_of_the_config_is_said_at_once(tmp_path: Path, model: Path) -> None:
    adapter = _adapter(tmp_path / "a", config={"use_rslora": True, "bias": "all"})
    with pytest.raises(AdapterError, match=r"use_rslora: .*; adapter_config\.json: bias: "):
        check_adapter(adapter, model=model, max_rank=4, target_modules=None)


@pytest.mark.parametrize(("number", "refused"), [(99, False), (100, True)])
def test_an_adapter_with_tokens_of_its_own_is_refused(tmp_path: Path, model: Path, number: int, refused: bool) -> None:
    (model / "config.json").write_text(json.dumps({"vocab_size": 100}))
    adapter = _adapter(tmp_path / "a")
    (adapter / "added_tokens.json").write_text(json.dumps({"<new>": number}))
    if not refused:
        check_adapter(adapter, model=model, max_rank=4, target_modules=None)
        return
    with pytest.raises(AdapterError, match="adds 1 tokens to the vocabulary"):
        check_adapter(adapter, model=model, max_rank=4, target_modules=None)


def test_a_base_model_under_another_prefix_or_packed_is_compared_as_far_as_it_can_be(tmp_path: Path) -> None:
    renamed, packed = tmp_path / "renamed", tmp_path / "packed"
    renamed.mkdir()
    packed.mkdir()
    _safetensors(renamed / "model.safetensors", {f"language_model.{name}": shape for name, shape in BASE.items()})
    _safetensors(packed / "model.safetensors", dict.fromkeys(BASE, (512, 1)), dtype="U8")
    narrow = _adapter(tmp_path / "n", shapes=_pair(f"{LAYER}.q_proj", inputs=48) | _pair(f"{LAYER}.v_proj", inputs=48))
    check_adapter(_adapter(tmp_path / "a"), model=renamed, max_rank=4, target_modules=None)
    with pytest.raises(AdapterError, match="has input size 48, the base model 32"):
        check_adapter(narrow, model=renamed, max_rank=4, target_modules=None)
    base_tensors.cache_clear()
    check_adapter(_adapter(tmp_path / "a"), model=packed, max_rank=4, target_modules=None)


def test_a_folder_inside_the_archive_is_found(tmp_path: Path) -> None:
    inner = _adapter(tmp_path / "archive" / "inner")
    assert find_folder(str(tmp_path / "archive"), within=tmp_path) == inner
    assert find_folder(f"file://{inner}", within=tmp_path) == inner


@pytest.mark.parametrize("source", ["/etc", "{root}/../elsewhere", "file:///etc", "{root}/link", "relative"])
def test_a_folder_outside_of_sagemakers_own_is_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "ml").mkdir()
    outside = _adapter(tmp_path / "elsewhere")
    (tmp_path / "ml" / "link").symlink_to(outside)
    with pytest.raises(AdapterError, match=r"is not below .*ml, where SageMaker unpacks adapters"):
        find_folder(source.format(root=tmp_path / "ml"), within=tmp_path / "ml")


def test_a_link_in_an_archive_leads_nowhere_else(tmp_path: Path) -> None:
    archive = tmp_path / "ml" / "archive"
    archive.mkdir(parents=True)
    (archive / "inner").symlink_to(_adapter(tmp_path / "elsewhere"))
    with pytest.raises(AdapterError, match=r"holds no adapter_config\.json"):
        find_folder(str(archive), within=tmp_path / "ml")


def test_tensors_stored_another_way_are_left_to_sglang(tmp_path: Path, model: Path) -> None:
    fused = _pair("model.layers.0.mlp.experts.0.up_proj", inputs=99)
    config = {"target_modules": ["up_proj"]}
    check_adapter(_adapter(tmp_path / "a", shapes=fused, config=config), model=model, max_rank=4, target_modules=None)
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    check_adapter(_adapter(tmp_path / "b"), model=empty, max_rank=4, target_modules=None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a safetensors file",
        b"\xff" * 16,
        (4).to_bytes(8, "little") + b"{no}",
        (2).to_bytes(8, "little") + b"[]",
    ],
)
def test_what_is_no_safetensors_file_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(AdapterError, match=r"x\.safetensors: "):
        read_tensors(path)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "a:b", "a b", "x" * 257])
def test_a_name_that_is_no_url_part_is_refused(name: str) -> None:
    with pytest.raises(AdapterError, match="letters, digits"):
        check_name(name)


def test_a_source_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="is not a folder"):
        find_folder(str(tmp_path / "nowhere"), within=tmp_path)
    with pytest.raises(AdapterError, match=r"holds no adapter_config\.json"):
        find_folder(str(tmp_path), within=tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"no adapter_model\.safetensors"):
        find_folder(str(tmp_path), within=tmp_path)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("BF16", b"\xc0\x7f"),
        ("BF16", b"\x80\xff"),
        ("F16", b"\x00\x7c"),
        ("F32", b"\x00\x00\xc0\x7f"),
        ("F64", b"\x00\x00\x00\x00\x00\x00\xf0\xff"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, model: Path, dtype: str, value: bytes) -> None:
    folder = _adapter(tmp_path / "a")
    header = {
        name: {"dtype": dtype, "shape": list(shape), "data_offsets": [0, 0]} for name, shape in sorted(ADAPTER.items())
    }
    end = 0
    for name, shape in sorted(ADAPTER.items()):
        header[name]["data_offsets"] = [end, end := end + shape[0] * shape[1] * len(value)]
    text = json.dumps(header).encode()
    good = len(text).to_bytes(8, "little") + text + b"\x01" * end
    (folder / "adapter_model.safetensors").write_bytes(good)
    check_adapter(folder, model=model, max_rank=None, target_modules=None)
    for place in (-len(value), -len(value) * 100, len(good) - end):
        bad = bytearray(good)
        bad[place : place + len(value) or None] = value
        (folder / "adapter_model.safetensors").write_bytes(bad)
        with pytest.raises(AdapterError, match="infinite or no numbers"):
            check_adapter(folder, model=model, max_rank=None, target_modules=None)
