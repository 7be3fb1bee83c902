"""A container that speaks SageMaker's contract with the standard library alone: what the tests run as a copy."""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADAPTERS: dict[str, str] = {}
BEHAVIOUR = {"ping": 200}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self) -> None:
        if self.path.startswith("/mark/"):
            say(self.path)
        self.reply(BEHAVIOUR["ping"], {})

    def do_DELETE(self) -> None:
        ADAPTERS.pop(self.path.rsplit("/", 1)[-1], None)
        self.reply(200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path == "/adapters":
            ADAPTERS[body["name"]] = body["src"]
            return self.reply(200 if list(Path(body["src"]).iterdir()) else 500, {})
        say(f"request {self.path} {json.dumps(body)}")
        time.sleep(body.get("sleep_s", 0))
        if "ping" in body:
            BEHAVIOUR["ping"] = body["ping"]
        if "status" in body:
            return self.reply(body["status"], {"error": "as asked"})
        if body.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if body.get("stream") or "pieces" in body:
            return self.stream(body)
        model = Path(os.environ["CDK_SGLANG_MODEL_DIR"])
        headers = {name: value for name, value in self.headers.items() if name.lower().startswith("x-amzn")}
        answer = {
            "pid": os.getpid(),
            "path": self.path,
            "headers": headers,
            "environment": {name: value for name, value in os.environ.items() if name.startswith(("SM_", "AWS_"))},
            "model": sorted(str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()),
            "writable": os.access(model, os.W_OK) and os.geteuid() != 0,
            "adapters": sorted(ADAPTERS),
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "OK"}, "finish_reason": "stop"}],
        }
        if (messages := body.get("messages")) and isinstance(messages[-1], dict):
            reply = {"role": "assistant", "content": f"heard: {messages[-1]['content']}"}
            answer |= {
                "object": "chat.completion",
                "choices": [{"index": 0, "message": reply, "finish_reason": "stop"}],
            }
        if "documents" in body:
            scores = [{"score": len(text) / 100, "index": index} for index, text in enumerate(body["documents"])]
            return self.reply(200, scores)
        if "input" in body:
            answer["data"] = [
                {"index": index, "embedding": [float(len(text)), 0.5], "label": "long", "probs": [0.25, 0.75]}
                for index, text in enumerate(body["input"])
            ]
        if self.headers.get("X-Amzn-SageMaker-Session-Id") == "NEW_SESSION":
            return self.reply(
                200, answer, {"X-Amzn-SageMaker-New-Session-Id": "session-1; Expires=2030-01-01T00:00:00Z"}
            )
        return self.reply(200, answer)

    def stream(self, body: dict[str, object]) -> None:
        self.send_response(200)
        usual = "text/event-stream" if body.get("stream") else "application/json"
        self.send_header("Content-Type", str(body.get("kind", usual)))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if "pieces" in body:
            for piece in body["pieces"]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece.encode()), piece.encode()))
                self.wfile.flush()
                time.sleep(0.05)
            self.wfile.write(b"0\r\n\r\n")
            return
        for index in range(3):
            delta = {
                "choices": [{"index": 0, "delta": {"content": f"part {index} "}}],
                "object": "chat.completion.chunk",
            }
            event = f"data: {json.dumps({'token': index, 'at': time.time(), **delta})}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            if body.get("break_after") == index:
                self.connection.close()
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.3)
        end = b"data: [DONE]\n\n"
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(end), end))


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    if os.environ.get("SM_TEST_EXIT"):
        sys.exit(int(os.environ["SM_TEST_EXIT"]))
    if os.environ.get("SM_TEST_STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if os.environ.get("SM_TEST_UNHEALTHY"):
        BEHAVIOUR["ping"] = 503
    say("container started")
    Server(("127.0.0.1", int(os.environ["CDK_SGLANG_PORT"])), Handler).serve_forever()
