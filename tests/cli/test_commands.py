"""The other commands: plan, models, prices."""

from __future__ import annotations

import csv
import http.server
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cdk_sglang.cli import main
from cdk_sglang.cli.plan import _reader, use_environments
from cdk_sglang.cli.predict import predict
from cdk_sglang.environments.planning import fleet_request
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance, price_usd_per_hour, read_prices
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EndpointRequest, FleetRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 128,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "vocab_size": 331,
}
OFFER = {
    "publicationDate": "2026-11-01T00:00:00Z",
    "products": {
        "A": {"attributes": {"usagetype": "USE1-Host:ml.g5.16xlarge"}},
        "B": {"attributes": {"usagetype": "USE1-Train:ml.g5.16xlarge"}},
        "C": {"attributes": {"usagetype": "USE1-Host:ml.t2.medium"}},
        "D": {"attributes": {"usagetype": "USE1-Host:ml.g6.xlarge"}},
    },
    "terms": {
        "OnDemand": {
            "A": {"A.1": {"priceDimensions": {"x": {"unit": "Hrs", "pricePerUnit": {"USD": "5.12"}}}}},
            "B": {"B.1": {"priceDimensions": {"x": {"unit": "Hrs", "pricePerUnit": {"USD": "9.99"}}}}},
            "D": {"D.1": {"priceDimensions": {"x": {"unit": "Hrs", "pricePerUnit": {"USD": "0.0"}}}}},
        }
    },
}


@pytest.fixture
def server() -> Iterator[str]:
    """A hub and a price list on loopback."""
    answers = {
        "/me/tiny/resolve/main/config.json": json.dumps(CONFIG),
        "/me/broken/resolve/main/config.json": "<html>",
        "/us-east-1/index.json": json.dumps(OFFER),
        "/eu-west-9/index.json": "{}",
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write((body or "none").encode())

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def run(*arguments: str) -> tuple[int, str]:
    """Run the command in this process; a refused setting shows as its exit code 2 does."""
    result = CliRunner().invoke(main.app, list(arguments))
    if isinstance(result.exception, ConfigurationError):
        return 2, "\n".join(result.exception.problems)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_prices_are_read_from_the_price_list(server: str, tmp_path: Path) -> None:
    target = tmp_path / "prices.csv"
    code, output = run("prices", "update", "--into", str(target), "--source", server)
    assert (code, output) == (0, f"{target}: 1 prices\n")
    price = price_usd_per_hour(GpuInstance.G5_16XLARGE, "us-east-1", table=read_prices(target))
    assert price is not None
    assert (price.usd_per_hour, price.is_estimate, price.date.isoformat()) == (5.12, False, "2026-11-01")


def test_a_price_list_that_is_none_is_refused_for_each_region(server: str, tmp_path: Path) -> None:
    code, output = run(
        "prices",
        "update",
        "--into",
        str(tmp_path / "p"),
        "--source",
        server,
        "--region",
        "eu-west-9",
        "--region",
        "nowhere",
    )
    assert code == 2
    assert "no publicationDate; this is not a price-list file" in output
    assert "nowhere/index.json: HTTP Error 404" in output
    assert not (tmp_path / "p").exists()


def test_prices_are_shown_with_their_dates() -> None:
    code, output = run("prices", "show", "--region", "us-east-2")
    assert code == 0
    assert "72.7950" in output
    assert "ml.p5en" in output


def test_a_model_is_added_from_the_hub_and_found_again(server: str, tmp_path: Path) -> None:
    code, output = run("models", "add", "me/tiny", "--into", str(tmp_path), "--hub", server)
    assert code == 0
    assert "me/tiny" in output
    code, output = run("models", "show", "me/tiny", "--models", str(tmp_path))
    assert (code, json.loads(output)["weights_format"]) == (0, "bf16")


def test_a_model_is_added_from_a_file_with_numbers_given_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({key: value for key, value in CONFIG.items() if key != "vocab_size"}))
    code, output = run("models", "add", str(path), "--id", "me/hand", "--into", str(tmp_path / "m"))
    assert (code, "vocab_size is missing" in output) == (2, True)
    code, _ = run(
        "models", "add", str(path), "--id", "me/hand", "--into", str(tmp_path / "m"), "--set", "vocab_size=500"
    )
    assert code == 0
    assert catalogue("me/hand", also=[tmp_path / "m"]).architecture.vocab_size == 500


