"""Whatever an environment asks for, it becomes templates that CloudFormation takes, or lines."""

from __future__ import annotations

import pytest

from tests.properties.synth import collect, synthesise

EXAMPLES = 200


def test_any_environment_becomes_valid_templates_or_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tally = synthesise(collect(EXAMPLES))
    with capsys.disabled():
        print(f"\nsynth and strict validation: {tally}")  # noqa: T201
    assert tally.failures == []
    assert tally.total == EXAMPLES
    assert tally.valid > EXAMPLES // 4
    assert tally.refused_settings + tally.refused_fleets > EXAMPLES // 10
