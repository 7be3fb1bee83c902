"""Who may come in: programs of this machine that know the credentials of this start, and no web page."""

import http.client
import io
import json
import os
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
import openai
import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from sagemaker.core.token_generator import generate_token

from localcloud.credentials import FILE, Credentials, PrivateFolderError, private_folder
from localcloud.server import LocalCloud
from localcloud.settings import Settings
from tests.localcloud.helpers import CREDENTIALS, ROOT, SESSION, session_with

# What the exploit sent: a stack with a function in it, whose code the embedded AWS runs as the user.
TEMPLATE = json.dumps({"Resources": {"Run": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "owned"}}}})
FORM = urlencode({"Action": "CreateStack", "Version": "2010-05-15", "StackName": "owned", "TemplateBody": TEMPLATE})
FORM_TYPE = "application/x-www-form-urlencoded"
EVIL = "http://evil.example"

Send = Callable[..., tuple[int, http.client.HTTPMessage, bytes]]


@pytest.fixture
def send(cloud: LocalCloud) -> Send:
    """Send a request as a browser would, byte for byte; with `sign` as one whose sender knows everything."""
    port = urlsplit(cloud.url).port

    def call(
        method: str = "POST",
        path: str = "/",
        body: str = "",
        sign: str = "",
        host: str = f"localhost:{port}",
        **headers: str,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        given = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if sign:
            request = AWSRequest(method, f"http://{host}{path}", headers=given, data=body)
            SigV4Auth(SESSION.get_credentials().get_frozen_credentials(), sign, "us-east-1").add_auth(request)
            given = {**dict(request.headers.items()), "Host": host}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, body=body.encode(), headers=given)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return call


def stacks(client: Any) -> list[str]:
    return [stack["StackName"] for stack in client("cloudformation").describe_stacks()["Stacks"]]


def test_the_exploit_works_for_whoever_has_the_credentials(send: Send, client: Any) -> None:
    """So that the refusals below are refusals of this very request."""
    status, _, said = send(body=FORM, sign="cloudformation", Content_Type=FORM_TYPE)
    assert (status, stacks(client)) == (200, ["owned"]), said


@pytest.mark.parametrize(
    "page",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": ""},
        {"Origin": "file://"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"host": "evil.example"},
        {"host": "evil.example:{port}"},
        {"host": "localhost"},
        {"host": "localhost:1"},
        {"host": "localhost.evil.example:{port}"},
        {"host": "bucket.localhost:{port}"},
        {"host": "127.0.0.2:{port}"},
        {"host": "0.0.0.0:{port}"},
        {"host": "[::]:{port}"},
    ],
    ids=str,
)
def test_a_request_from_elsewhere_is_refused_though_it_is_signed(
    send: Send, client: Any, cloud: LocalCloud, page: dict[str, str]
) -> None:
    port = str(urlsplit(cloud.url).port)
    page = {name: value.replace("{port}", port) for name, value in page.items()}
    status, headers, _ = send(body=FORM, sign="cloudformation", Content_Type=FORM_TYPE, **page)
    assert (status, stacks(client)) == (403, [])
    assert [name for name in headers if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize("kind", [FORM_TYPE, "text/plain", "multipart/form-data; boundary=x", "application/json"])
def test_a_form_post_and_a_simple_request_are_refused(send: Send, client: Any, kind: str) -> None:
    for page in ({"Origin": EVIL}, {"Origin": "null"}, {}):
        assert send(body=FORM, Content_Type=kind, **page)[0] == 403
    assert stacks(client) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("GET", "/"),
        ("GET", "/?Action=CreateStack&Version=2010-05-15&StackName=owned"),
        ("PUT", "/bucket"),
        ("GET", "/bucket/key"),
        ("POST", "/endpoints/fleet/invocations"),
        ("POST", "/endpoints/fleet/inference-components/llama/openai/v1/chat/completions"),
        ("POST", "/2015-03-31/functions/run/invocations"),
        ("GET", "/localcloud/health"),
        ("POST", "/localcloud/clock"),
        ("POST", "/localcloud/reset"),
        ("POST", "/localcloud/faults"),
        ("POST", "/moto-api/reset"),
        ("GET", "/moto-api/data.json"),
        ("GET", "/moto-api/"),
        ("GET", "/latest/meta-data/iam/security-credentials/default-role"),
        ("GET", "/cloudformation_us-east-1/cfnresponse"),
        ("POST", "/localcloud/cfn-response/token"),
        ("PUT", "/%2Flocalcloud/cfn-response/token"),
        ("PUT", "/x/../localcloud/cfn-response/token"),
        ("PUT", "/localcloud%2Fcfn-response"),
    ],
)
def test_nothing_is_answered_without_credentials(send: Send, method: str, path: str) -> None:
    assert send(method, path, "{}")[0] == 403


