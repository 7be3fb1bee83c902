"""Runs in `.venv-engine`: bytes of the buffers that SGLang's LoRA memory pool makes, one request per line of standard input.

A request is `{"config": {...}, "tp": n, "ep": n, "slots": n, "rank": n, "modules": [...]}`. The pool's own shape functions are asked;
only the model object, which would need its weights, is left out.
"""

from __future__ import annotations

import json
import math
import os
import sys
from types import SimpleNamespace
from typing import Any

real_stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # SGLang prints

import torch
from sglang.srt.lora.mem_pool import LoRAMemoryPool
from sglang.srt.lora.utils import get_normalized_target_modules


class _Parameters(torch.nn.Module):
    """A model without layers: the pool takes its device, and its config for the experts."""

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        self.config = config
        self.one = torch.nn.Parameter(torch.empty(0, device="meta"))


def pool_bytes(request: dict[str, Any]) -> int:
    config = SimpleNamespace(**request["config"])
    pool = LoRAMemoryPool.__new__(LoRAMemoryPool)
    pool.base_hf_config, pool.num_layer = config, config.num_hidden_layers
    pool.max_loras_per_batch, pool.max_lora_rank, pool.dtype = request["slots"], request["rank"], torch.bfloat16
    pool.tp_size = pool.attn_tp_size = request["tp"]
    pool.tp_rank, pool.moe_tp_size = 0, request["tp"] // request["ep"]
    pool.moe_ep_size, pool.moe_use_local_expert_ids = request["ep"], request["ep"] > 1
    pool.lora_added_tokens_size, pool.experts_shared_outer_loras = 0, False
    pool.embedding_dim, pool.lm_head_shard_indices = config.hidden_size, None
    if request["tp"] > 1:
        share = math.ceil(config.vocab_size / request["tp"])
        pool.lm_head_shard_indices = SimpleNamespace(num_org_elements=share)
    pool._has_moe_module = lambda model: pool._get_num_experts(model) > 1
    pool.target_modules = get_normalized_target_modules(request["modules"])
    for name in ("A_buffer", "B_buffer", "embedding_A_buffer", "embedding_B_buffer"):
        setattr(pool, name, {})
    pool.lm_head_A_buffer, pool.lm_head_B_buffer, pool.new_embeddings_buffer = {}, {}, {}
    pool.init_buffers(_Parameters(config))
    buffers = [*pool.A_buffer.values(), *pool.B_buffer.values()]
    ends = (pool.embedding_A_buffer, pool.embedding_B_buffer, pool.lm_head_A_buffer, pool.lm_head_B_buffer)
    tensors = [tensor for layers in buffers for tensor in layers] + [t for each in ends for t in each.values()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


for line in sys.stdin:
    real_stdout.write(json.dumps(pool_bytes(json.loads(line))) + "\n")
    real_stdout.flush()
