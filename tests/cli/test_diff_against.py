"""`cdk-sglang diff --against`: a revision of the repository beside the working tree, its bounds, and the comment of a pull request."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from cdk_sglang.cli.diff.against import Sides
from cdk_sglang.cli.diff.comparison import Comparison
from cdk_sglang.cli.diff.gates import Gates
from cdk_sglang.cli.diff.markdown import LENGTH_MAX, Document
from cdk_sglang.cli.diff.markup import code, text
from cdk_sglang.cli.diff.plans import PlannedComponent
from cdk_sglang.cli.diff.revision import checked_out
from cdk_sglang.cli.diff.section import _bands
from cdk_sglang.cli.diff.show import print_diff
from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError
from tests.support.actions import Action
from tests.support.diffs import Environments, Settings
from tests.support.revisions import Repository, edited

MARKER = "<!-- cdk-sglang diff -->"
NAMES = ("prod", "same", "gone", "replaced", "added", "repaired", "split", "large", "dear", "nowhere")


def larger(settings: Settings) -> None:
    settings["budget_usd_per_hour"] = 90
    settings["endpoints"]["chat"]["capacity"]["max_instances"] = 4
    llama = settings["endpoints"]["chat"]["components"]["llama"]
    llama["server"]["context_length"] = 8192
    llama["scaling"]["max_copies"] = 12
    llama["fit_check"] = {"none": "tried by hand"}


def replacing(settings: Settings) -> None:
    settings["endpoints"]["small"]["components"]["qwen"]["server"]["context_length"] = 4096


def split(settings: Settings) -> None:
    settings["endpoints"]["small"]["components"]["qwen"]["server"]["tp_size"] = 4


def too_large(settings: Settings) -> None:
    settings["endpoints"]["small"]["components"]["qwen"]["model"]["id"] = "Qwen/Qwen3-32B"


def only_small(settings: Settings) -> None:
    del settings["endpoints"]["chat"]


@pytest.fixture(scope="module")
def repository(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository whose last commit changes, adds and removes environments."""
    folder = tmp_path_factory.mktemp("against")
    (folder / "assemblies").mkdir()
    repository = Repository(folder / "repository", Environments(root, folder / "assemblies"), folder / "tools")
    for name in ("prod", "same", "gone", "replaced"):
        repository.write(name, edited())
    repository.write("repaired", edited(split), is_accepted=False)
    repository.commit("before")
    repository.git("tag", "before")
    repository.write("prod", edited(larger))
    repository.write("replaced", edited(replacing))
    repository.write("gone", None)
    repository.write("added", edited(only_small))
    repository.write("repaired", edited())
    repository.write("split", edited(split), is_accepted=False)
    repository.write("large", edited(too_large), is_accepted=False)
    repository.write("dear", edited(lambda s: s.update(budget_usd_per_hour=10)), is_accepted=False)
    repository.commit("after")
    return repository


@pytest.fixture(scope="module")
def comparisons(repository: Repository) -> dict[str, Comparison]:
    """Every environment of the repository, and one that it has not, against its first commit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository.folder)
        patch.setenv("PATH", os.pathsep.join([str(repository.tools), os.environ["PATH"]]))
        with checked_out("before") as revision:
            scratch = revision.top.parent / "scratch"
            scratch.mkdir()
            sides = Sides(revision=revision, scratch=scratch, environments=None)
            return {one.environment: one for one in sides.comparisons(NAMES)}


def comment(*comparisons: Comparison, gates: Gates = Gates(), length: int = LENGTH_MAX) -> str:  # noqa: B008  frozen
    """The comment of some environments."""
    crossed = {one.environment: gates.crossed(one) for one in comparisons}
    return Document(comparisons=comparisons, crossed=crossed, before="main (40b72e8)").markdown(length)


@pytest.fixture(autouse=True)
def _inside(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("PATH", os.pathsep.join([str(repository.tools), os.environ["PATH"]]))
    yield
    assert repository.leftovers == []


def rows(markdown: str) -> dict[str, list[str]]:
    """Rows of all tables by their first cell, as GitHub's Markdown reads them."""
    found: dict[str, list[str]] = {}
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    cells: list[str] = []
    for before, token in itertools.pairwise(tokens):
        if before.type == "tr_open":
            cells = []
        if before.type in {"td_open", "th_open"}:
            cells.append(token.content)
        if token.type == "tr_close":
            found[cells[0]] = cells[1:]
    return found


