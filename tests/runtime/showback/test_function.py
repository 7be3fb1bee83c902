"""The showback function against the embedded AWS: samples, reports, and what it does on a bad day."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import importlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto.cloudwatch.models import cloudwatch_backends

from cdk_sglang._runtime.showback import logic, observation, usage
from cdk_sglang._runtime.showback.samples import Instances, Member, Sample
from cdk_sglang._runtime.showback.store import Store
from localcloud.aws import faults
from tests.localcloud.helpers import SESSION, any_component, any_endpoint
from tests.support.reservations import TYPE, Fleet

BUCKET, NAMESPACE = "costs", "cdk-sglang/prod"
G6E = "ml.g6e.12xlarge"


def settings(*endpoints: dict[str, Any], **changes: Any) -> dict[str, Any]:
    content = {
        "namespace": NAMESPACE,
        "scaling_namespace": "cdk-sglang/Scaling",
        "sample_minutes": 15,
        "endpoints": list(endpoints) or [watched()],
        "gpus": {G6E: 4, TYPE: 8},
        "prices": {G6E: {"usd_per_hour": "13.12", "date": "2026-09-01", "source": "a price list"}},
        "requests": {
            "namespace": "AWS/SageMaker",
            "name": "Invocations",
            "statistic": "Sum",
            "dimension": "InferenceComponentName",
        },
        "tokens": None,
    }
    return content | changes


def watched(name: str = "fleet", *members: dict[str, Any], kind: str = G6E, plan: str = "") -> dict[str, Any]:
    known = {"name": "llama", "component": "llama", "team": "search", "input_tokens": 1000.0, "output_tokens": 200.0}
    return {"endpoint": name, "name": name, "types": [kind], "plan": plan, "members": list(members) or [known]}


@pytest.fixture
def aws(driven: Any, sagemaker: Any) -> logic.Aws:
    s3 = SESSION.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return logic.Aws(
        sagemaker=sagemaker,
        cloudwatch=SESSION.client("cloudwatch"),
        session=SESSION,
        store=Store(s3=s3, bucket=BUCKET),
        scaling=SESSION.client("application-autoscaling"),
    )


@pytest.fixture
def serving(aws: logic.Aws, driven: Any) -> logic.Aws:
    any_endpoint(aws.sagemaker)
    driven.advance(5)
    any_component(aws.sagemaker)
    driven.advance(20)
    return aws


def published(name: str) -> list[tuple[dict[str, str], float]]:
    """Return dimensions and values of the function's metric, oldest first."""
    backend = cloudwatch_backends["123456789012"]["us-east-1"]
    return [
        ({dimension.name: dimension.value for dimension in datum.dimensions}, datum.value)
        for datum in backend.metric_data
        if (datum.namespace, datum.name) == (NAMESPACE, name)
    ]


def next_midnight(driven: Any) -> dt.datetime:
    tomorrow = driven.utc().date() + dt.timedelta(days=1)
    return dt.datetime.combine(tomorrow, dt.time(), tzinfo=dt.UTC)


def sample_until(aws: logic.Aws, driven: Any, end: dt.datetime, content: dict[str, Any], *, minutes: int = 15) -> None:
    while driven.utc() < end:
        logic.sample(aws, content, due=driven.utc(), now=driven.utc(), seconds_left=plenty)
        driven._now += minutes * 60


def invoked(aws: logic.Aws, name: str, at: dt.datetime, count: int) -> None:
    dimensions = [{"Name": "InferenceComponentName", "Value": name}]
    data = {"MetricName": "Invocations", "Dimensions": dimensions, "Timestamp": at, "Value": count, "Unit": "None"}
    aws.cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[data])


def rows(aws: logic.Aws, date: dt.date) -> list[dict[str, str]]:
    body = aws.store.s3.get_object(Bucket=BUCKET, Key=f"daily/{date.isoformat()}.csv")["Body"].read().decode()
    return list(csv.DictReader(io.StringIO(body)))


def plenty() -> float:
    return 300


def refusing(client: Any, operation: str, error: Exception, *, when: Callable[[dict[str, Any]], bool]) -> Any:
    """Wrap a client so that one operation fails for some requests."""

    def call(**request: Any) -> Any:
        if when(request):
            raise error
        return getattr(client, operation)(**request)

    class Wrapped:
        def __getattr__(self, name: str) -> Any:
            return call if name == operation else getattr(client, name)

    return Wrapped()


