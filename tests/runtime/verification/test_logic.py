"""The verification of a live endpoint: embedded AWS, real containers, real requests, and failures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from cdk_sglang._runtime.verification import logic
from cdk_sglang._runtime.verification import specification as specs
from cdk_sglang._runtime.verification.adapters import adapter_finding
from cdk_sglang.spec.task import Task
from cdk_sglang.spec.verification import SmokeRequest
from localcloud.aws import faults
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import ROLE, SESSION, any_endpoint, eventually, in_service
from tests.support.wire import refuse

IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/sglang@sha256:{'1' * 64}"
VARIABLES = {"SM_TEST_VERSION": "old"}
MINUTES = 60
PATIENT, DEADLINE = 1.0, 55 * MINUTES


def model(sagemaker: Any, name: str = "llama-1", *, image: str = IMAGE, variables: dict[str, str] | None = None) -> str:
    container = {"Image": image, "Environment": VARIABLES if variables is None else variables}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return name


def component(sagemaker: Any, name: str = "llama", *, model_name: str = "llama-1", copies: int = 1) -> None:
    sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName="fleet",
        VariantName="main",
        Specification={
            "ModelName": model_name,
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1},
        },
        RuntimeConfig={"CopyCount": copies},
    )


def smoke(body: dict[str, Any] | None = None, *, expect: str = "path", timeout_seconds: int = 20) -> specs.Smoke:
    return specs.Smoke(body=json.dumps(body or {}), expect=(expect,), timeout_seconds=timeout_seconds)


def spec(name: str = "llama", **changes: Any) -> specs.Component:
    fields: dict[str, Any] = {
        "name": name,
        "model": "llama-1",
        "image": IMAGE,
        "environment": VARIABLES,
        "instance_types": (),
        "fewest": 1,
        "most": 1,
        "scaling": (),
        "startup_seconds": 600,
        "smoke": smoke(),
    }
    return specs.Component(**fields | changes)


@dataclass(kw_only=True)
class Check:
    """The check, and what it is asked."""

    aws: logic.Clients
    specification: specs.Specification

    def __call__(
        self, *components: specs.Component, after: float = PATIENT, budget: float = 60, **changes: Any
    ) -> list[str]:
        """Return what is missing so many seconds after the check began; a mistake is raised."""
        specification = replace(self.specification, components=components or (spec(),), **changes)
        done, findings = logic.check(self.aws, specification, start=0, now=after, budget_seconds=budget)
        assert done == (not findings)
        return [f"{finding.kind}: {finding.text}" for finding in findings]

    def refuses(self, *components: specs.Component, after: float = PATIENT, **changes: Any) -> str:
        with pytest.raises(logic.VerificationError) as caught:
            self(*components, after=after, **changes)
        return str(caught.value)


@pytest.fixture
def check(cloud: LocalCloud, client: Callable[[str], Any]) -> Check:
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    model(sagemaker)
    component(sagemaker)
    in_service(sagemaker)

    def runtime(seconds: int) -> Any:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=seconds)
        return SESSION.client("sagemaker-runtime", endpoint_url=cloud.url, config=config)

    return Check(
        aws=logic.Clients(sagemaker=sagemaker, scaling=client("application-autoscaling"), runtime=runtime),
        specification=specs.Specification(
            endpoint="fleet", config="fleet-1", part=0, timeout_seconds=DEADLINE, components=()
        ),
    )


def scale(check: Check, low: int, high: int, name: str = "llama") -> None:
    check.aws.scaling.register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId=f"inference-component/{name}",
        ScalableDimension="sagemaker:inference-component:DesiredCopyCount",
        MinCapacity=low,
        MaxCapacity=high,
    )


def to_zero(check: Check) -> None:
    sagemaker = check.aws.sagemaker
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 0}
    )
    in_service(sagemaker)


def test_what_was_asked_is_live_and_answers(check: Check) -> None:
    assert check() == []
    assert check() == []  # and a second time, for Lambda may be invoked twice


def test_another_configuration_is_a_silent_rollback(check: Check) -> None:
    assert check.refuses(config="fleet-2") == (
        "endpoint fleet: asked for configuration fleet-2, serves with fleet-1: SageMaker rolled the update back without a reason; "
        "the old version serves; see the alarms and logs of the new one, fix it, and deploy again"
    )


def test_an_update_on_its_way_is_waited_for(check: Check) -> None:
    sagemaker = check.aws.sagemaker
    variants = sagemaker.describe_endpoint_config(EndpointConfigName="fleet-1")["ProductionVariants"]
    sagemaker.create_endpoint_config(EndpointConfigName="fleet-2", ExecutionRoleArn=ROLE, ProductionVariants=variants)
    sagemaker.update_endpoint(EndpointName="fleet", EndpointConfigName="fleet-2")
    assert check(config="fleet-2") == ["waiting: endpoint fleet: is Updating"]
    eventually(lambda: check(config="fleet-2") == [])


def test_an_endpoint_that_is_gone_is_named(check: Check) -> None:
    assert "endpoint other: does not exist" in check.refuses(endpoint="other")


def test_an_endpoint_that_failed_is_named_with_its_reason(check: Check) -> None:
    faults.inject("insufficient-capacity", target="broken")
    sagemaker = check.aws.sagemaker
    sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName="fleet-1")
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="broken")["EndpointStatus"] == "Failed")
    assert "endpoint broken: is Failed (Unable to provision requested ML compute capacity" in check.refuses(
        endpoint="broken"
    )


def test_a_component_that_is_gone_is_named(check: Check) -> None:
    problem = check.refuses(spec(), spec("qwen"))
    assert problem.startswith("component qwen: Could not find inference component")


def test_a_component_that_failed_is_named_with_its_reason(check: Check) -> None:
    faults.inject("component-health-check", target="qwen")
    component(check.aws.sagemaker, "qwen")
    eventually(lambda: status(check, "qwen") == "Failed")
    assert "component qwen: is Failed (Container failed to start: no healthy /ping" in check.refuses(spec("qwen"))


def status(check: Check, name: str) -> str:
    found = check.aws.sagemaker.describe_inference_component(InferenceComponentName=name)
    return str(found["InferenceComponentStatus"])


def test_a_component_that_went_back_to_its_old_model_is_named_with_its_reason(check: Check) -> None:
    sagemaker = check.aws.sagemaker
    faults.inject("component-health-check", target="llama", times=1)
    sagemaker.update_inference_component(
        InferenceComponentName="llama",
        Specification={
            "ModelName": model(sagemaker, "llama-2"),
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1},
        },
    )
    in_service(sagemaker)
    problem = check.refuses(spec(model="llama-2"))
    assert problem.startswith(
        "component llama: asked for model llama-2, serves llama-1: SageMaker rolled the update back (Container failed to start"
    )
    assert problem.endswith("fix it, and deploy again")


def test_image_and_environment_are_compared_without_showing_values(check: Check) -> None:
    problem = check.refuses(
        spec(image=IMAGE.replace("1" * 64, "2" * 64), environment={"SM_TEST_VERSION": "confidential"})
    )
    assert "asked for image" in problem
    assert problem.splitlines()[1] == (
        "component llama: model llama-1 has another environment than asked: SM_TEST_VERSION differ"
    )


def test_a_long_value_is_compared_by_its_digest(check: Check) -> None:
    import hashlib

    long = "x" * 500
    name = model(check.aws.sagemaker, "long", variables={"SM_TEST_LONG": long})
    component(check.aws.sagemaker, "qwen", model_name=name)
    in_service(check.aws.sagemaker, "qwen")
    digest = hashlib.sha256(long.encode()).hexdigest()
    assert check(spec("qwen", model=name, environment={"SM_TEST_LONG": f"sha256:{digest}"})) == []
    assert "SM_TEST_LONG" in check.refuses(spec("qwen", model=name, environment={"SM_TEST_LONG": f"sha256:{'0' * 64}"}))


def test_a_count_that_nothing_but_cloudformation_may_change_is_compared(check: Check) -> None:
    assert "component llama: asked for 2 copies, 1 are wanted now; somebody changed the count" in check.refuses(
        spec(fewest=2, most=2)
    )


def test_a_scaled_count_out_of_its_bounds_is_waited_for(check: Check) -> None:
    scale(check, 2, 4)
    assert check(spec(fewest=2, most=4, scaling=((2, 4),))) == [
        "waiting: component llama: asked for 2 to 4 copies, 1 are wanted now; scaling has not moved them yet"
    ]


def test_copies_on_their_way_are_waited_for(check: Check) -> None:
    sagemaker = check.aws.sagemaker
    faults.inject("insufficient-capacity", target="fleet")
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 2}
    )
    (finding,) = check(spec(most=2))
    assert finding in (
        "waiting: component llama: is Updating",
        "waiting: component llama: 1 of 2 copies are there",
    )
    faults.clear()
    eventually(lambda: check(spec(most=2)) == [])


def test_a_missing_scaling_target_is_named(check: Check) -> None:
    assert "asked for scaling from 1 to 4 copies, has no scaling target" in check.refuses(
        spec(most=4, scaling=((1, 4),))
    )


def test_bounds_of_a_schedule_count_as_asked_and_others_do_not(check: Check) -> None:
    scale(check, 1, 6)
    assert check(spec(most=6, scaling=((1, 4), (1, 6)))) == []
    problem = check.refuses(spec(most=6, scaling=((1, 4), (2, 6))))
    assert "asked for scaling from 1 to 4 or 2 to 6 copies, its target has 1 to 6" in problem


def test_more_components_than_one_page_of_targets_are_all_looked_at(check: Check) -> None:
    names = [f"m{index}" for index in range(60)]
    for name in names:
        scale(check, 1, 4, name)
    from cdk_sglang._runtime.verification.live import scaling_findings

    many = [spec(name, most=4, scaling=((1, 4),)) for name in [*names, "absent"]]
    (finding,) = scaling_findings(check.aws.scaling, many, copies=lambda _: 1)
    assert finding.text.startswith("component absent: asked for scaling")


def test_a_component_at_zero_is_woken_and_waited_for(check: Check, client: Callable[[str], Any]) -> None:
    scale(check, 0, 4)
    to_zero(check)
    asleep = spec(fewest=0, most=4, scaling=((0, 4),))
    assert check(asleep) == ["waiting: component llama: has no copy to answer yet; the request wakes it"]
    from localcloud.aws.hosting.store import stores

    counted = next(state.components["llama"] for state in stores() if "llama" in state.components).counts
    assert counted["NoCapacityInvocationFailures"] >= 1  # which the from-zero alarm looks at
    assert "no copy started within 2400 s of the first request" in check.refuses(asleep, after=2401)
    check.aws.sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 1}
    )
    eventually(lambda: check(asleep) == [])


def test_a_component_that_a_schedule_stopped_cannot_be_verified(check: Check) -> None:
    scale(check, 0, 0)
    to_zero(check)
    assert "its schedule has stopped it (0 copies at most), so nothing can be asked of it" in check.refuses(
        spec(fewest=0, most=4, scaling=((1, 4), (0, 0)))
    )


def test_an_answer_without_the_expected_field_is_refused_and_never_shown(check: Check) -> None:
    problem = check.refuses(spec(smoke=smoke({"secret": "hush"}, expect="choices.0.message.tool_calls")))
    assert problem.startswith("component llama: answered the smoke request without choices.0.message.tool_calls")
    assert "hush" not in problem
    assert "invocations" not in problem


@pytest.mark.parametrize("task", ["embedding", "rerank", "classify"])
def test_the_request_of_each_task_is_answered_by_what_the_task_expects(check: Check, task: Task) -> None:
    sent = SmokeRequest().as_sent(task)
    sent["body"] = {name: [value] if name == "input" else value for name, value in sent["body"].items()}
    assert check(spec(smoke=specs.Smoke.parse(sent))) == []
    chat = specs.Smoke.parse({**sent, "body": {"messages": []}})
    assert "answered the smoke request without" in check.refuses(spec(smoke=chat))


def test_a_request_the_model_refuses_is_final(check: Check) -> None:
    problem = check.refuses(spec(smoke=smoke({"status": 400, "secret": "hush"})))
    assert problem == (
        "component llama: answered the smoke request with status 400; see /aws/sagemaker/InferenceComponents/llama"
    )


def test_a_model_that_answers_with_errors_has_five_minutes(check: Check) -> None:
    broken = spec(smoke=smoke({"status": 500}))
    assert check(broken, after=299) == [
        "waiting: component llama: answered the smoke request with status 500; see /aws/sagemaker/InferenceComponents/llama"
    ]
    assert "with status 500" in check.refuses(broken, after=301)


def test_an_answer_that_does_not_come_is_waited_for_and_then_final(check: Check) -> None:
    slow = spec(smoke=smoke({"sleep_s": 3}, timeout_seconds=1))
    assert check(slow) == ["waiting: component llama: gave no answer to the smoke request within 1 s"]
    assert "gave no answer" in check.refuses(slow, after=301)


def test_every_problem_is_named_at_once(check: Check) -> None:
    problems = check.refuses(spec("qwen"), spec(fewest=2, most=2), spec("phi"))
    assert [line.split(":")[0] for line in problems.splitlines()] == [
        "component qwen",
        "component llama",
        "component phi",
    ]


@pytest.mark.parametrize("operation", ["DescribeEndpoint", "DescribeInferenceComponent", "InvokeEndpoint"])
def test_a_throttled_check_is_repeated_and_at_its_end_a_failure(check: Check, operation: str) -> None:
    faults.inject("throttling", target=operation)
    (finding,) = check()
    assert finding.startswith("unseen: could not check: ")
    assert "ThrottlingException" in finding
    assert "(still so after 55 minutes)" in check.refuses(after=DEADLINE)
    faults.clear()
    assert check(after=DEADLINE) == []  # what is true in the last look is true


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("sagemaker", "DescribeEndpoint"),
        ("sagemaker", "DescribeInferenceComponent"),
        ("sagemaker", "DescribeModel"),
        ("scaling", "DescribeScalableTargets"),
    ],
)
def test_a_permission_that_is_missing_is_repeated_and_at_its_end_a_failure(
    check: Check, service: str, operation: str
) -> None:
    scale(check, 1, 4)
    refuse(getattr(check.aws, service), operation, 400, "AccessDeniedException", "User is not authorized")
    scaled = spec(most=4, scaling=((1, 4),))
    findings = check(scaled)
    assert any(text.startswith("unseen: could not check: ") and "AccessDeniedException" in text for text in findings)
    assert "AccessDeniedException" in check.refuses(scaled, after=DEADLINE)


def test_a_call_that_times_out_says_nothing_about_the_endpoint(check: Check) -> None:
    def late(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://sagemaker")

    check.aws.sagemaker.meta.events.register("before-send.sagemaker.DescribeModel", late)
    assert check() == ["unseen: could not check: describe_model: ReadTimeoutError"]
    assert "could not check" in check.refuses(after=DEADLINE)


def test_a_look_that_takes_too_long_goes_on_at_the_next(check: Check) -> None:
    slow = spec(smoke=smoke({"sleep_s": 2}))
    assert check(slow, budget=1) == ["waiting: component llama: was not asked in the time one look has"]
    assert check(slow, budget=20) == []


def test_every_type_of_a_pool_must_have_the_model_that_was_asked_for_it(check: Check) -> None:
    sagemaker = check.aws.sagemaker
    model(sagemaker, "llama-2", variables={"SM_TEST_VERSION": "split"})
    small, large = "ml.g6e.12xlarge", "ml.g6e.48xlarge"
    variants = sagemaker.describe_endpoint_config(EndpointConfigName="fleet-1")["ProductionVariants"]
    del variants[0]["InstanceType"]
    variants[0]["InstancePools"] = [{"InstanceType": small, "Priority": 1}, {"InstanceType": large, "Priority": 2}]
    sagemaker.create_endpoint_config(EndpointConfigName="pool-1", ExecutionRoleArn=ROLE, ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="pool", EndpointConfigName="pool-1")
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="pool")["EndpointStatus"] == "InService")
    compute = {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1}
    sagemaker.create_inference_component(
        InferenceComponentName="pooled",
        EndpointName="pool",
        VariantName="main",
        Specifications=[
            {"InstanceType": small, "ModelName": "llama-1", "ComputeResourceRequirements": compute},
            {"InstanceType": large, "ModelName": "llama-2", "ComputeResourceRequirements": compute},
        ],
        RuntimeConfig={"CopyCount": 1},
    )
    in_service(sagemaker, "pooled")
    component = spec("pooled", instance_types=(small, large))

    def other(name: str, *types: str, version: str = "split") -> specs.Variant:
        return specs.Variant(model=name, environment={"SM_TEST_VERSION": version}, instance_types=types)

    check.specification = replace(check.specification, endpoint="pool", config="pool-1")
    assert check(replace(component, others=(other("llama-2", large),))) == []
    swapped = check.refuses(replace(component, others=(other("llama-2", small),)))
    assert f"asked for model llama-1 on {large}, serves llama-2" in swapped
    assert f"asked for model llama-2 on {small}, serves llama-1" in swapped
    differs = check.refuses(replace(component, others=(other("llama-2", large, version="old"),)))
    assert "model llama-2 has another environment than asked: SM_TEST_VERSION differ" in differs
    assert "asked for model llama-1, serves llama-1, llama-2" in check.refuses(component)


class Adapters:
    """SageMaker's word on adapters, and what their copies answer, by name."""

    def __init__(self, answers: dict[str, int], *, status: str = "InService") -> None:
        self.answers, self.status, self.names = answers, status, list[str]()

    def describe_inference_component(self, **request: str) -> dict[str, str]:
        name = request["InferenceComponentName"]
        if name not in self.answers:
            error = {"Error": {"Code": "ValidationException", "Message": f"Could not find {name}"}}
            raise ClientError(error, "DescribeInferenceComponent")
        return {"InferenceComponentStatus": self.status, "FailureReason": "it does not fit"}

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        name = request["InferenceComponentName"]
        self.names.append(name)
        status = self.answers[name]
        if status == 200:
            return {"Body": io.BytesIO(b'{"path": "x"}')}
        raise ClientError({"Error": {"Code": "ModelError"}, "OriginalStatusCode": status}, "InvokeEndpoint")

    def finding(self, name: str, *, elapsed: float = PATIENT) -> str | None:
        specification = specs.Specification(
            endpoint="fleet", config="c", part=0, timeout_seconds=DEADLINE, components=()
        )
        found = adapter_finding(self, lambda _: self, specification, spec(), name, copies=1, elapsed=elapsed)
        return None if found is None else f"{found.kind}: {found.text}"


