"""The agent before its first turn: what it imports, how long that takes, and what it says if it is not set up."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

from tests.agent.process import ROOT, START_BUDGET_S, VENV, clean_environment

AGENT = ROOT / "agent"
_PROGRAM = """
import asyncio, json, os, sys, time, types
start = time.monotonic()
import main
cpu = sum(os.times()[:2])
answer = {"wall": time.monotonic() - start, "cpu": cpu, "strands": "strands" in sys.modules}

async def ask():
    context = types.SimpleNamespace(session_id="s", request_headers=None)
    return [event async for event in main.app.handlers["main"]({"prompt": "Hello"}, context)]

answer["events"] = asyncio.run(ask())
print(json.dumps(answer))
"""


def test_an_agent_that_is_not_set_up_starts_within_its_budget_and_says_what_is_missing_when_asked() -> None:
    command = [str(VENV / "bin" / "python"), "-c", _PROGRAM]
    run = subprocess.run(command, cwd=AGENT, env=clean_environment(), capture_output=True, text=True, check=True)
    answer = json.loads(run.stdout)
    print(f"import: {answer['wall']:.1f} s ({answer['cpu']:.1f} s of processor) of {START_BUDGET_S} s")
    assert answer["cpu"] < START_BUDGET_S / 2
    assert answer["strands"] is False  # the first request loads it, when the server listens already
    error, done = answer["events"]
    assert error == {
        "type": "error",
        "code": "settings",
        "text": "The agent is not set up: CDK_SGLANG_ENDPOINT is not set; CDK_SGLANG_COMPONENT is not set. Deploy the agent's stack again.",
    }
    assert done["stop_reason"] == "error"


def test_an_answer_of_no_tokens_is_a_mistake_in_the_settings() -> None:
    place = {"CDK_SGLANG_ENDPOINT": "e", "CDK_SGLANG_COMPONENT": "c", "CDK_SGLANG_ANSWER_TOKENS": "0"}
    command = [str(VENV / "bin" / "python"), "-c", f"from intake.settings import Settings; Settings.read({place})"]
    run = subprocess.run(command, cwd=AGENT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert "CDK_SGLANG_ANSWER_TOKENS is '0', and an answer has 1 token or more" in run.stderr


def _imports(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_the_agents_import_nothing_of_the_library_and_the_agent_nothing_of_its_evaluation() -> None:
    files = [file for file in AGENT.rglob("*.py") if ".venv" not in file.parts]
    assert len(files) > 15
    foreign = {"cdk_sglang", "stacks", "localcloud", "tools", "constructs", "aws_cdk"}
    assert {str(file): _imports(file) & foreign for file in files if _imports(file) & foreign} == {}
    code = [AGENT / "main.py", *(AGENT / "intake").glob("*.py")]
    assert [str(file) for file in code if _imports(file) & {"evals", "langgraph_example"}] == []


def test_every_package_that_the_agent_imports_is_among_its_requirements() -> None:
    lock = (AGENT / "requirements.lock").read_text(encoding="utf-8")
    owners = {
        "strands": "strands-agents",
        "bedrock_agentcore": "bedrock-agentcore",
        "opentelemetry": "opentelemetry-api",
    }
    code = [AGENT / "main.py", *(AGENT / "intake").glob("*.py")]
    used = set().union(*(_imports(file) for file in code)) - set(sys.stdlib_module_names) - {"intake", "mlflow"}
    assert [name for name in sorted(used) if f"\n{owners.get(name, name)}==" not in lock] == []


def _codes(tree: ast.AST) -> set[str]:
    """Codes of errors: the first of two texts of a call or a tuple, of which the second is a sentence for the user."""
    pairs = [
        node.args if isinstance(node, ast.Call) else node.elts
        for node in ast.walk(tree)
        if isinstance(node, ast.Call | ast.Tuple)
    ]
    return {
        str(code.value)
        for code, text, *_ in (pair for pair in pairs if len(pair) > 1)
        if isinstance(code, ast.Constant)
        and re.fullmatch(r"[a-z_]+", str(code.value))
        and isinstance(text, ast.Constant | ast.JoinedStr)
        and ast.unparse(text).rstrip("\"'").endswith(".")
    }


def test_every_error_that_a_user_may_see_is_in_the_table_of_faults() -> None:
    found = set().union(
        *(_codes(ast.parse(file.read_text(encoding="utf-8"))) for file in (AGENT / "intake").glob("*.py"))
    )
    assert found >= {
        "busy",
        "internal",
        "model_interrupted",
        "model_throttled",
        "prompt_too_long",
        "session_of_another_user",
    }
    table = (AGENT / "README.md").read_text(encoding="utf-8")
    assert [code for code in sorted(found) if f"`{code}`" not in table] == []
