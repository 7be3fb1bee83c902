"""The Action that comments a pull request: its steps, run by bash, with a `cdk-sglang` and a `gh` of the tests' own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.actions import Action

MARKER = "<!-- cdk-sglang diff -->"
CHANGED = f"{MARKER}\n## What a deployment would do\n"
SAME = f"{MARKER}\n<!-- nothing changes -->\n## What a deployment would do\n"
PROGRAM = """
import json, pathlib, sys
told = json.loads((BASE / "told.json").read_text())
(BASE / "arguments.json").write_text(json.dumps(sys.argv[1:]))
sys.stdout.write(told["markdown"])
sys.exit(told["code"])
"""
GH = """
import json, pathlib, sys
words = sys.argv[1:]
file = BASE / "comments.json"
comments = json.loads(file.read_text())
if (BASE / "refuses").exists():
    sys.exit("HTTP 403: Resource not accessible by integration")
(address,) = [word for word in words if word.startswith("repos/")]
if "--jq" in words:
    assert "--paginate" in words and address == "repos/ada/fleet/issues/7/comments?per_page=100"
    assert 'select(.user.type == "Bot")' in words[words.index("--jq") + 1]
    for one in comments:
        if one["user"] == "Bot":
            print(one["id"], one["body"].splitlines()[0])
    sys.exit()
body = pathlib.Path(words[words.index("--field") + 1].removeprefix("body=@")).read_text()
if words[words.index("--method") + 1] == "POST":
    assert address == "repos/ada/fleet/issues/7/comments"
    comments.append({"id": len(comments) + 1, "user": "Bot", "body": body})
else:
    (one,) = [one for one in comments if address == f"repos/ada/fleet/issues/comments/{one['id']}"]
    one["body"] = body
file.write_text(json.dumps(comments))
"""


class Runner:
    """A checkout, a runner's folders, and what GitHub holds."""

    def __init__(self, action: Action, folder: Path) -> None:
        self.action, self.folder = action, folder
        self.checkout, self.temporary, self.tools = (folder / name for name in ("checkout", "temporary", "tools"))
        for one in (self.checkout / ".venv" / "bin", self.temporary, self.tools):
            one.mkdir(parents=True)
        self._program(self.checkout / ".venv" / "bin" / "cdk-sglang", PROGRAM)
        self._program(self.tools / "gh", GH)
        self.write_comments([])

    def _program(self, file: Path, text: str) -> None:
        file.write_text(f"#!{sys.executable}\nfrom pathlib import Path\nBASE = Path({str(self.folder)!r})\n{text}")
        file.chmod(0o755)

    def write_comments(self, comments: Sequence[dict[str, Any]]) -> None:
        (self.folder / "comments.json").write_text(json.dumps(comments))

    @property
    def comments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.folder / "comments.json").read_text())
        return found

    @property
    def arguments(self) -> list[str]:
        found: list[str] = json.loads((self.folder / "arguments.json").read_text())
        return found

    def push(self, markdown: str, code: int = 0, **inputs: str) -> list[int]:
        """Run all steps, as for a push to a pull request; returns how each ended."""
        (self.folder / "told.json").write_text(json.dumps({"markdown": markdown, "code": code}))
        context = {
            **self.action.inputs(**{"environments": "prod", **inputs}),
            "github.token": "secret",
            "github.repository": "ada/fleet",
            "github.event.pull_request.number": 7,
        }
        codes = []
        variables = {"PATH": f"{self.tools}:/usr/bin:/bin"}
        self.output = ""
        for name in ("Compare", "Comment", "Gate"):
            done, outputs = self.action.run(name, context, self.checkout, variables=variables, temporary=self.temporary)
            context |= {f"steps.compare.outputs.{key}": value for key, value in outputs.items()}
            codes.append(done.returncode)
            self.output += done.stdout + done.stderr
            if done.returncode != 0:
                break
        return codes


@pytest.fixture(scope="module")
def action(root: Path) -> Action:
    return Action(root / ".github/actions/plan/action.yml")


@pytest.fixture
def runner(action: Action, tmp_path: Path) -> Runner:
    return Runner(action, tmp_path)


