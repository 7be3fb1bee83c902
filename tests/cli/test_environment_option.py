"""`--env` takes a name or the path of a file, whose folder is then the folder of environments."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang import ConfigurationError
from cdk_sglang.cli import entry, synth
from cdk_sglang.cli.environment_option import environments_folder, shown_env
from cdk_sglang.cli.region import region_of
from cdk_sglang.environments.location import ENVIRONMENTS, Location, locate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with environments/dev.yaml and fleets/other.yaml."""
    for name in ("environments", "fleets"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "environments" / "dev.yaml", tmp_path / "environments" / "dev.yaml")
    text = (ROOT / "environments" / "dev.yaml").read_text(encoding="utf-8")
    (tmp_path / "fleets" / "other.yaml").write_text(f"region: eu-west-1\n{text}" if "region:" not in text else text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "argv", ["cdk-sglang", *words])
    with pytest.raises(SystemExit) as left:
        entry.main()
    return left.value.code


@pytest.mark.parametrize(
    ("option", "name", "parent"),
    [
        ("dev", "dev", None),
        ("dev.yaml", "dev", None),  # no file of that name is here
        ("fleets/other", "other", Path("fleets")),
        ("fleets/other.yaml", "other", Path("fleets")),
        ("./fleets/other.yaml", "other", Path("fleets")),
        ("./dev", "dev", Path()),
    ],
)
def test_a_name_is_a_name_and_what_holds_a_slash_is_a_path(
    option: str, name: str, parent: Path | None, folder: Path
) -> None:
    assert folder.is_dir()
    assert locate(option, option="--env") == Location(name=name, folder=parent, is_path=parent is not None)


def test_a_file_of_the_current_folder_needs_no_slash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "fleets")
    assert locate("other.yaml", option="--env").file == Path("other.yaml")
    assert locate(str(folder / "fleets" / "other"), option="--env").file == folder / "fleets" / "other.yaml"


def test_a_path_and_its_own_folder_agree(folder: Path) -> None:
    there = folder / "fleets"
    assert locate("fleets/other.yaml", there, option="--env").file == there / "other.yaml"
    assert locate("other.yaml", there, option="--env").file == there / "other.yaml"


@pytest.mark.parametrize(
    ("option", "other", "line"),
    [
        ("fleets/", None, "--env: 'fleets/' is a folder; name a file in it; environments in fleets: other"),
        ("fleets", Path("fleets/x"), None),
        ("./fleets", None, "--env: './fleets' is a folder; name a file in it; environments in fleets: other"),
        ("other.yml", None, "--env: 'other.yml': files of environments end in .yaml; rename it to other.yaml"),
        (" ", None, "--env: is empty; give a name, such as dev, or the path of a file"),
        (
            "fleets/other.yaml",
            Path("environments"),
            (
                "--env: 'fleets/other.yaml' is not in environments, which -c environments names; leave -c environments out, or give the name "
                "other alone"
            ),
        ),
    ],
)
def test_what_is_no_file_of_an_environment_is_a_line(
    option: str, other: Path | None, line: str | None, folder: Path
) -> None:
    assert folder.is_dir()
    if line is None:
        assert locate(option, other, option="--env").name == option
        return
    with pytest.raises(ConfigurationError) as refused:
        locate(option, other, option="--env")
    assert refused.value.problems == (line,)


def test_a_command_plans_the_file_of_a_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "fleets" / "other.yaml").write_text("region: us-esat-1\n")
    for option in ("fleets/other", "fleets/other.yaml", str(folder / "fleets" / "other.yaml")):
        assert run(["plan", "--env", option], monkeypatch) == 2
        file = f"{option.removesuffix('.yaml')}.yaml"
        lines = capsys.readouterr().err.splitlines()
        assert lines
        assert all(line.startswith(f"{file}: ") for line in lines)
    assert environments_folder() == ENVIRONMENTS  # forgotten when the command ends


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["plan", "--environments", "environments", "--env", "fleets/other"],
            "--environments: environments is not fleets, where the file of --env is; leave --environments out, or give --env a name alone",
        ),
        (
            ["diff", "--env", "dev", "--env", "fleets/other", "--against", "HEAD"],
            "--env: environments of environments and fleets; those of one command are in one folder",
        ),
        (
            ["ask", "hello", "--env", "fleets/lost.yaml"],
            "--env: no such file: fleets/lost.yaml; environments in fleets: other",
        ),
    ],
    ids=["two folders", "environments of two folders", "no such file"],
)
def test_contradictions_are_one_line(
    words: list[str], line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.is_dir()
    assert run(words, monkeypatch) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_commands_that_need_the_region_alone_read_it_from_the_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "fleets" / "other.yaml").write_text("region: eu-north-1\n")
    arguments: list[str | None] = []
    monkeypatch.setattr(
        "cdk_sglang.cli.agent.seed.stack_outputs",
        lambda env, region: arguments.extend([env, region]) or {"PatientsTable": "t"},
    )
    monkeypatch.setattr("cdk_sglang.cli.agent.seed.synthetic_patients", lambda *_, **__: [])
    monkeypatch.setattr("cdk_sglang.cli.agent.seed.resource", lambda *_, **__: pytest.fail("asks AWS"))
    with pytest.raises(BaseException, match="asks AWS"):
        run(["agent", "seed", "--env", "fleets/other.yaml"], monkeypatch)
    assert arguments == ["other", "eu-north-1"]
    assert region_of("other", None) is None  # the default folder again


def test_synth_hands_the_folder_of_a_path_to_the_app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    assert folder.is_dir()
    monkeypatch.setattr(synth, "cdk_program", lambda _: "cdk")
    monkeypatch.setattr(synth, "run_synth", lambda command, **_: commands.append(list(command)) or 0)
    assert run(["synth", "--env", "fleets/other.yaml"], monkeypatch) == 0
    assert "env=other" in commands[0]
    assert "environments=fleets" in commands[0]
    assert commands[0][commands[0].index("--output") + 1] == "cdk.out/other"


def test_a_command_that_a_message_proposes_finds_the_file() -> None:
    assert shown_env("dev", None) == shown_env("dev", ENVIRONMENTS) == "dev"
    assert shown_env("dev", Path("fleets")) == "fleets/dev.yaml"
