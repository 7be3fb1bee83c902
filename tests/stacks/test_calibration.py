"""Measurements of the user's own in an environment: the plan follows them near by, says so, and is as before without them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from typer.testing import CliRunner

from cdk_sglang import (
    Capacity,
    ComponentScaling,
    Concurrency,
    ConfigurationError,
    InferenceEndpoint,
    ModelSource,
    NoVerification,
    ServingImage,
    SglangOptions,
    Slo,
    read_measurements,
)
from cdk_sglang.benchmarking.calibration import MOST_ROWS, MeasurementFiles
from cdk_sglang.benchmarking.history.parquet import duckdb_module, write_parquet
from cdk_sglang.benchmarking.result import Measurement
from cdk_sglang.cli.main import app
from cdk_sglang.environments.bench import bench_environment
from cdk_sglang.environments.needs import environment_needs
from cdk_sglang.environments.own import own_facts
from cdk_sglang.environments.planning import fleet_request
from cdk_sglang.environments.reading import cdk_json_context, load
from cdk_sglang.planning.curves import curve
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.fleet_plan import ComponentPlan, FleetPlan
from cdk_sglang.planning.page import plan_html
from cdk_sglang.planning.plan import plan_fleet
from stacks.fleet import add_fleet
from tests.support.measurements import distribution, measurement

SLOWER = 3.0
"""How much slower the fleet is measured to be than the packaged calibration predicts."""
OPTIONS = '{"SM_SGLANG_TP_SIZE": "1", "SM_SGLANG_CONTEXT_LENGTH": "16384"}'


def environment(
    folder: Path,
    *,
    calibration: str | None = None,
    model: str = "Qwen/Qwen3-8B",
    kind: str = "g6e.2xlarge",
    **slo: float,
) -> Path:
    component: dict[str, Any] = {
        "model": {"id": model, "prefix": "weights/qwen/"},
        "server": {"context_length": 16384},
        "slo": slo or {"tpot_ms": 60, "at_concurrency": 16},
        "scaling": {"min_copies": 1, "max_copies": 2},
    }
    content: dict[str, Any] = {
        "account": "111122223333",
        "region": "us-east-1",
        "network": {"vpc": "none"},
        "endpoints": {
            "chat": {"capacity": {"type": f"ml.{kind}", "max_instances": 2}, "components": {"qwen": component}}
        },
        "bench": {"steady": {"concurrency": [16]}},
    }
    if calibration is not None:
        content["planning"] = {"calibration": calibration}
    folder.mkdir(exist_ok=True)
    path = folder / "test.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def planned(folder: Path) -> FleetPlan:
    return plan_fleet(fleet_request("test", folder=folder))


def component_of(plan: FleetPlan) -> ComponentPlan:
    return plan.endpoints[0].components[0]


def slow_rows(folder: Path) -> list[Measurement]:
    """Measurements of the environment's component that is slower than its plan at every load, and one row that nobody learns from."""
    environment(folder)
    request = fleet_request("test", folder=folder).endpoints[0]
    found = curve(request.components[0], request.instances[0], 1)
    assert found is not None
    rows = []
    for level, position in ((4, 2), (16, 4), (32, 5)):
        figures = {
            "ttft_ms": distribution(SLOWER * found.ttft_ms[position].value),
            "tpot_ms": distribution(SLOWER * found.tpot_ms[position].value),
        }
        rows.append(measurement(concurrency=level, options=OPTIONS, sglang_version="0.5.17", **figures))
    return [*rows, measurement(is_partial=True)]


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """Return the folder of an environment with measurements beside it."""
    folder = tmp_path / "environments"
    write_parquet(folder / "measured.parquet", slow_rows(folder))
    environment(folder, calibration="measured.parquet")
    return folder


def test_the_plan_follows_measurements_beside_the_environment_and_says_how_many(calibrated: Path) -> None:
    after = component_of(planned(calibrated))
    calibrations = planned(calibrated).calibrations
    environment(calibrated)
    before = component_of(planned(calibrated))
    assert before.tpot_ms is not None
    assert after.tpot_ms is not None
    assert after.tpot_ms.value / before.tpot_ms.value == pytest.approx(SLOWER, rel=0.1)
    for first, then in ((before.ttft_ms, after.ttft_ms), (before.tpot_ms, after.tpot_ms)):
        assert first is not None
        assert then is not None
        assert then.high / then.low < first.high / first.low
    assert before.usd_per_million_output_tokens is not None
    assert after.usd_per_million_output_tokens is not None
    assert after.usd_per_million_output_tokens > 1.5 * before.usd_per_million_output_tokens
    (one,) = calibrations
    assert (one.place, one.rows) == (str(calibrated / "measured.parquet"), 3)
    assert one.text == (
        f"calibrated with 3 measured rows of {one.place}: predictions near them follow them; "
        "1 rows are not learned from: partial, or with failed requests"
    )


