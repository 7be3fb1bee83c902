"""Training plans: searched, bought, used by an endpoint until they end, and left in time; on a driven clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.clock import Clock
from tests.localcloud.helpers import ROLE, any_component

ASKED = {"InstanceType": "ml.p5.48xlarge", "InstanceCount": 2, "DurationHours": 72, "TargetResources": ["endpoint"]}
ON_DEMAND = {"VariantName": "main", "InstanceType": "ml.p5.48xlarge", "InitialInstanceCount": 1}
MANAGED = {"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 4}}


@pytest.fixture
def driven_at_nine(driven: Clock) -> Clock:
    """Nine in the morning, so that days end at a known distance."""
    day = datetime.fromtimestamp(driven.now(), UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    driven._now = (day + timedelta(days=1)).timestamp()
    return driven


def buy(sagemaker: Any, name: str = "plan", which: int = 0, **changes: Any) -> str:
    offerings = sagemaker.search_training_plan_offerings(**(ASKED | changes))["TrainingPlanOfferings"]
    identity = offerings[which]["TrainingPlanOfferingId"]
    return str(
        sagemaker.create_training_plan(TrainingPlanName=name, TrainingPlanOfferingId=identity)["TrainingPlanArn"]
    )


def status(sagemaker: Any, name: str = "plan") -> str:
    return str(sagemaker.describe_training_plan(TrainingPlanName=name)["Status"])


def config(sagemaker: Any, name: str, arn: str | None = None) -> None:
    production_variant: dict[str, Any] = ON_DEMAND | MANAGED
    if arn:
        reserved = {"CapacityReservationPreference": "capacity-reservations-only", "MlReservationArn": arn}
        production_variant["CapacityReservationConfig"] = reserved
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ExecutionRoleArn=ROLE, ProductionVariants=[production_variant]
    )


def advance(driven: Clock, **length: float) -> None:
    driven.advance(timedelta(**length).total_seconds(), step_s=60)


def serves(sagemaker: Any) -> int:
    runtime = sagemaker.describe_inference_component(InferenceComponentName="llama")["RuntimeConfig"]
    return int(runtime["CurrentCopyCount"])


def test_offerings_have_price_zone_and_times(sagemaker: Any, driven_at_nine: Clock) -> None:
    now = driven_at_nine.utc()
    soon, next_day, blocks = sagemaker.search_training_plan_offerings(**ASKED)["TrainingPlanOfferings"]
    capacity = soon["ReservedCapacityOfferings"][0]
    assert capacity["StartTime"] == now + timedelta(minutes=30)
    assert (capacity["EndTime"].hour, capacity["EndTime"].minute) == (11, 30)
    assert (soon["DurationHours"], soon["DurationMinutes"]) == (74, 0)
    assert (soon["UpfrontFee"], soon["CurrencyCode"]) == (f"{74 * 2 * 8 * 4:.2f}", "USD")
    assert next_day["DurationHours"] == 72
    assert [item["DurationHours"] for item in blocks["ReservedCapacityOfferings"]] == [24, 48]
    assert float(blocks["UpfrontFee"]) < float(next_day["UpfrontFee"])
    assert capacity["AvailabilityZone"] == "us-east-1a"


@pytest.mark.parametrize(
    "change",
    [
        {"InstanceCount": 3},
        {"DurationHours": 24 * 183},
        {"StartTimeAfter": datetime(2100, 1, 1, tzinfo=UTC)},
        {"EndTimeBefore": datetime(2001, 1, 1, tzinfo=UTC)},
    ],
)
def test_what_is_not_sold_is_not_offered(sagemaker: Any, driven: Clock, change: dict[str, Any]) -> None:
    assert sagemaker.search_training_plan_offerings(**(ASKED | change))["TrainingPlanOfferings"] == []


def test_plan_goes_from_pending_to_expired(sagemaker: Any, driven_at_nine: Clock) -> None:
    buy(sagemaker)
    statuses = [status(sagemaker)]
    for length in ({"seconds": 10}, {"minutes": 31}, {"hours": 74}):
        advance(driven_at_nine, **length)
        statuses.append(status(sagemaker))
    assert statuses == ["Pending", "Scheduled", "Active", "Expired"]


def test_plan_in_two_blocks_is_scheduled_between_them(sagemaker: Any, driven_at_nine: Clock) -> None:
    buy(sagemaker, which=2)
    statuses = []
    for length in ({"hours": 3}, {"hours": 24}, {"hours": 24}, {"hours": 48}):
        advance(driven_at_nine, **length)
        plan = sagemaker.describe_training_plan(TrainingPlanName="plan")
        statuses.append((plan["Status"], [block["Status"] for block in plan["ReservedCapacitySummaries"]]))
    assert statuses == [
        ("Active", ["Active", "Scheduled"]),
        ("Scheduled", ["Expired", "Scheduled"]),
        ("Active", ["Expired", "Active"]),
        ("Expired", ["Expired", "Expired"]),
    ]


def test_offering_is_sold_once_and_not_after_its_start(sagemaker: Any, driven: Clock) -> None:
    offering = sagemaker.search_training_plan_offerings(**ASKED)["TrainingPlanOfferings"][0]
    identity = {"TrainingPlanOfferingId": offering["TrainingPlanOfferingId"]}
    advance(driven, minutes=31)
    with pytest.raises(ClientError, match="no longer available"):
        sagemaker.create_training_plan(TrainingPlanName="late", **identity)
    offering = sagemaker.search_training_plan_offerings(**ASKED)["TrainingPlanOfferings"][0]
    identity = {"TrainingPlanOfferingId": offering["TrainingPlanOfferingId"]}
    sagemaker.create_training_plan(TrainingPlanName="first", **identity)
    with pytest.raises(ClientError, match="Could not find Offering"):
        sagemaker.create_training_plan(TrainingPlanName="second", **identity)


def test_plans_have_pages_filters_and_order(sagemaker: Any, driven: Clock) -> None:
    for index in range(25):
        buy(sagemaker, f"plan-{index:02}")
        driven.advance(1)
    with pytest.raises(ClientError, match="ResourceLimitExceeded"):
        buy(sagemaker, "one-too-many")
    pages = list(sagemaker.get_paginator("list_training_plans").paginate())
    assert [len(page["TrainingPlanSummaries"]) for page in pages] == [10, 10, 5]
    request: dict[str, Any] = {"SortBy": "TrainingPlanName", "SortOrder": "Ascending", "MaxResults": 1}
    assert sagemaker.list_training_plans(**request)["TrainingPlanSummaries"][0]["TrainingPlanName"] == "plan-00"
    advance(driven, minutes=5)
    active = [{"Name": "Status", "Value": "Active"}]
    assert sagemaker.list_training_plans(Filters=active)["TrainingPlanSummaries"] == []


@pytest.fixture
def reserved(sagemaker: Any, driven_at_nine: Clock) -> Any:
    """An endpoint on a plan of one instance, with a component of one copy, an hour after the plan's beginning."""
    config(sagemaker, "reserved", buy(sagemaker, InstanceCount=1, DurationHours=24))
    advance(driven_at_nine, minutes=31)
    sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="reserved")
    driven_at_nine.advance(5)
    any_component(sagemaker)
    driven_at_nine.advance(5)
    assert serves(sagemaker) == 1
    return sagemaker


