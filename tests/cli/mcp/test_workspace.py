"""Which files a tool reads: those of environments below the folder that was served, and no other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cdk_sglang.cli.mcp.call import Outcome, call
from cdk_sglang.cli.mcp.workspace import Workspace

Call = Callable[..., Outcome]
SECRET = "network: {vpc: create}\nsecret: hunter2\n"


def _large(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)  # no bytes on the disk


PLANTED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a path above": ("../outside.yaml", lambda _: None, "leads out of the folder"),
    "a path above in the middle": ("environments/../../outside.yaml", lambda _: None, "leads out of the folder"),
    "an absolute path": ("/etc/hostname.yaml", lambda _: None, "leads out of the folder"),
    "a link out": ("x", lambda at: at.symlink_to(at.parents[2] / "outside.yaml"), "is a link out of the folder"),
    "a link to itself": ("x", lambda at: at.symlink_to(at), "cannot be followed"),
    "over 1 MB": ("x", lambda at: _large(at, 1_000_001), "has 1,000,001 bytes"),
    "50 MB": ("x", lambda at: _large(at, 50_000_000), "has 50,000,000 bytes"),
    "a named pipe": ("x", os.mkfifo, "is a named pipe, not a file"),
    "a folder": ("x", Path.mkdir, "is a folder, not a file"),
    "extends a link out": (
        "x",
        lambda at: (at.write_text("extends: y.yaml\n"), (at.parent / "y.yaml").symlink_to(at.parents[2] / "outside.yaml")),
        "is a link out of the folder",
    ),
    "extends, spelt another way, a link out": (
        "x",
        lambda at: (at.write_text('"\\x65xtends": y.yaml\n'), (at.parent / "y.yaml").symlink_to(at.parents[2] / "outside.yaml")),
        "is a link out of the folder",
    ),
    "extends a folder": (
        "x",
        lambda at: (at.write_text("extends: y.yaml\n"), (at.parent / "y.yaml").mkdir()),
        "no such file",
    ),
    "extends a large file": (
        "x",
        lambda at: (at.write_text("extends: y.yaml\n"), _large(at.parent / "y.yaml", 2_000_000)),
        "has 2,000,000 bytes",
    ),
    "models elsewhere": ("dev", lambda at: (at.parent / "models").symlink_to(at.parents[2]), "is a link out of the folder"),
    "a model that is a pipe": (
        "dev",
        lambda at: ((at.parent / "models").mkdir(), os.mkfifo(at.parent / "models" / "m.json")),
        "is a named pipe",
    ),
    "prices elsewhere": (
        "dev",
        lambda at: (at.parent / "prices.csv").symlink_to(at.parents[2] / "outside.yaml"),
        "is a link out of the folder",
    ),
    "no yaml": ("environments/dev.txt", lambda _: None, "is no environment file"),
    "nothing there": ("x", lambda _: None, "no such file: environments/x.yaml; environments there: dev"),
    "a zero byte": ("x\0", lambda _: None, "holds a zero byte"),
    "a long name": ("x" * 290, lambda _: None, "cannot be read: File name too long"),
}  # fmt: skip


@pytest.mark.timeout(30)  # a pipe that is opened is waited for
@pytest.mark.parametrize("case", list(PLANTED))
def test_what_is_no_small_file_below_the_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    path, plant, words = PLANTED[case]
    (tmp_path / "outside.yaml").write_text(SECRET)
    root = tmp_path / "app"
    (root / "environments").mkdir(parents=True)
    (root / "environments" / "dev.yaml").write_text(SECRET)
    plant(root / "environments" / "x.yaml")
    monkeypatch.chdir(root)
    workspace = Workspace.current()
    tools = ("check_environment", "fleet_status", "diff_environment")
    outcomes = [call(tool, {"environment": path}, workspace) for tool in tools]
    for outcome in outcomes:
        assert outcome.is_error
        assert words in outcome.text
        assert "hunter2" not in outcome.text
        assert outcome.content["problems"][0]["path"].endswith(("environment", "extends"))


def test_models_and_prices_are_looked_at_by_tools_that_name_no_environment(folder: Path, ask: Call) -> None:
    os.mkfifo(folder / "environments" / "prices.csv")
    for tool, arguments in {
        "list_models": {},
        "list_instances": {},
        "plan_model": {"model": "Qwen/Qwen3-8B", "instance": "ml.g6e.2xlarge"},
        "predict": {"rows": [{"model": "Qwen/Qwen3-8B", "gpu": "L4-24GB"}]},
        "propose_fleet": {"model": "Qwen/Qwen3-8B", "users": 5},
        "search_capacity": {"instance": "ml.p5en.48xlarge"},
        "check_environment": {"text": "a: 1"},
    }.items():
        assert "is a named pipe, not a file" in ask(tool, **arguments).text, tool


def test_nothing_is_written_for_the_text_of_an_environment(folder: Path, ask: Call) -> None:
    before = sorted(folder.rglob("*"))
    text = (folder / "environments" / "dev.yaml").read_text()
    assert ask("check_environment", text=text).content["may_be_deployed"] is True
    wrong = ask("check_environment", text=text.replace("context_length: 16384", "tp_size: 4"))
    assert [one["path"] for one in wrong.content["problems"]] == ["endpoints.chat.components.llama.server"]
    assert "unsaved" not in wrong.text
    assert "/tmp" not in ask("check_environment", text="extends: base.yaml").text
    proposed = ask("propose_fleet", model="Qwen/Qwen3-8B", users=5)
    assert not proposed.is_error
    checked = ask("check_environment", text=proposed.content["proposals"][0]["environment_text"])
    assert checked.content["may_be_deployed"] is True
    assert sorted(folder.rglob("*")) == before
    for name in ("../escape", "a/b", "A"):
        assert ask("propose_fleet", model="Qwen/Qwen3-8B", users=5, environment=name).is_error


def test_a_wish_for_reserved_capacity_with_adapters_is_proposed_and_its_problems_name_the_arguments(ask: Call) -> None:
    plan = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/peak"
    reserved = {"training_plan": plan, "instance": "ml.p5en.48xlarge", "count": 1, "until": "2027-03-01"}
    wish = {"model": "Qwen/Qwen3-8B", "users": 600, "adapters": 12, "revision": "a" * 40}
    (proposal,) = ask("propose_fleet", **wish, **reserved).content["proposals"]
    assert "reserved: {training_plan: " in proposal["environment_text"]
    assert "max_loaded_loras: 12" in proposal["environment_text"]
    assert f'revision: "{"a" * 40}"' in proposal["environment_text"]
    for wrong, argument in (
        ({"pool": True}, "pool"),
        ({"budget": 9}, "budget"),
        ({"region": "eu-west-1"}, "training_plan"),
    ):
        (problem,) = ask("propose_fleet", **wish, **reserved, **wrong).content["problems"]
        assert problem["path"] == argument
