"""Detailed observability: what is published for PromQL, when, with which labels, and the API that answers queries."""

import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.auth
import botocore.awsrequest
import pytest
from botocore.exceptions import ClientError
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from localcloud.aws.hosting.store import store
from localcloud.aws.metrics import exposition, prometheus_api
from localcloud.aws.metrics.samples import KEPT_S, Samples
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import ROLE, SESSION, any_component, any_endpoint, variant

ENGINE = """# HELP sglang:num_running_reqs Requests
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="tiny",quote="say \\"hi\\"\\\\\\n"} 3.0
sglang:time_to_first_token_seconds_bucket{le="0.1"} 2
sglang:time_to_first_token_seconds_bucket{le="+Inf"} 4 1790000000000
sglang:nothing NaN
"""


class _Engine(BaseHTTPRequestHandler):
    text = ENGINE

    def do_GET(self) -> None:
        body = self.text.encode()
        self.send_response(200 if self.path in ("/metrics", "/other") else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[int]:
    """Port of a server that publishes metrics."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Engine)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fleet(sagemaker: Any, driven: Any, engine: int) -> Any:
    """A component of one copy whose engine publishes metrics, before any enrichment."""
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker)
    driven.advance(5)
    state = store("123456789012", "us-east-1")
    state.components["llama"].copies[0].port = engine
    return SESSION.client("cloudwatch")


def ask(path: str, **parameters: object) -> Any:
    """Ask the API as the server does, without its door."""
    builder = EnvironBuilder(path=f"/prometheus/api/v1/{path}", method="POST", data=parameters)
    return json.loads(prometheus_api.answer(Request(builder.get_environ())).get_data())


def found(query: str) -> dict[str, float]:
    """Values of an instant query by the name of their metric."""
    return {
        one["metric"].get("__name__", ""): float(one["value"][1]) for one in ask("query", query=query)["data"]["result"]
    }


def test_without_enrichment_there_is_nothing_to_query(fleet: Any, driven: Any) -> None:
    driven.advance(300)
    assert fleet.get_o_tel_enrichment()["Status"] == "STOPPED"
    assert ask("query", query='{__name__=~".+"}') == {
        "status": "success",
        "data": {"resultType": "vector", "result": []},
    }
    assert ask("labels")["data"] == []


def test_alarm_over_an_engine_needs_the_enrichment(fleet: Any, driven: Any) -> None:
    criteria = {
        "PromQLCriteria": {"Query": "sum(sglang:num_running_reqs) > 2", "PendingPeriod": 120, "RecoveryPeriod": 60}
    }
    fleet.put_metric_alarm(AlarmName="busy", EvaluationCriteria=criteria, EvaluationInterval=60)

    def state() -> str:
        return str(fleet.describe_alarms(AlarmNames=["busy"])["MetricAlarms"][0]["StateValue"])

    driven.advance(300)
    assert state() == "INSUFFICIENT_DATA"
    fleet.start_o_tel_enrichment()
    driven.advance(100)
    assert state() == "OK"  # three requests run, not yet for two minutes of evaluations
    driven.advance(140)
    assert state() == "ALARM"
    fleet.stop_o_tel_enrichment()
    driven.advance(600)
    assert state() == "INSUFFICIENT_DATA"


def test_engine_is_scraped_with_the_labels_of_sagemaker(fleet: Any, driven: Any) -> None:
    fleet.start_o_tel_enrichment()
    assert fleet.get_o_tel_enrichment()["Status"] == "RUNNING"
    driven.advance(61)
    (sample,) = ask("query", query="sglang:num_running_reqs")["data"]["result"]
    state = store("123456789012", "us-east-1")
    (copy,) = state.components["llama"].copies
    assert sample["value"][1] == "3"
    assert sample["metric"] == {
        "__name__": "sglang:num_running_reqs",
        "model_name": "tiny",
        "quote": 'say "hi"\\\n',
        "aws.sagemaker.endpoint.name": "fleet",
        "aws.sagemaker.variant.name": "main",
        "aws.sagemaker.inference_component.name": "llama",
        "aws.sagemaker.container.id": copy.id,
        "@resource.host.id": copy.instance_id,
        "@resource.host.type": "ml.g6e.12xlarge",
        "@aws.account": "123456789012",
        "@aws.region": "us-east-1",
    }
    query = 'sum by ("@resource.host.type") ({"sglang:num_running_reqs", "aws.sagemaker.endpoint.name"="fleet"})'
    assert ask("query", query=query)["data"]["result"][0]["metric"] == {"@resource.host.type": "ml.g6e.12xlarge"}


def test_samples_are_a_minute_apart_unless_the_container_or_endpoint_says_otherwise(
    sagemaker: Any, driven: Any, engine: int
) -> None:
    sagemaker.create_endpoint_config(
        EndpointConfigName="often", ExecutionRoleArn=ROLE, ProductionVariants=[variant()],
        MetricsConfig={"MetricPublishFrequencyInSeconds": 30},
    )  # fmt: skip
    sagemaker.create_endpoint(EndpointName="often", EndpointConfigName="often")
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker)
    any_component(sagemaker, "quick", endpoint="often")
    own = {"MetricsEndpoints": [{"MetricsEndpointPath": "/other", "MetricPublishFrequencyInSeconds": 10}]}
    container = {"Image": "sglang:latest", "ContainerMetricsConfig": own}
    any_component(sagemaker, "quickest", endpoint="often", Container=container)
    driven.advance(5)
    for component in store("123456789012", "us-east-1").components.values():
        component.copies[0].port = engine
    SESSION.client("cloudwatch").start_o_tel_enrichment()
    driven.advance(601)
    query = 'count_over_time({"sglang:num_running_reqs"}[10m])'
    samples = ask("query", query=query)["data"]["result"]
    counts = {one["metric"]["aws.sagemaker.inference_component.name"]: float(one["value"][1]) for one in samples}
    assert counts == {"llama": 10, "quick": 20, "quickest": 60}


def test_endpoint_that_turned_it_off_publishes_nothing(sagemaker: Any, driven: Any, engine: int) -> None:
    sagemaker.create_endpoint_config(
        EndpointConfigName="quiet", ExecutionRoleArn=ROLE, ProductionVariants=[variant()],
        MetricsConfig={"EnableDetailedObservability": False},
    )  # fmt: skip
    sagemaker.create_endpoint(EndpointName="quiet", EndpointConfigName="quiet")
    SESSION.client("cloudwatch").start_o_tel_enrichment()
    driven.advance(200)
    assert ask("labels")["data"] == []


def test_engine_that_ends_is_stale_after_five_minutes(fleet: Any, driven: Any) -> None:
    fleet.start_o_tel_enrichment()
    driven.advance(61)
    store("123456789012", "us-east-1").components["llama"].copies[0].port = 1  # nobody answers there
    driven.advance(240)
    assert found("sglang:num_running_reqs")
    driven.advance(120)
    assert not found("sglang:num_running_reqs")


def test_gpus_are_stand_ins_and_belong_to_the_component_that_has_them(fleet: Any, driven: Any) -> None:
    fleet.start_o_tel_enrichment()
    driven.advance(61)
    used = ask("query", query="DCGM_FI_DEV_FB_USED")["data"]["result"]
    holders = {one["metric"]["gpu"]: one["metric"].get("aws.sagemaker.inference_component.name") for one in used}
    assert holders == {"0": "llama", "1": "llama", "2": None, "3": None}
    assert {one["metric"]["stand_in"] for one in used} == {"true"}
    assert found('sum({__name__=~"DCGM_FI_DEV_FB_(USED|FREE)"})')[""] == 4 * 48 * 1024**3
    store("123456789012", "us-east-1").components["llama"].copies[0].outstanding = 4
    driven.advance(60)
    assert found("max(DCGM_FI_DEV_GPU_UTIL)")[""] == 40


def test_scaling_and_starts_are_timed(fleet: Any, sagemaker: Any, driven: Any) -> None:
    fleet.start_o_tel_enrichment()
    for count in (2, 1):
        sagemaker.update_inference_component_runtime_config(
            InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": count}
        )
        driven.advance(65)
    directions = ask("query", query='sum by ("aws.sagemaker.scaling.direction") (e2e_duration_count)')["data"]["result"]
    assert {one["metric"]["aws.sagemaker.scaling.direction"]: one["value"][1] for one in directions} == {
        "ScaleOut": "2",  # the first copy, and the second
        "ScaleIn": "1",
    }
    assert found("container_start_time_count") == {"container_start_time_count": 2}
    assert 1 <= found("histogram_quantile(0.5, container_start_time_bucket)")[""] <= 2.5


def test_launches_that_are_refused_are_counted_once_a_minute(fleet: Any, sagemaker: Any, driven: Any) -> None:
    from localcloud.aws import faults

    fleet.start_o_tel_enrichment()
    faults.inject("insufficient-capacity", target="fleet")
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 4}
    )
    driven.advance(130)
    assert 1 <= found("ice_count")["ice_count"] <= 3


def test_enrichment_of_a_stack_starts_and_ends_with_it(fleet: Any, driven: Any) -> None:
    template = {"Resources": {"E": {"Type": "AWS::CloudWatch::OTelEnrichment", "Properties": {}}}}
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="e", TemplateBody=json.dumps(template))
    assert fleet.get_o_tel_enrichment()["Status"] == "RUNNING"
    template["Resources"]["E"]["Properties"] = {"ExcludeFilters": [{"Namespace": "AWS/Lambda"}]}
    cloudformation.update_stack(StackName="e", TemplateBody=json.dumps(template))
    assert fleet.get_o_tel_enrichment()["ExcludeFilters"] == [{"Namespace": "AWS/Lambda"}]
    cloudformation.delete_stack(StackName="e")
    assert fleet.get_o_tel_enrichment()["Status"] == "STOPPED"


def test_range_series_labels_and_their_values_are_answered(fleet: Any, driven: Any) -> None:
    fleet.start_o_tel_enrichment()
    begin = driven.now()
    driven.advance(301)
    answer = ask("query_range", query="sglang:num_running_reqs", start=begin, end=driven.now(), step="1m")
    assert answer["data"]["resultType"] == "matrix"
    assert len(answer["data"]["result"][0]["values"]) == 5
    (series,) = ask("series", **{"match[]": "sglang:num_running_reqs"})["data"]
    assert series["model_name"] == "tiny"
    assert "aws.sagemaker.endpoint.name" in ask("labels")["data"]
    assert ask("label/aws.sagemaker.endpoint.name/values")["data"] == ["fleet"]
    assert "sglang:num_running_reqs" in ask("label/__name__/values")["data"]
    assert ask("label/gpu/values", **{"match[]": "sglang:num_running_reqs"})["data"] == []


@pytest.mark.parametrize(
    ("path", "parameters", "says"),
    [
        ("query", {"query": "sum("}, "unexpected end of input"),
        ("query", {}, 'parameter "query"'),
        ("query", {"query": "up", "time": "yesterday"}, "valid timestamp"),
        ("query_range", {"query": "up", "start": 1, "end": 2, "step": 0}, "zero or negative"),
        ("query_range", {"query": "up", "start": 2, "end": 1, "step": 1}, "must not be before"),
        ("query_range", {"query": "up", "start": 0, "end": 86400, "step": 1}, "11,000 points"),
        ("series", {}, "no match[] parameter"),
        ("series", {"match[]": "rate(up[5m])"}, "no selector"),
        ("nowhere", {}, "no such path"),
    ],
)
def test_requests_that_prometheus_refuses_are_refused(driven: Any, path: str, parameters: Any, says: str) -> None:
    answer = ask(path, **parameters)
    assert answer["status"] == "error"
    assert says in answer["error"]


def test_text_that_is_not_in_the_format_is_no_scrape() -> None:
    with pytest.raises(exposition.ExpositionError, match="line 2"):
        list(exposition.parse("up 1\n{}\n"))
    assert list(exposition.parse('{"dotted.name","a.b"="c"} +Inf\n')) == [("dotted.name", {"a.b": "c"}, float("inf"))]
    assert list(exposition.parse('up{a="}",b="x,y",} 1e3\n\n# EOF')) == [("up", {"a": "}", "b": "x,y"}, 1000.0)]


def test_samples_are_forgotten_after_days() -> None:
    samples = Samples()
    samples.add({"__name__": "old"}, 0, 1)
    samples.add({"__name__": "kept"}, 0, 1)
    samples.add({"__name__": "kept"}, KEPT_S, 2)
    samples.add({"__name__": "kept"}, KEPT_S, 3)  # no newer than the last
    samples.add({"__name__": "kept"}, KEPT_S + 3600, 4)
    (series,) = samples.select((), 0, 2 * KEPT_S)
    assert list(zip(series.times, series.values, strict=True)) == [(KEPT_S, 2), (KEPT_S + 3600, 4)]


@pytest.fixture
def signed(cloud: LocalCloud) -> Callable[..., Any]:
    """Send a signed request to the query API of a server, as a client of AWS does."""

    def send(path: str, parameters: dict[str, str], *, service: str = "monitoring", method: str = "POST") -> Any:
        body = urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
        url = f"{cloud.url}/prometheus/api/v1/{path}"
        if method == "GET":
            url, body = f"{url}?{body}", ""
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        request = botocore.awsrequest.AWSRequest(method=method, url=url, data=body, headers=headers)
        botocore.auth.SigV4Auth(SESSION.get_credentials(), service, "us-east-1").add_auth(request)
        sent = urllib.request.Request(url, data=body.encode() or None, method=method, headers=dict(request.headers))
        try:
            with urllib.request.urlopen(sent) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    return send


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_api_answers_at_the_door_to_who_signed_for_monitoring(signed: Callable[..., Any], method: str) -> None:
    query = {"query": 'sum by ("@aws.region") (vector(2))'}
    status, answer = signed("query", query, method=method)
    assert (status, answer["data"]["result"][0]["value"][1]) == (200, "2")
    status, answer = signed("query", query, method=method, service="aps")
    assert (status, answer["__type"]) == (403, "AccessDeniedException")
    assert signed("query", {"query": "sum("}, method=method)[0] == 400
    assert signed("query", {"query": "label_replace(vector(1), '', 'x', 'y', '')"}, method=method)[0] == 422


WIDGET = {"type": "text", "x": 0, "y": 0, "width": 24, "height": 2, "properties": {"markdown": "# Fleet"}}
METRIC = {
    "region": "us-east-1",
    "metrics": [["AWS/SageMaker", "Invocations", "EndpointName", "fleet", {"stat": "Sum"}]],
}
QUERY = {"id": "a", "type": "cloudwatch-metrics", "language": "PromQL", "query": "sum(up)"}


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"type": "picture"}, "/widgets/0/type", "allowed values"),
        ({"x": 20}, "/widgets/0", "ends in column 44"),
        ({"width": 25, "x": 0}, "/widgets/0/width", "between 1 and 24"),
        ({"height": 1.5}, "/widgets/0/height", "integer"),
        ({"properties": {}}, "/widgets/0/properties", "'markdown'"),
        ({"type": "metric", "properties": METRIC | {"region": None}}, "/widgets/0/properties/region", "str"),
        ({"type": "metric", "properties": METRIC | {"period": 45}}, "/widgets/0/properties/period", "multiple of 60"),
        (
            {"type": "metric", "properties": METRIC | {"metrics": [["A", "B", "C"]]}},
            "/widgets/0/properties/metrics/0",
            "pairs",
        ),
        (
            {"type": "metric", "properties": METRIC | {"metrics": METRIC["metrics"] * 501}},
            "/widgets/0/properties/metrics",
            "500",
        ),
        ({"type": "metric", "properties": METRIC | {"view": "gauge"}}, "/widgets/0/properties/yAxis/left", "gauge"),
        ({"type": "metric", "properties": {"region": "us-east-1"}}, "/widgets/0/properties", "'metrics'"),
        ({"type": "log", "properties": {"region": "us-east-1"}}, "/widgets/0/properties", "'query'"),
        ({"type": "alarm", "properties": {"alarms": []}}, "/widgets/0/properties/alarms", "1 to 100"),
        ({"type": "chart", "properties": {"view": "line", "data": {}}}, "/widgets/0/properties/data", "queries"),
        (
            {"type": "chart", "properties": {"view": "line", "data": {"queries": [QUERY | {"language": "KQL"}]}}},
            "/widgets/0/properties/data/queries/0/language",
            "PromQL, SQL",
        ),
    ],
)
def test_dashboard_with_a_mistake_is_refused_with_its_path(driven: Any, change: Any, path: str, says: str) -> None:
    body = json.dumps({"widgets": [WIDGET | change]})
    with pytest.raises(ClientError) as refusal:
        SESSION.client("cloudwatch").put_dashboard(DashboardName="d", DashboardBody=body)
    error = refusal.value.response["Error"]
    assert error["Code"] == "InvalidParameterInput"
    (message,) = json.loads(error["Message"].partition("\n")[2])
    assert message["dataPath"] == path
    assert says in message["message"]


def test_a_row_that_repeats_the_metric_before_it_is_taken(driven: Any) -> None:
    rows = [*METRIC["metrics"], ["...", {"stat": "p99"}], ["...", "chat"], [".", ".", ".", "chat", {"stat": "p99"}]]
    widget = WIDGET | {"type": "metric", "properties": METRIC | {"metrics": rows}}
    body = json.dumps({"widgets": [widget]})
    answer = SESSION.client("cloudwatch").put_dashboard(DashboardName="d", DashboardBody=body)
    assert answer.get("DashboardValidationMessages", []) == []


@pytest.mark.parametrize("body", ["no JSON", "[]", json.dumps({"widgets": [WIDGET] * 501})])
def test_dashboard_that_is_none_is_refused(driven: Any, body: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterInput"):
        SESSION.client("cloudwatch").put_dashboard(DashboardName="d", DashboardBody=body)


def test_dashboards_of_a_template_are_checked_changed_and_removed(driven: Any) -> None:
    cloudwatch, cloudformation = SESSION.client("cloudwatch"), SESSION.client("cloudformation")
    chart = {"type": "chart", "properties": {"view": "line", "data": {"queries": [QUERY | {"query": "sum("}]}}}
    answer = cloudwatch.put_dashboard(DashboardName="api", DashboardBody=json.dumps({"widgets": [WIDGET, chart]}))
    (warning,) = answer["DashboardValidationMessages"]
    assert warning["DataPath"] == "/widgets/1/properties/data/queries/0/query"
    properties = {"DashboardName": "fleet", "DashboardBody": json.dumps({"widgets": [WIDGET]})}
    template = {"Resources": {"D": {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}}}
    cloudformation.create_stack(StackName="d", TemplateBody=json.dumps(template))
    properties["DashboardBody"] = json.dumps({"widgets": [WIDGET, WIDGET]})
    cloudformation.update_stack(StackName="d", TemplateBody=json.dumps(template))
    assert cloudwatch.get_dashboard(DashboardName="fleet")["DashboardBody"] == properties["DashboardBody"]
    properties["DashboardBody"] = "{}"
    cloudformation.update_stack(StackName="d", TemplateBody=json.dumps(template))
    assert cloudformation.describe_stacks(StackName="d")["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    cloudformation.delete_stack(StackName="d")
    assert [one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]] == ["api"]
