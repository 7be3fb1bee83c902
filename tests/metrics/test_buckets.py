"""Buckets of SGLang's histograms."""

from __future__ import annotations

import pytest

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.metrics.buckets import Bucket, bucket_at_most, bucket_bounds
from cdk_sglang.metrics.series import series


@pytest.mark.parametrize(
    ("key", "bound", "bucket"),
    [
        ("time_to_first_token", 2, Bucket(bound=2, is_exact=True)),
        ("time_to_first_token", 3.9, Bucket(bound=2, is_exact=False)),
        ("time_to_first_token", 9999, Bucket(bound=400, is_exact=False)),
        ("time_per_output_token", 0.05, Bucket(bound=0.04, is_exact=False)),
        ("queue_time", 0.001, Bucket(bound=0.001, is_exact=True)),
    ],
)
def test_the_largest_bucket_within_a_bound_is_found(key: str, bound: float, bucket: Bucket) -> None:
    assert bucket_at_most(key, bound) == bucket


def test_a_bound_within_the_smallest_bucket_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        bucket_at_most("queue_time", 0.0005)
    assert str(caught.value) == (
        "queue_time: SGLang's histogram of queue_time cannot tell answers within 0.0005 s from slower ones; "
        "use at least 0.001 s, the bound of its smallest bucket"
    )


def test_only_histograms_have_buckets_and_they_ascend() -> None:
    for key, bounds in bucket_bounds().items():
        assert series()[key].kind == "histogram"
        assert list(bounds) == sorted(set(bounds))
