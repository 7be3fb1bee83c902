"""The place of a history: a folder of this machine, or a prefix in S3 with the same folders below it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cdk_sglang.benchmarking.history.parquet import read_parquet, write_parquet
from cdk_sglang.benchmarking.result import Measurement
from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.s3 import Place, place_of

LAST: Final = "last"
PREVIOUS: Final = "previous"
_VERDICTS: Final = "verdicts"
"""Folder of a component's verdicts; Athena reads the folders of days alone."""


@dataclass(frozen=True, kw_only=True)
class History:
    """Results of many runs.

    Args:
        location: Folder, or s3://bucket/prefix.
        s3: Makes a client of S3; called only for a prefix in S3.
    """

    location: str
    s3: Callable[[], Any]

    def write(self, measurements: Sequence[Measurement]) -> str:
        """Write the measurements of one run; return the file's place. The run's earlier file is replaced.

        Args:
            measurements: One or more, all of one run.
        """
        first = measurements[0]
        key = "/".join(
            [
                f"environment={first.environment}",
                f"component={first.component}",
                f"date={first.started:%Y-%m-%d}",
                f"{first.run}.parquet",
            ]
        )
        place = self._place()
        if place is None:
            path = Path(self.location, key)
            write_parquet(path, measurements)
            return str(path)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "run.parquet")
            write_parquet(path, measurements)
            self.s3().upload_file(str(path), place.bucket, place.key + key)
        return f"s3://{place.bucket}/{place.key}{key}"

    def read(self, *, environment: str, component: str | None = None) -> tuple[list[Measurement], list[str]]:
        """Return the measurements of an environment in the order of their start, and what was left out.

        Args:
            environment: The environment.
            component: SageMaker's name of a component; all by default.
        """
        below = f"environment={environment}/" + (f"component={component}/" if component else "")
        with self.files(below) as paths:
            return read_parquet(paths)

    def write_verdict(self, run: Sequence[Measurement], verdict: Mapping[str, Any]) -> None:
        """Keep what a gate said of a run, beside its results; an earlier verdict of the run is replaced.

        Args:
            run: The run.
            verdict: JSON values.
        """
        first = run[0]
        key = f"environment={first.environment}/component={first.component}/{_VERDICTS}/{first.run}.json"
        content = json.dumps(verdict, indent=1, sort_keys=True)
        place = self._place()
        if place is not None:
            self.s3().put_object(Bucket=place.bucket, Key=place.key + key, Body=content.encode())
            return
        path = Path(self.location, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def passed(self, *, environment: str, component: str) -> set[str]:
        """Return the runs that a gate let pass.

        Args:
            environment: The environment.
            component: SageMaker's name of the component.
        """
        below = f"environment={environment}/component={component}/{_VERDICTS}/"
        with self.files(below, kind=".json") as paths:
            return {path.stem for path in paths if _has_passed(path)}

    @contextmanager
    def files(self, below: str, *, kind: str = ".parquet") -> Iterator[list[Path]]:
        """Have the files below a folder of the history on this machine, for the length of the block.

        Args:
            below: The folder, such as environment=prod/; an empty text for all.
            kind: End of their names.
        """
        place = self._place()
        if place is None:
            yield sorted(Path(self.location, below).rglob(f"*{kind}"))
            return
        client = self.s3()
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key + below)
            for page in pages:
                for item in page.get("Contents", ()):
                    if item["Key"].endswith(kind):
                        path = Path(folder, item["Key"].removeprefix(place.key))
                        path.parent.mkdir(parents=True, exist_ok=True)
                        client.download_file(place.bucket, item["Key"], str(path))
                        paths.append(path)
            yield sorted(paths)

    def _place(self) -> Place | None:
        if not self.location.startswith("s3://"):
            return None
        uri = self.location.rstrip("/") + "/"
        place = place_of(uri)
        if place is None:
            raise ConfigurationError(
                [Problem("--history", f"{self.location!r} is no place in S3; write s3://bucket/prefix, or a folder")]
            )
        return Place(bucket=place.bucket, key=place.key.lstrip("/"))


def _has_passed(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("passed") is True


def runs_of(measurements: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """Return measurements by run, in the order of their start."""
    runs: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        runs.setdefault(measurement.run, []).append(measurement)
    return runs


def choose_run(runs: dict[str, list[Measurement]], name: str, *, path: str) -> list[Measurement]:
    """Return a run by its identifier, the beginning of it, "last" or "previous".

    Args:
        runs: Runs by identifier, in the order of their start.
        name: What names the run.
        path: Path of the name, for the problem.

    Raises:
        ConfigurationError: No run, or more than one, is meant.
    """
    order = list(runs)
    if name in {LAST, PREVIOUS}:
        back = 1 if name == LAST else 2
        if len(order) < back:
            raise ConfigurationError(
                [Problem(path, f"there is no {name} run among {len(order)}; run `cdk-sglang bench run` first")]
            )
        return runs[order[-back]]
    found = [identifier for identifier in order if identifier.startswith(name)]
    if len(found) != 1:
        advice = did_you_mean(name, order) if order else "the history has no run of it"
        text = f"{len(found)} runs begin with {name!r}; give more of it" if found else f"unknown run {name!r}; {advice}"
        raise ConfigurationError([Problem(path, text)])
    return runs[found[0]]
