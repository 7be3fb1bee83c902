"""A mistake is a value that says where it is and what is wrong, unchanged from the check to the screen."""

from __future__ import annotations

import pytest

from cdk_sglang.errors import ConfigurationError, Problem


def test_a_problem_is_its_own_line() -> None:
    problem = Problem("scaling.min_copies", "-1 is not allowed; use 0 or more")
    assert problem == "scaling.min_copies: -1 is not allowed; use 0 or more"
    assert (problem.path, problem.text) == ("scaling.min_copies", "-1 is not allowed; use 0 or more")


def test_a_problem_of_the_whole_value_has_no_path() -> None:
    assert Problem("", "give exactly one of a and b") == "give exactly one of a and b"


@pytest.mark.parametrize(
    ("path", "parent", "line"),
    [
        ("min_copies", "scaling", "scaling.min_copies: bad"),
        ("", "scaling", "scaling: bad"),
        ("min_copies", "", "min_copies: bad"),
        ("[0]", "types", "types[0]: bad"),
        ("", "", "bad"),
    ],
)
def test_a_problem_under_a_parent_keeps_its_text(path: str, parent: str, line: str) -> None:
    assert Problem(path, "bad").under(parent) == line
    assert Problem(path, "bad").under(parent).text == "bad"


@pytest.mark.parametrize(
    ("path", "line"), [("scaling.min_copies", "min_copies: bad"), ("scaling", "bad"), ("scalings.x", "scalings.x: bad")]
)
def test_a_problem_inside_a_parent_begins_there(path: str, line: str) -> None:
    assert Problem(path, "bad").inside("scaling") == line


def test_the_file_stands_before_the_path_and_stays_there() -> None:
    problem = Problem("capacity", "bad").in_file("environments/prod.yaml").under("endpoints.chat")
    assert problem == "environments/prod.yaml: endpoints.chat.capacity: bad"


def test_an_error_is_all_its_problems_and_has_at_least_one() -> None:
    error = ConfigurationError([Problem("a", "bad"), Problem("b", "worse")])
    assert str(error) == "a: bad\nb: worse"
    assert str(error.under("c")) == "c.a: bad\nc.b: worse"
    with pytest.raises(TypeError, match="at least one"):
        ConfigurationError([])
