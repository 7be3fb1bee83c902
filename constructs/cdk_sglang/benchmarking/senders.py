"""What sends one repeat of a step: AIPerf on this machine, or a benchmark job in the account."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from cdk_sglang.benchmarking.aiperf.configuration import Address, configuration
from cdk_sglang.benchmarking.aiperf.process import Ended, run_aiperf
from cdk_sglang.benchmarking.jobs.parameters import NAME_MAX, configuration_name, workload_specification
from cdk_sglang.benchmarking.jobs.runner import JobRunner
from cdk_sglang.benchmarking.resolved import ResolvedWorkload, Step


@dataclass(frozen=True, kw_only=True)
class AiperfSender:
    """Sends with AIPerf on this machine.

    Args:
        executable: AIPerf.
        workload: The workload.
        model: Name of the model in requests.
        tokenizer: Folder or name of the tokenizer that makes prompts.
        dataset: File with the workload's own prompts; None for made ones.
        address: Opens the way to the component for one repeat: the address, and variables of AIPerf's process.
        run: Runs AIPerf.
    """

    executable: Path
    workload: ResolvedWorkload
    model: str
    tokenizer: str
    dataset: Path | None
    address: Callable[[Step], AbstractContextManager[tuple[Address, Mapping[str, str]]]]
    run: Callable[..., Ended] = run_aiperf

    def __call__(self, step: Step, repeat: int, folder: Path, stop: Callable[[], str | None]) -> Ended:
        """Send one repeat of a step."""
        with self.address(step) as (address, variables):
            content = configuration(
                self.workload,
                step,
                address,
                model=self.model,
                tokenizer=self.tokenizer,
                folder=folder,
                dataset=self.dataset,
                repeat=repeat,
            )
            file = folder / "aiperf.json"
            file.write_text(json.dumps(content, indent=1), encoding="utf-8")
            return self.run(self.executable, file, log=folder / "aiperf.log", environment=variables, stop=stop)


@dataclass(frozen=True, kw_only=True)
class JobSender:
    """Sends with SageMaker AI benchmark jobs.

    Args:
        jobs: Runs a job.
        environment: Name of the environment.
        run: Identifier of the run.
        workload: The workload.
        tokenizer: Hugging Face repository of the tokenizer.
    """

    jobs: JobRunner
    environment: str
    run: str
    workload: ResolvedWorkload
    tokenizer: str

    def __call__(self, step: Step, repeat: int, folder: Path, stop: Callable[[], str | None]) -> Ended:
        """Send one repeat of a step."""
        specification = workload_specification(self.workload, step, tokenizer=self.tokenizer, repeat=repeat)
        name = f"{self.run}-{self.workload.steps.index(step)}-{repeat}".lower()[:NAME_MAX].rstrip("-")
        return self.jobs.run(
            name,
            configuration=configuration_name(self.environment, self.workload.name, specification),
            specification=specification,
            folder=folder,
            stop=stop,
        )
