"""The install recipe: what needs no engine. That the engine serves is shown by the tests that start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.engine import install as installer
from localcloud.engine.recipe import ROOT, EngineMissingError, engine_environment, engine_python, recipe_hash, stamp

GOOD = {"free_gb": 100.0, "version": (3, 11), "machine": "linux-x86_64"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with nothing but the recipe."""
    shutil.copy(ROOT / "requirements-engine.lock", tmp_path)
    shutil.copytree(
        ROOT / "localcloud" / "engine" / "cpu_platform", tmp_path / "localcloud" / "engine" / "cpu_platform"
    )
    return tmp_path


def _install_by_hand(checkout: Path) -> Path:
    python = checkout / ".venv-engine" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return python


def test_the_recipe_changes_with_pins_and_plugin_and_with_nothing_else(checkout: Path) -> None:
    before = recipe_hash(root=checkout)
    (checkout / "README.md").write_text("x")
    assert recipe_hash(root=checkout) == before
    plugin = checkout / "localcloud/engine/cpu_platform/src/cdk_sglang_cpu/platform.py"
    plugin.write_text(plugin.read_text() + "\n")
    changed = recipe_hash(root=checkout)
    pins = checkout / "requirements-engine.lock"
    pins.write_text(pins.read_text() + "\n")
    assert len({before, changed, recipe_hash(root=checkout)}) == 3


def test_an_engine_is_used_only_when_finished_and_of_these_pins(checkout: Path) -> None:
    with pytest.raises(EngineMissingError, match=r"is not installed: \.venv-engine is missing; run `make engine`"):
        engine_python(root=checkout)
    python = _install_by_hand(checkout)
    with pytest.raises(EngineMissingError, match="is unfinished or was made from other pins"):
        engine_python(root=checkout)
    stamp(root=checkout).touch()
    assert engine_python(root=checkout) == python


def test_an_installed_engine_is_left_alone(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _install_by_hand(checkout)
    stamp(root=checkout).touch()
    assert installer.main(root=checkout) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"free_gb": 5.9}, "5.9 GB free, the engine needs 6; free some and run `make engine` again"),
        ({"version": (3, 12)}, "the engine needs python 3.11, this is 3.12; run `make engine PYTHON="),
        ({"machine": "darwin-arm64"}, "wheels are for linux-x86_64, this is darwin-arm64"),
    ],
)
def test_what_cannot_work_is_said_before_it_starts(tmp_path: Path, change: dict[str, object], message: str) -> None:
    (problem,) = installer.preflight(root=tmp_path, **{**GOOD, **change})
    assert message in problem
    assert installer.preflight(root=tmp_path, **GOOD) == []


def _fake_pip(monkeypatch: pytest.MonkeyPatch, *results: tuple[int, str]) -> list[tuple[str, ...]]:
    calls: list[tuple[str, ...]] = []
    pending = list(results)

    def pip(_python: Path, *arguments: str, progress: object = None) -> tuple[int, str]:
        calls.append(arguments)
        return pending.pop(0) if pending else (0, "")

    monkeypatch.setattr(installer, "_pip", pip)
    monkeypatch.setattr(installer.uv_tool, "find", lambda **_options: None)
    monkeypatch.setattr(installer, "preflight", lambda **_options: [])
    return calls


