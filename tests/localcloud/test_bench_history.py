"""`cdk-sglang bench query` and the home of the history on the embedded AWS: the deployed table, asked by Athena, and every way in which it refuses."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template
from moto.athena.models import athena_backends
from typer.testing import CliRunner

from cdk_sglang import BenchmarkHistory, ConfigurationError
from cdk_sglang.benchmarking.history import query
from cdk_sglang.benchmarking.history.store import History
from cdk_sglang.cli.main import app
from localcloud.aws import faults
from tests.localcloud.helpers import SESSION
from tests.support.measurements import START, measurement

OF_PROD = "environment = 'prod' AND component = 'prod-chat-qwen'"
FASTEST = f"SELECT run, concurrency, avg(figures_ttft_ms_mean) AS ttft_ms FROM measurements WHERE {OF_PROD} GROUP BY run, concurrency ORDER BY run, concurrency"


@functools.cache
def template() -> str:
    stack = cdk.Stack(cdk.App(), "Bench", synthesizer=cdk.BootstraplessSynthesizer())
    BenchmarkHistory(stack, "History", scan_limit_gib=1)
    return json.dumps(Template.from_stack(stack).to_json())


@pytest.fixture
def home(driven: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Deploy the home of the history with two runs; return its place in S3."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("COLUMNS", "200")
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="bench", TemplateBody=template())
    driven.advance(30)
    resources = cloudformation.describe_stack_resources(StackName="bench")["StackResources"]
    (bucket,) = (one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::S3::Bucket")
    place = f"s3://{bucket}/history"
    store = History(location=place, s3=lambda: SESSION.client("s3"))
    for day, scale in ((1, 1.0), (2, 2.0)):
        start = START.replace(month=12, day=day)
        store.write([measurement(run=f"2026120{day}-a", started=start, scale=scale, repeat=one) for one in (0, 1)])
    store.write([measurement(run="other", environment="dev", component="dev-chat-qwen")])
    yield place
    cloudformation.delete_stack(StackName="bench")


def run_query(*words: str) -> Any:
    done = CliRunner().invoke(app, ["bench", "query", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit | ConfigurationError), done.exception
    return done


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_athena_and_duckdb_answer_the_same_and_results_outlive_the_stack(home: str, driven: Any) -> None:
    here = run_query(FASTEST, "--history", home, "--csv")
    there = run_query(FASTEST, "--athena", "--csv")
    assert (here.exit_code, there.exit_code) == (0, 0), there.output
    expected = [["run", "concurrency", "ttft_ms"], ["20261201-a", "16", "200.0"], ["20261202-a", "16", "400.0"]]
    assert table(here.stdout) == table(there.stdout) == expected
    assert "bench: Athena read 0.0" in there.stderr
    shown = run_query(
        f"SELECT * FROM cdk_sglang_bench.measurements WHERE {OF_PROD} AND date >= '2026-12-02'", "--athena"
    )
    assert shown.exit_code == 0, shown.output
    keys = [one["Key"] for one in SESSION.client("s3").list_objects_v2(Bucket=home.split("/")[2])["Contents"]]
    assert sum(key.startswith("queries/") and key.endswith(".csv") for key in keys) == 2
    SESSION.client("cloudformation").delete_stack(StackName="bench")
    driven.advance(60)
    gone = run_query(FASTEST, "--athena")
    assert gone.exit_code == 1
    assert (
        "athena:StartQueryExecution in workgroup cdk-sglang-bench: InvalidRequestException: WorkGroup " in gone.output
    )
    assert run_query(FASTEST, "--history", home).exit_code == 0


REFUSED = [
    (FASTEST, ["--database", "absent"], "SCHEMA_NOT_FOUND: line 1:1: Schema 'absent' does not exist; deploy BenchmarkHistory, or give --database"),
    ("SELECT * FROM absent", [], "TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.cdk_sglang_bench.absent' does not exist; deploy BenchmarkHistory"),
    ("SELECT run FROM measurements", [], "CONSTRAINT_VIOLATION: For the injected projected partition column environment, the WHERE clause"),
    ("SELECT run FROM measurements", [], "name environment and component in WHERE, such as environment = 'prod'"),
    (f"SELECT nothing FROM measurements WHERE {OF_PROD}", [], "FAILED: SYNTAX_ERROR: "),
    (f"SELECT * FROM read_csv('/etc/passwd'), measurements WHERE {OF_PROD}", [], "FAILED: SYNTAX_ERROR: "),
]  # fmt: skip


def test_what_athena_refuses_is_one_line_with_the_next_step(home: str) -> None:
    for sql, words, message in REFUSED:
        done = run_query(sql, "--athena", *words)
        assert done.exit_code == 1
        assert message in done.output
        assert len(done.stderr.strip().splitlines()) == 1
    athena = SESSION.client("athena")
    configuration = athena.get_work_group(WorkGroup="cdk-sglang-bench")["WorkGroup"]["Configuration"]
    assert configuration["BytesScannedCutoffPerQuery"] == 2**30
    found = athena_backends["123456789012"]["us-east-1"].work_groups["cdk-sglang-bench"]
    found.configuration["BytesScannedCutoffPerQuery"] = 100
    done = run_query(FASTEST, "--athena")
    assert done.exit_code == 1
    assert "CANCELLED: Bytes scanned limit was exceeded; name the date in WHERE too, or raise" in done.output
    faults.inject("access-denied", target="athena:StartQueryExecution")
    done = run_query(FASTEST, "--athena")
    assert done.exit_code == 1
    assert "athena:StartQueryExecution in workgroup cdk-sglang-bench: not allowed" in done.output
    del home


class Slow:
    """Athena with a query that does not end."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def start_query_execution(self, **_: Any) -> dict[str, str]:
        return {"QueryExecutionId": "q"}

    def get_query_execution(self, **_: Any) -> dict[str, Any]:
        return {"QueryExecution": {"Status": {"State": "RUNNING"}}}

    def stop_query_execution(self, *, QueryExecutionId: str) -> None:
        self.stopped.append(QueryExecutionId)