@pytest.mark.parametrize("path", ["/", "/bucket/key", "/localcloud/reset", "/endpoints/fleet/invocations"])
def test_a_preflight_is_refused_and_gets_no_cors_headers(send: Send, path: str) -> None:
    asked = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "authorization"}
    for origin in (EVIL, "null"):
        status, headers, _ = send("OPTIONS", path, Origin=origin, **asked)
        assert status == 403
        assert [name for name in headers if name.lower().startswith("access-control")] == []


def test_no_answer_lets_a_page_read_it(send: Send, cloud: LocalCloud) -> None:
    body = urlencode({"Action": "DescribeStacks", "Version": "2010-05-15"})
    for sign, given in (("cloudformation", body), ("s3", "")):
        method = "POST" if given else "GET"
        status, headers, _ = send(method, "/", given, sign, Content_Type=FORM_TYPE, Origin=cloud.url)
        assert status == 200
        assert [name for name in headers if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize("origin", [EVIL, "null", None])
def test_a_websocket_is_not_opened(cloud: LocalCloud, origin: str | None) -> None:
    port = urlsplit(cloud.url).port
    lines = [
        "GET /localcloud/events HTTP/1.1", f"Host: localhost:{port}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([f"Origin: {origin}"] if origin else []), "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", port)) as page:
        page.sendall("\r\n".join(lines).encode())
        assert page.recv(4096).split(b"\r\n")[0] == b"HTTP/1.1 403 FORBIDDEN"


# --- credentials ------------------------------------------------------------------------------------------------------

KEY, SECRET = CREDENTIALS.access_key_id, CREDENTIALS.secret_access_key


OTHERS = {
    "those of old": ("testing", "testing"),
    "the key alone": (KEY, "-"),
    "a guessed secret": (KEY, "testing"),
    "the key for its secret": (KEY, KEY),
    "a longer secret": (KEY, SECRET + "x"),
    "the key in lower case": (KEY.lower(), SECRET),
    "another key": ("LOCALAAAAAAAAAAAAAAA", SECRET),
    "what moto's GetSessionToken hands to everybody": (
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY",
    ),
}


@pytest.mark.parametrize("whose", OTHERS)
@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("cloudformation", "describe_stacks"),
        ("s3", "list_buckets"),
        ("sagemaker", "list_endpoints"),
        ("cloudwatch", "describe_alarms"),
        ("lambda", "list_functions"),
    ],
)
def test_credentials_of_another_start_are_refused_in_the_words_of_the_service(
    cloud: LocalCloud, service: str, operation: str, whose: str
) -> None:
    key, secret = OTHERS[whose]
    other = boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=cloud.url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )
    with pytest.raises(ClientError, match="make local") as refused:
        getattr(other, operation)()
    answer = refused.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    invalid_keys = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}
    wrong_signature = {"InvalidSignatureException", "SignatureDoesNotMatch"}
    assert answer["Error"]["Code"] in (wrong_signature if key == KEY else invalid_keys)


