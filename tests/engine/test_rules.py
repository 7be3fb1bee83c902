from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang.engine import SglangOptions
from cdk_sglang.engine.releases import KNOWN_RELEASES
from cdk_sglang.engine.rules import all_rules

EAGLE = {"algorithm": "EAGLE", "draft_model_path": "/opt/ml/model/draft"}
DFLASH = {"algorithm": "DFLASH", "draft_model_path": "/opt/ml/model/draft"}
LORA = {"max_rank": 8, "target_modules": ["all"]}
SLICED = {"tp_size": 4, "ep_size": 4, "moe_a2a_backend": "flashinfer", "extra": {"enable_layernorm_sp": True}}

# rule, options, what is known of model and GPU, the line after "server."
BROKEN: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("attention-groups-divide-tp", {"tp_size": 2, "attn_dp_size": 4}, {}, "attn_dp_size: attention groups split the tp_size GPUs evenly, got 4 with tp_size 2; use 1 or 2"),
    ("attention-groups-or-replicas", {"tp_size": 2, "attn_dp_size": 2, "dp_size": 2}, {}, "dp_size: SGLang combines no replicas with attention groups, got dp_size 2 and attn_dp_size 2; use more copies instead of dp_size"),
    ("experts-divide-tp", {"tp_size": 4, "ep_size": 3}, {}, "ep_size: experts are spread over the tp_size GPUs evenly, got 3 with tp_size 4; use 1 or 2 or 4"),
    ("spanning-experts", {"tp_size": 8, "ep_size": 4, "moe_a2a_backend": "deepep"}, {}, "ep_size: moe_a2a_backend deepep spreads experts over all tp_size GPUs and SGLang overwrites ep_size, got 4; use 8 or leave it out"),
    ("a2a-attention-groups", {"tp_size": 2, "moe_a2a_backend": "pplx"}, {}, "attn_dp_size: moe_a2a_backend pplx needs 2 attention groups or more, got 1"),
    ("a2a-attention-groups", {"tp_size": 8, "attn_dp_size": 4, "moe_a2a_backend": "flashinfer"}, {}, "attn_dp_size: moe_a2a_backend flashinfer needs an attention group per GPU, got 4 with tp_size 8; use 8"),
    ("remote-weights", {"load_format": "remote_instance", "extra": {"remote_instance_weight_loader_seed_instance_ip": "10.0.0.1"}}, {}, "load_format: remote_instance is auto without extra.remote_instance_weight_loader_seed_instance_service_port, extra.remote_instance_weight_loader_send_weights_group_ports; set them"),
    ("expert-pack-path", {"load_format": "expert_pack"}, {}, "model_loader_extra_config: expert_pack reads the folder in pack_path; add it"),
    ("paged-trees", {"attention_backend": "hpc_ops", "speculative": {"algorithm": "NGRAM"}}, {}, "attention_backend: NGRAM trees over pages of 64 tokens run on flashinfer, got hpc_ops; use it, page_size 1 or extra.speculative_ngram_max_bfs_breadth: 1"),
    ("dense-moe-width", {"tp_size": 8, "extra": {"moe_dense_tp_size": 2}}, {}, "extra.moe_dense_tp_size: takes 1 or tp_size, got 2; use 1 or 8"),
    ("context-parallel-divides-tp", {"tp_size": 8, "attn_dp_size": 2, "extra": {"attn_cp_size": 3}}, {}, "extra.attn_cp_size: attn_dp_size x attn_cp_size must divide tp_size, got 2 x 3 with tp_size 8; use a divisor of 4"),
    ("chunked-prefill-of-zero", {"chunked_prefill_size": 0}, {}, "chunked_prefill_size: 0 switches chunked prefill off, got 0; say so with -1"),
    ("chunked-prefill-in-pages", {"chunked_prefill_size": 100, "page_size": 16}, {}, "chunked_prefill_size: must be a multiple of page_size (16), got 100; use 96"),
    ("chunked-prefill-in-pages", {"tp_size": 4, "attn_dp_size": 4, "chunked_prefill_size": 4160, "page_size": 64}, {}, "chunked_prefill_size: must be a multiple of page_size (64) for each of 4 attention groups, got 4160; use 4096"),
    ("context-within-model", {"context_length": 4096}, {"model_max_context": 2048}, "context_length: the model's longest context is 2048 tokens, got 4096; use at most 2048"),
    ("context-within-pool", {"context_length": 4096, "max_total_tokens": 1024}, {}, "max_total_tokens: a KV cache of 1024 tokens cannot hold one context of 4096; raise it, or set context_length to at most 1024"),
    ("context-within-pool", {"max_total_tokens": 1024}, {"model_max_context": 2048}, "max_total_tokens: a KV cache of 1024 tokens cannot hold one context of 2048; raise it, or set context_length to at most 1024"),
    ("priority-scheduling-policy", {"schedule_policy": "lpm", "extra": {"enable_priority_scheduling": True}}, {}, "schedule_policy: priority scheduling works with fcfs and lof, got lpm; use one of them"),
    ("priority-scheduling-policy", {"extra": {"retraction_policy": "priority"}}, {}, "extra.retraction_policy: priority needs priority scheduling; add extra.enable_priority_scheduling: true"),
    ("padding-and-compile", {"extra": {"disable_cuda_graph_padding": True, "enable_torch_compile": True}}, {}, "extra.disable_cuda_graph_padding: torch compile needs padded batch sizes; leave out this or extra.enable_torch_compile"),
    ("metrics-file-folder", {"extra": {"export_metrics_to_file": True}}, {}, "extra.export_metrics_to_file: needs extra.export_metrics_to_file_dir; add it"),
    ("sliding-window-ratio", {"extra": {"swa_full_tokens_ratio": 1.5}}, {}, "extra.swa_full_tokens_ratio: must be above 0 and at most 1, got 1.5; use 0.8"),
    ("lora-rank-and-modules", {"lora": {"max_rank": 8}}, {}, "lora.target_modules: missing; without adapters in extra.lora_paths SGLang cannot infer it; add it (rank and modules stand in the adapter's adapter_config.json)"),
    ("lora-all-modules-alone", {"lora": {"max_rank": 8, "target_modules": ["all", "q_proj"]}}, {}, "lora.target_modules: all stands alone, got all, q_proj; use all or name the modules"),
    ("lora-loaded-holds-batch", {"lora": {**LORA, "max_loaded_loras": 1, "max_loras_per_batch": 4}}, {}, "lora.max_loaded_loras: must be at least max_loras_per_batch (4), got 1; use 4 or lower max_loras_per_batch"),
    ("lora-loaded-holds-batch", {"lora": {**LORA, "max_loaded_loras": 4}}, {}, "lora.max_loaded_loras: must be at least max_loras_per_batch (8, SGLang's default), got 4; use 8 or lower max_loras_per_batch"),
    ("lora-loaded-holds-batch", {"lora": {**LORA, "max_loaded_loras": 1, "max_loras_per_batch": 1}, "extra": {"lora_paths": ["a=/a", "b=/b"]}}, {}, "lora.max_loaded_loras: extra.lora_paths names 2 adapters, got 1; use at least 2"),
    ("lora-overlap-loading", {"lora": {**LORA, "overlap_loading": True}}, {}, "lora.overlap_loading: pins adapters in host memory and needs max_loaded_loras of at most 16 (twice max_loras_per_batch), got none; set lora.max_loaded_loras"),
    ("lora-paths-need-lora", {"extra": {"lora_paths": ["a=/a"]}}, {}, "extra.lora_paths: switches adapters on without their settings; add lora"),
    ("lora-with-algorithm", {"lora": LORA, "speculative": {"algorithm": "STANDALONE", "draft_model_path": "/d"}}, {}, "speculative.algorithm: adapters work with NGRAM, EAGLE, NEXTN, EAGLE3, DFLASH, DSPARK, got STANDALONE; use one of them"),
    ("lora-with-algorithm", {"lora": LORA, "speculative": {**EAGLE, "adaptive": True}}, {}, "speculative.adaptive: does not work with adapters; leave out adaptive or lora"),
    ("hicache-needs-radix-cache", {"hicache": {}, "disable_radix_cache": True}, {}, "disable_radix_cache: hicache keeps the prefixes of that cache; leave out hicache or this"),
    ("hicache-buffer-needs-storage", {"hicache": {"host_memory_mode": "buffer_only"}}, {}, "hicache.host_memory_mode: buffer_only keeps nothing without a storage backend; add hicache.storage_backend or use cache"),
    ("hicache-write-back-needs-cache", {"hicache": {"host_memory_mode": "buffer_only", "storage_backend": "file", "write_policy": "write_back"}}, {}, "hicache.write_policy: there is no host tier to write back from with buffer_only, SGLang writes through; use write_through"),
    ("hicache-one-size", {"hicache": {"ratio": 2, "size_gb": 10}}, {}, "hicache.size_gb: SGLang uses this one alone, got ratio, size_gb; keep one"),
    ("hicache-one-size", {"hicache": {"ratio": 2, "host_memory_fraction": 0.5}}, {}, "hicache.ratio: SGLang uses this one alone, got ratio, host_memory_fraction; keep one"),
    ("hicache-layout-and-copy", {"hicache": {"mem_layout": "page_first_direct"}}, {}, "hicache.mem_layout: page_first_direct is copied by the direct backend; set io_backend to direct"),
    ("hicache-layout-and-copy", {"hicache": {"io_backend": "direct"}}, {}, "hicache.io_backend: direct copies page_first_direct and layer_first, page_first is SGLang's default; set mem_layout to page_first_direct"),
    ("hicache-storage-layout", {"hicache": {"storage_backend": "mooncake", "mem_layout": "layer_first"}}, {}, "hicache.mem_layout: mooncake cannot store layer_first; use page_first or page_first_direct"),
    ("hicache-storage-settings-need-storage", {"hicache": {"storage_prefetch_policy": "timeout"}}, {}, "hicache.storage_prefetch_policy: does nothing without a storage backend; add hicache.storage_backend"),
    ("hicache-or-external-linker", {"hicache": {}, "extra": {"enable_unified_cache_external_linker": True}}, {}, "extra.enable_unified_cache_external_linker: excludes hicache; leave out one of the two"),
    ("json-whitespace-engines", {"extra": {"constrained_json_whitespace_pattern": "[ ]*"}}, {}, "extra.constrained_json_whitespace_pattern: is read by outlines and llguidance only, got grammar_backend xgrammar; set grammar_backend"),
    ("one-stage", {"pp_size": 2, "speculative": EAGLE}, {}, "pp_size: speculative decoding runs with one pipeline stage, got 2; use 1 and a larger tp_size"),
    ("draft-needed", {"speculative": {"algorithm": "EAGLE"}}, {}, "speculative.draft_model_path: missing, EAGLE needs a draft model; add it, or use NEXTN if the model has multi-token-prediction layers of its own"),
    ("draft-unused", {"speculative": {"algorithm": "NGRAM", "draft_model_path": "/d"}}, {}, "speculative.draft_model_path: NGRAM drafts from the text itself and ignores it, got /d; leave it out"),
    ("all-three-or-none", {"speculative": {**EAGLE, "num_steps": 3}}, {}, "speculative.eagle_topk: missing, got num_steps alone; add eagle_topk and num_draft_tokens, or leave all three out"),
    ("chain-length", {"speculative": {**EAGLE, "num_steps": 3, "eagle_topk": 1, "num_draft_tokens": 8}}, {}, "speculative.num_draft_tokens: a chain (eagle_topk 1) verifies num_steps + 1 tokens and SGLang overwrites it, got 8; use 4"),
    ("no-attention-groups", {"tp_size": 2, "attn_dp_size": 2, "speculative": {"algorithm": "STANDALONE", "draft_model_path": "/d"}}, {}, "attn_dp_size: STANDALONE does not run with attention groups, got 2; use 1"),
    ("attention-groups-need-dp-head", {"tp_size": 2, "attn_dp_size": 2, "speculative": {"algorithm": "DSPARK"}}, {}, "attn_dp_size: DSPARK with attention groups borrows a data-parallel output head; add extra.enable_dp_lm_head: true"),
    ("paged-trees", {"attention_backend": "flashmla", "page_size": 64, "speculative": {**EAGLE, "num_steps": 3, "eagle_topk": 4, "num_draft_tokens": 8}}, {}, "attention_backend: draft trees (eagle_topk 4) over pages of 64 tokens run on flashinfer, fa3, triton, got flashmla; use one of them, eagle_topk 1 or page_size 1"),
    ("paged-trees", {"attention_backend": "triton", "page_size": 64, "speculative": {"algorithm": "NGRAM"}}, {}, "attention_backend: NGRAM trees over pages of 64 tokens run on flashinfer, got triton; use it, page_size 1 or extra.speculative_ngram_max_bfs_breadth: 1"),
    ("chain-only-backend", {"speculative": {**EAGLE, "num_steps": 3, "eagle_topk": 4, "num_draft_tokens": 8}, "extra": {"decode_attention_backend": "trtllm_mha"}}, {}, "extra.decode_attention_backend: trtllm_mha verifies chains only, got eagle_topk 4; use eagle_topk 1 or another backend"),
    ("verifying-backend", {"attention_backend": "torch_native", "speculative": EAGLE}, {}, "attention_backend: torch_native cannot verify drafts of EAGLE; use triton or leave it out"),
    ("rejection-sampling", {"speculative": {"algorithm": "NGRAM", "use_rejection_sampling": True}}, {}, "speculative.use_rejection_sampling: works with EAGLE, EAGLE3, NEXTN, got NGRAM; leave it out"),
    ("rejection-sampling", {"speculative": {**EAGLE, "use_rejection_sampling": True}}, {}, "speculative.use_rejection_sampling: works on chains, got no eagle_topk; set eagle_topk to 1"),
    ("rejection-sampling", {"speculative": {**EAGLE, "use_rejection_sampling": True, "num_steps": 3, "eagle_topk": 1, "num_draft_tokens": 4, "accept_threshold_acc": 0.9}}, {}, "speculative.use_rejection_sampling: ignores the accept thresholds; leave out the thresholds or this"),
    ("mixed-chunk", {"speculative": {"algorithm": "NGRAM"}, "extra": {"enable_mixed_chunk": True}}, {}, "extra.enable_mixed_chunk: NGRAM switches it off again; leave it out"),
    ("other-hardware", {"attention_backend": "aiter"}, {}, "attention_backend: aiter is made for AMD, SageMaker's GPUs are NVIDIA's; leave it out"),
    ("other-hardware", {"lora": {**LORA, "backend": "ascend"}}, {}, "lora.backend: ascend is made for Ascend, SageMaker's GPUs are NVIDIA's; leave it out"),
    ("fa3-hardware", {"attention_backend": "fa3"}, {"gpu_capability": "10.0"}, "attention_backend: fa3 runs on compute capability 8.0 to 9.0, the GPU has 10.0; use flashinfer or leave it out"),
    ("fa3-hardware", {"speculative": {**EAGLE, "draft_attention_backend": "fa3"}}, {"gpu_capability": "12.0"}, "speculative.draft_attention_backend: fa3 runs on compute capability 8.0 to 9.0, the GPU has 12.0; use flashinfer or leave it out"),
    ("fa3-fp8-kv", {"attention_backend": "fa3", "kv_cache_dtype": "fp8_e5m2"}, {}, "kv_cache_dtype: fa3 reads fp8_e4m3 only and SGLang switches to triton, got fp8_e5m2; use fp8_e4m3"),
    ("trtllm-hardware", {"attention_backend": "trtllm_mla"}, {"gpu_capability": "9.0"}, "attention_backend: trtllm_mla runs on compute capability 10.x, 11.x, 12.x, the GPU has 9.0; use flashinfer or leave it out"),
    ("trtllm-kv-dtype", {"attention_backend": "trtllm_mla", "kv_cache_dtype": "fp8_e5m2"}, {}, "kv_cache_dtype: trtllm_mla takes auto, fp8_e4m3, bf16, got fp8_e5m2; use one of them"),
    ("fp8-kv-hardware", {"kv_cache_dtype": "fp8_e4m3"}, {"gpu_capability": "8.6"}, "kv_cache_dtype: fp8_e4m3 needs compute capability 8.9, the GPU has 8.6; use fp8_e5m2 or leave it out"),
    ("narrow-kv-hardware", {"kv_cache_dtype": "nvfp4"}, {"gpu_capability": "9.0"}, "kv_cache_dtype: nvfp4 needs compute capability 10.0, the GPU has 9.0; use fp4_mx_block16 or leave it out"),
    ("quantization-hardware", {"quantization": "w8a8_fp8"}, {"gpu_capability": "8.0"}, "quantization: w8a8_fp8 needs compute capability 8.9, the GPU has 8.0; choose another GPU, or leave it out for what the model's files say"),
    ("weight-only-fp8", {"quantization": "fp8"}, {"gpu_capability": "8.0", "has_experts": True}, "quantization: fp8 on compute capability 8.0 serves dense models only (weight-only, through Marlin), and this model has experts; use a GPU of compute capability 8.9 or newer, or another format"),
    ("weight-only-fp8", {"quantization": "fp8"}, {"gpu_capability": "8.6"}, "quantization: fp8 on compute capability 8.6 serves dense models only (weight-only, through Marlin), and this model is not known to be one; use a GPU of compute capability 8.9 or newer, give the model's id in the catalogue, or leave it out"),
    ("quantization-hardware", {"speculative": {**EAGLE, "draft_model_quantization": "w4afp8"}}, {"gpu_capability": "8.9"}, "speculative.draft_model_quantization: w4afp8 needs compute capability 9.0, the GPU has 8.9; choose another GPU, or leave it out for what the model's files say"),
]  # fmt: skip

