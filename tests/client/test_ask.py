"""`cdk-sglang ask`, as a user runs it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cdk_sglang.cli import main
from cdk_sglang.errors import ConfigurationError
from localcloud import faults


@pytest.fixture
def aws(cloud: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.url,  # type: ignore[attr-defined]
        **cloud.credentials.environment,  # type: ignore[attr-defined]
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


def test_the_answer_is_printed(serving: object, aws: None) -> None:
    done = CliRunner().invoke(main.app, ["ask", "hello", "--endpoint", "fleet", "--component", "llama"])
    assert (done.exit_code, done.stdout) == (0, "part 0 part 1 part 2 \n")


def test_what_was_waited_for_in_vain_is_one_line_and_exit_code_1(serving: object, aws: None) -> None:
    faults.inject("throttling", target="InvokeEndpoint*")
    done = CliRunner().invoke(main.app, ["ask", "hello", "--endpoint", "fleet", "--component", "llama", "--wait", "0"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "ask: llama on fleet: no answer after 0 s and 1 attempt; no copy has seen the request. "
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("where", ["prod", "prod/", "/reasoning"])
def test_a_route_is_an_environment_and_a_name(where: str) -> None:
    with pytest.raises(ConfigurationError, match="--route <environment>/<route>"):
        CliRunner().invoke(main.app, ["ask", "hello", "--route", where], catch_exceptions=False)


def test_a_route_that_is_not_there_is_exit_code_1(cloud: object, aws: None) -> None:
    done = CliRunner().invoke(main.app, ["ask", "hello", "--route", "prod/reasoning"])
    assert done.exit_code == 1
    assert "ask: /cdk-sglang/prod/routes/reasoning: no such parameter" in done.stderr


@pytest.mark.parametrize(
    "given", [[], ["--endpoint", "fleet"], ["--component", "x"], ["--route", "a/b", "--endpoint", "c"]]
)
def test_a_destination_is_needed(given: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="ask: "):
        CliRunner().invoke(main.app, ["ask", "hello", *given], catch_exceptions=False)
