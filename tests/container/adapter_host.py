"""Runs in `.venv-engine`: what SGLang's own code makes of adapters and sizes, one request per line of standard input.

`{"config": {...}, "rank": n, "modules": [...], "dtype": "bfloat16"}`: bytes of host memory that SGLang keeps of an adapter with these
matrices, as PEFT names them. `{"size": value}`: what its file cache reads as a bound, in bytes.
"""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace
from typing import Any

real_stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # SGLang prints

import torch
from sglang.srt.lora.lora import LoRAAdapter
from sglang.srt.mem_cache.storage.file.lru_file_evictor import _parse_size_to_bytes


def _shapes(config: dict[str, Any]) -> dict[str, tuple[str, int, int, int]]:
    """Return the place, inputs, outputs and count of every module a layer has."""
    width, heads = config["hidden_size"], config["num_attention_heads"]
    attention, mlp = "self_attn", "mlp"
    inner, count = config["intermediate_size"], 1
    if config.get("n_routed_experts"):
        mlp, inner, count = "mlp.experts.{}", config["moe_intermediate_size"], config["n_routed_experts"]
    found = {
        "gate_proj": (mlp, width, inner, count),
        "up_proj": (mlp, width, inner, count),
        "down_proj": (mlp, inner, width, count),
    }
    if config.get("kv_lora_rank"):
        latent, query = config["kv_lora_rank"], config["q_lora_rank"]
        nope, rope, value = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
        return found | {
            "q_a_proj": (attention, width, query, 1),
            "kv_a_proj_with_mqa": (attention, width, latent + rope, 1),
            "q_b_proj": (attention, query, heads * (nope + rope), 1),
            "kv_b_proj": (attention, latent, heads * (nope + value), 1),
            "o_proj": (attention, heads * value, width, 1),
        }
    size = config.get("head_dim") or width // heads
    keys = config["num_key_value_heads"] * size
    return found | {
        "q_proj": (attention, width, heads * size, 1),
        "k_proj": (attention, width, keys, 1),
        "v_proj": (attention, width, keys, 1),
        "o_proj": (attention, heads * size, width, 1),
    }


def _tensors(request: dict[str, Any]) -> dict[str, torch.Tensor]:
    config, rank = request["config"], request["rank"]
    dtype = getattr(torch, request["dtype"])
    shapes = _shapes(config)
    tensors = {}
    for module in request["modules"]:
        if module == "embed_tokens":
            places = [("model.embed_tokens", config["vocab_size"], config["hidden_size"])]
            names = ("lora_embedding_A", "lora_embedding_B")
        elif module == "lm_head":
            places = [("lm_head", config["hidden_size"], config["vocab_size"])]
            names = ("lora_A.weight", "lora_B.weight")
        else:
            where, inputs, outputs, count = shapes[module]
            places = [
                (f"model.layers.{layer}.{where.format(index)}.{module}", inputs, outputs)
                for layer in range(config["num_hidden_layers"])
                for index in range(count)
            ]
            names = ("lora_A.weight", "lora_B.weight")
        for place, inputs, outputs in places:
            tensors[f"base_model.model.{place}.{names[0]}"] = torch.empty(rank, inputs, dtype=dtype)
            tensors[f"base_model.model.{place}.{names[1]}"] = torch.empty(outputs, rank, dtype=dtype)
    return tensors


def kept_bytes(request: dict[str, Any]) -> int:
    settings = SimpleNamespace(
        hf_config={"peft_type": "LORA"},
        lora_alpha=request["rank"],
        r=request["rank"],
        target_modules=request["modules"],
        lora_added_tokens_size=0,
    )
    base = SimpleNamespace(**request["config"])
    adapter = LoRAAdapter("a", settings, base, None, None)
    adapter.initialize_weights_from_tensors(_tensors(request))
    stores = [*(layer.weights for layer in adapter.layers), adapter.embedding_layers]
    return sum(tensor.numel() * tensor.element_size() for store in stores for tensor in store.values())


for line in sys.stdin:
    request = json.loads(line)
    outcome = _parse_size_to_bytes(request["size"]) if "size" in request else kept_bytes(request)
    real_stdout.write(json.dumps(outcome) + "\n")
    real_stdout.flush()