def test_instances_end_half_an_hour_before_the_plan_and_nothing_serves_after(
    reserved: Any, driven_at_nine: Clock
) -> None:
    end = reserved.describe_training_plan(TrainingPlanName="plan")["EndTime"]
    advance(driven_at_nine, seconds=(end - driven_at_nine.utc()).total_seconds() - 31 * 60)
    assert serves(reserved) == 1
    advance(driven_at_nine, minutes=2)
    assert serves(reserved) == 0
    described = reserved.describe_inference_component(InferenceComponentName="llama")
    assert "InsufficientInstanceCapacity" in described["FailureReason"]
    variant = reserved.describe_endpoint(EndpointName="fleet")["ProductionVariants"][0]
    assert variant["CurrentInstanceCount"] == 0
    advance(driven_at_nine, hours=1)
    assert (status(reserved), serves(reserved)) == ("Expired", 0)


def test_endpoint_that_leaves_in_time_keeps_answering(reserved: Any, driven_at_nine: Clock) -> None:
    advance(driven_at_nine, hours=20)
    config(reserved, "on-demand")
    reserved.update_endpoint(EndpointName="fleet", EndpointConfigName="on-demand")
    for _ in range(10):
        driven_at_nine.advance(1)
        assert serves(reserved) == 1
    advance(driven_at_nine, hours=10)
    assert (status(reserved), serves(reserved)) == ("Expired", 1)
    assert reserved.describe_training_plan(TrainingPlanName="plan")["InUseInstanceCount"] == 0


def test_endpoint_that_leaves_too_late_comes_back_on_demand(reserved: Any, driven_at_nine: Clock) -> None:
    advance(driven_at_nine, hours=40)
    assert serves(reserved) == 0
    config(reserved, "on-demand")
    reserved.update_endpoint(EndpointName="fleet", EndpointConfigName="on-demand")
    driven_at_nine.advance(30)
    assert serves(reserved) == 1
    assert "FailureReason" not in reserved.describe_inference_component(InferenceComponentName="llama")


def test_plan_has_no_more_instances_than_were_bought(reserved: Any, driven_at_nine: Clock) -> None:
    reserved.update_inference_component_runtime_config(
        InferenceComponentName="llama",
        DesiredRuntimeConfig={"CopyCount": 9},  # two GPUs each, eight per instance
    )
    driven_at_nine.advance(60)
    assert serves(reserved) == 4


def test_expired_plan_is_refused(reserved: Any, driven_at_nine: Clock) -> None:
    advance(driven_at_nine, hours=40)
    with pytest.raises(ClientError, match="is Expired for"):
        reserved.create_endpoint(EndpointName="other", EndpointConfigName="reserved")
