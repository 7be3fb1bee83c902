"""AI benchmark jobs of the embedded AWS that send requests: the workload's parameters as options of AIPerf, its files as the job's archive."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang import Goodput, Load, Workload
from cdk_sglang.benchmarking.jobs.parameters import workload_specification
from cdk_sglang.benchmarking.resolved import resolve_workload
from localcloud.aws import settings
from localcloud.aws.compute import benchmark_processes
from tests.localcloud.helpers import ROLE, ROOT, eventually

AIPERF = ROOT / ".venv-bench" / "bin" / "aiperf"
PROGRAM = f"""#!{sys.executable}
# A program with AIPerf's options: one request with the token, and a record of what it was asked for; it fails or waits on demand.
import json, os, pathlib, re, signal, sys, time, urllib.request
words = sys.argv[2:]
value = lambda name: words[words.index(name) + 1]
folder = pathlib.Path(value("--artifact-dir"))
if value("--random-seed") == "13":
    sys.exit("no such tokenizer")
def end(*_):
    (folder / "profile_export.jsonl").write_text(json.dumps({{"options": words}}))
    (folder / "profile_export_aiperf.json").write_text("{{}}")
    sys.exit(0)
signal.signal(signal.SIGINT, end)
content = json.loads(pathlib.Path(value("--config")).read_text())
token = os.environ[re.fullmatch(r"\\$\\{{(.*)\\}}", content["benchmark"]["endpoint"]["api_key"])[1]]
request = urllib.request.Request(value("--url") + value("--custom-endpoint"), method="POST")
request.add_header("Authorization", "Bearer " + token)
request.add_header("Content-Type", "application/json")
body = json.dumps({{"model": "m", "messages": [{{"role": "user", "content": "hello"}}]}}).encode()
assert b"heard: hello" in urllib.request.urlopen(request, body, timeout=20).read()
if value("--random-seed") == "14":
    (folder / "waiting").touch()
    time.sleep(60)
end()
"""


@pytest.fixture
def sending(serving: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start a benchmark job with a seed, whose program is in the settings; returns the client of SageMaker."""
    program = tmp_path / "aiperf"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    before = settings.current()
    settings.configure(aiperf=program)

    def start(seed: int) -> Any:
        name = f"seed-{seed}"
        parameters = {"streaming": True, "concurrency": 2, "random_seed": seed, "tokenizer": "me/m"}
        serving.create_ai_workload_config(
            AIWorkloadConfigName=name,
            AIWorkloadConfigs={"WorkloadSpec": {"Inline": json.dumps({"parameters": parameters})}},
        )
        serving.create_ai_benchmark_job(
            AIBenchmarkJobName=name,
            BenchmarkTarget={"Endpoint": {"Identifier": "fleet", "InferenceComponents": [{"Identifier": "llama"}]}},
            OutputConfig={"S3OutputLocation": "s3://results-1/jobs/"},
            AIWorkloadConfigIdentifier=name,
            RoleArn=ROLE,
        )
        return serving

    yield start
    settings.restore(before)


def ended(sagemaker: Any, name: str) -> dict[str, Any]:
    def settled() -> dict[str, Any] | None:
        found: dict[str, Any] = sagemaker.describe_ai_benchmark_job(AIBenchmarkJobName=name)
        return None if found["AIBenchmarkJobStatus"] in {"InProgress", "Stopping"} else found

    found: dict[str, Any] = eventually(settled)
    return found


def archived(client: Callable[[str], Any], name: str) -> dict[str, bytes]:
    body = client("s3").get_object(Bucket="results-1", Key=f"jobs/{name}/output/output.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as files:
        return {member.name: files.extractfile(member).read() for member in files}


def test_a_job_sends_requests_fails_with_the_programs_words_and_keeps_what_a_stopped_one_has(
    sending: Callable[[int], Any], client: Callable[[str], Any]
) -> None:
    client("s3").create_bucket(Bucket="results-1")
    sagemaker = sending(1)
    done = ended(sagemaker, "seed-1")
    assert done["AIBenchmarkJobStatus"] == "Completed", done
    files = archived(client, "seed-1")
    assert set(files) == set(benchmark_processes.FILES)
    words = json.loads(files["profile_export.jsonl"])["options"]
    assert "--streaming" in words
    assert {name: words[words.index(name) + 1] for name in ("--concurrency", "--tokenizer", "--model")} == {
        "--concurrency": "2", "--tokenizer": "me/m", "--model": "llama",
    }  # fmt: skip
    failed = ended(sending(13), "seed-13")
    assert failed["AIBenchmarkJobStatus"] == "Failed"
    assert failed["FailureReason"].endswith("AIPerf ended with exit code 1: no such tokenizer")
    sending(14)
    eventually(lambda: list(settings.current().folder.glob("benchmark-*/waiting")))
    sagemaker.stop_ai_benchmark_job(AIBenchmarkJobName="seed-14")
    assert ended(sagemaker, "seed-14")["AIBenchmarkJobStatus"] == "Stopped"
    assert set(archived(client, "seed-14")) == set(benchmark_processes.FILES)
    assert list(settings.current().folder.glob("benchmark-*")) == []


@pytest.mark.skipif(not AIPERF.exists(), reason="AIPerf is not installed: make bench-tools")
def test_every_parameter_of_a_workload_is_an_option_of_aiperf() -> None:
    shown = subprocess.run([str(AIPERF), "profile", "--help"], capture_output=True, text=True, check=True).stdout
    for values in ({"concurrency": (1,)}, {"request_rate": (2.0,), "seconds": 30}):
        workload = resolve_workload("a", Workload(**values, goodput=Goodput(ttft_ms=1)), load=Load(), slo=None)
        text = workload_specification(workload, workload.steps[0], tokenizer="me/m")
        words = benchmark_processes.options(json.loads(text)["parameters"])
        missing = [word for word in words if word.startswith("--") and word not in shown]
        assert missing == []
