"""The zip of an agent: what is in it, that it is the same every time, and what a broken build says and leaves.

A stand-in for uv writes the packages here, so that nothing is downloaded.
"""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cdk_sglang.agents.package import archive
from cdk_sglang.agents.package.__main__ import main
from cdk_sglang.agents.package.archive import write_archive
from cdk_sglang.agents.package.build import build, cached_zip, find_uv, install_command, start_seconds
from cdk_sglang.agents.package.contents import Entry, binary_problem, portable_script
from cdk_sglang.agents.package.sources import AgentSources
from cdk_sglang.errors import ConfigurationError
from tests.support.agents import agent_folder, elf, stand_in_for_uv


@pytest.fixture
def sources(tmp_path: Path) -> AgentSources:
    return AgentSources.read(agent_folder(tmp_path / "agent", lock=f"package==1 --hash=sha256:{0:064}\n"))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "UV": str(stand_in_for_uv(tmp_path)), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def problems(work: object, *arguments: object) -> list[str]:
    assert callable(work)
    with pytest.raises(ConfigurationError) as error:
        work(*arguments)
    return [str(problem) for problem in error.value.problems]


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as content:
        return content.namelist()


def test_it_ships_the_agent_and_its_packages_and_nothing_of_development(
    sources: AgentSources, environment: dict[str, str], tmp_path: Path
) -> None:
    (sources.folder / "__pycache__").mkdir()
    (sources.folder / "__pycache__" / "main.pyc").write_bytes(b"x")
    (sources.folder / ".env").write_text("SECRET=1")
    build(sources, tmp_path / "agent.zip", environment)
    assert names(tmp_path / "agent.zip") == [
        "bin/opentelemetry-instrument",
        "main.py",
        "package-1.dist-info/RECORD",
        "package/__init__.py",
        "package/fast.so",
        "prompts/v1.md",
    ]


def test_two_builds_of_the_same_sources_are_the_same_bytes(
    sources: AgentSources, environment: dict[str, str], tmp_path: Path
) -> None:
    build(sources, tmp_path / "one.zip", environment)
    os.utime(sources.folder / "main.py", (1, 1))
    build(sources, tmp_path / "two.zip", environment)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_times_and_modes_are_fixed_and_scripts_can_be_started(
    sources: AgentSources, environment: dict[str, str], tmp_path: Path
) -> None:
    build(sources, tmp_path / "agent.zip", environment)
    with zipfile.ZipFile(tmp_path / "agent.zip") as content:
        infos = {info.filename: info for info in content.infolist()}
        script = content.read("bin/opentelemetry-instrument")
        record = content.read("package-1.dist-info/RECORD")
    assert {info.date_time for info in infos.values()} == {(1980, 1, 1, 0, 0, 0)}
    assert infos["bin/opentelemetry-instrument"].external_attr >> 16 == 0o100755
    assert infos["main.py"].external_attr >> 16 == 0o100644
    assert script.startswith(b"#!/usr/bin/env python3\n")
    # The script's hash would be that of the building machine's shebang.
    assert record == b"../../bin/opentelemetry-instrument,,\npackage/__init__.py,sha256=abc,7\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"#!/home/me/.venv/bin/python\nimport x\n", b"#!/usr/bin/env python3\nimport x\n"),
        (b"#!/usr/bin/python3.13 -sP\nimport x\n", b"#!/usr/bin/env python3\nimport x\n"),
        (
            b"#!/bin/sh\n'''exec' \"/a very/long path/python\" \"$0\" \"$@\"\n' '''\nimport x\n",
            b"#!/usr/bin/env python3\nimport x\n",
        ),
        (b"#!/bin/sh\necho x\n", b"#!/bin/sh\necho x\n"),
        (b"import x\n", b"import x\n"),
        (elf(), elf()),
    ],
)
def test_scripts_start_with_the_python_of_the_machine_they_run_on(before: bytes, after: bytes) -> None:
    assert portable_script(before) == after


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.so", elf(machine=183), None),
        ("a.so", elf(machine=62), "a.so is for x86_64, AgentCore runs aarch64"),
        ("bin/tool", elf(machine=40), "bin/tool is for arm (32 bit), AgentCore runs aarch64"),
        ("a.so", elf(machine=999), "a.so is for machine 999, AgentCore runs aarch64"),
        ("a.so", b"\x7fELF", "a.so is a damaged binary"),
        ("a.cpython-313-darwin.so", struct.pack("<I", 0xFEEDFACF), "a.cpython-313-darwin.so is not a Linux library"),
        ("a.pyd", b"MZ", "a.pyd is not a Linux library"),
        ("libm.so", b"/* GNU ld script */", None),
        ("a.py", b"import x", None),
    ],
)
def test_binaries_for_other_machines_are_found(name: str, content: bytes, problem: str | None) -> None:
    assert binary_problem(Entry(name=name, content=content, is_program=False)) == problem


