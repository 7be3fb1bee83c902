"""`make agent-tools`: the agents' packages in an environment of their own."""

from __future__ import annotations

from pathlib import Path

from tools import agent_tools


def _checkout(folder: Path) -> Path:
    for lock in agent_tools.LOCKS:
        (folder / lock).parent.mkdir(parents=True, exist_ok=True)
        (folder / lock).write_text("a==1\n", encoding="utf-8")
    return folder


def test_both_lists_are_installed_by_their_hashes_and_without_others(tmp_path: Path) -> None:
    for uv in (Path("/uv"), None):
        create, *installs = agent_tools.commands(tmp_path, uv)
        assert "--clear" in create
        assert [command[-1] for command in installs] == [str(tmp_path / lock) for lock in agent_tools.LOCKS]
        assert all({"--no-deps", "--require-hashes"} <= set(command) for command in installs)


def test_an_environment_of_the_same_locks_is_left_alone_and_one_of_others_is_not(tmp_path: Path) -> None:
    root = _checkout(tmp_path)
    stamp = agent_tools.stamp(root)
    stamp.parent.mkdir()
    stamp.touch()
    assert agent_tools.main(root) == 0
    (root / agent_tools.LOCKS[1]).write_text("a==2\n", encoding="utf-8")
    assert agent_tools.stamp(root) != stamp
    assert agent_tools.stamp(root).exists() is False
