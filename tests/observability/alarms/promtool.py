"""The real Prometheus judges queries: `promtool test rules` over synthetic series.

The distribution's promtool (2.42) has no quoted label names, which CloudWatch and Prometheus 3 have: dots and other signs become underscores.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

_QUOTED_LABEL = re.compile(r'(?<=[{(, ])"([@\w.]+)"(?=\s*(?:=|!=|,|\)))')


def promtool() -> str:
    """Return promtool; CI installs it (.ci/run), so there its absence is a failure and no reason to skip."""
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI"):
        pytest.fail("no promtool on this machine, and .ci/run should have installed it (Debian: prometheus)")
    if found is None:
        pytest.skip("no promtool on this machine (Debian: prometheus)")
    return found


def old_labels(text: str) -> str:
    """Return a query or a series with labels that Prometheus 2 can read."""
    return _QUOTED_LABEL.sub(lambda found: re.sub(r"\W", "_", found[1]), text)


def firing(
    folder: Path,
    *,
    properties: Sequence[Mapping[str, Any]],
    series: Mapping[str, str],
    minutes: Sequence[int],
    evaluation: str = "1m",
) -> dict[int, list[dict[str, str]]]:
    """Return the labels of what alarms' queries, pending periods included, have on at some minutes.

    Args:
        folder: Where files are written.
        properties: Properties of PromQL alarms in CloudFormation.
        series: Values of each series, a minute apart, as promtool expands them, such as 0+10x60.
        minutes: Minutes at which the alarms are looked at.
        evaluation: How often they are evaluated.
    """
    criteria = [each["EvaluationCriteria"]["PromQLCriteria"] for each in properties]
    rules = [
        {"alert": f"Alarm{number}", "expr": old_labels(each["Query"]), "for": f"{each['PendingPeriod']}s"}
        for number, each in enumerate(criteria)
    ]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "alarms", "rules": rules}]}))
    # Nothing is expected, and the difference says what there is: promtool has no command that prints alerts.
    looks = [
        {"eval_time": f"{minute}m", "alertname": rule["alert"], "exp_alerts": []}
        for minute in minutes
        for rule in rules
    ]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": evaluation,
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": old_labels(name), "values": values} for name, values in series.items()],
                "alert_rule_test": looks,
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test, width=100_000))
    done = subprocess.run(
        [promtool(), "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    text = done.stdout + done.stderr
    on: dict[int, list[dict[str, str]]] = {minute: [] for minute in minutes}
    if done.returncode == 0:
        return on
    found = re.split(r"alertname:\s*Alarm\d+, time: ", text)
    assert len(found) > 1, text
    for each in found[1:]:
        time, _, rest = each.partition(",")
        got = rest.partition("got:[")[2]
        labels = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in re.findall(r"Labels:\{([^}]*)\}", got)]
        on[_minutes(time.strip())] += labels
    return on


def _minutes(duration: str) -> int:
    """Parse a time as promtool prints it, such as 6h40m."""
    parts = {unit: int(number) for number, unit in re.findall(r"(\d+)([dhm])", duration)}
    return parts.get("d", 0) * 1440 + parts.get("h", 0) * 60 + parts.get("m", 0)
