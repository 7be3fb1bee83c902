"""`python -m localcloud`: the process, its port, its end; and the administration path."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from moto.cloudwatch.models import cloudwatch_backends
from werkzeug.serving import make_server

from localcloud.aws import settings
from localcloud.aws.control import reset
from localcloud.aws.credentials import Credentials
from localcloud.aws.door.handler import Handler, closed_in_any_case
from localcloud.aws.hosting.store import LOCK, store
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import ROOT, any_component, any_endpoint, eventually, in_service, session_with

PROGRAM = Path(__file__).with_name("container_program.py")


def sagemaker_of(state_dir: Path, url: str) -> Any:
    """Client for an account that has been granted the instances of the tests' endpoints; a new one has none."""
    credentials = Credentials.read(state_dir)
    assert credentials is not None
    session = session_with(credentials)
    quotas = session.client("service-quotas", endpoint_url=url)
    listed = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    codes = {quota["QuotaName"]: quota["QuotaCode"] for page in listed for quota in page["Quotas"]}
    quotas.request_service_quota_increase(
        ServiceCode="sagemaker", QuotaCode=codes["ml.g6e.12xlarge for endpoint usage"], DesiredValue=3
    )
    return session.client("sagemaker", endpoint_url=url)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = f"{sys.executable} {PROGRAM}"
    started = subprocess.Popen(
        [sys.executable, "-m", "localcloud", "--port", "0", "--state-dir", str(tmp_path / "state")],
        cwd=ROOT,
        env=os.environ | {"LOCALCLOUD_CONTAINER_COMMAND": command},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    line = started.stdout.readline()
    yield started, line.split()[3].rstrip(",")
    started.kill()
    started.wait()
    started.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_and_every_container(
    process: tuple[subprocess.Popen[str], str], number: signal.Signals, tmp_path: Path
) -> None:
    server, url = process
    sagemaker = sagemaker_of(tmp_path / "state", url)
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    any_component(sagemaker, copies=2)
    in_service(sagemaker)
    children = psutil.Process(server.pid).children(recursive=True)
    assert len(children) == 2
    server.send_signal(number)
    assert server.wait(20) == 0
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert not list((tmp_path / "state").glob("copies/*"))


def test_server_that_was_killed_leaves_nothing_to_the_next(
    process: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    server, url = process
    sagemaker = sagemaker_of(tmp_path / "state", url)
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    any_component(sagemaker)
    in_service(sagemaker)
    (left,) = psutil.Process(server.pid).children()
    server.kill()
    server.wait()
    command = [sys.executable, "-m", "localcloud", "--port", "0", "--state-dir", str(tmp_path / "state")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stdout.readline().startswith("embedded AWS on http://localhost:")
        eventually(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE)
        assert not list((tmp_path / "state" / "copies").glob("*"))
        third = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
        assert third.returncode == 2
        assert third.stderr.endswith("is used by another embedded AWS; stop it, or use --state-dir\n")
        following.terminate()


def test_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "localcloud", "--port", str(port), "--state-dir", str(tmp_path)],
            cwd=ROOT,
            text=True,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == f"port {port} is taken; use --port with another, or stop what listens there\n"


def test_health_says_ok(admin: Callable[..., Any]) -> None:
    assert admin("GET", "health")["status"] == "ok"


def test_faults_are_injected_listed_and_cleared_over_http(admin: Callable[..., Any]) -> None:
    injected = admin("POST", "faults", {"fault": "silent-rollback", "target": "fleet", "times": 2})
    assert injected["active"] == [{"name": "silent-rollback", "target": "fleet", "times": 2}]
    assert "throttling" in injected["known"]
    assert admin("DELETE", "faults?fault=silent-rollback")["active"] == []


def test_unknown_fault_is_a_bad_request(admin: Callable[..., Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        admin("POST", "faults", {"fault": "meteor"})
    assert caught.value.code == 400
    assert b"unknown fault 'meteor'" in caught.value.read()


def test_clock_skips_ahead(admin: Callable[..., Any]) -> None:
    before = admin("GET", "health")["time"]
    assert admin("POST", "clock", {"advance": 120})["time"] - before >= 120


def test_reset_empties_every_service(admin: Callable[..., Any], serving: Any, client: Any) -> None:
    client("s3").create_bucket(Bucket="models")
    children = psutil.Process().children(recursive=True)
    pids = [child.pid for child in children if str(PROGRAM) in child.cmdline()]
    assert pids
    admin("POST", "reset")
    assert serving.list_endpoints()["Endpoints"] == []
    assert client("s3").list_buckets()["Buckets"] == []
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_operation_nobody_implements_is_an_error_not_a_crash(client: Any) -> None:
    sagemaker = client("sagemaker")
    with pytest.raises(sagemaker.exceptions.ClientError, match="has not been implemented"):
        sagemaker.list_hubs()


def test_a_second_server_of_the_process_leaves_the_first_at_work(client: Any, cloud: Any, tmp_path: Path) -> None:
    with LocalCloud(port=0, state_dir=tmp_path / "second", images=(("*", ("true",)),)):
        pass
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    assert settings.current().base_url == cloud.url


def test_an_answer_is_closed_once_also_where_the_caller_resets_the_connection() -> None:
    gone, closed = threading.Event(), []

    class Answer:
        def __iter__(self) -> Iterator[bytes]:
            yield b"x"
            assert gone.wait(30)

        def close(self) -> None:
            closed.append(True)

    def application(_: dict[str, Any], start_response: Any) -> Answer:
        start_response("200 OK", [("Content-Length", "1")])
        return Answer()

    server = make_server("127.0.0.1", 0, closed_in_any_case(application), threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        for resets in (True, False):
            closed.clear()
            gone.clear()
            with socket.create_connection(("127.0.0.1", server.port)) as caller:
                caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                while not caller.recv(4096).endswith(b"x"):
                    pass
                if resets:
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.set()
            eventually(lambda: closed)
            assert closed == [True]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_reset_takes_the_lock_of_the_state_before_that_of_moto(cloud: LocalCloud) -> None:
    """The clock holds the state's lock when it looks backends up, and a reset drops backends."""
    store("123456789012", "us-east-1")
    cloudwatch_backends["123456789012"].pop("us-east-1", None)
    held, done = threading.Event(), threading.Event()
    resetting = threading.Thread(target=lambda: (held.wait(), reset()), daemon=True)

    def tick() -> None:
        with LOCK:
            held.set()
            resetting.join(0.3)  # time in which a reset in the other order takes moto's lock
            assert cloudwatch_backends["123456789012"]["us-east-1"] is not None
        done.set()

    resetting.start()
    threading.Thread(target=tick, daemon=True).start()
    assert done.wait(10)
    resetting.join()
