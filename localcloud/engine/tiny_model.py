"""Make the model that `make local` and the tests serve: a random Llama of 0.9 MB and two LoRA adapters, no download.

Seeded: the same bytes every time. Runs in `.venv-engine`:
`.venv-engine/bin/python -m localcloud.engine.tiny_model DIRECTORY`. It knows no language; it answers printable text, the
base and each adapter differently, through the same SGLang code a real model takes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HIDDEN, LAYERS, HEADS, KV_HEADS, INTERMEDIATE = 128, 2, 4, 2, 256
CONTEXT_LENGTH = 8192
LORA_RANK = 4
BASE_SEED = 20260101
ADAPTER_SEEDS = {"adapter-a": 11, "adapter-b": 12}
SPECIAL_TOKENS = ("<|bos|>", "<|eos|>", "<|pad|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_KV_WIDTH = HIDDEN * KV_HEADS // HEADS
_PROJECTIONS = {
    "q_proj": (HIDDEN, HIDDEN),
    "k_proj": (HIDDEN, _KV_WIDTH),
    "v_proj": (HIDDEN, _KV_WIDTH),
    "o_proj": (HIDDEN, HIDDEN),
}


def make_models(directory: Path) -> dict[str, Path]:
    """Write the base model and its adapters.

    Args:
        directory: Parent folder; made when missing, overwritten when there.

    Returns:
        The folders by name: `base`, `adapter-a`, `adapter-b`.
    """
    folders = {"base": directory / "base", **{name: directory / name for name in ADAPTER_SEEDS}}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    tokens = _write_tokenizer(folders["base"])
    _write_base(folders["base"], tokens=tokens)
    for name, seed in ADAPTER_SEEDS.items():
        _write_adapter(folders[name], seed=seed)
    for folder in folders.values():
        for path in folder.iterdir():
            path.chmod(0o644)  # safetensors writes 0600
    return folders


def make_base(folder: Path, *, layers: int | None = None) -> Path:
    """Write the base model, or one like it with more layers.

    Args:
        folder: Folder of the model; made when missing.
        layers: Number of its layers; `LAYERS` by default. With more of them each adds less, as in models that were trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_base(folder, tokens=_write_tokenizer(folder), layers=layers)
    return folder


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _write_tokenizer(folder: Path) -> list[str]:
    """One token per byte: no merges, so nothing is trained and nothing depends on a library's tie-breaking."""
    from tokenizers import (
        AddedToken,
        Tokenizer,
        decoders,
        models,
        pre_tokenizers,
    )

    tokens = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|bos|>",
        "eos_token": "<|eos|>",
        "pad_token": "<|pad|>",
        "model_max_length": CONTEXT_LENGTH,
        "chat_template": CHAT_TEMPLATE,
    }
    _write_json(folder / "tokenizer_config.json", config)
    return tokens


def _write_base(folder: Path, *, tokens: list[str], layers: int | None = None) -> None:
    import numpy as np
    import torch
    from safetensors.torch import save_file

    random = np.random.Generator(np.random.PCG64(BASE_SEED))

    def weight(rows: int, columns: int) -> torch.Tensor:
        values = random.standard_normal((rows, columns), dtype=np.float32) / np.sqrt(columns, dtype=np.float32)
        return torch.from_numpy(values).to(torch.bfloat16)

    ones = torch.ones(HIDDEN, dtype=torch.bfloat16)
    head = weight(len(tokens), HIDDEN)
    for index, token in enumerate(tokens):
        if index < len(SPECIAL_TOKENS) or not (len(token) == 1 and "!" <= token <= "~"):
            head[index] = 0  # never the likeliest token: answers are printable ASCII and run to max_tokens
    state = {"model.embed_tokens.weight": weight(len(tokens), HIDDEN) * 8, "lm_head.weight": head * 4}
    share = 1 if layers is None else (LAYERS / layers) ** 0.5
    layers = layers or LAYERS
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        for name, (columns, rows) in _PROJECTIONS.items():
            state[f"{prefix}.self_attn.{name}.weight"] = weight(rows, columns) * (share if name == "o_proj" else 1)
        state[f"{prefix}.mlp.gate_proj.weight"] = weight(INTERMEDIATE, HIDDEN)
        state[f"{prefix}.mlp.up_proj.weight"] = weight(INTERMEDIATE, HIDDEN)
        state[f"{prefix}.mlp.down_proj.weight"] = weight(HIDDEN, INTERMEDIATE) * share
        state[f"{prefix}.input_layernorm.weight"] = ones.clone()
        state[f"{prefix}.post_attention_layernorm.weight"] = ones.clone()
    state["model.norm.weight"] = ones.clone()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(tokens),
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HIDDEN // HEADS,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT_LENGTH,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
        "dtype": "bfloat16",
    }
    _write_json(folder / "config.json", config)


def _write_adapter(folder: Path, *, seed: int) -> None:
    """A LoRA adapter in PEFT's file format, strong enough to change every answer."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    random = np.random.Generator(np.random.PCG64(seed))

    def weight(rows: int, columns: int) -> torch.Tensor:
        return torch.from_numpy(random.standard_normal((rows, columns), dtype=np.float32)).to(torch.bfloat16)

    state = {}
    for layer in range(LAYERS):
        for name, (columns, rows) in _PROJECTIONS.items():
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            state[f"{prefix}.lora_A.weight"] = weight(LORA_RANK, columns)
            state[f"{prefix}.lora_B.weight"] = weight(rows, LORA_RANK)
    save_file(state, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "base",
        "r": LORA_RANK,
        "lora_alpha": 2 * LORA_RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(_PROJECTIONS),
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "use_rslora": False,
        "use_dora": False,
    }
    _write_json(folder / "adapter_config.json", config)


def main(arguments: list[str]) -> int:
    """Command line: one directory."""
    if len(arguments) != 1:
        print("usage: python -m localcloud.engine.tiny_model DIRECTORY", file=sys.stderr)
        return 2
    for name, folder in make_models(Path(arguments[0])).items():
        print(f"{name}: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
