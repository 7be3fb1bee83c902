"""Environments of the working tree compared with those of a revision, both synthesised offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cdk_sglang.cli.assembly import Stack, read_assembly
from cdk_sglang.cli.diff.comparison import Comparison, State, compared, planned
from cdk_sglang.cli.diff.folders import report_between
from cdk_sglang.cli.diff.revision import AGAINST, Revision
from cdk_sglang.cli.diff.synthesis import Synthesis, begin
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError

_APP = "cdk.json"
"""File that makes a folder an app to the CDK CLI."""


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The working tree and a revision.

    Attributes:
        revision: The revision, checked out.
        scratch: Folder for assemblies.
        environments: Folder of the environments; the app's own by default.
    """

    revision: Revision
    scratch: Path
    environments: Path | None

    def comparisons(self, names: Sequence[str]) -> Iterator[Comparison]:
        """Yield the comparison of each environment; what a synthesis began is ended before its files are removed.

        Args:
            names: Names of the environments.
        """
        for number, name in enumerate(names):
            folder = self.scratch / str(number)
            folder.mkdir()
            yield self._comparison(name, folder)

    def _comparison(self, name: str, folder: Path) -> Comparison:
        state = self._state(name)
        with ExitStack() as running:

            def begun(synthesis: Synthesis) -> Synthesis:
                running.callback(synthesis.stop)
                return synthesis

            old = None if state == "new" else begun(self._begin_before(name, folder / "before"))
            new = (
                None
                if state == "removed"
                else begun(begin(name, folder / "after", app=Path.cwd(), environments=self.environments))
            )
            refused = () if new is None else new.finished()
            if refused:
                return _refused(name, self.environments, refused, state)
            failed = () if old is None else old.finished()
        if failed:
            return self._without_before(name, folder / "after", failed)
        before: list[Stack] = [] if old is None else read_assembly(old.folder)
        after: list[Stack] = [] if new is None else read_assembly(new.folder)
        report = report_between(
            before,
            after,
            title=f"{name} from {self.revision.name} to the working tree",
            folder=folder / ("after" if new is not None else "before"),
            environments=self.environments,
        )
        return compared(
            name,
            report,
            before=None if old is None else old.folder,
            after=None if new is None else new.folder,
            state=state,
            notes=self._notes(name, state),
        )

    def _begin_before(self, name: str, folder: Path) -> Synthesis:
        environments = self.environments
        if environments is not None and environments.is_absolute():
            environments = self.revision.there(environments)
        return begin(
            name, folder, app=self.revision.app, environments=environments, variables=self.revision.variables()
        )

    def _state(self, name: str) -> State:
        """Return which sides have an environment, as far as files say; an app may have environments without files."""
        if not (self.revision.app / _APP).is_file():
            return "new"
        file = (self.environments or ENVIRONMENTS) / f"{name}.yaml"
        is_now, was_then = file.is_file(), self.revision.there(file).is_file()
        return "both" if is_now == was_then else "new" if is_now else "removed"

    def _notes(self, name: str, state: State) -> list[str]:
        if state == "new":
            return [f"{self.revision.name} has no environment {name}: all of it is new"]
        if state == "removed":
            return [
                f"the environment {name} is gone, but its stacks are not: they cost as before until somebody deletes them"
            ]
        return []

    def _without_before(self, name: str, folder: Path, reasons: Sequence[str]) -> Comparison:
        text = f"{AGAINST}: {name} of {self.revision.name} cannot be synthesised with what is installed here: {reasons[-1]}"
        return planned(name, _plan_text(folder), problems=(text,), is_wrong=True)


def _plan_text(folder: Path) -> str:
    try:
        return (folder / "plan.json").read_text(encoding="utf-8")
    except OSError:
        return "{}"


def _refused(name: str, environments: Path | None, reasons: Sequence[str], state: State) -> Comparison:
    """Return why an environment of the working tree is refused: as its reader says, else as the failed synthesis does."""
    from cdk_sglang.cli.plan import environment_reader, read_environment
    from cdk_sglang.planning.export import plan_json
    from cdk_sglang.planning.plan import plan_fleet

    wrong = Comparison(environment=name, report=None, state=state, problems=tuple(reasons), is_wrong=True)
    try:
        environment_reader()
    except Exception:  # noqa: BLE001  whatever an app's own modules raise: the synthesis has printed it
        return wrong
    try:
        plan = plan_fleet(read_environment(name, environments))
    except ConfigurationError as error:
        return Comparison(
            environment=name, report=None, state=state, problems=tuple(map(str, error.problems)), is_wrong=True
        )
    except Exception:  # noqa: BLE001  as above
        return wrong
    problems: tuple[str, ...] = tuple(map(str, plan.problems)) or tuple(reasons)
    return planned(name, plan_json(plan), problems=problems, is_wrong=not plan.problems, state=state)
