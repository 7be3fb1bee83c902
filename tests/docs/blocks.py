"""The code blocks of every document, where each stands, and whether it says that it is not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_RUN = "*Not run by the tests: "
"""A paragraph directly above a block that begins so keeps the block from being run; readers see it and its reason."""

PYTHON_ELSEWHERE = {
    "docs/client.md": "tests/client/test_docs.py runs them against the embedded AWS",
    "docs/embeddings.md": "tests/client/test_tasks.py runs them against the embedded AWS",
    "docs/images.md": "tests/client/test_images.py runs them against the embedded AWS",
    "client/README.md": "tests/client/test_distribution.py runs it where the library is not",
}

_BLOCK = re.compile(r"^```([a-z]+)(?: title=\"([^\"\n]+)\")?[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block.

    Args:
        document: Path of its document in the repository.
        line: Line of its fence.
        language: What the fence says.
        title: File that it shows; empty without one.
        text: What is inside.
        output: The `text` block that follows it at once: what it prints; None without one.
        not_run: Why the tests do not run it; empty when they do.
    """

    document: str
    line: int
    language: str
    title: str
    text: str
    output: str | None
    not_run: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[str]:
    """Every document of the repository."""
    folders = ("docs", "examples", "client", "localcloud", "container", "benchmarks", "environments")
    found = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def blocks(*languages: str) -> list[Block]:
    """The blocks in these languages, document by document, in their order."""
    return [
        block
        for document in documents()
        for block in blocks_of(document, (ROOT / document).read_text(encoding="utf-8"))
        if block.language in languages
    ]


def blocks_of(document: str, content: str) -> list[Block]:
    """The blocks of one document."""
    found = []
    for match in _BLOCK.finditer(content):
        above = content[: match.start()].rstrip().rpartition("\n\n")[2]
        after = re.match(r"\n+```text\n(.*?)^```$", content[match.end() :], re.DOTALL | re.MULTILINE)
        reason = above.removeprefix(NOT_RUN).rstrip("*. \n") if above.startswith(NOT_RUN) else ""
        found.append(
            Block(
                document=document,
                line=content.count("\n", 0, match.start()) + 1,
                language=match[1],
                title=match[2] or "",
                text=match[3],
                output=after[1] if after else None,
                not_run=reason or (PYTHON_ELSEWHERE.get(document, "") if match[1] == "python" else ""),
            )
        )
    return found
