"""What a bill of materials lists: what is shipped, each package with its version and hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import requirements
from tools.sbom.lists import LOCKED, WHEELS, package_lists, required


def test_the_wheels_list_is_what_it_needs_and_no_tool_of_development(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    blocks = requirements(package_lists(root)["wheel"])
    names = {canonicalize_name(pin.partition("==")[0]) for pin in blocks}
    direct = {canonicalize_name(Requirement(one).name) for one in project["project"]["dependencies"]}
    assert direct | {"jsii", "pydantic-core", "markupsafe", "attrs"} <= names
    assert names & {"pytest", "moto", "ruff", "mypy", "boto3", "cdk-nag"} == set()
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks.values())


def test_the_clients_list_is_the_sdk_alone(root: Path) -> None:
    pins = requirements(package_lists(root)["client"])
    assert [pin.partition("==")[0] for pin in pins] == [
        "boto3",
        "botocore",
        "jmespath",
        "python-dateutil",
        "s3transfer",
        "six",
        "urllib3",
    ]


def test_nothing_that_is_installed_for_the_wheel_is_missing_in_the_lock(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    locked = {
        canonicalize_name(pin.partition("==")[0]) for pin in requirements((root / "requirements.lock").read_text())
    }
    assert [name for name in required(project["project"]["dependencies"]) if name not in locked] == []


def test_what_is_shipped_as_a_list_is_listed_whole(root: Path) -> None:
    lists = package_lists(root)
    assert set(lists) == {*WHEELS, *LOCKED}
    for name, path in LOCKED.items():
        assert requirements(lists[name]) == requirements((root / path).read_text(encoding="utf-8"))


def test_extras_of_a_requirement_count_and_others_do_not() -> None:
    assert "werkzeug" in set(required(["moto[server]"]))
    assert "flask" not in set(required(["moto"]))
