"""`cdk-sglang capacity search|status`, and what each says when AWS says no."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError
from typer.testing import CliRunner

from cdk_sglang.cli import aws, capacity
from cdk_sglang.cli.offerings import OfferingRequest
from cdk_sglang.cli.offerings import search as search_pages
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance
from localcloud.aws import faults
from localcloud.aws.settings import current
from tests.support.reservations import Fleet, bought

Run = Callable[..., tuple[int, str, str]]
SEARCH = ("search", "--type", "ml.p5en.48xlarge")


@pytest.fixture
def run(driven: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in {
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)

    def call(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(capacity.app, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return call


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Have every request to AWS end in this exception."""
    from botocore.client import BaseClient

    def make(error: Exception) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(BaseClient, "_make_api_call", refuse)

    return make


def test_search_shows_offerings_with_price_hours_start_and_price_per_gpu_hour(run: Run) -> None:
    code, out, _ = run(*SEARCH, "--count", "2", "--days", "3")
    assert code == 0
    rows = [[cell.strip() for cell in line.strip("│┃|").split("│")] for line in out.splitlines() if "tpo-" in line]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert sorted(row[2] for row in rows) == ["2 x ml.p5en.48xlarge"] * 2 + ["2 x ml.p5en.48xlarge, 2 blocks"]
    assert sorted(row[7] for row in rows) == ["3.60", "4.00", "4.00"]
    whole = next(row for row in rows if row[5] == "72" and row[7] == "4.00")
    assert whole[6] == f"{72 * 2 * 8 * 4}.00 USD"


def test_search_as_json_is_for_other_programs(run: Run, driven: Any) -> None:
    after = driven.utc().date() + dt.timedelta(days=10)
    code, out, err = run(*SEARCH, "--count", "4", "--days", "1", "--after", f"{after}", "--json")
    assert (code, err) == (0, "")
    offering = json.loads(out)[-1]
    assert offering["offering"].startswith("tpo-")
    assert offering["start"] == f"{after}T11:30:00+00:00"
    assert offering["end"] == f"{after + dt.timedelta(days=1)}T11:30:00+00:00"
    assert (offering["hours"], offering["upfront_fee"], offering["currency"]) == (24, "3072.00", "USD")
    assert offering["price_per_gpu_hour"] == 4


def test_search_asks_for_every_page_and_sorts_by_start() -> None:
    def offering(number: int, day: int) -> dict[str, Any]:
        start = dt.datetime(2027, 3, day, 11, 30, tzinfo=dt.UTC)
        block = {"InstanceType": "ml.p5en.48xlarge", "InstanceCount": 1, "DurationHours": 24, "StartTime": start}
        return {
            "TrainingPlanOfferingId": f"tpo-{number}",
            "TargetResources": ["endpoint"] if number < 3 else ["training-job"],
            "ReservedCapacityOfferings": [block, block | {"StartTime": start + dt.timedelta(days=3)}],
            "UpfrontFee": "96.00",
        }

    class Paged:
        tokens: list[str | None] = []

        def search_training_plan_offerings(self, **request: Any) -> dict[str, Any]:
            token = request.get("NextToken")
            self.tokens.append(token)
            if token is None:
                return {"TrainingPlanOfferings": [offering(1, 9), offering(3, 1)], "NextToken": "more"}
            return {"TrainingPlanOfferings": [offering(2, 2)]}

    criteria = OfferingRequest(instance=GpuInstance.P5EN_48XLARGE, count=1, days=1, after=None, before=None)
    found = search_pages(Paged(), criteria)
    assert [item.id for item in found] == ["tpo-2", "tpo-1"]
    assert Paged.tokens == [None, "more"]
    assert (found[0].blocks, found[0].hours, found[0].per_gpu_hour) == (2, 48, 0.25)


