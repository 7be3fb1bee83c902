"""Runs in `.venv-engine`: SGLang's own memory share and KV pool as if a given GPU were there, one case per line of standard input.

A case is `{"gpu": {"name", "memory_mib", "compute_capability"}, "config": {...}, "options": {...}, "before": GiB, "after": GiB}`: free memory before
and after the weights. `ServerArgs` resolves itself and `KVCacheConfigurator` sizes the pool; only the GPU and the loaded model are faked.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

real_stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # SGLang prints
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
from sglang.srt import platforms, runtime_context
from sglang.srt.arg_groups import memory_hook  # noqa: F401  # this and the layers import CUDA packages where is_cuda(), so before any fake
from sglang.srt.arg_groups.overrides import model_config_of, resolution_result, use_mla_backend
from sglang.srt.configs import model_config
from sglang.srt.configs.hybrid_arch import hybrid_gdn_config, hybrid_kda_config, mambaish_config
from sglang.srt.layers import layernorm, quantization  # noqa: F401  as above
from sglang.srt.layers.layer_boundary import construction  # noqa: F401  as above
from sglang.srt.mem_cache import kv_cache_configurator
from sglang.srt.mem_cache.kv_cache_dtype import configure_kv_cache_dtype
from sglang.srt.model_executor.pool_configurator import create_memory_pool_configurator
from sglang.srt.server_args import ServerArgs
from sglang.srt.speculative.spec_info import SpeculativeAlgorithm

Case = Mapping[str, Any]
GIB = 2**30
_TENTHS = 10


class _CudaPackages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Packages that need CUDA: importable once `present`, and empty."""

    names = frozenset({"sgl_kernel", "flashinfer", "deep_gemm", "flash_attn", "flash_mla", "deep_ep", "tokenspeed_mla"})
    present = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if not self.present or fullname.split(".", maxsplit=1)[0] not in self.names:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = MagicMock(name=spec.name)
        module.__path__, module.__name__, module.__spec__, module.__version__ = [], spec.name, spec, "99.0.0"
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs."""


def _platform(capability: tuple[int, int]) -> dict[str, Any]:
    """Return what SGLang's probes say of a GPU of that compute capability."""
    sm, major = capability[0] * _TENTHS + capability[1], capability[0]
    facts = {
        "is_cuda": True,
        "has_flashinfer": True,
        "is_sm90": sm == 90,
        "is_sm100": major == 10,
        "is_sm100_or_sm110": major in {10, 11},
        "is_sm120": major == 12,
        "is_blackwell": major in {10, 12},
        "is_hopper_with_cuda_12_3": sm == 90,
        "device_sm": sm,
        "device_capability": capability,
    }
    for other in ("is_hip", "is_npu", "is_xpu", "is_musa", "is_mps", "has_amx", "is_sm110"):
        facts[other] = False
    known = {**runtime_context._PLATFORM_PROBES, **runtime_context._PLATFORM_VALUES}
    return {name: value for name, value in facts.items() if name in known}


gpu: dict[str, Any] = {}
"""The GPU of the case, which every replaced probe reads."""


def _read(name: str) -> Callable[..., Any]:
    return lambda *_, **__: gpu[name]


def _fake_probes() -> None:
    """Replace SGLang's probes of the GPU, in every module that bound one when it was imported; modules of later get them replaced."""
    cuda = platforms.CudaSRTPlatform()
    platforms._current_platform = cuda
    replaced: dict[str, object] = {"current_platform": cuda, "is_cuda": lambda *_, **__: True}
    probes = runtime_context._PLATFORM_PROBES
    replaced |= {function: _read(probe) for probe, function in probes.items() if probe in _platform((9, 0))}
    for name in ("get_device_memory_capacity", "get_device_capability", "get_device_sm", "get_available_gpu_memory"):
        replaced[name] = _read(name)
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("sglang"):
            for name in replaced.keys() & vars(module).keys():
                setattr(module, name, replaced[name])
    torch.cuda.get_device_capability = _read("device_capability")
    torch.cuda.get_device_name = _read("name")
    torch.distributed.all_reduce = lambda *_, **__: None  # of a pipeline's stages, which are as large as this one
    packages.present = True


