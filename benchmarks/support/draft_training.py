"""Train an EAGLE or EAGLE3 head for a small Llama on this machine: runs in `.venv-engine`, needs no GPU, takes minutes.

    .venv-engine/bin/python benchmarks/support/draft_training.py BASE DRAFT [--algorithm EAGLE3] [--sequences 256] [--steps 400]

The recipe is EAGLE-3's (https://arxiv.org/abs/2503.01840), without its scale: the base continues synthetic prompts greedily, its hidden
states are recorded, and the head learns to say the next token from them, in as many steps as it will guess ahead, of which all but the
first read its own output ("training-time test"). Layers, norms and names are those of SGLang's heads (srt/models/llama_eagle.py and
llama_eagle3.py of 0.5.23).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch.nn import functional

from localcloud.engine.tiny_drafts import draft_config, tensor_shapes, write_draft

WORDS = [
    *("the", "a", "our", "this", "every", "model", "token", "draft", "answer", "question", "letter", "river", "winter"),
    *("garden", "number", "engine", "paper", "window", "story", "reads", "writes", "counts", "sends", "finds", "keeps"),
    *("blue", "small", "quick", "late", "early", "quiet", "long", "new", "old", "and", "or", "but", "with", "from"),
    *(
        "before",
        "after",
        "while",
        "where",
        "how",
        "why",
        "what",
        "when",
        "please",
        "tell",
        "explain",
        "list",
        "compare",
    ),
]
PROMPT_TOKENS = 48
BATCH = 16


def prompts(count: int, *, seed: int) -> list[str]:
    """Return questions of one length in the tiny model's chat template, the same ones for a seed."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=20))[:PROMPT_TOKENS] for _ in range(count)]
    return [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in texts]


class Recording:
    """Greedy continuations of a base, and what an EAGLE head gets to see of it.

    Args:
        base: Folder of the base.
        config: The draft's.
        algorithm: EAGLE or EAGLE3.
        sequences: Number of continuations.
        length: Tokens of each continuation.
        seed: Seed of the prompts.
    """

    def __init__(
        self, base: Path, config: dict[str, Any], *, algorithm: str, sequences: int, length: int, seed: int
    ) -> None:
        from transformers import AutoTokenizer, LlamaForCausalLM

        tokenizer = AutoTokenizer.from_pretrained(base)
        model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        self.embedding = model.model.embed_tokens.weight.detach()
        self.head = model.lm_head.weight.detach()
        texts = prompts(sequences, seed=seed)
        ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts])
        self.prompt = ids.shape[1]
        tokens, features = [], []
        with torch.inference_mode():
            for part in ids.split(BATCH * 8):
                whole = _continue(model, part, length)
                states = model(whole, output_hidden_states=True).hidden_states
                if algorithm == "EAGLE":
                    seen = states[-1]  # behind the last norm, as the head of the base reads it
                else:
                    layers = config["eagle_config"]["eagle_aux_hidden_state_layer_ids"]
                    seen = torch.cat([states[layer + 1] for layer in layers], dim=-1)
                tokens.append(whole)
                features.append(seen)
        self.tokens, self.features = torch.cat(tokens).clone(), torch.cat(features).clone()


def _continue(model: torch.nn.Module, ids: torch.Tensor, length: int) -> torch.Tensor:
    past, last, whole = None, ids, [ids]
    for _ in range(length):
        out = model(last, past_key_values=past, use_cache=True)
        past, last = out.past_key_values, out.logits[:, -1:].argmax(-1)
        whole.append(last)
    return torch.cat(whole, dim=1)