def test_a_sample_says_what_runs_and_who_reserved_it(serving: logic.Aws, driven: Any) -> None:
    (only,) = [observation.Watched.parse(watched())]
    sample, unread = observation.take(serving.sagemaker, [only], at=driven.utc())
    assert unread == {}
    endpoint = sample.endpoints["fleet"]
    assert endpoint.instances == (Instances(type=G6E, count=1),)
    assert endpoint.members == (
        Member(
            name="llama",
            component="llama",
            team="search",
            copies={"": 1},
            gpus={"": 2},
            input_tokens=1000.0,
            output_tokens=200.0,
        ),
    )
    assert Sample.parse(sample.text()) == sample
    with pytest.raises(ValueError, match="version 2 of a sample"):
        Sample.parse(sample.text().replace('"version":1', '"version":2'))


def test_components_and_adapters_that_the_stack_does_not_know_are_sampled_too(serving: logic.Aws, driven: Any) -> None:
    for number in range(12):  # a second page in the embedded AWS
        any_component(serving.sagemaker, f"fleet-model-{number:02}")
    serving.sagemaker.create_inference_component(
        InferenceComponentName="llama-triage",
        EndpointName="fleet",
        Specification={
            "BaseInferenceComponentName": "llama",
            "Container": {"ArtifactUrl": "s3://models/triage.tar.gz"},
        },
    )
    driven.advance(20)
    small_pages = refusing(serving.sagemaker, "nothing", ValueError(), when=lambda _: False)
    sample, _ = observation.take(small_pages, [observation.Watched.parse(watched())], at=driven.utc())
    members = {one.name: one for one in sample.endpoints["fleet"].members}
    assert len(members) == 14
    assert members["fleet-model-07"].component == "model-07"
    assert (members["llama-triage"].base, members["llama-triage"].adapter) == ("llama", "triage")
    assert members["llama-triage"].team == "search"  # its component's


def test_an_endpoint_that_does_not_exist_is_a_fact_and_no_failure(aws: logic.Aws, driven: Any) -> None:
    result = logic.sample(aws, settings(), due=driven.utc(), now=driven.utc(), seconds_left=plenty)
    assert result["unread"] == []
    assert published("UsdPerHour") == [({"Endpoint": "fleet"}, 0.0)]


def test_instances_of_a_reservation_have_the_price_of_its_fee(fleet: Fleet, driven: Any) -> None:
    member = {"name": "chat-qwen", "component": "qwen"}
    one = observation.Watched.parse(watched("chat", member, kind=TYPE, plan=fleet.plan_arn))
    sample, _ = observation.take(fleet.sagemaker, [one], at=driven.utc())
    assert Instances(type=TYPE, count=1, plan=fleet.plan_arn) in sample.endpoints["chat"].instances
    (plan,) = sample.plans
    described = fleet.sagemaker.describe_training_plan(TrainingPlanName=fleet.plan_arn)
    hours = described["DurationHours"] + Decimal(described["DurationMinutes"]) / 60
    fee = Decimal(described["UpfrontFee"]) / (hours * 2)
    assert (plan.count, plan.type) == (2, TYPE)
    assert abs(Decimal(plan.usd_per_hour) - fee) < Decimal("0.000001")
    fleet.before_the_end(minutes=-10)
    assert observation.take(fleet.sagemaker, [one], at=driven.utc())[0].plans == ()  # over: paid for no longer


def test_both_fleets_of_a_deployment_are_in_the_sample(serving: logic.Aws, driven: Any) -> None:
    pending = {
        "EndpointConfigName": "fleet-2",
        "ProductionVariants": [
            {"VariantName": "main", "InstanceType": "ml.p5.48xlarge", "CurrentInstanceCount": 1},
            {
                "VariantName": "pool",
                "InstancePools": [
                    {"InstanceType": G6E, "CurrentInstanceCount": 2},
                    {"InstanceType": "ml.g6e.24xlarge"},
                ],
            },
        ],
    }

    class Deploying:
        def __getattr__(self, name: str) -> Any:
            return getattr(serving.sagemaker, name)

        def describe_endpoint(self, **request: Any) -> Any:
            return serving.sagemaker.describe_endpoint(**request) | {"PendingDeploymentSummary": pending}

    sample, _ = observation.take(Deploying(), [observation.Watched.parse(watched())], at=driven.utc())
    counts = [(one.type, one.count) for one in sample.endpoints["fleet"].instances]
    assert counts == [(G6E, 1), ("ml.p5.48xlarge", 1), (G6E, 2)]


def test_a_schedule_that_runs_twice_keeps_one_sample(serving: logic.Aws, driven: Any) -> None:
    due = driven.utc()
    assert logic.sample(serving, settings(), due=due, now=due, seconds_left=plenty)["kept"]
    assert not logic.sample(serving, settings(), due=due, now=due + dt.timedelta(seconds=40), seconds_left=plenty)[
        "kept"
    ]
    (key,) = serving.store._keys("samples/")
    assert key == f"samples/{due:%Y-%m-%d/%H-%M-%S}.json"


