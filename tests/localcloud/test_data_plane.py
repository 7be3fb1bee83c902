"""sagemaker-runtime through boto3 and the openai client, answered by real processes."""

import base64
import io
import json
import os
import signal
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, EventStreamError

from localcloud.aws.server import LocalCloud
from localcloud.aws.settings import configure, current
from tests.localcloud.helpers import SESSION, any_component, eventually, in_service, specification

pytestmark = pytest.mark.timeout(120)


def fails(call: Callable[..., Any], *args: Any, **options: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(*args, **options)
    answer: dict[str, Any] = caught.value.response
    return answer


def bearer() -> str:
    request = AWSRequest(
        "POST",
        "https://sagemaker.amazonaws.com/",
        headers={"host": "sagemaker.amazonaws.com"},
        params={"Action": "CallWithBearerToken"},
    )
    SigV4QueryAuth(SESSION.get_credentials().get_frozen_credentials(), "sagemaker", "us-east-1").add_auth(request)
    url = request.url.removeprefix("https://") + "&Version=1"
    return "sagemaker-api-key-" + base64.b64encode(url.encode()).decode()


def test_invocation_reaches_the_container_with_its_environment(serving: Any, invoke: Any) -> None:
    answer = invoke({"messages": []})
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "main"
    assert answer["Body"]["path"] == "/invocations"
    assert answer["Body"]["environment"]["AWS_ENDPOINT_URL"] == current().base_url


def test_environment_of_the_component_wins_over_that_of_its_model(serving: Any, invoke: Any) -> None:
    serving.create_model(
        ModelName="base",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/hosting",
        PrimaryContainer={"Image": "sglang", "Environment": {"SM_SGLANG_TP": "1", "SM_SGLANG_DTYPE": "half"}},
    )
    any_component(serving, "other", ModelName="base", Container={"Environment": {"SM_SGLANG_TP": "2"}})
    in_service(serving, "other")
    variables = invoke(InferenceComponentName="other")["Body"]["environment"]
    assert (variables["SM_SGLANG_TP"], variables["SM_SGLANG_DTYPE"]) == ("2", "half")


def test_model_folder_is_filled_from_s3_and_only_reads(serving: Any, invoke: Any, client: Any) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="models")
    for key in ("llama/config.json", "llama/draft/model.safetensors", "llama-other/config.json"):
        s3.put_object(Bucket="models", Key=key, Body=b"{}")
    source = {"S3Uri": "s3://models/llama/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    serving.create_model(
        ModelName="base",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/hosting",
        PrimaryContainer={"Image": "sglang", "ModelDataSource": {"S3DataSource": source}},
    )
    any_component(serving, "other", ModelName="base", Container={})
    in_service(serving, "other")
    body = invoke(InferenceComponentName="other")["Body"]
    assert body["model"] == ["config.json", "draft/model.safetensors"]
    assert not body["writable"]


def test_missing_model_data_fails_the_component(serving: Any, client: Any) -> None:
    serving.create_model(
        ModelName="base",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/hosting",
        PrimaryContainer={"Image": "sglang", "ModelDataUrl": "s3://absent/model.tar.gz"},
    )
    any_component(serving, "other", ModelName="base", Container={})
    described = eventually(
        lambda: (d := serving.describe_inference_component(InferenceComponentName="other")).get("FailureReason") and d
    )
    assert described["InferenceComponentStatus"] == "Failed"
    assert "could not find model data at s3://absent/model.tar.gz" in described["FailureReason"]


def test_stream_arrives_in_parts_before_the_container_has_finished(serving: Any, client: Any) -> None:
    answer = client("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName="fleet",
        InferenceComponentName="llama",
        ContentType="application/json",
        Body=json.dumps({"stream": True}),
    )
    assert answer["ContentType"] == "text/event-stream"
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    text = b"".join(parts).decode()
    assert len(parts) > 4
    assert [line for line in text.splitlines() if line][-1] == "data: [DONE]"
    assert not all(part.endswith(b"\n\n") for part in parts)  # parts are not aligned to events


def test_stream_that_breaks_raises_a_model_stream_error(serving: Any, client: Any) -> None:
    answer = client("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName="fleet",
        InferenceComponentName="llama",
        ContentType="application/json",
        Body=json.dumps({"stream": True, "break_after": 0}),
    )
    with pytest.raises(EventStreamError) as caught:
        list(answer["Body"])
    answer["Body"].close()
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"


