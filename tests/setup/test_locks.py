"""The locked requirements: whole, held by hashes, the same on every machine."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import lock

HASHED = (
    "requirements.lock",
    "requirements-engine.lock",
    "requirements-bench.lock",
    "agent/requirements.lock",
    "agent/requirements-mlflow.lock",
    "agent/langgraph_example/requirements.lock",
    "container/requirements.txt",
    "constructs/cdk_sglang/_runtime/weights/requirements.txt",
    "tools/setup/requirements.lock",
    "tools/sbom/requirements.lock",
)
BLOCK = re.compile(r"[a-z0-9][a-z0-9.-]*==[^\s;]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+")


def _requirements(root: Path, file: str) -> dict[str, str]:
    return lock.requirements((root / file).read_text(encoding="utf-8"))


def _pins(root: Path, file: str) -> dict[str, list[str]]:
    pins: dict[str, list[str]] = {}
    for pin in _requirements(root, file):
        name, _, version = pin.partition("==")
        pins.setdefault(canonicalize_name(name), []).append(version)
    return pins


@pytest.mark.parametrize("file", HASHED)
def test_every_requirement_is_exact_and_has_a_hash(root: Path, file: str) -> None:
    requirements = _requirements(root, file)
    assert requirements
    assert [block for block in requirements.values() if not BLOCK.fullmatch(block)] == []
    # Nothing else is in the file: no option, no requirement without a version.
    rest = re.sub(BLOCK, "", (root / file).read_text(encoding="utf-8"))
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("file", [*HASHED, "requirements.txt", "requirements-engine.txt", "package-lock.json"])
def test_no_list_names_where_packages_are_fetched(root: Path, file: str) -> None:
    text = (root / file).read_text(encoding="utf-8")
    pattern = r"--(extra-)?index-url|--find-links|file:|/simple\b|\"resolved\"|registry\."
    assert re.findall(pattern, text) == []
    if file != "package-lock.json":  # whose links to sponsors are the packages' own
        assert re.findall(r"https?://", text) == []


def test_the_plain_list_has_the_project_and_the_versions_of_the_locked_one(root: Path) -> None:
    plain = (root / "requirements.txt").read_text(encoding="utf-8")
    lines = [line for line in plain.splitlines() if not line.startswith("#")]
    assert lines[0] == "-e ."
    locked = [lock.without_hashes(block) for block in _requirements(root, "requirements.lock").values()]
    assert lines[1:] == locked


def test_the_lock_satisfies_every_range_of_the_project(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    for file, ranges in {
        "requirements.lock": [
            *project["project"]["dependencies"],
            *project["project"]["optional-dependencies"]["client"],
            *groups["dev"],
        ],
        "tools/setup/requirements.lock": groups["setup"],
    }.items():
        pins = _pins(root, file)
        for requirement in map(Requirement, ranges):
            versions = pins.get(canonicalize_name(requirement.name), [])
            assert versions, f"{file}: {requirement} is missing; run `make lock`"
            for version in versions:
                assert requirement.specifier.contains(version), f"{file}: {requirement}: {version}; run `make lock`"


def test_the_lock_is_whole_since_it_is_installed_without_resolving(root: Path) -> None:
    pins = _pins(root, "requirements.lock")
    compared = 0
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.name)
        if distribution.version not in pins.get(name, []):
            continue
        compared += 1
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in pins, f"{name} needs {requirement}; run `make lock`"
    assert compared > 100


def test_the_engines_lock_is_the_reasoned_list_with_hashes(root: Path) -> None:
    reasoned = _requirements(root, "requirements-engine.txt")
    assert {lock.normalised(pin) for pin in reasoned} == set(_requirements(root, "requirements-engine.lock"))


def test_the_container_has_the_versions_and_hashes_that_the_engine_is_tested_with(root: Path) -> None:
    engine = _requirements(root, "requirements-engine.lock")
    container = _requirements(root, "container/requirements.txt")
    assert list(container) == ["jmespath==1.1.0", "model-hosting-container-standards==0.1.16", "websockets==17.4"]
    assert {pin: engine[pin] for pin in container} == container


def test_the_build_that_copies_models_installs_boto3_whole_and_in_the_versions_of_the_project(root: Path) -> None:
    project = _requirements(root, "requirements.lock")
    staging = _requirements(root, "constructs/cdk_sglang/_runtime/weights/requirements.txt")
    assert {pin: project[pin] for pin in staging} == staging
    names = {pin.partition("==")[0] for pin in staging}
    needed = {"boto3"}
    for name in ("boto3", "botocore", "s3transfer", "python-dateutil"):
        needed |= {Requirement(text).name for text in metadata.requires(name) or () if "extra ==" not in text}
    assert names == needed


LOCKED = """\
# a comment, with == in it
one==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
two==2 ; sys_platform == 'win32' \\
    --hash=sha256:cc
"""


def test_a_list_is_read_with_markers_and_hashes_and_written_without_hashes() -> None:
    assert lock.requirements(LOCKED) == {
        "one==1.0": "one==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb",
        "two==2": "two==2 ; sys_platform == 'win32' \\\n    --hash=sha256:cc",
    }
    assert lock.without_hashes(LOCKED).splitlines()[1:] == ["one==1.0", "two==2 ; sys_platform == 'win32'"]


def test_the_containers_list_keeps_its_words_and_follows_the_engine() -> None:
    current = "# why\nOne==0.9\n"
    assert lock.part_of(LOCKED, current) == "# why\none==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    assert lock.part_of(LOCKED, lock.part_of(LOCKED, current)) == lock.part_of(LOCKED, current)


@pytest.mark.parametrize("file", ["agent/requirements-mlflow.lock", "agent/langgraph_example/requirements.lock"])
def test_every_agent_has_the_versions_of_the_first(root: Path, file: str) -> None:
    first = _pins(root, "agent/requirements.lock")
    others = _pins(root, file)
    assert len(set(first) & set(others)) > 80
    assert [name for name, versions in others.items() if versions != first.get(name, versions)] == []
