"""Types of optimization jobs, held to botocore's model of the API."""

from __future__ import annotations

import botocore.session
import pytest

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.hardware.optimization import ARCHITECTURES, job_type_problem, job_types
from cdk_sglang.models.known_models import all_models


def test_jobs_train_on_the_types_that_the_api_takes() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    taken = set(model.shape_for("OptimizationJobDeploymentInstanceType").enum)
    assert set(job_types()) == {instance.name for instance in GpuInstance.all()} & taken


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("ml.g6e.12xlarge", None),
        ("ml.p5.4xlarge", "optimization jobs do not run on ml.p5.4xlarge"),
        (
            "ml.g6e.12xlrage",
            "'ml.g6e.12xlrage' is no instance type that optimization jobs are known to run on; did you mean 'ml.g6e.12xlarge'",
        ),
    ],
)
def test_another_type_is_refused_with_the_nearest(name: str, problem: str | None) -> None:
    assert job_type_problem(name) == problem


def test_the_catalogue_has_models_that_drafts_are_trained_for() -> None:
    assert {facts.architecture.model_type for facts in all_models()} >= {"llama", "qwen3", "gpt_oss"} & set(
        ARCHITECTURES
    )
