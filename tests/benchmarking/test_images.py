"""Images of the planned load in a benchmark: sent, compared with the plan that counts them, and refused where they cannot be sent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdk_sglang import ConfigurationError, Dataset, Load, Workload
from cdk_sglang.benchmarking.aiperf.configuration import Address, configuration
from cdk_sglang.benchmarking.jobs.parameters import REGIONS, job_problems
from cdk_sglang.benchmarking.learning import measured_rows
from cdk_sglang.benchmarking.resolved import ResolvedWorkload, resolve_workload
from cdk_sglang.benchmarking.target import BenchEnvironment
from cdk_sglang.environments.bench import bench_environment
from cdk_sglang.models.known_models import catalogue
from tests.support.measurements import measurement

ADDRESS = Address(url="http://127.0.0.1:1", path="/chat", needs_token=False)
TWO = Load(images=2, image_resolution="720p", input_tokens=300)


def resolved(load: Load = TWO, **values: Any) -> ResolvedWorkload:
    return resolve_workload("seen", Workload(**values), load=load, slo=None)


def sent(workload: ResolvedWorkload) -> dict[str, Any]:
    content = configuration(workload, workload.steps[0], ADDRESS, model="m", tokenizer="t", folder=Path("/tmp/none"))
    dataset: dict[str, Any] = content["benchmark"]["datasets"][0]
    return dataset


def environment(folder: Path, model: str, load: dict[str, Any], **workload: Any) -> BenchEnvironment:
    component = {"model": {"id": model, "prefix": "weights/m/"}, "server": {"context_length": 16384}, "load": load}
    content = {
        "account": "111122223333",
        "region": "us-east-1",
        "network": {"vpc": "none"},
        "endpoints": {
            "e": {"capacity": {"type": "ml.g6e.2xlarge", "max_instances": 1}, "components": {"m": component}}
        },
        "bench": {"seen": {"concurrency": [1], **workload}},
    }
    (folder / "vision.yaml").write_text(yaml.safe_dump(content))
    return bench_environment("vision", folder=folder)


def test_images_of_the_load_are_sent_in_their_size() -> None:
    assert sent(resolved())["images"] == {"batch_size": 2, "height": 720, "width": 1280}
    assert sent(resolved())["prompts"]["isl"] == {"mean": 300}
    assert sent(resolved(images=1))["images"]["batch_size"] == 1


def test_a_workload_of_text_sends_none_and_is_the_same_as_before_there_were_images() -> None:
    for workload in (resolved(Load()), resolved(images=0), resolved(dataset=Dataset(file="prompts.jsonl"))):
        assert workload.images is None
        assert "images" not in json.loads(workload.content)
    assert resolved().content_hash != resolved(images=0).content_hash != resolved(images=1).content_hash


def test_the_pinned_aiperf_takes_the_images(root: Path, tmp_path: Path) -> None:
    program = root / ".venv-bench/bin/aiperf"
    if not program.is_file():
        pytest.skip("AIPerf is not installed: make bench-tools")
    file = tmp_path / "config.yaml"
    workload = resolved()
    content = configuration(workload, workload.steps[0], ADDRESS, model="m", tokenizer="t", folder=tmp_path)
    file.write_text(json.dumps(content))
    done = subprocess.run([program, "config", "validate", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_half_an_image_is_asked_about_and_a_number_in_the_workload_answers() -> None:
    with pytest.raises(ConfigurationError) as error:
        resolved(Load(images=0.5))
    (problem,) = error.value.problems
    assert problem.path == "bench.seen.images"
    assert "load.images is 0.5" in problem.text
    assert "images: 1, or 0 for text alone" in problem.text
    assert resolved(Load(images=0.5), images=1).images is not None


def test_a_dataset_has_its_own_images() -> None:
    with pytest.raises(ConfigurationError, match="images: the dataset has the prompts"):
        Workload(dataset=Dataset(file="prompts.jsonl"), images=2)


def test_jobs_of_sagemaker_refuse_images() -> None:
    assert [problem.path for problem in job_problems(resolved(), REGIONS[0])] == ["bench.seen.images"]
    assert job_problems(resolved(images=0), REGIONS[0]) == []


def test_a_run_is_held_to_the_plan_with_as_many_images_as_it_sends(tmp_path: Path) -> None:
    load = {"images": 2, "image_resolution": "1080p", "input_tokens": 300}
    first_token = []
    for images in (0, 1, 2):
        target, workload = environment(tmp_path, "Qwen/Qwen3-VL-8B-Instruct", load, images=images).choose(
            workload=None, component=None
        )
        planned = target.planned(workload, workload.steps[0], copies=1)
        assert planned is not None
        assert planned.ttft_ms is not None
        first_token.append(planned.ttft_ms.value)
    assert first_token[0] * 3 < first_token[1] < first_token[2]
    assert target.request is not None
    assert target.request.encoder_tflop > 0


def test_a_model_of_text_gets_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        environment(tmp_path, "Qwen/Qwen3-8B", {}, images=1).choose(workload=None, component=None)
    assert str(error.value) == (
        "bench.seen.images: 1 a request, and Qwen/Qwen3-8B of e/m takes text alone; leave it out"
    )


def test_the_planner_learns_nothing_from_a_run_with_images() -> None:
    rows, left_out = measured_rows(
        [measurement(workload_content=resolved().content), measurement(workload_content=resolved(images=0).content)],
        facts=catalogue,
    )
    assert len(rows) == 1
    assert left_out == [
        "1 rows are not learned from: with images, whose encoder takes a share of the time that a row does not say"
    ]