def test_terminal_page_and_file_of_the_plan_say_that_it_is_calibrated(calibrated: Path) -> None:
    request = fleet_request("test", folder=calibrated)
    plan = plan_fleet(request)
    text = plan.calibrations[0].text
    assert json.loads(plan_json(plan))["calibrations"] == [dataclasses.asdict(plan.calibrations[0])]
    assert text.split(";")[0] in plan_html(plan, request)
    printed = CliRunner().invoke(app, ["plan", "--env", "test", "--environments", str(calibrated)])
    assert text in printed.output


def test_a_plan_without_measurements_is_the_same_byte_for_byte(calibrated: Path) -> None:
    environment(calibrated)
    text = plan_json(planned(calibrated))
    assert "calibrat" not in text
    (calibrated / "measured.parquet").unlink()
    assert plan_json(planned(calibrated)) == text


@pytest.mark.parametrize("far", [{"model": "meta-llama/Llama-3.2-1B-Instruct"}, {"kind": "p5.4xlarge"}])
def test_another_model_or_gpu_is_planned_as_before(calibrated: Path, far: dict[str, str]) -> None:
    environment(calibrated, calibration="measured.parquet", ttft_ms=5000, **far)
    after = planned(calibrated)
    environment(calibrated, ttft_ms=5000, **far)
    before = planned(calibrated)
    assert after.calibrations
    # Other instance types that would do as well may be the measured one.
    assert dataclasses.replace(component_of(after), alternatives=()) == dataclasses.replace(
        component_of(before), alternatives=()
    )


def test_a_latency_that_was_measured_to_be_out_of_reach_stops_the_synth(calibrated: Path) -> None:
    environment(calibrated, tpot_ms=60, at_concurrency=16)
    assert planned(calibrated).problems == ()
    environment(calibrated, calibration="measured.parquet", tpot_ms=60, at_concurrency=16)
    (problem,) = planned(calibrated).problems
    assert problem.startswith("endpoints.chat.components.qwen.slo.tpot_ms: 60 ms asked, ")


def synthesised(folder: Path, root: Path) -> list[str]:
    stage = cdk.App(context=cdk_json_context(root / "cdk.json"))
    settings = load("test", folder=folder)
    own = own_facts(settings, name="test", folder=folder)
    env = cdk.Environment(account="111122223333", region="us-east-1")
    add_fleet(stage, name="test", settings=settings, source="test.yaml", env=env, own=own)
    return [json.dumps(stack.template, sort_keys=True) for stack in stage.synth().stacks]


def test_two_syntheses_with_measurements_are_the_same_and_scale_earlier(calibrated: Path, root: Path) -> None:
    environment(calibrated, calibration="measured.parquet", tpot_ms=140)
    first = synthesised(calibrated, root)
    assert synthesised(calibrated, root) == first
    request = fleet_request("test", folder=calibrated)
    assert request.endpoints[0].components[0].calibration is not None
    environment(calibrated, tpot_ms=140)
    assert synthesised(calibrated, root) != first  # the target of scaling is the plan's


def test_every_reader_of_the_environment_takes_them(calibrated: Path) -> None:
    bench = bench_environment("test", folder=calibrated)
    target, workload = bench.choose(workload=None, component=None)
    band = target.planned(workload, workload.steps[0], copies=1)
    assert band is not None
    assert band.tpot_ms is not None
    plan = component_of(planned(calibrated))
    assert plan.tpot_ms is not None
    assert band.tpot_ms.value == pytest.approx(plan.tpot_ms.value, rel=0.05)
    assert environment_needs("test", folder=calibrated).environment == "test"


def no_parquet(path: Path) -> None:
    path.write_text("not Parquet", encoding="utf-8")


def foreign(path: Path) -> None:
    with duckdb_module().connect(":memory:") as connection:
        connection.execute(f"COPY (SELECT 1 AS a) TO '{path}' (FORMAT parquet)")


def newer(path: Path) -> None:
    write_parquet(path, [measurement(schema_version=99), measurement()])


