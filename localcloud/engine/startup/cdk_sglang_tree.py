"""Bookkeeping of a draft that is a chain (top-k 1), in PyTorch: SGLang's Triton kernels for it take a GPU microseconds.

In Triton's interpreter they are two fifths of a step (measured with py-spy, 2026-11), which says nothing about drafts. Each function does
for a chain what the kernel that it replaces does (sglang 0.5.23), and leaves trees to the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

Function = Callable[..., Any]


def change_trees(module: ModuleType) -> None:
    """Change `sglang.kernels.ops.speculative.spec_tree`: it uses the functions for Triton, extended to handle chains.

    Args:
        module: The module, just imported.
    """
    names = vars(module)
    names["_is_xpu"] = True
    names["sgl_build_tree_kernel_triton"] = _building(names["sgl_build_tree_kernel_triton"])
    names["verify_tree_greedy_triton"] = _verifying(names["verify_tree_greedy_triton"])


def change_allocation(module: ModuleType) -> None:
    """Change `sglang.srt.mem_cache.allocation`, which writes the places of a chain's keys and values.

    Args:
        module: The module, just imported.
    """
    vars(module)["assign_req_to_token_pool_func"] = _assign


def change_places(module: ModuleType) -> None:
    """Change `sglang.kernels.ops.speculative.cache_locs`, which reads them.

    Args:
        module: The module, just imported.
    """
    names = vars(module)
    names["assign_draft_cache_locs_contiguous_func"] = _reading(names["assign_draft_cache_locs_contiguous_func"])


def _building(plain: Function) -> Function:
    import torch

    def build(
        parents: Any,
        selected: Any,
        lengths: Any,
        mask: Any,
        positions: Any,
        index: Any,
        following: Any,
        sibling: Any,
        topk: int,
        depth: int,
        tokens: int,
        *mode: Any,
    ) -> None:
        if topk != 1:
            plain(parents, selected, lengths, mask, positions, index, following, sibling, topk, depth, tokens, *mode)
            return
        places = torch.arange(tokens)
        positions.view(-1, tokens).copy_(lengths[:, None] + places)
        index.view(-1, tokens).copy_(torch.arange(len(lengths) * tokens).view(-1, tokens))
        following.view(-1, tokens).copy_(torch.where(places < tokens - 1, places + 1, -1))
        sibling.fill_(-1)  # the mask stays as it is: attention over a chain needs none

    return build


def _verifying(plain: Function) -> Function:
    import torch

    def verify(
        predicts: Any,
        accept_index: Any,
        accept_token_num: Any,
        candidates: Any,
        retrieve_index: Any,
        retrieve_next_token: Any,
        retrieve_next_sibling: Any,
        target_predict: Any,
    ) -> None:
        if (retrieve_next_sibling != -1).any():
            plain(
                predicts,
                accept_index,
                accept_token_num,
                candidates,
                retrieve_index,
                retrieve_next_token,
                retrieve_next_sibling,
                target_predict,
            )
            return
        (batch, tokens), most = candidates.shape, accept_index.shape[1]
        predictions = target_predict.view(batch, tokens)
        right = (candidates[:, 1:most] == predictions[:, : most - 1]).long().cumprod(dim=1).sum(dim=1)
        places = torch.arange(most)
        accepted = places <= right[:, None]
        flat = (torch.arange(batch)[:, None] * tokens + places)[accepted]
        accept_index[accepted] = flat.to(accept_index.dtype)
        accept_token_num.copy_(right)
        predicts.view(-1)[flat] = predictions[:, :most][accepted].to(predicts.dtype)

    return verify


def _assign(rows: Any, table: Any, starts: Any, ends: Any, places: Any, batch: int) -> None:
    done = 0
    spans = zip(rows[:batch].tolist(), starts[:batch].tolist(), ends[:batch].tolist(), strict=True)
    for row, start, end in spans:
        table[row, start:end] = places[done : done + end - start].to(table.dtype)
        done += end - start


def _reading(plain: Function) -> Function:
    import torch

    def read(
        rows: Any, table: Any, lengths: Any, out: Any, topk: int, columns: int, positions: Any = None, mrope: Any = None
    ) -> None:
        if topk != 1 or positions is not None or mrope is not None:
            plain(rows, table, lengths, out, topk, columns, positions=positions, mrope=mrope)
            return
        places = lengths[:, None] + torch.arange(columns)
        out.view(-1, columns).copy_(table[rows.long()[:, None], places.long()])

    return read
