"""The real promtool, and queries as the release of the distribution reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdk_sglang.metrics.figures.life import DIRECTION, OPERATION
from cdk_sglang.metrics.series import COMPONENT, CONTAINER, ENDPOINT, INSTANCE, INSTANCE_TYPE, VARIANT

QUOTED = (COMPONENT, CONTAINER, ENDPOINT, INSTANCE, INSTANCE_TYPE, VARIANT, DIRECTION, OPERATION)

Promtool = Callable[..., str]


def with_plain_labels(query: str) -> str:
    """Return a query whose dotted labels are underscores: promtool before Prometheus 3 has no quoted labels."""
    for label in QUOTED:
        query = query.replace(f'"{label}"', re.sub(r"\W", "_", label))
    return query


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    """Run a check of promtool on files, given as data by name, and return what it wrote; it has to pass.

    CI installs it (.ci/run), so there its absence is a failure and no reason to skip.
    """
    program = shutil.which("promtool")
    if program is None and os.environ.get("CI"):
        pytest.fail("no promtool on this machine, and .ci/run should have installed it (apt: prometheus)")
    if program is None:
        pytest.skip("no promtool on this machine (apt: prometheus)")

    def run(*words: str, **files: Any) -> str:
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        command = [program, *words, *(f"{name}.yaml" for name in list(files)[-1:])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run