def test_the_comment_says_what_restarts_whether_it_fits_how_fast_it_is_and_what_it_costs(
    repository: Repository,
) -> None:
    done = repository.diff("--env", "prod", "--against", "before", "--markdown")
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == MARKER
    assert f"Compared with before ({repository.git('rev-parse', 'before')[:7]})." in done.stdout
    table = rows(done.stdout)
    (chat,) = (cells for name, cells in table.items() if name.startswith("`chat`<br>2 to 4 x ml.g6e.12xlarge"))
    assert chat[0].startswith("**instances in batches**<br>1 instance more meanwhile<br>about ")
    llama = table["`chat/llama`"]
    assert llama[0].startswith("**new copies**<br>about ")
    assert llama[1] == "yes: 34 requests of 8,192 tokens"
    assert all(re.fullmatch(r"[\d,.]+ \([\d,.]+ to [\d,.]+\)", cell) for cell in llama[2:5])
    assert llama[5] == "2 alarms"
    guards = "5 or more requests a minute failed on the serving side; 5 or more requests a minute were not answered"
    assert f"- alarms that roll back `chat`, `chat/llama`: {guards}" in done.stdout
    assert table["`chat/gpt-oss`"][0] == "untouched"
    # Two of three instances before, four after: of the most expensive type of the pool, and one of the other endpoint.
    assert table["full scale"] == ["40.46", "78.12", "+37.66", "29,538", "57,029", "+27,492"]
    assert "- budget of the environment: 90.00 $/h at full scale" in done.stdout
    assert "- ml.g6e.2xlarge: 2.80 $/h, on-demand hosting in us-east-1 of 2026-09-20, from the package" in done.stdout
    warning = "endpoints.chat.components.llama: whether it fits is not checked: tried by hand"
    assert f"> **New warnings**\n> - {warning}" in done.stdout
    assert "  - `context_length: 16384 -> 8192`" in done.stdout


def test_a_band_that_moves_shows_both() -> None:
    sides = [
        PlannedComponent(name="chat/llama", members={"ttft_ms": {"value": value, "low": 100.0, "high": 400.0}})
        for value in (200.0, 300.0)
    ]
    assert _bands(*sides)[0] == "200 (100 to 400)<br>→ 300 (100 to 400)"


def test_without_a_change_the_comment_says_so_in_a_line_that_machines_read(comparisons: dict[str, Comparison]) -> None:
    body = comment(comparisons["same"])
    assert body.splitlines()[:2] == [MARKER, "<!-- nothing changes -->"]
    assert "### `same`: nothing changes" in body
    assert rows(body) == {}


@pytest.mark.parametrize(
    ("name", "gates", "crossed"),
    [
        ("prod", Gates(budget=80, max_rise=40, no_replacement=True), []),
        ("prod", Gates(budget=78), ["up to 78.12 $/h at full scale, 78.00 allowed by --budget"]),
        ("prod", Gates(max_rise=37), ["37.66 $/h more at full scale, 37.00 allowed by --max-rise"]),
        ("replaced", Gates(budget=0), ["up to 40.46 $/h at full scale, 0.00 allowed by --budget"]),
        ("replaced", Gates(no_replacement=True), ["small/qwen: replaced, not allowed by --no-replacement"]),
        ("added", Gates(max_rise=2), ["2.80 $/h more at full scale, 2.00 allowed by --max-rise"]),
        ("gone", Gates(budget=50, max_rise=0), []),
        ("nowhere", Gates(budget=50), ["the budget of 50.00 $/h cannot be checked: a price is unknown"]),
    ],
)
def test_bounds_are_crossed_by_the_cost_at_full_scale_and_by_replacements(
    comparisons: dict[str, Comparison], name: str, gates: Gates, crossed: list[str]
) -> None:
    assert gates.crossed(comparisons[name]) == crossed


