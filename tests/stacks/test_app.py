"""The composition root, run as the CDK CLI runs it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import typer

from cdk_sglang.cli.main import app as cli


def test_an_environment_becomes_templates_and_a_table(
    run_app: Callable[..., Any], fine: dict[str, Any], tmp_path: Path
) -> None:
    fine["endpoints"]["chat"]["components"]["llama"]["model"]["id"] = "meta-llama/Llama-3.2-3B-Instruct"
    run = run_app(fine, context={"report": True})
    assert run.code == 0
    assert "Traceback" not in run.err
    assert "test-chat" in run.out
    assert "Serving-chat.template.json" in run.out
    assert "\x1b" not in run.out  # nobody reads colours in a log
    template = json.loads((tmp_path / "cdk.out" / "Serving-chat.template.json").read_text())
    assert "AWS::SageMaker::InferenceComponent" in {r["Type"] for r in template["Resources"].values()}
    outputs = {name: output["Value"] for name, output in template["Outputs"].items()}
    plan = json.loads((tmp_path / "cdk.out" / "plan.json").read_text())
    assert outputs["PlanDigest"] == plan["digests"]["chat"]
    assert outputs["Console"].endswith("#/endpoints/test-chat")
    command, *words = shlex.split(outputs["Ask"])
    options = dict(zip(words[1:-1:2], words[2:-1:2], strict=True))
    assert (command, words[0], words[-1]) == ("cdk-sglang", "ask", "Hello")
    assert options.keys() <= {
        name for parameter in typer.main.get_command(cli).commands["ask"].params for name in parameter.opts
    }
    assert (options["--endpoint"], options["--component"]) == ("test-chat", "test-chat-llama")


def test_ctrl_c_ends_a_synthesis_without_a_traceback(root: Path, tmp_path: Path) -> None:
    """Once while CDK's process starts, and once while the stacks are made; make prints its own line."""
    environment = {**os.environ, "CDK_OUTDIR": str(tmp_path), "CDK_CONTEXT_JSON": json.dumps({"env": "dev"})}
    for busy_s in (0, 0.5):
        with subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that the signal reaches CDK's process too, as a terminal sends it
        ) as app:
            process = psutil.Process(app.pid)
            while app.poll() is None and not worked(process, busy_s):
                time.sleep(0.01)
            os.killpg(app.pid, signal.SIGINT)
            output, _ = app.communicate(timeout=60)
        assert (app.returncode, "Traceback" in output) == (-signal.SIGINT, False), output


def worked(process: psutil.Process, seconds: float) -> bool:
    """Whether CDK's process has computed that long."""
    try:
        return any(sum(child.cpu_times()[:2]) >= seconds for child in process.children(recursive=True))
    except psutil.NoSuchProcess:
        return False


def test_no_line_of_a_synthesis_names_a_file_of_jsii(root: Path, tmp_path: Path) -> None:
    """CDK prints where an annotation was made: in the temporary folder of jsii's process, if it is asked from Python."""
    environment = {**os.environ, "CDK_OUTDIR": str(tmp_path), "CDK_CONTEXT_JSON": json.dumps({"env": "dev"})}
    subprocess.run([sys.executable, "app.py"], cwd=root, env=environment, capture_output=True, check=True, timeout=120)
    written = "".join(file.read_text() for file in tmp_path.rglob("*.json"))
    assert "Availability Zones" in written
    assert "program.js" not in written
