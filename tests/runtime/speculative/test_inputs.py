"""The first state: what keeps a run from starting, all of it at once; and the entries that the state machine calls."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cdk_sglang._runtime.speculative import handler, inputs
from cdk_sglang._runtime.speculative.config import Config
from cdk_sglang._runtime.speculative.ends import ALREADY_RUNNING, INPUTS_REFUSED, EndError, Throttled
from cdk_sglang._runtime.speculative.event import Event
from tests.runtime.speculative.test_gate import live
from tests.support.sagemaker_stand_in import SageMakerStandIn
from tests.support.speculation import (
    BASE_PREFIX,
    BUCKET,
    CONTENT,
    NOW,
    RUN,
    aws,
    client,
    config,
    event,
    plenty,
    stubbed,
)

QUOTA = "ml.g6e.12xlarge for training job usage"


def sagemaker() -> SageMakerStandIn:
    stand_in = SageMakerStandIn()
    stand_in.meta = client("sagemaker").meta
    return live(stand_in)


def running(*names: tuple[str, int]) -> Any:
    executions = [
        {
            "executionArn": f"arn:{name}",
            "stateMachineArn": "arn:m",
            "name": name,
            "status": "RUNNING",
            "startDate": NOW + dt.timedelta(minutes=minute),
        }
        for name, minute in names
    ]
    return stubbed("stepfunctions", ("list_executions", {}, {"executions": executions}))


def quotas(value: float | None) -> Any:
    listed = [] if value is None else [{"QuotaName": QUOTA, "Value": value}]
    answer = {"Quotas": [{"QuotaName": "another", "Value": 0.0}, *listed]}
    return stubbed(
        "service-quotas", *[(name, {}, answer) for name in ("list_service_quotas", "list_aws_default_service_quotas")]
    )


def check(s3: Any, found: Config | None = None, **clients: Any) -> dict[str, Any]:
    services = {"sagemaker": sagemaker(), "stepfunctions": running((RUN, 0)), "quotas": quotas(4), **clients}
    return inputs.check(aws(s3=s3, **services), found or config(), event(), NOW, plenty)


def test_a_run_that_can_start_knows_base_dataset_and_job(s3: Any) -> None:
    found = check(s3)

    assert found["state"] == "ready"
    assert (found["base"]["files"], found["base"]["prefix"]) == (3, BASE_PREFIX)
    assert found["dataset"]["format"] == "built_in"
    assert found["job_name"].startswith("prod-chat-llama-")
    record = json.loads(s3.get_object(Bucket=BUCKET, Key=config().execution_key(RUN))["Body"].read())
    assert record["run"] == RUN
    assert check(s3)["job_name"] == found["job_name"]


def test_the_older_of_two_runs_goes_on(s3: Any) -> None:
    with pytest.raises(EndError, match="execution other has been running since 2026-11-30 11:55 UTC") as ended:
        check(s3, stepfunctions=running((RUN, 0), ("other", -5)))
    assert ended.value.end == ALREADY_RUNNING

    assert check(s3, stepfunctions=running((RUN, 0), ("other", 5)))["state"] == "ready"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"training": {"instance": "ml.p5.4xlarge"}}, "ml.p5.4xlarge is none of the types of optimization jobs"),
        ({"base_prefix": "weights/none/"}, "s3://weights-1/weights/none/ is empty; stage the weights"),
        ({"component_name": "prod-chat-none"}, "component prod-chat-none: does not exist on endpoint prod-chat"),
        ({"kind": "nextn"}, "has no prediction layers of its own"),
    ],
)
def test_what_keeps_a_run_from_starting_is_said_with_the_way_out(s3: Any, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(EndError) as refused:
        check(s3, config(**changes))

    assert refused.value.end == INPUTS_REFUSED
    assert reason in refused.value.reason


def test_an_architecture_that_jobs_do_not_train_and_a_quota_of_zero_are_said_together(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{BASE_PREFIX}config.json", Body=b'{"architectures": ["FalconForCausalLM"]}')

    with pytest.raises(EndError) as refused:
        check(s3, quotas=quotas(0))

    assert (
        "architectures FalconForCausalLM; optimization jobs train drafts for LlamaForCausalLM" in refused.value.reason
    )
    assert f"Service Quotas: '{QUOTA}' is 0" in refused.value.reason


@pytest.mark.parametrize(
    ("name", "text", "licence"),
    [
        ("README.md", "---\nlicense: llama3.1\n---\n", "llama3.1"),
        ("USE_POLICY.md", "no harm", "the terms of USE_POLICY.md"),
    ],
)
def test_a_licence_that_nobody_accepted_is_refused(s3: Any, name: str, text: str, licence: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{BASE_PREFIX}{name}", Body=text.encode())

    with pytest.raises(EndError, match=f"the base model is under {licence}; read the licence"):
        check(s3, config(training={"accept_eula": False}))
    assert check(s3)["state"] == "ready"


def test_an_open_licence_needs_no_acceptance(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{BASE_PREFIX}README.md", Body=b"---\nlicense: apache-2.0\n---\n")

    assert check(s3, config(training={"accept_eula": False}))["state"] == "ready"


def test_a_quota_that_nobody_may_read_is_a_note(s3: Any) -> None:
    denied = stubbed(
        "service-quotas",
        ("list_service_quotas", {}, "AccessDeniedException"),
        ("list_aws_default_service_quotas", {}, "AccessDeniedException"),
    )

    assert f"Service Quotas does not list '{QUOTA}'" in check(s3, quotas=denied)["notes"][0]


def test_a_config_that_lacks_a_value_names_it() -> None:
    content = {key: value for key, value in CONTENT.items() if key != "stack_name"}

    with pytest.raises(ValueError, match=r"CONFIG: KeyError\('stack_name'\) is missing"):
        Config.parse(json.dumps(content))
    with pytest.raises(ValueError, match="kind 'medusa'; expected one of eagle, draft, nextn, ngram"):
        Config.parse(json.dumps({**CONTENT, "kind": "medusa"}))


def test_a_run_has_a_name_of_one_form() -> None:
    with pytest.raises(ValueError, match="cdk-sglang eagle start"):
        Event.parse({"run": "../etc"})


class Context(SimpleNamespace):
    """Lambda's context with a minute and a half left."""

    def get_remaining_time_in_millis(self) -> int:
        return 90_000


