"""Saved queries of CloudWatch Logs Insights over the logs of an endpoint and its components.

They read lines of three writers: SGLang (0.5.23), uvicorn's access log, and the container of this project, which alone writes
"refused request:" and "slow request:" (container/cdk_sglang_container/request_log.py). No query shows a line that may hold a prompt.
`@log` is "<account>:<log group>", and a log group ends with the name of the endpoint or component.

Syntax: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html (read 2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class SavedQuery:
    """A query of CloudWatch Logs Insights.

    Attributes:
        title: Name under which it is saved.
        meaning: What it answers, as a phrase.
        text: The query.
    """

    title: str
    meaning: str
    text: str


SAVED_QUERIES: Final = (
    SavedQuery(
        title="errors by copy",
        meaning="which copy has errors, how many, and of which kind",
        text=r"""filter @message like /(?i)(?:error|exception|out of memory|crashed|watchdog timeout|makes no progress|cdk-sglang-container:)/
| filter @message not like /server_args=|(?:Receive|Finish): obj=|Receive OpenAI: obj=/
| parse @message /(?<kind>[A-Za-z_.]*(?:Error|Exception)\b|[Oo]ut of memory|NCCL error|CUDA error|crashed with exit code -?\d+|watchdog timeout|makes no progress|cdk-sglang-container)/
| parse @log /(?<component>[^\/:]+)$/
| stats count(*) as errors, max(@timestamp) as last by component, @logStream, kind
| sort errors desc
| limit 100""",
    ),
    SavedQuery(
        title="slow requests",
        meaning="requests whose answer began late, the slowest first, with the trace to follow",
        text=r"""filter @message like /slow request: |Finish: obj=/
| parse @message /slow request: first_part_s=(?<first_part_s>[0-9.]+) total_s=(?<total_s>[0-9.]+) status=(?<status>\d+) path=(?<path>\S+) trace=(?<trace>\S+)/
| parse @message /'e2e_latency': (?<engine_s>[0-9.]+)/
| parse @message /'prompt_tokens': (?<prompt_tokens>\d+)/
| parse @message /'completion_tokens': (?<completion_tokens>\d+)/
| parse @log /(?<component>[^\/:]+)$/
| display @timestamp, component, @logStream, first_part_s, total_s, engine_s, prompt_tokens, completion_tokens, status, path, trace
| sort first_part_s desc
| limit 100""",
    ),
    SavedQuery(
        title="start-up by phase",
        meaning="seconds that a copy's start took, by phase",
        text=r"""filter @message like /starting SGLang with: |Load weight end\.|Memory pool end\.|[Gg]raph end\.|Engine startup timings|fired up and ready to roll/
| parse @message /Load weight end\. elapsed=(?<weights>[0-9.]+) s/
| parse @message /[Gg]raph end\. (?:bs=.*, )?(?:elapsed=|Time elapsed: )(?<graphs>[0-9.]+) s/
| parse @message /kv_cache_allocation=(?<kv_cache>[0-9.]+)/
| parse @message /scheduler_e2e=(?<scheduler>[0-9.]+)/
| parse @log /(?<component>[^\/:]+)$/
| stats max(weights) as weights_s, sum(graphs) as graphs_s, max(kv_cache) as kv_cache_s, max(scheduler) as scheduler_s, min(@timestamp) as began, max(@timestamp) as ended, ended - began as first_to_last_line_ms by component, @logStream
| sort began desc
| limit 100""",
    ),
    SavedQuery(
        title="who was refused, and why",
        meaning="refused requests by status, by whom, the field that was wrong, and a trace of the latest",
        text=r"""filter @message like /refused request: /
| parse @message /refused request: status=(?<status>\d+) by=(?<by>\w+) field=(?<field>\S+) path=(?<path>\S+) trace=(?<trace>\S+)/
| parse @log /(?<component>[^\/:]+)$/
| stats count(*) as requests, max(@timestamp) as last, latest(trace) as last_trace by component, status, by, field, path
| sort requests desc
| limit 100""",
    ),
    SavedQuery(
        title="answers by status",
        meaning="answers per path and status from the access log, which every image of SGLang writes",
        text=r"""filter @message like /"(?:GET|POST|PUT|DELETE) \S+ HTTP\//
| parse @message /"(?<method>[A-Z]+) (?<path>[^\s?]+)\S* HTTP\/[0-9.]+" (?<status>\d{3})/
| parse @log /(?<component>[^\/:]+)$/
| stats count(*) as answers by component, method, path, status
| sort answers desc
| limit 100""",
    ),
    SavedQuery(
        title="wake-ups",
        meaning="copies that became ready, by hour",
        text=r"""filter @message like /fired up and ready to roll/
| parse @log /(?<component>[^\/:]+)$/
| stats count_distinct(@logStream) as copies_ready by component, bin(1h)
| limit 200""",
    ),
)
"""The queries, in the order in which CloudWatch lists them under the endpoint's name."""
