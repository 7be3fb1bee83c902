"""An EAGLE or EAGLE3 head in PyTorch, to be trained: layers, norms and names are those of SGLang's heads.

(srt/models/llama_eagle.py and llama_eagle3.py of 0.5.23.) Runs in `.venv-engine`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch.nn import functional

from localcloud.engine.tiny_drafts import tensor_shapes


class Head:
    """An EAGLE or EAGLE3 head whose parameters have SGLang's names.

    Args:
        config: From `draft_config`.
        algorithm: EAGLE or EAGLE3.
        embedding: The base's embedding.
        output: The rows of the base's head that the draft may guess.
    """

    def __init__(
        self, config: dict[str, Any], *, algorithm: str, embedding: torch.Tensor, output: torch.Tensor
    ) -> None:
        self._config, self._third = config, algorithm == "EAGLE3"
        self._layer = "midlayer" if self._third else "layers.0"
        self._embedding, self._output = embedding, output
        self._theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
        self.weights = {}
        for name, shape in tensor_shapes(config, algorithm).items():
            if len(shape) == 1:
                start = torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
            else:
                start = torch.randn(shape) / shape[-1] ** 0.5
                start *= 0.3 if "o_proj" in name or "down_proj" in name else 1.0
            self.weights[name] = start.requires_grad_()
        if self._third:
            self.weights["lm_head.weight"] = output.clone().requires_grad_()

    def begin_as_last_layer(self, base: Mapping[str, torch.Tensor]) -> None:
        """Let an EAGLE3 head begin as the base's last layer, which reads the last of the recorded states.

        Args:
            base: The base's tensors by their names in its file.
        """
        hidden, last = self._config["hidden_size"], max(int(name.split(".")[2]) for name in base if ".layers." in name)
        with torch.no_grad():
            for name, weight in self.weights.items():
                theirs = base.get(f"model.layers.{last}.{name.removeprefix('midlayer.')}")
                if name == "fc.weight":
                    weight.mul_(0.1)[:, -hidden:] += torch.eye(hidden)
                elif name == "norm.weight":
                    weight.copy_(base["model.norm.weight"])
                elif name == "midlayer.hidden_norm.weight":
                    weight.copy_(base[f"model.layers.{last}.input_layernorm.weight"])
                elif theirs is not None and name != "midlayer.input_layernorm.weight":
                    weight[:, -hidden:].copy_(theirs) if "self_attn" in name and "o_proj" not in name else weight.copy_(
                        theirs
                    )

    def _linear(self, name: str, values: torch.Tensor) -> torch.Tensor:
        return functional.linear(values, self.weights[f"{self._layer}.{name}.weight"])

    def _norm(self, name: str, values: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(values, values.shape[-1:], self.weights[name], self._config["rms_norm_eps"])

    def read(self, features: torch.Tensor) -> torch.Tensor:
        """Return what the layer gets of the base's states; the EAGLE head joins them with the embedding later."""
        return functional.linear(features, self.weights["fc.weight"]) if self._third else features

    def step(
        self, tokens: torch.Tensor, hidden: torch.Tensor, memory: list[tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the head once over all places of a batch.

        Args:
            tokens: Token after each place.
            hidden: State at each place: of the base in the first step, else the head's own of the place before.
            memory: Keys and values of the steps so far, which grows.

        Returns:
            What `scores` reads, and the head's state.
        """
        embeds = functional.embedding(tokens, self._embedding)
        if self._third:
            joined = torch.cat(
                [
                    self._norm(f"{self._layer}.input_layernorm.weight", embeds),
                    self._norm(f"{self._layer}.hidden_norm.weight", hidden),
                ],
                dim=-1,
            )
        else:
            weight, bias = self.weights["fc.weight"], self.weights["fc.bias"]
            hidden = joined = functional.linear(torch.cat([embeds, hidden], dim=-1), weight, bias)
        state = hidden + self._attention(joined, memory)
        normed = self._norm(f"{self._layer}.post_attention_layernorm.weight", state)
        gate = functional.silu(self._linear("mlp.gate_proj", normed)) * self._linear("mlp.up_proj", normed)
        state = state + self._linear("mlp.down_proj", gate)
        return self._norm("norm.weight", state) if self._third else state, state

    def scores(self, read: torch.Tensor) -> torch.Tensor:
        """Return the scores of the next token, from what `step` gives."""
        return functional.linear(read, self.weights["lm_head.weight"] if self._third else self._output)

    def _attention(self, joined: torch.Tensor, memory: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Attend to the base's states up to the place where guessing began, and to each own step since."""
        batch, length, _ = joined.shape
        size, heads, kv = (self._config[key] for key in ("head_dim", "num_attention_heads", "num_key_value_heads"))

        def split(name: str, number: int) -> torch.Tensor:
            return self._linear(name, joined).view(batch, length, number, size).transpose(1, 2)

        query = _rotate(split("self_attn.q_proj", heads), self._theta)
        key = _rotate(split("self_attn.k_proj", kv), self._theta).repeat_interleave(heads // kv, dim=1)
        value = split("self_attn.v_proj", kv).repeat_interleave(heads // kv, dim=1)
        memory.append((key, value))
        own = len(memory) - 1
        places = torch.arange(length)
        scores = query @ memory[0][0].transpose(-1, -2)
        scores = scores.masked_fill(places[None, :] > places[:, None] - own, float("-inf"))
        steps = [_behind(pair, own - place) for place, pair in enumerate(memory[1:], start=1)]
        diagonal = [(query * keys).sum(-1, keepdim=True) for keys, _ in steps]
        weights = (torch.cat([scores, *diagonal], dim=-1) / size**0.5).softmax(-1)
        mixed = weights[..., :length] @ memory[0][1]
        for place, (_, values) in enumerate(steps):
            mixed = mixed + weights[..., length + place, None] * values
        return self._linear("self_attn.o_proj", mixed.transpose(1, 2).reshape(batch, length, heads * size))


def _behind(pair: tuple[torch.Tensor, torch.Tensor], places: int) -> tuple[torch.Tensor, torch.Tensor]:
    return (_shift(pair[0], places, dim=2), _shift(pair[1], places, dim=2))


def _shift(values: torch.Tensor, places: int, *, dim: int) -> torch.Tensor:
    """Move along a dimension; what comes in is zero and belongs to no guess that counts."""
    if places == 0:
        return values
    kept = values.narrow(dim, 0, values.shape[dim] - places)
    return torch.cat([torch.zeros_like(values.narrow(dim, 0, places)), kept], dim=dim)


def _rotate(values: torch.Tensor, theta: float) -> torch.Tensor:
    length, size = values.shape[-2:]
    angles = torch.arange(length)[:, None] * theta ** (-torch.arange(0, size, 2) / size)
    cos, sin = angles.cos(), angles.sin()
    first, second = values.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def guesses(head: Head, tokens: torch.Tensor, features: torch.Tensor, *, ahead: int) -> list[torch.Tensor]:
    """Return what `Head.scores` reads, of each step, for the token two after each place: known up to two before the end."""
    memory: list[tuple[torch.Tensor, torch.Tensor]] = []
    following, hidden = tokens[:, 1:-1], head.read(features[:, :-2])
    found = []
    for _ in range(ahead):
        read, state = head.step(following, hidden, memory)
        found.append(read)
        hidden = _shift(state, 1, dim=1)
    return found