def test_a_package_for_another_machine_fails_the_build_and_leaves_no_zip(sources: AgentSources, tmp_path: Path) -> None:
    wrong = {**os.environ, "UV": str(stand_in_for_uv(tmp_path, machine=62))}
    output = tmp_path / "out" / "agent.zip"
    assert problems(build, sources, output, wrong) == [
        "package/fast.so is for x86_64, AgentCore runs aarch64; use packages with wheels for aarch64 Linux"
    ]
    assert list(output.parent.iterdir()) == []


def test_a_zip_beyond_the_limits_is_refused_with_its_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_UNZIPPED_MB", 1)
    large = Entry(name="a.txt", content=b"a" * 1_200_000, is_program=False)
    (problem,) = problems(write_archive, tmp_path / "a.zip", [large])
    assert problem == (
        "the zip is too large: 0.0 of 250 MB zipped, 1.2 of 1 MB unzipped, 1 files, 0 arm64 binaries; "
        "remove packages, or deploy a container"
    )


def test_many_wrong_binaries_are_counted_not_listed(tmp_path: Path) -> None:
    wrong = [Entry(name=f"{index}.so", content=elf(machine=62), is_program=False) for index in range(8)]
    found = problems(write_archive, tmp_path / "a.zip", wrong)
    assert len(found) == 6
    assert found[-1] == "and 3 more such files"


def test_uv_is_asked_for_the_packages_of_another_machine_by_their_hashes(sources: AgentSources) -> None:
    command = install_command(Path("uv"), sources, Path("out"))
    assert command[:3] == ["uv", "pip", "install"]
    assert {"--require-hashes", "--no-deps", "aarch64-manylinux_2_28", "3.13", ":all:"} <= set(command)
    assert command[-1] == str(sources.folder / "requirements.lock")


def test_mlflow_ships_the_longer_list(tmp_path: Path) -> None:
    folder = agent_folder(tmp_path / "agent")
    assert problems(lambda: AgentSources.read(folder, mlflow=True))[0].startswith(
        f"{folder / 'requirements-mlflow.lock'} is missing; "
    )
    (folder / "requirements-mlflow.lock").write_text("# --hash=sha256: more\n")
    assert AgentSources.read(folder, mlflow=True).lock.name == "requirements-mlflow.lock"


