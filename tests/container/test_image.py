"""The image's recipe, as far as it can be judged without building it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "container"
DOCKERFILE = (CONTAINER / "Dockerfile").read_text(encoding="utf-8")


def test_the_base_is_given_and_never_a_moving_tag() -> None:
    assert "ARG BASE_IMAGE\n" in DOCKERFILE
    assert re.findall(r"^FROM (.*)$", DOCKERFILE, re.MULTILINE) == ["${BASE_IMAGE}"]
    assert ":latest" not in DOCKERFILE


def test_sagemaker_is_told_of_the_port_and_of_bidirectional_streaming() -> None:
    labels = dict(re.findall(r"(com\.amazonaws\.sagemaker\.\S+)=(\S+)", DOCKERFILE))
    assert labels == {
        "com.amazonaws.sagemaker.capabilities.accept-bind-to-port": "true",
        "com.amazonaws.sagemaker.capabilities.bidirectional-streaming": "true",
    }


def test_the_process_runs_without_root_and_takes_signals_itself() -> None:
    users = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)
    assert users[-1] == "${RUN_AS}"
    assert re.search(r"^ARG RUN_AS=[1-9]\d*$", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["/opt/cdk-sglang/serve"]' in DOCKERFILE
    serve = CONTAINER / "serve"
    assert os.access(serve, os.X_OK)
    assert serve.read_text(encoding="utf-8").splitlines()[-1].startswith("exec ")


def test_everything_the_image_copies_is_there() -> None:
    for source in re.findall(r"^COPY (\S+)", DOCKERFILE, re.MULTILINE):
        assert (CONTAINER / source).exists(), source


def test_what_the_image_installs_is_held_by_hashes() -> None:
    """That the list is the engine's is a test of the locks."""
    (command,) = re.findall(r"pip install (.*) -r /opt/cdk-sglang/requirements.txt", DOCKERFILE)
    assert {"--no-deps", "--require-hashes"} <= set(command.split())


def test_the_build_imports_nothing_that_looks_for_a_gpu() -> None:
    programs = re.findall(r"python3 -c '([^']*)'", DOCKERFILE)
    imported = {
        alias.name
        for program in programs
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert "websockets" in imported
    assert not imported & {"sglang", "sgl_kernel", "torch", "triton", "flashinfer"}
    assert 'find_spec("sglang")' in DOCKERFILE


def test_the_container_imports_nothing_of_the_library_or_the_embedded_cloud() -> None:
    for path in sorted((CONTAINER / "cdk_sglang_container").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {name.split(".")[0] for name in names}
            assert not roots & {"cdk_sglang", "stacks", "localcloud", "aws_cdk"}, path.name


@pytest.mark.parametrize("variables", [{"CDK_SGLANG_PORT": "none"}])
def test_bad_settings_end_the_process_with_one_line_before_sglang_is_imported(variables: dict[str, str]) -> None:
    environment = {**os.environ, "CDK_SGLANG_PYTHON": sys.executable, **variables}
    done = subprocess.run(
        [str(CONTAINER / "serve"), "serve"], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 2
    assert done.stderr == "cdk-sglang-container: CDK_SGLANG_PORT: must be a number from 1 to 65535, got 'none'\n"
