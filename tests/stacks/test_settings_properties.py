"""Whatever an environment file holds, it becomes settings or lines that say what is wrong with it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import check, parse
from cdk_sglang.environments.settings import Environment
from tools.fuzz.environments import environments

SOURCE = "environments/fuzz.yaml"


def _is_a_line_with_a_place(problem: str) -> bool:
    place, separator, message = problem.removeprefix(f"{SOURCE}: ").partition(": ")
    whole_file = message == "" and place.startswith("expected a mapping")
    return problem.startswith(f"{SOURCE}: ") and problem.isprintable() and (whole_file or bool(separator and place))


def _outcome(load: Any, content: Any) -> str:
    """Return "settings" or "problems"; any other exception is a failure."""
    try:
        settings = load(content, source=SOURCE)
    except ConfigurationError as error:
        problems = error.problems
    else:
        assert isinstance(settings, Environment)
        return "settings"
    assert problems
    assert [line for line in problems if not _is_a_line_with_a_place(line)] == []
    return "problems"


def test_any_content_becomes_settings_or_lines(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=1500, phases=[Phase.generate, Phase.shrink])
    @given(environments())
    def holds(content: dict[str, Any]) -> None:
        outcomes[_outcome(check, content)] += 1

    holds()
    with capsys.disabled():
        print(f"\n{outcomes.total()} environments through the settings: {outcomes['settings']} valid")
    assert outcomes.total() >= 1500
    assert outcomes["settings"] > 300
    assert outcomes["problems"] > 300


@settings(max_examples=300)
@given(environments(max_faults=1), st.data())
def test_any_text_becomes_settings_or_lines(content: dict[str, Any], data: st.DataObject) -> None:
    lines = yaml.safe_dump(content, allow_unicode=True).splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(("keep", "drop", "twice", "indent", "noise"))):
        case "drop":
            del lines[index]
        case "twice":
            lines.insert(index, lines[index])
        case "indent":
            lines[index] = f"  {lines[index]}"
        case "noise":
            lines.insert(index, data.draw(st.text(max_size=10)))
        case _:
            pass
    _outcome(parse, "\n".join(lines))


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    )
)
def test_content_of_any_shape_becomes_lines(content: Any) -> None:
    assert _outcome(check, content) == "problems"


@settings(max_examples=200)
@given(environments(max_faults=0))
def test_valid_settings_survive_a_round_trip(content: dict[str, Any]) -> None:
    try:
        environment = check(content, source=SOURCE)
    except ConfigurationError:
        return
    assert check(environment.model_dump(mode="json", exclude_unset=True, by_alias=True), source=SOURCE) == environment


@pytest.mark.parametrize("value", ["\U00018cd6", "a\nb", "\x1b[31m", "x" * 300])
def test_advice_shows_no_value_that_a_line_cannot_hold(value: str) -> None:
    capacity: dict[str, Any] = {"pool": value, "max_instances": f"0{value}"}
    content = {
        "region": "us-east-1",
        "endpoints": {"chat": {"capacity": capacity, "components": {"a": {"model": {"id": [value]}}}}},
    }
    with pytest.raises(ConfigurationError) as caught:
        check(content, source=SOURCE)
    advice = [line.partition("; write it ")[2] for line in caught.value.problems]
    assert {"in brackets", "without brackets"} <= set(advice)
    assert all(_is_a_line_with_a_place(line) for line in caught.value.problems)