def called(monkeypatch: pytest.MonkeyPatch, entry: str, module: Any, function: str, error: Exception) -> dict[str, Any]:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setenv("CONFIG", json.dumps(CONTENT))
    monkeypatch.setattr(module, function, fail)
    monkeypatch.setattr(handler, "_aws", aws)
    result: dict[str, Any] = getattr(handler, entry)({"run": RUN}, Context())
    return result


@pytest.mark.parametrize(
    ("entry", "step", "end", "branch"),
    [
        ("check_inputs", "inputs.check", "InputsRefused", ("state", "InputsRefused")),
        ("watch_training", "training.watch", "CeilingReached", ("status", "ceiling")),
        ("read_draft", "draft.read", "DraftRefused", ("state", "refused")),
        ("open_gate", "gate.open_gate", "GateFailed", ("state", "failed")),
        ("run_gate", "bench.run", "CeilingReached", ("state", "ceiling")),
        ("watch_promotion", "promotion.watch", "PromotionRolledBack", ("state", "rolled_back")),
    ],
)
def test_an_end_that_the_state_machine_branches_on_is_a_result(
    monkeypatch: pytest.MonkeyPatch, entry: str, step: str, end: str, branch: tuple[str, str]
) -> None:
    error = EndError(end, "the reason", "the next step", figures={"spent_usd": 3.0})

    module, function = step.split(".")
    found = called(monkeypatch, entry, getattr(handler, module), function, error)

    assert found[branch[0]] == branch[1]
    assert (found["reason"], found["next"], found["spent_usd"]) == ("the reason", "the next step", 3.0)


def test_any_other_end_is_an_error_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match="the reason") as raised:
        called(monkeypatch, "assemble", handler.copying, "assemble", EndError("BaseChanged", "the reason", "again"))

    assert type(raised.value).__name__ == "BaseChanged"
    assert json.loads(str(raised.value)) == {"reason": "the reason", "next": "again"}


def test_throttling_has_the_name_that_the_state_machine_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "Any")

    with pytest.raises(Throttled, match="watch_training: ThrottlingException: slow"):
        called(monkeypatch, "watch_training", handler.training, "watch", error)
