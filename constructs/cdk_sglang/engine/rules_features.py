"""Rules of adapters, the hierarchical KV cache and structured output. Sources: SGLang 0.5.23 below `sglang/srt/` unless they name another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.flags import flag_of
from cdk_sglang.engine.rule import Context, RuleBook
from cdk_sglang.errors import Problem

BOOK: Final = RuleBook()

_LORA: Final = "arg_groups/lora_hook.py, check_lora_server_args (assertion)"
_HICACHE: Final = "arg_groups/hicache_hook.py"
_HOST_MODES_SINCE: Final = "0.5.19"

# arg_groups/lora_hook.py, check_lora_speculative_compatibility; NEXTN has become EAGLE by then.
_LORA_ALGORITHMS: Final = ("NGRAM", "EAGLE", "NEXTN", "EAGLE3", "DFLASH", "DSPARK")
_LORA_ALGORITHMS_SINCE: Final = "0.5.19"
"""Earlier releases accept only NGRAM (0.5.17 and 0.5.18, server_args.py, check_lora_server_args: ValueError)."""


@BOOK.rule("lora-rank-and-modules", source=_LORA)
def _lora_shape(options: OptionFields, _: Context) -> Iterator[Problem]:
    lora = options.lora
    if lora is None or options.get("lora_paths"):
        return
    for field, value in (("max_rank", lora.max_rank), ("target_modules", lora.target_modules)):
        if value is None:
            yield Problem(
                path=f"lora.{field}",
                text="missing; without adapters in extra.lora_paths SGLang cannot infer it; add it "
                "(rank and modules stand in the adapter's adapter_config.json)",
            )


@BOOK.rule("lora-all-modules-alone", source=_LORA)
def _lora_all(options: OptionFields, _: Context) -> Iterator[Problem]:
    modules = (options.lora and options.lora.target_modules) or ()
    if "all" in modules and len(modules) > 1:
        yield Problem(
            path="lora.target_modules", text=f"all stands alone, got {', '.join(modules)}; use all or name the modules"
        )


@BOOK.rule("lora-loaded-holds-batch", source=_LORA)
def _lora_loaded(options: OptionFields, _: Context) -> Iterator[Problem]:
    lora = options.lora
    if lora is None or lora.max_loaded_loras is None:
        return
    batch = lora.max_loras_per_batch or flag_of("max_loras_per_batch").default
    if lora.max_loaded_loras < batch:
        by_default = "" if lora.max_loras_per_batch else ", SGLang's default"
        yield Problem(
            path="lora.max_loaded_loras",
            text=f"must be at least max_loras_per_batch ({batch}{by_default}), got {lora.max_loaded_loras}; use {batch} "
            "or lower max_loras_per_batch",
        )
    paths = options.get("lora_paths") or ()
    named = len(paths) if isinstance(paths, list) else 1
    if named > lora.max_loaded_loras:
        yield Problem(
            path="lora.max_loaded_loras",
            text=f"extra.lora_paths names {named} adapters, got {lora.max_loaded_loras}; use at least {named}",
        )


@BOOK.rule("lora-overlap-loading", source=_LORA)
def _lora_overlap(options: OptionFields, _: Context) -> Iterator[Problem]:
    lora = options.lora
    if lora is None or not lora.overlap_loading:
        return
    most = 2 * (lora.max_loras_per_batch or flag_of("max_loras_per_batch").default)
    if lora.max_loaded_loras is None or lora.max_loaded_loras > most:
        yield Problem(
            path="lora.overlap_loading",
            text=f"pins adapters in host memory and needs max_loaded_loras of at most {most} (twice max_loras_per_batch), "
            f"got {lora.max_loaded_loras or 'none'}; set lora.max_loaded_loras",
        )


@BOOK.rule("lora-paths-need-lora", source="arg_groups/lora_hook.py (switches adapters on by itself, with a warning)")
def _lora_paths(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.lora is None and options.get("lora_paths"):
        yield Problem(path="extra.lora_paths", text="switches adapters on without their settings; add lora")


@BOOK.rule("lora-with-algorithm", source="arg_groups/lora_hook.py, check_lora_speculative_compatibility (ValueError)")
def _lora_speculative(options: OptionFields, context: Context) -> Iterator[Problem]:
    speculative = options.speculative
    if options.lora is None or speculative is None:
        return
    if speculative.algorithm != "NGRAM" and not context.has(_LORA_ALGORITHMS_SINCE):
        yield Problem(
            path="speculative.algorithm",
            text=f"with adapters SGLang {context.sglang_version} takes NGRAM alone, got {speculative.algorithm}; use NGRAM, or an "
            f"image with SGLang {_LORA_ALGORITHMS_SINCE} or newer",
        )
    elif speculative.algorithm not in _LORA_ALGORITHMS:
        yield Problem(
            path="speculative.algorithm",
            text=f"adapters work with {', '.join(_LORA_ALGORITHMS)}, got {speculative.algorithm}; use one of them",
        )
    elif speculative.adaptive and speculative.algorithm != "NGRAM":
        yield Problem(path="speculative.adaptive", text="does not work with adapters; leave out adaptive or lora")


@BOOK.rule("hicache-needs-radix-cache", source="arg_groups/kv_cache_hook.py, handle_cache_compatibility (ValueError)")
def _hicache_radix(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.hicache is not None and options.disable_radix_cache:
        yield Problem(
            path="disable_radix_cache", text="hicache keeps the prefixes of that cache; leave out hicache or this"
        )


@BOOK.rule(
    "hicache-buffer-needs-storage",
    source=f"{_HICACHE}, validate_hicache_host_memory_mode (ValueError)",
    since=_HOST_MODES_SINCE,
)
def _hicache_buffer(options: OptionFields, _: Context) -> Iterator[Problem]:
    hicache = options.hicache
    if hicache is not None and hicache.host_memory_mode == "buffer_only" and hicache.storage_backend is None:
        yield Problem(
            path="hicache.host_memory_mode",
            text="buffer_only keeps nothing without a storage backend; add hicache.storage_backend or use cache",
        )


@BOOK.rule(
    "hicache-write-back-needs-cache",
    source=f"{_HICACHE}, validate_hicache_host_memory_mode (changed silently)",
    since=_HOST_MODES_SINCE,
)
def _hicache_write_back(options: OptionFields, _: Context) -> Iterator[Problem]:
    hicache = options.hicache
    if hicache is not None and hicache.host_memory_mode == "buffer_only" and hicache.write_policy == "write_back":
        yield Problem(
            path="hicache.write_policy",
            text="there is no host tier to write back from with buffer_only, SGLang writes through; use write_through",
        )


@BOOK.rule(
    "hicache-one-size", source="arg_groups/fields/memory.py (size overrides ratio; either switches the fraction off)"
)
def _hicache_sizes(options: OptionFields, _: Context) -> Iterator[Problem]:
    hicache = options.hicache
    if hicache is None:
        return
    sizes = [name for name in ("ratio", "size_gb", "host_memory_fraction") if getattr(hicache, name) is not None]
    if len(sizes) > 1:
        kept = "size_gb" if "size_gb" in sizes else "ratio"
        yield Problem(
            path=f"hicache.{kept}",
            text=f"SGLang uses this one alone, got {', '.join(sizes)}; keep one",
        )


@BOOK.rule("hicache-layout-and-copy", source=f"{_HICACHE}, resolve_layout_io_compatibility (changed with a warning)")
def _hicache_layout(options: OptionFields, _: Context) -> Iterator[Problem]:
    hicache = options.hicache
    if hicache is None:
        return
    layout, copy = options.get("hicache_mem_layout"), options.get("hicache_io_backend")
    if layout == "page_first_direct" and copy == "kernel":
        yield Problem(
            path="hicache.mem_layout",
            text="page_first_direct is copied by the direct backend; set io_backend to direct",
        )
    elif layout == "page_first" and copy == "direct":
        yield Problem(
            path="hicache.io_backend",
            text="direct copies page_first_direct and layer_first, page_first is SGLang's default; "
            "set mem_layout to page_first_direct",
        )


@BOOK.rule(
    "hicache-storage-layout", source=f"{_HICACHE}, resolve_storage_layout_compatibility (changed with a warning)"
)
def _hicache_storage_layout(options: OptionFields, _: Context) -> Iterator[Problem]:
    hicache = options.hicache
    if hicache is not None and hicache.storage_backend == "mooncake" and hicache.mem_layout == "layer_first":
        yield Problem(
            path="hicache.mem_layout", text="mooncake cannot store layer_first; use page_first or page_first_direct"
        )


@BOOK.rule("hicache-storage-settings-need-storage", source=f"{_HICACHE} (ignored without a storage backend)")
def _hicache_storage(options: OptionFields, _: Context) -> Iterator[Problem]:
    hicache = options.hicache
    if hicache is None or hicache.storage_backend is not None:
        return
    for name in ("storage_prefetch_policy", "storage_extra_config"):
        if getattr(hicache, name) is not None:
            yield Problem(
                path=f"hicache.{name}", text="does nothing without a storage backend; add hicache.storage_backend"
            )


@BOOK.rule("hicache-or-external-linker", source=f"{_HICACHE}, handle_hicache (ValueError)", since="0.5.20")
def _hicache_linker(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.hicache is not None and options.get("enable_unified_cache_external_linker"):
        yield Problem(
            path="extra.enable_unified_cache_external_linker", text="excludes hicache; leave out one of the two"
        )


@BOOK.rule(
    "json-whitespace-engines", source="arg_groups/fields/serving.py (outlines and llguidance only, else ignored)"
)
def _json_whitespace(options: OptionFields, _: Context) -> Iterator[Problem]:
    engine = options.grammar_backend or "xgrammar"
    if options.get("constrained_json_whitespace_pattern") and engine not in {"outlines", "llguidance"}:
        yield Problem(
            path="extra.constrained_json_whitespace_pattern",
            text=f"is read by outlines and llguidance only, got grammar_backend {engine}; set grammar_backend",
        )