def test_one_comment_is_brought_up_to_date_by_every_push(runner: Runner) -> None:
    of_others = [
        {"id": 1, "user": "User", "body": f"{MARKER}\nforged"},
        {"id": 2, "user": "Bot", "body": "<!-- cdk-sglang diff fleets/other -->\nanother app's"},
        {"id": 3, "user": "Bot", "body": "hello"},
    ]
    runner.write_comments(of_others)
    assert runner.push(CHANGED + "first") == [0, 0, 0]
    assert runner.push(CHANGED + "second") == [0, 0, 0]
    assert runner.comments == [*of_others, {"id": 4, "user": "Bot", "body": CHANGED + "second"}]
    assert runner.push(SAME) == [0, 0, 0]
    assert runner.comments[-1]["body"] == SAME
    assert (runner.temporary / "summary.md").read_text() == CHANGED + "first" + CHANGED + "second" + SAME


@pytest.mark.parametrize(("comment", "count"), [("changes", 0), ("always", 1)])
def test_without_a_change_there_is_no_first_comment_unless_asked_for(runner: Runner, comment: str, count: int) -> None:
    assert runner.push(SAME, comment=comment) == [0, 0, 0]
    assert len(runner.comments) == count


@pytest.mark.parametrize("code", [1, 2])
def test_the_job_fails_after_the_comment_is_written(runner: Runner, code: int) -> None:
    assert runner.push(CHANGED, code) == [0, 0, code]
    assert len(runner.comments) == 1


def test_a_comparison_without_a_word_is_no_comment_and_fails_the_job(runner: Runner) -> None:
    assert runner.push("", 2) == [0, 0, 2]
    assert runner.comments == []


def test_a_token_that_may_not_write_is_a_warning_and_stops_nothing(runner: Runner) -> None:
    (runner.folder / "refuses").touch()
    assert runner.push(CHANGED) == [0, 0, 0]
    assert "::warning::no comment was written; the job needs the permission pull-requests: write" in runner.output


def test_inputs_reach_the_command_as_values_and_never_as_code_or_options(runner: Runner, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    assert runner.push(
        CHANGED,
        environments=f"prod, dev\n--json $(touch${{IFS}}{planted}) *",
        base="--from",
        budget="220",
        max_rise="10",
        no_replacement="true",
    ) == [0, 0, 0]
    assert not planted.exists()
    assert runner.arguments == [
        "diff",
        "--against=--from",
        "--markdown",
        "--env=prod",
        "--env=dev",
        "--env=--json",
        f"--env=$(touch${{IFS}}{planted})",
        "--env=*",
        "--budget=220",
        "--max-rise=10",
        "--no-replacement",
    ]
    runner.push(CHANGED)
    assert runner.arguments == ["diff", "--against=HEAD^1", "--markdown", "--env=prod"]


def test_without_the_program_the_job_says_how_to_install_it(runner: Runner) -> None:
    (runner.checkout / ".venv" / "bin" / "cdk-sglang").unlink()
    assert runner.push(CHANGED) == [2]
    assert "::error::cdk-sglang is not installed; install it in a step before" in runner.output


def test_a_fork_gets_no_comment_since_its_token_may_only_read(action: Action) -> None:
    condition = action.steps["Comment"]["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition
    secrets = [name for name, step in action.steps.items() if "GH_TOKEN" in step.get("env", {})]
    assert secrets == ["Comment"]


def _workflow(root: Path) -> str:
    document = (root / "docs/pipeline.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(name: plan\n.*?)```", document, re.DOTALL)
    return str(text)


def test_the_workflow_that_is_shown_asks_for_the_least_and_pins_what_the_checks_pin(root: Path, action: Action) -> None:
    text = _workflow(root)
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert set(workflow[True]) == {"pull_request"}  # YAML 1.1 reads the key `on` as true
    pinned = set(re.findall(r"uses: (actions/.*)", text))
    assert pinned
    assert pinned <= set(re.findall(r"uses: (.*)", (root / ".github/workflows/check.yml").read_text(encoding="utf-8")))
    (used,) = (step for step in job["steps"] if step.get("uses") == "$/.github/actions/plan")
    assert set(used["with"]) <= set(action.members["inputs"])
    described = set(
        re.findall(r"^\| `([a-z-]+)` \|", (root / "docs/pipeline.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(action.members["inputs"]) <= described


def test_zizmor_finds_nothing_in_action_and_workflow(root: Path, tmp_path: Path) -> None:
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "plan.yml").write_text(_workflow(root))
    command = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--no-progress", "--persona", "regular"]
    done = subprocess.run(
        [*command, str(root / ".github/actions"), str(workflows)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
