"""The history: what is written is read back, wherever it is, and what cannot be read is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from cdk_sglang import ConfigurationError
from cdk_sglang.benchmarking import columns as schema
from cdk_sglang.benchmarking.history import parquet
from cdk_sglang.benchmarking.history.store import History, choose_run, runs_of
from cdk_sglang.benchmarking.result import Measurement, Outcome

Make = Callable[..., Measurement]


def no_s3() -> Any:
    raise AssertionError("a folder needs no S3")


def test_a_row_becomes_the_same_measurement(measured: Make) -> None:
    one = measured(is_partial=True, outcome=Outcome.INTERRUPTED, errors={"429 x": 2}, ttft_ms=None, good=None)
    assert schema.measurement_of(schema.row_of(one)) == one
    without_plan = measured(planned=None, request_rate=2.5, concurrency=None)
    assert schema.measurement_of(schema.row_of(without_plan)) == without_plan


def test_a_row_without_what_the_schema_needs_is_refused(measured: Make) -> None:
    row = schema.row_of(measured()) | {"deployed_instance": None}
    with pytest.raises(ValueError, match="deployed_instance"):
        schema.measurement_of(row)


def test_runs_in_a_folder_are_read_back_in_order(tmp_path: Path, measured: Make) -> None:
    history = History(location=str(tmp_path), s3=no_s3)
    first = [measured(repeat=repeat) for repeat in range(2)]
    later = [measured(run="20261201T000000-bbbb", started=first[0].started.replace(day=1, month=12))]
    history.write(later)
    place = history.write(first)
    history.write([measured(environment="dev")])

    assert place.endswith("environment=prod/component=prod-chat-qwen/date=2026-11-30/20261130T120000-aaaa.parquet")
    assert history.read(environment="prod") == ([*first, *later], [])
    assert history.read(environment="prod", component="other") == ([], [])


def test_the_same_run_written_again_replaces_its_file(tmp_path: Path, measured: Make) -> None:
    history = History(location=str(tmp_path), s3=no_s3)
    history.write([measured()])
    history.write([measured(), measured(repeat=1)])
    assert len(history.read(environment="prod")[0]) == 2


def test_a_history_in_s3_is_that_of_a_folder(session_cloud: Any, measured: Make) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=session_cloud.url,
        region_name="us-east-1",
        aws_access_key_id=session_cloud.credentials.access_key_id,
        aws_secret_access_key=session_cloud.credentials.secret_access_key,
    )
    s3.create_bucket(Bucket="bench-history")
    history = History(location="s3://bench-history/some/where", s3=lambda: s3)
    rows = [measured(), measured(repeat=1)]
    assert history.write(rows).startswith("s3://bench-history/some/where/environment=prod/")
    assert history.read(environment="prod", component="prod-chat-qwen") == (rows, [])


def test_what_another_version_or_another_program_wrote_is_left_out_and_said(
    tmp_path: Path, measured: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(location=str(tmp_path), s3=no_s3)
    history.write([measured()])
    history.write([dataclasses.replace(measured(run="b-newer"), schema_version=99)])
    (tmp_path / "environment=prod" / "other.parquet").write_text("no Parquet")
    found, notes = history.read(environment="prod")
    assert [one.run for one in found] == ["20261130T120000-aaaa"]
    assert any("other.parquet was left out" in note for note in notes)
    assert any("1 rows were left out: a newer version" in note for note in notes)


def test_columns_that_a_later_version_adds_are_no_obstacle(tmp_path: Path, measured: Make) -> None:
    path = tmp_path / "environment=prod/component=prod-chat-qwen/date=2026-11-30/a.parquet"
    parquet.write_parquet(path, [measured()])
    with parquet._connection() as connection:
        connection.execute(
            f"CREATE TABLE more AS SELECT *, 7 AS brand_new FROM read_parquet('{path}', hive_partitioning = false)"
        )
        connection.execute(f"COPY more TO '{path}' (FORMAT parquet)")
    assert parquet.read_parquet([path]) == ([measured()], [])


def test_rows_of_before_copies_and_errors_were_kept_are_read(tmp_path: Path, measured: Make) -> None:
    path = tmp_path / "environment=prod/component=prod-chat-qwen/date=2026-11-30/a.parquet"
    parquet.write_parquet(path, [measured(copies=2, copies_min=1, copies_max=2, max_error_rate=0.2)])
    with parquet._connection() as connection:
        added = "copies_min, copies_max, max_error_rate"
        connection.execute(
            f"CREATE TABLE fewer AS SELECT * EXCLUDE ({added}) FROM read_parquet('{path}', hive_partitioning = false)"
        )
        connection.execute(f"COPY fewer TO '{path}' (FORMAT parquet)")
    assert parquet.read_parquet([path]) == ([measured(copies=2)], [])


def test_a_run_is_named_by_position_or_by_the_beginning_of_its_identifier(measured: Make) -> None:
    runs = runs_of([measured(run="20261130-aa"), measured(run="20261130-ab"), measured(run="20261201-aa")])
    assert choose_run(runs, "last", path="B")[0].run == "20261201-aa"
    assert choose_run(runs, "previous", path="A")[0].run == "20261130-ab"
    assert choose_run(runs, "20261201", path="B")[0].run == "20261201-aa"
    for name, text in (("20261130", "2 runs begin with"), ("2025", "unknown run '2025'")):
        with pytest.raises(ConfigurationError, match=text):
            choose_run(runs, name, path="B")
    with pytest.raises(ConfigurationError, match="there is no previous run among 1"):
        choose_run({"a": [measured()]}, "previous", path="A")


def test_a_place_in_s3_is_checked() -> None:
    with pytest.raises(ConfigurationError, match="no place in S3"):
        History(location="s3://X", s3=no_s3).read(environment="prod")
