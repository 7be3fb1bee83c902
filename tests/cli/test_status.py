"""`cdk-sglang status` against the embedded AWS: hosting, classic metrics, alarms; and a PromQL API of the test's own."""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.server
import io
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from cdk_sglang.cli.status import collect, command, hosting, measure
from cdk_sglang.cli.status.prometheus import PromqlApi
from cdk_sglang.cli.status.report import StatusReport
from cdk_sglang.cli.status.show import print_report
from cdk_sglang.metrics.series import COMPONENT
from cdk_sglang.observability.observed_fleet import ObservedFleet
from localcloud.aws import faults
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import SESSION, any_component, any_endpoint, eventually, in_service
from tests.support.observed import LLAMA, QWEN, observed


@dataclasses.dataclass
class Promql:
    """A PromQL API on loopback: values by component for each figure, and every query it got."""

    url: str = ""
    values: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    status: int = 200
    body: bytes | None = None
    queries: list[str] = dataclasses.field(default_factory=list)
    scopes: set[str] = dataclasses.field(default_factory=set)

    def answer(self, query: str, authorization: str) -> bytes:
        self.queries.append(query)
        self.scopes.add(re.search(r"Credential=[^/]+/\d{8}/([^/]+/[^/]+)/aws4_request", authorization)[1])
        by_query = {text: name for name, (text, _) in measure.engine_queries("prod-chat").items()}
        found = [
            {"metric": {COMPONENT: component}, "value": [0, str(values[by_query[query]])]}
            for component, values in self.values.items()
            if by_query[query] in values
        ]
        return (
            self.body or json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}}).encode()
        )


@pytest.fixture
def promql(monkeypatch: pytest.MonkeyPatch) -> Iterator[Promql]:
    api = Promql()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            content = api.answer(form["query"][0], self.headers["Authorization"])
            self.send_response(api.status if self.path == "/prometheus/api/v1/query" else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(collect, "PromqlApi", lambda _, region: PromqlApi(api.url, region, timeout_seconds=20))
    yield api
    server.shutdown()
    server.server_close()


@dataclasses.dataclass
class World:
    sagemaker: Any
    cloudwatch: Any
    clock: Any
    promql: Promql
    fleet: ObservedFleet

    def settle(self, *names: str) -> None:
        def status(name: str) -> str:
            described = self.sagemaker.describe_inference_component(InferenceComponentName=name)
            return str(described["InferenceComponentStatus"])

        self.clock.wait_until(
            lambda: self.sagemaker.describe_endpoint(EndpointName="prod-chat")["EndpointStatus"] == "InService",
            timeout_s=3600,
            what="the endpoint",
        )
        for name in names:
            self.clock.wait_until(lambda: status(name) in {"InService", "Failed"}, timeout_s=7200, what=name)

    def deploy(self, *, llama: int = 1, qwen: int = 1) -> None:
        any_endpoint(self.sagemaker, "prod-chat")
        self.settle()
        any_component(self.sagemaker, LLAMA, copies=llama, endpoint="prod-chat")
        any_component(self.sagemaker, QWEN, copies=qwen, endpoint="prod-chat")
        self.settle(LLAMA, QWEN)

    def publish(self, name: str, value: float, component: str = LLAMA, *, days_ago: int = 0) -> None:
        at = dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=days_ago, minutes=2)
        self.cloudwatch.put_metric_data(
            Namespace="AWS/SageMaker",
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": "InferenceComponentName", "Value": component}],
                    "Timestamp": at,
                    "Value": value,
                }
            ],
        )

    def alarm(
        self,
        name: str,
        *,
        component: str | None = None,
        firing: bool = True,
        metric: str = "Invocations",
        actions: Sequence[str] = (),
    ) -> None:
        dimensions = [{"Name": "InferenceComponentName", "Value": component}] if component else []
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            AlarmDescription="Copies do not start.\nRead the log; runbook: docs/runbooks/copies.md",
            Namespace="AWS/SageMaker",
            MetricName=metric,
            AlarmActions=list(actions),
            Dimensions=dimensions,
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM" if firing else "OK", StateReason="a test")

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(app, ["status", "--env", "prod", "--region", "us-east-1", *arguments])

    def report(self) -> dict[str, Any]:
        done = self.run("--json")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        content: dict[str, Any] = json.loads(done.stdout)
        assert done.exit_code == (0 if content["healthy"] else 1)
        return content


