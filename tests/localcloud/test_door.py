"""Who may come in: programs of this machine that know the credentials of this start, and no web page."""

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
import openai
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from localcloud.aws.credentials import Credentials
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import CREDENTIALS, SESSION

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
        fields = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if sign:
            request = AWSRequest(method, f"http://{host}{path}", headers=fields, data=body)
            SigV4Auth(SESSION.get_credentials().get_frozen_credentials(), sign, "us-east-1").add_auth(request)
            fields = {**dict(request.headers.items()), "Host": host}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, body=body.encode(), headers=fields)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return call


def stacks(client: Any) -> list[str]:
    return [stack["StackName"] for stack in client("cloudformation").describe_stacks()["Stacks"]]


def test_the_exploit_works_for_whoever_has_the_credentials(send: Send, client: Any) -> None:
    """So that the refusals below are refusals of this very request."""
    status, _, answer = send(body=FORM, sign="cloudformation", Content_Type=FORM_TYPE)
    assert (status, stacks(client)) == (200, ["owned"]), answer


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
    cors_fields = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "authorization"}
    for origin in (EVIL, "null"):
        status, headers, _ = send("OPTIONS", path, Origin=origin, **cors_fields)
        assert status == 403
        assert [name for name in headers if name.lower().startswith("access-control")] == []


def test_no_answer_lets_a_page_read_it(send: Send, cloud: LocalCloud) -> None:
    body = urlencode({"Action": "DescribeStacks", "Version": "2010-05-15"})
    for sign, form in (("cloudformation", body), ("s3", "")):
        method = "POST" if form else "GET"
        status, headers, _ = send(method, "/", form, sign, Content_Type=FORM_TYPE, Origin=cloud.url)
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
        service,
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
    from sagemaker.core.token_generator import generate_token  # loads pandas

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
