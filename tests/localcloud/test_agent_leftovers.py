"""Agents do not outlive the embedded AWS that started them, also where it is killed."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
from botocore.config import Config

from localcloud.aws.agents import sessions
from localcloud.aws.credentials import Credentials
from localcloud.aws.server import LocalCloud
from tests.localcloud.agents import PROGRAM, PYTHON, Stack, events, package, runtime
from tests.localcloud.helpers import ROOT, eventually, session_with
from tests.localcloud.test_agent_runtimes import OUTPUTS

SERVER = """
import sys, threading
from pathlib import Path
from localcloud.aws.server import LocalCloud
with LocalCloud(port=0, state_dir=Path(sys.argv[1]), agent_python=Path(sys.argv[2])) as cloud:
    print(cloud.url, flush=True)
    threading.Event().wait()
"""


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_an_agent_ends_when_the_server_is_killed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-c", SERVER, str(state), str(PYTHON)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        credentials = Credentials.read(state)
        assert credentials is not None
        config = Config(retries={"total_max_attempts": 1}, read_timeout=90)
        client = partial(session_with(credentials).client, endpoint_url=url, config=config)
        s3, core = client("s3"), client("bedrock-agentcore")
        s3.create_bucket(Bucket="code")
        s3.put_object(Bucket="code", Key="agent.zip", Body=package(main=PROGRAM, helper="NAME = 'own module'"))
        arn = Stack(client).deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]
        answer = core.invoke_agent_runtime(agentRuntimeArn=arn, runtimeSessionId="s" * 33, payload="{}")
        agent = psutil.Process(events(answer)[0]["pid"])
        assert not _is_gone(agent)
        server.kill()
        eventually(lambda: _is_gone(agent))


def test_the_next_server_ends_what_is_left_of_agents_and_nothing_else(tmp_path: Path) -> None:
    left, other = tmp_path / sessions.FOLDER / "prod_agent-1", tmp_path / sessions.FOLDER / "prod_agent-2"
    sleeps = [sys.executable, "-c", "import time; time.sleep(300)"]
    for folder in (left, other):
        folder.mkdir(parents=True)
    with (
        subprocess.Popen(sleeps, cwd=left, start_new_session=True) as agent,
        subprocess.Popen(sleeps, cwd=tmp_path, start_new_session=True) as stranger,
    ):
        (left / "pid").write_text(str(agent.pid))
        (other / "pid").write_text(str(stranger.pid))  # of another process by now
        with LocalCloud(port=0, state_dir=tmp_path):
            assert agent.wait(10) == -9
            assert stranger.poll() is None
            assert not list((tmp_path / sessions.FOLDER).glob("*"))
        stranger.kill()
