"""`cdk-sglang mcp` as a client sees it: the SDK's own session with the real process, over stdin and stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import McpError
from pydantic import AnyUrl

from cdk_sglang.cli.mcp.catalogue import TOOLS
from tests.support.assistants import ROOT, Assistant, app_folder, assistant, over_stdio, variables

ARGUMENTS: dict[str, dict[str, Any]] = {
    "propose_fleet": {"model": "openai/gpt-oss-20b", "requests_per_second": 0.5},
    "plan_model": {"model": "Qwen/Qwen3-8B", "instance": "ml.g6e.2xlarge"},
    "predict": {"rows": [{"model": "Qwen/Qwen3-8B", "gpu": "L40S-48GB"}, {"model": "nobody/knows", "gpu": "L4-24GB"}]},
    "list_models": {"contains": "qwen3", "limit": 3},
    "list_instances": {"contains": "l40s"},
    "check_environment": {"environment": "dev"},
    "explain_problem": {"text": "endpoints.chat.components.llama.scaling.min_copies: -1 is not allowed; use a value >= 0"},
    "search_capacity": {"instance": "ml.p5en.48xlarge", "count": 2, "days": 3},
    "fleet_status": {"environment": "environments/dev.yaml"},
    "diff_environment": {"environment": "dev"},
}  # fmt: skip
LARGEST_ANSWER = 20_000
"""Bytes; an assistant reads every one of them."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, session_cloud: Any) -> Iterator[Assistant]:
    folder = app_folder(tmp_path_factory.mktemp("app"))
    with assistant(over_stdio(folder, variables(folder, session_cloud), folder / "log")) as one:
        yield one
    assert one.strange == [], "something other than the protocol was written to stdout"
    assert "Traceback" not in (folder / "log").read_text()


def test_every_tool_is_listed_with_schemas_and_as_read_only(client: Assistant) -> None:
    listed = {tool.name: tool for tool in client.portal.call(client.session.list_tools).tools}
    assert set(listed) == set(TOOLS) == set(ARGUMENTS)
    for name, tool in listed.items():
        assert tool.annotations is not None
        assert (tool.annotations.readOnlyHint, tool.annotations.destructiveHint) == (True, False)
        assert tool.annotations.openWorldHint == (name in {"search_capacity", "fleet_status", "diff_environment"})
        assert tool.outputSchema is not None
        for schema in (tool.inputSchema, tool.outputSchema):
            described = [field for field in schema["properties"].values() if "description" in field]
            assert len(described) == len(schema["properties"]), name


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_every_tool_answers_in_its_schema_and_briefly(client: Assistant, name: str) -> None:
    result = client.call(name, **ARGUMENTS[name])
    assert not result.isError, result.content
    (text,) = result.content
    assert text.type == "text"
    assert json.loads(text.text) == result.structuredContent
    assert len(text.text) < LARGEST_ANSWER


def test_aws_is_asked_and_its_answers_are_told(client: Assistant) -> None:
    offered = client.answer("search_capacity", **ARGUMENTS["search_capacity"])
    assert f"{72 * 2 * 8 * 4}.00" in {one["upfront_fee"] for one in offered["offerings"]}
    assert "capacity reserve" in offered["next_step"]
    status = client.answer("fleet_status", environment="dev")
    assert (status["healthy"], status["problems"]) == (False, ["chat: not deployed"])
    diff = client.answer("diff_environment", environment="dev")
    assert (diff["changes"], diff["first_deployment"]) == (True, True)
    assert [one["logical_id"] for one in diff["other_resources"]] == ["Queue"]


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_arguments_that_the_schema_does_not_have_are_errors_of_the_tool(client: Assistant, name: str) -> None:
    found = client.problems(name, **ARGUMENTS[name], bogus=1)
    assert [one["path"] for one in found] == ["bogus"]
    assert found[0]["problem"] == "unknown key"
    assert found[0]["next_step"]


def test_mistakes_name_the_argument_what_is_wrong_and_the_next_step(client: Assistant) -> None:
    assert client.problems("plan_model", model="Qwen/Qwen3-8B", instance="ml.g6e.2xlarg") == [
        {
            "path": "instance",
            "problem": "unknown GPU instance type 'ml.g6e.2xlarg'",
            "next_step": "did you mean 'ml.g6e.2xlarge'",
        }
    ]
    assert client.problems("nothing_such")[0]["path"] == "tool"


def test_the_documentation_the_skill_and_the_schema_are_resources(client: Assistant) -> None:
    listed = {str(one.uri): one for one in client.portal.call(client.session.list_resources).resources}
    pages = {f"cdk-sglang://docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert pages <= set(listed)
    for uri, path in {
        "cdk-sglang://docs/planner.md": "docs/planner.md",
        "cdk-sglang://docs/runbooks/no-capacity.md": "docs/runbooks/no-capacity.md",
        "cdk-sglang://docs/skills/cdk-sglang/SKILL.md": "docs/skills/cdk-sglang/SKILL.md",
        "cdk-sglang://schema/environment.json": "environments/schema.json",
    }.items():
        (content,) = client.portal.call(client.session.read_resource, listed[uri].uri).contents
        assert getattr(content, "text", "") == (ROOT / path).read_text(encoding="utf-8")
    for wrong in ("cdk-sglang://docs/../pyproject.toml", "file:///etc/passwd"):
        with pytest.raises(McpError, match="there is no resource"):
            client.portal.call(client.session.read_resource, AnyUrl(wrong))


def test_every_tool_is_in_the_page_and_in_the_skill_which_has_its_front_matter() -> None:
    page = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    skill = (ROOT / "docs" / "skills" / "cdk-sglang" / "SKILL.md").read_text(encoding="utf-8")
    assert [name for name in TOOLS if f"`{name}`" not in page or f"`{name}`" not in skill] == []
    opening, front, _ = skill.split("---\n", 2)
    assert opening == ""
    keys = dict(line.split(": ", 1) for line in front.splitlines())
    assert keys["name"] == "cdk-sglang"
    assert 0 < len(keys["description"]) <= 1024


def test_the_plan_is_that_of_the_command(client: Assistant, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from cdk_sglang.cli.main import app

    monkeypatch.chdir(root)
    done = CliRunner().invoke(app, ["plan", "--env", "dev", "--json"])
    (component,) = json.loads(done.stdout)["endpoints"][0]["components"]
    (row,) = client.answer("check_environment", environment="dev")["components"]
    for name in ("ttft_ms", "tpot_ms", "context_length", "usd_per_million_input_tokens"):
        assert row[name] == component[name]
    assert row["kv_tokens"] == component["memory"]["kv_tokens"]
