"""Combinations of options that SGLang rejects at start-up, or accepts silently and then serves incorrectly.

Sources name files of SGLang 0.5.23 below `sglang/srt/` unless stated otherwise. Every rule was also checked in 0.5.17 to 0.5.22 (read
2026-11-30; before 0.5.19 most are in `server_args.py`); if a release differs, the rule states it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from cdk_sglang.engine import rules_features, rules_hardware, rules_speculative
from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.rule import Context, Rule, RuleBook
from cdk_sglang.errors import Problem

__all__ = ["Context", "all_rules", "problems"]

_BOOK: Final = RuleBook()

# All-to-all kernels whose expert group is the whole tensor-parallel group (arg_groups/overrides.py, _a2a_ep_size).
_SPANNING_A2A: Final = frozenset(
    (
        "megamoe",
        "deepep",
        "deepep_v2",
        "mooncake",
        "nixl",
        "ascend_fuseep",
        "flashinfer",
        "flashinfer_megamoe",
        "mori",
        "pplx",
    )
)


def all_rules() -> tuple[Rule, ...]:
    """Return every rule."""
    return (*_BOOK.rules, *rules_features.BOOK.rules, *rules_speculative.BOOK.rules, *rules_hardware.BOOK.rules)


def problems(options: OptionFields, *, path: str, context: Context) -> list[Problem]:
    """Apply every rule and return its findings as lines that start with the path of the field."""
    rules = (rule for rule in all_rules() if context.has(rule.since))
    return [found.under(path) for rule in rules for found in rule.check(options, context)]


@_BOOK.rule("attention-groups-divide-tp", source="arg_groups/parallel_hook.py, handle_data_parallelism (assertion)")
def _attention_groups(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.tp_size % options.attn_dp_size:
        yield Problem(
            path="attn_dp_size",
            text=f"attention groups split the tp_size GPUs evenly, got {options.attn_dp_size} with tp_size "
            f"{options.tp_size}; use {_divisors(options.tp_size)}",
        )


@_BOOK.rule("attention-groups-or-replicas", source="arg_groups/parallel_hook.py, handle_data_parallelism (ValueError)")
def _attention_groups_or_replicas(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.attn_dp_size > 1 and options.dp_size > 1:
        yield Problem(
            path="dp_size",
            text=f"SGLang combines no replicas with attention groups, got dp_size {options.dp_size} and attn_dp_size "
            f"{options.attn_dp_size}; use more copies instead of dp_size",
        )


@_BOOK.rule("experts-divide-tp", source="runtime_context.py, derive_parallel_widths (floor division, no check)")
def _experts(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.tp_size % options.ep_size:
        yield Problem(
            path="ep_size",
            text=f"experts are spread over the tp_size GPUs evenly, got {options.ep_size} with tp_size "
            f"{options.tp_size}; use {_divisors(options.tp_size)}",
        )


@_BOOK.rule("spanning-experts", source="arg_groups/overrides.py, _a2a_ep_size (changed with a log line)")
def _spanning_experts(options: OptionFields, _: Context) -> Iterator[Problem]:
    spans = options.moe_a2a_backend in _SPANNING_A2A
    if spans and options.ep_size not in {1, options.tp_size}:
        yield Problem(
            path="ep_size",
            text=f"moe_a2a_backend {options.moe_a2a_backend} spreads experts over all tp_size GPUs and SGLang overwrites "
            f"ep_size, got {options.ep_size}; use {options.tp_size} or leave it out",
        )


@_BOOK.rule("a2a-attention-groups", source="arg_groups/moe_hook.py, _handle_a2a_moe (assertions)")
def _a2a_attention_groups(options: OptionFields, context: Context) -> Iterator[Problem]:
    groups, tp_size = options.attn_dp_size, options.tp_size
    if options.moe_a2a_backend == "pplx" and groups in {0, 1}:
        yield Problem(path="attn_dp_size", text=f"moe_a2a_backend pplx needs 2 attention groups or more, got {groups}")
    # Muse Spark's sequence-parallel prefill is SGLang's one exception, since 0.5.23; it sets enable_layernorm_sp.
    sliced = options.get("enable_layernorm_sp") and (tp_size, options.ep_size) in {(4, 4), (8, 8)} and groups == 1
    sliced = sliced and context.has("0.5.23")
    if options.moe_a2a_backend == "flashinfer" and not sliced and (groups != tp_size or groups == 1):
        yield Problem(
            path="attn_dp_size",
            text=f"moe_a2a_backend flashinfer needs an attention group per GPU, got {groups} with tp_size {tp_size}; "
            f"use {max(2, tp_size)}",
        )


@_BOOK.rule(
    "remote-weights", source="arg_groups/model_path_hook.py, _handle_load_format (auto instead, with a warning)"
)
def _remote_weights(options: OptionFields, _: Context) -> Iterator[Problem]:
    backend = options.get("remote_instance_weight_loader_backend")
    if options.load_format != "remote_instance" or backend == "modelexpress":
        return
    needed = ["seed_instance_ip", "seed_instance_service_port"]
    needed += ["send_weights_group_ports"] if backend == "nccl" else []
    names = [f"remote_instance_weight_loader_{name}" for name in needed]
    missing = [f"extra.{name}" for name in names if options.get(name) is None]
    if missing:
        yield Problem(path="load_format", text=f"remote_instance is auto without {', '.join(missing)}; set them")


@_BOOK.rule("expert-pack-path", source="arg_groups/expert_pack_hook.py (ValueError)", since="0.5.19")
def _expert_pack(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.load_format == "expert_pack" and not (options.model_loader_extra_config or {}).get("pack_path"):
        yield Problem(path="model_loader_extra_config", text="expert_pack reads the folder in pack_path; add it")


@_BOOK.rule("dense-moe-width", source="arg_groups/validation_hook.py, check_server_args (assertion)")
def _dense_moe_width(options: OptionFields, _: Context) -> Iterator[Problem]:
    width = options.get("moe_dense_tp_size")
    if width not in {None, 1, options.tp_size}:
        yield Problem(
            path="extra.moe_dense_tp_size", text=f"takes 1 or tp_size, got {width}; use 1 or {options.tp_size}"
        )


@_BOOK.rule("context-parallel-divides-tp", source="arg_groups/parallel_hook.py, handle_context_parallelism (assertion)")
def _context_parallel(options: OptionFields, _: Context) -> Iterator[Problem]:
    width = options.get("attn_cp_size")
    if isinstance(width, int) and width > 1 and options.tp_size % (width * options.attn_dp_size):
        yield Problem(
            path="extra.attn_cp_size",
            text=f"attn_dp_size x attn_cp_size must divide tp_size, got {options.attn_dp_size} x {width} with tp_size "
            f"{options.tp_size}; use a divisor of {options.tp_size // options.attn_dp_size}",
        )


@_BOOK.rule("chunked-prefill-of-zero", source="arg_groups/validation_hook.py (sizes <= 0 switch chunking off)")
def _zero_chunk(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.chunked_prefill_size == 0:
        yield Problem(path="chunked_prefill_size", text="0 switches chunked prefill off, got 0; say so with -1")


@_BOOK.rule(
    "chunked-prefill-in-pages",
    source="arg_groups/validation_hook.py, check_server_args (assertion); parallel_hook.py divides the chunk by attn_dp_size",
)
def _chunk_pages(options: OptionFields, _: Context) -> Iterator[Problem]:
    chunk, page = options.chunked_prefill_size, options.page_size
    if chunk is None or page is None or chunk <= 0:
        return
    groups = options.attn_dp_size
    if (chunk // groups) % page or chunk % groups:
        unit = page * groups
        nearest = max(unit, round(chunk / unit) * unit)
        each = f" for each of {groups} attention groups" if groups > 1 else ""
        yield Problem(
            path="chunked_prefill_size",
            text=f"must be a multiple of page_size ({page}){each}, got {chunk}; use {nearest}",
        )


@_BOOK.rule("context-within-model", source="configs/model_config.py, _derive_context_length (ValueError)")
def _context_within_model(options: OptionFields, context: Context) -> Iterator[Problem]:
    longest = context.model_max_context
    if longest is not None and options.context_length is not None and options.context_length > longest:
        yield Problem(
            path="context_length",
            text=f"the model's longest context is {longest} tokens, got {options.context_length}; use at most {longest}",
        )


@_BOOK.rule("context-within-pool", source="managers/tp_worker.py, max_req_len (cut to the pool without a message)")
def _context_within_pool(options: OptionFields, context: Context) -> Iterator[Problem]:
    context_length = options.context_length or context.model_max_context
    if (
        options.max_total_tokens is not None
        and context_length is not None
        and options.max_total_tokens < context_length
    ):
        yield Problem(
            path="max_total_tokens",
            text=f"a KV cache of {options.max_total_tokens} tokens cannot hold one context of {context_length}; raise it, or set "
            f"context_length to at most {options.max_total_tokens}",
        )


@_BOOK.rule("priority-scheduling-policy", source="arg_groups/validation_hook.py, check_server_args (assertion)")
def _priority_policy(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.get("enable_priority_scheduling") and options.get("schedule_policy") not in {"fcfs", "lof"}:
        yield Problem(
            path="schedule_policy",
            text=f"priority scheduling works with fcfs and lof, got {options.schedule_policy}; use one of them",
        )
    if options.get("retraction_policy") == "priority" and not options.get("enable_priority_scheduling"):
        yield Problem(
            path="extra.retraction_policy",
            text="priority needs priority scheduling; add extra.enable_priority_scheduling: true",
        )


@_BOOK.rule("padding-and-compile", source="arg_groups/validation_hook.py, check_server_args (assertion)")
def _padding_and_compile(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.get("disable_cuda_graph_padding") and options.get("enable_torch_compile"):
        yield Problem(
            path="extra.disable_cuda_graph_padding",
            text="torch compile needs padded batch sizes; leave out this or extra.enable_torch_compile",
        )


@_BOOK.rule("metrics-file-folder", source="arg_groups/validation_hook.py, check_server_args (ValueError)")
def _metrics_file(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.get("export_metrics_to_file") and not options.get("export_metrics_to_file_dir"):
        yield Problem(path="extra.export_metrics_to_file", text="needs extra.export_metrics_to_file_dir; add it")


@_BOOK.rule("sliding-window-ratio", source="arg_groups/kv_cache_hook.py, handle_cache_compatibility (ValueError)")
def _sliding_window_ratio(options: OptionFields, _: Context) -> Iterator[Problem]:
    ratio = options.get("swa_full_tokens_ratio")
    if ratio is not None and not 0 < ratio <= 1:
        yield Problem(path="extra.swa_full_tokens_ratio", text=f"must be above 0 and at most 1, got {ratio}; use 0.8")


def _divisors(number: int) -> str:
    lower = [n for n in range(1, math.isqrt(max(number, 0)) + 1) if number % n == 0]
    return " or ".join(map(str, sorted({*lower, *(number // n for n in lower)})))