def test_an_adapter_that_answers_is_well() -> None:
    adapters = Adapters({"llama-triage": 200})
    assert adapters.finding("llama-triage") is None
    assert adapters.names == ["llama-triage"]


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_an_adapter_that_is_just_in_service_and_not_loaded_yet_is_waited_for(status: int) -> None:
    adapters = Adapters({"llama-triage": status})
    assert adapters.finding("llama-triage", elapsed=299) == (
        f"waiting: adapter llama-triage: answered the smoke request with status {status}; "
        "see /aws/sagemaker/InferenceComponents/llama"
    )
    finding = adapters.finding("llama-triage", elapsed=301)
    assert finding is not None
    assert finding.startswith("wrong: ")


def test_an_adapter_that_refuses_the_question_is_wrong_at_once() -> None:
    finding = Adapters({"llama-triage": 400}).finding("llama-triage")
    assert finding is not None
    assert finding.startswith("wrong: adapter llama-triage: answered the smoke request with status 400")


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        ("Creating", "waiting: adapter llama-triage: is Creating"),
        ("Failed", "wrong: adapter llama-triage: is Failed (it does not fit)"),
    ],
)
def test_an_adapter_that_is_not_in_service_is_not_asked(status: str, finding: str) -> None:
    adapters = Adapters({"llama-triage": 200}, status=status)
    assert adapters.finding("llama-triage") == finding
    assert adapters.names == []


def test_adapters_are_asked_after_their_component_has_answered(check: Check) -> None:
    adapters = ("llama-triage", "llama-billing")
    assert check(spec(adapters=adapters, smoke=smoke({"status": 500}))) == [
        "waiting: component llama: answered the smoke request with status 500; see /aws/sagemaker/InferenceComponents/llama"
    ]
    problems = check.refuses(spec(adapters=adapters)).splitlines()
    assert [line.split(";")[0] for line in problems] == [f"adapter {name}: does not exist" for name in adapters]
