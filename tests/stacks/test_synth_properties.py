"""Whatever an environment asks for, it becomes templates that CloudFormation takes, or lines."""

from __future__ import annotations

import pytest

from tools.fuzz.synthesis import collect, synthesise

EXAMPLES = 60  # that pass the settings, the others are refused before; `make fuzz` sends 2,000


def test_any_environment_becomes_valid_templates_or_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tally = synthesise(collect(EXAMPLES))
    with capsys.disabled():
        print(f"\nsynth and strict validation: {tally}")
    assert tally.failures == []
    assert tally.valid + tally.refused_fleets == EXAMPLES
    assert tally.valid > EXAMPLES // 2
    assert tally.refused_settings > EXAMPLES // 4
    assert tally.refused_fleets > 0