def test_openai_client_talks_to_the_component_path(serving: Any, cloud: LocalCloud) -> None:
    base = f"{cloud.url}/endpoints/fleet/inference-components/llama/openai/v1"
    client = openai.OpenAI(base_url=base, api_key=bearer(), max_retries=0)
    answer = client.chat.completions.with_raw_response.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert json.loads(answer.text)["path"] == "/v1/chat/completions"


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic abc"])
def test_openai_path_refuses_what_is_no_sagemaker_token(serving: Any, cloud: LocalCloud, token: str) -> None:
    url = f"{cloud.url}/endpoints/fleet/inference-components/llama/openai/v1/chat/completions"
    request = urllib.request.Request(url, data=b"{}", headers={"Authorization": token} if token else {})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403
    caught.value.close()


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"EndpointName": "none"}, "Endpoint none of account 123456789012 not found."),
        ({"InferenceComponentName": "none"}, "Inference Component none not found"),
    ],
)
def test_unknown_names_are_validation_errors(serving: Any, invoke: Any, names: dict[str, str], says: str) -> None:
    answer = fails(invoke, **names)
    assert answer["Error"]["Code"] == "ValidationError"
    assert says in answer["Error"]["Message"]


def test_component_header_is_required(serving: Any, client: Any) -> None:
    answer = fails(client("sagemaker-runtime").invoke_endpoint, EndpointName="fleet", Body=b"{}")
    assert "Inference Component Name header is required" in answer["Error"]["Message"]


def test_payload_beyond_the_limit_is_refused(serving: Any, client: Any) -> None:
    body = b"x" * (6291456 + 1)
    answer = fails(
        client("sagemaker-runtime").invoke_endpoint, EndpointName="fleet", InferenceComponentName="llama", Body=body
    )
    assert answer["Error"]["Code"] == "ValidationError"
    assert "less than or equal to 6291456" in answer["Error"]["Message"]


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (500, "server")])
def test_container_errors_are_model_errors(serving: Any, invoke: Any, status: int, side: str) -> None:
    answer = fails(invoke, {"status": status})
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == status
    assert json.loads(answer["OriginalMessage"]) == {"error": "as asked"}
    assert f"Received {side} error ({status}) from primary" in answer["Error"]["Message"]
    assert answer["LogStreamArn"].startswith("arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/")


def test_container_that_takes_too_long_is_a_model_error(serving: Any, invoke: Any) -> None:
    before = current().invocation_timeout_s
    configure(invocation_timeout_s=0.5)
    try:
        answer = fails(invoke, {"sleep_s": 2})
    finally:
        configure(invocation_timeout_s=before)
    assert "timed out while waiting for a response" in answer["Error"]["Message"]


def test_no_copy_is_the_validation_error_that_scaling_from_zero_waits_for(serving: Any, invoke: Any) -> None:
    serving.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 0}
    )
    in_service(serving)
    answer = fails(invoke)
    assert answer["Error"]["Code"] == "ValidationError"
    assert "Inference Component has no capacity to process this request" in answer["Error"]["Message"]


def test_session_sticks_to_the_copy_that_opened_it(serving: Any, invoke: Any) -> None:
    serving.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 2}
    )
    in_service(serving)
    opened = invoke(SessionId="NEW_SESSION")
    assert opened["NewSessionId"].startswith("session-1;")
    pids = {invoke(SessionId="session-1")["Body"]["pid"] for _ in range(10)}
    assert pids == {opened["Body"]["pid"]}


def test_two_hundred_concurrent_requests_are_all_answered_by_both_copies(serving: Any, client: Any) -> None:
    serving.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 2}
    )
    in_service(serving)
    runtime = client("sagemaker-runtime")

    def ask(_: int) -> int:
        answer = runtime.invoke_endpoint(
            EndpointName="fleet",
            InferenceComponentName="llama",
            ContentType="application/json",
            Body=b'{"sleep_s": 0.2}',
        )
        return int(json.loads(answer["Body"].read())["pid"])

    with ThreadPoolExecutor(200) as pool:
        pids = list(pool.map(ask, range(200)))
    counts = [pids.count(pid) for pid in set(pids)]
    assert (len(pids), len(counts)) == (200, 2)
    assert min(counts) > 60


def test_killed_copy_is_out_of_routing_and_replaced(serving: Any, invoke: Any) -> None:
    pid = invoke()["Body"]["pid"]
    os.kill(pid, signal.SIGKILL)

    def replaced() -> bool:
        try:
            return bool(invoke()["Body"]["pid"] != pid)
        except ClientError:
            return False

    assert eventually(replaced, within_s=30)


