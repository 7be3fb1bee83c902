"""The console of a deployed environment in a real browser: what it shows is what was deployed, wide and on a phone, light and dark."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.cli.console import beside
from cdk_sglang.cli.console.account import Account, Clients
from cdk_sglang.cli.console.gpus import read_gpus
from cdk_sglang.cli.console.server import ConsoleServer
from cdk_sglang.console.stream import Streams
from localcloud.aws import faults
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import eventually, in_service
from tests.support import console as console_support
from tests.support.browser import Page
from tests.support.observed import LLAMA, QWEN

LIVE = "document.querySelector('.status .pill')?.textContent === 'live'"
MAIN = "document.querySelector('main').innerText"
ENGINE = {
    LLAMA: {
        "ttft_mean_ms": 20.0,
        "ttft_p99_ms": 900.0,
        "tpot_mean_ms": 20.0,
        "output_tok_s": 4e4,
        "kv_share_used": 0.25,
    }
}


@pytest.fixture
def deployed(cloud: LocalCloud, client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sagemaker, cloudwatch = client("sagemaker"), client("cloudwatch")
    console_support.deploy_endpoint(sagemaker)
    console_support.deploy_stack(client("cloudformation"))
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="prod-chat")["EndpointStatus"] == "InService")
    console_support.deploy_components(sagemaker)
    cloudwatch.start_o_tel_enrichment()
    for name in (LLAMA, QWEN):
        in_service(sagemaker, name)
    console_support.deploy_adapter(sagemaker)
    console_support.deploy_scaling(client("application-autoscaling"))
    for minute in range(2, 12):
        console_support.publish(cloudwatch, "Invocations", 60.0 * minute, minutes_ago=minute)
        console_support.publish(cloudwatch, "ModelLatency", 1_500_000, minutes_ago=minute)
    console_support.publish(cloudwatch, "Invocation5XXErrors", 3, minutes_ago=4)
    monkeypatch.setattr(beside, "engine_values", lambda *_: ENGINE)
    for name, value in cloud.credentials.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    promql = Clients(Account(region="us-east-1")).promql
    eventually(lambda: len(read_gpus(promql, "prod-chat")[0]["gpus"]) == 4 if read_gpus(promql, "prod-chat") else False)


@pytest.fixture
def server(deployed: None) -> Iterator[ConsoleServer]:
    server = ConsoleServer(0, console_support.console_of())
    server.content.poller.start()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.streams.end()
    server.content.poller.end()
    server.shutdown()
    server.server_close()
    eventually(lambda: server.content.poller.idle)


def test_the_page_shows_what_was_deployed_at_every_width_and_in_both_colours_and_what_aws_refuses(
    server: ConsoleServer, browser: str, tmp_path: Path
) -> None:
    with Page(browser, tmp_path / "profile") as page:
        for width, scheme in ((1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")):
            page.open(server.address, width=width, height=1900, scheme=scheme)
            page.until(LIVE)
            page.until("document.querySelector('#table-plan')")
            page.screenshot(tmp_path / f"console-{scheme}-{width}.png")
            assert page.value("document.documentElement.scrollWidth") == width
            assert (
                page.value("document.querySelectorAll('main button, main input, main textarea, main form').length") == 0
            )
            assert page.value("location.hash") == "", "screenshots and bookmarks would keep the key"
            ids = page.value("[...document.querySelectorAll('[id]')].map((one) => one.id)")
            assert len(ids) == len(set(ids))
        shown = page.value(MAIN)
        for part in SHOWN:
            assert part in shown
        assert page.value("document.querySelectorAll('.gpu:not(.use):not(.free)').length") == 4
        used = page.value("[...document.querySelectorAll('.gpu.use')].map((one) => one.title)")
        assert [one.partition(",")[0] for one in used] == [
            f"GPU {n}: {name}" for n, name in enumerate((LLAMA, LLAMA, QWEN, QWEN))
        ]
        assert page.value("document.title").startswith("prod in us-east-1, account 123456789012")
        server.streams.end()
        server.content.poller.end()

        faults.inject("throttling", target="cloudwatch:*")
        server.content = console_support.console_of()
        server.streams = Streams(server.content.snapshot, server.content.beat)
        server.content.poller.start()
        page.open(server.address)
        page.until(LIVE)
        page.until("document.querySelector('#part-alarms .bad')")
        assert "AWS throttles the request" in page.value("document.querySelector('#part-alarms').innerText")
        assert "cloudwatch:GetMetricData: AWS throttles" in page.value(
            "document.querySelector('#part-fleet').innerText"
        )
        assert page.value("document.querySelectorAll('.gpu:not(.use)').length") == 4, "SageMaker is asked as before"
        assert "CopiesMissing" in page.value("document.querySelector('#part-events').innerText")
        assert page.problems == []


SHOWN = (
    "This page reads the account and changes nothing, so it has neither buttons nor a chat",
    "13.12 USD an hour now",
    "calls to AWS in the last minute, for all tabs",
    "1 \N{MULTIPLICATION SIGN} ml.g6e.12xlarge",
    "4 of 4 GPUs reserved",
    "1 of 1",
    "0 to 4",
    "keeps ConcurrentRequestsPerCopyHighResolution at 4",
    "2 requests/s \N{MIDDLE DOT} p50 1.5 s",
    "3 errors",
    "Adapter could not be loaded",
    "with 16 requests in flight on a copy",
    "20 ms mean below the plan",
    "CopiesMissing",
    "runbook",
    "2 alarms of scaling policies",
    "CREATE_COMPLETE",
    "What AWS does not tell",
)