def nothing_to_learn(path: Path) -> None:
    write_parquet(path, [measurement(is_partial=True)])


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.parquet", None, "no such file or folder; name a file or a folder that `cdk-sglang bench run` wrote"),
        ("a.parquet", no_parquet, "a.parquet was left out: Invalid Input Error"),
        ("a.parquet", foreign, "a.parquet was left out: it has no results of cdk-sglang bench; remove it, update"),
        ("a.parquet", newer, "1 rows were left out: a newer version of cdk-sglang wrote them (schema above 1); remove"),
        ("a.parquet", nothing_to_learn, "no measurement to learn from (1 rows are not learned from: partial"),
        ("gate-a.json", lambda path: path.write_text('{"schema": 9}'), "cannot be read as the figures of a gate"),
    ],
)
def test_a_file_that_cannot_be_learned_from_is_a_problem_with_the_next_step(
    tmp_path: Path, name: str, write: Any, message: str
) -> None:
    environment(tmp_path, calibration=name)
    if write is not None:
        write(tmp_path / name)
    with pytest.raises(ConfigurationError) as error:
        fleet_request("test", folder=tmp_path)
    (problem,) = error.value.problems
    assert problem.startswith(f"{tmp_path}/test.yaml: planning.calibration: {tmp_path}/{name}: {message}")
    assert any(command in problem for command in ("cdk-sglang bench run", "eagle report --calibration"))


@pytest.mark.parametrize("place", ["/etc/measured.parquet", "../measured.parquet", "s3://bucket/a.parquet", "."])
def test_measurements_lie_beside_the_environment(tmp_path: Path, place: str) -> None:
    environment(tmp_path, calibration=place)
    with pytest.raises(ConfigurationError, match=r"planning.calibration: '.*' is not allowed; use a file or folder"):
        load("test", folder=tmp_path)


def test_a_folder_of_runs_is_taken_as_it_lies(calibrated: Path) -> None:
    (calibrated / "history" / "environment=prod" / "component=x").mkdir(parents=True)
    (calibrated / "measured.parquet").rename(calibrated / "history" / "environment=prod" / "component=x" / "r.parquet")
    environment(calibrated, calibration="history")
    assert planned(calibrated).calibrations[0].rows == 3


def test_more_rows_than_can_be_learned_from_are_refused() -> None:
    files = MeasurementFiles(place="many", rows=[None] * (MOST_ROWS + 1), unread=(), left_out=())
    with pytest.raises(ConfigurationError, match="many: 2,001 rows to learn from, at most 2,000 are"):
        files.calibration()


def test_python_takes_the_same_measurements(calibrated: Path) -> None:
    measured = read_measurements(calibrated / "measured.parquet")
    targets = []
    for calibration in (None, measured):
        endpoint = InferenceEndpoint(
            cdk.Stack(),
            "Chat",
            capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=2),
            image=ServingImage.from_dlc(),
            verification=NoVerification(reason="shown"),
            calibration=calibration,
        )
        component = endpoint.add_component(
            "qwen",
            model=ModelSource.from_s3("s3://models/qwen/", model_id="Qwen/Qwen3-8B", check=False),
            server=SglangOptions(context_length=16384),
            slo=Slo(tpot_ms=140),
            scaling=ComponentScaling(min_copies=1, max_copies=2, target=Concurrency()),
        )
        targets.append(component.plan.concurrency)
    before, after = targets
    assert before is not None
    assert after is not None
    assert after < before


def test_python_is_told_of_a_wrong_argument() -> None:
    with pytest.raises(ConfigurationError, match=r"read_measurements.path: takes .*, got 5"):
        read_measurements(5)


def test_a_plan_of_one_model_takes_them_too(calibrated: Path, tmp_path: Path) -> None:
    words = ["plan", "--model", "Qwen/Qwen3-8B", "--instance", "ml.g6e.2xlarge", "--context-length", "16384", "--json"]
    place = str(calibrated / "measured.parquet")
    done = CliRunner().invoke(app, [*words, "--calibration", place])
    assert json.loads(done.output)["calibrations"][0]["rows"] == 3
    for wrong, text in (
        ([*words, "--calibration", str(tmp_path / "none")], "--calibration: .*none: no such file or folder"),
        (["plan", "--env", "test", "--calibration", place], "--calibration: goes with --model; an environment names"),
    ):
        error = CliRunner().invoke(app, wrong).exception
        with pytest.raises(ConfigurationError, match=text):
            raise error or AssertionError
