"""A pipeline for drafts on the embedded AWS, in this process and on a driven clock: what it is deployed from, and what a test sees of it.

Stand-ins: training and benchmark jobs write what a test chooses, functions run in the test's process, and copies are no processes. The
templates, the state machine's definition and the functions are those that are deployed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cdk_sglang._runtime.weights import __main__ as weights
from localcloud.aws.clock import Clock
from localcloud.aws.compute import builds, job_outputs
from tests.localcloud.helpers import SESSION
from tests.support import drafts
from tests.support.functions import InProcess

ACCOUNT, REGION, BUCKET, ASSETS = "123456789012", "us-east-1", "weights", "cdk-hnb659fds-assets-123456789012-us-east-1"
TYPE = "ml.g6e.12xlarge"
PLAIN, ASKED = "plain", "asked"
"""Endpoints whose drafts are trained, and promoted without asking or after a person has agreed."""
ELSEWHERE, HUB, LAYERS, LOOKUP = "elsewhere", "hub", "layers", "lookup"
"""Endpoints whose drafts are not trained: one below a prefix, one of a hub, the model's own prediction layers, and the text itself."""
DRAFTS, REPOSITORY = "drafts/eagle3/", "owner/eagle3"
"""Where the drafts of the first two are."""
JOB_S = 100.0
_STEP_S = 60.0
_CONVERSATION = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}


def evaluation(job: job_outputs.Job, *, speedup: float = 1.5) -> None:
    """Write the evaluation of a training job."""
    for concurrency in (1, 8):
        for side, factor, length in (("no_eagle", 1.0, 1.0), ("trained_eagle", speedup, 2.6)):
            figures = {"output_throughput": 100 * factor, "mean_tpot_ms": 10 / factor, "accept_length": length}
            job.write(f"results/benchmark_{side}_conc{concurrency}.json", json.dumps(figures).encode())


def trained(draft: drafts.Draft) -> job_outputs.Step:
    """Return what a training job does that makes this draft."""

    def step(job: job_outputs.Job) -> None:
        for name, content in draft.files().items():
            job.write(f"draft/{name}", content)
        evaluation(job)

    return step


def measured(speedup: float, *, failed: int = 0) -> job_outputs.Step:
    """Return what a benchmark job does where the draft is faster by this factor; repeats differ by a little."""
    count: dict[str, int] = {}

    def step(job: job_outputs.Job) -> None:
        side = "draft" if any(name.endswith("-draft") for name in job.components) else "base"
        count[side] = count.get(side, 0) + 1
        tpot = 12.0 * (1 + 0.01 * (count[side] % 3)) / (speedup if side == "draft" else 1.0)
        job_outputs.benchmark(job, job_outputs.Speed(ttft_ms=60.0, tpot_ms=tpot), failed=failed)

    return step


def staging(hub_url: str) -> builds.Step:
    """Return what a build does that copies a model: the program of its script, with another hub."""

    def step(build: builds.Build) -> None:
        names = build.variables
        words = ["stage", names["REPO"], "--revision", names["REVISION"], "--bucket", names["BUCKET"]]
        if weights.main([*words, "--hub-url", hub_url, *names["PATTERNS"].split()]) != 0:
            raise builds.BuildFailedError("the program's lines say why")

    return step