@pytest.fixture
def world(sagemaker: Any, driven: Any, promql: Promql, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    world = World(sagemaker, SESSION.client("cloudwatch"), driven, promql, observed())
    monkeypatch.setattr(command, "observed_fleet", lambda *_: world.fleet)
    return world


def test_an_environment_that_is_not_deployed_says_so_and_the_next_command(world: World) -> None:
    done = world.run()
    assert done.exit_code == 1
    assert "chat (prod-chat): not deployed" in done.stdout
    assert "next: deploy it: cdk-sglang deploy --env prod" in done.stdout
    assert done.stdout.rstrip().endswith("wrong: chat: not deployed")


def test_a_fleet_that_serves_shows_copies_instances_dollars_plan_and_measurement(world: World) -> None:
    world.deploy(llama=1, qwen=1)
    world.promql.values = {
        LLAMA: {"ttft_mean_ms": 0.12, "ttft_p99_ms": 0.9, "tpot_mean_ms": 0.02, "tpot_p99_ms": 0.05, "output_tok_s": 412.5,
                "kv_share_used": 0.25, "queue": 3},
    }  # fmt: skip
    world.publish("Invocations", 600)
    world.publish("Invocation5XXErrors", 6)
    world.publish("ModelLatency", 1_500_000)
    report = world.report()
    assert (report["healthy"], report["problems"]) == (True, [])
    (endpoint,) = report["endpoints"]
    (instances,) = endpoint["instances"]
    assert (instances["type"], instances["running"], instances["gpus"]) == ("ml.g6e.12xlarge", 1, 4)
    assert report["usd_per_hour"] == pytest.approx(instances["usd_per_hour"])
    assert dt.date.fromisoformat(instances["price_date"])
    assert (endpoint["gpus"], endpoint["gpus_idle"]) == (4, 0)
    llama, qwen = endpoint["components"]
    assert (llama["state"], llama["copies_running"], llama["copies_wanted"]) == ("in service", 1, 1)
    assert (llama["copies_least"], llama["copies_most"]) == (0, 4)
    measured = llama["measured"]
    assert (measured["ttft_mean_ms"], measured["ttft_p99_ms"]) == (120, 900)
    assert (measured["tpot_mean_ms"], measured["output_tok_s"], measured["queue"]) == (20, 412.5, 3)
    assert (measured["requests_per_s"], measured["failed_share"]) == (2, 0.01)
    assert measured["latency_p99_ms"] == 1500
    assert llama["planned"]["ttft_ms"]["low"] < llama["planned"]["ttft_ms"]["high"]
    assert qwen["planned"] is None, "nothing is known of its model"
    assert qwen["measured"] == dict.fromkeys(measured)
    assert world.promql.scopes == {"us-east-1/monitoring"}
    assert len(world.promql.queries) == 7, "one query a figure, however many components"


def test_asleep_is_no_failure(world: World) -> None:
    world.deploy()
    for name in (LLAMA, QWEN):
        world.sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": 0}
        )
    world.settle(LLAMA, QWEN)
    report = world.report()
    states = {one["name"]: one["state"] for one in report["endpoints"][0]["components"]}
    assert states == {"llama": "asleep", "qwen": "copies missing"}, "of qwen one copy always runs"
    assert report["problems"] == ["chat/qwen: copies missing"]
    assert report["endpoints"][0]["gpus_idle"] == report["endpoints"][0]["gpus"]


def test_a_failed_component_says_why(world: World) -> None:
    any_endpoint(world.sagemaker, "prod-chat")
    world.settle()
    faults.inject("component-health-check", target=LLAMA)
    any_component(world.sagemaker, LLAMA, endpoint="prod-chat")
    world.settle(LLAMA)
    done = world.run()
    assert done.exit_code == 1
    assert "llama: reason" in done.stdout
    assert "chat/llama: failed" in done.stdout
    assert "chat/qwen: not deployed" in done.stdout


def test_alarms_are_those_of_the_environments_stacks_and_names_with_their_next_step(world: World) -> None:
    world.deploy()
    world.alarm("cdk-sglang-prod-chat-ChatPage1A2B3C4D-AbCdEfGhIjKl")
    world.alarm("somebodys-own", component=QWEN)
    world.alarm("cdk-sglang-prod-chat-eu-ChatPage1A2B3C4D-AbCdEfGhIjKl")
    world.alarm("another-fleets", component="dev-chat-qwen")
    world.alarm("quiet", component=QWEN, firing=False)
    report = world.report()
    assert [one["name"] for one in report["alarms"]] == [
        "cdk-sglang-prod-chat-ChatPage1A2B3C4D-AbCdEfGhIjKl", "somebodys-own",
    ]  # fmt: skip
    assert report["alarms"][0]["next_step"] == "Copies do not start. Read the log; runbook: docs/runbooks/copies.md"
    assert "runbook" in world.run().stdout