def test_an_endpoint_that_cannot_be_read_does_not_lose_the_others(serving: logic.Aws, driven: Any) -> None:
    any_endpoint(serving.sagemaker, "other")
    driven.advance(5)
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeEndpoint")
    for error in (denied, ReadTimeoutError(endpoint_url="https://sagemaker")):
        client = refusing(
            serving.sagemaker, "describe_endpoint", error, when=lambda request: request["EndpointName"] == "other"
        )
        half = dataclasses.replace(serving, sagemaker=client)
        result = logic.sample(
            half, settings(watched(), watched("other")), due=driven.utc(), now=driven.utc(), seconds_left=plenty
        )
        assert result["unread"] == ["other"]
        assert published("UnreadEndpoints")[-1] == ({}, 1.0)
        driven._now += 900
    assert set(serving.store.samples(driven.utc().date())[0].endpoints) == {"fleet"}


def test_no_endpoint_at_all_is_a_failure(serving: logic.Aws, driven: Any) -> None:
    faults.inject("throttling", target="DescribeEndpoint")
    with pytest.raises(RuntimeError, match=r"no endpoint could be read: .*ThrottlingException"):
        logic.sample(serving, settings(), due=driven.utc(), now=driven.utc(), seconds_left=plenty)
    assert published("UnreadEndpoints") == [({}, 1.0)]


def test_a_day_is_reported_and_twice_gives_the_same_bytes(serving: logic.Aws, driven: Any) -> None:
    midnight = next_midnight(driven)
    start = driven.utc()
    sample_until(serving, driven, midnight + dt.timedelta(hours=1), settings())
    invoked(serving, "llama", midnight - dt.timedelta(minutes=30), 50)
    today = midnight.date()
    assert logic.report_days(serving, settings(), today=today, seconds_left=plenty) == {
        "reported": [(today - dt.timedelta(days=1)).isoformat()]
    }
    found = rows(serving, today - dt.timedelta(days=1))
    hours = Decimal((midnight - start).total_seconds() + 450) / 3600
    assert sum(Decimal(row["instance_hours"]) for row in found) == pytest.approx(hours, abs=Decimal("0.001"))
    assert sum(Decimal(row["usd"]) for row in found) == pytest.approx(hours * Decimal("13.12"), abs=Decimal("0.01"))
    (llama,) = [row for row in found if row["component"] == "llama"]
    assert (llama["team"], llama["requests"], llama["tokens_in"]) == ("search", "50", "50000")
    costs = published("CostUsd")
    assert {tuple(dimensions.items()) for dimensions, _ in costs} == {
        (("Endpoint", "fleet"), ("Component", "llama")),
        (("Endpoint", "fleet"), ("Component", "(unallocated)")),
        (("Team", "search"),),
    }
    logic.report_days(serving, settings(), today=today, seconds_left=plenty)
    versions = serving.store.s3.list_object_versions(Bucket=BUCKET, Prefix="daily/")["Versions"]
    assert len(versions) == 1
    assert published("CostUsd") == costs  # a day counts once