class Pipeline:
    """The pipeline of one component.

    Args:
        name: Name of its endpoint.
        clock: The driven clock.
        functions: What runs the functions.
    """

    def __init__(self, name: str, clock: Clock, functions: InProcess) -> None:
        self.name, self.clock, self.functions = name, clock, functions
        self.component = f"{name}-llama"
        self.sagemaker, self.s3 = SESSION.client("sagemaker"), SESSION.client("s3")
        self.states, self.cloudformation = SESSION.client("stepfunctions"), SESSION.client("cloudformation")
        self.machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{self.component}-speculative"
        self._runs = 0

    def start(self) -> str:
        """Start a run, and return its name."""
        self._runs += 1
        run = f"r{self.clock.utc():%Y%m%dT%H%M%S}-{self._runs:04x}"
        text = json.dumps({"run": run, "reason": "start"})
        self.states.start_execution(stateMachineArn=self.machine, name=run, input=text)
        return run

    def arn(self, run: str) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{run}"

    def status(self, run: str) -> str:
        return str(self.states.describe_execution(executionArn=self.arn(run))["status"])

    def until(self, holds: Callable[[], Any], *, hours: float = 60, step_s: float = _STEP_S) -> Any:
        """Let time pass until something holds."""
        end = self.clock.now() + hours * 3600
        while not (value := holds()):
            assert self.clock.now() < end, "it did not happen in time"
            self.clock.advance(step_s, step_s=step_s)
        return value

    def at(self, run: str, entry: str) -> None:
        """Let time pass until the run has called a function."""
        self.until(
            lambda: any(name == entry and run in json.dumps(event) for name, event in self.functions.invocations)
        )

    def end(self, run: str, *, step_s: float = _STEP_S) -> dict[str, Any]:
        """Let a run end, and the clean-up after it; return its output, or its cause."""
        self.until(lambda: self.status(run) != "RUNNING", step_s=step_s)
        self.clock.advance(120, step_s=_STEP_S)
        found = self.states.describe_execution(executionArn=self.arn(run))
        text = found.get("output") or found.get("cause") or "{}"
        return {"status": found["status"], "error": found.get("error")} | dict(json.loads(text))

    def states_of(self, run: str) -> list[str]:
        """Names of the states that a run entered, in order."""
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=self.arn(run))
        events = [event for page in pages for event in page["events"]]
        return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]

    def parameter(self) -> str:
        """Value of the serving stack's parameter."""
        (stack,) = self.cloudformation.describe_stacks(StackName=f"Fleet-{self.name}")["Stacks"]
        found = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
        return str(next(value for key, value in found.items() if key.startswith("Draft")))

    def promote_by_hand(self, value: str) -> None:
        """Change the parameter as the command line does."""
        (stack,) = self.cloudformation.describe_stacks(StackName=f"Fleet-{self.name}")["Stacks"]
        keys = [one["ParameterKey"] for one in stack["Parameters"]]
        parameters: list[Any] = [
            {"ParameterKey": key, "ParameterValue": value}
            if key.startswith("Draft")
            else {"ParameterKey": key, "UsePreviousValue": True}
            for key in keys
        ]
        self.cloudformation.update_stack(
            StackName=f"Fleet-{self.name}",
            UsePreviousTemplate=True,
            Parameters=parameters,
            Capabilities=["CAPABILITY_IAM"],
        )

    def serves(self) -> tuple[str, dict[str, str]]:
        """Model data of the live component, and those of its variables that concern speculation."""
        component = self.sagemaker.describe_inference_component(InferenceComponentName=self.component)
        assert component["InferenceComponentStatus"] == "InService"
        specification = component.get("Specification") or component["Specifications"][0]
        return self.made_of(self.sagemaker.describe_model(ModelName=specification["ModelName"]))

    @staticmethod
    def made_of(model: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        """Model data of a model, and those of its variables that concern speculation."""
        container = model["PrimaryContainer"]
        variables = {key: value for key, value in container["Environment"].items() if "SPECULATIVE" in key}
        return container["ModelDataSource"]["S3DataSource"]["S3Uri"], variables

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])]

    def versions(self) -> set[str]:
        return {key.split("/")[0] for key in self.keys(f"speculative/{self.component}/versions/")}

    def read(self, key: str) -> Any:
        return json.loads(self.s3.get_object(Bucket=BUCKET, Key=f"speculative/{self.component}/{key}")["Body"].read())

    def lines(self, key: str) -> list[Any]:
        """Lines of a file of JSON lines, wherever in the bucket."""
        body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    def packages(self) -> list[str]:
        """Approval of every version in the registry, oldest first."""
        found = self.sagemaker.list_model_packages(ModelPackageGroupName=self.component, SortOrder="Ascending")
        return [package["ModelApprovalStatus"] for package in found["ModelPackageSummaryList"]]

    def functions_client(self) -> Any:
        return SESSION.client("lambda")

    def configurations(self) -> dict[str, str]:
        """CONFIG of every function of the pipeline, by the function's name."""
        pages = self.functions_client().get_paginator("list_functions").paginate()
        found = {
            one["FunctionName"]: one["Environment"]["Variables"].get("CONFIG")
            for page in pages
            for one in page["Functions"]
        }
        return {name: text for name, text in found.items() if text and json.loads(text)["endpoint_name"] == self.name}

    @contextmanager
    def changes_to(self, part: str, **changes: Any) -> Iterator[None]:
        """Change what the functions are told of the `training` or the `gate`, and change it back."""
        client, before = self.functions_client(), self.configurations()
        for name, text in before.items():
            content = json.loads(text)
            content[part] |= changes
            variables = {"Variables": {"CONFIG": json.dumps(content)}}
            client.update_function_configuration(FunctionName=name, Environment=variables)
        try:
            yield
        finally:
            for name, text in before.items():
                client.update_function_configuration(FunctionName=name, Environment={"Variables": {"CONFIG": text}})

    def left(self) -> list[str]:
        """Whatever costs money or stands in the way and should be gone once no run is under way."""
        sagemaker = self.sagemaker
        components = sagemaker.list_inference_components(MaxResults=100)["InferenceComponents"]
        found = [one["InferenceComponentName"] for one in components]
        found += [one["EndpointName"] for one in sagemaker.list_endpoints(MaxResults=100)["Endpoints"]]
        found += [
            one["EndpointConfigName"] for one in sagemaker.list_endpoint_configs(MaxResults=100)["EndpointConfigs"]
        ]
        found += [one["ModelName"] for one in sagemaker.list_models(MaxResults=100)["Models"]]
        workloads = sagemaker.list_ai_workload_configs(MaxResults=100)["AIWorkloadConfigs"]
        found += [one["AIWorkloadConfigName"] for one in workloads]
        gates = [name for name in found if name.startswith("gate-")]
        jobs = sagemaker.list_optimization_jobs(MaxResults=100)["OptimizationJobSummaries"]
        gates += [
            job["OptimizationJobName"] for job in jobs if job["OptimizationJobStatus"] in ("INPROGRESS", "STARTING")
        ]
        benches = sagemaker.list_ai_benchmark_jobs(MaxResults=100)["AIBenchmarkJobs"]
        return gates + [job["AIBenchmarkJobName"] for job in benches if job["AIBenchmarkJobStatus"] == "InProgress"]


