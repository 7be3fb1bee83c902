"""Drafts for speculative decoding, good and bad: one table for the rules of the pipeline and those of the container.

Each draft is a folder of `config.json` and safetensors files whose tensors are zeros: the rules read headers, never values. `files`
gives the bytes by name for S3, `write` puts them into a folder. `BASE` is the model that they are drafts for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Tensors = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type and shape by name."""

HIDDEN, VOCABULARY, REDUCED, LAYERS, CONTEXT = 128, 261, 64, 8, 2048
_SECOND = "model-00002-of-00002.safetensors"
_HEADS, _KV, _INTERMEDIATE = 4, 64, 256
_BYTES = {"BF16": 2, "I64": 8, "BOOL": 1}
CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE = "config.json", "model.safetensors", "model.safetensors.index.json"

BASE_CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": _INTERMEDIATE,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "hidden_act": "silu",
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "dtype": "bfloat16",
}


def safetensors(tensors: Tensors) -> bytes:
    """Return a safetensors file with zeros."""
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        size = _BYTES[dtype]
        for axis in shape:
            size *= axis
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


def _layer(prefix: str, *, inputs: int, norms: tuple[str, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
    shapes: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj": (HIDDEN, inputs),
        "self_attn.k_proj": (_KV, inputs),
        "self_attn.v_proj": (_KV, inputs),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (_INTERMEDIATE, HIDDEN),
        "mlp.up_proj": (_INTERMEDIATE, HIDDEN),
        "mlp.down_proj": (HIDDEN, _INTERMEDIATE),
        **dict.fromkeys(norms, (HIDDEN,)),
    }
    return {f"{prefix}.{name}.weight": ("BF16", shape) for name, shape in shapes.items()}


EAGLE_TENSORS: dict[str, tuple[str, tuple[int, ...]]] = {
    "fc.weight": ("BF16", (HIDDEN, 2 * HIDDEN)),
    "fc.bias": ("BF16", (HIDDEN,)),
    **_layer("layers.0", inputs=HIDDEN, norms=("post_attention_layernorm",)),
}
"""What SGLang 0.5.23 reads of an EAGLE head (srt/models/llama_eagle.py); embedding and head are the base's."""

EAGLE3_TENSORS: dict[str, tuple[str, tuple[int, ...]]] = {
    "fc.weight": ("BF16", (HIDDEN, 3 * HIDDEN)),
    **_layer("midlayer", inputs=2 * HIDDEN, norms=("hidden_norm", "input_layernorm", "post_attention_layernorm")),
    "norm.weight": ("BF16", (HIDDEN,)),
    "lm_head.weight": ("BF16", (VOCABULARY, HIDDEN)),
}
"""What SGLang 0.5.23 reads of an EAGLE3 head (srt/models/llama_eagle3.py); the embedding is the base's."""

_MAPS: dict[str, tuple[str, tuple[int, ...]]] = {"d2t": ("I64", (REDUCED,)), "t2d": ("BOOL", (VOCABULARY,))}
_REDUCED_TENSORS = {**EAGLE3_TENSORS, "lm_head.weight": ("BF16", (REDUCED, HIDDEN)), **_MAPS}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A draft of the table.

    Attributes:
        name: Id of the test's case.
        algorithm: Algorithm that it is to run under, as `SM_SGLANG_SPECULATIVE_ALGORITHM` or the promoted version says.
        config: Content of `config.json`; None for no such file.
        tensors: Tensors by name; None for no weights file.
        shards: Number of weights files; more than one have an index.
        cut: Bytes missing at the end of the last weights file.
        lacks: Files that are not there.
        says: What the message of a refusal has to contain: file, value, allowed. Empty for a good draft.
        clamped: Whether its positions are below the base's context. A pipeline rewrites them in its copy; SGLang and with it the
            container refuse such a draft as it is.
    """

    name: str
    algorithm: str
    config: Mapping[str, Any] | None = field(default_factory=dict)
    tensors: Tensors | None = field(default_factory=dict)
    shards: int = 1
    cut: int = 0
    lacks: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    clamped: bool = False

    def files(self) -> dict[str, bytes]:
        """Return the files by name."""
        found: dict[str, bytes] = {}
        if self.config is not None:
            found[CONFIG_FILE] = json.dumps(self.config, indent=2).encode()
        if self.tensors is None:
            return found
        names = list(self.tensors)
        if self.shards == 1:
            found[WEIGHTS_FILE] = safetensors(self.tensors)
        else:
            index: dict[str, str] = {}
            for number in range(self.shards):
                file = f"model-{number + 1:05d}-of-{self.shards:05d}.safetensors"
                part = names[number :: self.shards]
                index |= dict.fromkeys(part, file)
                found[file] = safetensors({name: self.tensors[name] for name in part})
            found[INDEX_FILE] = json.dumps({"metadata": {}, "weight_map": index}).encode()
        if self.cut:
            last = max(name for name in found if name.endswith(".safetensors"))
            found[last] = found[last][: -self.cut]
        return {name: content for name, content in found.items() if name not in self.lacks}

    def write(self, folder: Path) -> Path:
        """Write the files into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files().items():
            (folder / name).write_bytes(content)
        return folder


def write_base(folder: Path) -> Path:
    """Write the base model that the drafts are for: its config, a vocabulary and two of its tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(BASE_CONFIG), encoding="utf-8")
    (folder / "tokenizer.json").write_text('{"model": {}}', encoding="utf-8")
    embedding = ("BF16", (VOCABULARY, HIDDEN))
    (folder / WEIGHTS_FILE).write_bytes(
        safetensors({"model.embed_tokens.weight": embedding, "lm_head.weight": embedding})
    )
    return folder


def _config(architecture: str, **changes: Any) -> dict[str, Any]:
    return {**BASE_CONFIG, "architectures": [architecture], "num_hidden_layers": 1, **changes}


def _without(tensors: Tensors, *names: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: tensor for name, tensor in tensors.items() if name not in names}


EAGLE = Draft(name="eagle", algorithm="EAGLE", config=_config("LlamaForCausalLMEagle"), tensors=EAGLE_TENSORS)
EAGLE3 = Draft(
    name="eagle3",
    algorithm="EAGLE3",
    config=_config("LlamaForCausalLMEagle3", draft_vocab_size=VOCABULARY),
    tensors=EAGLE3_TENSORS,
)
_REDUCED = replace(
    EAGLE3,
    name="reduced vocabulary with its maps",
    config=_config("LlamaForCausalLMEagle3", draft_vocab_size=REDUCED),
    tensors=_REDUCED_TENSORS,
)
_TWO_LAYERS = _config(
    "LlamaForCausalLMEagle3",
    draft_vocab_size=VOCABULARY,
    eagle_config={"use_aux_hidden_state": True, "eagle_aux_hidden_state_layer_ids": [1, 5]},
)

GOOD_DRAFTS = (
    EAGLE,
    EAGLE3,
    _REDUCED,
    replace(EAGLE, name="eagle without the bias of fc", tensors=_without(EAGLE_TENSORS, "fc.bias")),
    replace(
        EAGLE,
        name="eagle with copies of embedding and head",
        tensors={
            **EAGLE_TENSORS,
            "embed_tokens.weight": ("BF16", (VOCABULARY, HIDDEN)),
            "lm_head.weight": ("BF16", (VOCABULARY, HIDDEN)),
        },
    ),
    replace(EAGLE, name="eagle in two files", shards=2),
    replace(
        EAGLE3,
        name="eagle3 with the base's head",
        config=_config("LlamaForCausalLMEagle3", draft_vocab_size=None),
        tensors=_without(EAGLE3_TENSORS, "lm_head.weight"),
    ),
    replace(
        EAGLE3,
        name="eagle3 of two auxiliary layers",
        config=_TWO_LAYERS,
        tensors={**EAGLE3_TENSORS, "fc.weight": ("BF16", (HIDDEN, 2 * HIDDEN))},
    ),
    replace(
        EAGLE3,
        name="eagle3 with today's name of its layer",
        tensors={name.replace("midlayer", "layers.0"): tensor for name, tensor in EAGLE3_TENSORS.items()},
    ),
)
"""Drafts that SGLang loads and uses as trained."""

CLAMPED_DRAFTS = (
    replace(
        EAGLE3,
        name="positions below the base's context",
        config=_config("LlamaForCausalLMEagle3", draft_vocab_size=VOCABULARY, max_position_embeddings=512),
        says=("config.json", "max_position_embeddings", "512", "2048"),
        clamped=True,
    ),
)
"""Drafts that are good once their positions are the base's."""

BAD_DRAFTS = (
    replace(
        EAGLE3,
        name="eagle3 head under EAGLE",
        algorithm="EAGLE",
        says=("config.json", "LlamaForCausalLMEagle3", "EAGLE3"),
    ),
    replace(
        EAGLE,
        name="eagle head under EAGLE3",
        algorithm="EAGLE3",
        says=("config.json", "LlamaForCausalLMEagle", "EAGLE"),
    ),
    replace(
        EAGLE,
        name="unknown architecture",
        config=_config("MedusaModel"),
        says=("config.json", "MedusaModel", "LlamaForCausalLMEagle"),
    ),
    replace(
        EAGLE3,
        name="eagle3 fc of two layers where three are recorded",
        tensors={**EAGLE3_TENSORS, "fc.weight": ("BF16", (HIDDEN, 2 * HIDDEN))},
        says=("model.safetensors", "fc.weight", "256", "384"),
    ),
    replace(
        EAGLE,
        name="eagle fc of one width",
        tensors={**EAGLE_TENSORS, "fc.weight": ("BF16", (HIDDEN, HIDDEN))},
        says=("model.safetensors", "fc.weight", "128", "256"),
    ),
    replace(
        EAGLE3,
        name="another vocabulary",
        config=_config("LlamaForCausalLMEagle3", vocab_size=300, draft_vocab_size=300),
        tensors={**EAGLE3_TENSORS, "lm_head.weight": ("BF16", (300, HIDDEN))},
        says=("config.json", "vocab_size", "300", "261"),
    ),
    replace(
        EAGLE,
        name="another hidden size",
        config=_config("LlamaForCausalLMEagle", hidden_size=64),
        says=("config.json", "hidden_size", "64", "128"),
    ),
    replace(
        _REDUCED,
        name="reduced vocabulary without its maps",
        tensors=_without(_REDUCED_TENSORS, "d2t", "t2d"),
        says=("model.safetensors", "d2t", "64", "261"),
    ),
    replace(
        _REDUCED,
        name="a map of another reduced vocabulary",
        tensors={**_REDUCED_TENSORS, "d2t": ("I64", (32,))},
        says=("model.safetensors", "d2t", "32", "64"),
    ),
    replace(
        EAGLE3,
        name="eagle3 whose config leaves its vocabulary out",
        config=_config("LlamaForCausalLMEagle3"),
        says=("config.json", "draft_vocab_size", "261"),
    ),
    replace(
        EAGLE3,
        name="eagle3 without a head",
        tensors=_without(EAGLE3_TENSORS, "lm_head.weight"),
        says=("model.safetensors", "lm_head.weight"),
    ),
    replace(
        EAGLE3,
        name="layers that the base does not have",
        config={
            **_TWO_LAYERS,
            "eagle_config": {"use_aux_hidden_state": True, "eagle_aux_hidden_state_layer_ids": [2, 5, 12]},
        },
        says=("config.json", "eagle_aux_hidden_state_layer_ids", "12", "6"),
    ),
    replace(
        EAGLE,
        name="tensor names that SGLang does not know",
        tensors={f"draft_model.block.{name}": tensor for name, tensor in EAGLE_TENSORS.items()},
        says=("model.safetensors", "draft_model.block."),
    ),
    replace(
        EAGLE,
        name="half a layer",
        tensors=_without(EAGLE_TENSORS, "layers.0.mlp.up_proj.weight"),
        says=("model.safetensors", "layers.0.mlp.up_proj.weight"),
    ),
    replace(EAGLE, name="missing config", config=None, says=("config.json", "missing")),
    replace(EAGLE, name="missing weights", tensors=None, says=("safetensors", "missing")),
    replace(EAGLE, name="a missing shard", shards=2, lacks=(_SECOND,), says=(f"{_SECOND}: missing",)),
    replace(
        EAGLE,
        name="a missing shard without an index",
        shards=2,
        lacks=(_SECOND, INDEX_FILE),
        says=(f"{_SECOND}: missing",),
    ),
    replace(EAGLE3, name="truncated weights", cut=5, says=("model.safetensors", "cut short")),
    replace(EAGLE, name="empty folder", config=None, tensors=None, says=("empty",)),
)
"""Drafts that SGLang refuses after minutes, or serves with no token accepted; `says` is in the message of the refusal."""