def _configurator(args: ServerArgs, case: Case) -> Any:
    """Return SGLang's configurator of the cache, without the model that it would have been made with."""
    config = model_config_of(args)
    layers = config.num_hidden_layers
    full, sliding = (getattr(config, f"{kind}_attention_layer_ids", None) for kind in ("full", "swa"))
    if config.is_hybrid_swa and full is None:
        sliding, full = model_config.get_hybrid_layer_ids(config.hf_config.architectures, config.hf_text_config)
    algorithm = SpeculativeAlgorithm.from_string(resolution_result(args, "speculative_algorithm"))
    quantized = (case["config"].get("quantization_config") or {}).get("kv_cache_quant_algo")
    _, dtype = configure_kv_cache_dtype(
        server_args_kv_cache_dtype=resolution_result(args, "kv_cache_dtype"),
        model=SimpleNamespace(quant_config=SimpleNamespace(kv_cache_quant_algo=quantized)),
        model_dtype=config.dtype,
        is_draft_worker=False,
        is_dflash=False,
        speculative_draft_attention_backend="",
    )
    configurator = kv_cache_configurator.KVCacheConfigurator.__new__(kv_cache_configurator.KVCacheConfigurator)
    stages = resolution_result(args, "pp_size")
    share = -(-layers // stages)
    values = {
        "device": "cuda",
        "gpu_id": 0,
        "attn_dp_size": resolution_result(args, "attn_dp_size"),
        "pp_size": stages,
        "model_config": config,
        "server_args": args,
        "kv_cache_dtype": dtype,
        "kv_cache_dtype_str": None,
        "model_dtype": config.dtype,
        "page_size": resolution_result(args, "page_size") or 1,
        "sliding_window_size": getattr(config, "sliding_window_size", None),
        "spec_algorithm": algorithm,
        "is_draft_worker": False,
        "post_capture_kv_active": False,
        "spec_aux_config": SimpleNamespace(
            eagle_draft_num_layers=case.get("draft_layers"),
            eagle_draft_swa_num_layers=None,
            dflash_draft_num_layers=None,
        ),
        "is_hybrid_swa": config.is_hybrid_swa,
        "use_mla_backend": use_mla_backend(args),
        "layer_info": SimpleNamespace(
            start_layer=0,
            end_layer=share,
            num_effective_layers=share,
            swa_attention_layer_ids=sliding,
            full_attention_layer_ids=full,
        ),
        "mambaish_config": mambaish_config(config),
        "hybrid_gdn_config": hybrid_gdn_config(config),
        "hybrid_kda_config": hybrid_kda_config(config),
        "extra_mamba_cache_bytes_per_req": 0,
        "dflash_draft_cell_size_per_token": None,
        "kv_shard_spec": None,
        "kv_shard_size": 1,
        "kv_shard_rank": None,
        "kv_shard_group": None,
    }
    for name, value in values.items():
        setattr(configurator, name, value)
    return configurator


def sizes(case: Case) -> dict[str, Any]:
    """Return what SGLang takes of the GPU and what its pool holds."""
    major, minor = str(case["gpu"]["compute_capability"]).split(".")
    facts = _platform((int(major), int(minor)))
    gpu.update(
        facts,
        name=case["gpu"]["name"],
        get_device_memory_capacity=float(case["gpu"]["memory_mib"]),
        get_device_capability=facts["device_capability"],
        get_device_sm=facts["device_sm"],
        get_available_gpu_memory=case.get("after"),
    )
    with tempfile.TemporaryDirectory() as folder, runtime_context.override_platform(**facts):
        (Path(folder) / "config.json").write_text(json.dumps(case["config"]), encoding="utf-8")
        args = ServerArgs(model_path=folder, device="cuda", skip_tokenizer_init=True, **case["options"])
        args.resolve_once()
        found = {"fraction": resolution_result(args, "mem_fraction_static")}
        if "after" not in case:
            return found
        runtime_context.publish(args, role="test", ranks=runtime_context.SpawnRanks(world_rank=0, gpu_id=0))
        configurator = _configurator(args, case)
        with runtime_context.get_parallel().override(world_group=SimpleNamespace(cpu_group=None)):
            pool = configurator._resolve_memory_pool_config(case["before"])
        rules = create_memory_pool_configurator(configurator)
        per_token = getattr(rules, "_cell_size", None) or rules.bytes_per_full_token
        schedule = runtime_context.get_schedule()
        state = configurator.mambaish_config
        return found | {
            "kv_dtype": str(configurator.kv_cache_dtype).removeprefix("torch."),
            "bytes_per_token": per_token,
            "tokens": pool.max_total_num_tokens,
            "running": pool.max_running_requests,
            "slots": None if state is None else schedule.max_mamba_cache_size,
            "state_bytes": None if state is None else state.mamba2_cache_params.mamba_cache_per_req,
        }


packages = _CudaPackages()
sys.meta_path.append(packages)
_fake_probes()
gc.freeze()  # SGLang collects garbage before it sizes a pool, which takes a second with all that was imported

for line in sys.stdin:
    try:
        answer: dict[str, Any] = sizes(json.loads(line))
    except Exception as error:  # noqa: BLE001  the test names what SGLang could not resolve
        import traceback

        answer = {"error": f"{type(error).__name__}: {str(error)[:300]}", "at": traceback.format_exc()[-700:]}
    real_stdout.write(json.dumps(answer) + "\n")
    real_stdout.flush()
