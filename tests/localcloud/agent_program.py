"""A stand-in for an agent, of the standard library alone: what AgentCore expects on port 8080, and a few ways to misbehave.

Its payload says what it does: {"say": [...]} streams events, {"status": n} fails, {"exit": n} ends the process, {"wait": path} streams
its first event and then waits until the path exists.
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import helper  # a module of its own, which the package brings

TURNS: list[dict[str, Any]] = []
HEALTH = {"status": "Healthy"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(HEALTH).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        TURNS.append(payload)
        if "exit" in payload:
            os._exit(payload["exit"])
        HEALTH["status"] = payload.get("ping", HEALTH["status"])
        self.send_response(payload.get("status", 200))
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        report = {
            "turns": len(TURNS),
            "pid": os.getpid(),
            "who": os.environ.get("WHO"),
            "folder": str(Path.cwd()),
            "helper": helper.NAME,
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "key": os.environ["AWS_ACCESS_KEY_ID"],
            "aws": os.environ["AWS_ENDPOINT_URL"],
        }
        self.say(report)
        while "wait" in payload and not Path(payload["wait"]).exists():
            time.sleep(0.01)
        for event in payload.get("say", []):
            self.say(event)
        print("answered", payload.get("say"), flush=True)

    def say(self, event: object) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Log nothing: only what the agent prints is in its log."""


ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
