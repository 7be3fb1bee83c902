"""An environment that is deployed comes back from its endpoints: the synth of what is imported is that of the file, but for what no API says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import ROOT
from tests.support.importing import BUCKET, deploy, differing, run, templates, written

pytestmark = pytest.mark.timeout(300)

_OF_ENVIRONMENTS = {"account", "alarms", "data", "observability", "budget_usd_per_hour", "bench", "agent", "routes"}
_OF_ENDPOINTS = {"idle_alarm", "verify"}
_OF_COMPONENTS = {"load", "slo", "smoke", "speculative", "fit_check", "rollout"}
"""What no API says; the command lists it."""

RICH: dict[str, Any] = yaml.safe_load(
    """
account: "123456789012"
region: us-east-1
tags: {cost-centre: ml}
network: {vpc: existing, subnet_ids: [subnet-0c0c0c0c, subnet-0d0d0d0d], security_group_ids: [sg-0c0c0c0c]}
alarms: {none: a test}
image: {repository: {name: mine, digest: "sha256:DIGEST", cuda: "13.0", sglang_version: "0.5.23"}}
endpoints:
  chat:
    capacity: {type: ml.g6e.48xlarge, min_instances: 2, max_instances: 4, scale_in: {strategy: idle_release, max_step: 2}}
    network_isolation: false
    metric_frequency_seconds: 30
    rollout: {strategy: canary, percent: 25, wait_seconds: 120, termination_wait_seconds: 60, alarms: {p99_latency_ms: 9000, no_capacity: null, minutes: 2}}
    components:
      llama:
        model: {id: meta-llama/Llama-3.2-3B-Instruct, prefix: weights/meta-llama/Llama-3.2-3B-Instruct/}
        server: {context_length: 8192, lora: {max_rank: 16, target_modules: [all]}, extra: {sleep_on_idle: true}, log_requests: true}
        team: search
        environment: {OMP_NUM_THREADS: "4"}
        adapters: {triage: {key: adapters/triage.tar.gz}, billing: {s3: s3://models/billing.tar.gz}}
        scaling: {min_copies: 0, max_copies: 3, invocations_per_minute: 90, scale_out_cooldown_seconds: 30, wake_after_seconds: 10}
      mine:
        model: {s3: s3://models/mine/, weights_gib: 1}
        copies: 2
        resources: {cpu_cores: 6, memory_mib: 20000}
        startup: {download_seconds: 700, health_check_seconds: 800}
        placement: {strategy: binpack, max_zone_imbalance: 1, cache: false}
      followed:
        model: {hugging_face: Qwen/Qwen3-8B, revision: "COMMIT"}
        server: {context_length: 4096}
        scaling:
          min_copies: 1
          max_copies: 4
          metric: {expression: waiting / 2, target: 3, metrics: {waiting: {name: ConcurrentRequestsPerCopy, statistic: Sum, namespace: AWS/SageMaker}}}
          time_zone: Europe/Berlin
          schedules:
            weekend: {days: [sat, sun], begins: "00:00", ends: "00:00", min_copies: 0, max_copies: 0}
            evenings: {days: [mon, tue, wed, thu], begins: "19:00", ends: "07:00", max_copies: 2}
            launch: {begins: "2030-05-06T08:00", ends: "2030-05-06T18:00", min_copies: 3}
""".replace("DIGEST", "a" * 64).replace("COMMIT", "b" * 40)
)

BUILT: dict[str, Any] = yaml.safe_load(
    """
account: "123456789012"
region: us-east-1
network: {vpc: create}
alarms: {none: a test}
image: {build: {digest: "sha256:DIGEST"}}
endpoints:
  chat:
    capacity: {type: ml.g6e.12xlarge, min_instances: 4, max_instances: 4}
    rollout: {strategy: linear, percent: 25, wait_seconds: 120}
    components:
      qwen:
        model: {id: Qwen/Qwen3-8B, prefix: weights/Qwen/Qwen3-8B/}
        server: {context_length: 32768}
        speculative: {eagle: {dataset: built_in, max_usd: 150}}
""".replace("DIGEST", "c" * 64)
)
VERSION = "r20261130T161200-4f2a"


@pytest.fixture(autouse=True)
def signed_in(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        **cloud.credentials.environment,
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return


def _contents(name: str) -> dict[str, Any]:
    if name == "rich":
        return RICH
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments" / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def _with_what_no_api_says(original: Mapping[str, Any], imported: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was imported, with the lines of the file that cannot be read."""
    (endpoint,) = imported["endpoints"]
    was, now = original["endpoints"][endpoint], imported["endpoints"][endpoint]
    components = {}
    for name, before in was["components"].items():  # in the order of the file, which no API says either
        component = now["components"][name]
        if "adapters" in before:
            component["adapters"] = {adapter: component["adapters"][adapter] for adapter in before["adapters"]}
        kept = {key: before[key] for key in _OF_COMPONENTS if key in before and key not in component}
        size = {key: before["model"][key] for key in ("weights_gib", "id") if key in before["model"]}
        components[name] = {**component, **kept, "model": {**component["model"], **size}}
    kept = {key: was[key] for key in _OF_ENDPOINTS if key in was}
    environment = {key: original[key] for key in _OF_ENVIRONMENTS if key in original}
    without = {key: value for key, value in imported.items() if key not in _OF_ENVIRONMENTS}
    endpoints = {**original["endpoints"], endpoint: {**now, **kept, "components": components}}
    return {**environment, **without, "endpoints": endpoints}


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod", "rich"])
def test_an_environment_comes_back_from_its_endpoints(name: str, client: Callable[[str], Any], tmp_path: Path) -> None:
    original = _contents(name)
    before = templates(name, original)
    deploy(client, name, before)
    again = original
    for endpoint in original["endpoints"]:
        result = run(tmp_path, "--force", endpoint=f"{name}-{endpoint}")
        assert result.exit_code == 0, (result.output, result.exception)
        assert f"it is of environment {name}: compare it with that one's own file" in result.stdout
        assert "names: as they are" in result.stdout
        again = _with_what_no_api_says(again, written(tmp_path, name))
    after = templates(name, again)
    assert [line for endpoint in before for line in differing(before[endpoint], after[endpoint])] == []


def test_an_image_of_the_foundation_and_a_draft_that_was_promoted_are_described_as_they_serve(
    client: Callable[[str], Any], tmp_path: Path
) -> None:
    before = templates("built", BUILT)
    parameters: dict[str, Any] = before["chat"]["Parameters"]
    (draft,) = (name for name in parameters if name.startswith("Draft"))
    (digest,) = (one["Default"] for name, one in parameters.items() if "imagedigest" in name)
    served = f"speculative/built-chat-qwen/versions/{VERSION}/"
    client("s3").create_bucket(Bucket=BUCKET)
    client("s3").put_object(Bucket=BUCKET, Key=f"{served}config.json", Body=b"{}")
    values = {draft: f"{VERSION},{served},EAGLE,3,1,4,2.5"}
    deploy(client, "built", before, published={digest: f"sha256:{'d' * 64}"}, values=values)

    result = run(tmp_path, endpoint="built-chat")
    assert result.exit_code == 0, (result.output, result.exception)
    output, imported = " ".join(result.stdout.split()), written(tmp_path, "built")
    (component,) = imported["endpoints"]["chat"]["components"].values()
    assert f"version {VERSION} of a draft, which its pipeline promoted" in output
    assert component["model"] == {"prefix": served}
    chain = {"algorithm": "EAGLE", "num_steps": 3, "eagle_topk": 1, "num_draft_tokens": 4}
    assert component["server"].pop("speculative") == {**chain, "draft_model_path": "/opt/ml/model/draft"}
    assert "a base by its digest, or the reason why there is none" in output
    assert imported.pop("image")["build"]["unpinned"].startswith("imported: ")

    # What the command says to write back, written back.
    original = BUILT["endpoints"]["chat"]["components"]["qwen"]
    component["model"] = original["model"]
    again = templates("built", {**_with_what_no_api_says(BUILT, imported), "image": BUILT["image"]})
    assert differing(before["chat"], again["chat"]) == []
