"""`cdk-sglang diff`: what a deployment would do, compared with what is deployed, another synth, or a revision of the repository."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from cdk_sglang.cli import synth
from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.cli.diff.comparison import Comparison
    from cdk_sglang.cli.diff.markdown import Document

_WRONG = 2
"""Exit code of wrong settings."""


def diff(
    env: Annotated[list[str] | None, env_option("Environment, such as prod; repeat the option for several.")] = None,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            help="Compare with this revision of the repository (branch, tag, commit, HEAD^1), without AWS, instead of what is deployed."
        ),
    ] = None,
    before: Annotated[
        Path | None, typer.Option("--from", help="Folder of an assembly (cdk.out/prod) instead of what is deployed.")
    ] = None,
    after: Annotated[
        Path | None, typer.Option("--to", help="Folder of an assembly instead of a synth of the environment.")
    ] = None,
    environments: Annotated[
        Path | None, environments_option("Folder of the environments; the app's own by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; a list for several environments.")] = False,
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print Markdown for a comment on a pull request, 65,536 characters at most."),
    ] = False,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with code 1 if anything changes.")] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0, help="Exit with code 1 if an environment costs more dollars per hour than this at full scale."
        ),
    ] = None,
    max_rise: Annotated[
        float | None,
        typer.Option(min=0, help="Exit with code 1 if the dollars per hour at full scale rise by more than this."),
    ] = None,
    no_replacement: Annotated[
        bool, typer.Option("--no-replacement", help="Exit with code 1 if anything is replaced, removed or refused.")
    ] = False,
) -> None:
    """Print what a deployment would do to each endpoint, component and adapter; read-only, with your AWS credentials.

    --against compares a revision of the repository with the working tree, --from and --to compare two folders of `cdk synth`, both
    without AWS. Exit code 0, also when something changes; 1 with --fail if something does, if a bound is crossed (--budget, --max-rise,
    --no-replacement), or if an environment does not fit or costs more than its own budget. 1 as well if AWS refuses; 2: wrong usage, settings,
    or no credentials.
    """
    _check_usage(env, against=against, before=before, after=after, as_json=as_json, markdown=markdown)
    from cdk_sglang.cli.diff.gates import Gates

    with tempfile.TemporaryDirectory(prefix="cdk-sglang-diff-") as scratch:
        if against is not None:
            document = _against(against, list(env or ()), Path(scratch), environments)
        else:
            document = _deployed(env, Path(scratch), environments, before=before, after=after)
    gates = Gates(budget=budget, max_rise=max_rise, no_replacement=no_replacement)
    crossed = {one.environment: gates.crossed(one) for one in document.comparisons}
    if as_json:
        records = [{**one.as_json(), "crossed": crossed[one.environment]} for one in document.comparisons]
        typer.echo(json.dumps(records[0] if len(records) == 1 else records, indent=2))
    elif markdown:
        import dataclasses

        typer.echo(dataclasses.replace(document, crossed=crossed).markdown(), nl=False)
    else:
        _print(document)
    _say(document.comparisons, crossed)
    raise typer.Exit(max(_code(one, crossed[one.environment], fail=fail) for one in document.comparisons))


def _check_usage(
    env: Sequence[str] | None,
    *,
    against: str | None,
    before: Path | None,
    after: Path | None,
    as_json: bool,
    markdown: bool,
) -> None:
    problems = []
    if not env and (before is None or after is None):
        text = "missing; name an environment, or give both --from and --to"
        problems.append(Problem("--env", text if against is None else "missing; name an environment"))
    if against is not None and (before is not None or after is not None):
        problems.append(
            Problem("--against", "goes without --from and --to, since it synthesises both sides; leave them out")
        )
    elif len(env or ()) > 1 and (before is not None or after is not None):
        problems.append(Problem("--env", "several environments, but --from and --to are folders of one; name one"))
    repeated = [name for name in dict.fromkeys(env or ()) if (env or []).count(name) > 1]
    if repeated:
        problems.append(Problem("--env", f"{', '.join(repeated)} twice; name each once"))
    if as_json and markdown:
        problems.append(Problem("--json", "goes without --markdown; leave one out"))
    if problems:
        raise ConfigurationError(problems)


def _against(revision_name: str, names: Sequence[str], scratch: Path, environments: Path | None) -> Document:
    from cdk_sglang.cli.diff.against import Sides
    from cdk_sglang.cli.diff.markdown import Document
    from cdk_sglang.cli.diff.revision import checked_out

    synth.cdk_program("diff")
    with checked_out(revision_name) as revision:
        sides = Sides(revision=revision, scratch=scratch, environments=environments)
        notes = (
            ["the working tree has changes that are not committed; they are compared too"] if revision.is_dirty else []
        )
        return Document(
            comparisons=tuple(sides.comparisons(names)),
            crossed={},
            before=revision.name,
            notes=notes,
            inside=revision.inside.as_posix(),
        )


def _deployed(
    names: Sequence[str] | None, scratch: Path, environments: Path | None, *, before: Path | None, after: Path | None
) -> Document:
    from cdk_sglang.cli.diff.comparison import compared
    from cdk_sglang.cli.diff.folders import report_of
    from cdk_sglang.cli.diff.markdown import Document

    comparisons = []
    environment_names: list[str | None] = [*names] if names else [None]
    for name in environment_names:
        folder = after if after is not None else _synthesised(str(name), scratch / str(name), environments)
        report = report_of(name, folder, before=before, environments=environments)
        comparisons.append(compared(report.title, report, before=before, after=folder))
    return Document(
        comparisons=tuple(comparisons), crossed={}, before="what is deployed" if before is None else str(before)
    )


def _synthesised(env: str, folder: Path, environments: Path | None) -> Path:
    folder.mkdir()
    command = synth.synth_command(synth.cdk_program("diff"), env, folder, environments=environments)
    if synth.run_synth(command, silent_stdout=True) != 0:
        typer.echo(f"diff: {env} cannot be synthesised, see above", err=True)
        raise typer.Exit(_WRONG)
    return folder


def _print(document: Document) -> None:
    from cdk_sglang.cli.diff.show import print_diff

    console = stdout()
    for note in document.notes:
        typer.echo(note, err=True)
    for number, one in enumerate(one for one in document.comparisons if one.report is not None):
        assert one.report is not None
        if number:
            console.print()
        print_diff(one.report, console, notes=one.notes)


def _say(comparisons: Sequence[Comparison], crossed: Mapping[str, Sequence[str]]) -> None:
    """Print on stderr why the command ends as it does."""
    for one in comparisons:
        lines = [*one.problems, *crossed[one.environment]]
        for line in lines:
            typer.echo(
                f"{one.environment}: {line}" if len(comparisons) > 1 or line not in one.problems else line, err=True
            )


def _code(comparison: Comparison, crossed: Sequence[str], *, fail: bool) -> int:
    if comparison.problems and comparison.is_wrong:
        return _WRONG
    report = comparison.report
    changes = fail and (report is None or not report.is_empty or comparison.state != "both")
    return 1 if comparison.problems or crossed or changes else 0
