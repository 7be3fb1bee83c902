"""AI benchmark jobs that send requests: AIPerf runs as a process, with the workload's parameters as options, as in the job's container."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import boto3

from cdk_sglang.client.tokens import session_token
from localcloud.aws.compute import job_outputs
from localcloud.aws.settings import Settings

FILES: Final = ("profile_export.jsonl", "profile_export_aiperf.json")
"""Files of AIPerf 0.13.0 that a job's archive holds."""
_LOG_BYTES: Final = 2000
_VARIABLE: Final = "LOCALCLOUD_BEARER"
"""Variable of AIPerf's process with the bearer token, which must not appear in a file or a process list."""
_TOKEN_LIFE: Final = timedelta(hours=12)
"""Maximum lifetime of a bearer token of SageMaker's OpenAI path."""


def options(workload: Mapping[str, Any]) -> list[str]:
    """Return the parameters of a workload as AIPerf's options, whose names they have.

    Args:
        workload: Parameters of the workload.
    """
    words: list[str] = []
    for name, value in workload.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value not in (False, None):
            words += [option, str(value)]
    return words


def _configuration(model: str, url: str) -> dict[str, Any]:
    """Return the token, which AIPerf reads only from a file; its options take precedence over everything else (AIPerf 0.13.0, tried 2026-12)."""
    return {
        "benchmark": {
            "models": {"items": [{"name": model}]},
            "endpoint": {"urls": [url], "type": "chat", "api_key": f"${{{_VARIABLE}}}"},
            "datasets": [{"name": "main", "type": "synthetic", "prompts": {"isl": {"mean": 1}, "osl": {"mean": 1}}}],
            "phases": [
                {"name": "profiling", "kind": "profiling", "type": "concurrency", "concurrency": 1, "requests": 1}
            ],
        }
    }


class BenchmarkProcess:
    """A benchmark job that runs; it starts at once.

    Args:
        job: The job.
        settings: Settings of the embedded AWS: AIPerf's program, the address of the server and its credentials.
        done: Called once at the end, with why the job failed; None for a job that completed.
    """

    def __init__(self, job: job_outputs.Job, settings: Settings, done: Callable[[str | None], None]) -> None:
        self._job, self._settings, self._done = job, settings, done
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"benchmark-{job.name}", daemon=True)
        self._thread.start()

    def ask_to_end(self) -> None:
        """Let AIPerf write its measurements and end."""
        self._ended.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """End AIPerf and everything that it started."""
        self._ended.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _run(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=self._settings.folder))
        try:
            reason = self._measure(folder)
        except (OSError, job_outputs.JobFailedError, RuntimeError) as error:
            reason = str(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._done(reason)

    def _measure(self, folder: Path) -> str | None:
        job, log = self._job, folder / "log"
        endpoint = job.request["BenchmarkTarget"]["Endpoint"]["Identifier"].rsplit("/", 1)[-1]
        component = job.components[0]
        url = self._settings.base_url
        configuration = folder / "configuration.json"
        configuration.write_text(json.dumps(_configuration(component, url)), encoding="utf-8")
        command = [
            str(self._settings.aiperf), "profile", "--config", str(configuration), "--model", component, "--url", url,
            "--custom-endpoint", f"/endpoints/{endpoint}/inference-components/{component}/openai/v1/chat/completions",
            "--endpoint-type", "chat", "--use-server-token-count", "--no-gpu-telemetry", "--no-server-metrics", "--ui", "none",
            "--artifact-dir", str(folder), *options(job.workload),
        ]  # fmt: skip
        quiet = {"DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
        token = self._token()
        with log.open("wb") as output:
            if self._ended.is_set():
                return None
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **quiet, _VARIABLE: token},
                start_new_session=True,
            )
            code = self._process.wait()
            self.end()  # its services outlive a killed parent
        members = {path.name: path.read_bytes() for name in FILES if (path := folder / name).exists()}
        if members:
            job_outputs.archive(job, members)
        if code and not members:
            lines = log.read_bytes()[-_LOG_BYTES:].decode(errors="replace").strip().splitlines()
            return f"AlgorithmError: AIPerf ended with exit code {code}: {' '.join(lines[-3:])}"
        return None

    def _token(self) -> str:
        keys = self._settings.credentials
        session = boto3.Session(
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            region_name=self._job.region,
        )
        return session_token(session, self._job.region, _TOKEN_LIFE)