def test_a_report_that_cannot_be_kept_is_published_and_kept_by_the_next_run(serving: logic.Aws, driven: Any) -> None:
    midnight = next_midnight(driven)
    logic.sample(
        serving,
        settings(),
        due=midnight - dt.timedelta(hours=1),
        now=midnight - dt.timedelta(hours=1),
        seconds_left=plenty,
    )
    denied = ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "PutObject")
    s3 = refusing(serving.store.s3, "put_object", denied, when=lambda request: request["Key"].startswith("daily/"))
    full = dataclasses.replace(serving, store=Store(s3=s3, bucket=BUCKET))
    with pytest.raises(RuntimeError, match="SlowDown"):
        logic.report_days(full, settings(), today=midnight.date(), seconds_left=plenty)
    logic.report_days(serving, settings(), today=midnight.date(), seconds_left=plenty)
    assert serving.store.reported() == {(midnight.date() - dt.timedelta(days=1)).isoformat()}
    costs = published("CostUsd")
    assert costs[: len(costs) // 2] == costs[len(costs) // 2 :]  # twice at the same moment: its maximum is the cost


def test_what_has_no_price_has_no_cost_in_cloudwatch(serving: logic.Aws, driven: Any) -> None:
    midnight = next_midnight(driven)
    unpriced = settings(prices={})
    logic.sample(
        serving,
        unpriced,
        due=midnight - dt.timedelta(hours=1),
        now=midnight - dt.timedelta(hours=1),
        seconds_left=plenty,
    )
    logic.report_days(serving, unpriced, today=midnight.date(), seconds_left=plenty)
    assert published("CostUsd") == published("UsdPerHour") == []
    assert {row["usd"] for row in rows(serving, midnight.date() - dt.timedelta(days=1))} == {""}


def test_missing_reports_are_made_up_for_and_one_bad_day_does_not_keep_the_others(
    serving: logic.Aws, driven: Any
) -> None:
    first = next_midnight(driven)
    driven._now = first.timestamp()
    sample_until(serving, driven, first + dt.timedelta(days=3), settings(), minutes=60)
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
    unreadable = f"samples/{first + dt.timedelta(days=1, hours=12):%Y-%m-%d/%H}"
    s3 = refusing(serving.store.s3, "get_object", denied, when=lambda request: request["Key"].startswith(unreadable))
    half = dataclasses.replace(serving, store=Store(s3=s3, bucket=BUCKET))
    today = (first + dt.timedelta(days=3)).date()
    with pytest.raises(RuntimeError, match="not reported: ") as error:
        logic.report_days(half, settings(sample_minutes=60), today=today, seconds_left=plenty)
    assert (today - dt.timedelta(days=2)).isoformat() in str(error.value)
    assert serving.store.reported() == {(today - dt.timedelta(days=back)).isoformat() for back in (1, 3)}
    logic.report_days(serving, settings(sample_minutes=60), today=today, seconds_left=plenty)
    assert len(serving.store.reported()) == 3


def test_a_run_that_is_short_of_time_leaves_days_to_the_next(serving: logic.Aws, driven: Any) -> None:
    first = next_midnight(driven)
    driven._now = first.timestamp()
    sample_until(serving, driven, first + dt.timedelta(days=2), settings(), minutes=60)
    today = (first + dt.timedelta(days=2)).date()
    with pytest.raises(RuntimeError, match="no time was left"):
        logic.report_days(serving, settings(sample_minutes=60), today=today, seconds_left=lambda: 10)
    assert serving.store.reported() == {(today - dt.timedelta(days=1)).isoformat()}


def test_a_day_of_more_samples_than_one_page_is_read_whole() -> None:
    midnight = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
    moments = [
        midnight + dt.timedelta(minutes=minute) for minute in range(-400, 1840)
    ]  # six hours of them on either side
    texts = {f"samples/{at:%Y-%m-%d/%H-%M-%S}.json": Sample(at=at, endpoints={}).text() for at in moments}

    class Pages:
        def paginate(self, **request: Any) -> Any:
            keys = [{"Key": key} for key in texts if key.startswith(request["Prefix"])]
            return ({"Contents": keys[first : first + 1000]} for first in range(0, len(keys), 1000))

    s3 = SimpleNamespace(
        get_paginator=lambda _: Pages(),
        get_object=lambda **request: {"Body": io.BytesIO(texts[request["Key"]].encode())},
    )
    found = Store(s3=s3, bucket=BUCKET).samples(midnight.date())
    assert [found[0].at, found[-1].at] == [midnight - dt.timedelta(hours=6), midnight + dt.timedelta(hours=30)]
    assert len(found) == 36 * 60 + 1


def test_a_sample_that_nobody_understands_is_a_gap(aws: logic.Aws, caplog: pytest.LogCaptureFixture) -> None:
    at = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
    aws.store.add(Sample(at=at, endpoints={}), due=at)
    for minute, body in ((5, b"{"), (10, b'{"version":9}'), (15, b"[]"), (20, b"\xff")):
        key = f"samples/{at + dt.timedelta(minutes=minute):%Y-%m-%d/%H-%M-%S}.json"
        aws.store.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert [one.at for one in aws.store.samples(at.date())] == [at]
    assert "version 9 of a sample, expected 1" in caplog.text


def test_the_running_day_is_reported_as_far_as_it_has_come(serving: logic.Aws, driven: Any) -> None:
    driven._now = next_midnight(driven).timestamp()
    start = driven.utc()
    sample_until(serving, driven, start + dt.timedelta(hours=2), settings())
    answer = logic.running_day(serving, settings(), now=driven.utc())
    found = list(csv.DictReader(io.StringIO(answer["csv"])))
    assert {row["observed_hours"] for row in found} == {"1.8750"}  # half a period behind the last sample
    assert serving.store.reported() == set()


def test_more_names_than_one_call_takes_are_asked_in_several() -> None:
    calls = []

    class Paginator:
        def paginate(self, **request: Any) -> Any:
            calls.append(len(request["MetricDataQueries"]))
            ids = [query["Id"] for query in request["MetricDataQueries"]]
            moment = request["StartTime"]
            half = [{"Id": one, "Timestamps": [moment], "Values": [2.0]} for one in ids]
            return iter([{"MetricDataResults": half}, {"MetricDataResults": half}])  # a result in two pages

    names = [f"component-{number}" for number in range(1203)]
    start = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
    metric = usage.Metric(namespace="n", name="m", statistic="Sum", dimension="d")
    counted = usage.requests(
        SimpleNamespace(get_paginator=lambda _: Paginator()),
        names,
        metric,
        start=start,
        end=start + dt.timedelta(days=1),
    )
    assert calls == [500, 500, 203]
    assert all(sum(hours.values()) == 4 for hours in counted.values())
    assert len(counted) == 1203


@pytest.fixture
def prometheus() -> Iterator[Any]:
    """A server that answers PromQL as CloudWatch does, and keeps what it was asked."""
    requests: list[tuple[str, dict[str, list[str]], str]] = []
    answers: list[tuple[int, Any]] = []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            requests.append((self.path, parse_qs(body), self.headers["Authorization"]))
            code, content = answers.pop(0)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", requests=requests, answers=answers)
    server.shutdown()
    server.server_close()
    thread.join()


LABEL = "aws.sagemaker.inference_component.name"


def vector(**values: str) -> dict[str, Any]:
    series = [{"metric": {LABEL: name}, "value": [1, value]} for name, value in values.items()]
    return {"status": "success", "data": {"resultType": "vector", "result": series}}


def test_tokens_are_those_that_the_engine_counted(prometheus: Any) -> None:
    prometheus.answers += [(200, vector(llama="1500.4", qwen="3")), (200, vector(llama="300"))]
    at = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
    found = usage.tokens(SESSION, prometheus.url, {"in": "a", "out": "b"}, label=LABEL, at=at)
    assert found == {"llama": (1500, 300), "qwen": (3, 0)}
    (path, form, signature), _ = prometheus.requests
    assert (path, form) == ("/api/v1/query", {"query": ["a"], "time": [str(int(at.timestamp()))]})
    assert "/us-east-1/monitoring/aws4_request" in signature


@pytest.mark.parametrize("code", [400, 403, 404])
def test_both_paths_that_aws_documents_are_tried(prometheus: Any, code: int) -> None:
    prometheus.answers += [(code, {}), (200, vector(llama="5"))] * 2
    at = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
    assert usage.tokens(SESSION, prometheus.url, {"in": "a", "out": "b"}, label=LABEL, at=at) == {"llama": (5, 5)}
    assert [path for path, _, _ in prometheus.requests[:2]] == ["/api/v1/query", "/prometheus/api/v1/query"]


@pytest.mark.parametrize(
    "answer",
    [
        (403, {}),
        (500, {}),
        (200, {"status": "error", "error": "bad query"}),
        (200, {"status": "success"}),
        (200, []),
        (200, vector(llama="+Inf")),
    ],
)
def test_tokens_that_nobody_answers_are_planned_ones(
    prometheus: Any, answer: tuple[int, Any], caplog: pytest.LogCaptureFixture
) -> None:
    prometheus.answers += [answer] * 2  # of both paths
    at = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
    assert usage.tokens(SESSION, prometheus.url, {"in": "a", "out": "b"}, label=LABEL, at=at) == {}
    assert "PromQL did not answer" in caplog.text


def test_the_entry_point_reads_its_settings_and_does_the_jobs(
    serving: logic.Aws, driven: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "BUCKET": BUCKET,
        "SETTINGS_BUCKET": BUCKET,
        "SETTINGS_KEY": "settings.json",
    }.items():
        monkeypatch.setenv(name, value)
    serving.store.s3.put_object(Bucket=BUCKET, Key="settings.json", Body=json.dumps(settings()))
    handler = importlib.reload(importlib.import_module("cdk_sglang._runtime.showback.handler"))
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)
    due = next_midnight(driven) + dt.timedelta(hours=30)  # later than this machine's clock, which must not matter
    assert handler.handle({"do": "sample", "time": due.isoformat()}, context)["at"] == due.isoformat()
    after = due + dt.timedelta(hours=19)
    assert handler.handle({"do": "report", "time": after.isoformat()}, context)["reported"] == [due.date().isoformat()]
    assert handler.handle({"do": "today"}, context)["csv"].startswith("date,endpoint,component")
    with pytest.raises(ValueError, match="unknown job 'dance'"):
        handler.handle({"do": "dance"}, context)
