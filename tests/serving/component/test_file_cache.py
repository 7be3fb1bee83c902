"""The KV cache's files and the weights, held to the NVMe of the instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match

from cdk_sglang import (
    Capacity,
    ComponentScaling,
    ConfigurationError,
    Gpu,
    GpuInstance,
    HostResources,
    InferenceComponent,
    InferenceEndpoint,
    ModelSource,
    SglangOptions,
)
from cdk_sglang.engine import HicacheOptions
from cdk_sglang.models import catalogue
from cdk_sglang.planning.component.file_cache import FileCache, file_cache
from tests.serving.conftest import own_image

MakeEndpoint = Callable[..., InferenceEndpoint]
SIXTEEN_GB = ModelSource.from_s3("s3://models/llama/", weights_size=cdk.Size.mebibytes(15_259), check=False)
PATH = "llama.server.hicache.storage_extra_config"
ROOMY = HostResources(cpu_cores=2, memory_mib=8192)


def files(**bounds: Any) -> HicacheOptions:
    return HicacheOptions(size_gb=1, storage_backend="file", storage_extra_config=bounds or None)


def problems_of(call: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        call()
    return error.value.problems


@pytest.fixture
def add(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> Callable[..., InferenceComponent]:
    """Put a component of 16 GB on one instance type, in an endpoint of its own."""
    image = own_image(stack)
    numbers = iter(range(100))

    def put(instance: str | GpuInstance, *, most: int = 1, **options: Any) -> InferenceComponent:
        endpoint = any_endpoint(
            f"Chat{next(numbers)}", image=image, capacity=Capacity.on_demand(instance, max_instances=most)
        )
        options = {"model": SIXTEEN_GB, "resources": ROOMY, **options}
        return endpoint.add_component("llama", **options)

    return put


MakeComponent = Callable[..., InferenceComponent]


def test_files_larger_than_the_nvme_leaves_beside_the_weights_are_refused(add: MakeComponent) -> None:
    options = SglangOptions(hicache=files(max_size="400G"))
    assert problems_of(lambda: add("ml.g6e.xlarge", server=options)) == (
        (
            f"{PATH}.max_size: 400 GB for each of 1 process beside 16 GB of weights are 416 GB, and ml.g6e.xlarge has 250 GB of NVMe; "
            "use 233G or less, or a type with more"
        ),
    )
    add("ml.g6e.xlarge", server=SglangOptions(hicache=files(max_size="233G")))
    add("ml.g6e.4xlarge", server=options)


def test_every_process_and_every_copy_an_instance_holds_writes_files_of_its_own(add: MakeComponent) -> None:
    two = SglangOptions(tp_size=2, hicache=files(max_size="1000G"))
    add("ml.g6e.12xlarge", server=two)
    (problem,) = problems_of(lambda: add("ml.g6e.12xlarge", server=two, copies=2))
    assert problem.startswith(
        f"{PATH}.max_size: 1,000 GB for each of 2 processes of 2 copies beside 16 GB of weights are 4,016 GB"
    )
    assert "; use 945G or less, or a type with more" in problem
    scaled = ComponentScaling(min_copies=1, max_copies=2)
    assert problems_of(lambda: add("ml.g6e.12xlarge", server=two, scaling=scaled, copies=1))
    # Never more than the GPUs of an instance hold, however many copies there are.
    add("ml.g6e.12xlarge", server=SglangOptions(tp_size=4, hicache=files(max_size="900G")), copies=2, most=2)


def test_of_latent_attention_one_process_of_a_group_writes_for_all() -> None:
    latent = catalogue("deepseek-ai/DeepSeek-V3")
    options = SglangOptions(tp_size=8, hicache=files(max_size="10G"))
    assert file_cache(options, facts=None, added={}) == FileCache(writers=8, max_bytes=10e9)
    assert file_cache(options, facts=latent, added={}) == FileCache(writers=1, max_bytes=10e9)
    grouped = options.model_copy(update={"attn_dp_size": 4})
    assert file_cache(grouped, facts=latent, added={}) == FileCache(writers=4, max_bytes=10e9)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("200G", 200e9),
        ("200Gi", 200 * 2**30),
        ("1.5T", 1.5e12),
        ("1000", 1000),
        (5 * 10**9, 5e9),
        ("0", 0),
        (-1, 0),
        ("", 0),
    ],
)
def test_a_size_is_read_as_sglang_reads_it(written: str | int, size: float) -> None:
    cache = file_cache(SglangOptions(hicache=files(max_size=written)), facts=None, added={})
    assert cache is not None
    assert cache.max_bytes == size


@pytest.mark.parametrize("written", ["200GB", "200 G", "1.5Gi", "lots", "200g", "1e12", float("inf")])
def test_a_size_that_sglang_would_pass_over_is_refused(add: MakeComponent, written: str | float) -> None:
    assert problems_of(lambda: add("ml.g6e.xlarge", server=SglangOptions(hicache=files(max_size=written)))) == (
        (
            f"{PATH}.max_size: {written!r} is no size to SGLang, which would keep no bound; write 200G (10^9 bytes each) or 200Gi (2^30)"
        ),
    )


def test_bounds_come_from_variables_where_the_settings_say_nothing(add: MakeComponent) -> None:
    variables = {"SGLANG_HICACHE_FILE_BACKEND_MAX_SIZE": "400G"}
    (problem,) = problems_of(lambda: add("ml.g6e.xlarge", server=SglangOptions(hicache=files()), environment=variables))
    assert problem.startswith(f"{PATH}.max_size: 400 GB for each of 1 process")
    add("ml.g6e.xlarge", server=SglangOptions(hicache=files(max_size="100G")), environment=variables)


def test_what_is_to_stay_free_must_fit_beside_the_weights(add: MakeComponent) -> None:
    assert problems_of(lambda: add("ml.g6e.xlarge", server=SglangOptions(hicache=files(min_free_space="240G")))) == (
        f"{PATH}.min_free_space: 240 GB are to stay free beside 16 GB of weights, and ml.g6e.xlarge has 250 GB of NVMe; use less",
    )
    add("ml.g6e.xlarge", server=SglangOptions(hicache=files(min_free_space="100G")))


def test_weights_larger_than_the_nvme_are_refused(add: MakeComponent) -> None:
    big = ModelSource.from_s3("s3://models/big/", weights_size=cdk.Size.gibibytes(300), check=False)
    assert problems_of(lambda: add("ml.g6e.xlarge", model=big)) == (
        "llama.model: 322 GB of files, and ml.g6e.xlarge has 250 GB of NVMe, where SageMaker puts them; use a type with more",
    )
    add("ml.g6e.2xlarge", model=big)


def test_every_type_of_a_pool_must_have_the_room(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    endpoint = any_endpoint(
        image=own_image(stack), capacity=Capacity.pool(["ml.g6e.4xlarge", "ml.g6e.xlarge"], max_instances=1)
    )
    options = SglangOptions(hicache=files(max_size="400G"))
    (problem,) = problems_of(lambda: endpoint.add_component("llama", model=SIXTEEN_GB, server=options, resources=ROOMY))
    assert "ml.g6e.xlarge has 250 GB of NVMe" in problem


def test_of_a_type_without_nvme_nothing_is_said(add: MakeComponent) -> None:
    volume = GpuInstance.of("ml.g9.xlarge", gpu=Gpu.of("L40S-48GB"), gpu_count=1, vcpus=8, memory_gib=64)
    add(volume, server=SglangOptions(hicache=files(max_size="4T")))


def _warnings(component: InferenceComponent) -> list[Any]:
    return Annotations.from_stack(cdk.Stack.of(component)).find_warning(
        "*", Match.string_like_regexp("nothing bounds what SGLang writes")
    )


def test_files_that_nothing_bounds_are_warned_of(add: MakeComponent) -> None:
    assert len(_warnings(add("ml.g6e.xlarge", server=SglangOptions(hicache=files())))) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"server": SglangOptions(hicache=files(max_size="10G"))},
        {"server": SglangOptions(hicache=files(min_free_space="10G"))},
        {
            "server": SglangOptions(hicache=files()),
            "environment": {"SGLANG_HICACHE_FILE_BACKEND_MIN_FREE_SPACE": "10G"},
        },
        {"server": SglangOptions(hicache=HicacheOptions(size_gb=1))},
        {"server": SglangOptions(hicache=HicacheOptions(size_gb=1, storage_backend="nixl"))},
    ],
)
def test_files_that_are_bounded_and_other_backends_are_not_warned_of(
    add: MakeComponent, options: dict[str, Any]
) -> None:
    assert _warnings(add("ml.g6e.xlarge", **options)) == []


def test_a_bound_that_is_known_at_deployment_alone_is_left_to_sglang(add: MakeComponent, stack: cdk.Stack) -> None:
    variable = cdk.CfnParameter(stack, "Files").value_as_string
    component = add(
        "ml.g6e.xlarge",
        server=SglangOptions(hicache=files()),
        environment={"SGLANG_HICACHE_FILE_BACKEND_MAX_SIZE": variable},
    )
    assert _warnings(component) == []
