"""Clean-up: after every end nothing of a run is left running or half promoted. SageMaker is a stand-in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdk_sglang._runtime.speculative import cleanup, registry
from cdk_sglang._runtime.speculative.ends import ENDS, Throttled
from cdk_sglang._runtime.speculative.event import Event
from tests.runtime.speculative.conftest import keys
from tests.runtime.speculative.test_gate import DRAFTED, live, opened
from tests.runtime.speculative.test_promotion import PACKAGE, VALUE, packages, stack
from tests.support.sagemaker_stand_in import SageMakerStandIn
from tests.support.speculation import BUCKET, COMPONENT, NOW, RUN, VERSION, aws, config, event, stubbed

MACHINE = f"arn:aws:states:us-east-1:123456789012:stateMachine:{COMPONENT}-speculative"


class Registered(SageMakerStandIn):
    """A stand-in that has packages too.

    Attributes:
        statuses: Approval by run.
        job: Status of the run's training job; empty for none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.statuses: dict[str, str] = {}
        self.job = ""

    def list_model_packages(self, **parameters: Any) -> dict[str, Any]:
        approval = parameters.get("ModelApprovalStatus")
        runs = [run for run, status in self.statuses.items() if approval in {None, status}]
        return packages(*runs)

    def describe_model_package(self, **_: Any) -> dict[str, Any]:
        return {"ModelApprovalStatus": self.statuses[RUN]}

    def update_model_package(self, **parameters: Any) -> None:
        assert parameters["ModelPackageArn"] == PACKAGE
        self.statuses[RUN] = parameters["ModelApprovalStatus"]
        self.calls.append(parameters["ApprovalDescription"])

    def describe_optimization_job(self, **_: Any) -> dict[str, Any]:
        if not self.job:
            raise self._error("ResourceNotFound", "no such job", "describe")
        return {"OptimizationJobStatus": self.job}

    def stop_optimization_job(self, **parameters: Any) -> dict[str, Any]:
        self.calls.append(f"stop {parameters['OptimizationJobName']}")
        self.job = "STOPPING"
        return {}


@pytest.fixture
def sagemaker() -> Registered:
    sagemaker = Registered()
    live(sagemaker)
    return sagemaker


@pytest.fixture
def version(s3: Any) -> Any:
    """A whole version of the run, and one of an earlier run whose promotion was aborted."""
    for run in (RUN, "r20261001T000000-0001"):
        s3.put_object(Bucket=BUCKET, Key=f"{VERSION.replace(RUN, run)}config.json", Body=b"{}")
    return s3


def clean(
    s3: Any,
    sagemaker: Any,
    found: Event,
    *answers: Any,
    left: float = 0.0,
    status: str = "UPDATE_COMPLETE",
    value: str = "",
) -> dict[str, Any]:
    described = ("describe_stacks", {}, stack(status, value or "base,,,,,,"))
    more = answers or (described, described)
    clients = aws(s3=s3, sagemaker=sagemaker, cloudformation=stubbed("cloudformation", described, *more))
    return cleanup.clean_up(clients, config(), found, NOW, lambda: left)


def test_after_a_no_the_gate_the_version_and_the_approval_are_gone(version: Any, sagemaker: Registered) -> None:
    opened(sagemaker)
    sagemaker.statuses[RUN] = registry.PENDING

    found = clean(version, sagemaker, event(end={"state": "GateSaidNo"}, verdict={"reasons": ["0.8 times"]}))
    again = clean(version, sagemaker, event(end={"state": "GateSaidNo"}))

    assert list(sagemaker.found["model"]) == ["live-model"]
    assert keys(version, VERSION) == []
    assert sagemaker.statuses[RUN] == registry.REJECTED
    assert (found["state"], found["reason"], found["run"]) == ("GateSaidNo", "0.8 times", RUN)
    assert f"s3://{BUCKET}/{VERSION}" in found["removed"]
    assert f"cdk-sglang eagle report --env prod --component {COMPONENT}" in found["next"]
    assert again["removed"] == []


def test_a_promoted_version_stays_and_an_aborted_one_of_an_earlier_run_goes(
    version: Any, sagemaker: Registered
) -> None:
    sagemaker.statuses[RUN] = registry.APPROVED

    found = clean(version, sagemaker, event(end={"state": "Promoted"}), value=VALUE)

    assert keys(version, VERSION) == ["config.json"]
    assert found["removed"] == [f"s3://{BUCKET}/{VERSION.replace(RUN, 'r20261001T000000-0001')}"]
    assert sagemaker.statuses[RUN] == registry.APPROVED


def test_an_earlier_version_that_is_approved_stays_for_the_way_back(version: Any, sagemaker: Registered) -> None:
    sagemaker.statuses |= {RUN: registry.APPROVED, "r20261001T000000-0001": registry.APPROVED}

    assert clean(version, sagemaker, event(end={"state": "Promoted"}), value=VALUE)["removed"] == []


def ended(status: str, *, name: str = RUN, **more: Any) -> Event:
    """Return EventBridge's event of an execution that has ended."""
    detail = {
        "executionArn": f"{MACHINE.replace('stateMachine', 'execution')}:{name}",
        "stateMachineArn": MACHINE,
        "name": name,
        "status": status,
        "input": json.dumps({"run": name}) if name == RUN else "{}",
        "output": None,
        **more,
    }
    return Event.parse({"detail-type": "Step Functions Execution Status Change", "detail": detail})


