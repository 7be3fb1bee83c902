"""Samples and reports in the bucket: one small object for each sample, one CSV for each day."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .samples import Sample
from .spans import LONGEST_GAP_SECONDS

SAMPLES, REPORTS = "samples/", "daily/"
_READERS = 8

_log = logging.getLogger()


@dataclass(frozen=True, kw_only=True)
class Store:
    """The bucket.

    Attributes:
        s3: Client of boto3.
        bucket: Its name.
    """

    s3: Any
    bucket: str

    def add(self, sample: Sample, *, due: dt.datetime) -> bool:
        """Store a sample; False if the scheduled time already has one, since a schedule may run twice.

        Args:
            sample: The sample.
            due: Scheduled time.
        """
        key = f"{SAMPLES}{due:%Y-%m-%d/%H-%M-%S}.json"
        try:
            self.s3.put_object(
                Bucket=self.bucket, Key=key, Body=sample.text(), ContentType="application/json", IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise
            return False
        return True

    def samples(self, date: dt.date) -> list[Sample]:
        """Return the samples of a day, and those around it that are used to fill gaps at its ends.

        A sample that cannot be parsed, for example from another version of this function, counts as a gap.
        """
        margin = dt.timedelta(seconds=LONGEST_GAP_SECONDS)
        start = dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC)
        first, last = start - margin, start + dt.timedelta(days=1) + margin
        keys = [
            key
            for day in (date - dt.timedelta(days=1), date, date + dt.timedelta(days=1))
            for key in self._keys(f"{SAMPLES}{day.isoformat()}/")
            if f"{first:%Y-%m-%d/%H-%M-%S}"
            <= key.removeprefix(SAMPLES).removesuffix(".json")
            <= f"{last:%Y-%m-%d/%H-%M-%S}"
        ]
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            found = pool.map(lambda key: _parsed(key, self._read(key)), keys)
            return [sample for sample in found if sample is not None]

    def has_samples(self, date: dt.date) -> bool:
        """Whether a day has any sample."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{SAMPLES}{date.isoformat()}/", MaxKeys=1)
        return bool(listed.get("KeyCount"))

    def reported(self) -> set[str]:
        """Return the days that have a report, for example 2026-11-30."""
        return {key.removeprefix(REPORTS).removesuffix(".csv") for key in self._keys(REPORTS)}

    def has_report(self, date: dt.date, text: str) -> bool:
        """Whether a day has exactly this report, byte for byte."""
        try:
            return self._read(_report_key(date)) == text.encode()
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"NoSuchKey", "404"}:
                raise
            return False

    def report(self, date: dt.date, text: str) -> None:
        """Store a day's report, replacing an earlier one."""
        self.s3.put_object(Bucket=self.bucket, Key=_report_key(date), Body=text.encode(), ContentType="text/csv")

    def _keys(self, prefix: str) -> Iterable[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def _read(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body


def _parsed(key: str, text: bytes) -> Sample | None:
    try:
        return Sample.parse(text)
    except ValueError as error:
        _log.error(json.dumps({"sample": key, "error": str(error)}))
        return None


def _report_key(date: dt.date) -> str:
    return f"{REPORTS}{date.isoformat()}.csv"