def test_a_bound_that_is_crossed_ends_with_exit_code_1(repository: Repository) -> None:
    ends = {
        bound: (done.exit_code, done.stderr)
        for bound in ("--budget=80", "--budget=78", "--fail")
        for done in [repository.diff("--env", "prod", "--against", "before", bound)]
    }
    assert ends == {
        "--budget=80": (0, ""),
        "--budget=78": (1, "prod: up to 78.12 $/h at full scale, 78.00 allowed by --budget\n"),
        "--fail": (1, ""),
    }


def test_the_comment_names_the_bound_that_is_crossed(comparisons: dict[str, Comparison]) -> None:
    body = comment(comparisons["replaced"], comparisons["same"], gates=Gates(no_replacement=True))
    assert "> [!CAUTION]\n> **Stopped**\n> - small/qwen: replaced, not allowed by --no-replacement" in body
    table = rows(body)
    assert table["`replaced`"][0] == "fits **stopped**"
    assert table["`same`"] == ["nothing changes", "nothing", "40.46", "29,538"]
    assert "**nothing serves for about 4 minutes**" in table["`small/qwen`"][0]
    assert table["`small/qwen`"][5] == "**no alarm**: whatever answers /ping is kept"


def test_an_environment_that_is_new_or_gone_says_so_in_one_line(
    repository: Repository, comparisons: dict[str, Comparison]
) -> None:
    new = repository.diff("--env", "added", "--against", "before")
    assert new.stdout.splitlines()[1].endswith(") has no environment added: all of it is new")
    assert "small/qwen: created" in new.stdout
    assert "at full scale: 0.00 -> 2.80 $/h" in new.stdout
    gone = comment(comparisons["gone"])
    assert "### `gone`: gone from the repository, keeps running" in gone
    assert "they cost as before until somebody deletes them" in gone
    assert rows(gone)["full scale"] == ["40.46", "40.46", "0", "29,538", "29,538", "0"]
    assert "aws cloudformation delete-stack --stack-name cdk-sglang-prod-chat --region us-east-1" in gone


@pytest.mark.parametrize(
    ("name", "is_wrong", "verdict", "line"),
    [
        ("dear", False, "costs more than its budget", "budget_usd_per_hour: the fleet costs up to 40.46 USD per hour"),
        ("large", False, "refused by its plan", "Qwen/Qwen3-32B with context_length 8192 does not fit"),
        ("split", True, "wrong settings", "4 GPUs asked for one copy, ml.g6e.2xlarge has 1"),
        ("nowhere", True, "wrong settings", "environments: added, dear"),
        ("repaired", True, "wrong settings", "--against: repaired of before"),
    ],
)
def test_what_cannot_be_deployed_says_why_and_what_is_known(
    comparisons: dict[str, Comparison], name: str, is_wrong: bool, verdict: str, line: str
) -> None:
    one = comparisons[name]
    assert one.is_wrong == is_wrong
    assert len(one.problems) == 1
    body = comment(one)
    assert f"### `{name}`: {verdict}" in body
    assert line in body
    if not is_wrong or name == "repaired":
        assert rows(body)["`chat/llama`"][1].startswith("yes: ")
    if name == "large":
        assert rows(body)["`small/qwen`"][1] == "**no**, see above"


def test_one_environment_that_is_refused_hides_no_other(repository: Repository) -> None:
    done = repository.diff("--env", "split", "--env", "prod", "--against", "before")
    assert done.exit_code == 2
    assert "chat/llama: new copies" in done.stdout
    assert done.stderr.startswith("split: ")
    assert len(done.stderr.splitlines()) == 1
    assert repository.diff("--env", "dear", "--against", "before").exit_code == 1


