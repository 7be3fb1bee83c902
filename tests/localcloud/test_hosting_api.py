"""SageMaker hosting through boto3, in this process, on a driven clock."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from localcloud.aws import faults
from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import ROLE, SESSION, any_component, any_endpoint, specification, variant

TAG = {"Key": "team", "Value": "search"}


def status(sagemaker: Any, name: str = "llama") -> str:
    return str(sagemaker.describe_inference_component(InferenceComponentName=name)["InferenceComponentStatus"])


def refusal(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return str(caught.value.response["Error"]["Message"])


@pytest.fixture
def fleet(sagemaker: Any, driven: Any) -> Any:
    any_endpoint(sagemaker)
    driven.advance(5)
    return sagemaker


def test_endpoint_is_creating_until_its_time_has_come(sagemaker: Any, driven: Any) -> None:
    any_endpoint(sagemaker)
    assert sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "Creating"
    driven.advance(5)
    described = sagemaker.describe_endpoint(EndpointName="fleet")
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1


def test_component_is_in_service_once_all_its_copies_are_healthy(fleet: Any, driven: Any) -> None:
    any_component(fleet, copies=2)
    assert status(fleet) == "Creating"
    driven.advance(5)
    described = fleet.describe_inference_component(InferenceComponentName="llama")
    assert described["InferenceComponentStatus"] == "InService"
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert described["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == "sglang:latest"


def test_instances_follow_the_copies_and_are_released_when_empty(fleet: Any, driven: Any) -> None:
    def instances() -> int:
        return int(fleet.describe_endpoint(EndpointName="fleet")["ProductionVariants"][0]["CurrentInstanceCount"])

    any_component(fleet, copies=3)  # two GPUs each, four per instance
    driven.advance(10)
    assert instances() == 2
    fleet.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 0}
    )
    driven.advance(120)
    assert status(fleet) == "InService"
    assert instances() == 0


def test_copies_beyond_the_largest_instance_count_stay_unplaced(fleet: Any, driven: Any) -> None:
    any_component(fleet, copies=1)
    driven.advance(10)
    fleet.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 9}
    )
    driven.advance(120)
    described = fleet.describe_inference_component(InferenceComponentName="llama")
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 9, "CurrentCopyCount": 6}
    assert described["InferenceComponentStatus"] == "InService"


def test_component_that_never_fits_fails_and_says_why(sagemaker: Any, driven: Any) -> None:
    any_endpoint(sagemaker, ManagedInstanceScaling={"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 1})
    driven.advance(5)
    any_component(sagemaker, copies=3)
    driven.advance(60)
    described = sagemaker.describe_inference_component(InferenceComponentName="llama")
    assert described["InferenceComponentStatus"] == "Failed"
    assert "Not enough accelerators" in described["FailureReason"]


def test_update_serves_with_the_old_copies_until_the_new_ones_are_healthy(fleet: Any, driven: Any) -> None:
    any_component(fleet)
    driven.advance(5)
    fleet.update_inference_component(
        InferenceComponentName="llama",
        Specification=specification(Container={"Image": "sglang:next"}),
        RuntimeConfig={"CopyCount": 1},
    )
    healthy = []
    while status(fleet) == "Updating":
        described = fleet.describe_inference_component(InferenceComponentName="llama")
        healthy.append(described["RuntimeConfig"]["CurrentCopyCount"])
        driven.advance(1)
    assert min(healthy) >= 1
    described = fleet.describe_inference_component(InferenceComponentName="llama")
    assert described["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == "sglang:next"


def test_update_that_fails_its_health_check_goes_back_to_what_served(fleet: Any, driven: Any) -> None:
    any_component(fleet)
    driven.advance(5)
    faults.inject("component-health-check", target="llama", times=1)
    fleet.update_inference_component(
        InferenceComponentName="llama", Specification=specification(Container={"Image": "sglang:bad"})
    )
    driven.advance(10)
    described = fleet.describe_inference_component(InferenceComponentName="llama")
    assert described["InferenceComponentStatus"] == "InService"
    assert "no healthy /ping" in described["FailureReason"]
    assert described["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == "sglang:latest"
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 1


def test_update_without_room_and_without_a_rolling_policy_makes_room(sagemaker: Any, driven: Any) -> None:
    any_endpoint(sagemaker, ManagedInstanceScaling={"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 1})
    driven.advance(5)
    any_component(sagemaker, copies=2)
    driven.advance(5)
    sagemaker.update_inference_component(
        InferenceComponentName="llama", Specification=specification(Container={"Image": "sglang:next"})
    )
    driven.advance(15)
    assert status(sagemaker) == "InService"
    assert "FailureReason" not in sagemaker.describe_inference_component(InferenceComponentName="llama")


def test_rolling_update_without_head_room_is_taken_back(sagemaker: Any, driven: Any) -> None:
    any_endpoint(sagemaker, ManagedInstanceScaling={"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 1})
    driven.advance(5)
    any_component(sagemaker, copies=2)
    driven.advance(5)
    rolling = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}
    sagemaker.update_inference_component(
        InferenceComponentName="llama",
        Specification=specification(Container={"Image": "sglang:next"}),
        DeploymentConfig={"RollingUpdatePolicy": rolling},
    )
    driven.advance(60)
    described = sagemaker.describe_inference_component(InferenceComponentName="llama")
    assert described["InferenceComponentStatus"] == "InService"
    assert "Not enough accelerators" in described["FailureReason"]
    assert described["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == "sglang:latest"


def test_endpoint_update_moves_to_the_new_configuration(fleet: Any, driven: Any) -> None:
    fleet.create_endpoint_config(
        EndpointConfigName="fleet-2", ExecutionRoleArn=ROLE, ProductionVariants=[variant(InitialInstanceCount=2)]
    )
    fleet.update_endpoint(EndpointName="fleet", EndpointConfigName="fleet-2")
    described = fleet.describe_endpoint(EndpointName="fleet")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("Updating", "fleet-1")
    assert described["PendingDeploymentSummary"]["EndpointConfigName"] == "fleet-2"
    driven.advance(5)
    described = fleet.describe_endpoint(EndpointName="fleet")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "fleet-2")
    assert "PendingDeploymentSummary" not in described


def test_silent_rollback_ends_in_service_with_the_old_configuration_and_no_reason(fleet: Any, driven: Any) -> None:
    fleet.create_endpoint_config(EndpointConfigName="fleet-2", ExecutionRoleArn=ROLE, ProductionVariants=[variant()])
    faults.inject("silent-rollback", target="fleet")
    fleet.update_endpoint(EndpointName="fleet", EndpointConfigName="fleet-2")
    statuses = []
    for _ in range(8):
        driven.advance(1)
        statuses.append(fleet.describe_endpoint(EndpointName="fleet")["EndpointStatus"])
    assert "RollingBack" in statuses
    described = fleet.describe_endpoint(EndpointName="fleet")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "fleet-1")
    assert "FailureReason" not in described


def test_insufficient_capacity_fails_a_new_endpoint(sagemaker: Any, driven: Any) -> None:
    faults.inject("insufficient-capacity", target="fleet")
    any_endpoint(sagemaker)
    driven.advance(5)
    described = sagemaker.describe_endpoint(EndpointName="fleet")
    assert described["EndpointStatus"] == "Failed"
    assert "InsufficientInstanceCapacity" in described["FailureReason"]


def test_a_component_can_be_held_in_creating(fleet: Any, driven: Any) -> None:
    faults.inject("component-creating", target="llama")
    any_component(fleet)
    driven.advance(7200)
    described = fleet.describe_inference_component(InferenceComponentName="llama")
    assert described["InferenceComponentStatus"] == "Creating"
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 0
    assert "FailureReason" not in described
    any_component(fleet, name="other")
    driven.advance(10)
    assert status(fleet, "other") == "InService"

    faults.clear("component-creating")
    driven.advance(10)
    assert status(fleet) == "InService"


def test_a_quota_of_zero_refuses_endpoints_and_their_updates(sagemaker: Any, driven: Any) -> None:
    faults.inject("endpoint-quota-zero", target="ml.g6e.12xlarge")
    with pytest.raises(ClientError) as error:
        any_endpoint(sagemaker)
    assert error.value.response["Error"]["Code"] == "ResourceLimitExceeded"
    assert "The account-level service limit 'ml.g6e.12xlarge for endpoint usage' is 0 Instances" in str(error.value)
    assert sagemaker.list_endpoints()["Endpoints"] == []

    faults.clear()
    sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="fleet-1")
    driven.advance(5)
    faults.inject("endpoint-quota-zero", target="ml.g6e.12xlarge")
    with pytest.raises(ClientError, match="ResourceLimitExceeded"):
        sagemaker.update_endpoint(EndpointName="fleet", EndpointConfigName="fleet-1")
    assert sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService"
    any_component(sagemaker, copies=4)  # the first instance takes two
    driven.advance(5)
    found = sagemaker.describe_inference_component(InferenceComponentName="llama")
    assert "Unable to provision requested ML compute capacity" in found["FailureReason"]


def test_instance_pool_falls_back_to_the_next_type(sagemaker: Any, driven: Any) -> None:
    pools = [{"InstanceType": "ml.g6e.12xlarge", "Priority": 1}, {"InstanceType": "ml.g6e.48xlarge", "Priority": 2}]
    changes = variant(InstancePools=pools)
    del changes["InstanceType"]
    sagemaker.create_endpoint_config(EndpointConfigName="c", ExecutionRoleArn=ROLE, ProductionVariants=[changes])
    sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="c")
    driven.advance(5)
    faults.inject("insufficient-capacity", target="fleet/ml.g6e.12xlarge")
    any_component(sagemaker, copies=4)  # the first instance takes two
    driven.advance(10)
    assert status(sagemaker) == "InService"
    (state,) = stores()
    assert [i.type for i in state.endpoints["fleet"].instances["main"]] == ["ml.g6e.12xlarge", "ml.g6e.48xlarge"]


def test_adapter_lives_on_its_base_and_blocks_its_deletion(fleet: Any, driven: Any) -> None:
    any_component(fleet)
    driven.advance(5)
    adapter = {"BaseInferenceComponentName": "llama", "Container": {"ArtifactUrl": "s3://models/triage.tar.gz"}}
    fleet.create_inference_component(InferenceComponentName="triage", EndpointName="fleet", Specification=adapter)
    driven.advance(2)
    assert status(fleet, "triage") == "InService"
    assert fleet.describe_inference_component(InferenceComponentName="triage")["VariantName"] == "main"
    assert "adapters use it: ['triage']" in refusal(fleet.delete_inference_component, InferenceComponentName="llama")
    fleet.delete_inference_component(InferenceComponentName="triage")
    driven.advance(1)
    fleet.delete_inference_component(InferenceComponentName="llama")
    driven.advance(2)
    assert fleet.list_inference_components()["InferenceComponents"] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"InferenceComponentName": "not_a_name"}, "Member must satisfy regular expression pattern"),
        (
            {"Specification": specification(StartupParameters={"ModelDataDownloadTimeoutInSeconds": 9999})},
            "Member must be less than or equal to 3600",
        ),
        ({"VariantName": "other"}, 'Could not find production variant "other"'),
        ({"EndpointName": "other"}, "Could not find endpoint"),
        ({"Specification": specification(ModelName="absent", Container={})}, 'Could not find model "'),
        ({"Specification": specification(Container={})}, "Exactly one of ModelName and Container.Image"),
        (
            {"Specification": specification(SchedulingConfig={"PlacementStrategy": "RANDOM"})},
            "Member must satisfy enum value set: [SPREAD, BINPACK]",
        ),
        (
            {
                "Specification": specification(
                    ComputeResourceRequirements={
                        "MinMemoryRequiredInMb": 1024,
                        "NumberOfAcceleratorDevicesRequired": 8,
                    }
                )
            },
            "NumberOfAcceleratorDevicesRequired is 8",
        ),
    ],
)
def test_component_is_refused_for(fleet: Any, change: dict[str, Any], says: str) -> None:
    request = {
        "InferenceComponentName": "llama",
        "EndpointName": "fleet",
        "VariantName": "main",
        "Specification": specification(),
        "RuntimeConfig": {"CopyCount": 1},
    }
    assert says in refusal(fleet.create_inference_component, **(request | change))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"InstanceType": "ml.g9.huge"}, "Member must satisfy enum value set"),
        ({"InitialInstanceCount": 5}, "InitialInstanceCount must not be greater than MaxInstanceCount"),
        ({"ModelName": "absent"}, 'Could not find model "'),
        ({"RoutingConfig": {"RoutingStrategy": "PREFIX_AWARE"}}, "requires PrefixLength"),
        ({"CapacityReservationConfig": {"CapacityReservationPreference": "capacity-reservations-first"}}, "enum value"),
    ],
)
def test_endpoint_configuration_is_refused_for(sagemaker: Any, change: dict[str, Any], says: str) -> None:
    call = sagemaker.create_endpoint_config
    message = refusal(call, EndpointConfigName="c", ExecutionRoleArn=ROLE, ProductionVariants=[variant(**change)])
    assert says in message


def test_component_endpoint_needs_an_execution_role(sagemaker: Any) -> None:
    message = refusal(sagemaker.create_endpoint_config, EndpointConfigName="c", ProductionVariants=[variant()])
    assert "ExecutionRoleArn is required" in message


def test_variant_that_hosts_a_component_cannot_be_dropped(fleet: Any, driven: Any) -> None:
    any_component(fleet)
    driven.advance(5)
    other = [variant(VariantName="other")]
    fleet.create_endpoint_config(EndpointConfigName="fleet-2", ExecutionRoleArn=ROLE, ProductionVariants=other)
    message = refusal(fleet.update_endpoint, EndpointName="fleet", EndpointConfigName="fleet-2")
    assert "it hosts inference component llama" in message


def test_endpoint_with_components_is_not_deleted(fleet: Any, driven: Any) -> None:
    any_component(fleet)
    driven.advance(5)
    assert "it hosts inference components ['llama']" in refusal(fleet.delete_endpoint, EndpointName="fleet")


def test_component_is_not_deleted_while_it_is_creating(fleet: Any) -> None:
    any_component(fleet)
    assert "while it is Creating" in refusal(fleet.delete_inference_component, InferenceComponentName="llama")


def test_list_has_pages_filters_and_order(fleet: Any, driven: Any) -> None:
    for index in range(5):
        any_component(fleet, f"c{index}", copies=0)
        driven.advance(1)
    pages = list(fleet.get_paginator("list_inference_components").paginate(PaginationConfig={"PageSize": 2}))
    names = [item["InferenceComponentName"] for page in pages for item in page["InferenceComponents"]]
    assert [len(page["InferenceComponents"]) for page in pages] == [2, 2, 1]
    assert names == ["c4", "c3", "c2", "c1", "c0"]
    found = fleet.list_inference_components(NameContains="C3", SortBy="Name", SortOrder="Ascending")
    assert [item["InferenceComponentName"] for item in found["InferenceComponents"]] == ["c3"]
    assert fleet.list_inference_components(EndpointNameEquals="none")["InferenceComponents"] == []


def test_tags_are_kept_and_changed(fleet: Any) -> None:
    arn = fleet.describe_endpoint(EndpointName="fleet")["EndpointArn"]
    fleet.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "ml"}])
    assert fleet.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "ml"}]
    fleet.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert fleet.list_tags(ResourceArn=arn)["Tags"] == []


def test_nothing_leaks_into_the_next_mock(driven: Any) -> None:
    first = SESSION.client("sagemaker")
    any_endpoint(first)
    assert first.list_endpoints()["Endpoints"]


def test_nothing_leaked_from_the_mock_before(driven: Any) -> None:
    assert SESSION.client("sagemaker").list_endpoints()["Endpoints"] == []
    with mock_aws():
        assert SESSION.client("sagemaker", region_name="eu-west-1").list_endpoints()["Endpoints"] == []
    assert list(stores()) == [] or not any(state.endpoints for state in stores())


def test_arns_have_names_in_lower_case_and_a_name_is_one_whatever_its_case(sagemaker: Any, driven: Any) -> None:
    any_endpoint(sagemaker, "Prod-Chat")
    driven.advance(5)
    sagemaker.create_model(
        ModelName="Llama", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "sglang:latest"}, Tags=[TAG]
    )
    any_component(sagemaker, "Prod-Chat-Llama", endpoint="Prod-Chat")
    endpoint = sagemaker.describe_endpoint(EndpointName="Prod-Chat")
    config = sagemaker.describe_endpoint_config(EndpointConfigName="Prod-Chat-1")
    component = sagemaker.describe_inference_component(InferenceComponentName="Prod-Chat-Llama")
    model = sagemaker.describe_model(ModelName="Llama")
    assert endpoint["EndpointName"] == component["EndpointName"] == "Prod-Chat"  # the name itself keeps its case
    assert endpoint["EndpointArn"].endswith(":endpoint/prod-chat")
    assert config["EndpointConfigArn"].endswith(":endpoint-config/prod-chat-1")
    assert component["InferenceComponentArn"].endswith(":inference-component/prod-chat-llama")
    assert model["ModelArn"].endswith(":model/llama")
    assert sagemaker.list_tags(ResourceArn=model["ModelArn"])["Tags"] == [TAG]
    message = refusal(sagemaker.create_endpoint, EndpointName="prod-chat", EndpointConfigName="Prod-Chat-1")
    assert message == f'Cannot create already existing endpoint "{endpoint["EndpointArn"]}".'