def test_an_abort_stops_the_training_job_and_deletes_the_canaries(version: Any, sagemaker: Registered) -> None:
    opened(sagemaker)
    sagemaker.job = "INPROGRESS"
    version.put_object(
        Bucket=BUCKET, Key=f"speculative/{COMPONENT}/runs/{RUN}/job.json", Body=json.dumps({"name": "job-1"}).encode()
    )

    found = clean(version, sagemaker, ended("ABORTED"))

    assert "stop job-1" in sagemaker.calls
    assert list(sagemaker.found["model"]) == ["live-model"]
    assert keys(version, VERSION) == []
    assert (found["state"], found["reason"]) == ("Failed", "the execution ended as ABORTED")


def test_an_abort_while_promoting_takes_the_update_back_and_leaves_the_files_that_copies_may_read(
    version: Any, sagemaker: Registered
) -> None:
    sagemaker.statuses[RUN] = registry.APPROVED

    clean(
        version,
        sagemaker,
        ended("ABORTED"),
        ("cancel_update_stack", {"StackName": "prod-chat"}, {}),
        status="UPDATE_IN_PROGRESS",
        value=VALUE,
    )

    assert sagemaker.statuses[RUN] == registry.REJECTED
    assert keys(version, VERSION) == ["config.json"]


def test_an_abort_just_after_the_update_has_ended_leaves_the_version_serving(
    version: Any, sagemaker: Registered
) -> None:
    sagemaker.statuses[RUN] = registry.APPROVED

    clean(version, sagemaker, ended("ABORTED"), value=VALUE)

    assert sagemaker.statuses[RUN] == registry.APPROVED
    assert keys(version, VERSION) == ["config.json"]


def test_nothing_is_deleted_while_the_stack_takes_an_update_back(version: Any, sagemaker: Registered) -> None:
    clean(version, sagemaker, event(end={"state": "PromotionRolledBack"}), status="UPDATE_ROLLBACK_FAILED")

    assert keys(version, VERSION) == ["config.json"]


def test_the_event_of_a_success_keeps_what_was_promoted(version: Any, sagemaker: Registered) -> None:
    sagemaker.statuses[RUN] = registry.APPROVED
    output = json.dumps({"state": "Promoted", "reason": "1.5 times", "run": RUN})

    found = clean(version, sagemaker, ended("SUCCEEDED", output=output))

    assert found["state"] == "Promoted"
    assert keys(version, VERSION) == ["config.json"]


def test_an_execution_of_a_schedule_is_found_by_its_record(version: Any, sagemaker: Registered) -> None:
    name = "0aa0-schedule"
    version.put_object(Bucket=BUCKET, Key=config().execution_key(name), Body=json.dumps({"run": RUN}).encode())

    assert clean(version, sagemaker, ended("FAILED", name=name))["run"] == RUN
    assert keys(version, VERSION) == []


def test_an_execution_that_has_made_nothing_needs_no_clean_up(s3: Any) -> None:
    found = cleanup.clean_up(aws(s3=s3), config(), ended("ABORTED", name="other"), NOW, lambda: 0.0)

    assert (found["removed"], found["left"]) == ([], [])


def test_what_cannot_be_deleted_yet_is_waited_for_then_said_and_lambda_is_asked_to_call_again(
    version: Any, sagemaker: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(sagemaker)
    sagemaker.errors["delete_inference_component"] = [("ValidationException", "is Creating")] * 5
    pauses: list[float] = []
    monkeypatch.setattr(cleanup, "sleep", pauses.append)

    inside = clean(version, sagemaker, event(end={"state": "GateFailed"}), left=0.0)
    with pytest.raises(Throttled, match="is Creating"):
        clean(version, sagemaker, ended("FAILED"), left=0.0)
    last = clean(version, sagemaker, ended("FAILED"), left=100.0)

    assert len(inside["left"]) == 2
    assert last["left"] == []
    assert pauses == [cleanup.POLL_SECONDS]


@pytest.mark.parametrize("name", [name for name in ENDS if name != "Promoted"])
def test_every_end_has_a_reason_and_a_next_step(s3: Any, sagemaker: Registered, name: str) -> None:
    failing = {"end": name, "reason": "the reason", "next": "the next step", "spent_usd": 12.5}

    found = clean(s3, sagemaker, event(end={"state": name}, watch=failing, draft=DRAFTED))

    assert found["state"] == name
    assert found["reason"]
    assert found["next"]
    assert found["spent_usd"] == 12.5
    assert set(found) >= {"state", "reason", "next", "run", "spent_usd", "report"}


@pytest.mark.parametrize(
    ("cause", "reason", "step"),
    [
        (
            json.dumps(
                {
                    "errorType": "BaseChanged",
                    "errorMessage": json.dumps({"reason": "another base", "next": "start again"}),
                }
            ),
            "another base",
            "start again",
        ),
        (json.dumps({"errorType": "KeyError", "errorMessage": "'x'"}), "Boom: 'x'", "Step Functions"),
        ("timed out", "timed out", "Step Functions"),
    ],
)
def test_an_error_that_was_caught_gives_the_reason(
    s3: Any, sagemaker: Registered, cause: str, reason: str, step: str
) -> None:
    found = clean(s3, sagemaker, event(end={"state": "Failed"}, error={"Error": "Boom", "Cause": cause}))

    assert found["reason"] == reason
    assert step in found["next"]