def test_wrong_options_are_said_all_at_once(run: Run) -> None:
    with pytest.raises(ConfigurationError) as error:
        run("search", "--type", "ml.g5.xlarge", "--count", "3", "--days", "0", "--after", "soon")
    assert [problem.split(";")[0] for problem in error.value.problems] == [
        "--type: ml.g5.xlarge cannot be reserved for endpoints",
        "--count: 3 is not allowed",
        "--days: 0 is not allowed",
        "--after: 'soon' is not a date",
    ]
    with pytest.raises(ConfigurationError, match="--before: 2027-03-03 leaves no room for 7 days after 2027-03-01"):
        run(*SEARCH, "--after", "2027-03-01", "--before", "2027-03-03")


def test_nothing_offered_is_an_answer_and_no_success(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from localcloud.aws.hosting.operations import HANDLERS

    monkeypatch.setitem(HANDLERS, "SearchTrainingPlanOfferings", lambda *_, **__: {"TrainingPlanOfferings": []})
    code, out, err = run(*SEARCH)
    assert (code, out) == (1, "")
    assert err == (
        "nothing is offered for 1 x ml.p5en.48xlarge for 7 days; try fewer --days or --count, a later --after, another --type or --region\n"
    )


def refusal(code: str, message: str = "said so") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "SearchTrainingPlanOfferings")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            NoCredentialsError(),
            2,
            (
                "sagemaker:SearchTrainingPlanOfferings: no usable AWS credentials (Unable to locate credentials); sign in with `aws login` or "
                "`aws sso login`, or set AWS_PROFILE"
            ),
        ),
        (
            refusal("ExpiredTokenException"),
            2,
            (
                "sagemaker:SearchTrainingPlanOfferings: the AWS credentials are no longer valid (ExpiredTokenException); sign in with "
                "`aws login` or `aws sso login`, or set AWS_PROFILE"
            ),
        ),
        (
            refusal("AccessDeniedException", "no\nidentity-based policy"),
            1,
            (
                "sagemaker:SearchTrainingPlanOfferings: not allowed (no identity-based policy); ask whoever grants permissions for "
                "sagemaker:SearchTrainingPlanOfferings"
            ),
        ),
        (
            refusal("ResourceLimitExceeded", "limit is 0"),
            1,
            (
                "sagemaker:SearchTrainingPlanOfferings: a quota is used up (limit is 0); the quota 'Number of <type> instances in reserved "
                "capacity across training plans' is 0 until it is raised: "
                "https://console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
            ),
        ),
        (
            refusal("ThrottlingException"),
            1,
            "sagemaker:SearchTrainingPlanOfferings: AWS throttles the request (said so); try again in a minute",
        ),
        (refusal("ValidationException"), 2, "sagemaker:SearchTrainingPlanOfferings: ValidationException: said so"),
        (
            ConnectTimeoutError(endpoint_url="https://x"),
            1,
            (
                'sagemaker:SearchTrainingPlanOfferings: AWS was not reached: Connect timeout on endpoint URL: "https://x"; '
                "check the network and the Region"
            ),
        ),
    ],
)  # fmt: skip
def test_a_refusal_is_one_line_and_an_exit_code(
    run: Run, refusing: Callable[[Exception], None], error: Exception, code: int, line: str
) -> None:
    refusing(error)
    assert run(*SEARCH) == (code, "", f"{line}\n")


def test_no_region_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    code, _, err = run(*SEARCH)
    assert (code, err) == (2, "sagemaker: no AWS Region; give --region, or set AWS_REGION\n")


def test_without_boto3_it_says_how_to_install_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(aws.importlib, "import_module", absent)
    with pytest.raises(ConfigurationError, match=r"install it with: pip install 'cdk-sglang\[client\]'"):
        run(*SEARCH)


@pytest.mark.usefixtures("fleet")
def test_status_shows_plans_and_the_endpoints_that_use_them(run: Run) -> None:
    code, out, _ = run("status")
    assert code == 0
    row = next(line for line in out.splitlines() if "peak" in line)
    cells = [cell.strip() for cell in row.strip("│┃|").split("│")]
    assert cells[:4] == ["peak", "Active", "2 x ml.p5en.48xlarge", "1"]
    assert cells[-1] == "chat"


