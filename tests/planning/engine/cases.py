"""Cases for which SGLang itself is asked: models of the catalogue on GPUs of SageMaker's instances, by split and option."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from cdk_sglang import models
from cdk_sglang.hardware import Gpu
from cdk_sglang.models import catalogue
from cdk_sglang.planning import EngineOptions, Parallelism
from cdk_sglang.planning.drafts import DraftKind, Speculation
from cdk_sglang.planning.memory import INIT_GIB, MemoryPlan, plan_memory
from cdk_sglang.planning.pools import cache_format

RELEASE: Final = "0.5.23"
"""Release of the engine in `.venv-engine`, whose rules the cases are planned with."""

_ARCHITECTURES: Final = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "qwen3_next": "Qwen3NextForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "deepseek_v32": "DeepseekV32ForCausalLM",
    "kimi_k2": "DeepseekV3ForCausalLM",
    "glm_moe_dsa": "GlmMoeDsaForCausalLM",
    "glm4_moe": "Glm4MoeForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "minimax_m2": "MiniMaxM2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "nemotron_h": "NemotronHForCausalLM",
    "deepseek_v4": "DeepseekV4ForCausalLM",
    "qwen3_5_text": "Qwen3_5ForConditionalGeneration",
    "llama4_text": "Llama4ForConditionalGeneration",
}
_ADDED: Final[dict[str, dict[str, Any]]] = {
    "qwen3_next": {"full_attention_interval": 4, "num_experts": 512, "mamba_ssm_dtype": "float32"},
    "qwen3_moe": {"num_experts": 128},
    "gpt_oss": {"num_local_experts": 128},
    "nemotron_h": {"hybrid_override_pattern": "M" * 23 + "*" * 6 + "E" * 23, "mamba_ssm_cache_dtype": "float32"},
    "deepseek_v4": {
        "index_topk": 512,
        "qk_nope_head_dim": 448,
        "v_head_dim": 512,
        "kv_lora_rank": 512,
        "window_size": 128,
        "intermediate_size": 2048,
        "n_group": 8,
        "topk_group": 4,
        "hc_mult": 4,
        "scoring_func": "sqrtsoftplus",
    },
}
"""Keys that SGLang reads from the config and the catalogue leaves out, since no size of the catalogue follows from them."""
_LATENT: Final = {"qk_nope_head_dim": 128, "v_head_dim": 128, "n_group": 8, "topk_group": 4}
_SPARSE: Final = {"index_n_heads": 64, "index_topk": 2048}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One model on GPUs of one kind.

    Args:
        model: Id in the catalogue.
        gpu: Name of each GPU.
        tp: GPUs of a forward pass.
        options: Further options of SGLang, by its own names.
    """

    model: str
    gpu: str
    tp: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Words for a difference."""
        return f"{self.model} on {self.tp} x {self.gpu}" + (f" with {self.options}" if self.options else "")

    @property
    def split(self) -> Parallelism:
        """How a copy is spread."""
        stages = self.options.get("pp_size", 1)
        return Parallelism(
            gpus=self.tp * stages, pipeline=stages, attention_dp=self.options.get("attn_dp_size", 1),
            expert_parallel=self.options.get("ep_size", 1) > 1,
        )  # fmt: skip

    @property
    def memory(self) -> MemoryPlan:
        """What the planner says."""
        facts, gpu = catalogue(self.model), Gpu.of(self.gpu)
        model = facts.in_float32(wide=self.options.get("dtype") == "float32").architecture
        drafts = "speculative_algorithm" in self.options
        formats = {"fp8_e4m3": "fp8", "bfloat16": "bf16"}
        cache_option = formats.get(self.options.get("kv_cache_dtype", ""))
        return plan_memory(
            model,
            gpu,
            self.split,
            kv_dtype=cache_format(model, gpu, cache_option),
            speculation=Speculation(kind=DraftKind.HEAD, steps=3, draft_tokens=4) if drafts else None,
            options=EngineOptions(
                version=RELEASE,
                chunked_prefill_size=self.options.get("chunked_prefill_size"),
                cuda_graph_max_bs=self.options.get("cuda_graph_max_bs_decode"),
                max_running_requests=self.options.get("max_running_requests"),
                max_total_tokens=self.options.get("max_total_tokens"),
                radix_cache=not self.options.get("disable_radix_cache"),
                state_ratio=self.options.get("mamba_full_memory_ratio"),
                state_slots=self.options.get("max_mamba_cache_size"),
                sliding_ratio=self.options.get("swa_full_tokens_ratio"),
                state_strategy=self.options.get("mamba_radix_cache_strategy", "auto"),
            ),
        )

    @property
    def question(self) -> dict[str, Any]:
        """What SGLang is asked; without free memory where the weights leave nothing for a cache."""
        gpu, memory = Gpu.of(self.gpu), self.memory
        init = INIT_GIB if self.tp == 1 else 0.0
        taken = memory.communication_gib + memory.weights_gib + memory.draft_gib
        question: dict[str, Any] = {
            "gpu": {"name": gpu.name, "memory_mib": gpu.memory_mib, "compute_capability": gpu.compute_capability},
            "config": _config(self.model),
            "options": {"tp_size": self.tp, **self.options},
        }
        if memory.kv_tokens > 0:
            question |= {
                "before": memory.total_gib - memory.communication_gib + init,
                "after": memory.total_gib - taken,
            }
        if "speculative_algorithm" in self.options:
            question["draft_layers"] = 1
        return question


@cache
def _entries() -> dict[str, dict[str, Any]]:
    file = Path(models.__file__).parent / "data" / "catalogue.json"
    entries = json.loads(file.read_text(encoding="utf-8"))
    return {name: entry["config"] for entry in entries for name in (entry["id"], *entry.get("same_architecture", ()))}


def _config(model: str) -> dict[str, Any]:
    """Return a config.json that SGLang reads: the catalogue's, with what only SGLang wants."""
    entry = _entries()[model]
    kind = entry["model_type"]
    config = {"architectures": [_ARCHITECTURES[kind]], "torch_dtype": "bfloat16", **_ADDED.get(kind, {}), **entry}
    if "kv_lora_rank" in entry:
        config = {
            **_LATENT,
            **(_SPARSE if "index_head_dim" in entry else {}),
            **config,
            "model_type": "deepseek_v3" if kind == "kimi_k2" else kind,
        }
    if kind == "gpt_oss":
        del config[
            "quantization_config"
        ]  # SGLang registers mxfp4 when it is imported beside CUDA; no size here follows from it
    config.pop("layer_counts", None)
    if kind == "qwen3_5_text":
        outer = {name: config.pop(name) for name in ("architectures", "torch_dtype", "vision_config")}
        return {**outer, "model_type": "qwen3_5", "text_config": {**config, "full_attention_interval": 4}}
    if kind == "llama4_text":
        outer = {name: config.pop(name) for name in ("architectures", "torch_dtype", "vision_config")}
        return {
            **outer,
            "model_type": "llama4",
            "text_config": {**config, "attention_chunk_size": 8192, "num_local_experts": 16},
        }
    return config


