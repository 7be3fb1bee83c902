from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from moto.server import ThreadedMotoServer
from rich.console import Console
from typer.testing import CliRunner

from cdk_sglang import ConfigurationError
from cdk_sglang.cli import adapters, weights
from tests.runtime.weights.test_staging import PREFIX, REPO, a_model
from tests.support.hub_server import REVISION, HubModel, HubServer

Folders = Callable[..., Path]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urllib3.request("POST", f"http://{host}:{port}/moto-api/reset")
    for name, value in {
        "ENDPOINT_URL": f"http://{host}:{port}",
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    yield client
    server.stop()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.models[REPO] = a_model()
        yield server


def stage(hub: HubServer, *more: str) -> tuple[int, str, str]:
    arguments = ["stage", REPO, "--revision", REVISION, "--bucket", "models", "--hub-url", hub.url, *more]
    result = CliRunner().invoke(weights.app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_staging_from_a_terminal_says_what_it_does_and_where_it_is(hub: HubServer, s3: object) -> None:
    code, out, err = stage(hub, "--exclude", "*.md")

    assert code == 0
    assert out == f"staged 5 files, 5 of them copied: {PREFIX}\n"
    assert "5 files to copy, 0 there already, 2 left out; licence apache-2.0" in err


def test_the_progress_bar_follows_the_bytes_on_a_terminal(hub: HubServer, s3: object) -> None:
    hub.models[REPO] = a_model(4, rows=200_000)
    terminal = io.StringIO()
    arguments = ["stage", REPO, "--revision", REVISION, "--bucket", "models", "--hub-url", hub.url, "--workers", "2"]
    all_events: list[dict[str, Any]] = []
    with weights._program_events(arguments) as events:
        kept = (all_events.append(event) or event for event in events)
        weights._show_progress(kept, Console(file=terminal, force_terminal=True, width=160))

    total = next(event["bytes"] for event in all_events if event["event"] == "plan")
    sizes = [event["bytes"] for event in all_events if event["event"] == "progress"]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= total
    drawn = terminal.getvalue()
    assert "━" in drawn
    assert re.search(r"(\d+\.\d)/\1 MB", drawn), "the bar never reached its end"


def test_verify_and_list_read_what_was_staged(hub: HubServer, s3: object) -> None:
    stage(hub)

    verified = CliRunner().invoke(weights.app, ["verify", "--bucket", "models", "--prefix", PREFIX])
    listed = CliRunner().invoke(weights.app, ["list", "--bucket", "models"])

    assert verified.exit_code == 0
    assert verified.stdout.startswith("whole, as its manifest says: 7 files, ")
    assert REPO in listed.stdout
    assert REVISION[:12] in listed.stdout


def test_an_empty_bucket_lists_nothing(s3: object) -> None:
    assert CliRunner().invoke(weights.app, ["list", "--bucket", "models"]).stdout == "nothing was staged into models\n"


def test_a_prefix_without_a_model_is_the_answer_no(s3: object) -> None:
    result = CliRunner().invoke(weights.app, ["verify", "--bucket", "models", "--prefix", "nowhere"])

    assert result.exit_code == 1
    assert result.stderr == "s3://models/nowhere/holds no file; is the prefix right, and the model there?\n"


def test_a_branch_is_wrong_usage(hub: HubServer, s3: object) -> None:
    code, _, err = stage(hub, "--revision", "main")

    assert code == 2
    assert f"{REPO}: revision 'main' can move" in err


def test_a_token_of_the_shell_is_refused(hub: HubServer, s3: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    code, _, err = stage(hub)

    assert code == 2
    assert "HF_TOKEN is set: tokens come from Secrets Manager alone" in err
    assert "hf_mine" not in err


def test_a_gated_model_is_the_answer_no(hub: HubServer, s3: object) -> None:
    hub.models[REPO] = HubModel(a_model().files, gated=True)
    code, _, err = stage(hub)

    assert code == 1
    assert "is gated; accept its licence at" in err


def test_packing_names_the_archive_after_its_content(
    adapter_folder: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = adapter_folder()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(adapters.app, ["pack", str(folder)])

    assert result.exit_code == 0
    (archive,) = tmp_path.glob("triage-*.tar.gz")
    assert result.stdout == (
        f"{archive.name}: rank 8; modules q_proj, v_proj; trained on meta-llama/Llama-3.2-3B-Instruct\n"
    )
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["adapter_config.json", "adapter_model.safetensors"]


def test_an_archive_of_another_kind_is_refused(adapter_folder: Folders, tmp_path: Path) -> None:
    result = CliRunner().invoke(adapters.app, ["pack", str(adapter_folder()), "-o", str(tmp_path / "a.zip")])

    assert isinstance(result.exception, ConfigurationError)
    assert "does not end in .tar.gz, which SageMaker requires; rename it" in str(result.exception)


def test_show_compares_an_adapter_with_a_component(adapter_folder: Folders) -> None:
    folder = str(adapter_folder())

    assert CliRunner().invoke(adapters.app, ["show", folder, "--max-rank", "8"]).exit_code == 0
    refused = CliRunner().invoke(adapters.app, ["show", folder, "--max-rank", "4", "--target-module", "q_proj"])
    assert refused.exit_code == 1
    assert "rank 8 is over the component's server.lora.max_rank 4" in refused.stderr
