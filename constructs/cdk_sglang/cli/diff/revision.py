"""A revision of the app's repository, checked out next to the working tree while it is compared."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.wording import one_line

AGAINST: Final = "--against"
_OF_A_HOOK: Final = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)
"""Variables that git sets for its hooks, with which it would use another repository instead of ours (git rev-parse --local-env-vars, git 2.39)."""
_LENT: Final = (".venv", "venv", "node_modules")
"""Folders that no commit holds, and that the command in cdk.json may name."""
_SHORT: Final = 7


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A revision that is checked out.

    Attributes:
        expression: What the user calls it, such as main.
        commit: Its commit, 40 hexadecimal digits.
        top: Folder of its files.
        own_top: Folder of the files of the working tree.
        inside: Folder of the app in the repository; the repository's own folder is ".".
        is_dirty: Whether the working tree has changes that are not committed.
    """

    expression: str
    commit: str
    top: Path
    own_top: Path
    inside: Path
    is_dirty: bool

    @property
    def app(self) -> Path:
        """Folder of the app as it was."""
        return self.top / self.inside

    @property
    def name(self) -> str:
        """Its name for the user: as given, with the commit if that says more."""
        short = self.commit[:_SHORT]
        return short if self.commit.startswith(self.expression) else f"{self.expression} ({short})"

    def there(self, path: Path) -> Path:
        """Return where a path of the working tree is in the revision; a path outside of the repository as it is.

        Args:
            path: The path; a relative one begins at the app.
        """
        if not path.is_absolute():
            return self.app / path
        with suppress(ValueError):
            return self.top / path.resolve().relative_to(self.own_top)
        return path

    def variables(self) -> dict[str, str]:
        """Return the environment for the revision's app: modules of the repository come from the revision."""
        import cdk_sglang

        search = [Path(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
        # An editable installation would make the revision use the library of the working tree.
        library = Path(cdk_sglang.__file__).parents[1]
        if library.resolve().is_relative_to(self.own_top) and library not in search:
            search.append(library)
        moved = [str(self.there(one.absolute())) for one in search]
        return {
            **_without_hooks(),
            "PYTHONPATH": os.pathsep.join(moved),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CDK_VALIDATION": "false",  # what rules find in an old revision is no news, and checking takes seconds
        }


@contextmanager
def checked_out(expression: str) -> Iterator[Revision]:
    """Check a revision out into a temporary folder, and remove it whatever happens, Ctrl-C and SIGTERM included.

    Neither hooks of the repository nor a network are used; the working tree and its branch stay as they are.

    Args:
        expression: The revision: a branch, a tag, a commit, or an expression such as HEAD^1.

    Raises:
        ConfigurationError: There is no git, no repository, or no such revision.
    """
    own_top = Path(_git("rev-parse", "--show-toplevel")).resolve()
    inside = Path.cwd().resolve().relative_to(own_top)
    commit = _commit(expression)
    is_dirty = bool(_git("status", "--porcelain"))
    with _termination_as_interrupt(), tempfile.TemporaryDirectory(prefix="cdk-sglang-revision-") as scratch:
        top = Path(scratch).resolve() / "files"
        try:
            _git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", str(top), commit)
            revision = Revision(
                expression=expression, commit=commit, top=top, own_top=own_top, inside=inside, is_dirty=is_dirty
            )
            _lend(revision)
            yield revision
        finally:
            _remove(top)


def _commit(expression: str) -> str:
    try:
        return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{expression}^{{commit}}")
    except ConfigurationError:
        shallow = _git("rev-parse", "--is-shallow-repository") == "true"
        more = (
            "this clone is shallow: fetch more of it (git fetch --unshallow; fetch-depth: 0 of actions/checkout)"
            if shallow
            else "name a branch, a tag or a commit that `git log` shows; fetch it first if it is only on the remote"
        )
        raise ConfigurationError([Problem(AGAINST, f"no revision {expression!r} in this repository; {more}")]) from None


def _lend(revision: Revision) -> None:
    """Let the revision use what is installed next to the working tree's app or at its top."""
    for folder, own in ((revision.app, revision.own_top / revision.inside), (revision.top, revision.own_top)):
        for name in _LENT:
            if folder.is_dir() and (own / name).is_dir() and not (folder / name).exists():
                (folder / name).symlink_to(own / name, target_is_directory=True)


def _remove(top: Path) -> None:
    with suppress(ConfigurationError):  # not yet added, or locked by what ends just now
        _git("worktree", "remove", "--force", "--force", str(top))
    shutil.rmtree(top, ignore_errors=True)
    with suppress(ConfigurationError):
        _git("worktree", "prune")


def _git(*arguments: str) -> str:
    """Run git in the current folder and return what it prints.

    Raises:
        ConfigurationError: It fails, with what it says.
    """
    program = shutil.which("git")
    if program is None:
        raise ConfigurationError([Problem(AGAINST, "git is not installed; install it, or give --from and --to")])
    command: Sequence[str] = [program, *arguments]
    # A session of its own: Ctrl-C, which a terminal sends to every process, must not end git while it cleans up.
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=_without_hooks(), start_new_session=True
    )
    if done.returncode != 0:
        message = one_line(done.stderr.strip().removeprefix("fatal: ") or f"`git {arguments[0]}` failed")
        raise ConfigurationError([Problem(AGAINST, f"{message}; run it in the repository of the app")])
    return done.stdout.strip()


def _without_hooks() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, by which CI cancels a job, end the command as Ctrl-C does: what was started is cleaned up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        former = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread, which alone receives signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