def test_what_uv_says_is_told_where_it_fails(sources: AgentSources, tmp_path: Path) -> None:
    broken = tmp_path / "uv"
    broken.write_text("#!/bin/sh\necho 'no wheel for package==1' >&2\nexit 1\n")
    broken.chmod(0o755)
    (problem,) = problems(build, sources, tmp_path / "out" / "agent.zip", {**os.environ, "UV": str(broken)})
    assert problem == (
        "uv could not install requirements.lock for Python 3.13 on aarch64-manylinux_2_28: no wheel for package==1; "
        "every package needs a wheel for it, and uv its index (UV_DEFAULT_INDEX)"
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_uv_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (problem,) = problems(find_uv, {"PATH": ""})
    assert problem.startswith("uv was not found, which packs the agent; install uv")


def test_the_hash_follows_sources_lock_and_modes_alone(tmp_path: Path) -> None:
    first = AgentSources.read(agent_folder(tmp_path / "one")).source_hash()
    second = AgentSources.read(agent_folder(tmp_path / "elsewhere" / "two"))
    assert second.source_hash() == first
    (second.folder / "evals" / "second.json").write_text("{}")
    assert second.source_hash() == first
    hashes = {first}
    for change in (
        lambda: (second.folder / "prompts" / "v1.md").write_text("Be kind.\n"),
        lambda: second.lock.write_text("# --hash=sha256: another\n"),
        lambda: (second.folder / "main.py").chmod(0o755),
        lambda: (second.folder / "main.py").rename(second.folder / "mains.py"),
    ):
        change()
        hashes.add(second.source_hash())
    assert len(hashes) == 5


@pytest.mark.parametrize("missing", ["main.py", "requirements.lock"])
def test_a_folder_without_its_parts_is_refused(tmp_path: Path, missing: str) -> None:
    folder = agent_folder(tmp_path / "agent")
    (folder / missing).unlink()
    assert problems(AgentSources.read, folder)[0].startswith(f"{folder / missing} is missing; ")


def test_a_lock_without_hashes_is_refused(tmp_path: Path) -> None:
    folder = agent_folder(tmp_path / "agent", lock="strands-agents==1.62.0\n")
    (problem,) = problems(AgentSources.read, folder)
    assert problem == (
        f"{folder / 'requirements.lock'} has no hashes, so it is not fixed what is shipped; "
        "write it with: uv pip compile --generate-hashes"
    )


def run(folder: Path, expected: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cdk_sglang.agents.package", str(folder), "--expect", expected]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_command_of_the_assembly_prints_the_path_alone_and_builds_once(
    sources: AgentSources, environment: dict[str, str], root: Path
) -> None:
    environment["PYTHONPATH"] = str(root / "constructs")
    expected = sources.source_hash()
    first = run(sources.folder, expected, environment)
    path = Path(first.stdout.rstrip("\n"))
    assert (first.returncode, path) == (0, cached_zip(sources, environment))
    assert path.name == f"{expected}.zip"
    assert "of 250 MB zipped" in first.stderr
    before = path.stat().st_mtime_ns
    again = run(sources.folder, expected, environment)
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    assert path.stat().st_mtime_ns == before
    assert stat.S_ISREG(path.stat().st_mode)


def test_sources_that_changed_since_the_synth_are_not_deployed(
    sources: AgentSources, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(sources.folder), "--expect", "0" * 64]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"agent: {sources.folder} has changed since the synth of this assembly; ")


def test_an_interrupted_build_leaves_nothing(
    sources: AgentSources, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cdk_sglang.agents.package.build._install", interrupted)
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    monkeypatch.setenv("UV", environment["UV"])
    assert main([str(sources.folder), "--expect", sources.source_hash()]) == 130
    assert list(cached_zip(sources, environment).parent.iterdir()) == []


def test_the_start_is_measured_and_an_agent_that_cannot_start_is_refused(sources: AgentSources) -> None:
    assert 0 < start_seconds(sources, Path(sys.executable)) < 30
    (sources.folder / "main.py").write_text("import nothing_of_that_name\n")
    (problem,) = problems(start_seconds, sources, Path(sys.executable))
    assert "ModuleNotFoundError: No module named 'nothing_of_that_name'" in problem


def test_the_interpreter_may_be_named_by_a_relative_path_and_has_to_be_there(
    sources: AgentSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bin").mkdir()
    Path("bin/python").symlink_to(sys.executable)
    assert start_seconds(sources, Path("bin/python")) > 0
    (problem,) = problems(start_seconds, sources, Path("none/bin/python"))
    assert problem == (
        "--python: none/bin/python does not exist; in a checkout `make agent-tools` makes .venv-agent/bin/python"
    )