def test_json_has_both_plans_costs_and_bounds(repository: Repository) -> None:
    options = ["--env", "prod", "--env", "gone", "--against", "before", "--json", "--max-rise", "1"]
    prod, gone = json.loads(repository.diff(*options).stdout)
    assert (prod["environment"], prod["sides"], prod["problems"]) == ("prod", "both", [])
    assert (gone["environment"], gone["sides"], gone["crossed"]) == ("gone", "removed", [])
    assert prod["crossed"] == ["37.66 $/h more at full scale, 1.00 allowed by --max-rise"]
    assert prod["usd_per_hour"]["full scale"] == pytest.approx([40.4613, 78.1205], rel=1e-3)
    assert prod["usd_per_hour_at_full_scale"] == prod["usd_per_hour"]["full scale"]
    assert [prod["plans"][side]["budget_usd_per_hour"] for side in ("before", "after")] == [None, 90]


@pytest.mark.parametrize("width", [60, 140])
def test_the_terminal_shows_two_revisions_at_any_width(
    comparisons: dict[str, Comparison], width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in (comparisons["prod"], comparisons["gone"]):
        assert one.report is not None
        print_diff(one.report, stdout(width=width), notes=one.notes)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert not any(line != line.rstrip() for line in lines)


def test_the_app_of_the_revision_runs_with_its_own_modules_and_this_environment_alone(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Path("/somewhere/else")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(repository.folder / "constructs"), str(elsewhere)]))
    monkeypatch.setenv("GIT_DIR", ".git")  # as git sets it for a hook
    (repository.folder / "node_modules").mkdir(exist_ok=True)
    with checked_out("before") as revision:
        assert revision.variables()["PYTHONPATH"].split(os.pathsep)[:2] == [
            str(revision.top / "constructs"),
            str(elsewhere),
        ]
        assert "GIT_DIR" not in revision.variables()
        assert (revision.app / "environments" / "gone.yaml").is_file()
        assert (revision.app / "node_modules").resolve() == repository.folder / "node_modules"
        assert repository.git("status", "--porcelain") == ""
    assert not revision.top.exists()


def test_changes_that_are_not_committed_are_compared_and_named(repository: Repository) -> None:
    repository.write("draft", edited(only_small))
    try:
        done = repository.diff("--env", "draft", "--against", "HEAD")
    finally:
        repository.write("draft", None)
    assert done.stderr == "the working tree has changes that are not committed; they are compared too\n"
    assert "small/qwen: created" in done.stdout


def test_an_app_in_a_folder_of_its_repository_has_a_comment_of_its_own(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.folder / "environments")
    monkeypatch.setenv("CDK_APP", "python app.py")  # as cdk.json would name it
    done = repository.diff("--env", "x", "--against", "before", "--markdown")
    assert done.stdout.splitlines()[0] == "<!-- cdk-sglang diff environments -->"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "nope"], "--against: no revision 'nope' in this repository; name a branch"),
        (["--against=--output=x"], "--against: no revision '--output=x' in this repository"),
        (["--against", "before", "--from", "x"], "--against: goes without --from and --to"),
        (["--against", "before", "--json", "--markdown"], "--json: goes without --markdown"),
        (["--against", "before", "--env", "prod"], "--env: prod twice"),
    ],
)
def test_wrong_usage_is_one_line(repository: Repository, options: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)) as raised:
        repository.diff("--env", "prod", *options)
    assert len(raised.value.problems) == 1