def slow(sleep: Callable[[float], None], clock: Callable[[], float]) -> tuple[Slow, query.Athena]:
    client = Slow()
    return client, query.Athena(
        client=client, database="d", workgroup="w", timeout_seconds=60, sleep=sleep, clock=clock
    )


def test_a_query_that_is_late_or_interrupted_is_stopped() -> None:
    slept: list[float] = []
    client, late = slow(slept.append, lambda: sum(slept))
    with pytest.raises(query.QueryError, match="the query was stopped after 60 s; name environment"):
        late.query(FASTEST)
    assert client.stopped == ["q"]

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    client, interrupted = slow(interrupt, lambda: 0.0)
    with pytest.raises(KeyboardInterrupt):
        interrupted.query(FASTEST)
    assert client.stopped == ["q"]


def test_wrong_usage_and_wrong_sql_are_problems(tmp_path: Path) -> None:
    place = str(tmp_path)
    History(location=place, s3=lambda: None).write([measurement()])
    for words, message in (
        (["SELECT 1", "--athena", "--history", place], "--history: names files; leave it out"),
        (["SELECT 1", "--history", place, "--region", "us-east-1"], "--region: goes with --athena"),
        (["SELECT nothing FROM measurements", "--history", place], "SQL: Binder Error: "),
        (["SELECT * FROM read_csv('/etc/passwd')", "--history", place], "SQL: Permission Error: "),
        (["SELECT 1", "--history", str(tmp_path / "empty")], "--history: has no results; run `cdk-sglang bench run`"),
    ):
        assert message in str(run_query(*words).exception), words


def test_long_answers_are_cut_and_say_so(tmp_path: Path) -> None:
    History(location=str(tmp_path), s3=lambda: None).write([measurement()])
    done = run_query("SELECT * FROM range(1001), measurements", "--history", str(tmp_path), "--csv")
    assert "there are more than these 1,000 rows; add LIMIT" in done.stderr
    assert len(table(done.stdout)) == 1001
