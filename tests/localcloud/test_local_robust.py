"""What `make local` says when something is in its way: one line with the next step, and never a traceback."""

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud import background, local
from localcloud.aws.hosting import artifacts, logs
from localcloud.background import LocalError
from localcloud.model import SMALL, LocalModel
from localcloud.served import Served
from tests.localcloud.helpers import SESSION, any_component, any_endpoint, eventually

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/state/file")
Checkout = Callable[[str], None]


# --- the server in the background ----------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """Go into a checkout of this name; the servers of all of them end with the test."""

    def enter(name: str) -> None:
        state = tmp_path / name / ".local"
        monkeypatch.setattr(background, "STATE", state)
        monkeypatch.setattr(background, "SERVER_STATE", state / "state")
        monkeypatch.setattr(background, "CREDENTIALS_FILE", state / "state" / "credentials.sh")
        monkeypatch.setattr(background, "_SERVER_FILE", state / "server.json")
        monkeypatch.setattr(background, "_SERVER_LOG", state / "server.log")

    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        _, port, _, state = command[3:7]
        process = subprocess.Popen([sys.executable, "-c", SERVER, "localcloud", port, state], **options)
        started.append(process)
        return process

    monkeypatch.setattr(background, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": start}))
    yield enter
    for process in started:
        process.kill()
        process.wait()


SERVER = """
import http.server, pathlib, sys
from localcloud.aws.credentials import Credentials, private_folder
_, port, state = sys.argv[1:]
try:
    server = http.server.HTTPServer(("127.0.0.1", int(port)), http.server.BaseHTTPRequestHandler)
except OSError:
    sys.exit(f"port {port} is taken; use --port with another, or stop what listens there")
server.RequestHandlerClass.do_GET = lambda self: (self.send_response(200), self.end_headers())
Credentials.random().write(private_folder(pathlib.Path(state)), "http://localhost")
server.serve_forever()
"""
"""Stands for `python -m localcloud`, which takes seconds to import moto; its words are held by test_server.py."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_second_checkout_a_suspension_another_port_and_a_killed_server(checkout: Checkout) -> None:
    port = free_port()
    checkout("first")
    url = background.ensure(port, Path("/engine/python"))
    first = background.running()
    assert first is not None

    checkout("second")
    with pytest.raises(LocalError) as caught:
        background.ensure(port, Path("/engine/python"))
    line = str(caught.value)
    assert line.startswith(
        f"the embedded AWS did not start: port {port} is taken, perhaps by another checkout or user; "
    )
    other = int(line.rpartition("make local PORT=")[2].rstrip("`"))
    assert other != port
    assert background.running() is None

    checkout("first")
    os.kill(first["pid"], signal.SIGSTOP)
    assert background.ensure(None, Path("/engine/python")) == url, "it goes on where it was suspended"
    assert background.running() == first
    with pytest.raises(LocalError) as caught:
        background.ensure(other, Path("/engine/python"))
    assert str(caught.value) == (
        f"PORT={other}: this checkout's embedded AWS is on port {port}; `make local-down` first, or continue with `make local PORT={port}`"
    )

    os.kill(first["pid"], signal.SIGKILL)
    eventually(lambda: background.running() is None)
    assert background.ensure(port, Path("/engine/python")) == url
    assert background.healthy(url)


def test_a_server_that_nobody_would_find_again_is_ended(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    class Started:
        pid = 0

        def terminate(self) -> None:
            ended.append("terminated")

    checkout("full")
    monkeypatch.setattr(background.subprocess, "Popen", lambda *_, **__: Started())
    monkeypatch.setattr(background.json, "dumps", _raising(FULL))
    with pytest.raises(OSError, match="No space left"):
        background.ensure(free_port(), Path("/engine/python"))
    assert ended == ["terminated"]


# --- every step ----------------------------------------------------------------------------------------------------


def _raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def _answering(result: object) -> Callable[..., Any]:
    return lambda *_, **__: result


STEPS = (
    "engine_python",
    "ensure",
    "credentials",
    "_synth",
    "_stacks",
    "_bootstrap",
    "grant",
    "outputs",
    "_deploy",
    "ask",
    "print_result",
)
OF_THE_MODEL = ("prepare", "upload")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that all succeed at once."""
    results: dict[str, Any] = {
        "engine_python": Path("/engine/python"),
        "ensure": "http://localhost:1",
        "aws_environment": {},
        "_session": SESSION,
        "_stacks": set(),
        "outputs": {"WeightsBucket": "bucket"},
        "served": Served(endpoint="talk", component="llama", prefixes=("weights/a/",)),
        "stacks": ("Serving-talk",),
    }
    for name in (*STEPS, *results):
        monkeypatch.setattr(local, name, _answering(results.get(name)))
    monkeypatch.setattr(local.model, "prepare", lambda *_, **__: LocalModel(kind=SMALL, folder=Path("/model")))
    monkeypatch.setattr(local.model, "upload", lambda *_, **__: SMALL)
    monkeypatch.delenv("PORT", raising=False)


def fails_at(monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException) -> None:
    monkeypatch.setattr(local.model if step in OF_THE_MODEL else local, step, _raising(error))


def test_all_steps_are_taken(stub: None) -> None:
    assert local.main(["up"]) == 0


@pytest.mark.parametrize("step", [*STEPS, *OF_THE_MODEL])
def test_ctrl_c_at_any_step_is_a_line_with_what_to_do_next(
    stub: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    fails_at(monkeypatch, step, KeyboardInterrupt())
    assert local.main(["up"]) == 130
    message = capsys.readouterr().err.strip()
    assert message == "interrupted; `make local` continues from here, `make local-down` removes everything"


@pytest.mark.parametrize("step", [*STEPS, *OF_THE_MODEL])
def test_a_full_disk_at_any_step_is_a_line_with_what_to_do_next(
    stub: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    fails_at(monkeypatch, step, FULL)
    assert local.main(["up"]) == 1
    message = capsys.readouterr().err
    assert (
        message == "/state/file: No space left on device; `make local` needs about 6 GB: make room, then run it again\n"
    )


def test_a_folder_that_cannot_be_written_is_a_line(
    stub: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_at(monkeypatch, "ensure", PermissionError(errno.EACCES, "Permission denied", "/state"))
    assert local.main(["up"]) == 1
    assert capsys.readouterr().err == "/state: Permission denied; fix that, then run the command again\n"


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: str
) -> None:
    monkeypatch.setenv("PORT", port)
    assert local.main(["up"]) == 2
    assert capsys.readouterr().err == f"PORT: {port!r} is not a port; use a number from 1 to 65535, for example 4566\n"


def test_a_stack_that_would_stay_on_aws_is_told_and_the_server_stopped_all_the_same(
    stub: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stopped: list[int] = []
    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setattr(local, "_assembly", lambda: tmp_path)
    monkeypatch.setattr(local, "running", lambda: {"url": "http://localhost:1", "pid": 7})
    monkeypatch.setattr(local, "healthy", lambda _: True)
    monkeypatch.setattr(local, "stop", stopped.append)
    monkeypatch.setattr(local, "forget", lambda: None)
    monkeypatch.setattr(local.agent, "forget", lambda: None)
    monkeypatch.setattr(
        local, "_cdk", _raising(LocalError("cdk destroy failed:\nThe bucket you tried to delete is not empty"))
    )
    assert local.main(["down"]) == 1
    assert stopped == [7]
    assert capsys.readouterr().err.splitlines() == [
        "cdk destroy failed:",
        "The bucket you tried to delete is not empty",
        "it was removed with the embedded AWS; on AWS it would have stayed, so check the reason first",
    ]


# --- containers ----------------------------------------------------------------------------------------------------


def test_the_last_lines_of_an_engine_that_did_not_start_are_on_the_screen(
    stub: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "logs" / "talk-llama"
    folder.mkdir(parents=True)
    (folder / "old.log").write_text("of another day\n")
    os.utime(folder / "old.log", (1, 1))
    monkeypatch.setattr(background, "SERVER_STATE", tmp_path)

    def deploy(*stacks: str, **_: object) -> None:
        if "Serving-talk" in stacks:
            (folder / "copy.log").write_text("".join(f"line {number}\n" for number in range(30)) + "RuntimeError: no\n")
            raise LocalError("cdk deploy failed: the container exited with 1 before its first healthy /ping")

    monkeypatch.setattr(local, "_deploy", deploy)
    assert local.main(["up"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "cdk deploy failed: the container exited with 1 before its first healthy /ping"
    assert lines[1] == "the engine's last lines:"
    assert lines[2:] == [*(f"  line {number}" for number in range(21, 30)), "  RuntimeError: no"]


def test_a_full_disk_stops_neither_a_containers_output_nor_its_log_group(driven: Any, tmp_path: Path) -> None:
    (tmp_path / "copy.log").symlink_to("/dev/full")
    with logs.lines("123456789012", "us-east-1", group="/g", name="s", path=tmp_path / "copy.log") as write:
        write("first")
        write("second")
    events = SESSION.client("logs").get_log_events(logGroupName="/g", logStreamName="s")["events"]
    assert [event["message"] for event in events] == ["first", "second"]


def test_a_model_for_which_the_disk_has_no_room_fails_its_component(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "fill", _raising(FULL))
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    any_component(sagemaker)
    found = eventually(
        lambda: sagemaker.describe_inference_component(InferenceComponentName="llama").get("FailureReason")
    )
    assert "No space left on device" in found
