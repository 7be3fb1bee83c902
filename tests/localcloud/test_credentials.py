"""The credentials of a start: whose requests come in with them, and what lies about of them."""

import io
import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.aws.credentials import FILE, Credentials, PrivateFolderError, private_folder
from localcloud.aws.server import LocalCloud
from localcloud.aws.settings import Settings
from tests.localcloud.helpers import CREDENTIALS, ROOT, SESSION, session_with


def test_an_assumed_role_and_a_users_key_come_in_and_not_with_another_secret(client: Any, cloud: LocalCloud) -> None:
    role = client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/deploy", RoleSessionName="cdk")
    client("iam").create_user(UserName="someone")
    key = client("iam").create_access_key(UserName="someone")["AccessKey"]
    for found in (role["Credentials"], key):
        right = Credentials(access_key_id=found["AccessKeyId"], secret_access_key=found["SecretAccessKey"])
        assert session_with(right).client("s3", endpoint_url=cloud.url).list_buckets()["Buckets"] == []
        wrong = Credentials(access_key_id=found["AccessKeyId"], secret_access_key=CREDENTIALS.secret_access_key)
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            session_with(wrong).client("s3", endpoint_url=cloud.url).list_buckets()


@pytest.mark.parametrize("name", ["plain", "with space", "ü/+%&=?#~'()!*.txt", "a//b", "dots/../x"])
def test_any_key_of_s3_is_written_and_read(client: Any, name: str) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key=name, Body=b"weights", Metadata={"with_underscore": "x  y", "plain": "z"})
    assert s3.get_object(Bucket="models", Key=name)["Body"].read() == b"weights"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="models", Prefix=name)["Contents"]] == [name]


def test_large_files_go_up_in_parts_and_come_down(client: Any) -> None:
    s3, content = client("s3"), os.urandom(9 * 2**20)
    s3.create_bucket(Bucket="models")
    s3.upload_fileobj(io.BytesIO(content), "models", "large")
    down = io.BytesIO()
    s3.download_fileobj("models", "large", down)
    assert down.getvalue() == content


def test_a_presigned_address_comes_in_until_it_is_changed(client: Any, cloud: LocalCloud) -> None:
    s3 = SESSION.client("s3", endpoint_url=cloud.url, config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="key", Body=b"weights")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "key"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"weights"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("/key?", "/other?")).close()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_every_name_of_loopback_is_this_server(cloud: LocalCloud, name: str) -> None:
    s3 = SESSION.client("s3", endpoint_url=cloud.url.replace("localhost", name))
    s3.create_bucket(Bucket="models")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["models"]


def test_the_command_line_says_what_to_do_about_old_credentials(cloud: LocalCloud) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "constructs"),
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        **Credentials.random().environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", "from cdk_sglang.cli.main import main; main()", "capacity", "status"],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "the AWS credentials are no longer valid" in done.stderr


# --- what lies about --------------------------------------------------------------------------------------------------


def test_every_start_has_credentials_of_its_own_that_nobody_else_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    credentials = []
    for _ in range(2):
        with LocalCloud(port=0, state_dir=folder, images=(("*", ("true",)),)) as started:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
            assert Credentials.read(folder) == started.credentials
            assert started.credentials.secret_access_key not in repr(started.credentials)
            done = subprocess.run(
                ["bash", "-c", f"source {folder / FILE} && env"],
                env={"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "x", "PATH": os.environ["PATH"]},
                text=True,
                capture_output=True,
                check=True,
            )
            variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("AWS_"))
            assert variables == {
                "AWS_ENDPOINT_URL": started.url,
                "AWS_ENDPOINT_URL_S3": started.url,
                "AWS_DEFAULT_REGION": "us-east-1",
                **started.credentials.environment,
            }
        assert Credentials.read(folder) is None
        credentials.append(started.credentials)
    assert credentials[0] != credentials[1]


def test_another_users_state_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PrivateFolderError, match="belongs to another user; use --state-dir with a folder of your own"):
        private_folder(tmp_path)


def test_a_temporary_state_folder_has_no_name_that_can_be_guessed() -> None:
    folder = Settings().folder
    assert str(os.getpid()) not in folder.name
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nothing_listens_beyond_loopback(serving: Any, cloud: LocalCloud) -> None:
    me = psutil.Process()
    listening = [
        found.laddr.ip
        for process in (me, *me.children(recursive=True))
        for found in process.net_connections()
        if found.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 2
    assert set(listening) == {"127.0.0.1"}


def test_a_copy_is_told_to_listen_on_loopback_and_to_whom(serving: Any) -> None:
    (copy,) = (p for p in psutil.Process().children(recursive=True) if "container_program" in " ".join(p.cmdline()))
    variables = copy.environ()
    assert variables["CDK_SGLANG_HOST"] == "127.0.0.1"
    assert variables["CDK_SGLANG_ALLOWED_HOSTS"] == f"127.0.0.1:{variables['CDK_SGLANG_PORT']}"
    assert variables["AWS_ACCESS_KEY_ID"] == CREDENTIALS.access_key_id