def fill(storage: Any, *, conversations: int = 40) -> None:
    """Put the base models, a draft and a dataset into the weights bucket."""
    for name, content in base_files().items():
        storage.put_object(Bucket=BUCKET, Key=f"{base_prefix(PLAIN)}{name}", Body=content)
    predicting = base_files(architectures=["MiMoForCausalLM"], num_nextn_predict_layers=1)
    for name, content in predicting.items():
        storage.put_object(Bucket=BUCKET, Key=f"{base_prefix(LAYERS)}{name}", Body=content)
    put_draft(storage, drafts.EAGLE3)
    lines = "".join(json.dumps(_CONVERSATION) + "\n" for _ in range(conversations))
    storage.put_object(Bucket=BUCKET, Key="data/chat.jsonl", Body=lines.encode())


def put_draft(storage: Any, draft: drafts.Draft) -> None:
    """Put a draft that was trained elsewhere below its prefix."""
    for name, content in draft.files().items():
        storage.put_object(Bucket=BUCKET, Key=f"{DRAFTS}{name}", Body=content)


def base_prefix(name: str) -> str:
    """Return the prefix of a fleet's base model."""
    return "predicting/" if name == LAYERS else "base/"


def base_files(**changes: Any) -> Mapping[str, bytes]:
    """Files of the base model that the drafts of `tests.support.drafts` are for."""
    embedding = ("BF16", (drafts.VOCABULARY, drafts.HIDDEN))
    return {
        "config.json": json.dumps(drafts.BASE_CONFIG | changes).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors": drafts.safetensors({"model.embed_tokens.weight": embedding, "lm_head.weight": embedding}),
    }
