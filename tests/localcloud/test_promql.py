"""PromQL of the embedded AWS: a table of queries, each of which Prometheus itself answers the same."""

import json
import math
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from localcloud.aws.metrics.promql import evaluator
from localcloud.aws.metrics.promql.functions import fulfils
from localcloud.aws.metrics.promql.nodes import Matcher, QueryError
from localcloud.aws.metrics.promql.values import Points, Sample
from localcloud.aws.metrics.samples import Samples
from tests.localcloud.helpers import eventually

BEGIN = 1_790_000_000  # a time at which no two-hour block of Prometheus ends
AT = BEGIN + 1807.5  # between two samples: Prometheus 2 includes the beginning of a range, Prometheus 3 does not
LENGTH_S, PERIOD_S = 3600, 15


class Fixed:
    """Series that do not change."""

    def __init__(self, series: Iterable[Points]) -> None:
        self.series = list(series)

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> list[Points]:
        del start, end
        return [s for s in self.series if all(fulfils(s.labels, matcher) for matcher in matchers)]


def _series() -> list[Points]:
    times = [float(BEGIN + t) for t in range(0, LENGTH_S, PERIOD_S)]
    found: list[Points] = []

    def add(name: str, values: list[float], only: slice = slice(None), **labels: str) -> None:
        found.append(Points({"__name__": name, **labels}, times[only], values[only]))

    count = range(len(times))
    for place, step in (("a", 3.0), ("b", 7.5)):
        for code in ("200", "500"):
            slower = step if code == "200" else step / 10
            add("requests_total", [slower * n for n in count], place=place, code=code)
    add("requests_total", [2.0 * (n % 40) for n in count], place="c", code="200")  # restarts every ten minutes
    add("gaps_total", [5.0 * n for n in count], slice(0, 100), place="ends")
    add("gaps_total", [5.0 * n for n in count], slice(110, None), place="begins")
    add("sglang:num_running_reqs", [float(n * 7 % 13) for n in count], place="a", model="x")
    add("sglang:num_running_reqs", [float(n * 5 % 11) for n in count], place="b", model="x")
    add("capacity", [10.0 for _ in count], place="a", owner="red")
    add("capacity", [20.0 for _ in count], place="b", owner="blue")
    add("odd", [math.nan if n % 3 == 0 else float(n) for n in count], kind="nan")
    add("odd", [math.inf for _ in count], kind="inf")
    add("odd", [-1.5 for _ in count], kind="negative")
    add("odd", [0.0 for _ in count], kind="zero")
    for place, speed in (("a", 1.0), ("b", 3.0)):
        total = 0.0
        for bound, share in (("0.1", 0.1), ("0.5", 0.55), ("1.0", 0.8), ("2.5", 0.97), ("+Inf", 1.0)):
            add("ttft_seconds_bucket", [float(int(speed * share * n * 10)) for n in count], place=place, le=bound)
            total = speed * 10
        add("ttft_seconds_count", [total * n for n in count], place=place)
        add("ttft_seconds_sum", [total * n * 0.6 for n in count], place=place)
    return found


SOURCE = Fixed(_series())
STORED = Samples()
for one in SOURCE.series:
    for at, value in zip(one.times, one.values, strict=True):
        STORED.add(one.labels, at, value)

