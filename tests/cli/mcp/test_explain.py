"""`explain_problem`: settings, alarms and failures by the texts that name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cdk_sglang.cli.mcp import documents
from cdk_sglang.cli.mcp.call import Outcome
from cdk_sglang.cli.mcp.problems import parted
from cdk_sglang.observability.alarms.catalogue import KINDS, LOG_METRICS
from cdk_sglang.observability.logs.failures import engine_failures

Call = Callable[..., Outcome]


def test_a_setting_is_told_with_its_meaning_type_default_and_keys(ask: Call) -> None:
    line = "warning: environments/dev.yaml: endpoints.chat.components.llama.scaling.min_copies: -1 is not allowed; use a value >= 0"
    explanation = ask("explain_problem", text=line).content
    assert (explanation["kind"], explanation["problem"], explanation["next_step"]) == (
        "setting",
        "-1 is not allowed",
        "use a value >= 0",
    )
    assert explanation["path"] == "environments/dev.yaml: endpoints.chat.components.llama.scaling.min_copies"
    assert explanation["setting"]["type"] == "integer >= 0 <= 1000"
    assert "scale to zero" in explanation["setting"]["description"]
    assert any(one["uri"] == "cdk-sglang://docs/scaling.md" for one in explanation["read_on"])
    server = ask("explain_problem", text="endpoints.chat.components.llama.server: 4 GPUs asked; use 1").content
    assert "tp_size" in server["setting"]["allowed"]
    severity = ask("explain_problem", text="endpoints.a.capacity.scale_in.strategy: 'x' is not allowed").content
    assert '"idle_release"' in severity["setting"]["allowed"]


def test_every_kind_of_alarm_is_told_by_its_name_and_by_that_of_its_resource(ask: Call) -> None:
    for kind in KINDS:
        logical_id = "".join(word.capitalize() for word in kind.id.split("-"))
        for text in (kind.id, f"cdk-sglang-prod-chat-alarms-{logical_id}Llama1A2B3C4D-XYZ123456789"):
            explanation = ask("explain_problem", text=text).content
            assert (explanation["kind"], explanation["path"]) == ("alarm", kind.id)
            assert explanation["next_step"] == kind.action
            assert [one["uri"] for one in explanation["read_on"]] == [f"cdk-sglang://docs/runbooks/{kind.id}.md"]


def test_every_failure_is_told_by_a_line_of_a_log(ask: Call) -> None:
    kinds = {metric: kind for kind, metric in LOG_METRICS.items()}
    for metric, failure in engine_failures().items():
        for term in failure.terms:
            explanation = ask("explain_problem", text=term.example).content
            assert (explanation["kind"], explanation["path"]) == ("engine failure", kinds[metric])


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without documentation and schema."""

    def nowhere(name: str, *, holds: str) -> None:
        raise FileNotFoundError(name, holds)

    caches = (documents.documents, documents.schema, documents.sections)
    monkeypatch.setattr(documents, "find_folder", nowhere)
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


@pytest.mark.usefixtures("bare")
def test_without_the_documentation_it_says_so_and_explains_what_it_can(ask: Call) -> None:
    from cdk_sglang.cli.mcp.server import build_server
    from cdk_sglang.cli.mcp.workspace import Workspace

    explanation = ask("explain_problem", text="environments/dev.yaml: endpoints.chat: is wrong; mend it").content
    assert (explanation["setting"], explanation["read_on"], explanation["next_step"]) == (None, [], "mend it")
    assert ask("explain_problem", text="no-capacity").content["read_on"] == []
    assert "are not installed here" in str(build_server(Workspace.current()).instructions)


def test_the_next_step_is_what_follows_the_first_semicolon_outside_of_brackets() -> None:
    assert parted("wrong (as a; b); do this; or that") == ("wrong (as a; b)", "do this; or that")
    assert parted("wrong") == ("wrong", "")
    assert parted("a smiley :) ; then; this") == ("a smiley :) ", "then; this")
