"""Train an EAGLE or EAGLE3 head for a small Llama on this machine: runs in `.venv-engine`, needs no GPU, takes minutes.

    .venv-engine/bin/python benchmarks/support/draft_training.py BASE DRAFT [--kind smollm2] [--random FOLDER] [--sequences 256] [--steps 400]

The recipe is EAGLE-3's (https://arxiv.org/abs/2503.01840), without its scale: the base continues prompts greedily, its hidden states are
recorded, and the head learns to say the next token from them, in as many steps as it will guess ahead, of which all but the first read
its own output ("training-time test"). A head for SmolLM2 begins as the base's last layer, and guesses only tokens
that are common or occur in the answers.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from draft_head import Head, guesses
from draft_prompts import RANDOM, SMOLLM2, UNKNOWN, Vocabulary, prompts
from draft_recording import Base, Recording, labels
from torch.nn import functional

from localcloud.engine.tiny_drafts import draft_config, random_tensors, write_draft

BATCHES = {RANDOM: 16, SMOLLM2: 8}
CHECKED = 16
COMMON = 4096
"""Tokens that a reduced vocabulary has in any case: the first of a BPE are those that it merged first, the commonest."""
DISCOUNT = 0.8
"""Weight of a step's loss, of that before it."""
RATES = {RANDOM: 2e-3, SMOLLM2: 1e-3}


def train(
    base: Path,
    folder: Path,
    *,
    kind: str,
    algorithm: str,
    sequences: int,
    length: int,
    steps: int,
    ahead: int,
    random: Path | None,
) -> dict[str, Any]:
    """Train a head and write it as SGLang loads it.

    Args:
        base: Folder of the base model.
        folder: Folder of the draft.
        kind: Kind of base: `RANDOM` or `SMOLLM2`.
        algorithm: EAGLE or EAGLE3.
        sequences: Number of continuations to learn from.
        length: Tokens of each.
        steps: Steps of the optimizer.
        ahead: Tokens that the head guesses ahead.
        random: Folder of a head of the same shape and vocabulary that learned nothing. Default: none is written.

    Returns:
        Seconds, CPU seconds, size of the vocabulary, and the share of right guesses at each step ahead on prompts that were not
        learned from.
    """
    torch.manual_seed(0)
    began = time.monotonic()
    model = Base(base)
    config = draft_config(model.config, algorithm)
    recorded = config["eagle_config"]["eagle_aux_hidden_state_layer_ids"] if algorithm == "EAGLE3" else None
    stop = model.config["eos_token_id"] if kind == SMOLLM2 else None
    learned, checked = (
        Recording(model, prompts(kind, part, count), length=length, recorded=recorded, stop=stop)
        for part, count in (("learned", sequences), ("checked", CHECKED))
    )
    vocabulary, output = None, model.output
    if kind == SMOLLM2:
        known = [*range(COMMON), *learned.tokens[learned.own].tolist()]
        vocabulary = Vocabulary.of(known, config["vocab_size"])
        config["draft_vocab_size"], output = len(vocabulary.ids), model.output[list(vocabulary.ids)]
    head = Head(config, algorithm=algorithm, embedding=model.embedding, output=output)
    if kind == SMOLLM2:
        head.begin_as_last_layer(model.model.state_dict())
    noted = {"recording_s": round(time.monotonic() - began, 1), "recording_cpu_s": round(time.process_time(), 1)}
    places = None if vocabulary is None else vocabulary.places()
    fit(
        head,
        learned,
        labels(learned, places, ahead=ahead),
        steps=steps,
        rate=RATES[kind],
        batch=BATCHES[kind],
        half=kind == SMOLLM2,
    )
    maps = {} if vocabulary is None else {"d2t": torch.tensor(vocabulary.d2t()), "t2d": torch.tensor(vocabulary.t2d())}
    state = {name: weight.detach().to(torch.bfloat16) for name, weight in head.weights.items()}
    write_draft(folder, config=config, state=state | maps)
    if random is not None:
        write_draft(random, config=config, state=random_tensors(config, algorithm) | maps)
    return noted | {
        "training_s": round(time.monotonic() - began - noted["recording_s"], 1),
        "training_cpu_s": round(time.process_time() - noted["recording_cpu_s"], 1),
        "vocabulary": config.get("draft_vocab_size", config["vocab_size"]),
        "right": share_right(head, checked, places, ahead=ahead),
    }


def fit(
    head: Head, learned: Recording, known: list[torch.Tensor], *, steps: int, batch: int, rate: float, half: bool
) -> None:
    """Train the head's weights.

    Args:
        head: The head.
        learned: Continuations to learn from.
        known: Labels of each step ahead.
        steps: Steps of the optimizer.
        batch: Continuations of each step.
        rate: Its largest rate of learning.
        half: Whether products of matrices are computed in bfloat16: a large head then takes half the time.
    """
    began = time.monotonic()
    optimizer = torch.optim.AdamW(head.weights.values(), lr=rate, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps, pct_start=0.1)
    for number in range(steps):
        chosen = torch.randint(len(learned.tokens), (batch,))
        loss = torch.zeros(())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            found = guesses(head, learned.tokens[chosen], learned.features[chosen], ahead=len(known))
            for place, read in enumerate(found):
                label = known[place][chosen]
                counts = label != UNKNOWN
                loss = loss + DISCOUNT**place * functional.cross_entropy(head.scores(read[counts]), label[counts])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.weights.values(), 1.0)
        optimizer.step()
        schedule.step()
        if number % 50 == 0 or number == steps - 1:
            print(
                f"step {number}: loss {loss.item():.3f}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
            )


def share_right(head: Head, recording: Recording, places: list[int] | None, *, ahead: int) -> list[float]:
    """Return the share of right guesses at each step ahead; a token that the draft does not have is a wrong one."""
    known, counted = labels(recording, places, ahead=ahead), labels(recording, None, ahead=ahead)
    with torch.inference_mode():
        found = guesses(head, recording.tokens, recording.features, ahead=ahead)
        return [
            (head.scores(read[count != UNKNOWN]).argmax(-1) == label[count != UNKNOWN]).float().mean().item()
            for read, label, count in zip(found, known, counted, strict=True)
        ]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path)
    parser.add_argument("draft", type=Path)
    parser.add_argument("--kind", choices=[RANDOM, SMOLLM2], default=RANDOM)
    parser.add_argument("--algorithm", choices=["EAGLE", "EAGLE3"], default="EAGLE3")
    parser.add_argument("--sequences", type=int, default=256)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--ahead", type=int, default=3)
    parser.add_argument("--random", type=Path)
    options = vars(parser.parse_args())
    base, draft = options.pop("base"), options.pop("draft")
    print(json.dumps(train(base, draft, **options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
