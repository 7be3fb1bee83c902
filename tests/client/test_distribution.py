"""The client alone: its distribution is built, and works where neither CDK nor NumPy nor anything else of the library is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import threading
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.blocks import blocks_of

LARGEST_BYTES = 50_000
"""Of the wheel: it goes into the zip of a function."""
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six")
ELSEWHERE = ("cdk_sglang", "aws_cdk", "constructs", "jsii", "numpy", "pydantic", "openai", "rich", "sagemaker")
"""What the client may not need; the tests make sure that it is not there."""
NO_CAPACITY = "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress"


def _build(folder: Path, target: str, into: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(into)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = into.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(root / "client", "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment that holds the client, the SDK for Python, and nothing else."""
    folder = tmp_path_factory.mktemp("alone") / "venv"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    python = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    for name in SDK:
        for part in {
            file.parts[0] for file in metadata.files(name) or () if file.parts[0] not in {"..", "__pycache__"}
        }:
            (site / part).symlink_to(Path(str(metadata.distribution(name).locate_file(part))))
    # With what it requires: pip refuses if the SDK is not enough.
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-compile"]
    done = subprocess.run([*command, str(wheel)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return python


class _Front(BaseHTTPRequestHandler):
    """SageMaker's runtime: without a copy for the first requests, then with an answer."""

    refusals = 0

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        refused = type(self).refusals > 0
        type(self).refusals -= refused
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"content": f"heard: {request['messages'][0]['content']}"},
        }
        body = json.dumps({"message": NO_CAPACITY} if refused else {"choices": [choice]}).encode()
        self.send_response(400 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if refused:
            self.send_header("x-amzn-ErrorType", "ValidationError")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def front() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Front) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _run(python: Path, code: str, url: str = "http://127.0.0.1:9") -> str:
    """Run a program as a function does: with credentials and a Region in the environment."""
    environment = {"PATH": os.defpath, "AWS_ACCESS_KEY_ID": "AKIA0EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    done = subprocess.run(
        [python, "-c", code],
        cwd=python.parent,
        env=environment | {"AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_is_the_package_of_the_library_under_its_own_name(root: Path, wheel: Path) -> None:
    library = root / "constructs" / "cdk_sglang"
    held = zipfile.ZipFile(wheel)
    names = {name for name in held.namelist() if ".dist-info/" not in name}
    files = {path.name: path for path in [*(library / "client").glob("*.py"), library / "py.typed"]}
    assert names == {f"cdk_sglang_client/{name}" for name in files}, "no file that cdk-sglang has too"
    assert all(held.read(f"cdk_sglang_client/{name}") == path.read_bytes() for name, path in files.items())
    assert wheel.stat().st_size < LARGEST_BYTES


def test_an_sdist_makes_the_same_wheel(root: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(_build(root / "client", "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (folder,) = (tmp_path / "unpacked").iterdir()
    rebuilt = _build(folder, "wheel", tmp_path / "wheel")
    # A record stands for the bytes of every file; only the order of its lines is the build's own.
    assert _record(rebuilt) == _record(wheel)


def _record(wheel: Path) -> list[str]:
    archive = zipfile.ZipFile(wheel)
    (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
    return sorted(archive.read(record).decode().splitlines())


def test_it_follows_the_library_in_version_licence_and_ranges(root: Path) -> None:
    project, library = (
        tomllib.loads((root / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in ("client", ".")
    )
    same = ("version", "license", "requires-python")
    assert {name: project[name] for name in same} == {name: library[name] for name in same}
    assert (root / "client" / "LICENSE").read_bytes() == (root / "LICENSE").read_bytes()
    extras = project["optional-dependencies"]
    assert [*project["dependencies"], *extras["openai"]] == library["optional-dependencies"]["client"]
    assert extras["terminal"] == [
        one for one in library["dependencies"] if canonicalize_name(Requirement(one).name) == "rich"
    ]


def test_it_asks_and_waits_where_nothing_of_the_library_is(root: Path, alone: Path, front: str) -> None:
    (block,) = (
        one
        for one in blocks_of("client/README.md", (root / "client" / "README.md").read_text(encoding="utf-8"))
        if one.language == "python"
    )
    waiting = (
        "import importlib.util\n"
        f"print([name for name in {ELSEWHERE!r} if importlib.util.find_spec(name) is not None])\n"
        "quick = Wait(first_pause_seconds=0.01, describe_every_seconds=0)\n"
        "seen = []\n"
        "with InferenceClient('prod-chat', 'prod-chat-llama', region='us-east-1', wait=quick, on_progress=seen.append) as client:\n"
        "    client.chat([{'role': 'user', 'content': 'hello'}])\n"
        "print([step.attempt for step in seen])"
    )
    answered = _run(alone, block.text, front)
    _Front.refusals = 2
    assert (answered, _run(alone, f"{block.text.partition('with ')[0]}{waiting}", front)) == (
        "heard: hello",
        "[]\n[1, 2, 3]",
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openai_client", "openai_client needs httpx2: pip install 'cdk-sglang-client[openai]'"),
        ("ProgressLine", "ProgressLine needs rich: pip install 'cdk-sglang-client[terminal]'"),
    ],
)
def test_what_an_extra_brings_is_named_with_the_extra(alone: Path, name: str, message: str) -> None:
    code = f"try:\n    from cdk_sglang_client import {name}\nexcept ModuleNotFoundError as error: print(error)"
    assert _run(alone, code) == message


def test_a_token_needs_the_sdk_alone(alone: Path) -> None:
    code = (
        "import boto3\nfrom cdk_sglang_client.tokens import LIFE, session_token\n"
        "print(session_token(boto3.Session(), 'us-east-1', LIFE)[:18])"
    )
    assert _run(alone, code) == "sagemaker-api-key-"
