"""Make drafts for the tiny model: an EAGLE and an EAGLE3 head of random weights, and a version as the pipeline lays it out.

Seeded: the same bytes every time. Runs in `.venv-engine`: `.venv-engine/bin/python -m localcloud.engine.tiny_drafts BASE DIRECTORY`
writes `DIRECTORY/eagle` and `DIRECTORY/eagle3`, each the base's files, `draft/` and `version.json`. The names of the tensors are those
that SGLang 0.5.23 loads (srt/models/llama_eagle.py and llama_eagle3.py).
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

SEEDS: Final = {"EAGLE": 21, "EAGLE3": 22}
ARCHITECTURES: Final = {"EAGLE": "LlamaForCausalLMEagle", "EAGLE3": "LlamaForCausalLMEagle3"}
_SHORTEST_WITH_DEFAULTS: Final = 7


def aux_layers(layers: int) -> list[int]:
    """Return the layers of a base whose output an EAGLE3 head reads.

    SGLang 0.5.23 records what goes into layers 2, L/2 and L-3 (`set_eagle3_layers_to_capture` in srt/models/llama.py), which are three
    layers from seven on. For a shorter base the draft's config names them: -1 is the embedding, and the last layer's output is
    never recorded.

    Args:
        layers: Number of the base's layers.
    """
    if layers >= _SHORTEST_WITH_DEFAULTS:
        return [1, layers // 2 - 1, layers - 4]
    return sorted({-1, (layers - 2) // 2, layers - 2})


def draft_config(base: dict[str, Any], algorithm: str) -> dict[str, Any]:
    """Return the `config.json` of a head for a Llama.

    Args:
        base: Content of the base's `config.json`.
        algorithm: EAGLE or EAGLE3.
    """
    config = {**base, "architectures": [ARCHITECTURES[algorithm]], "num_hidden_layers": 1}
    if algorithm == "EAGLE3":
        layers = aux_layers(base["num_hidden_layers"])
        config["draft_vocab_size"] = base["vocab_size"]
        config["tie_word_embeddings"] = False  # SGLang would take the embedding instead of the head's own `lm_head`
        config["eagle_config"] = {"use_aux_hidden_state": True, "eagle_aux_hidden_state_layer_ids": layers}
    return config


def tensor_shapes(config: dict[str, Any], algorithm: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a head's tensors by the names SGLang loads.

    Args:
        config: From `draft_config`.
        algorithm: EAGLE or EAGLE3.
    """
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    inputs = hidden if algorithm == "EAGLE" else 2 * hidden
    keys = config["num_key_value_heads"] * config["head_dim"]
    queries = config["num_attention_heads"] * config["head_dim"]
    layer = "layers.0" if algorithm == "EAGLE" else "midlayer"
    shapes: dict[str, tuple[int, ...]] = {
        f"{layer}.self_attn.q_proj.weight": (queries, inputs),
        f"{layer}.self_attn.k_proj.weight": (keys, inputs),
        f"{layer}.self_attn.v_proj.weight": (keys, inputs),
        f"{layer}.self_attn.o_proj.weight": (hidden, queries),
        f"{layer}.mlp.gate_proj.weight": (inner, hidden),
        f"{layer}.mlp.up_proj.weight": (inner, hidden),
        f"{layer}.mlp.down_proj.weight": (hidden, inner),
        f"{layer}.post_attention_layernorm.weight": (hidden,),
    }
    if algorithm == "EAGLE":
        return {**shapes, "fc.weight": (hidden, 2 * hidden), "fc.bias": (hidden,)}
    recorded = len(config["eagle_config"]["eagle_aux_hidden_state_layer_ids"])
    return {
        **shapes,
        f"{layer}.hidden_norm.weight": (hidden,),
        f"{layer}.input_layernorm.weight": (hidden,),
        "norm.weight": (hidden,),
        "fc.weight": (hidden, recorded * hidden),
        "lm_head.weight": (config["draft_vocab_size"], hidden),
    }


def make_draft(base: Path, folder: Path, *, algorithm: str) -> Path:
    """Write a head of random weights, which guesses no better than chance.

    Args:
        base: Folder of the base model, a Llama.
        folder: Folder of the draft; made when missing.
        algorithm: EAGLE or EAGLE3.
    """
    config = draft_config(json.loads((base / "config.json").read_text(encoding="utf-8")), algorithm)
    return write_draft(folder, config=config, state=random_tensors(config, algorithm))


def random_tensors(config: dict[str, Any], algorithm: str) -> dict[str, Any]:
    """Return a head's tensors of random weights, the same ones every time.

    Args:
        config: From `draft_config`.
        algorithm: EAGLE or EAGLE3.
    """
    import numpy as np
    import torch

    random = np.random.Generator(np.random.PCG64(SEEDS[algorithm]))
    state = {}
    for name, shape in tensor_shapes(config, algorithm).items():
        if len(shape) == 1:
            values = np.zeros(shape, dtype=np.float32) if name.endswith("bias") else np.ones(shape, dtype=np.float32)
        else:
            values = random.standard_normal(shape, dtype=np.float32) / np.sqrt(shape[-1], dtype=np.float32)
        state[name] = torch.from_numpy(values).to(torch.bfloat16)
    return state


def write_draft(folder: Path, *, config: dict[str, Any], state: dict[str, Any]) -> Path:
    """Write a head's files.

    Args:
        folder: Folder of the draft; made when missing.
        config: From `draft_config`.
        state: PyTorch's tensors by name.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes 0600
    return folder


def lay_out_version(base: Path, draft: Path | None, folder: Path, *, version: dict[str, Any]) -> Path:
    """Write a version as the pipeline assembles one: the base's files, the draft in `draft/`, and `version.json` last.

    Args:
        base: Folder of the base model.
        draft: Folder of the draft. Default: made in place already.
        folder: Folder of the version; made when missing.
        version: Content of `version.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(base.iterdir()):
        if path.is_file():
            shutil.copy(path, folder)
    if draft is not None:
        shutil.copytree(draft, folder / "draft", dirs_exist_ok=True)
    (folder / "version.json").write_text(json.dumps(version, indent=2) + "\n", encoding="utf-8")
    return folder


def main(arguments: list[str]) -> int:
    """Command line: folder of the base, and folder to write to."""
    if len(arguments) != 2:
        print("usage: python -m localcloud.engine.tiny_drafts BASE DIRECTORY", file=sys.stderr)
        return 2
    base, directory = map(Path, arguments)
    for algorithm in SEEDS:
        folder = directory / algorithm.lower()
        make_draft(base, folder / "draft", algorithm=algorithm)
        version = {"version": f"tiny-{algorithm.lower()}", "algorithm": algorithm}
        print(f"{algorithm}: {lay_out_version(base, None, folder, version=version)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
