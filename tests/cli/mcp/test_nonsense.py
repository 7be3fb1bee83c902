"""Nonsense is refused and never ends the session: random arguments through the SDK's own client, and bytes that are no protocol."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdk_sglang.cli.mcp.call import Outcome
from cdk_sglang.cli.mcp.catalogue import TOOLS
from cdk_sglang.cli.mcp.tool import Tool
from tests.support.assistants import SERVER, Assistant, app_folder, assistant, in_memory, variables

Call = Callable[..., Outcome]
NAMES = [
    "Qwen/Qwen3-8B",
    "ml.g6e.2xlarge",
    "L40S-48GB",
    "dev",
    "nope",
    "us-east-1",
    "2027-01-01",
    "mon-fri",
    "bf16",
    "",
]
TEXTS = st.sampled_from(NAMES) | st.text(max_size=40)
NUMBERS = (
    st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, 1, 2, 8, 1024])
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)


def _arguments(tool: Tool) -> st.SearchStrategy[dict[str, Any]]:
    """Values of some of the tool's arguments, of others', and objects for what takes rows."""
    rows = [row for row in ("rows",) if row in tool.takes.model_fields]
    keys = st.sampled_from([*tool.takes.model_fields, "bogus"])
    values = st.dictionaries(keys, JSON, max_size=6)
    if not rows:
        return values
    from cdk_sglang.cli.mcp.tools.predict import Configuration

    columns = st.dictionaries(st.sampled_from(list(Configuration.model_fields)), LEAVES, max_size=6)
    known = columns.map(lambda row: {"model": "Qwen/Qwen3-8B", "gpu": "L40S-48GB"} | row)
    return values | st.fixed_dictionaries({"rows": st.lists(columns | known, max_size=3)})


CALLS = st.sampled_from(list(TOOLS.values())).flatmap(lambda tool: st.tuples(st.just(tool.name), _arguments(tool)))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    folder = app_folder(tmp_path_factory.mktemp("nonsense"))
    with pytest.MonkeyPatch.context() as patch, assistant(in_memory(folder)) as one:
        patch.chdir(folder)
        for name, value in variables(folder).items():
            patch.setenv(name, value)
        yield one
    assert one.strange == []


@settings(max_examples=80)
@given(random_call=CALLS)
def test_random_arguments_are_answered_or_refused_in_words(
    session: Assistant, random_call: tuple[str, dict[str, Any]]
) -> None:
    name, arguments = random_call
    result = session.call(name, **arguments)  # the SDK checks answers against the tool's schema
    if result.isError:
        assert result.structuredContent is not None
        for problem in result.structuredContent["problems"]:
            assert problem["problem"]
            assert "failed within" not in problem["problem"], problem


@settings(max_examples=30)
@given(text=st.text(max_size=200) | st.lists(st.sampled_from("a: {}[]-,&*!'\"\n\t#|>%@`~?<"), max_size=40).map("".join))
def test_random_texts_are_no_environment_and_are_explained_all_the_same(session: Assistant, text: str) -> None:
    checked = session.call("check_environment", text=text)
    assert checked.isError
    assert "failed within" not in str(checked.content)
    explained = session.call("explain_problem", text=text)
    assert explained.isError == (text == "")


def test_a_failure_of_the_server_is_an_error_of_the_tool_and_not_its_end(
    ask: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdk_sglang.cli import plan

    for failure in (KeyError("x"), SystemExit(3), RecursionError("deep")):
        monkeypatch.setattr(plan, "model_request", lambda failure=failure, **_: (_ for _ in ()).throw(failure))
        outcome = ask("plan_model", model="Qwen/Qwen3-8B", instance="ml.g6e.2xlarge")
        assert f"failed within ({type(failure).__name__}: " in outcome.text


def test_lines_that_are_no_protocol_are_survived_and_stdout_holds_the_protocol_alone(tmp_path: Path) -> None:
    folder = app_folder(tmp_path)
    opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    ask = {"name": "diff_environment", "arguments": {"environment": "dev"}}  # its CDK CLI writes to stdout
    lines = [
        b"hello",
        b"\xff\xfe{",
        b'{"jsonrpc": "2.0", "id": 7, "method": "no/such"}',
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening}).encode(),
        b'{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": 3}}',
        json.dumps({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": ask}).encode(),
    ]
    with subprocess.Popen(
        SERVER, cwd=folder, env=variables(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b"\n".join(lines) + b"\n")
        server.stdin.flush()
        answers: dict[int, dict[str, Any]] = {}
        while 3 not in answers:
            line = json.loads(server.stdout.readline())
            if "id" in line:
                answers[line["id"]] = line
        server.stdin.close()
        rest = server.stdout.read()
        assert server.wait(timeout=30) == 0
    assert rest == b""
    assert answers[1]["result"]["serverInfo"]["name"] == "cdk-sglang"
    assert "error" in answers[2]
    (problem,) = answers[3]["result"]["structuredContent"]["problems"]
    assert "no usable AWS credentials" in problem["problem"], "no AWS is here"