def test_a_request_changed_after_it_was_signed_is_refused(cloud: LocalCloud) -> None:
    body = urlencode({"Action": "DescribeStacks", "Version": "2010-05-15"}).encode()
    request = AWSRequest("POST", f"{cloud.url}/?a=1", headers={"Content-Type": FORM_TYPE}, data=body)
    SigV4Auth(SESSION.get_credentials().get_frozen_credentials(), "cloudformation", "us-east-1").add_auth(request)

    def status(url: str = request.url, data: bytes = body, **changes: str) -> int:
        headers = dict(request.headers.items()) | changes
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert status() == 200
    assert status(url=f"{cloud.url}/?a=2") == 403
    assert status(url=f"{cloud.url}/other?a=1") == 403
    assert status(data=FORM.encode()) == 403
    assert status(**{"X-Amz-Date": "20200101T000000Z"}) == 403
    assert status(Authorization=request.headers["Authorization"].replace("host;", "")) == 403


def test_a_control_path_takes_the_secret_of_this_start_alone(send: Send) -> None:
    for token in ("", "testing", KEY, f"{SECRET}x", SECRET[:-1], "ü"):
        authorization = f"Bearer {token}".encode().decode("latin-1")
        assert send("GET", "/localcloud/health", Authorization=authorization)[0] == 403
    assert send("GET", "/localcloud/health", Authorization=f"Bearer {SECRET}")[0] == 200
    assert send("GET", "/localcloud/health", sign="localcloud")[0] == 200
    assert send("GET", "/", Authorization=f"Bearer {SECRET}")[0] == 403  # the API wants a signature


def test_the_openai_path_takes_tokens_of_this_start_alone(
    serving: Any, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{cloud.url}/endpoints/fleet/inference-components/llama/openai/v1"

    def ask(credentials: Credentials) -> str:
        for name, value in credentials.environment.items():
            monkeypatch.setenv(name, value)
        with openai.OpenAI(base_url=url, api_key=generate_token(region="us-east-1"), max_retries=0) as client:
            messages: Any = [{"role": "user", "content": "hi"}]
            answer = client.chat.completions.create(model="m", messages=messages)
            return str(answer.choices[0].message.content)

    assert ask(cloud.credentials) == "heard: hi"
    for other in (Credentials.random(), Credentials(access_key_id=KEY, secret_access_key="guessed")):
        with pytest.raises(openai.PermissionDeniedError):
            ask(other)


# --- what has to go on working ----------------------------------------------------------------------------------------


def test_an_assumed_role_and_a_users_key_come_in_and_not_with_another_secret(client: Any, cloud: LocalCloud) -> None:
    role = client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/deploy", RoleSessionName="cdk")
    client("iam").create_user(UserName="someone")
    key = client("iam").create_access_key(UserName="someone")["AccessKey"]
    for found in (role["Credentials"], key):
        given = Credentials(access_key_id=found["AccessKeyId"], secret_access_key=found["SecretAccessKey"])
        assert session_with(given).client("s3", endpoint_url=cloud.url).list_buckets()["Buckets"] == []
        wrong = Credentials(access_key_id=found["AccessKeyId"], secret_access_key=SECRET)
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
    from botocore.config import Config

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
    assert "the AWS credentials are not valid any more" in done.stderr


# --- what lies about --------------------------------------------------------------------------------------------------


def test_every_start_has_credentials_of_its_own_that_nobody_else_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    seen = []
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
            told = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("AWS_"))
            assert told == {
                "AWS_ENDPOINT_URL": started.url,
                "AWS_ENDPOINT_URL_S3": started.url,
                "AWS_DEFAULT_REGION": "us-east-1",
                **started.credentials.environment,
            }
        assert Credentials.read(folder) is None
        seen.append(started.credentials)
    assert seen[0] != seen[1]


def test_another_users_state_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PrivateFolderError, match="belongs to another user; use --state-dir with a folder of yours"):
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
    told = copy.environ()
    assert told["CDK_SGLANG_HOST"] == "127.0.0.1"
    assert told["CDK_SGLANG_ALLOWED_HOSTS"] == f"127.0.0.1:{told['CDK_SGLANG_PORT']}"
    assert told["AWS_ACCESS_KEY_ID"] == KEY