DENSE, LATENT, SPARSE = "Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V3.2"
HYBRID, WINDOWS = "Qwen/Qwen3-Next-80B-A3B-Instruct", "openai/gpt-oss-120b"
_GPUS: Final = tuple(gpu.name for gpu in Gpu.all() if "PCIe" not in gpu.name)
_MODELS: Final = (
    "Qwen/Qwen3-0.6B", "Qwen/Qwen3-30B-A3B", "meta-llama/Meta-Llama-3.1-8B", "meta-llama/Meta-Llama-3.1-70B", "Qwen/Qwen3-235B-A22B-FP8", "zai-org/GLM-5-FP8",
    "zai-org/GLM-4.6", "moonshotai/Kimi-K2-Instruct", "google/gemma-3-27b-it", "mistralai/Mixtral-8x7B-v0.1", "MiniMaxAI/MiniMax-M2.5",
)  # fmt: skip
_EAGLE: Final = {
    "speculative_algorithm": "EAGLE", "speculative_num_steps": 3, "speculative_eagle_topk": 1, "speculative_num_draft_tokens": 4,
}  # fmt: skip

CASES: Final = (
    *(Case(model="meta-llama/Llama-4-Scout-17B-16E-Instruct", gpu=gpu, tp=8) for gpu in ("H200-SXM-141GB", "H100-SXM-80GB")),
    *(Case(model=DENSE, gpu=gpu, tp=tp) for gpu in _GPUS for tp in (1, 4, 8)),
    *(Case(model=LATENT, gpu=gpu, tp=8) for gpu in _GPUS),
    *(
        Case(model=model, gpu=gpu, tp=tp)
        for model in _MODELS
        for gpu, tp in (("H200-SXM-141GB", 8), ("L40S-48GB", 2), ("A100-SXM-80GB", 4), ("RTX-PRO-6000-BW-SE-96GB", 1), ("B300-SXM-288GB", 4))
    ),
    *(
        Case(model=model, gpu=gpu, tp=tp)
        for model in (SPARSE, HYBRID, WINDOWS, "zai-org/GLM-5-FP8")
        for gpu, tp in (("H200-SXM-141GB", 8), ("B200-SXM-180GB", 8), ("RTX-PRO-6000-BW-SE-96GB", 8), ("H100-SXM-80GB", 4))
    ),
    *(
        Case(model=model, gpu=gpu, tp=8, options=options)
        for model in (DENSE, LATENT)
        for gpu in ("L40S-48GB", "H200-SXM-141GB")
        for options in (
            {"max_running_requests": 32},
            {"chunked_prefill_size": 2048},
            {"disable_radix_cache": True},
            {"attn_dp_size": 8},
            {"kv_cache_dtype": "fp8_e4m3"},
            {"max_total_tokens": 50_000},
        )
    ),
    *(
        Case(model=model, gpu="H200-SXM-141GB", tp=tp, options={"dtype": "float32"})
        for model, tp in ((DENSE, 4), ("Qwen/Qwen3-30B-A3B", 2), ("google/gemma-3-27b-it", 4))
    ),
    *(
        Case(model=model, gpu="H200-SXM-141GB", tp=8, options=options)
        for model in (SPARSE, HYBRID, WINDOWS)
        for options in (
            {"kv_cache_dtype": "fp8_e4m3"},
            {"max_running_requests": 64},
            {"attn_dp_size": 8},
            _EAGLE,
        )
    ),
    *(Case(model=DENSE, gpu="H100-SXM-80GB", tp=4, options=options) for options in ({"pp_size": 2}, _EAGLE, {**_EAGLE, "attn_dp_size": 4})),
    *(
        Case(model=HYBRID, gpu="H200-SXM-141GB", tp=4, options=options)
        for options in (
            {"disable_radix_cache": True},
            {"disable_radix_cache": True, "max_running_requests": 64},
            {"mamba_full_memory_ratio": 0.5},
            {"max_mamba_cache_size": 100},
            {"mamba_radix_cache_strategy": "no_buffer", "disable_overlap_schedule": True},
        )
    ),
    *(
        Case(model="Qwen/Qwen3.5-27B", gpu=gpu, tp=tp, options=options)
        for gpu, tp in (("H100-SXM-80GB", 1), ("L40S-48GB", 4), ("B200-SXM-180GB", 2))
        for options in ({}, {"max_running_requests": 16})
    ),
    *(
        Case(model=model, gpu=gpu, tp=8, options=options)
        for model in ("deepseek-ai/DeepSeek-V4-Flash", "deepseek-ai/DeepSeek-V4-Pro")
        for gpu, options in (
            ("H200-SXM-141GB", {}),
            ("B200-SXM-180GB", {}),
            ("B300-SXM-288GB", {"max_running_requests": 64}),
            ("B300-SXM-288GB", {"attn_dp_size": 8}),
        )
    ),
    *(Case(model="Qwen/Qwen3-8B", gpu=gpu, tp=1, options=options) for gpu in ("A10G-24GB", "L4-24GB") for options in (
        {}, {"chunked_prefill_size": 2048, "cuda_graph_max_bs_decode": 24},
    )),
)  # fmt: skip
