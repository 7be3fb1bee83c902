"""Prompts to train a draft on and to measure it with, made from a seed, and the draft's reduced vocabulary.

Bases of random weights get words in any order. SmolLM2 gets one narrow kind of work, the intake form of a clinic filled in from a note, with
one example before it. Instruction, example, and the note's and the form's pattern are always the same; no first name, family name or complaint
of a measured prompt is in a prompt that was trained on. Ages, times and the other words recur.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

SMOLLM2 = "smollm2"
RANDOM = "random"
PARTS = ("learned", "checked", "measured")
"""Prompts that the training learns from, those its share of right guesses is of, and those that the engine is measured with."""

UNKNOWN = -100
"""Label that PyTorch's loss leaves out."""

_WORDS = (
    *("the", "a", "our", "this", "every", "model", "token", "draft", "answer", "question", "letter", "river", "winter"),
    *("garden", "number", "engine", "paper", "window", "story", "reads", "writes", "counts", "sends", "finds", "keeps"),
    *("blue", "small", "quick", "late", "early", "quiet", "long", "new", "old", "and", "or", "but", "with", "from"),
    *("before", "after", "while", "where", "how", "why", "what", "when", "please", "tell", "explain", "list"),
    "compare",
)
_RANDOM_CHARACTERS = 48

_FIRST_NAMES = {
    "learned": (
        *("Peter", "Maria", "John", "Laura", "David", "Sarah", "Thomas", "Julia", "Robert", "Emma", "Daniel", "Alice"),
        *("Michael", "Helen", "James", "Nina", "George", "Clara", "Paul", "Rosa", "Simon", "Irene", "Oscar", "Martha"),
    ),
    "checked": ("Edward", "Sofia", "Henry", "Lucy"),
    "measured": ("William", "Grace", "Martin", "Olivia", "Frank", "Diana", "Charles", "Eva"),
}
_FAMILY_NAMES = {
    "learned": (
        *(
            "Brown",
            "Lopez",
            "Smith",
            "Novak",
            "Johnson",
            "Miller",
            "Garcia",
            "Wilson",
            "Moore",
            "Taylor",
            "Jackson",
            "White",
        ),
        *(
            "Harris",
            "Clark",
            "Lewis",
            "Walker",
            "Young",
            "King",
            "Wright",
            "Hill",
            "Green",
            "Baker",
            "Nelson",
            "Carter",
        ),
    ),
    "checked": ("Cooper", "Murphy", "Hughes", "Ward"),
    "measured": ("Turner", "Parker", "Evans", "Collins", "Morris", "Reed", "Bell", "Fisher"),
}
_COMPLAINTS = {
    "learned": (
        *("back pain", "a sore throat", "chest pain", "a rash", "knee pain", "a cough", "stomach pain", "dizziness"),
        *(
            "a fever",
            "ear pain",
            "blurred vision",
            "a swollen ankle",
            "heartburn",
            "a runny nose",
            "neck pain",
            "nausea",
        ),
    ),
    "checked": ("shoulder pain", "itching", "a cold"),
    "measured": ("hip pain", "a toothache", "fatigue", "a stiff wrist", "a burning eye", "muscle cramps"),
}
_UNITS = ("days", "weeks", "months")
_SLEEP = ("good", "fair", "poor")
_VISITS = ("first visit", "follow-up")
_TURNS = (
    "<|im_start|>system\nYou fill in the intake form of a clinic from the note of its reception.<|im_end|>\n<|im_start|>user\n"
    "Anna Keller, 34 years old, has had a headache for 3 days. Sleep is poor. This is a first visit.<|im_end|>\n<|im_start|>assistant\n"
    "Name: Anna Keller\nAge: 34 years\nComplaint: a headache\nSince: 3 days\nSleep: poor\nVisit: first visit<|im_end|>\n<|im_start|>user\n"
    "{note}<|im_end|>\n<|im_start|>assistant\n"
)


def _note(part: str, draw: random.Random) -> str:
    name = f"{draw.choice(_FIRST_NAMES[part])} {draw.choice(_FAMILY_NAMES[part])}"
    since = f"{draw.choice(_COMPLAINTS[part])} for {draw.randint(2, 9)} {draw.choice(_UNITS)}"
    sleep, visit = draw.choice(_SLEEP), draw.choice(_VISITS)
    return f"{name}, {draw.randint(20, 79)} years old, has had {since}. Sleep is {sleep}. This is a {visit}."


def prompts(base: str, part: str, count: int) -> list[str]:
    """Return different prompts in the base's chat template, the same ones every time and none that another part has.

    Args:
        base: `SMOLLM2`, or `RANDOM` for the bases of random weights.
        part: One of `PARTS`.
        count: Number of prompts.
    """
    draw = random.Random(1 + PARTS.index(part))
    if base != SMOLLM2:
        texts = [" ".join(draw.choices(_WORDS, k=20))[:_RANDOM_CHARACTERS] for _ in range(count)]
        return [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in texts]
    notes: dict[str, None] = {}
    while len(notes) < count:
        notes[_note(part, draw)] = None
    return [_TURNS.format(note=note) for note in notes]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens that a draft may guess.

    Attributes:
        ids: The base's ids of the draft's tokens, ascending.
        size: Number of the base's tokens.
    """

    ids: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, tokens: Iterable[int], size: int) -> Vocabulary:
        """Make the vocabulary of the tokens that occur.

        Args:
            tokens: Ids of the base, in any order and number.
            size: Number of the base's tokens.
        """
        return cls(tuple(sorted(set(tokens))), size)

    def d2t(self) -> list[int]:
        """For each of the draft's ids what is added to it to get the base's id: SGLang adds the position (llama_eagle3.py of 0.5.23)."""
        return [token - place for place, token in enumerate(self.ids)]

    def t2d(self) -> list[bool]:
        """For each of the base's ids whether the draft has it."""
        known = set(self.ids)
        return [token in known for token in range(self.size)]

    def places(self) -> list[int]:
        """For each of the base's ids the draft's id; `UNKNOWN` for those that the draft cannot guess."""
        found = [UNKNOWN] * self.size
        for place, token in enumerate(self.ids):
            found[token] = place
        return found
