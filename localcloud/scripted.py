"""A scripted stand-in for a model that can call tools: `python -m localcloud.scripted` lets it answer for the local component.

It is not a model. It speaks the engine's OpenAI-compatible API (`/invocations` and `/v1/chat/completions`, streamed or not) and follows a fixed
script: look up the named patient, save a report about the patient found, and say so. The random model of `make local` knows no
language, so it can show that requests and answers take the real path, but not what an agent does with tools.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from localcloud.background import LocalError, credentials, running
from localcloud.served import served

Answer = tuple[str, Any]
"""("text", the words) or ("tool", (name, arguments))."""
Script = Callable[[dict[str, Any]], Answer]
_NAME: Final = re.compile(r"\b([A-Z][\w'-]+(?: [A-Z][\w'-]+)+)")
_PATIENT: Final = re.compile(r"p-[0-9a-f]{12}")
_REPORT: Final = re.compile(r'"report_id": ?"([^"]+)"')
_NOT_NAMES: Final = {"Save", "Find", "Look", "Patient", "Please", "Intake", "The", "I", "A"}


def clinical_intake(request: dict[str, Any]) -> Answer:
    """Decide from the messages since the user's last one: search, then save, then answer."""
    messages = request["messages"]
    last = max(index for index, message in enumerate(messages) if message["role"] == "user")
    results = [_text(message) for message in messages[last + 1 :] if message["role"] == "tool"]
    tools = {
        tool["function"]["name"].rpartition("___")[2]: tool["function"]["name"] for tool in request.get("tools", [])
    }
    name = _name(_text(messages[last]))
    if "patient_search" not in tools or name is None:
        return "text", "I can look a patient up and save a report. Give me the patient's name."
    if not results:
        return "tool", (tools["patient_search"], {"query": name})
    if (found := _PATIENT.search(results[0])) is None:
        return "text", "I found no such patient, so nothing was saved. Check the name, or give the date of birth."
    if len(results) == 1 and "save_medical_report" in tools:
        content = (
            f"# Intake\n\nReason for the visit, as told: {_text(messages[last])}\n\nPrepared for review by a clinician."
        )
        report = {"patient_id": found[0], "format": "markdown", "content": content, "idempotency_key": "scripted-model"}
        return "tool", (tools["save_medical_report"], report)
    if saved := _REPORT.search(results[-1]):
        return "text", f"The intake is finished. The report {saved[1]} is saved for a clinician to review."
    return "text", "The report could not be saved. Please tell a clinician."


class ScriptedModel:
    """A server on loopback that answers by a script; a context manager.

    Args:
        script: Decides the answer to a request.

    Attributes:
        requests: Bodies of the requests so far.
        port: Port of the server; 0 before it is entered.
    """

    def __init__(self, script: Script = clinical_intake) -> None:
        self.requests: list[dict[str, Any]] = []
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.requests.append(body)
                answer = script(body)
                streams = bool(body.get("stream"))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream" if streams else "application/json")
                self.end_headers()
                for part in _stream(answer, body) if streams else (json.dumps(_whole(answer)),):
                    self.wfile.write(part.encode())
                    self.wfile.flush()

            def log_message(self, *_: object) -> None:
                """Log nothing: prompts do not belong in a terminal."""

        self._handler = Handler
        self.port = 0

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def standing_in(url: str, secret: str, component: str, model: ScriptedModel) -> Iterator[None]:
    """Let a scripted model answer for a component of the embedded AWS, for the duration of the block.

    Args:
        url: Address of the embedded AWS.
        secret: Secret of its credentials.
        component: Name of the component.
        model: The scripted model.

    Raises:
        OSError: The embedded AWS does not answer.
    """
    _tell(url, secret, {"component": component, "port": model.port})
    try:
        yield
    finally:
        _tell(url, secret, {"component": component, "port": None})


def main(component: str | None = None) -> int:
    """Answer for a component until Ctrl-C.

    Args:
        component: SageMaker's name of the component; that of `environments/local.yaml` by default.
    """
    server = running()
    if server is None:
        sys.stderr.write("nothing is running; `make local AGENT=1` starts it\n")
        return 1
    try:
        component = component or served().component_name
        secret = credentials().secret_access_key
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with ScriptedModel() as model, standing_in(server["url"], secret, component, model):
        sys.stdout.write(f"a script answers for {component} in the model's place; Ctrl-C ends it\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.stdout.write("\nthe engine answers again\n")
    return 0


def _tell(url: str, secret: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{url}/localcloud/stand-in",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {secret}"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        response.read()


def _stream(answer: Answer, body: dict[str, Any]) -> Iterator[str]:
    kind, content = answer

    def event(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps(_base('chat.completion.chunk') | {'choices': [choice]})}\n\n"

    yield event({"role": "assistant", "content": ""})
    if kind == "text":
        for word in re.findall(r"\S+\s*", content):
            yield event({"content": word})
        yield event({}, "stop")
    else:
        name, arguments = content
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
        yield event({"tool_calls": [first]})
        for start in range(0, len(text), 16):
            yield event({"tool_calls": [{"index": 0, "function": {"arguments": text[start : start + 16]}}]})
        yield event({}, "tool_calls")
    if (body.get("stream_options") or {}).get("include_usage"):
        yield f"data: {json.dumps(_base('chat.completion.chunk') | {'choices': [], 'usage': _USAGE})}\n\n"
    yield "data: [DONE]\n\n"


def _whole(answer: Answer) -> dict[str, Any]:
    kind, content = answer
    message: dict[str, Any] = {"role": "assistant", "content": content if kind == "text" else None}
    if kind == "tool":
        function = {"name": content[0], "arguments": json.dumps(content[1])}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "stop" if kind == "text" else "tool_calls"}
    return _base("chat.completion") | {"choices": [choice], "usage": _USAGE}


_USAGE: Final = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def _base(kind: str) -> dict[str, Any]:
    return {"id": "scripted", "object": kind, "created": 0, "model": "scripted"}


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content)


def _name(text: str) -> str | None:
    """The patient's name in a message: two or more capitalised words, without a leading verb."""
    for match in _NAME.finditer(text):
        words = match[1].split()
        while words and words[0] in _NOT_NAMES:
            words.pop(0)
        if len(words) > 1:
            return " ".join(words)
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