QUERIES = """
1 + 2 * 3 ^ 2 ^ 0.5
-2 ^ 2
10 % 3
-1 / 0
0x1F
time() - 1
requests_total
requests_total{place="a"}
requests_total{place!="a",code=~"2.."}
requests_total{place!~"a|b"}
requests_total{missing=""}
{__name__=~"requests_.*",code="500"}
requests_total{code=~"20"}
sglang:num_running_reqs
requests_total offset 5m
requests_total offset -5m
gaps_total
gaps_total{place="ends"}
rate(requests_total[5m])
rate(requests_total[1m])
rate(requests_total[40m])
increase(requests_total[13m])
rate(gaps_total[10m])
increase(gaps_total[7m])
rate(requests_total[20s])
irate(requests_total[5m])
idelta(sglang:num_running_reqs[5m])
delta(sglang:num_running_reqs[5m])
deriv(sglang:num_running_reqs[5m])
predict_linear(requests_total{place="a"}[5m], 3600)
changes(sglang:num_running_reqs[5m])
resets(requests_total[30m])
avg_over_time(sglang:num_running_reqs[5m])
min_over_time(sglang:num_running_reqs[5m])
max_over_time(sglang:num_running_reqs[5m])
sum_over_time(sglang:num_running_reqs[5m])
count_over_time(gaps_total[30m])
last_over_time(gaps_total[30m])
sum by (place) ((increase(gaps_total[7m]) > (((last_over_time(gaps_total[7m]) - last_over_time(gaps_total[720m] offset 7m)) >= 0) or last_over_time(gaps_total[7m]))) or (((last_over_time(gaps_total[7m]) - last_over_time(gaps_total[720m] offset 7m)) >= 0) or last_over_time(gaps_total[7m])))
present_over_time(gaps_total[30m])
stddev_over_time(sglang:num_running_reqs[5m])
stdvar_over_time(sglang:num_running_reqs[5m])
quantile_over_time(0.9, sglang:num_running_reqs[5m])
max_over_time(odd[5m])
min_over_time(odd{kind="nan"}[5m])
sum_over_time(odd[5m])
absent_over_time(nothing{place="x"}[5m])
absent_over_time(requests_total[5m])
sum(requests_total)
sum by (place) (requests_total)
sum(requests_total) by (place, code)
sum without (place) (requests_total)
avg by (code) (requests_total)
min(requests_total)
max by (place) (requests_total)
count by (code) (requests_total)
group by (code) (requests_total)
stddev(requests_total)
stdvar by (code) (requests_total)
topk(2, requests_total)
bottomk(1, requests_total) by (code)
topk by (place) (1, requests_total)
quantile(0.5, requests_total)
quantile by (code) (0.25, requests_total)
count_values("value", capacity)
sum(odd)
max(odd)
avg(odd{kind!="inf"})
sum(nothing)
requests_total * 2
2 - requests_total
requests_total / requests_total
requests_total > 100
100 < requests_total
requests_total > bool 100
requests_total == requests_total
odd / 0
odd % 2
odd ^ 2
odd > 0
odd == odd
sglang:num_running_reqs / on (place) capacity
sglang:num_running_reqs / ignoring (model, owner) capacity
sglang:num_running_reqs > on (place) capacity
sglang:num_running_reqs < on (place) capacity
requests_total / on (place) group_left capacity
requests_total * on (place) group_left (owner) capacity
capacity * on (place) group_right (owner) requests_total
capacity < on (place) group_right requests_total
sum by (place) (rate(requests_total{code="500"}[5m])) / sum by (place) (rate(requests_total[5m]))
requests_total and on (place) capacity
requests_total unless on (place) capacity
requests_total or capacity
requests_total{place="a"} or requests_total
sum(nothing) or vector(0)
capacity or on (place) requests_total
requests_total{code="500"} and requests_total > 10
histogram_quantile(0.5, ttft_seconds_bucket)
histogram_quantile(0.9, sum by (le) (rate(ttft_seconds_bucket[5m])))
histogram_quantile(0.99, sum by (le, place) (rate(ttft_seconds_bucket[5m])))
histogram_quantile(0.05, rate(ttft_seconds_bucket[5m]))
histogram_quantile(1, rate(ttft_seconds_bucket[5m]))
histogram_quantile(0, rate(ttft_seconds_bucket[5m]))
histogram_quantile(2, rate(ttft_seconds_bucket[5m]))
histogram_quantile(-1, rate(ttft_seconds_bucket[5m]))
histogram_quantile(0.9, ttft_seconds_bucket{le!="+Inf"})
histogram_quantile(0.9, ttft_seconds_count)
histogram_quantile(0.9, rate(ttft_seconds_bucket[5m] offset 1h))
rate(ttft_seconds_sum[5m]) / rate(ttft_seconds_count[5m])
1 - sum(rate(ttft_seconds_bucket{le="1.0"}[5m])) / sum(rate(ttft_seconds_count[5m]))
absent(nothing)
absent(nothing{place="x",code=~"2.."})
absent(requests_total)
absent(sum(nothing))
vector(1)
vector(time())
scalar(capacity{place="a"})
scalar(capacity)
clamp(requests_total, 50, 200)
clamp(requests_total, 200, 50)
clamp_min(odd, 0)
clamp_max(odd, 10)
abs(-odd)
ceil(requests_total / 7)
floor(requests_total / 7)
round(requests_total / 7)
round(requests_total / 7, 0.25)
sgn(odd)
sqrt(capacity)
ln(odd)
log2(capacity)
log10(capacity)
exp(odd{kind="negative"})
timestamp(gaps_total)
timestamp(capacity * 2)
hour()
minute(vector(1790001234))
day_of_week()
days_in_month()
day_of_month()
month()
year()
sort(requests_total)
sort_desc(requests_total)
label_replace(capacity, "team", "$1-x", "owner", "(.).*")
label_replace(capacity, "team", "none", "nothing", "")
label_replace(capacity, "owner", "", "owner", "red")
label_replace(capacity, "team", "x", "owner", "re")
label_join(capacity, "both", "-", "place", "owner")
max_over_time(rate(requests_total[1m])[10m:1m])
avg_over_time(sum(requests_total)[10m:30s])
sum_over_time((requests_total > bool 100)[10m:])
rate(requests_total[5m]) > 0.1 and rate(requests_total[30m]) > 0.1
requests_total @ 1790000600.5
rate(requests_total[5m] @ 1790000900.5)
(sum(rate(requests_total{code="500"}[5m])) / sum(rate(requests_total[5m])) > 0.001) and (sum(rate(requests_total{code="500"}[20m])) / sum(rate(requests_total[20m])) > 0.001)
-requests_total{place="c"}
+requests_total{place="c"}
requests_total{place="c",}
sum by (place,) (requests_total)
sum(requests_total) # a remark
{__name__="capacity"}
""".strip().splitlines()