def test_a_full_disk_is_told_apart_and_a_later_run_goes_on(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = _fake_pip(monkeypatch, (1, "ERROR: [Errno 28] No space left on device"))
    assert installer.main(root=checkout) == 1
    assert "the disk is full; free 6 GB and run `make engine` again" in capsys.readouterr().err
    assert not stamp(root=checkout).exists()
    assert installer.main(root=checkout) == 1, "sglang is not there, so its import fails"
    assert len(calls) == 3


def test_the_cpu_build_of_torch_is_asked_for_elsewhere_only_when_it_is_missing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "ERROR: No matching distribution found for torch==2.13.0+cpu"
    calls = _fake_pip(monkeypatch, (1, missing), (1, "still not"))
    assert installer.main(root=checkout) == 1
    assert "--extra-index-url" not in calls[0]
    assert "https://download.pytorch.org/whl/cpu" in calls[1]


def test_an_interrupted_install_says_how_to_go_on(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(**_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(installer, "install", interrupt)
    assert installer.main(root=checkout) == 130
    assert "interrupted; run `make engine` again to continue" in capsys.readouterr().err


def test_every_pin_is_exact() -> None:
    lines = installer.pins((ROOT / "requirements-engine.lock").read_text(encoding="utf-8"))
    assert len(lines) > 100
    assert [line for line in lines if line.count("==") != 1] == []


def _fake_uv(
    monkeypatch: pytest.MonkeyPatch, *results: tuple[int, str]
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """uv's calls and pip's; `uv venv` makes a folder, and nothing else is run."""
    by_pip = _fake_pip(monkeypatch)
    calls: list[tuple[str, ...]] = []
    pending = list(results)

    def uv(_uv: Path, _python: Path, *arguments: str, progress: object = None) -> tuple[int, str]:
        calls.append(arguments)
        return pending.pop(0) if pending else (0, "")

    def run(command: list[str], **_options: object) -> tuple[int, str]:
        calls.append(tuple(command[1:]))
        return 0, ""

    monkeypatch.setattr(installer, "_uv", uv)
    monkeypatch.setattr(installer, "_run", run)
    monkeypatch.setattr(installer.uv_tool, "find", lambda **_options: Path("/tools/uv"))
    return calls, by_pip


def test_uv_makes_an_environment_anew_unless_it_was_finished_once(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, by_pip = _fake_uv(monkeypatch)
    python = _install_by_hand(checkout)  # an install that was interrupted: no stamp
    installer.main(root=checkout)
    assert calls[0][:3] == ("venv", "--quiet", "--clear")
    assert [("--require-hashes" in call, "--reinstall" in call) for call in calls[1:]] == [(True, False), (False, True)]
    calls.clear()
    (python.parents[1] / ".installed-of-other-pins").touch()
    installer.main(root=checkout)
    assert len(calls) == 2
    assert by_pip == []


def test_uv_too_asks_for_the_cpu_build_of_torch_elsewhere_only_when_it_is_missing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = (
        "cause: Because there is no version of torch==2.13.0+cpu and you require torch==2.13.0+cpu, we can conclude"
    )
    calls, by_pip = _fake_uv(monkeypatch, (1, missing))
    installer.main(root=checkout)
    assert ["--extra-index-url" in call for call in calls] == [False, False, True, False]
    assert by_pip == []


def test_pip_goes_on_where_uv_fails_but_not_on_a_full_disk(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _calls, by_pip = _fake_uv(monkeypatch, (2, "error: no such option"))
    installer.main(root=checkout)
    assert "uv failed (exit 2), continuing with pip. Its last lines:\nerror: no such option" in capsys.readouterr().out
    assert ["--require-hashes" in call for call in by_pip] == [True, False]
    _calls, by_pip = _fake_uv(monkeypatch, (2, "error: No space left on device (os error 28)"))
    assert installer.main(root=checkout) == 1
    assert "the disk is full; free 6 GB" in capsys.readouterr().err
    assert by_pip == []


def test_the_installer_needs_nothing_but_python() -> None:
    code = "import sys; import localcloud.engine.install; print([m for m in sys.modules if 'site-packages' in str(getattr(sys.modules[m], '__file__', ''))])"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_engines_environment_yields_to_the_callers() -> None:
    environment = engine_environment({"SGLANG_USE_CPU_ENGINE": "1", "OMP_NUM_THREADS": "1"})
    assert environment["SGLANG_PLATFORM"] == "cdk_sglang_cpu"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert "SGLANG_USE_CPU_ENGINE" not in environment
    assert "PATH" in engine_environment()


@pytest.mark.engine
def test_the_tiny_model_is_the_same_bytes_every_time(models: dict[str, Path], tmp_path: Path) -> None:
    from engine_server import make_tiny_models

    again = make_tiny_models(tmp_path)
    files = {name: sorted(path.name for path in folder.iterdir()) for name, folder in models.items()}
    assert set(files) == {"base", "adapter-a", "adapter-b"}
    for name, names in files.items():
        for file in names:
            assert (models[name] / file).read_bytes() == (again[name] / file).read_bytes(), f"{name}/{file}"
    assert (models["adapter-a"] / "adapter_model.safetensors").read_bytes() != (
        models["adapter-b"] / "adapter_model.safetensors"
    ).read_bytes()


PLATFORM_PROBE = """
import torch
from sglang.srt.platforms import current_platform as platform
assert type(platform).__module__ == "cdk_sglang_cpu.platform", type(platform)
assert platform.device_type == "cpu" and platform.get_device() == "cpu"
class Args: max_total_tokens, lora_backend = None, "csgmv"
platform.apply_server_args_defaults(Args)
assert (Args.max_total_tokens, Args.lora_backend) == (16384, "torch_native")
Args.max_total_tokens, Args.lora_backend = 7, "ascend"
platform.apply_server_args_defaults(Args)
assert (Args.max_total_tokens, Args.lora_backend) == (7, "ascend")
plain = torch.zeros
platform.init_backend(); platform.init_backend()
assert torch.zeros.__wrapped__ is plain, "wrapped once"
assert torch.zeros(2, pin_memory=True).pin_memory().tolist() == [0, 0]
"""


@pytest.mark.engine
def test_the_platform_says_cpu_bounds_the_cache_and_ignores_pinning() -> None:
    environment = engine_environment({**os.environ, "PYTHONWARNINGS": "ignore"})
    done = subprocess.run(
        [str(engine_python()), "-c", PLATFORM_PROBE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
