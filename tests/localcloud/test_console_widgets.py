"""What the console says of dashboards and widgets: their data, or why there is none."""

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.metrics.figures.plan import mean_latency
from cdk_sglang.metrics.promql import Place
from localcloud.aws.console import promql
from localcloud.aws.console.beside import is_plan
from localcloud.aws.console.text import html_of
from tests.localcloud import console_board as board
from tests.localcloud.console_board import panel_of, put_board
from tests.localcloud.helpers import eventually

DATA = "/localcloud/console/data/"
Get = Callable[..., Any]
Read = Callable[..., Any]


@pytest.mark.parametrize(
    ("what", "status", "message"),
    [
        ("dashboard?name=none", 404, "no dashboard none"),
        ("widget?name=none&widget=0", 404, "no dashboard none"),
        ("widget?name=one&widget=7", 404, "no widget 7"),
        ("widget?name=one&widget=-1", 404, "no widget -1"),
        ("widget?name=one&widget=first", 400, "first"),
        ("widget?name=one&widget=0&seconds=0", 400, "seconds"),
        ("widget?name=one&widget=0&seconds=nan", 400, "seconds"),
        ("widget?name=one&widget=0&seconds=1e9", 400, "seconds"),
        ("dashboard", 400, "name"),
        ("nothing", 404, "no such path"),
    ],
)
def test_what_does_not_exist_is_named(keyed: Get, cloudwatch: Any, what: str, status: int, message: str) -> None:
    cloudwatch.put_dashboard(
        DashboardName="one", DashboardBody=json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "hi"}}]})
    )
    found, _, body = keyed(DATA + what)
    assert found == status, body
    assert message in json.loads(body)["message"]


