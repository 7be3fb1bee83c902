"""Rules of speculative decoding. Sources: SGLang 0.5.23 below `sglang/srt/`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.groups import SpeculativeOptions
from cdk_sglang.engine.rule import Context, RuleBook
from cdk_sglang.errors import Problem

BOOK: Final = RuleBook()

_HOOK: Final = "arg_groups/speculative_hook.py"
_EAGLES: Final = ("EAGLE", "EAGLE3", "NEXTN")
_EAGLE_FAMILY: Final = (*_EAGLES, "STANDALONE")  # share _handle_eagle_family
_NEED_DRAFT: Final = ("EAGLE", "EAGLE3", "STANDALONE", "DFLASH")  # DSPARK's may be bundled with the model
_GROUPED_DFLASH_SINCE: Final = "0.5.23"
"""Earlier releases refuse DFLASH with attention groups on NVIDIA's GPUs (_handle_dflash, ValueError)."""
_MIXED_CHUNK_SINCE: Final = "0.5.19"
"""In earlier releases every algorithm switches mixed chunks off (0.5.17 and 0.5.18, speculative_hook.py)."""
_PAGED_TREES: Final = ("flashinfer", "fa3", "triton")
# Backends with a default page size of 64 tokens (arg_groups/overrides.py, _mla_backend_page_constraints).
_PAGE_OF: Final = dict.fromkeys(("flashmla", "trtllm_mla", "cutedsl_mla", "trtllm_mha", "hpc_ops"), 64)


def _of(options: OptionFields, *algorithms: str) -> SpeculativeOptions | None:
    found = options.speculative
    return found if found is not None and found.algorithm in algorithms else None