class Head:
    """An EAGLE or EAGLE3 head whose parameters have SGLang's names.

    Args:
        config: From `draft_config`.
        algorithm: EAGLE or EAGLE3.
        recording: Embedding and head of the base.
    """

    def __init__(self, config: dict[str, Any], *, algorithm: str, recording: Recording) -> None:
        self._config, self._third = config, algorithm == "EAGLE3"
        self._layer = "midlayer" if self._third else "layers.0"
        self._embedding, self._base_head = recording.embedding, recording.head
        self.weights = {}
        for name, shape in tensor_shapes(config, algorithm).items():
            if len(shape) == 1:
                start = torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
            else:
                start = torch.randn(shape) / shape[-1] ** 0.5
                start *= 0.3 if "o_proj" in name or "down_proj" in name else 1.0
            self.weights[name] = start.requires_grad_()
        if self._third:
            self.weights["lm_head.weight"] = recording.head.clone().requires_grad_()

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
            Scores of the next token, and the head's state.
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
        if self._third:
            return functional.linear(self._norm("norm.weight", state), self.weights["lm_head.weight"]), state
        return functional.linear(state, self._base_head), state

    def _attention(self, joined: torch.Tensor, memory: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Attend to the base's states up to the place where guessing began, and to each own step since."""
        batch, length, _ = joined.shape
        size, heads, kv = (self._config[key] for key in ("head_dim", "num_attention_heads", "num_key_value_heads"))

        def split(name: str, number: int) -> torch.Tensor:
            return self._linear(name, joined).view(batch, length, number, size).transpose(1, 2)

        query = _rotate(split("self_attn.q_proj", heads), self._config["rope_theta"])
        key = _rotate(split("self_attn.k_proj", kv), self._config["rope_theta"]).repeat_interleave(heads // kv, dim=1)
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
    """Return the scores of each step for the token two after each place, which is known up to two before the end."""
    memory: list[tuple[torch.Tensor, torch.Tensor]] = []
    following, hidden = tokens[:, 1:-1], head.read(features[:, :-2])
    found = []
    for _ in range(ahead):
        scores, state = head.step(following, hidden, memory)
        found.append(scores)
        hidden = _shift(state, 1, dim=1)
    return found


def train(
    base: Path, folder: Path, *, algorithm: str, sequences: int, length: int, steps: int, ahead: int
) -> dict[str, Any]:
    """Train a head and write it as SGLang loads it.

    Args:
        base: Folder of the base model.
        folder: Folder of the draft.
        algorithm: EAGLE or EAGLE3.
        sequences: Number of continuations to learn from.
        length: Tokens of each.
        steps: Steps of the optimizer.
        ahead: Tokens that the head guesses ahead.

    Returns:
        Seconds, and the share of right guesses at each step ahead on prompts that were not learned from.
    """
    torch.manual_seed(0)
    began = time.monotonic()
    config = draft_config(json.loads((base / "config.json").read_text(encoding="utf-8")), algorithm)
    learned = Recording(base, config, algorithm=algorithm, sequences=sequences, length=length, seed=1)
    held_out = Recording(base, config, algorithm=algorithm, sequences=BATCH, length=length, seed=2)
    recorded = time.monotonic()
    head = Head(config, algorithm=algorithm, recording=learned)
    optimizer = torch.optim.AdamW(head.weights.values(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps, pct_start=0.1)
    for number in range(steps):
        chosen = torch.randint(sequences, (BATCH,))
        tokens, features = learned.tokens[chosen], learned.features[chosen]
        labels = tokens[:, 2:]
        loss = torch.zeros(())
        for place, scores in enumerate(guesses(head, tokens, features, ahead=ahead)):
            first = learned.prompt - 2 + place  # the base's own words, not the prompt's
            loss = loss + 0.8**place * functional.cross_entropy(
                scores[:, first:].flatten(0, 1), labels[:, first:].flatten()
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.weights.values(), 1.0)
        optimizer.step()
        schedule.step()
        if number % 50 == 0 or number == steps - 1:
            print(
                f"step {number}: loss {loss.item():.3f}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
            )
    state = {name: weight.detach().to(torch.bfloat16) for name, weight in head.weights.items()}
    write_draft(folder, config=config, state=state)
    right = _share_right(head, held_out, ahead=ahead)
    return {"recording_s": recorded - began, "training_s": time.monotonic() - recorded, "right": right}


def _share_right(head: Head, recording: Recording, *, ahead: int) -> list[float]:
    with torch.inference_mode():
        found = guesses(head, recording.tokens, recording.features, ahead=ahead)
    labels = recording.tokens[:, 2:]
    return [
        (scores.argmax(-1) == labels)[:, recording.prompt - 2 + place :].float().mean().item()
        for place, scores in enumerate(found)
    ]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path)
    parser.add_argument("draft", type=Path)
    parser.add_argument("--algorithm", choices=["EAGLE", "EAGLE3"], default="EAGLE3")
    parser.add_argument("--sequences", type=int, default=256)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--ahead", type=int, default=3)
    options = vars(parser.parse_args())
    base, draft = options.pop("base"), options.pop("draft")
    print(json.dumps(train(base, draft, **options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
