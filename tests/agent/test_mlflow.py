"""MLflow beside AWS's distribution: every span leaves once, MLflow keeps the turn once, and neither has a word of the patient.

Real: the agent, MLflow's client and tracing, AWS's distribution. Stand-ins: collector, MLflow's server, the model.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from pathlib import Path

import pytest

from tests.agent.model_stand_in import COMPONENT, ENDPOINT, Answer, ModelStandIn
from tests.agent.otlp_sink import OtlpSink
from tests.agent.process import VENV, agent, exporting_to
from tests.agent.stand_in import CREDENTIALS, Request, Response, StandIn

_SPAN = re.compile(rb"\x0a\x10.{16}\x12\x08(.{8})", re.DOTALL)
"""Beginning of a span in OTLP's encoding: trace_id, span_id (opentelemetry-proto 1.5, trace.proto)."""
_WAIT_S = 30


class MlflowServer:
    """Takes traces as MLflow's server does; what the client then uploads goes to a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.traces: list[str] = []

    def __call__(self, request: Request) -> Response:
        if (request.method, request.path) != ("POST", "/api/3.0/mlflow/traces"):
            return Response.of({})
        self.traces.append(request.body.decode())
        trace = request.json["trace"]
        trace["trace_info"]["tags"]["mlflow.artifactLocation"] = self.folder.as_uri()
        return Response.of({"trace": trace})

    def kept(self) -> str:
        """The uploaded spans, once the file is whole; empty if that does not happen in time."""
        end = time.monotonic() + _WAIT_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError, ValueError):
                text = (self.folder / "traces.json").read_text(encoding="utf-8")
                json.loads(text)
                return text
            threading.Event().wait(0.05)
        return ""


def test_every_span_leaves_once_and_mlflow_keeps_the_turn_once_without_a_word_of_it(tmp_path: Path) -> None:
    if not list(VENV.glob("lib/python*/site-packages/mlflow")):
        pytest.fail("no MLflow in .venv-agent; run make agent-tools")
    model, sink, server = ModelStandIn(), OtlpSink(), MlflowServer(tmp_path / "artifacts")
    model.says(Answer("vermilion"))
    with StandIn(model) as runtime, StandIn(sink) as collector, StandIn(server) as tracking:
        variables = {
            **CREDENTIALS,
            "CDK_SGLANG_ENDPOINT": ENDPOINT,
            "CDK_SGLANG_COMPONENT": COMPONENT,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime.url,
            **exporting_to(collector.url),
            "MLFLOW_TRACKING_URI": tracking.url,
            "MLFLOW_ENABLE_OTLP_EXPORTER": "false",  # as the runtime has it, see tests/stacks/agent
        }
        with agent(tmp_path / "agent.log", instrument=True, **variables) as process:
            session = process.session()
            assert process.ask("Ana Quillfeather, plumbago", session).text.strip() == "vermilion"
            sink.settled(session, "POST /invocations", "invoke_agent", "chat")
            kept = server.kept()
            assert kept, process.log.read_text(encoding="utf-8")
    # The process has ended, so that nothing is on its way any more.
    exported = _SPAN.findall(sink.bodies["traces"])
    assert len(exported) == len(set(exported)) >= 4
    assert len(server.traces) == 1
    assert len(json.loads(kept)["spans"]) == len(exported)
    found = kept + server.traces[0] + sink.bodies["traces"].decode("utf-8", "replace")
    assert [word for word in ("Quillfeather", "plumbago", "vermilion") if word in found] == []