@BOOK.rule(
    "one-stage", source="arg_groups/validation_hook.py, check_pipeline_parallel_compat; speculative_hook.py (DFLASH)"
)
def _one_stage(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.speculative is not None and options.pp_size > 1:
        yield Problem(
            path="pp_size",
            text=f"speculative decoding runs with one pipeline stage, got {options.pp_size}; use 1 and a larger tp_size",
        )


@BOOK.rule(
    "draft-needed", source=f"{_HOOK} (DFLASH rejected; EAGLE, EAGLE3, STANDALONE accepted and fail while loading)"
)
def _draft_needed(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative = _of(options, *_NEED_DRAFT)
    if speculative is not None and speculative.draft_model_path is None:
        yield Problem(
            path="speculative.draft_model_path",
            text=f"missing, {speculative.algorithm} needs a draft model; add it, or use NEXTN if the model has "
            "multi-token-prediction layers of its own",
        )


@BOOK.rule("draft-unused", source=f"{_HOOK}, _handle_ngram (ignored without a word)")
def _draft_unused(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative = _of(options, "NGRAM")
    if speculative is not None and speculative.draft_model_path is not None:
        yield Problem(
            path="speculative.draft_model_path",
            text=f"NGRAM drafts from the text itself and ignores it, got {speculative.draft_model_path}; leave it out",
        )


@BOOK.rule(
    "all-three-or-none", source=f"{_HOOK}, _handle_eagle_family (bare assertion, or TypeError for num_steps alone)"
)
def _all_three(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative = _of(options, *_EAGLE_FAMILY)
    if speculative is None or speculative.adaptive:
        return
    three = ("num_steps", "eagle_topk", "num_draft_tokens")
    present_names = [name for name in three if getattr(speculative, name) is not None]
    if present_names and len(present_names) < len(three):
        missing = [name for name in three if name not in present_names]
        yield Problem(
            path=f"speculative.{missing[0]}",
            text=f"missing, got {', '.join(present_names)} alone; add {' and '.join(missing)}, or leave all three out",
        )


@BOOK.rule("chain-length", source=f"{_HOOK}, _handle_eagle_family (changed with a warning)")
def _chain_length(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative = _of(options, *_EAGLE_FAMILY)
    if speculative is None or speculative.num_steps is None or speculative.num_draft_tokens is None:
        return
    if speculative.eagle_topk == 1 and speculative.num_draft_tokens != speculative.num_steps + 1:
        yield Problem(
            path="speculative.num_draft_tokens",
            text=f"a chain (eagle_topk 1) verifies num_steps + 1 tokens and SGLang overwrites it, got "
            f"{speculative.num_draft_tokens}; use {speculative.num_steps + 1}",
        )


@BOOK.rule("no-attention-groups", source=f"{_HOOK}, _handle_eagle_family and _handle_ngram (ValueError)")
def _no_attention_groups(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative = _of(options, "STANDALONE", "NGRAM")
    if speculative is not None and options.attn_dp_size > 1:
        yield Problem(
            path="attn_dp_size",
            text=f"{speculative.algorithm} does not run with attention groups, got {options.attn_dp_size}; use 1",
        )


@BOOK.rule("attention-groups-need-dp-head", source=f"{_HOOK}, _handle_dflash and _handle_dspark (ValueError)")
def _dp_head(options: OptionFields, context: Context) -> Iterator[Problem]:
    speculative = _of(options, "DFLASH", "DSPARK")
    if speculative is None or options.attn_dp_size == 1:
        return
    if speculative.algorithm == "DFLASH" and not context.has(_GROUPED_DFLASH_SINCE):
        yield Problem(
            path="attn_dp_size",
            text=f"DFLASH does not run with attention groups in SGLang {context.sglang_version}, got {options.attn_dp_size}; use 1, or "
            f"an image with SGLang {_GROUPED_DFLASH_SINCE}",
        )
    elif not options.get("enable_dp_lm_head"):
        yield Problem(
            path="attn_dp_size",
            text=f"{speculative.algorithm} with attention groups borrows a data-parallel output head; "
            "add extra.enable_dp_lm_head: true",
        )


@BOOK.rule("paged-trees", source=f"{_HOOK}, _handle_eagle_family and _handle_ngram (ValueError)")
def _paged_trees(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative, backend = options.speculative, options.attention_backend
    if speculative is None or backend is None:
        return
    page = options.page_size or _PAGE_OF.get(backend, 1)
    if page == 1:
        return
    if speculative.algorithm in _EAGLE_FAMILY and (speculative.eagle_topk or 1) > 1 and backend not in _PAGED_TREES:
        yield Problem(
            path="attention_backend",
            text=f"draft trees (eagle_topk {speculative.eagle_topk}) over pages of {page} tokens run on "
            f"{', '.join(_PAGED_TREES)}, got {backend}; use one of them, eagle_topk 1 or page_size 1",
        )
    breadth = options.get("speculative_ngram_max_bfs_breadth")
    if speculative.algorithm == "NGRAM" and breadth > 1 and backend != "flashinfer":
        yield Problem(
            path="attention_backend",
            text=f"NGRAM trees over pages of {page} tokens run on flashinfer, got {backend}; use it, "
            "page_size 1 or extra.speculative_ngram_max_bfs_breadth: 1",
        )


@BOOK.rule("chain-only-backend", source=f"{_HOOK}, _handle_eagle_family (ValueError)")
def _chain_only(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative = _of(options, *_EAGLE_FAMILY)
    if speculative is None or (speculative.eagle_topk or 1) == 1:
        return
    for name in ("attention_backend", "prefill_attention_backend", "decode_attention_backend"):
        if options.get(name) == "trtllm_mha":
            field = name if name == "attention_backend" else f"extra.{name}"
            yield Problem(
                path=field,
                text=f"trtllm_mha verifies chains only, got eagle_topk {speculative.eagle_topk}; use eagle_topk 1 or "
                "another backend",
            )


@BOOK.rule(
    "verifying-backend",
    source="SGLang 0.5.23 run on a CPU: 'EAGLE is not supported in decode attention backend torch_native'",
)
def _verifying_backend(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative = _of(options, *_EAGLE_FAMILY)
    if speculative is not None and options.attention_backend == "torch_native":
        yield Problem(
            path="attention_backend",
            text=f"torch_native cannot verify drafts of {speculative.algorithm}; use triton or leave it out",
        )


@BOOK.rule("rejection-sampling", source=f"{_HOOK}, _handle_eagle_family (NotImplementedError, ValueError)")
def _rejection_sampling(options: OptionFields, _: Context) -> Iterator[Problem]:
    speculative = options.speculative
    if speculative is None or not speculative.use_rejection_sampling:
        return
    field = "speculative.use_rejection_sampling"
    if speculative.algorithm not in _EAGLES:
        yield Problem(path=field, text=f"works with {', '.join(_EAGLES)}, got {speculative.algorithm}; leave it out")
        return
    if speculative.eagle_topk != 1:
        got = "no eagle_topk" if speculative.eagle_topk is None else f"eagle_topk {speculative.eagle_topk}"
        yield Problem(path=field, text=f"works on chains, got {got}; set eagle_topk to 1")
    thresholds = (speculative.accept_threshold_single, speculative.accept_threshold_acc)
    if any(value not in {None, 1.0} for value in thresholds):
        yield Problem(path=field, text="ignores the accept thresholds; leave out the thresholds or this")


@BOOK.rule(
    "mixed-chunk", source=f"{_HOOK} and speculative/spec_info.py, supports_mixed_chunk (switched off with a warning)"
)
def _mixed_chunk(options: OptionFields, context: Context) -> Iterator[Problem]:
    some = context.has(_MIXED_CHUNK_SINCE)
    speculative = _of(options, "STANDALONE", "NGRAM") if some else options.speculative
    if speculative is not None and options.get("enable_mixed_chunk"):
        yield Problem(
            path="extra.enable_mixed_chunk", text=f"{speculative.algorithm} switches it off again; leave it out"
        )
