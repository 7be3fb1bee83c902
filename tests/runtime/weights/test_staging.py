"""Staging for real: the program of CodeBuild, a hub on loopback, moto's S3."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from typing import Any

import boto3
import pytest

from tests.support.hub_server import REVISION, HubModel, HubServer
from tests.support.model_folders import SENTENCEPIECE, TOKENIZER
from tests.support.weights import RUNTIME, safetensors_bytes

REPO = "Qwen/Qwen3-8B"
PREFIX = f"weights/{REPO}/{REVISION}/"
MIB = 1024 * 1024


def a_model(shards: int = 2, *, rows: int = 4096, **more: bytes) -> HubModel:
    files = {
        "config.json": json.dumps({"model_type": "qwen3"}).encode(),
        "tokenizer.json": TOKENIZER,
        "README.md": b"# card",
        ".gitattributes": b"*.safetensors filter=lfs",
    }
    places = {}
    for number in range(1, shards + 1):
        name = f"model-{number:05d}-of-{shards:05d}.safetensors"
        tensor = f"layer.{number}.weight"
        files[name] = safetensors_bytes({tensor: (rows, 2)})
        places[tensor] = name
    files["model.safetensors.index.json"] = json.dumps({"weight_map": places}).encode()
    return HubModel(files | more)


class Run:
    """One staging, with what it reported."""

    def __init__(self, weights: Any, hub: HubServer, s3: Any, *, token: str | None = None) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._weights = weights
        self._s3 = s3
        self._hub = weights.hub.Hub(
            url=hub.url, token=token, wait=lambda _: None, on_retry=lambda why: self.report("retry", {"message": why})
        )

    def report(self, event: str, details: dict[str, Any]) -> None:
        self.events.append((event, details))

    def __call__(
        self, *, repo: str = REPO, revision: str = REVISION, memory: int = 10**10, **order: Any
    ) -> dict[str, Any]:
        staging_order = self._weights.stage.Order(repo=repo, revision=revision, bucket="models", **order)
        result: dict[str, Any] = self._weights.stage.stage(
            staging_order, hub=self._hub, s3=self._s3, report=self.report, memory=memory
        )
        return result

    def refused(self, **order: Any) -> str:
        with pytest.raises(self._weights.problems.WeightsError) as caught:
            self(**order)
        return str(caught.value)

    def of(self, event: str) -> list[dict[str, Any]]:
        return [details for name, details in self.events if name == event]


def keys(s3: Any) -> dict[str, int]:
    return {entry["Key"]: entry["Size"] for entry in s3.list_objects_v2(Bucket="models").get("Contents", [])}


def body(s3: Any, name: str) -> bytes:
    return bytes(s3.get_object(Bucket="models", Key=f"{PREFIX}{name}")["Body"].read())


def test_a_model_arrives_whole_with_its_manifest(weights: Any, hub: HubServer, s3: Any) -> None:
    model = hub.models[REPO] = a_model()
    run = Run(weights, hub, s3)

    manifest = run()

    for name in ("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        assert body(s3, name) == model.files[name]
    assert f"{PREFIX}.gitattributes" not in keys(s3)
    assert manifest["repo"] == REPO
    assert manifest["license"] == "apache-2.0"
    assert manifest["left_out"] == {".gitattributes": "not part of the model"}
    assert json.loads(body(s3, "cdk-sglang-manifest.json"))["files"] == manifest["files"]
    hashes = {entry["path"]: entry["hash"].split(":")[0] for entry in manifest["files"]}
    assert hashes["config.json"] == "git-sha1"
    assert hashes["model-00001-of-00002.safetensors"] == "sha256"


def test_large_files_go_up_in_parts(weights: Any, hub: HubServer, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.transfer, "_PART_BYTES", 5 * MIB)
    model = hub.models[REPO] = a_model(1, rows=3 * MIB + 17)

    Run(weights, hub, s3)()

    name = "model-00001-of-00001.safetensors"
    assert body(s3, name) == model.files[name]
    assert s3.head_object(Bucket="models", Key=f"{PREFIX}{name}")["ETag"].endswith('-3"')


def test_two_hundred_files_arrive(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model(196, rows=16)

    manifest = Run(weights, hub, s3)()

    assert len(manifest["files"]) == 200
    assert len(keys(s3)) == 201


def test_a_second_run_copies_nothing(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    Run(weights, hub, s3)()
    hub.requests.clear()
    again = Run(weights, hub, s3)

    again()

    assert again.of("done")[0]["copied"] == 0
    assert not hub.requests


def test_what_is_there_is_skipped_when_staging_goes_on(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    Run(weights, hub, s3)()
    s3.delete_object(Bucket="models", Key=f"{PREFIX}cdk-sglang-manifest.json")
    s3.delete_object(Bucket="models", Key=f"{PREFIX}model-00002-of-00002.safetensors")
    run = Run(weights, hub, s3)

    run()

    assert [event["path"] for event in run.of("file")] == ["model-00002-of-00002.safetensors"]


def test_an_object_that_somebody_else_put_there_is_replaced(weights: Any, hub: HubServer, s3: Any) -> None:
    model = hub.models[REPO] = a_model()
    name = "model-00001-of-00002.safetensors"
    s3.put_object(Bucket="models", Key=f"{PREFIX}{name}", Body=bytes(len(model.files[name])))

    Run(weights, hub, s3)()

    assert body(s3, name) == model.files[name]


def test_a_connection_that_is_cut_goes_on_where_it_was(weights: Any, hub: HubServer, s3: Any) -> None:
    model = hub.models[REPO] = a_model(1, rows=2 * MIB)
    name = "model-00001-of-00001.safetensors"
    hub.faults.cut_after[name] = [MIB + 5, MIB, 0, 7]
    run = Run(weights, hub, s3)

    run()

    assert body(s3, name) == model.files[name]
    ranges = [byte_range for byte_range in hub.fetched(name) if byte_range != "bytes=0-0"]
    assert len(ranges) == 5
    assert ranges[0] is None
    starts = [int(str(byte_range).removeprefix("bytes=").rstrip("-")) for byte_range in ranges[1:]]
    assert starts == sorted(starts)
    assert starts[-1] > MIB
    assert len(run.of("retry")) == 4


def test_a_server_without_ranges_is_read_from_the_start_again(weights: Any, hub: HubServer, s3: Any) -> None:
    model = hub.models[REPO] = a_model(1, rows=MIB)
    name = "model-00001-of-00001.safetensors"
    hub.faults.cut_after[name] = [MIB]
    hub.faults.no_ranges = True

    Run(weights, hub, s3)()

    assert body(s3, name) == model.files[name]


def test_a_hub_that_is_busy_is_asked_again(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    hub.faults.busy["config.json"] = 3
    hub.faults.busy["api"] = 2

    assert len(Run(weights, hub, s3)()["files"]) == 6


def test_a_hub_that_stays_away_ends_the_staging_without_a_manifest(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    hub.faults.busy["config.json"] = 100

    message = Run(weights, hub, s3).refused()

    assert (
        "config.json: at byte 0: the hub answered 429; gave up after 6 tries; stage again to go on where it stopped"
        in message
    )
    assert f"{PREFIX}cdk-sglang-manifest.json" not in keys(s3)


@pytest.mark.parametrize("rows", [4096, 5 * MIB], ids=["in one piece", "in parts"])
def test_a_corrupted_file_never_becomes_visible(weights: Any, hub: HubServer, s3: Any, rows: int) -> None:
    hub.models[REPO] = a_model(1, rows=rows)
    name = "model-00001-of-00001.safetensors"
    hub.faults.corrupt[name] = 100

    message = Run(weights, hub, s3).refused()

    assert message.startswith(f"{name}: is corrupted: its bytes have the hash ")
    assert message.endswith("; tried 2 times, nothing of it was kept")
    assert f"{PREFIX}{name}" not in keys(s3)
    assert f"{PREFIX}cdk-sglang-manifest.json" not in keys(s3)
    assert not s3.list_multipart_uploads(Bucket="models").get("Uploads")


def test_a_file_corrupted_once_is_fetched_again(weights: Any, hub: HubServer, s3: Any) -> None:
    model = hub.models[REPO] = a_model()
    name = "model-00001-of-00002.safetensors"
    hub.faults.corrupt[name] = 1

    Run(weights, hub, s3)()

    assert body(s3, name) == model.files[name]


def test_a_small_file_is_held_to_gits_hash(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    hub.faults.corrupt["config.json"] = 100

    assert "config.json: is corrupted" in Run(weights, hub, s3).refused()


def test_a_gated_model_without_a_token_says_what_to_do(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    hub.models[REPO].gated = True

    assert Run(weights, hub, s3).refused() == (
        f"{REPO}: is gated; accept its licence at {hub.url}/{REPO}, store a read token of that account in Secrets Manager, "
        "and give its secret as token"
    )
    assert not keys(s3)


def test_a_gated_model_whose_licence_was_not_accepted(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    hub.models[REPO].gated = True

    assert Run(weights, hub, s3, token="hf_other").refused() == (
        f"{REPO}: is gated, and the token's account has no access; accept its licence at {hub.url}/{REPO}, then stage again"
    )


def test_a_gated_model_with_access_is_staged_and_its_token_stays_with_the_hub(
    weights: Any, hub: HubServer, s3: Any
) -> None:
    hub.models[REPO] = a_model()
    hub.models[REPO].gated = True
    hub.tokens["hf_mine"] = {REPO}

    Run(weights, hub, s3, token="hf_mine")()

    assert any(host == "store" for host, _, _ in hub.requests)
    assert not hub.leaked_tokens


@pytest.mark.parametrize("revision", ["main", "v1.0", "0123456", "0123456789ABCDEF0123456789ABCDEF01234567"])
def test_a_revision_that_can_move_is_refused(weights: Any, hub: HubServer, s3: Any, revision: str) -> None:
    hub.models[REPO] = a_model()

    message = Run(weights, hub, s3).refused(revision=revision)

    assert message.startswith(f"{REPO}: revision {revision!r} can move; use the 40 hexadecimal digits of a commit")


def test_a_commit_that_does_not_exist(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()

    assert Run(weights, hub, s3).refused(revision="e" * 40) == (
        f"{REPO}: has no commit {'e' * 40}; see {hub.url}/{REPO}/commits/main"
    )


def test_a_tag_that_looks_like_a_commit_is_refused(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()

    assert Run(weights, hub, s3).refused(revision="f" * 40) == (
        f"{REPO}: revision {'f' * 40} is commit {REVISION}; give that one"
    )


def test_a_model_that_does_not_exist(weights: Any, hub: HubServer, s3: Any) -> None:
    assert Run(weights, hub, s3).refused(repo="Qwen/Qwen9") == (
        f"Qwen/Qwen9: there is no such model on {hub.url}, or it is private and needs a token"
    )


def test_a_download_host_that_refuses_is_not_a_model_that_does_not_exist(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    hub.faults.refused["model-00001-of-00002.safetensors"] = 1000

    message = Run(weights, hub, s3).refused()

    store = hub.store_url.removeprefix("http://")
    assert message == (
        f"model-00001-of-00002.safetensors: {store}, where the hub keeps its files, answered 403 Forbidden: it refuses this network "
        "(a proxy, a firewall, a blocked country), or the link was no longer valid; gave up after 6 tries; "
        "stage again to go on where it stopped"
    )
    assert "no such model" not in message


def test_a_link_that_was_no_longer_valid_is_fetched_anew(weights: Any, hub: HubServer, s3: Any) -> None:
    model = hub.models[REPO] = a_model()
    name = "model-00002-of-00002.safetensors"
    hub.faults.refused[name] = 2
    run = Run(weights, hub, s3)

    run()

    assert body(s3, name) == model.files[name]
    assert len(run.of("retry")) == 2


def test_signed_links_are_in_no_reason_and_no_log(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    hub.faults.store_url = "http://127.0.0.1:1"  # nobody listens there
    run = Run(weights, hub, s3)
    with pytest.raises(weights.problems.WeightsError, match="gave up after 6 tries") as caught:
        run()
    assert "127.0.0.1" in str(caught.value)
    assert "5ec3e7" not in f"{caught.value} {run.events}"


def test_a_hub_that_refuses_a_file_of_a_model_that_it_lists_says_so(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    hub.faults.refused["config.json"] = 1000

    assert Run(weights, hub, s3).refused() == (
        f"{REPO}: {hub.url} lists the model, and refuses /{REPO}/resolve/{REVISION}/config.json (403 Forbidden); "
        "does the token's account have access to its files, and does the network let them through?"
    )


def test_duplicates_pickles_and_other_formats_stay_behind(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model(
        **{
            "original/consolidated.00.pth": b"x",
            "original/params.json": b"{}",
            "pytorch_model.bin": b"x",
            "model.gguf": b"x",
            "onnx/model.onnx": b"x",
            "consolidated.safetensors": b"x",
            "tokenizer.model": SENTENCEPIECE,
        }
    )

    manifest = Run(weights, hub, s3)()

    assert {entry["path"] for entry in manifest["files"]} == {
        "README.md",
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer.model",
    }
    assert manifest["left_out"]["pytorch_model.bin"] == "a pickle, beside safetensors of the same weights"
    assert manifest["left_out"]["original/params.json"] == "the same weights in the format they were trained in"


def test_pickles_alone_are_refused_unless_named(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = HubModel(
        {"config.json": b'{"model_type": "opt"}', "pytorch_model.bin": b"x", "vocab.json": b"{}", "merges.txt": b""}
    )

    assert (
        "holds pickles alone (pytorch_model.bin …), which run code when they are read"
        in Run(weights, hub, s3).refused()
    )


def test_a_path_that_leads_out_of_the_prefix_is_refused(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model(**{"../../other/config.json": b"{}"})

    assert "'../../other/config.json': is not a path inside a repository" in Run(weights, hub, s3).refused()


def test_a_repository_that_is_no_whole_model_gets_no_manifest(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model(3)
    del hub.models[REPO].files["model-00002-of-00003.safetensors"]
    del hub.models[REPO].files["tokenizer.json"]

    message = Run(weights, hub, s3).refused()

    assert "tokenizer.json: missing" in message
    assert (
        "model-00002-of-00003.safetensors: missing; 2 of 3 shards that model.safetensors.index.json names are there"
        in message
    )
    assert f"{PREFIX}cdk-sglang-manifest.json" not in keys(s3)


def test_a_draft_has_no_tokenizer_of_its_own(weights: Any, hub: HubServer, s3: Any) -> None:
    """As EAGLE heads are published: config and weights. As a model, the same files are refused as before."""
    hub.models[REPO] = a_model(1)
    del hub.models[REPO].files["tokenizer.json"]

    assert Run(weights, hub, s3)(draft=True)["draft"] is True
    assert "tokenizer.json: missing" in Run(weights, hub, s3).refused()


def test_a_machine_without_memory_for_one_part_says_so(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model(1, rows=5 * MIB)

    message = Run(weights, hub, s3).refused(memory=50 * MIB)

    assert message.endswith(
        "go to S3 in parts that take 192 MiB of memory, 50 MiB are free for it; use a larger machine"
    )


def test_parts_grow_with_the_file_so_that_ten_thousand_do(weights: Any) -> None:
    for size in (1, 10**9, 600 * 10**9, 5 * 10**12):
        part = weights.transfer.part_bytes(size)
        assert part >= 64 * MIB
        assert -(-size // part) <= 10_000


def test_fewer_files_at_once_where_memory_is_short(weights: Any) -> None:
    files = [weights.hub.HubFile(path="a", size=10**9, sha256="x")]

    assert weights.stage.workers_for(files, workers=16, memory=1000 * MIB) == 5
    assert weights.stage.workers_for(files, workers=16, memory=10**12) == 16


def run_program(
    endpoint_url: str, *arguments: str, full_disk: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    def no_byte_on_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    return subprocess.run(
        [sys.executable, "-m", "weights", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(RUNTIME),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=no_byte_on_disk if full_disk else None,
        timeout=120,
    )


def client(endpoint_url: str, service: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def test_a_full_disk_does_not_stop_staging(hub: HubServer, endpoint_url: str) -> None:
    hub.models[REPO] = a_model(1, rows=5 * MIB)
    client(endpoint_url, "s3").create_bucket(Bucket="models")

    done = run_program(
        endpoint_url, "stage", REPO, "--revision", REVISION, "--bucket", "models", "--hub-url", hub.url, full_disk=True
    )

    assert done.returncode == 0, done.stderr
    assert "staged 5 files, 0.02 GB" in done.stdout


def test_the_program_reads_its_token_from_secrets_manager(hub: HubServer, endpoint_url: str) -> None:
    hub.models[REPO] = a_model(1)
    hub.models[REPO].gated = True
    hub.tokens["hf_mine"] = {REPO}
    client(endpoint_url, "s3").create_bucket(Bucket="models")
    secret = client(endpoint_url, "secretsmanager").create_secret(Name="hub", SecretString='{"token": "hf_mine"}')[
        "ARN"
    ]

    done = run_program(
        endpoint_url,
        "--json",
        "stage",
        REPO,
        "--revision",
        REVISION,
        "--bucket",
        "models",
        "--hub-url",
        hub.url,
        "--token-secret",
        secret,
    )

    assert done.returncode == 0, done.stdout
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()][-1] == "done"
    assert "hf_mine" not in done.stdout + done.stderr


def test_a_token_in_the_environment_is_refused(endpoint_url: str) -> None:
    done = run_program(endpoint_url, "stage", REPO, "--revision", REVISION, "--bucket", "models", HF_TOKEN="hf_mine")

    assert done.returncode == 2
    assert done.stderr == (
        "error: HF_TOKEN is set: tokens come from Secrets Manager alone, since environments are logged and inherited; "
        "unset it and give --token-secret\n"
    )


def test_verify_knows_a_draft_by_its_record(hub: HubServer, endpoint_url: str) -> None:
    hub.models[REPO] = a_model(1)
    del hub.models[REPO].files["tokenizer.json"]
    client(endpoint_url, "s3").create_bucket(Bucket="models")
    order = ("--revision", REVISION, "--bucket", "models", "--hub-url", hub.url)
    staged = run_program(endpoint_url, "stage", REPO, *order, "--draft")
    assert staged.returncode == 0, staged.stderr
    assert run_program(endpoint_url, "verify", "--bucket", "models", "--prefix", PREFIX).returncode == 0


def test_verify_names_what_has_changed_since_staging(hub: HubServer, endpoint_url: str) -> None:
    hub.models[REPO] = a_model(2)
    s3 = client(endpoint_url, "s3")
    s3.create_bucket(Bucket="models")
    run_program(endpoint_url, "stage", REPO, "--revision", REVISION, "--bucket", "models", "--hub-url", hub.url)
    assert run_program(endpoint_url, "verify", "--bucket", "models", "--prefix", PREFIX).returncode == 0

    name = "model-00001-of-00002.safetensors"
    s3.put_object(Bucket="models", Key=f"{PREFIX}{name}", Body=hub.models[REPO].files[name][:-10])
    done = run_program(endpoint_url, "verify", "--bucket", "models", "--prefix", PREFIX)

    size = len(hub.models[REPO].files[name])
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: s3://models/{PREFIX}{name}: has {size - 10} bytes, the manifest says {size}",
        f"error: s3://models/{PREFIX}{name}: is cut short: it has {size - 10} bytes, its header announces {size}; copy it again",
    ]


def test_list_shows_what_is_staged(hub: HubServer, endpoint_url: str) -> None:
    hub.models[REPO] = a_model(2)
    client(endpoint_url, "s3").create_bucket(Bucket="models")
    run_program(endpoint_url, "stage", REPO, "--revision", REVISION, "--bucket", "models", "--hub-url", hub.url)

    (line,) = run_program(endpoint_url, "--json", "list", "--bucket", "models").stdout.splitlines()

    shown = json.loads(line)
    assert (shown["repo"], shown["revision"], shown["files"]) == (REPO, REVISION, 6)


def test_a_bucket_that_is_not_there_is_one_line(endpoint_url: str) -> None:
    done = run_program(endpoint_url, "list", "--bucket", "nowhere")

    assert done.returncode == 1
    assert done.stderr.startswith("error: AWS: ")
    assert len(done.stderr.splitlines()) == 1
