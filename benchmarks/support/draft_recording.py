"""A base's greedy answers, and what an EAGLE head gets to see of it: runs in `.venv-engine`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from draft_prompts import UNKNOWN
from torch.nn import functional

_BATCH = 256


class Base:
    """A base model in PyTorch.

    Args:
        folder: Its files.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer, LlamaForCausalLM

        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.embedding: torch.Tensor = self.model.model.embed_tokens.weight.detach()
        self.output: torch.Tensor = self.model.lm_head.weight.detach()

    def tokens(self, texts: list[str]) -> list[list[int]]:
        """Return the tokens of texts."""
        return [self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


class Recording:
    """Greedy continuations, and the base's states.

    Args:
        base: The base.
        texts: Prompts.
        length: Tokens of each continuation.
        recorded: Layers whose output is recorded. Default: the state that the base's own head reads.
        stop: Token after which a continuation counts no more. Default: none.

    Attributes:
        tokens: Prompts and continuations, a row each; zeros fill the end of the shorter ones.
        features: States of each place.
        own: Whether a place's token is the base's own.
    """

    def __init__(
        self, base: Base, texts: list[str], *, length: int, recorded: list[int] | None = None, stop: int | None = None
    ) -> None:
        rows = sorted(base.tokens(texts), key=len)
        places = len(rows[-1]) + length
        tokens, features, own = [], [], []
        with torch.inference_mode():
            for number in range(0, len(rows), _BATCH):
                part = rows[number : number + _BATCH]
                widest = len(part[-1])
                whole, layer_states = _continue(base.model, part, length, recorded)
                for row, ids in enumerate(part):
                    gap = widest - len(ids)
                    mine = _until(whole[row, widest:], stop)
                    start = torch.zeros(len(ids), dtype=torch.bool)
                    fill = places - len(ids) - length
                    tokens.append(functional.pad(whole[row, gap:], (0, fill)))
                    features.append(functional.pad(layer_states[row, gap:], (0, 0, 0, fill)))
                    own.append(functional.pad(torch.cat([start, mine]), (0, fill)))
        self.tokens, self.features, self.own = (torch.stack(each).clone() for each in (tokens, features, own))


def _until(tokens: torch.Tensor, stop: int | None) -> torch.Tensor:
    """Return which tokens are said: those up to the first stop, which is said too."""
    stops = (tokens == stop).long() if stop is not None else torch.zeros_like(tokens)
    return stops.cumsum(0) - stops == 0


def _continue(
    model: torch.nn.Module, rows: list[list[int]], length: int, recorded: list[int] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens with their continuation, and the states of each place (zeros for the last); shorter rows begin later."""
    widest = max(len(row) for row in rows)
    last = torch.tensor([[0] * (widest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (widest - len(row)) + [1] * len(row) for row in rows])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    past, whole, layer_states = None, [last], []
    for _ in range(length):
        out = model(
            last,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=past,
            use_cache=True,
            output_hidden_states=True,
            logits_to_keep=1,
        )
        states = out.hidden_states
        # The last state is behind the last norm, as the head of the base reads it; the first is the embedding.
        layer_states.append(
            states[-1] if recorded is None else torch.cat([states[layer + 1] for layer in recorded], dim=-1)
        )
        past, last = out.past_key_values, out.logits[:, -1:].argmax(-1)
        mask, positions = functional.pad(mask, (0, 1), value=1), positions[:, -1:] + 1
        whole.append(last)
    return torch.cat(whole, dim=1), torch.cat([*layer_states, torch.zeros_like(layer_states[-1][:, -1:])], dim=1)


def labels(recording: Recording, places: list[int] | None, *, ahead: int) -> list[torch.Tensor]:
    """Return the token that each step guesses at each place, as the draft numbers it, and `UNKNOWN` where none counts.

    A step guesses the token two after its place; guessing begins where the base's own words do.

    Args:
        recording: The continuations.
        places: For each of the base's tokens the draft's. Default: the same.
        ahead: Number of steps.
    """
    following = recording.tokens[:, 2:]
    known = following if places is None else torch.tensor(places)[following]
    own, found = recording.own[:, 2:], []
    for step in range(ahead):
        begun = functional.pad(own, (step, 0))[:, : own.shape[1]]
        found.append(known.masked_fill(~(own & begun), UNKNOWN))
    return found