def test_outside_of_a_repository_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ConfigurationError, match="--against: not a git repository") as raised, checked_out("HEAD"):
        pass
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_leaves_neither_files_nor_processes(
    repository: Repository, tmp_path: Path, number: signal.Signals
) -> None:
    slow = tmp_path / "cdk"
    slow.write_text(
        f"#!{sys.executable}\nimport os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"with open({str(tmp_path / 'begun')!r}, 'a') as log: log.write(f'{{os.getpid()}} {{child.pid}} {{os.getcwd()}}\\n')\n"
        "time.sleep(600)\n"
    )
    slow.chmod(0o755)
    command = [sys.executable, "-c", "from cdk_sglang.cli.main import main; main()", "diff", "--env", "prod"]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.Popen([*command, "--against", "before"], env=environment, stderr=subprocess.DEVNULL)
    begun = tmp_path / "begun"
    while process.poll() is None and (not begun.exists() or begun.read_text().count("\n") < 2):
        time.sleep(0.05)
    lines = [line.split() for line in begun.read_text().splitlines()]
    process.send_signal(number)
    assert process.wait(60) != 0
    assert len(lines) == 2
    (folder,) = (Path(line[2]) for line in lines if Path(line[2]) != repository.folder)
    assert not folder.exists()
    for one in (int(pid) for line in lines for pid in line[:2]):
        while _is_running(one):
            time.sleep(0.05)


def _is_running(process: int) -> bool:
    """Whether a process runs; one that ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_comment_keeps_to_githubs_bound_and_drops_details_first(comparisons: dict[str, Comparison]) -> None:
    prod = comparisons["prod"]
    whole = comment(prod)
    lengths = [len(whole), len(whole) - 1, 2500, 1200, 400]
    bounded = [comment(prod, length=length) for length in lengths]
    assert [len(one) <= length for one, length in zip(bounded, lengths, strict=True)] == [True] * len(lengths)
    assert all(one.startswith(MARKER) for one in bounded)
    assert [("<details>" in one, "| untouched |" in one) for one in bounded[:2]] == [(True, True), (False, True)]
    assert "too long for a comment" in bounded[1]
    many = comment(*(prod,) * 40, length=4096)
    assert len(many) <= 4096
    assert "| `prod` | fits |" in many
    assert re.search(r"and \d+ more environments", many)


@pytest.mark.parametrize(
    "words",
    [
        "@ada #7 https://evil.example www.evil.example",
        "<img src=x> & `code` *b* _i_ [l](x)",
        "a | b ~~c~~ $x$ \\n",
        "``` x",
    ],
)
def test_what_a_file_says_stays_text(words: str) -> None:
    """No mention, no link, no markup: the text is the words, apart from spaces without width."""
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    for markdown in (text(words), code(words)):
        (paragraph,) = (one for one in parser.parse(f"- x {markdown}") if one.type == "inline")
        assert {child.type for child in paragraph.children or ()} <= {"text", "text_special", "code_inline"}
        shown = "".join(child.content for child in paragraph.children or ())
        assert shown.replace("\u200b", "").split() == ["x", *words.split()]
    plain: Any = "".join(child.content for child in parser.parseInline(text(words))[0].children or ())
    assert not re.search(r"[@#]\w|://|www\.", plain)


def test_the_action_compares_a_real_repository_for_real(repository: Repository, root: Path, tmp_path: Path) -> None:
    action = Action(root / ".github/actions/plan/action.yml")
    search = os.pathsep.join([str(repository.tools), str(Path(sys.prefix, "bin")), os.environ["PATH"]])
    done, outputs = action.run(
        "Compare",
        action.inputs(environments="replaced, gone", no_replacement="true"),
        repository.folder,
        variables={"PATH": search, "PYTHONPATH": os.pathsep.join(sys.path)},
        temporary=tmp_path,
    )
    assert (done.returncode, outputs["exit-code"]) == (0, "1")
    assert done.stderr == "replaced: small/qwen: replaced, not allowed by --no-replacement\n"
    markdown = Path(outputs["markdown"]).read_text()
    assert markdown.startswith(f"{MARKER}\n## What a deployment would do\n\nCompared with HEAD^1 (")
    assert (tmp_path / "summary.md").read_text() == markdown