ENVIRONMENT = """\
region: us-east-1
network: {vpc: none}
budget_usd_per_hour: 6
endpoints:
  chat:
    capacity: {type: ml.g5.16xlarge, max_instances: 1}
    components:
      own:
        model: {id: me/tiny, prefix: weights/me/}
        server: {context_length: 512}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the user's: an environment with a model and on a type that the package knows neither facts nor price of."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "mine.yaml").write_text(ENVIRONMENT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_models_add_and_prices_update_write_is_what_the_plan_reads(server: str, project: Path) -> None:
    code, output = run("plan", "--env", "mine")
    assert (code, "or add it with: cdk-sglang models add me/tiny" in output) == (2, True)
    assert run("models", "add", "me/tiny", "--hub", server)[0] == 0
    code, output = run("plan", "--env", "mine")
    assert code == 1
    assert (
        "budget_usd_per_hour: nothing holds the fleet to 6.00 USD per hour, since no price of ml.g5.16xlarge" in output
    )
    assert run("prices", "update", "--source", server) == (0, "environments/prices.csv: 1 prices\n")
    code, output = run("plan", "--env", "mine", "--json")
    assert code == 0
    (endpoint,) = json.loads(output[: output.rindex("}") + 1])["endpoints"]
    price = endpoint["types"][0]["price"]
    assert endpoint["usd_per_hour"]["high"] == 5.12
    assert (price["date"], price["file"]) == ("2026-11-01", "environments/prices.csv")
    assert price["source"] == f"{server}/us-east-1/index.json USE1-Host:ml.g5.16xlarge"
    assert endpoint["components"][0]["facts_file"] == "environments/models/me--tiny.json"
    assert endpoint["components"][0]["facts_source"] == f"{server}/me/tiny/resolve/main/config.json"
    (project / "environments" / "mine.yaml").write_text(ENVIRONMENT.replace("hour: 6", "hour: 5"), encoding="utf-8")
    code, output = run("plan", "--env", "mine")
    assert (code, "the fleet costs up to 5.12 USD per hour (chat 5.12), 5.00 allowed" in output) == (1, True)


def test_every_command_reads_what_was_added(
    server: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    run("models", "add", "me/tiny", "--hub", server)
    run("prices", "update", "--source", server)
    assert json.loads(run("models", "show", "me/tiny")[1])["file"] == "environments/models/me--tiny.json"
    assert "me/tiny" in run("models", "list")[1]
    assert "5.1200" in run("prices", "show")[1]
    code, output = run("plan", "--model", "me/tiny", "--instance", "ml.g5.16xlarge", "--context-length", "512")
    assert code == 0
    assert (
        "price of ml.g5.16xlarge: 5.12 $/h, on-demand hosting in us-east-1 of 2026-11-01, from environments/prices"
        in output
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"model,gpu\nme/tiny,A10G-24GB\n")))
    predict(None, None)
    (row,) = csv.DictReader(io.StringIO(capsysbinary.readouterr().out.decode()))
    assert row["weights_gib_per_gpu"]
    assert project.is_dir()


def test_another_folder_of_environments_brings_its_models_and_prices(server: str, project: Path) -> None:
    def reader(name: str) -> FleetRequest:
        return fleet_request(name)

    elsewhere = project / "elsewhere"
    run("models", "add", "me/tiny", "--hub", server, "--into", str(elsewhere / "models"))
    run("prices", "update", "--source", server, "--into", str(elsewhere / "prices.csv"))
    (elsewhere / "theirs.yaml").write_text(ENVIRONMENT, encoding="utf-8")
    code, output = run("plan", "--env", "theirs", "--environments", "elsewhere")
    assert code == 0
    assert "from elsewhere/models/me--tiny.json: me/tiny" in output
    use_environments(reader)
    try:
        code, output = run("plan", "--env", "theirs", "--environments", "elsewhere")
    finally:
        _reader.clear()
    assert (code, output.startswith("--environments: this app's reader of environments takes no folder")) == (2, True)


def test_an_update_of_one_region_keeps_the_prices_of_the_others(server: str, project: Path) -> None:
    target = project / "environments" / "prices.csv"
    header, first, second = (
        "instance,region,usd_per_hour,date,kind,is_estimate,source",
        "ml.g5.16xlarge,eu-west-1,6.1,2026-10-01,on-demand hosting,no,by hand",
        "ml.g5.16xlarge,us-east-1,4.9,2026-10-01,on-demand hosting,no,by hand",
    )
    target.write_text(f"{header}\n{first}\n{second}\n", encoding="utf-8")
    code, output = run("prices", "update", "--source", server)
    assert (code, output) == (0, "environments/prices.csv: 1 prices, and 1 of other Regions unchanged\n")
    assert target.read_text(encoding="utf-8").splitlines()[1] == first
    assert {key: price.usd_per_hour for key, price in read_prices(target).items()} == {
        ("ml.g5.16xlarge", "eu-west-1"): 6.1,
        ("ml.g5.16xlarge", "us-east-1"): 5.12,
    }


def test_a_model_that_contradicts_the_catalogue_is_said_when_it_is_added(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    code, output = run("models", "add", str(path), "--id", "Qwen/Qwen3-8B", "--into", str(tmp_path))
    assert code == 0
    assert "says otherwise of Qwen/Qwen3-8B than the package's catalogue (model_type llama, not qwen3" in output


def test_a_place_that_cannot_be_written_is_refused_without_a_traceback(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    models, prices = tmp_path / "file" / "models", tmp_path / "file" / "prices.csv"
    code, output = run("models", "add", "me/tiny", "--hub", server, "--into", str(models))
    assert (code, output.startswith(f"{models}/me--tiny.json: cannot be written")) == (2, True)
    code, output = run("prices", "update", "--source", server, "--into", str(prices))
    assert (code, output.startswith(f"{prices}: cannot be written")) == (2, True)


@pytest.mark.parametrize(
    ("source", "message"),
    [("me/broken", "not JSON"), ("me/absent", "HTTP Error 404"), ("no such thing", "neither a file nor a repository")],
)
def test_sources_that_are_no_model_are_refused(server: str, tmp_path: Path, source: str, message: str) -> None:
    code, output = run("models", "add", source, "--into", str(tmp_path), "--hub", server)
    assert code == 2
    assert message in output


def test_the_catalogue_is_listed() -> None:
    code, output = run("models", "list")
    assert code == 0
    assert "gpt-oss" in output


def test_one_model_is_planned_and_written_as_a_page(tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    code, output = run(
        "plan", "--model", "Qwen/Qwen3-8B", "--instance", "ml.g6e.2xlarge", "--json", "--html", str(page)
    )
    assert code == 0
    assert json.loads(output[: output.rindex("}") + 1])["endpoints"][0]["instance"] == "ml.g6e.2xlarge"
    assert page.read_text().startswith("<!doctype html>")


def test_a_plan_that_does_not_fit_exits_1_with_the_reason() -> None:
    code, output = run("plan", "--model", "Qwen/Qwen3-32B", "--instance", "ml.g6e.2xlarge")
    assert code == 1
    assert "does not fit 1 x L40S of ml.g6e.2xlarge" in output


def test_an_unknown_instance_type_on_the_command_line_comes_with_its_option_and_no_python() -> None:
    nearest = "unknown GPU instance type 'ml.g6e.2xlage'; did you mean 'ml.g6e.2xlarge'"
    planned = run("plan", "--model", "Qwen/Qwen3-8B", "--instance", "ml.g6e.2xlage")
    searched = run("capacity", "search", "--type", "ml.g6e.2xlage")
    assert planned == (2, f"--instance: {nearest}")
    assert searched == (2, f"--type: {nearest}")


def test_environments_are_planned_through_the_registered_reader() -> None:
    def reader(name: str) -> FleetRequest:
        component = ComponentRequest(name="c", facts=catalogue("Qwen/Qwen3-8B"))
        endpoint = EndpointRequest(name="e", instances=(GpuInstance.G6E_2XLARGE,), components=(component,))
        return FleetRequest(environment=name, region="us-west-2", endpoints=(endpoint,))

    use_environments(reader)
    try:
        code, output = run("plan", "--env", "dev", "--json")
    finally:
        _reader.clear()
    assert code == 0
    assert '"environment": "dev"' in output


def test_an_absent_reader_and_an_empty_question_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_SGLANG_ENVIRONMENTS", "absent_module:reader")
    code, output = run("plan", "--env", "dev")
    assert (code, output.startswith("--env: no reader of environments at absent_module:reader")) == (2, True)
    assert run("plan")[1].startswith("plan: say what to plan")
    assert run("plan", "--env", "dev", "--models", "m") == (
        2,
        "--models: goes with --model; an environment's own models are read from the folder models next to it, where models add --into puts them",
    )


def test_the_command_reports_a_mistake_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["cdk-sglang", "models", "show", "me/none"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("unknown model 'me/none'")


@pytest.mark.parametrize("concurrency", ["0.5", "5000"])
def test_a_concurrency_out_of_range_on_the_command_line_comes_with_its_option(concurrency: str) -> None:
    result = run("plan", "--model", "Qwen/Qwen3-8B", "--instance", "ml.g6e.2xlarge", "--concurrency", concurrency)
    assert result == (2, f"--concurrency: {concurrency} is out of range; use 1 to 4096")


def test_an_environment_is_read_with_the_node_of_the_set_up(root: Path) -> None:
    """As the README calls it: without the variables of make, on a machine whose own Node may be too old for jsii."""
    command = Path(sys.prefix, "bin", "cdk-sglang")
    environment = {name: value for name, value in os.environ.items() if name != "JSII_NODE"}
    done = subprocess.run(
        [str(command), "plan", "--env", "nope"], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "!!!" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
