"""A comparison as Markdown: a comment on a pull request, within GitHub's size limit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cdk_sglang.cli.diff.comparison import HOURS_PER_MONTH, Comparison
from cdk_sglang.cli.diff.markup import code, quoted, table, text
from cdk_sglang.cli.diff.report import Effect
from cdk_sglang.cli.diff.section import dollars, section, verdict

LENGTH_MAX: Final = 65_536
"""Characters of a comment (422 "body is too long (maximum is 65536 characters)" of GitHub's POST /repos/{owner}/{repo}/issues/{number}/comments, as
https://github.com/telia-oss/github-pr-resource/issues/259 quotes it, read 2026-12)."""
NOTHING_CHANGES: Final = "<!-- nothing changes -->"
"""Line of a comment that need not be written if there is none yet."""
_TOUCHED_MOST: Final = 4
_CUT: Final = "too long for a comment: `cdk-sglang diff` prints the rest"


@dataclass(frozen=True, kw_only=True)
class Document:
    """What is compared, and how.

    Attributes:
        comparisons: One for each environment.
        crossed: Bounds that each crosses, by environment.
        before: What is compared with, such as main (1a2b3c4).
        notes: What a reader should know of all.
        inside: Folder of the app in its repository; "." at its top.
    """

    comparisons: Sequence[Comparison]
    crossed: Mapping[str, Sequence[str]]
    before: str
    notes: Sequence[str] = ()
    inside: str = "."

    @property
    def marker(self) -> str:
        """The first line, by which an earlier comment of the same app is found; the same whatever is compared."""
        place = "" if self.inside == "." else f" {re.sub('-{2,}', '-', self.inside)}"  # a comment's end is --
        return f"<!-- cdk-sglang diff{place} -->"

    def markdown(self, length_max: int = LENGTH_MAX) -> str:
        """Return the document, with as much of it as the limit allows: details are left out first, then parts that stay as they are, then sections.

        Args:
            length_max: Characters at most.
        """
        for details, everything in ((True, True), (False, True), (False, False)):
            whole = self._with_sections(details=details, everything=everything, cut=not details)
            if len(whole) <= length_max:
                return whole
        rows = len(self.comparisons)
        while rows and len(self._head(rows=rows, always=True, cut=True)) > length_max:
            rows //= 2
        return self._head(rows=rows, always=True, cut=True)[:length_max]

    def _with_sections(self, *, details: bool, everything: bool, cut: bool) -> str:
        parts = [self._head(rows=len(self.comparisons), cut=cut).rstrip()]
        parts += [
            section(one, self.crossed.get(one.environment, ()), details=details, everything=everything)
            for one in self.comparisons
        ]
        return "\n\n".join([*parts, self._foot()]) + "\n"

    def _head(self, *, rows: int, always: bool = False, cut: bool = False) -> str:
        lines = [self.marker]
        if all(one.is_empty for one in self.comparisons) and not any(self.crossed.values()):
            lines.append(NOTHING_CHANGES)
        lines += ["## What a deployment would do", "", f"Compared with {text(self.before)}."]
        lines += [f"\n{quoted('NOTE', text(note))}" for note in self.notes]
        if cut:
            lines.append(f"\n{quoted('WARNING', _CUT)}")
        if len(self.comparisons) > 1 or always:
            lines += ["", self._summary(self.comparisons[:rows])]
        if rows < len(self.comparisons):
            lines.append(f"\nand {len(self.comparisons) - rows} more environments")
        return "\n".join(lines) + "\n"

    def _summary(self, comparisons: Sequence[Comparison]) -> str:
        rows = []
        for one in comparisons:
            cost = one.full_scale
            stopped = " **stopped**" if self.crossed.get(one.environment) else ""
            rows.append(
                [
                    code(one.environment),
                    f"{verdict(one)}{stopped}",
                    _touched(one),
                    dollars(cost),
                    dollars(cost, times=HOURS_PER_MONTH),
                ]
            )
        headings = ["environment", "verdict", "what happens", "$/h at full scale", "$/month at full scale"]
        return table(headings, rows, numbers=(3, 4))

    def _foot(self) -> str:
        return (
            "<sub>`cdk-sglang diff`: times and speeds are the plan's, with the bounds of its bands; dollars are on-demand prices of the day named; "
            f"a month has {HOURS_PER_MONTH} hours.</sub>"
        )


def _touched(comparison: Comparison) -> str:
    if comparison.report is None:
        return "unknown"
    quiet = {Effect.UNTOUCHED}
    touched = [f"{code(one.name)} {one.effect.value}" for one in comparison.report.items if one.effect not in quiet]
    more = len(touched) - _TOUCHED_MOST
    shown = "<br>".join([*touched[:_TOUCHED_MOST], *([f"and {more} more"] if more > 0 else [])])
    return shown or ("nothing restarts" if not comparison.is_empty else "nothing")
