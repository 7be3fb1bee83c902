"""`cdk-sglang eagle report`: for people, as a page, and for the planner."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from cdk_sglang.errors import ConfigurationError
from tests.support import eagle
from tests.support.eagle import BUCKET, COMPONENT, EARLIER, RUN
from tests.support.eagle_world import World


def test_the_report_is_printed_and_written_as_a_page(world: World, tmp_path: Path) -> None:
    world.deploy(eagle.definition())
    world.put(f"runs/{EARLIER}/report.json", eagle.report(EARLIER, verdict="no"))
    world.put(f"runs/{RUN}/data/train.jsonl", {})
    page = tmp_path / "pages" / "report.html"
    shown = world.run("report", "--html", str(page))
    assert shown.exit_code == 0
    assert f"{EARLIER} did not pass the gate" in shown.output  # the newest run has no report yet
    assert "$ per million output tokens" in page.read_text(encoding="utf-8")
    assert json.loads(world.run("report", "--json").output)["verdict"] == "no"
    missing = world.run("report", "--run", RUN)
    assert missing.exit_code == 1
    assert f"run {RUN} has no report: it is written when the measurement is over" in missing.output


def test_a_report_that_nobody_can_read_is_a_line(world: World) -> None:
    world.deploy(eagle.definition())
    world.put(f"runs/{RUN}/report.json", {"schema": 7})
    result = world.run("report")
    assert isinstance(result.exception, ConfigurationError)
    (problem,) = result.exception.problems
    assert (
        f"s3://{BUCKET}/speculative/{COMPONENT}/runs/{RUN}/report.json: cannot be read as the report of a run: schema 7"
        in problem
    )


def test_the_gates_figures_are_kept_for_the_planner_and_predict_follows_them(world: World, tmp_path: Path) -> None:
    environments = tmp_path / "environments"
    environments.mkdir()
    (environments / "prod.yaml").write_text(ENVIRONMENT_FILE, encoding="utf-8")
    world.deploy(eagle.definition())
    world.put(f"runs/{RUN}/report.json", eagle.report())
    folder = tmp_path / "calibration"
    words = ("report", "--calibration", str(folder), "--environments", str(environments))
    done = world.run(*words)
    assert done.exit_code == 0, (done.output, done.exception)
    (file,) = folder.iterdir()
    assert file.name == f"gate-{RUN}.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert (kept["model"], kept["sglang_version"]) == ("meta-llama/Llama-3.1-8B-Instruct", "0.5.17")
    table = (
        "row_id,model,gpu,tp,engine,engine_version,isl,osl,concurrency,spec_decode,accept_len\n"
        "a,meta-llama/Llama-3.1-8B-Instruct,L40S-48GB,1,sglang,0.5.17,1000,300,16,EAGLE3,2.61\n"
    )
    plain = CliRunner().invoke(app, ["predict"], input=table)
    calibrated = CliRunner().invoke(app, ["predict", "--calibration", str(folder)], input=table)
    assert (plain.exit_code, calibrated.exit_code) == (0, 0)
    assert plain.output != calibrated.output


ENVIRONMENT_FILE = """
region: us-east-1
network: {vpc: none}
alarms: {none: a test}
endpoints:
  chat:
    capacity: {type: ml.g6e.12xlarge, max_instances: 2}
    components:
      llama:
        model: {id: meta-llama/Llama-3.1-8B-Instruct, prefix: weights/llama/}
        server: {context_length: 8192}
"""