REFUSED = """
requests_total[5m]
{}
{place=""}
{place=~".*"}
rate(requests_total)
rate(sum(requests_total)[5m])
sum(requests_total[5m])
nothing_like_this(requests_total)
1 > 2
requests_total and 1
sum by place (requests_total)
topk(requests_total)
requests_total +
requests_total{place=a}
requests_total{place=~"("}
requests_total{place="a"
"text" + 1
histogram_quantile(ttft_seconds_bucket, 0.5)
capacity * on (place) requests_total
capacity * on (place) group_left requests_total
sglang:num_running_reqs + on (model) capacity
rate({__name__=~"ttft_seconds_(sum|count)"}[5m])
requests_total offset
requests_total on (place)
requests_total $ 2
""".strip().splitlines()


def answer(result: Any) -> Any:
    """Answer of the embedded AWS in a comparable form."""
    if isinstance(result, float):
        return result
    return {frozenset(sample.labels.items()): sample.value for sample in result if isinstance(sample, Sample)}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Prometheus that holds the same series."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("Prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    lines = []
    for series in SOURCE.series:
        labels = ",".join(f'{name}="{value}"' for name, value in series.labels.items() if name != "__name__")
        lines += [
            f"{series.labels['__name__']}{{{labels}}} {value:.17g} {time:.0f}"
            for time, value in zip(series.times, series.values, strict=True)
        ]
    text = "\n".join(lines).replace("inf", "+Inf").replace('"++Inf"', '"+Inf"').replace("nan ", "NaN ")
    text = re.sub(r'kind="(\+Inf|NaN)', lambda m: 'kind="' + m[1].strip("+").lower(), text)
    (folder / "samples").write_text(f"{text}\n# EOF\n")
    (folder / "config.yml").write_text("global: {}\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "samples"), str(folder / "data")],
        check=True,
        capture_output=True,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["prometheus", f"--config.file={folder / 'config.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _ready(url))
        yield url
    finally:
        process.terminate()
        process.wait()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready") as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _answer(url: str, path: str, **parameters: object) -> Any:
    body = urllib.parse.urlencode(parameters).encode()
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}", data=body) as response:
            return json.loads(response.read())["data"]
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def _same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("query", QUERIES)
def test_query_gives_what_prometheus_gives(prometheus: str, query: str) -> None:
    data = _answer(prometheus, "query", query=query, time=AT)
    assert "resultType" in data, data
    ours = answer(evaluator.instant(SOURCE, query, AT))
    if data["resultType"] == "scalar":
        assert _same(ours, float(data["result"][1]))
        return
    theirs = {frozenset(one["metric"].items()): float(one["value"][1]) for one in data["result"]}
    assert ours.keys() == theirs.keys()
    assert {k: (ours[k], theirs[k]) for k in ours if not _same(ours[k], theirs[k])} == {}
    if query.startswith(("sort", "topk(")):
        assert [one["metric"] for one in data["result"]] == [
            dict(s.labels) for s in evaluator.instant(SOURCE, query, AT) if isinstance(s, Sample)
        ]


@pytest.mark.parametrize("query", REFUSED)
def test_query_is_refused_as_prometheus_refuses_it(prometheus: str, query: str) -> None:
    if query == "requests_total[5m]":
        theirs = _answer(prometheus, "query_range", query=query, start=AT, end=AT + 60, step=15)
    else:
        theirs = _answer(prometheus, "query", query=query, time=AT)
    assert theirs.get("status") == "error", theirs
    with pytest.raises(QueryError) as refusal:
        evaluator.ranged(SOURCE, query, AT, AT + 60, 15)
    assert refusal.value.kind == theirs["errorType"]


@pytest.mark.parametrize(
    "query",
    [
        "sum by (place) (rate(requests_total[5m]))",
        "gaps_total",
        "histogram_quantile(0.9, sum by (le) (rate(ttft_seconds_bucket[5m])))",
        "time()",
        "requests_total > 300",
        "rate(requests_total[5m] @ end())",
        "max_over_time(sum(rate(requests_total[1m]))[5m:15s])",
    ],
)
def test_range_query_gives_what_prometheus_gives(prometheus: str, query: str) -> None:
    start, end, step = BEGIN + 7.5, BEGIN + LENGTH_S + 600.5, 37
    data = _answer(prometheus, "query_range", query=query, start=start, end=end, step=step)
    theirs = {frozenset(one["metric"].items()): [(t, float(v)) for t, v in one["values"]] for one in data["result"]}
    ours = {frozenset(line.labels.items()): line.points for line in evaluator.ranged(SOURCE, query, start, end, step)}
    assert ours.keys() == theirs.keys()
    for line, points in ours.items():
        assert [time for time, _ in points] == [time for time, _ in theirs[line]]
        assert all(_same(a, b) for (_, a), (_, b) in zip(points, theirs[line], strict=True))


@pytest.mark.parametrize("window", ["40s", "5m", "21m"])
def test_samples_that_are_kept_give_the_same(window: str) -> None:
    for at in range(BEGIN + 300, BEGIN + LENGTH_S, 47):
        for function in ("rate", "increase", "resets", "delta"):
            query = f'{function}({{__name__=~"requests_total|gaps_total"}}[{window}])'
            assert answer(evaluator.instant(STORED, query, at)) == answer(evaluator.instant(SOURCE, query, at))


def test_range_excludes_its_beginning_as_in_prometheus_3() -> None:
    (count,) = answer(evaluator.instant(SOURCE, 'count_over_time(capacity{place="a"}[1m])', BEGIN + 600)).values()
    assert count == 4
    assert answer(evaluator.instant(SOURCE, 'gaps_total{place="ends"}', BEGIN + 99 * 15 + 300)) == {}
    assert len(answer(evaluator.instant(SOURCE, 'gaps_total{place="ends"}', BEGIN + 99 * 15 + 299))) == 1


def test_names_and_labels_with_dots_are_quoted() -> None:
    labels = {"__name__": "time.of.day", "@resource.host.id": "i-1", "aws.sagemaker.endpoint.name": "chat"}
    source = Fixed([Points(labels, [1.0], [5.0]), Points(labels | {"@resource.host.id": "i-2"}, [1.0], [6.0])])
    for quote in "\"'":
        query = '{"time.of.day", "aws.sagemaker.endpoint.name"="chat", "@resource.host.id"=~"i-.*"}'.replace('"', quote)
        assert len(answer(evaluator.instant(source, query, 2))) == 2
        query = 'sum by ("aws.sagemaker.endpoint.name") ({"time.of.day"})'.replace('"', quote)
        assert answer(evaluator.instant(source, query, 2)) == {
            frozenset({("aws.sagemaker.endpoint.name", "chat")}): 11.0
        }
    joined = '{"time.of.day"} * on ("@resource.host.id") group_left ("aws.sagemaker.endpoint.name") {"time.of.day"}'
    assert sorted(answer(evaluator.instant(source, joined, 2)).values()) == [25.0, 36.0]


def test_native_histograms_have_nothing_here() -> None:
    for query in ("histogram_fraction(0, 1, rate(ttft_seconds[5m]))", "histogram_sum(ttft_seconds_count)"):
        assert answer(evaluator.instant(SOURCE, query, AT)) == {}


def test_query_that_finds_nothing_to_look_at_has_no_data() -> None:
    assert evaluator.has_data(SOURCE, "requests_total > 1e9", AT)
    assert not evaluator.has_data(SOURCE, "nothing > 1", AT)
    assert not evaluator.has_data(SOURCE, 'gaps_total{place="ends"} > 1', AT + 600)
    assert evaluator.has_data(SOURCE, 'rate(gaps_total{place="ends"}[1h])', AT + 600)
    assert evaluator.has_data(SOURCE, 'max_over_time(rate(gaps_total{place="ends"}[5m])[1h:])', AT + 600)