def test_an_alarm_that_only_scales_is_no_fault(world: World) -> None:
    world.deploy()
    policy = f"arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/sagemaker/inference-component/{QWEN}:policyName/p"
    topic = "arn:aws:sns:us-east-1:123456789012:people"
    world.alarm(f"TargetTracking-inference-component/{QWEN}-AlarmLow-1", component=QWEN, actions=[policy])
    assert world.report()["alarms"] == []
    assert world.run().exit_code == 0
    world.alarm("pages-too", component=QWEN, actions=[policy, topic])
    assert [one["name"] for one in world.report()["alarms"]] == ["pages-too"]
    assert world.run().exit_code == 1


def test_a_deployment_that_runs_is_a_note_and_no_fault(world: World) -> None:
    world.deploy()
    world.alarm("cdk-sglang-prod-chat-DeploymentsRunning1A2B3C4D-AbCdEfGhIjKl", metric="DeploymentRunning")
    done = world.run()
    assert (done.exit_code, world.report()["problems"]) == (0, [])
    assert "note: Copies do not start." in done.stdout  # the alarm's description
    assert "ALARM" not in done.stdout
    assert [one["is_fault"] for one in world.report()["alarms"]] == [False]


def test_the_error_budget_is_that_of_all_days_of_the_promise(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy()
    promise = measure.Promise(objective=0.99, days=30)
    is_llama = lambda one: promise if one.component_name == LLAMA else None
    monkeypatch.setattr(measure, "promise_of", is_llama)
    monkeypatch.setattr(collect, "promise_of", is_llama)
    for days_ago in (1, 20, 40):
        world.publish("Invocations", 1000, days_ago=days_ago)
        world.publish("Invocation5XXErrors", 4, days_ago=days_ago)
    world.publish("MidStreamErrors", 2, days_ago=2)
    llama, qwen = world.report()["endpoints"][0]["components"]
    assert llama["error_budget_left"] == pytest.approx(0.5), "10 of 20 failures that 2000 requests allow"
    assert (llama["error_budget_days"], qwen["error_budget_left"]) == (30, None)
    world.publish("Invocation5XXErrors", 100, days_ago=1)
    assert world.report()["problems"] == ["chat/llama: the error budget of 30 days is spent"]


NOT_MEASURED: list[tuple[dict[str, Any], str]] = [
    ({}, "CloudWatch has no metrics of the engine"),
    ({"status": 403, "body": b'{"__type": "AccessDeniedException"}'}, "ask for the permission cloudwatch:QueryMetrics"),
    ({"status": 500, "body": b"oops"}, "CloudWatch's PromQL API answers 500"),
    ({"status": 200, "body": b"<html>"}, "did not answer with series"),
    ({"url": "http://127.0.0.1:9"}, "CloudWatch's PromQL API was not reached (EndpointConnectionError)"),
]


def test_what_is_not_measured_says_why_and_is_no_failure(world: World) -> None:
    world.deploy()
    for change, reason in NOT_MEASURED:
        for name, value in change.items():
            setattr(world.promql, name, value)
        report = world.report()
        assert report["healthy"]
        assert reason in report["endpoints"][0]["not_measured"]
    world.fleet = dataclasses.replace(world.fleet, enrichment=False)
    assert world.report()["endpoints"][0]["not_measured"].startswith("enrichment is off")


def test_what_cloudwatch_refuses_is_said_and_never_healthy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy()

    def refuse(*_: object) -> None:
        raise world.cloudwatch.exceptions.ClientError(
            {"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribeAlarms"
        )

    monkeypatch.setattr(collect, "firing_alarms", refuse)
    done = world.run()
    assert done.exit_code == 1
    assert "not read: alarms: AccessDenied: not you" in done.stdout


def test_components_come_in_pages_and_those_of_nobody_are_shown(world: World) -> None:
    world.deploy()
    for number in range(12):
        any_component(world.sagemaker, f"prod-chat-x{number:02d}", copies=0, endpoint="prod-chat")
    components = world.report()["endpoints"][0]["components"]
    assert len(components) == 14, "SageMaker lists ten at a time"
    assert [one["name"] for one in components[:2]] == ["llama", "qwen"]
    assert {one["name"] for one in components[2:]} == {f"prod-chat-x{number:02d}" for number in range(12)}
    assert components[2]["copies_least"] is None


@pytest.mark.parametrize(
    ("status", "running", "target", "least", "state"),
    [
        ("InService", 0, 0, 0, "asleep"),
        ("InService", 0, 0, 1, "copies missing"),
        ("InService", 0, 2, 0, "waking"),
        ("InService", 1, 3, 2, "copies missing"),
        ("InService", 2, 3, 2, "scaling"),
        ("InService", 4, 3, 2, "scaling"),
        ("InService", 3, 3, 2, "in service"),
        ("Updating", 0, 3, 2, "updating"),
        ("Creating", 0, 3, 2, "updating"),
        ("Failed", 3, 3, 2, "failed"),
    ],
)
def test_states_of_a_component(status: str, running: int, target: int, least: int, state: str) -> None:
    assert hosting._component_state(status, running, target, least) == state


def test_the_screen_fits_its_width(world: World) -> None:
    world.deploy()
    world.promql.values = {
        LLAMA: {"ttft_mean_ms": 0.1234, "ttft_p99_ms": 12.5, "tpot_mean_ms": 0.02, "output_tok_s": 4.25}
    }
    world.alarm("somebodys-own", component=QWEN)
    report = collect.StatusReader(world.fleet, region="us-east-1").read()
    for width in (60, 140):
        console = Console(width=width, force_terminal=False)
        with console.capture() as captured:
            print_report(report, console)
        _fits(captured.get(), width)


def _fits(text: str, width: int) -> None:
    assert max(map(len, text.splitlines())) <= width
    for part in ("llama", "123 / 12,500", "plan ", "4.2", "ml.g6e.12xlarge", "$/h", "ALARM somebodys-own"):
        assert part in " ".join(text.split()) or part in text, (part, text)


def test_watching_shows_it_again_until_ctrl_c(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.deploy()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    read: Callable[[], StatusReport] = collect.StatusReader(world.fleet, region="us-east-1").read
    report = command._watch(read, 30, as_json=True, pause=pause)
    lines = capsys.readouterr().out.splitlines()
    assert pauses == [30, 30, 30]
    assert [json.loads(line)["healthy"] for line in lines] == [True] * 3
    assert report.problems == []


def test_a_terminal_is_redrawn_and_left_with_the_last_screen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(command, "stdout", lambda: Console(file=out, width=140, force_terminal=True))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt
        world.alarm("somebodys-own", component=QWEN)

    read: Callable[[], StatusReport] = collect.StatusReader(world.fleet, region="us-east-1").read
    report = command._watch(read, 30, as_json=False, pause=pause)
    assert report.problems == ["chat: not deployed", "alarm somebodys-own"]
    assert out.getvalue().count("prod in us-east-1") >= 2
    assert "ALARM" in out.getvalue()
    assert out.getvalue().endswith("\x1b[?25h"), "the cursor is back"


def test_a_look_that_fails_for_a_moment_does_not_end_the_watch(capsys: pytest.CaptureFixture[str]) -> None:
    report = StatusReport(environment="prod", region="us-east-1", at=dt.datetime.now(tz=dt.UTC), endpoints=())
    codes = iter([None, 1, None, 2])

    def read() -> StatusReport:
        code = next(codes)
        if code is not None:
            raise typer.Exit(code)
        return report

    with pytest.raises(typer.Exit) as left:
        command._watch(read, 30, as_json=True, pause=lambda _: None)
    assert left.value.exit_code == 2, "credentials that are not valid any more"
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_ctrl_c_before_anything_was_read_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> StatusReport:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as left:
        command._watch(read, 30, as_json=False)
    assert left.value.exit_code == 1


def test_an_unknown_environment_is_a_mistake_of_the_settings(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from cdk_sglang.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="nowhere"):
        CliRunner().invoke(app, ["status", "--env", "nowhere"], catch_exceptions=False)


def test_the_apps_own_environments_can_be_observed(root: Any) -> None:
    from cdk_sglang.environments.planning import observed_fleet

    fleet = observed_fleet("prod", folder=root / "environments")
    assert all(endpoint.endpoint_name == f"prod-{endpoint.name}" for endpoint in fleet.endpoints)
    assert all(component.plan is not None for endpoint in fleet.endpoints for component in endpoint.components)
    assert f"cdk-sglang-prod-{fleet.endpoints[0].name}" in fleet.stack_names


# --- over the wire ---------------------------------------------------------------------------------------------------


def test_the_embedded_aws_answers_it_over_http_as_aws_would(
    cloud: LocalCloud, client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_ENDPOINT_URL": cloud.url, **cloud.credentials.environment}.items():
        monkeypatch.setenv(name, value)
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker, "prod-chat")
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="prod-chat")["EndpointStatus"] == "InService")
    any_component(sagemaker, LLAMA, endpoint="prod-chat")
    in_service(sagemaker, LLAMA)
    report = collect.StatusReader(observed(), region="us-east-1").read()
    (endpoint,) = report.endpoints
    assert {one.name: one.state for one in endpoint.components} == {"llama": "in service", "qwen": "not deployed"}
    assert report.problems == ["chat/qwen: not deployed"]
    assert endpoint.not_measured in {"", "CloudWatch has no metrics of the engine"}, "the copy is no engine"