def test_status_as_json(run: Run, fleet: Fleet) -> None:
    code, out, _ = run("status", "peak", "--json")
    (plan,) = json.loads(out)
    assert code == 0
    assert plan["arn"] == fleet.plan_arn
    assert (plan["status"], plan["instance_count"], plan["endpoints"]) == ("Active", 2, ["chat"])


def test_status_asks_for_every_page(run: Run, fleet: Fleet) -> None:
    for number in range(24):
        bought(fleet.sagemaker, name=f"plan-{number}", hours=24)
    assert "NextToken" in fleet.sagemaker.list_training_plans()
    _, out, _ = run("status", "--json")
    assert len(json.loads(out)) == 25


def test_no_plans_is_no_error(run: Run) -> None:
    code, out, err = run("status")
    assert (code, out) == (0, "")
    assert err == "no plans; find one with: cdk-sglang capacity search --type ml.p5en.48xlarge\n"


def test_a_plan_that_is_not_there_is_said(run: Run) -> None:
    code, _, err = run("status", "peak")
    assert (code, err) == (1, "peak: no such training plan in us-east-1; list them with: cdk-sglang capacity status\n")


def test_waiting_ends_when_the_plan_is_active(
    run: Run, sagemaker: Any, driven: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought(sagemaker)
    driven.advance(current().job_s + 1)  # until it is paid
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        driven.advance(seconds)

    monkeypatch.setattr(capacity, "_sleep", sleep)
    code, out, err = run("status", "peak", "--wait")
    assert code == 0
    assert "Active" in out
    assert err.count("peak starts at") == 1  # once, not at every look
    assert 1800 <= sum(waited) <= 1860


def test_waiting_is_bounded(run: Run, sagemaker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bought(sagemaker)
    looks: list[float] = []
    monkeypatch.setattr(capacity, "_sleep", looks.append)  # it stays Pending
    code, _, err = run("status", "peak", "--wait", "--timeout-minutes", "31")
    assert code == 1
    assert err.splitlines()[-1] == "peak is being set up"
    assert sum(looks) == 31 * 60


def test_nobody_waits_for_a_plan_that_starts_in_days(
    run: Run, sagemaker: Any, driven: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "_sleep", lambda _: driven.advance(60))
    later = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=3)
    offering, *_ = sagemaker.search_training_plan_offerings(
        TargetResources=["endpoint"], InstanceType="ml.p5.48xlarge", StartTimeAfter=later
    )["TrainingPlanOfferings"]
    sagemaker.create_training_plan(TrainingPlanName="later", TrainingPlanOfferingId=offering["TrainingPlanOfferingId"])
    code, _, err = run("status", "later", "--wait")
    assert code == 1
    assert err.endswith("UTC; that is longer than --timeout-minutes 60, so the command does not wait\n")


def test_control_c_ends_the_wait_cleanly(run: Run, sagemaker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bought(sagemaker)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(capacity, "_sleep", interrupt)
    code, _, err = run("status", "peak", "--wait")
    assert code == 1
    assert err.splitlines()[-1] == "stopped waiting; peak is being set up"


def test_an_expired_plan_is_no_success(run: Run, fleet: Fleet) -> None:
    fleet.clock._now = fleet.end.timestamp() + 1
    code, _, err = run("status", "peak")
    assert code == 1
    assert err.startswith("peak ended at ")


def test_buying_without_a_terminal_is_refused_before_anything_is_asked(run: Run, sagemaker: Any) -> None:
    faults.inject("throttling", target="SearchTrainingPlanOfferings")  # it would be seen
    code, out, err = run("reserve", "--type", "ml.p5en.48xlarge", "--name", "peak")
    assert (code, out) == (2, "")
    assert err == "capacity reserve: needs a person at a terminal, who types the price; nothing was bought\n"
    assert sagemaker.list_training_plans()["TrainingPlanSummaries"] == []


def test_an_illegal_name_is_refused(run: Run) -> None:
    with pytest.raises(ConfigurationError, match="--name: 'a b' is not allowed; use up to 64 letters"):
        run("reserve", "--type", "ml.p5en.48xlarge", "--name", "a b")