def test_copy_whose_ping_fails_gets_no_requests_until_it_recovers(serving: Any, invoke: Any) -> None:
    configure(ping_interval_s=0.1)
    serving.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 2}
    )
    in_service(serving)
    sick = eventually(lambda: invoke({"ping": 503})["Body"]["pid"])
    eventually(lambda: all(invoke()["Body"]["pid"] != sick for _ in range(10)))


def test_logs_reach_cloudwatch_and_a_file(serving: Any, invoke: Any, client: Any) -> None:
    invoke({"messages": ["find me"]})
    logs = client("logs")
    group = "/aws/sagemaker/InferenceComponents/llama"

    def found() -> bool:
        events = logs.filter_log_events(logGroupName=group)["events"]
        return any("find me" in event["message"] for event in events)

    assert eventually(found)
    files = list((current().folder / "logs" / "llama").glob("*.log"))
    assert any("find me" in file.read_text() for file in files)


def test_stubborn_container_is_killed_after_the_grace(serving: Any, invoke: Any) -> None:
    any_component(serving, "other", Container={"Image": "x", "Environment": {"SM_TEST_STUBBORN": "1"}})
    in_service(serving, "other")
    pid = invoke(InferenceComponentName="other")["Body"]["pid"]
    serving.delete_inference_component(InferenceComponentName="other")
    eventually(lambda: not serving.list_inference_components(NameContains="other")["InferenceComponents"])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_container_that_never_answers_ping_fails_within_its_start_up_time(serving: Any) -> None:
    configure(health_timeout_s=1)
    any_component(serving, "other", Container={"Image": "x", "Environment": {"SM_TEST_UNHEALTHY": "1"}})
    described = eventually(
        lambda: (d := serving.describe_inference_component(InferenceComponentName="other")).get("FailureReason") and d
    )
    configure(health_timeout_s=480)
    assert "no healthy /ping within 1 s" in described["FailureReason"]


def test_other_component_never_stops_answering_while_one_comes_and_goes(serving: Any, invoke: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        churn = pool.submit(lambda: (any_component(serving, "other"), in_service(serving, "other")))
        answered = 0
        while not churn.done():
            assert invoke()["Body"]["path"] == "/invocations"
            answered += 1
        serving.delete_inference_component(InferenceComponentName="other")
        while serving.list_inference_components(NameContains="other")["InferenceComponents"]:
            assert invoke()["Body"]["path"] == "/invocations"
    assert answered > 3


@pytest.fixture
def triage(serving: Any, client: Any) -> None:
    """An adapter on the component."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("adapter_config.json"))
    client("s3").create_bucket(Bucket="models")
    client("s3").put_object(Bucket="models", Key="triage.tar.gz", Body=packed.getvalue())
    adapter = {"BaseInferenceComponentName": "llama", "Container": {"ArtifactUrl": "s3://models/triage.tar.gz"}}
    serving.create_inference_component(InferenceComponentName="triage", EndpointName="fleet", Specification=adapter)
    in_service(serving, "triage")


def test_session_of_an_adapter_sticks_to_its_copy(serving: Any, invoke: Any, triage: None) -> None:
    serving.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 2}
    )
    in_service(serving)
    assert eventually(lambda: len({invoke(InferenceComponentName="triage")["Body"]["pid"] for _ in range(10)}) == 2)
    opened = invoke(InferenceComponentName="triage", SessionId="NEW_SESSION")
    pids = {invoke(InferenceComponentName="triage", SessionId="session-1")["Body"]["pid"] for _ in range(20)}
    assert pids == {opened["Body"]["pid"]}


def test_adapter_is_loaded_into_the_copies_and_named_in_its_requests(serving: Any, invoke: Any, triage: None) -> None:
    body = invoke(InferenceComponentName="triage")["Body"]
    assert body["adapters"] == ["triage"]
    headers = {name.lower(): value for name, value in body["headers"].items()}
    assert headers["x-amzn-sagemaker-adapter-identifier"] == "triage"
    serving.delete_inference_component(InferenceComponentName="triage")
    assert eventually(lambda: invoke()["Body"]["adapters"] == [])


def test_changed_environment_is_served_in_place(serving: Any, invoke: Any) -> None:
    serving.update_inference_component(
        InferenceComponentName="llama",
        Specification=specification(Container={"Image": "x", "Environment": {"SM_SGLANG_CONTEXT_LENGTH": "8192"}}),
    )
    in_service(serving)
    assert invoke()["Body"]["environment"]["SM_SGLANG_CONTEXT_LENGTH"] == "8192"
