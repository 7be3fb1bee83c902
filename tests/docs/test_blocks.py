"""No code block of a document is left out unseen."""

from __future__ import annotations

from tests.docs.blocks import PYTHON_ELSEWHERE, ROOT, blocks, blocks_of, documents

RUN = {"python", "yaml"}
SHOWN = {"console", "json", "sql", "text"}
"""Sessions that need a terminal or AWS, and what programs print."""


def test_every_block_has_a_language_that_is_run_or_only_shown() -> None:
    assert {block.language for document in documents() for block in blocks_of(document, _read(document))} <= RUN | SHOWN


def test_what_is_not_run_says_why_or_is_run_elsewhere() -> None:
    skipped = [block for block in blocks(*RUN) if block.not_run and block.document not in PYTHON_ELSEWHERE]
    assert [str(block) for block in skipped if len(block.not_run.split()) < 4] == []
    assert skipped == [], "a block that is not run is a promise that nobody keeps"


def test_the_mark_above_a_block_is_read_with_its_reason() -> None:
    text = "A.\n\n*Not run by the tests: it buys a training plan.*\n\n```python\nbuy()\n```\n\n```python\nx = 1\n```\n"
    assert [block.not_run for block in blocks_of("a.md", text)] == ["it buys a training plan", ""]


def test_what_a_block_prints_is_the_text_after_it() -> None:
    text = "```python\nprint(1)\n```\n\n```text\n1\n```\n\nAnd:\n\n```python\nprint(2)\n```\n"
    assert [block.output for block in blocks_of("a.md", text)] == ["1\n", None, None]


def test_the_documents_that_are_known_are_there() -> None:
    assert {"README.md", "docs/library.md", "docs/adr/0036-the-plans-page.md", "localcloud/README.md"} <= set(
        documents()
    )
    assert set(PYTHON_ELSEWHERE) <= set(documents())


def _read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")
