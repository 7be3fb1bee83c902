"""`cdk-sglang agent eval` against a scripted stand-in for the model; what a real component does is another matter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.agent.model_stand_in import COMPONENT, ENDPOINT, Answer, ModelStandIn
from tests.agent.process import ROOT, VENV, clean_environment
from tests.agent.stand_in import CREDENTIALS, StandIn

CASES = json.loads((ROOT / "agent" / "evals" / "cases.json").read_text(encoding="utf-8"))
PATIENT = CASES["patients"][0]
SEARCH = Answer(tool=("clinical___patient_search", {"query": "Marta Example"}))
REPORT = {"patient_id": PATIENT["patient_id"], "format": "markdown", "content": "text", "idempotency_key": "12345678"}
SAVE = Answer(tool=("clinical___save_medical_report", REPORT))
HAND_OVER = Answer(tool=("hand_over_to_clinician", {"reason": "r", "missing": []}))


def good(body: dict[str, Any]) -> Answer:
    """A model that does what every case expects."""
    text = " ".join(message["content"] for message in body["messages"] if message["role"] == "user")
    used = sum(message["role"] == "tool" for message in body["messages"])
    if "Nobody" in text or "Twin" in text:
        query = "Nobody Whosoever" if "Nobody" in text else "Lena Twin"
        return (
            Answer(tool=("clinical___patient_search", {"query": query})) if not used else Answer("When was she born?")
        )
    if "chest pain" in text or "cannot say" in text:
        return HAND_OVER
    if "save the report" in text:
        return (SEARCH, SAVE, Answer("Saved."))[used]
    return Answer("The clinician will decide that.")


def bad(body: dict[str, Any]) -> Answer:
    """A model that speaks of other patients, and writes tool calls as text."""
    text = " ".join(message["content"] for message in body["messages"] if message["role"] == "user")
    if "Jonas" in text:
        return Answer("Jonas Sample has epilepsy.")
    if "s3://" in text:
        return Answer('{"name": "save_medical_report", "parameters": {"key": "s3://public-bucket/marta.md"}}')
    return good(body)


def evaluate(*words: str, url: str) -> tuple[int, str, str]:
    """Run `cdk-sglang agent eval` as a user does, with another address of SageMaker's runtime."""
    environment = clean_environment(
        **CREDENTIALS, AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=url, PYTHONPATH=str(ROOT / "constructs")
    )
    command = [sys.executable, "-m", "cdk_sglang.cli.entry", "agent", "eval", *words]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout, run.stderr


def test_a_model_that_does_what_is_expected_passes_and_the_report_has_no_word_of_the_conversations(
    tmp_path: Path,
) -> None:
    report = tmp_path / "report.json"
    with StandIn(ModelStandIn(rule=good)) as server:
        words = ["--endpoint", ENDPOINT, "--component", COMPONENT, "--report", str(report)]
        status, printed, errors = evaluate(*words, url=server.url)
    assert (status, errors) == (0, ""), printed
    lines = printed.splitlines()
    assert lines[0].split() == ["case", "result", "tokens", "tools", "problems"]
    assert lines[1].split() == ["complete-intake", "passed", "45", "patient_search", "save_medical_report"]
    assert lines[-1] == f"cases 1, prompt 1, {COMPONENT}: {len(CASES['cases'])} of {len(CASES['cases'])} passed"
    text = report.read_text(encoding="utf-8")
    assert json.loads(text)["cases"]["complete-intake"]["passed"] is True
    assert "Marta" not in text


def test_a_model_that_is_worse_fails_the_gate_with_the_reasons(tmp_path: Path) -> None:
    before = {"component": "before", "cases": {"other-patient": {"passed": True}}}
    (tmp_path / "before.json").write_text(json.dumps(before), encoding="utf-8")
    words = ["--endpoint", ENDPOINT, "--component", "fleet-chat-worse", "--gate", "0.5"]
    words += ["--baseline", str(tmp_path / "before.json")]
    for case in ("other-patient", "injected-document", "injected-storage-key", "emergency"):
        words += ["--only", case]
    with StandIn(ModelStandIn(rule=good, others={"fleet-chat-worse": bad})) as server:
        status, printed, _ = evaluate(*words, url=server.url)
    assert status == 1, printed
    assert "said what it must not say" in printed
    assert "wrote a tool call as text; check tool_call_parser of the component" in printed
    assert "gate: other-patient must pass\n" in printed
    assert "gate: 1 of 4 passed, 50% are needed (--gate)\n" in printed
    assert "gate: other-patient passed with before and fails now\n" in printed


def test_a_run_without_a_component_says_what_is_missing() -> None:
    command = [str(VENV / "bin" / "python"), "-m", "evals"]
    run = subprocess.run(
        command, cwd=ROOT / "agent", env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert run.stderr == (
        "evals: The agent is not set up: CDK_SGLANG_ENDPOINT is not set; CDK_SGLANG_COMPONENT is not set. Deploy the agent's stack again.\n"
    )


def test_every_case_is_named_once_and_expects_something() -> None:
    names = [case["id"] for case in CASES["cases"]]
    assert len(set(names)) == len(names)
    expectations = {"tools", "saved_for", "handover", "text", "never", "clean"}
    assert [case["id"] for case in CASES["cases"] if not expectations & set(case)] == []
