"""Who may read the console, and what the overview says of the fleet."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cdk_sglang.client.answers import ChatAnswer
from cdk_sglang.console import page as shared
from localcloud.aws.console import pages
from localcloud.aws.server import LocalCloud
from localcloud.model import RANDOM
from localcloud.question import Asked, print_result
from localcloud.served import served
from tests.localcloud.console_board import put_alarm
from tests.localcloud.helpers import any_component, any_endpoint, eventually, in_service

PAGE = "/localcloud/console/"
DATA = f"{PAGE}data/"
Get = Callable[..., Any]
Read = Callable[..., Any]


def test_the_page_and_its_files_need_no_key_and_have_no_secret(get: Get, cloud: LocalCloud) -> None:
    status, headers, page = get(PAGE)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    files = {"uplot.js", *re.findall(r'(?:src|href)="([^"#:]+\.\w+)"', page.decode())}
    for folder in (Path(pages.__file__).parent / "static", Path(shared.__file__).parent / "static"):
        for script in folder.glob("*.js"):
            imported = re.findall(r'(?:from |import\()"\./([^"]+)"', script.read_text(encoding="utf-8"))
            files |= {script.name, *imported}
    assert {"app.js", "console.css", "uplot.css"} <= files
    for name in files:
        status, headers, body = get(PAGE + name)
        assert status == 200, name
        assert headers["Content-Type"].startswith("text/css" if name.endswith("css") else "text/javascript")
        page += body
    known = cloud.credentials
    for secret in (known.secret_access_key, known.control_key, known.console_key, known.access_key_id):
        assert secret.encode() not in page


def test_the_page_loads_nothing_from_elsewhere(get: Get) -> None:
    _, headers, page = get(PAGE)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert b"<script>" not in page
    assert b"style=" not in page
    assert b"//" not in page
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}app.js", f"{DATA}overview", f"{DATA}live"])
@pytest.mark.parametrize(
    "page",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "localhost:1"},
    ],
    ids=str,
)
def test_another_site_reads_nothing(get: Get, cloud: LocalCloud, path: str, page: dict[str, str]) -> None:
    status, headers, _ = get(path, Authorization=f"Bearer {cloud.credentials.console_key}", **page)
    assert status == 403
    assert [name for name in headers if name.lower().startswith("access-control")] == []


def test_data_needs_the_key_of_this_start(get: Get, cloud: LocalCloud) -> None:
    for token in ("", "guessed", cloud.credentials.access_key_id, f"{cloud.credentials.console_key}0"):
        assert get(f"{DATA}overview", Authorization=f"Bearer {token}")[0] == 403
    assert get(f"{DATA}overview")[0] == 403
    for token in (cloud.credentials.console_key, cloud.credentials.secret_access_key):
        assert get(f"{DATA}overview", Authorization=f"Bearer {token}")[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/localcloud/health"), ("POST", "/localcloud/reset"), ("POST", "/localcloud/clock"), ("POST", f"{DATA}overview"), ("GET", "/"),
     ("GET", f"{PAGE}data/../../health"), ("POST", PAGE), ("PUT", f"{PAGE}app.js"),
     ("POST", f"{PAGE}actions/advance"), ("GET", f"{PAGE}actions/advance")],
)  # fmt: skip
def test_the_console_key_reads_the_console_and_nothing_else(
    get: Get, cloud: LocalCloud, method: str, path: str
) -> None:
    assert get(path, method, Authorization=f"Bearer {cloud.credentials.console_key}")[0] in (403, 404)


@pytest.mark.parametrize(
    "name",
    ["../pages.py", "..%2fpages.py", "static/app.js", "console.html", "app.js/", "%2e%2e/pages.py", "package.json"],
)
def test_no_other_file_is_served(get: Get, name: str) -> None:
    assert get(PAGE + name)[0] == 404


def test_make_local_prints_the_address(cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ChatAnswer()
    answer.add({"choices": [{"message": {"content": "hi"}}]})
    outcome = Asked(answer=answer, speed="")
    print_result(outcome, cloud.credentials, served(), RANDOM, url=cloud.url, seconds=1)
    assert cloud.credentials.console_address(cloud.url) in capsys.readouterr().out


def test_the_address_carries_the_key_where_no_server_sees_it(cloud: LocalCloud) -> None:
    for acts, key in ((True, cloud.credentials.control_key), (False, cloud.credentials.console_key)):
        address = cloud.credentials.console_address(cloud.url, acts=acts)
        assert urlsplit(address).fragment == f"key={key}"
        assert key not in address.partition("#")[0]
        assert cloud.credentials.secret_access_key not in address


def test_the_overview_shows_which_gpu_has_which_copy(serving: Any, read: Read) -> None:
    fleet = read("overview")
    (endpoint,) = fleet["endpoints"]
    (instance,) = endpoint["instances"]
    (component,) = endpoint["components"]
    assert (endpoint["name"], endpoint["status"], instance["type"], instance["status"]) == (
        "fleet",
        "InService",
        "ml.g6e.12xlarge",
        "ready",
    )
    (copy,) = component["copies"]
    assert [gpu and gpu["copy"] for gpu in instance["gpus"]] == [copy["id"], copy["id"], None, None]
    assert (component["name"], component["wanted"], copy["state"], copy["gpus"]) == ("llama", 1, "healthy", 2)


def test_the_overview_shows_why_a_component_has_too_few_copies(client: Any, read: Read, admin: Any) -> None:
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    any_component(sagemaker)
    in_service(sagemaker)
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 7}
    )
    component = eventually(
        lambda: next((one for one in read("overview")["endpoints"][0]["components"] if one["failure"]), None)
    )
    assert component["wanted"] == 7
    assert "Not enough accelerators" in component["failure"]


def test_alarms_are_listed_with_their_runbook_and_their_changes_are_events(cloudwatch: Any, read: Read) -> None:
    put_alarm(cloudwatch)
    put_alarm(cloudwatch, "TargetTracking-inference-component/llama-AlarmHigh-1")
    cloudwatch.set_alarm_state(AlarmName="llama-latency", StateValue="ALARM", StateReason="three slow minutes")
    fleet = read("overview")
    assert [(alarm["name"], alarm["scaling"]) for alarm in fleet["alarms"]] == [
        ("llama-latency", False),
        ("TargetTracking-inference-component/llama-AlarmHigh-1", True),
    ]
    alarm = fleet["alarms"][0]
    assert (alarm["state"], alarm["reason"], alarm["runbook"]) == (
        "ALARM",
        "three slow minutes",
        "https://docs.example.com/runbooks/latency",
    )
    event = fleet["events"][0]
    assert (event["what"], event["state"], event["reason"]) == ("alarm llama-latency", "ALARM", "three slow minutes")


def test_steps_of_a_deployment_are_events(client: Any, read: Read) -> None:
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {}}}})
    client("cloudformation").create_stack(StackName="shop", TemplateBody=template)
    eventually(lambda: any(event["state"] == "CREATE_COMPLETE" for event in read("overview")["events"]))
    assert any(event["what"] == "shop Topic (AWS::SNS::Topic)" for event in read("overview")["events"])
