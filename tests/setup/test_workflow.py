"""The GitHub workflow, as far as it can be judged without GitHub, and the targets of the Makefile that it runs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import cdk_range


@pytest.fixture
def workflow(root: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((root / ".github/workflows/check.yml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def _steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_every_action_is_pinned_by_commit_with_its_tag_beside_it(root: Path) -> None:
    text = (root / ".github/workflows/check.yml").read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    pinned = re.compile(r"actions/[a-z-]+@([0-9a-f]{40}) # v\d+\.\d+\.\d+")
    assert [line for line in uses if not pinned.fullmatch(line)] == []
    assert len({line.partition("@")[0] for line in uses}) == len(set(uses)), "one commit of each action"


def test_zizmor_finds_nothing(root: Path) -> None:
    command = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--no-progress", "--persona", "regular"]
    done = subprocess.run([*command, ".github/workflows"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_job_may_do_no_more_than_read_the_code(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {}
    assert [job["permissions"] for job in workflow["jobs"].values()] == [{"contents": "read"}] * len(workflow["jobs"])
    assert all(job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())


def test_every_supported_python_is_tested(workflow: dict[str, Any], project: dict[str, Any]) -> None:
    prefix = "Programming Language :: Python :: "
    classified = [line.removeprefix(prefix) for line in project["project"]["classifiers"] if line.startswith(prefix)]
    versions = [version for version in classified if re.fullmatch(r"3\.\d+", version)]
    assert versions == workflow["jobs"]["python"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert project["project"]["requires-python"] == f">={versions[0]}"


def test_both_ends_of_the_cdk_range_are_tested(workflow: dict[str, Any], root: Path) -> None:
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    ends = workflow["jobs"]["cdk"]["strategy"]["matrix"]["end"]
    assert [cdk_range.requirement(pyproject, end) for end in ends] == [
        "aws-cdk-lib==2.275.0",
        "aws-cdk-lib<3,>=2.275.0",
    ]
    with pytest.raises(ValueError, match="'middle' of aws-cdk-lib"):
        cdk_range.requirement(pyproject, "middle")


def test_the_ends_of_a_range_follow_the_project() -> None:
    text = '[project]\ndependencies = ["aws-cdk-lib>=2.300,!=2.301.0,<4", "constructs>=10"]\n'
    assert cdk_range.requirement(text, "lowest") == "aws-cdk-lib==2.300"
    with pytest.raises(ValueError, match="a range with one lower bound"):
        cdk_range.requirement(text.replace(">=2.300,", ""), "lowest")


def test_what_the_workflow_runs_is_there(workflow: dict[str, Any], root: Path) -> None:
    scripts = "\n".join(step["run"] for step in _steps(workflow) if "run" in step)
    targets = set(re.findall(r"\bmake ([a-z-]+)", scripts))
    assert targets == {"coverage", "setup", "dist", "sbom"}
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    folders = re.findall(r"(?<!\S)(?:tests|examples)/\S+", scripts)
    assert folders
    assert [path for path in folders if not (root / path).exists()] == []
    assert (root / ".ci/run").stat().st_mode & 0o100


def test_known_vulnerabilities_are_reported_and_fail_nothing(workflow: dict[str, Any], root: Path) -> None:
    steps = workflow["jobs"]["supply-chain"]["steps"]
    commands = [step for step in steps if "run" in step]
    assert [step["continue-on-error"] for step in commands] == [True, True]
    (audit,) = (step["run"] for step in commands if "pip-audit" in step["run"])
    assert "npm audit --package-lock-only" in audit
    locks = re.search(r"for lock in (.*);", audit)
    assert locks is not None
    assert [name for name in locks[1].split() if not (root / name).exists()] == []
    pinned = (root / "tools/sbom/requirements.lock").read_text(encoding="utf-8")
    assert re.search(r"^pip-audit==\S+ \\$", pinned, re.MULTILINE)


def test_the_coverage_that_is_published_is_what_make_writes(workflow: dict[str, Any], root: Path) -> None:
    steps = workflow["jobs"]["python"]["steps"]
    (published,) = (step["with"]["path"] for step in steps if step.get("name") == "Publish the coverage")
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    assert f"--directory {published}html" in makefile
    assert f"-o {published}coverage.xml" in makefile


def test_the_virtual_environments_are_set_up_beside_each_other(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^both:.*\n\t@(.*)$", makefile, re.MULTILINE)
    assert recipe == '$(MAKE) --silent --jobs=3 PYTHON="$(PYTHON)" setup engine agent-tools'
    assert re.search(r"^local: both ", makefile, re.MULTILINE)
