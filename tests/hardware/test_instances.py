"""GPU instance types, their AMIs, Regions and prices."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import botocore.session
import pytest

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import (
    Gpu,
    GpuInstance,
    InferenceAmi,
    ami_problems,
    inference_ami_for,
    packaged_prices,
    price_usd_per_hour,
    read_prices,
    region_problems,
    regions_without,
)
from cdk_sglang.hardware.amis import _first_cuda

if TYPE_CHECKING:
    from pathlib import Path

AL2023_IMAGE = frozenset({"9.0", "10.0", "10.3"})
GPU_4_1 = "al2023-ami-sagemaker-inference-gpu-4-1"
FAMILIES = ("g5", "g6", "g6e", "g7e", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300")


def test_every_hosting_type_of_the_families_is_in_the_table() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    hosting = {name for name in model.shape_for("ProductionVariantInstanceType").enum if name.split(".")[1] in FAMILIES}
    assert {instance.name for instance in GpuInstance.all()} == hosting


def test_a_type_is_reservable_exactly_when_training_plans_name_it() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    plans = set(model.shape_for("ReservedCapacityInstanceType").enum)
    assert {i.name for i in GpuInstance.all() if i.reservable} == plans & {i.name for i in GpuInstance.all()}


def test_every_type_is_a_declared_class_attribute() -> None:
    for instance in GpuInstance.all():
        attribute = instance.name.removeprefix("ml.").replace(".", "_").replace("-", "_").upper()
        assert attribute in GpuInstance.__annotations__
        assert getattr(GpuInstance, attribute) is instance


def test_every_fact_names_its_source() -> None:
    assert all(fact.source for facts in (GpuInstance.all(), Gpu.all(), InferenceAmi.all()) for fact in facts)
    assert all(price.source for price in packaged_prices().values())


def test_p5_48xlarge_has_eight_h100() -> None:
    p5 = GpuInstance.P5_48XLARGE
    assert (p5.gpu.product, p5.gpu_count, p5.gpu.compute_capability) == ("H100", 8, "9.0")
    assert p5.gpu_memory_gib == pytest.approx(8 * 78.6)


def test_an_unknown_type_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        ConfigurationError, match=r"unknown GPU instance type 'ml.p5.48xlage'; did you mean 'ml.p5.48xlarge'"
    ):
        GpuInstance.of("ml.p5.48xlage")


def test_where_nobody_can_describe_a_type_nobody_is_told_to() -> None:
    assert GpuInstance.named("ml.p5.48xlarge") is GpuInstance.P5_48XLARGE
    with pytest.raises(ConfigurationError) as error:
        GpuInstance.named("ml.p5.48xlage")
    assert error.value.problems == ("unknown GPU instance type 'ml.p5.48xlage'; did you mean 'ml.p5.48xlarge'",)


def test_an_unknown_gpu_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'H100-SXM-80GB'"):
        Gpu.of("H100-SXM-80")


def test_a_type_the_table_lacks_can_be_described() -> None:
    new = GpuInstance.of("ml.g9.12xlarge", gpu=Gpu.of("L40S-48GB"), gpu_count=4, vcpus=48, memory_gib=384)
    assert (new.family, new.gpu_count, new.nvme_gb, new.reservable) == ("g9", 4, 0, False)


def test_a_half_described_type_names_everything_that_is_wrong() -> None:
    with pytest.raises(ConfigurationError) as error:
        GpuInstance.of("g9.12xlarge", gpu=Gpu.of("L40S-48GB"), gpu_count=0)
    assert error.value.problems == (
        "g9.12xlarge: vcpus is missing; describe a new type with all of gpu, gpu_count, vcpus and memory_gib",
        "g9.12xlarge: memory_gib is missing; describe a new type with all of gpu, gpu_count, vcpus and memory_gib",
        "g9.12xlarge: not an instance type name; write ml.<family>.<size>, such as ml.p5.48xlarge",
        "g9.12xlarge: gpu_count is 0; it must be above 0",
    )


@pytest.mark.parametrize("family", ["g5", "g6", "g6e", "p4d", "p5", "p5en"])
def test_cuda_13_images_select_the_al2023_ami(family: str) -> None:
    instance = next(i for i in GpuInstance.all() if i.family == family)
    chosen = inference_ami_for(instance, "13.0.3", None)
    assert chosen is not None
    assert (chosen.name, chosen.cuda) == (GPU_4_1, "13.0")


def test_families_that_default_to_the_newest_ami_ask_for_none() -> None:
    assert inference_ami_for(GpuInstance.P6_B200_48XLARGE, "13.0", AL2023_IMAGE) is None
    assert ami_problems(GpuInstance.P6_B200_48XLARGE, "13.0", AL2023_IMAGE, None) == []


def test_an_image_not_compiled_for_the_gpu_is_refused_with_the_ubuntu_tag() -> None:
    assert ami_problems(GpuInstance.G5_2XLARGE, "13.0", AL2023_IMAGE, None) == [
        (
            "the image is compiled for compute capability 9.0, 10.0, 10.3, ml.g5.2xlarge (A10G) needs 8.6; "
            "use an image that has it, such as the Ubuntu tag 0.5-gpu-py312-cu130-ubuntu24.04-sagemaker-v1"
        )
    ]
    assert inference_ami_for(GpuInstance.G5_2XLARGE, "13.0", AL2023_IMAGE) is None


def test_code_of_a_lower_minor_capability_runs() -> None:
    assert ami_problems(GpuInstance.P6_B300_48XLARGE, "13.0", frozenset({"10.0"}), None) == []
    assert ami_problems(GpuInstance.P6_B200_48XLARGE, "13.0", frozenset({"10.3"}), None) != []


def test_an_ami_older_than_the_image_is_refused_with_the_one_that_fits() -> None:
    ami = "al2-ami-sagemaker-inference-gpu-2-1"
    assert ami_problems(GpuInstance.G6E_12XLARGE, "13.0", None, ami) == [
        f"the image needs CUDA 13.0, inference AMI {ami} has 12.2 on ml.g6e.12xlarge; use {GPU_4_1}"
    ]


def test_an_image_newer_than_every_ami_is_refused_with_the_newest_cuda() -> None:
    assert ami_problems(GpuInstance.P5_48XLARGE, "13.4", None, None) == [
        (
            f"the image needs CUDA 13.4, the newest inference AMI on ml.p5.48xlarge ({GPU_4_1}) has 13.0; "
            "use an image with CUDA 13.0 or older"
        )
    ]


def test_unknown_and_misplaced_amis_are_refused() -> None:
    assert "unknown inference AMI 'al2-gpu-4'" in ami_problems(GpuInstance.P5_48XLARGE, "12.2", None, "al2-gpu-4")[0]
    (line,) = ami_problems(GpuInstance.G5_XLARGE, "12.2", None, "al2-ami-sagemaker-inference-gpu-3-1")
    assert line == f"inference AMI al2-ami-sagemaker-inference-gpu-3-1 is not offered on ml.g5.xlarge; use {GPU_4_1}"


def test_a_described_family_raises_no_ami_problem() -> None:
    new = GpuInstance.of("ml.g9.12xlarge", gpu=Gpu.of("L40S-48GB"), gpu_count=4, vcpus=48, memory_gib=384)
    assert ami_problems(new, "13.9", None, None) == []


@pytest.mark.parametrize(
    ("name", "cuda", "first"),
    [
        ("ml.p6-b200.48xlarge", "12.4", "12.8"),
        ("ml.p6-b300.48xlarge", "12.8", "12.9"),
        ("ml.g7e.2xlarge", "12.6.1", "12.8"),
        ("ml.p5.48xlarge", "11.7", "11.8"),
    ],
)
def test_an_image_with_a_cuda_older_than_the_gpu_is_refused(name: str, cuda: str, first: str) -> None:
    (line,) = ami_problems(GpuInstance.of(name), cuda, None, None)
    assert line.startswith(f"the image has CUDA {cuda}, which knows no GPU of compute capability ")
    assert line.endswith(f"; use an image with CUDA {first} or newer")
    assert ami_problems(GpuInstance.of(name), first, None, None) == []


def test_every_gpu_of_the_catalogue_has_a_first_cuda() -> None:
    assert {gpu.compute_capability for gpu in Gpu.all()} == set(_first_cuda())


def test_a_region_without_sagemaker_is_refused() -> None:
    (line,) = region_problems("us-eats-1", GpuInstance.P5_48XLARGE)
    assert line == "SageMaker has no endpoint in Region 'us-eats-1' (botocore 1.44.5); did you mean 'us-east-1'"


def test_a_documented_gap_is_refused_and_an_unknown_one_is_not() -> None:
    assert regions_without(GpuInstance.G5_12XLARGE) == {"ap-southeast-1"}
    (line,) = region_problems("ap-southeast-1", GpuInstance.G5_12XLARGE)
    assert "ml.g5.12xlarge is documented as not available in ap-southeast-1" in line
    assert region_problems("ap-southeast-1", GpuInstance.G6_12XLARGE) == []


def test_a_confirmed_hosting_price_is_exact_and_other_regions_are_estimates() -> None:
    here = price_usd_per_hour(GpuInstance.P5EN_48XLARGE, "us-east-2")
    there = price_usd_per_hour(GpuInstance.P5EN_48XLARGE, "eu-west-1")
    assert here is not None
    assert there is not None
    assert (here.usd_per_hour, here.is_estimate) == (72.795, False)
    assert (there.usd_per_hour, there.is_estimate, there.region) == (72.795, True, "us-east-2")
    assert here.age_days(dt.date(2026, 10, 13)) == 10


def test_a_type_without_any_price_has_none() -> None:
    assert price_usd_per_hour(GpuInstance.G5_16XLARGE, "us-east-1") is None


def test_a_price_file_wins_over_the_packaged_prices_and_says_that_it_did(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(
        "instance,region,usd_per_hour,date,kind,is_estimate,source\n"
        "ml.g5.16xlarge,us-east-1,5.12,2026-11-01,on-demand hosting,no,price list\n"
    )
    price = price_usd_per_hour(GpuInstance.G5_16XLARGE, "us-east-1", table=read_prices(path))
    assert price is not None
    assert (price.usd_per_hour, price.file) == (5.12, str(path))
    other = price_usd_per_hour(GpuInstance.P5EN_48XLARGE, "us-east-2", table=read_prices(path))
    assert other is not None
    assert (other.usd_per_hour, other.file) == (72.795, "")


def test_a_broken_price_file_names_every_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(
        "instance,region,usd_per_hour,date,kind,is_estimate,source\n"
        "ml.a.b,us-east-1,x,2026-01-01,k,no,s\n"
        "ml.a.b,us-east-1,-1,2026-13-01,k,perhaps,s\n"
        "a,,nan,2026-01-01,k,no,s,more\n"
        "ml.c.d,us-east-1,1\n"
        "ml.e.f,us-east-1,1,2026-01-01,k,no,s\n"
        "ml.e.f,us-east-1,2,2026-02-01,k,no,s\n"
    )
    with pytest.raises(ConfigurationError) as error:
        read_prices(path)
    assert error.value.problems == (
        f"{path}: line 2: usd_per_hour: 'x' is not allowed; write a number above 0, such as 13.12",
        f"{path}: line 3: usd_per_hour: '-1' is not allowed; write a number above 0, such as 13.12",
        f"{path}: line 3: date: '2026-13-01' is not a date; write the day it was read, such as 2026-11-01",
        f"{path}: line 3: is_estimate: 'perhaps' is not allowed; write no, or yes where it was inferred from something else",
        f"{path}: line 4: region: empty; write a Region, such as us-east-1",
        f"{path}: line 4: more cells than the 7 columns; put a cell with a comma in quotes",
        f"{path}: line 4: instance: 'a' is not an instance type; write ml.<family>.<size>, such as ml.g6e.12xlarge",
        f"{path}: line 4: usd_per_hour: 'nan' is not allowed; write a number above 0, such as 13.12",
        f"{path}: line 5: date: empty; write the day it was read, such as 2026-11-01",
        f"{path}: line 5: kind: empty; write what it is, such as on-demand hosting",
        f"{path}: line 5: is_estimate: empty; write no, or yes where it was inferred from something else",
        f"{path}: line 5: source: empty; write where it was read",
        f"{path}: line 7: ml.e.f in us-east-1 has a price already, on line 6; keep the newer of the two",
    )
    path.write_text("a,b\n")
    with pytest.raises(ConfigurationError, match="columns instance, region"):
        read_prices(path)
    with pytest.raises(ConfigurationError, match="cannot read prices"):
        read_prices(tmp_path / "absent.csv")
