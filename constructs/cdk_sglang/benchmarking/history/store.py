"""The place of a history: a folder of this machine, or a prefix in S3 with the same folders below it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
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

    @contextmanager
    def files(self, below: str) -> Iterator[list[Path]]:
        """Have the files below a folder of the history on this machine, for the length of the block.

        Args:
            below: The folder, such as environment=prod/; an empty text for all.
        """
        place = self._place()
        if place is None:
            yield sorted(Path(self.location, below).rglob("*.parquet"))
            return
        client = self.s3()
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key + below)
            for page in pages:
                for item in page.get("Contents", ()):
                    if item["Key"].endswith(".parquet"):
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