# What stands next to a broken combination and is fine.
SOUND: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"tp_size": 8, "attn_dp_size": 8, "ep_size": 8, "moe_a2a_backend": "deepep"}, {}),
    ({"tp_size": 8, "moe_a2a_backend": "deepep"}, {}),
    ({"tp_size": 8, "attn_dp_size": 8, "moe_a2a_backend": "flashinfer"}, {}),
    ({"load_format": "remote_instance", "extra": {"remote_instance_weight_loader_backend": "modelexpress"}}, {}),
    ({"load_format": "expert_pack", "model_loader_extra_config": {"pack_path": "/opt/ml/model"}}, {}),
    ({"chunked_prefill_size": -1, "page_size": 64}, {}),
    ({"chunked_prefill_size": 8192, "page_size": 64}, {}),
    ({"context_length": 2048}, {"model_max_context": 2048}),
    ({"context_length": 2048, "max_total_tokens": 2048}, {"model_max_context": 131072}),
    ({"lora": {}, "extra": {"lora_paths": ["a=/opt/ml/model/a"]}}, {}),
    ({"lora": {**LORA, "max_loaded_loras": 300}}, {}),
    ({"lora": LORA, "speculative": {"algorithm": "NEXTN"}}, {}),
    ({"speculative": {"algorithm": "NEXTN"}}, {}),
    ({"speculative": {**EAGLE, "num_steps": 3, "eagle_topk": 1, "num_draft_tokens": 4, "use_rejection_sampling": True}}, {}),
    ({"speculative": {**EAGLE, "num_steps": 5, "eagle_topk": 4, "num_draft_tokens": 8}, "page_size": 64, "attention_backend": "fa3"}, {"gpu_capability": "9.0"}),
    ({"speculative": {"algorithm": "NGRAM", "num_draft_tokens": 8}}, {}),
    ({"hicache": {"storage_backend": "file", "storage_prefetch_policy": "wait_complete"}}, {}),
    ({"hicache": {"mem_layout": "page_first_direct", "io_backend": "direct"}}, {}),
    ({"attention_backend": "fa3"}, {"gpu_capability": "8.6"}),
    ({"attention_backend": "trtllm_mha"}, {"gpu_capability": "12.0"}),
    ({"kv_cache_dtype": "fp8_e4m3", "quantization": "fp8"}, {"gpu_capability": "8.9"}),
    ({"kv_cache_dtype": "fp8_e5m2"}, {"gpu_capability": "8.0"}),
    ({"quantization": "nvfp4_online"}, {"gpu_capability": "10.3"}),
    ({"quantization": "fp8"}, {"gpu_capability": "8.6", "has_experts": False}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "options", "known", "line"), BROKEN, ids=[f"{row[0]}-{i}" for i, row in enumerate(BROKEN)]
)
def test_refuses_a_combination_that_would_not_serve(
    rule: str, options: dict[str, Any], known: dict[str, Any], line: str
) -> None:
    path = "endpoints.chat.components.llama.server"
    assert SglangOptions.model_validate(options).problems(path, **known) == [f"{path}.{line}"], rule


