"""Prompts and vocabulary of the benchmark that trains a draft and measures it (`benchmarks/speculative_draft.py`)."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.support.draft_prompts import PARTS, RANDOM, SMOLLM2, UNKNOWN, Vocabulary, prompts

COUNTS = {"learned": 256, "checked": 32, "measured": 60}


@pytest.mark.parametrize("base", [RANDOM, SMOLLM2])
def test_prompts_are_the_same_every_time_and_no_two_parts_share_one(base: str) -> None:
    texts_by_part = {part: prompts(base, part, COUNTS[part]) for part in PARTS}
    assert texts_by_part == {part: prompts(base, part, COUNTS[part]) for part in PARTS}
    for one, other in itertools.combinations(PARTS, 2):
        assert not set(texts_by_part[one]) & set(texts_by_part[other])
    assert all(len(set(texts)) == len(texts) for texts in texts_by_part.values())


def test_no_name_and_no_complaint_that_is_measured_was_trained_on() -> None:
    """The last note of a prompt begins with its name: `Peter Brown, 52 years old, has had back pain for 2 weeks.`"""

    def noted(part: str) -> set[str]:
        notes = [text.split("<|im_start|>user\n")[-1].partition("<")[0] for text in prompts(SMOLLM2, part, 400)]
        names = {word for note in notes for word in note.partition(",")[0].split()}
        return names | {note.partition("has had ")[2].partition(" for ")[0] for note in notes}

    found = {part: noted(part) for part in PARTS}
    assert {"Peter", "Brown", "back pain"} <= found["learned"]
    assert {"Grace", "Turner", "a toothache"} <= found["measured"]
    for one, other in itertools.combinations(PARTS, 2):
        assert not found[one] & found[other]


def test_a_drafts_tokens_map_to_the_bases_and_back() -> None:
    vocabulary = Vocabulary.of([7, 2, 7, 3], size=9)
    assert vocabulary.ids == (2, 3, 7)
    assert [place + step for place, step in enumerate(vocabulary.d2t())] == [2, 3, 7], "as SGLang reads d2t"
    assert [token for token, known in enumerate(vocabulary.t2d()) if known] == [2, 3, 7]
    places = vocabulary.places()
    assert [places[token] for token in vocabulary.ids] == [0, 1, 2]
    assert sum(place == UNKNOWN for place in places) == 6
