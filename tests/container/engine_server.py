"""Start the container's entry on the real engine, and talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from localcloud.engine.recipe import engine_environment, engine_python
from tests.support.engine_forks import STARTUP, Fork, start

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "container"
STARTUP_TIMEOUT_S = 180
LORA = {
    "SM_SGLANG_ENABLE_LORA": "true",
    "SM_SGLANG_MAX_LORA_RANK": "8",
    "SM_SGLANG_LORA_TARGET_MODULES": "all",
    "SM_SGLANG_MAX_LORAS_PER_BATCH": "8",
    "SM_SGLANG_MAX_LOADED_LORAS": "8",
}


def make_tiny_models(directory: Path) -> dict[str, Path]:
    command = [str(engine_python()), "-m", "localcloud.engine.tiny_model", str(directory)]
    subprocess.run(command, cwd=ROOT, env=engine_environment(), check=True, capture_output=True)
    return {path.name: path for path in directory.iterdir()}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return str(self.json["choices"][0]["message"]["content"])


@dataclass
class EngineServer:
    """One container copy on this machine; its processes are forked as those of `make local` are, in a third of the time."""

    model: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    log: Path | None = None
    command: tuple[str, ...] = (str(CONTAINER / "serve"), "serve")
    as_in_the_image: bool = False
    """Whether the command itself is run, and SGLang spawns its processes. Otherwise all of them are forks of one that has imported SGLang,
    as the first copy of `make local` is, unless a setting is read by what is imported."""
    plugins: Path | None = None
    """A folder with plug-ins for SGLang."""
    process: subprocess.Popen[bytes] | Fork | None = None

    def start(self, *, wait: bool = True) -> EngineServer:
        base = {
            "CDK_SGLANG_PYTHON": str(engine_python()),
            "CDK_SGLANG_MODEL_DIR": str(self.model),
            "CDK_SGLANG_ADAPTERS_DIR": tempfile.gettempdir(),
            "CDK_SGLANG_HOST": "127.0.0.1",
            "CDK_SGLANG_PORT": str(self.port),
            "PYTHONWARNINGS": "ignore",
            "SM_SGLANG_DTYPE": "float32",
            "SM_SGLANG_SLEEP_ON_IDLE": "true",  # an idle engine would otherwise keep a core from the other tests
        }
        if not self.as_in_the_image:
            base["PYTHONPATH"] = STARTUP
        environment = engine_environment({**os.environ, **base, **self.settings})
        log = str(self.log or os.devnull)
        if self._may_be_forked():
            folders = (str(CONTAINER), STARTUP, *([str(self.plugins)] if self.plugins else []))
            environment["PYTHONPATH"] = os.pathsep.join(folders)  # as `serve` sets it
            entry = ("-m", "cdk_sglang_container")
            self.process = start(entry, environment=environment, stdout=log, stderr=log, startup=True)
        else:
            with Path(log).open("ab") as output:
                self.process = subprocess.Popen(
                    self.command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
                )
        if wait:
            self.wait_until_up()
        return self

    def _may_be_forked(self) -> bool:
        assert self.plugins is None or not self.as_in_the_image
        read_by_the_entry = all(name.startswith(("SM_SGLANG_", "CDK_SGLANG_")) for name in self.settings)
        return not self.as_in_the_image and read_by_the_entry

    def wait_until_up(self, *, timeout_s: float = STARTUP_TIMEOUT_S) -> float:
        began = time.monotonic()
        while time.monotonic() < began + timeout_s:
            if self.ping() == 200:
                return time.monotonic() - began
            assert self.process is not None
            assert self.process.poll() is None, self.tail()
            time.sleep(0.1)
        raise AssertionError(f"not up after {timeout_s} s: {self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log and self.log.exists() else ""

    def ping(self) -> int | None:
        """Status of `/ping` within SageMaker's two seconds; None when it did not answer."""
        try:
            return self.request("GET", "/ping", timeout_s=2).status
        except OSError:
            return None

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = 60,
    ) -> Reply:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        fields = {"content-type": "application/json", **(headers or {})}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, fields, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:
                return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    def chat(self, content: str = "hello", *, headers: dict[str, str] | None = None, **options: Any) -> Reply:
        body = {"messages": [{"role": "user", "content": content}], "max_tokens": 12, "temperature": 0, **options}
        return self.request("POST", "/invocations", body, headers=headers)

    def scheduler(self) -> psutil.Process:
        return self._child("scheduler")

    def detokenizer(self) -> psutil.Process:
        return self._child("detokenizer")

    def _child(self, title: str) -> psutil.Process:
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in children if title in " ".join(child.cmdline()) + child.name())

    def tree(self) -> list[psutil.Process]:
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.process.pid)
            return [main, *main.children(recursive=True)]
        return []

    def stop(self) -> None:
        if self.process is None:
            return
        tree = self.tree()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(timeout=30)
        psutil.wait_procs(tree, timeout=30)


_SPEAK = """
import json, sys
from websockets.sync.client import connect
port, headers, turns = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
with connect(f"ws://127.0.0.1:{port}/invocations-bidirectional-stream", additional_headers=headers) as socket:
    for turn in turns:
        socket.send(turn)
        frames = []
        while (frame := socket.recv(timeout=60)) != "[DONE]":
            frames.append(frame)
        print(json.dumps(frames))
"""


def speak(server: EngineServer, *turns: str, headers: dict[str, str] | None = None) -> list[list[str]]:
    arguments = [str(server.port), json.dumps(headers or {}), json.dumps(turns)]
    command = [str(engine_python()), "-c", _SPEAK, *arguments]
    done = subprocess.run(command, env=engine_environment(), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