@pytest.mark.parametrize(("options", "known"), SOUND)
def test_takes_a_combination_that_serves(options: dict[str, Any], known: dict[str, Any]) -> None:
    assert SglangOptions.model_validate(options).problems("server", **known) == []


def test_every_rule_is_broken_by_an_example_and_says_where_it_comes_from() -> None:
    rules = all_rules()
    assert {rule.name for rule in rules} == {row[0] for row in BROKEN}
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        assert "." in rule.source


def test_reports_every_problem_at_once() -> None:
    options = SglangOptions.model_validate(
        {"tp_size": 2, "attn_dp_size": 4, "lora": {}, "extra": {"tp_sze": 1}, "kv_cache_dtype": "mxfp8"}
    )
    found = options.problems("server", gpu_capability="8.6")
    assert [line.split(":")[0] for line in found] == [
        "server.extra.tp_sze",
        "server.attn_dp_size",
        "server.lora.max_rank",
        "server.lora.target_modules",
        "server.kv_cache_dtype",
    ]


def test_what_is_not_known_is_not_checked() -> None:
    options = SglangOptions(context_length=10_000_000, attention_backend="fa3", kv_cache_dtype="fp8_e4m3")
    assert options.problems("server") == []


# What a release refuses, or does not yet refuse, other than the newest one. An empty line: nothing.
BY_RELEASE: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    ("lora-with-algorithm", "0.5.18", {"lora": LORA, "speculative": EAGLE}, {}, "speculative.algorithm: with adapters SGLang 0.5.18 takes NGRAM alone, got EAGLE; use NGRAM, or an image with SGLang 0.5.19 or newer"),
    ("lora-with-algorithm", "0.5.17", {"lora": LORA, "speculative": {"algorithm": "NGRAM"}}, {}, ""),
    ("lora-with-algorithm", "0.5.19", {"lora": LORA, "speculative": EAGLE}, {}, ""),
    ("attention-groups-need-dp-head", "0.5.22", {"tp_size": 2, "attn_dp_size": 2, "speculative": DFLASH, "extra": {"enable_dp_lm_head": True}}, {}, "attn_dp_size: DFLASH does not run with attention groups in SGLang 0.5.22, got 2; use 1, or an image with SGLang 0.5.23"),
    ("attention-groups-need-dp-head", "0.5.23", {"tp_size": 2, "attn_dp_size": 2, "speculative": DFLASH, "extra": {"enable_dp_lm_head": True}}, {}, ""),
    ("attention-groups-need-dp-head", "0.5.17", {"tp_size": 2, "attn_dp_size": 2, "speculative": {"algorithm": "DSPARK"}, "extra": {"enable_dp_lm_head": True}}, {}, ""),
    ("mixed-chunk", "0.5.18", {"speculative": EAGLE, "extra": {"enable_mixed_chunk": True}}, {}, "extra.enable_mixed_chunk: EAGLE switches it off again; leave it out"),
    ("mixed-chunk", "0.5.19", {"speculative": EAGLE, "extra": {"enable_mixed_chunk": True}}, {}, ""),
    ("trtllm-hardware", "0.5.18", {"attention_backend": "trtllm_mha"}, {"gpu_capability": "9.0"}, "attention_backend: trtllm_mha runs on compute capability 10.x, the GPU has 9.0; use flashinfer or leave it out"),
    ("trtllm-hardware", "0.5.18", {"extra": {"decode_attention_backend": "trtllm_mha"}}, {"gpu_capability": "9.0"}, ""),
    ("trtllm-hardware", "0.5.19", {"attention_backend": "trtllm_mha"}, {"gpu_capability": "9.0"}, ""),
    ("a2a-attention-groups", "0.5.22", SLICED, {}, "attn_dp_size: moe_a2a_backend flashinfer needs an attention group per GPU, got 1 with tp_size 4; use 4"),
    ("a2a-attention-groups", "0.5.23", SLICED, {}, ""),
    # The option itself is not there: `problems_for` says so.
    ("expert-pack-path", "0.5.18", {"load_format": "expert_pack"}, {}, ""),
    ("hicache-buffer-needs-storage", "0.5.18", {"hicache": {"host_memory_mode": "buffer_only"}}, {}, ""),
    ("hicache-write-back-needs-cache", "0.5.18", {"hicache": {"host_memory_mode": "buffer_only", "storage_backend": "file", "write_policy": "write_back"}}, {}, ""),
    ("hicache-or-external-linker", "0.5.19", {"hicache": {}, "extra": {"enable_unified_cache_external_linker": True}}, {}, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "release", "options", "known", "line"),
    BY_RELEASE,
    ids=[f"{row[0]}-{row[1]}-{i}" for i, row in enumerate(BY_RELEASE)],
)
def test_a_rule_is_that_of_the_images_release(
    rule: str, release: str, options: dict[str, Any], known: dict[str, Any], line: str
) -> None:
    found = SglangOptions.model_validate(options).problems("server", sglang_version=release, **known)
    assert found == ([f"server.{line}"] if line else []), rule


def test_a_rule_is_silent_only_where_the_release_lacks_what_it_is_about() -> None:
    broken = {row[0]: (row[2], row[3]) for row in BY_RELEASE}
    for rule in all_rules():
        if rule.since == "0.5.17":
            continue
        options, known = broken[rule.name]
        before = KNOWN_RELEASES[KNOWN_RELEASES.index(rule.since) - 1]
        server = SglangOptions.model_validate(options)
        assert server.problems("server", sglang_version=rule.since, **known), rule.name
        assert server.problems_for("cdk-sglang", sglang_version=before), rule.name


@pytest.mark.parametrize("release", KNOWN_RELEASES)
@pytest.mark.parametrize(("options", "known"), SOUND)
def test_what_serves_on_the_newest_release_is_refused_on_an_older_one_for_a_reason_of_its_own(
    options: dict[str, Any], known: dict[str, Any], release: str
) -> None:
    server = SglangOptions.model_validate(options)
    found = server.problems("server", sglang_version=release, **known)
    assert not found or (release in {"0.5.17", "0.5.18"} and (server.lora or server.attention_backend)), found
