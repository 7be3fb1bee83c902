"""`make check`: it checks the environments that it is given, wherever they are, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.check import __main__ as program
from tools.check import drift, mutants
from tools.check.commands import ROOT
from tools.check.deployment import checker as deployment
from tools.check.outcomes import Outcome

SMALL = """
account: "111122223333"
region: us-east-1
network: {vpc: none}
endpoints:
  own:
    capacity: {type: ml.g6e.2xlarge, max_instances: 1}
    components: {llama: {model: {id: meta-llama/Llama-3.2-3B-Instruct, prefix: weights/llama/}, server: {context_length: 16384}}}
"""


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Environments that an embedded AWS was given; whoever would plant faults or take rights away fails the test. A second synth is another's."""
    found: list[str] = []

    def check(assemblies: Sequence[Any]) -> Outcome:
        found.extend(assembly.environment for assembly in assemblies)
        return Outcome(figures="", problems=[])

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("only `make check-all` checks this repository's checkers")

    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    monkeypatch.setattr(deployment, "check", check)
    monkeypatch.setattr(program, "_repeated", lambda *_: Outcome(figures="", problems=[]))
    for module, name in ((mutants, "check"), (drift, "check"), (program, "_check_checkers")):
        monkeypatch.setattr(module, name, never)
    return found


def test_an_environment_by_its_path_is_checked_alone(
    tmp_path: Path, looked_at: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SMALL)
    assert program.main([str(file)]) == 0
    output = capsys.readouterr().out
    assert looked_at == ["mine"]
    assert "mine/Serving-own" in output
    assert not [name for name in ("dev/", "prod/", "staging/", "local/") if name in output]


@pytest.mark.parametrize("words", [["dev prod"], ["dev", "prod"], ["environments/dev.yaml", "prod"]])
def test_several_environments_are_named_in_one_word_or_more(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert [place.name for place in program._places(words)] == ["dev", "prod"]


def test_without_a_name_every_environment_of_the_folder_is_checked() -> None:
    expected = sorted(file.stem for file in (ROOT / "environments").glob("*.yaml"))
    assert [place.name for place in program._places([])] == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["typo"], "environments/typo.yaml: no such file; environments in "),
        (["dev", "dev"], "dev: given 2 times"),
        (["/none/mine.yaml"], "/none/mine.yaml: no such file; there is no folder /none"),
    ],
)
def test_what_is_not_there_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(words) == 2
    line = capsys.readouterr().err
    assert line.startswith(message)
    assert line.count("\n") == 1
