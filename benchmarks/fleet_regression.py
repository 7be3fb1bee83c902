"""`cdk-sglang bench` on what `make local` serves: the unchanged engine shows no regression, a slowed one does.

    .venv/bin/python benchmarks/fleet_regression.py [--workload quick] [--page bench.html] [--keep]

The baseline is the engine itself, in the same minutes: the environment `local` is deployed to the embedded AWS as by `make local` (one that runs
already is used and left running), AIPerf measures it twice, and `compare` has to find no regression; then the engine gets one core and a part of its time, as a
machine with fewer threads would give it, AIPerf measures it once more, and `compare` has to find one. The same is asked of the account's way:
the workload as AI benchmark jobs of the embedded AWS, which run AIPerf as a process. Last, `report` writes its page. Exit code 1 if a command
said something else. Needs `make engine` and `make bench-tools`; without them nothing is measured, and the exit code is 0.

What is real: SGLang, its model SmolLM2-135M-Instruct, AIPerf, the CDK CLI, the commands. What is not: there is no GPU, so the figures tell nothing
of a deployment. Two equal runs on a machine that does other work at one time and not at the other are not equal: its load is printed beside each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import boto3
import psutil

from localcloud import local
from localcloud.background import ROOT, LocalError, credentials, ensure, running
from localcloud.engine.recipe import EngineMissingError, engine_python

AIPERF: Final = ROOT / ".venv-bench" / "bin" / "aiperf"
SHARE: Final = 0.5
"""Share of the time that the slowed engine may run."""
PERIOD_S: Final = 0.2
BUCKET: Final = "bench-jobs-123456789012"
ROLE: Final = "arn:aws:iam::123456789012:role/bench"
TOKENIZER: Final = ("tokenizer.json", "tokenizer_config.json", "config.json", "special_tokens_map.json")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", default="quick", help="of environments/local.yaml")
    parser.add_argument("--page", type=Path, help="where the report's page is kept; a temporary file by default")
    parser.add_argument("--keep", action="store_true", help="leave the deployment running")
    arguments = parser.parse_args()
    missing = _missing()
    if missing:
        print(f"nothing is measured: {missing}")
        return 0
    was_running = running() is not None
    os.environ["LOCALCLOUD_AIPERF"] = str(AIPERF)  # read by the server that `make local` starts
    port = int(os.environ["PORT"]) if os.environ.get("PORT") else None
    try:
        local.up(port)
        with tempfile.TemporaryDirectory() as folder:
            return Check(arguments.workload, Path(folder), ensure(port, engine_python())).run(arguments.page)
    except LocalError as error:
        print(error)
        return 1
    finally:
        if not was_running and not arguments.keep:
            local.down(port)


def _missing() -> str:
    try:
        engine_python()
    except EngineMissingError as error:
        return str(error)
    return "" if AIPERF.exists() else "AIPerf is not installed; run `make bench-tools`"


class Check:
    """The commands of a user, and their expected results.

    Args:
        workload: Workload of the environment.
        folder: Folder for the history.
        url: Address of the embedded AWS.
    """

    def __init__(self, workload: str, folder: Path, url: str) -> None:
        self.workload, self.folder, self.url = workload, folder, url
        self.environment = {
            **local.aws_environment(url, credentials()),
            "CDK_SGLANG_BENCH_HISTORY": str(folder / "history"),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "constructs"), str(ROOT)]),
            "COLUMNS": "160",
        }
        self.wrong: list[str] = []

    def run(self, page: Path | None) -> int:
        """Run all commands; return the exit status."""
        self.measure("the engine as it is")
        self.measure("the engine as it is, again")
        self.compare(status=0)
        with slowed():
            self.measure("one core and half of the time")
        self.compare(status=1)
        self.jobs()
        page = page or self.folder / "bench.html"
        self.command("report", "--html", str(page), status=0)
        print(f"page: {page}, {page.stat().st_size:,} bytes")
        for line in self.wrong:
            print(f"WRONG: {line}")
        return 1 if self.wrong else 0

    def measure(self, what: str, *words: str) -> None:
        """Measure the engine."""
        print(f"\n== bench run: {what}; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
        begin = time.perf_counter()
        self.command("run", "--workload", self.workload, *words, status=0)
        print(f"{time.perf_counter() - begin:.0f} s", flush=True)

    def compare(self, *, status: int) -> None:
        """Compare the last two runs."""
        print(f"\n== bench compare: has to find {'no regression' if status == 0 else 'one'}", flush=True)
        self.command("compare", status=status)

    def jobs(self) -> None:
        """Measure the engine by AI benchmark jobs."""
        server = running()
        assert server is not None
        if psutil.Process(int(server["pid"])).environ().get("LOCALCLOUD_AIPERF") != str(AIPERF):
            print(
                "\n== AI benchmark jobs: left out, since an embedded AWS that ran before does not start AIPerf; `make local-down` first"
            )
            return
        session = boto3.Session(
            aws_access_key_id=credentials().access_key_id,
            aws_secret_access_key=credentials().secret_access_key,
            region_name="us-east-1",
        )
        s3 = session.client("s3", endpoint_url=self.url)
        s3.create_bucket(Bucket=BUCKET)
        weights = local.outputs(session.client("cloudformation", endpoint_url=self.url), "cdk-sglang-local-foundation")
        tokenizer = self.folder / "tokenizer"
        tokenizer.mkdir()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=weights["WeightsBucket"], Prefix="weights/")
        for key in (one["Key"] for page in pages for one in page.get("Contents", ())):
            if key.rsplit("/", 1)[-1] in TOKENIZER:
                s3.download_file(weights["WeightsBucket"], key, str(tokenizer / key.rsplit("/", 1)[-1]))
        self.measure(
            "AI benchmark jobs", "--runner", "sagemaker", "--role", ROLE, "--output", f"s3://{BUCKET}/jobs", "--tokenizer", str(tokenizer),
            "--repeats", "1",
        )  # fmt: skip

    def command(self, *words: str, status: int) -> None:
        """Run a command of `cdk-sglang bench`, and remember an unexpected exit status."""
        command = [str(ROOT / ".venv/bin/cdk-sglang"), "bench", *words, "--env", "local"]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=False)
        if done.returncode != status:
            self.wrong.append(f"cdk-sglang {' '.join(command[1:])} ended with {done.returncode}, not {status}")


@contextmanager
def slowed() -> Iterator[None]:
    """Give the engine one core, and a share of its time."""
    engines = _engines()
    cores = {one.pid: one.cpu_affinity() for one in engines}
    done = threading.Event()

    def take() -> None:
        while not done.is_set():
            _each(engines, "suspend")
            done.wait(PERIOD_S * (1 - SHARE))
            _each(engines, "resume")
            done.wait(PERIOD_S * SHARE)

    for one in engines:
        one.cpu_affinity(cores[one.pid][:1])
    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _each(engines, "resume")
        for one in engines:
            one.cpu_affinity(cores[one.pid])


def _engines() -> Sequence[psutil.Process]:
    """Return the processes of the copies that this checkout's embedded AWS runs."""
    server = running()
    assert server is not None
    found = [
        one
        for one in psutil.Process(int(server["pid"])).children(recursive=True)
        if "cdk_sglang_container" in " ".join(one.cmdline())
    ]
    # The scheduler, a child of the server, is what answers.
    return [part for one in found for part in (one, *one.children(recursive=True))]


def _each(processes: Sequence[psutil.Process], what: str) -> None:
    for one in processes:
        getattr(one, what)()


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
