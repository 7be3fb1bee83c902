"""`cdk-sglang costs`: what it prints, and what it says when there is nothing to print."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from moto import mock_aws
from typer.testing import CliRunner

from cdk_sglang._runtime.showback.rows import COLUMNS
from cdk_sglang.cli import costs, output
from cdk_sglang.cli.cost_tables import By, add_up, cost_table
from cdk_sglang.cli.main import app
from cdk_sglang.errors import ConfigurationError

Run = Callable[..., tuple[int, str, str]]
BUCKET = "dev-costs"
PLACE = {"bucket": BUCKET, "function": "showback", "planned_usd_per_hour": {"chat": [13.12, 26.24, 52.48]}}
YESTERDAY = dt.datetime.now(tz=dt.UTC).date() - dt.timedelta(days=1)


def row(date: dt.date = YESTERDAY, **values: str) -> dict[str, str]:
    fixed = {
        "date": date.isoformat(),
        "endpoint": "chat",
        "component": "llama",
        "instance_type": "ml.g6e.12xlarge",
        "purchase": "on-demand",
        "instance_hours": "12.000000",
        "gpu_hours": "48.000000",
        "usd": "157.440000",
        "tokens_in": "1000",
        "tokens_out": "200",
        "requests": "10",
        "idle_share": "0.2500",
        "basis": "gpus",
        "tokens_basis": "measured",
        "interpolated_hours": "0.000000",
        "observed_hours": "24.0000",
        "usd_per_instance_hour": "13.12",
        "price_date": "2026-09-01",
        "price_source": "a price list",
    }
    return dict.fromkeys(COLUMNS, "") | fixed | values


def report(*rows: dict[str, str]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        boto3.client("ssm").put_parameter(Name="/cdk-sglang/dev/showback", Value=json.dumps(PLACE), Type="String")
        yield


@pytest.fixture
def run(aws: Any) -> Run:
    def call(*arguments: str, env: str = "dev") -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["costs", "--env", env, *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return call


def keep(*rows: dict[str, str], date: dt.date = YESTERDAY) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"daily/{date}.csv", Body=report(*rows))


ROWS = (
    row(team="search", usd="100.004000"),
    row(adapter="triage", team="support", usd="50.004000", requests="30"),
    row(component="qwen", usd="7.432000", requests="0", tokens_in="0", tokens_out="0", idle_share="1.0000"),
    row(component="(unallocated)", usd="1.004000", idle_share="1.0000", requests="0"),
)


@pytest.mark.parametrize(
    ("by", "first", "parts"),
    [
        ("component", ["chat", "llama", "150.01"], 3),
        ("adapter", ["chat", "llama", "100.01"], 4),
        ("team", ["search", "100.01"], 4),
        ("day", [YESTERDAY.isoformat(), "158.44"], 1),
    ],
)
def test_costs_add_up_by_whatever_is_asked(run: Run, by: str, first: list[str], parts: int) -> None:
    keep(*ROWS)
    code, out, _ = run("--days", "1", "--by", by)
    assert code == 0
    lines = [
        [cell.strip() for cell in line.strip("│┃").split("│")] for line in out.splitlines() if line.startswith("│")
    ]
    *body, total = lines
    assert [cell for cell in body[0] if cell][: len(first)] == first
    assert len(body) == parts
    column = len(costs.add_up(ROWS, By(by)).keys)
    assert sum(Decimal(line[column]) for line in body) == Decimal(total[column]) == Decimal("158.44")


def test_the_plan_stands_beside_the_total(run: Run) -> None:
    keep(row())
    _, out, err = run("--days", "2")
    assert "the plan expected $629.76 for these hours: at least $314.88, at most $1,259.52" in out
    assert f"no report of: {YESTERDAY - dt.timedelta(days=1)}\n" in err


def test_other_programs_get_json_and_csv(run: Run) -> None:
    keep(*ROWS)
    content = json.loads(run("--days", "1", "--format", "json", "--by", "adapter")[1])
    assert [part["adapter"] for part in content["parts"]] == ["", "triage", "", ""]
    assert content["total"]["usd"] == 158.444
    assert content["expected_usd"] == {"low": 314.88, "typical": 629.76, "high": 1259.52}
    assert content["missing_days"] == []
    rows = list(csv.DictReader(io.StringIO(run("--days", "1", "--format", "csv", "--by", "team")[1])))
    assert [line["team"] for line in rows] == ["search", "support", "(no team)", "(unallocated)"]
    assert rows[0]["idle_share"] == "0.25"


def test_more_reports_than_a_page_are_read_and_older_ones_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for back in range(6):
        date = YESTERDAY - dt.timedelta(days=back)
        keep(row(date), date=date)
    boto3.client("s3").put_object(Bucket=BUCKET, Key="daily/notes.txt", Body=b"mine")
    content = json.loads(run("--days", "5", "--format", "json", "--by", "day")[1])
    assert [part["date"] for part in content["parts"]] == [
        (YESTERDAY - dt.timedelta(days=back)).isoformat() for back in (4, 3, 2, 1, 0)
    ]


def test_remarks_say_what_is_uncertain(run: Run) -> None:
    keep(
        row(usd="", usd_per_instance_hour="", price_source="no price is known", instance_type="ml.new.48xlarge"),
        row(interpolated_hours="1.500000", tokens_basis="planned"),
        row(price_source="estimate (EC2, us-west-2): a price list"),
    )
    err = run("--days", "1")[2]
    assert "ml.new.48xlarge (on-demand): 12.0 instance-hours have no price, so no dollars above" in err
    assert "1.5 instance-hours lie in gaps between samples, and are interpolated" in err
    assert "tokens are requests times planned tokens" in err
    assert "prices that are estimates: ml.g6e.12xlarge (2026-09-01)" in err


def test_today_asks_the_function(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    today = YESTERDAY + dt.timedelta(days=1)
    requests = []

    class Function:
        def invoke(self, **request: Any) -> dict[str, Any]:
            requests.append(request)
            answer = {"date": f"{today}", "csv": report(row(today, usd="3.000000", observed_hours="2.0000"))}
            return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    real = costs.client
    monkeypatch.setattr(
        costs, "client", lambda service, **more: Function() if service == "lambda" else real(service, **more)
    )
    code, out, _ = run("--today", "--by", "day")  # without any report
    assert code == 0
    assert f"{today}" in out
    assert "the plan expected $52.48 for these hours" in out  # two hours of it
    assert requests == [{"FunctionName": "showback", "Payload": '{"do": "today"}'}]


def test_a_function_that_fails_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Function:
        def invoke(self, **_: Any) -> dict[str, Any]:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no samples"}')}

    real = costs.client
    monkeypatch.setattr(
        costs, "client", lambda service, **more: Function() if service == "lambda" else real(service, **more)
    )
    assert run("--today")[::2] == (
        1,
        "lambda:InvokeFunction: showback failed: no samples; its log has the reason\n",
    )


def test_showback_that_is_off_says_how_to_turn_it_on(run: Run) -> None:
    code, _, err = run(env="prod")
    assert (code, err) == (
        1,
        (
            "prod: there is no showback in us-east-1; write `observability: {showback: {enabled: true}}` in environments/prod.yaml "
            "and deploy, or give another --region\n"
        ),
    )


def test_no_report_yet_says_when_the_first_one_comes(run: Run) -> None:
    code, _, err = run("--days", "3")
    assert code == 1
    assert err == (
        f"dev: no report of {YESTERDAY - dt.timedelta(days=2)} to {YESTERDAY}; a day's report is written after 01:00 UTC of the next day, and "
        "--today has the day that runs\n"
    )


def test_missing_credentials_are_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.client import BaseClient

    def refuse(*_: object, **__: object) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    code, _, err = run()
    assert code == 2
    assert err.count("\n") == 1
    assert "no usable AWS credentials" in err


def test_a_wrong_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        costs.costs("../prod", days=7, by=By.DAY, output=costs.Format.TABLE, today=False, region=None)
    assert error.value.problems[0].startswith("--env: '../prod' is not allowed; use lower-case letters")


@pytest.mark.parametrize("width", [60, 140])
def test_the_table_fits_a_narrow_and_a_wide_terminal(width: int) -> None:
    from rich.console import Console

    rows = [row(endpoint="a-rather-long-endpoint", component="a-rather-long-component-name-of-forty-ch")]
    console = Console(width=width, file=io.StringIO())
    console.print(cost_table(add_up(rows, By.COMPONENT), width=width))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "157.44" in text
    assert ("tokens out" in text) == (width == 140)
    assert "…" not in text


def test_a_piped_table_is_not_cut(run: Run) -> None:
    keep(row())
    assert max(map(len, run("--days", "1")[1].splitlines())) <= output.PIPED_WIDTH
