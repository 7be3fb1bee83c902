"""The zip through the unmodified CDK CLI, into the S3 of the embedded AWS; a stand-in for uv writes the packages."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs

from cdk_sglang.agents.artifact import AgentCode
from tests.support.agents import agent_folder, stand_in_for_uv

pytestmark = pytest.mark.timeout(600)
BUCKET = "cdk-hnb659fds-assets-123456789012-us-east-1"


def test_the_cdk_cli_uploads_the_zip_under_the_hash_of_its_sources_and_no_other(
    cdk_cli: Any,
    client: Any,
    tmp_path: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # synth and deployment from one folder: the command's paths begin there
    client("s3").create_bucket(Bucket=BUCKET)
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    # The CLI of the fixture has an environment of its own, in which uv and the packaging are found beside each other.
    (tmp_path / ".make" / "uv-0" / "bin").mkdir(parents=True)
    os.link(stand_in_for_uv(tmp_path), tmp_path / ".make" / "uv-0" / "bin" / "uv")
    (tmp_path / "cdk_sglang").symlink_to(root / "constructs" / "cdk_sglang")
    folder = agent_folder(tmp_path / "agent")
    app = cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False)
    stack = cdk.Stack(app, "Agent", env=cdk.Environment(account="123456789012", region="us-east-1"))
    sqs.Queue(stack, "Any")
    key = f"{AgentCode(folder=folder).sources().source_hash()}.zip"
    AgentCode(folder=folder).bind(stack)
    app.synth()

    deploy = ("deploy", "Agent", "--app", str(tmp_path / "out"), "--require-approval", "never")
    done = cdk_cli(*deploy)
    assert done.returncode == 0, done.stderr[-3000:]
    body = client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert "main.py" in zipfile.ZipFile(io.BytesIO(body)).namelist()

    (folder / "main.py").write_text("ANSWER = 43\n")
    failed = cdk_cli(*deploy, "--force")
    assert failed.returncode != 0
    assert "has changed since the synth of this assembly" in failed.stderr