def test_dashboards_are_listed_with_the_layout_that_was_deployed(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    cloudwatch.put_dashboard(DashboardName="a-first", DashboardBody='{"widgets": []}')
    assert read("dashboards") == [{"name": "a-first", "widgets": 0}, {"name": board.NAME, "widgets": 21}]
    found = read("dashboard", name=board.NAME)
    assert found["start"] == 3 * 3600
    assert read("dashboard", name="a-first")["start"] is None
    latency = found["widgets"][3]
    assert {key: latency[key] for key in ("x", "y", "width", "height", "title")} == {
        "x": 0,
        "y": 6,
        "width": 8,
        "height": 6,
        "title": "Latency",
    }
    assert latency["advice"] == "Add copies when the line leaves the band"


def test_a_metric_widget_has_what_get_metric_data_answers(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    panel = read("widget", name=board.NAME, widget=2, seconds=board.HOURS)
    requests, samples = panel["series"]
    assert (requests["label"], requests["axis"], samples["axis"]) == ("requests of llama", "left", "right")
    now = time.time()
    queries = [{"Id": "m", "MetricStat": {"Metric": {"Namespace": board.NAMESPACE, "MetricName": "Invocations", "Dimensions": [
        {"Name": "InferenceComponentName", "Value": "llama"}]}, "Period": 60, "Stat": "Sum"}}]  # fmt: skip
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=now - board.HOURS, EndTime=now, ScanBy="TimestampAscending"
    )
    (expected,) = answer["MetricDataResults"]
    drawn = {at: value for at, value in zip(panel["times"], requests["values"], strict=True) if value is not None}
    known = {stamp.timestamp(): value for stamp, value in zip(expected["Timestamps"], expected["Values"], strict=True)}
    shared = drawn.keys() & known.keys()
    assert len(shared) > 150
    assert all(drawn[at] == known[at] for at in shared)


def test_a_pause_without_values_breaks_the_line(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    values = read("widget", name=board.NAME, widget=2, seconds=board.HOURS)["series"][0]["values"]
    assert values.count(None) == 1
    assert None not in (values[0], values[-1])


def test_thresholds_bands_and_units_are_those_of_the_dashboard(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    latency = read("widget", name=board.NAME, widget=3, seconds=board.HOURS)
    assert {series["unit"] for series in latency["series"]} == {"Microseconds"}
    promise, plan = latency["lines"]
    assert (promise["low"], promise["label"], promise["fill"]) == (900_000, "promise", "above")
    assert (plan["low"], plan["high"], plan["label"]) == (200_000, 500_000, "plan")
    share = read("widget", name=board.NAME, widget=4, seconds=board.HOURS)
    assert share["axes"]["left"] == {"label": "%", "min": 0, "max": 20}
    assert [series["label"] for series in share["series"]] == ["errors"]  # what is not visible is not drawn
    found = read("widget", name=board.NAME, widget=5, seconds=board.HOURS)
    assert [series["label"] for series in found["series"]] == ["llama", "qwen"]


def test_an_alarm_as_a_line_draws_the_metric_with_its_threshold(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    panel = read("widget", name=board.NAME, widget=11, seconds=board.HOURS)
    assert [line["low"] for line in panel["lines"]] == [1e5]
    assert [alarm["name"] for alarm in panel["alarms"]] == ["llama-latency"]
    assert len(panel["series"]) == 1


def test_a_chart_draws_promql(cloudwatch: Any, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promql, "query_range", board.query_range)
    put_board(cloudwatch)
    tokens = read("widget", name=board.NAME, widget=12, seconds=board.HOURS)
    assert tokens["bands"] == [{"label": "plan", "low": 1, "high": 2}]
    assert [line["low"] for line in tokens["lines"]] == [20]
    assert tokens["axes"]["left"]["label"] == "tokens/s"
    heat = read("widget", name=board.NAME, widget=13, seconds=board.HOURS)
    assert heat["view"] == "heatmap"
    assert [series["label"] for series in heat["series"]][:2] == ["host i-01 · gpu 0", "host i-01 · gpu 1"]
    assert read("widget", name=board.NAME, widget=15, seconds=board.HOURS)["gauge"] == {"min": 0, "max": 100}


def test_a_selector_of_a_dashboard_changes_what_its_widgets_show(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    variables = [
        {"type": "property", "property": "InferenceComponentName", "id": "component", "inputType": "select", "label": "Component", "defaultValue": "llama",
         "search": "{AWS/SageMaker,InferenceComponentName} Invocations", "populateFrom": "InferenceComponentName"},
        {"type": "pattern", "pattern": "STAT", "id": "stat", "inputType": "radio", "values": [{"value": "Sum"}, {"value": "Maximum", "label": "most"}], "defaultValue": "Sum"},
    ]  # fmt: skip
    widget = board.graph(
        "Requests", [board.metric("Invocations", stat="STAT", label="${PROP('InferenceComponentName')}")]
    )
    first = panel_of(cloudwatch, read, widget, variables=variables)
    component, statistic = read("dashboard", name="one")["variables"]
    assert [one["value"] for one in component["values"]] == ["llama", "qwen"]
    assert statistic["values"] == [{"value": "Sum", "label": "Sum"}, {"value": "Maximum", "label": "most"}]
    other = panel_of(cloudwatch, read, widget, variables=variables, **{"var-component": "qwen", "var-stat": "Maximum"})
    assert [panel["series"][0]["label"] for panel in (first, other)] == ["llama", "qwen"]
    assert first["series"][0]["values"] != other["series"][0]["values"]


def test_repeated_parts_of_a_metric_are_written_out(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    rows = [
        board.metric("Invocations", stat="Sum"),
        [".", "ModelLatency", ".", "."],
        ["...", "qwen", {"stat": "Maximum"}],
    ]
    panel = panel_of(cloudwatch, read, board.graph("All", rows))
    assert [series["label"] for series in panel["series"]] == [
        "Invocations Sum",
        "ModelLatency Average",
        "ModelLatency Maximum",
    ]


def test_a_long_range_lengthens_the_period(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    panel = read("widget", name=board.NAME, widget=2, seconds=7 * 86400)
    assert panel["series"][0]["period"] == 420
    assert len(panel["times"]) <= 1440


@pytest.mark.parametrize(
    ("widget", "reason"),
    [
        (board.graph("x", [["Custom/Nobody", "Throttles", "Team", "a"]]), "nobody has published Custom/Nobody Throttles of a"),
        (board.graph("x", [board.metric("MidStreamErrors")]), "MidStreamErrors has not been published of llama"),
        (board.graph("x", [["AWS/SageMaker", "Invocations", "InferenceComponentName", "other"]]), "Invocations has been published, but not of other"),
        (board.graph("x", [[{"expression": "SEARCH('nothing', 'Sum', 60)", "id": "s"}]]), "no published metric is found by SEARCH('nothing', 'Sum', 60)"),
        (board.graph("x", [[{"expression": "ANOMALY_DETECTION_BAND(m)", "id": "s"}], board.metric("Invocations", id="m")]), "not evaluated"),
        (board.graph("x", [board.metric("Invocations", stat="tm90")]), "the statistic tm90 is not evaluated"),
        (board.graph("x", [], annotations={"alarms": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:gone"]}), "the alarm gone does not exist"),
        (board.chart("line", "nothing", "x"), "find no series"),
        (board.chart("line", "broken", "x"), "parse error"),
        ({"type": "chart", "properties": {"view": "line", "data": {"queries": [{"id": "a", "type": "cloudwatch-metrics", "language": "SQL", "query": "SELECT"}]}}}, "SQL"),
        ({"type": "log", "properties": {"title": "x", "query": "fields @message", "region": "us-east-1"}}, "type log"),
        ({"type": "alarm", "properties": {"alarms": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:llama-latency"], "states": ["ALARM"]}}, "none of its 1 alarms is in ALARM"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_panel_without_data_says_why(
    cloudwatch: Any, read: Read, monkeypatch: pytest.MonkeyPatch, widget: Any, reason: str
) -> None:
    monkeypatch.setattr(promql, "query_range", board.query_range)
    put_board(cloudwatch)
    panel = panel_of(cloudwatch, read, widget)
    assert not panel["series"]
    assert any(reason in note for note in panel["notes"]), panel["notes"]


def test_a_metric_whose_values_are_older_than_the_range_says_when_the_last_was(
    cloudwatch: Any, read: Read, admin: Any
) -> None:
    put_board(cloudwatch)
    admin("POST", "clock", {"advance": 7200})
    panel = panel_of(cloudwatch, read, board.graph("x", [board.metric("Invocation5XXErrors")]), seconds=900)
    assert not panel["series"]
    assert re.search(
        r"the last value of Invocation5XXErrors of llama is from \d\d:\d\d:\d\d UTC, before the range shown",
        panel["notes"][0],
    )


def test_a_chart_without_enrichment_says_that_it_is_off(cloudwatch: Any, read: Read) -> None:
    panel = panel_of(cloudwatch, read, board.chart("line", "DCGM_FI_DEV_GPU_UTIL", "x"))
    assert any("OTel enrichment is off" in note and "enrichment: enable" in note for note in panel["notes"])
    cloudwatch.start_o_tel_enrichment()
    panel = panel_of(cloudwatch, read, board.chart("line", "DCGM_FI_DEV_GPU_UTIL", "x"))
    assert any("no copy runs" in note for note in panel["notes"])


def test_a_range_begins_when_the_first_value_was_published(cloudwatch: Any, read: Read) -> None:
    put_board(cloudwatch)
    cloudwatch.put_dashboard(DashboardName="long", DashboardBody='{"start": "-P7D", "widgets": []}')
    assert 3 * 3600 <= read("dashboard", name="long")["start"] <= 3 * 3600 + 60


def test_a_band_alone_and_values_that_are_no_numbers_are_no_data(
    cloudwatch: Any, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*arguments: Any) -> list[promql.Line]:
        query, moments = arguments[2:]
        return {"0 / 0": [promql.Line(labels={}, values={moments.start: math.nan})]}.get(
            query, board.query_range(*arguments)
        )

    monkeypatch.setattr(promql, "query_range", answer)
    panel = panel_of(cloudwatch, read, board.chart("line", "0 / 0", "x"))
    assert not panel["series"]
    assert "zero by zero" in panel["notes"][0]
    ends = [{"query": "vector(1)", "label": "plan, low"}, {"query": "vector(2)", "label": "plan, high"}]
    panel = panel_of(
        cloudwatch, read, board.chart("line", "x", "x", queries=[{"query": "nothing", "label": "measured"}, *ends])
    )
    assert len(panel["bands"]) == 1
    assert "only the band" in panel["notes"][0]


def test_a_query_that_is_refused_says_why(cloudwatch: Any, read: Read) -> None:
    panel = panel_of(cloudwatch, read, board.chart("line", "sum(", "x"))
    assert any("the query is refused" in note for note in panel["notes"])


def test_a_chart_draws_what_the_fleet_publishes(serving: Any, cloudwatch: Any, read: Read, admin: Any) -> None:
    cloudwatch.start_o_tel_enrichment()
    admin("POST", "clock", {"advance": 180})
    tokens = panel_of(cloudwatch, read, board.chart("line", "rate(sglang:generation_tokens_total[5m])", "Tokens"))
    assert any("no engine has published" in note for note in tokens["notes"])  # the tests' container has no metrics
    query = 'sum by ("@resource.host.id", gpu) (DCGM_FI_DEV_FB_USED)'
    widget = board.chart("heatmap", query, "Memory by GPU")
    panel = eventually(lambda: found if len((found := panel_of(cloudwatch, read, widget))["series"]) == 4 else None)
    (instance,) = read("overview")["endpoints"][0]["instances"]
    assert {series["labels"]["@resource.host.id"] for series in panel["series"]} == {instance["id"]}
    assert [series["label"] for series in panel["series"]] == [f"gpu {index}" for index in range(4)]


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[button:x](javascript:alert(1))",
        "![x](data:text/html;base64,PHNjcmlwdD4=)",
        "<a href='https://a' onclick=alert(1)>x</a>",
    ],
)
def test_text_of_a_dashboard_runs_nothing(markdown: str) -> None:
    html = html_of(markdown)
    assert not re.search(r"<(script|img|a)\b[^>]*(onerror|onclick|javascript:|text/html)", html)
    assert "<script" not in html


def test_text_is_markdown_with_tables_and_buttons() -> None:
    html = html_of("# A\n[button:primary:Open](https://docs.example.com)\n\n|a|\n|-|\n|1|")
    assert '<a href="https://docs.example.com">Open</a>' in html
    assert "<table>" in html
    assert "<h1>A</h1>" in html


def test_the_plan_stands_beside_what_is_measured(cloudwatch: Any, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promql, "query_range", board.query_range)
    for name in ("a", "b"):  # the same figure on two dashboards is one
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=board.body("arn:aws:cloudwatch:us-east-1:1:alarm:x"))
    (figure,) = read("plan", seconds=3600)
    (measured,) = figure.pop("measured")
    assert figure == {
        "title": "Tokens per second",
        "component": "",
        "dashboard": "a",
        "unit": "tokens/s",
        "basis": "plan",
        "low": 40,
        "high": 70,
        "notes": [],
    }
    assert measured["label"] == "measured"
    assert measured["within"] is (40 <= measured["value"] <= 70)


def test_the_plan_of_the_local_environment_is_found_on_its_dashboards(cloudwatch: Any, read: Any, root: Path) -> None:
    name = "test_a_stack_is_as_it_was_reviewed[cdk-sglang-local-dashboards].json"
    template = json.loads((root / "tests/stacks/__snapshots__/test_templates" / name).read_text(encoding="utf-8"))
    for number, resource in enumerate(template["Resources"].values()):
        cloudwatch.put_dashboard(
            DashboardName=f"board-{number}", DashboardBody=json.dumps(resource["Properties"]["DashboardBody"])
        )
    figures = read("plan", seconds=3600)
    assert [figure["title"] for figure in figures] == [
        "Time to the first token (mean)",
        "Time per further token (mean)",
        "Output tokens per second and copy",
    ]
    assert all(0 < figure["low"] < figure["high"] and not figure["measured"] for figure in figures)
    assert {figure["notes"][0].partition(" in this")[0] for figure in figures} == {"OTel enrichment is off"}


def test_bands_of_the_library_are_known_as_those_of_the_plan() -> None:
    place = Place(endpoint="fleet", component="llama")
    figure = mean_latency(place, key="time_to_first_token", title="x", plan_seconds=(0.1, 0.2))
    assert [is_plan(band.label) for band in figure.bands] == [True]
    assert not is_plan("wanted")
