"""Where the files of an adapter may be, in the words that an environment file and Python code share."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.spec.adapter import Adapter
from cdk_sglang.validation_errors import problems_of

ODD_SIGN = "which IAM policies or S3 clients read as something else; use letters, digits and ! - _ . ' ( ) = + @ , : &"
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({}, ": give exactly one of folder, key and s3; got none of them"),
    ({"folder": "a", "key": "a/b.tar.gz"}, ": give exactly one of folder, key and s3; got folder and key"),
    ({"folder": "a", "config": "b"}, ".config: the folder has its own; remove it"),
    (
        {"key": "a/b.zip"},
        ".key: 'a/b.zip' does not end in .tar.gz, as SageMaker requires; make one with `cdk-sglang adapters pack`",
    ),
    ({"key": "/a.tar.gz"}, ".key: '/a.tar.gz' has an empty part; write it without leading or double slashes"),
    ({"s3": "s3://models/"}, ".s3: 's3://models/' is not an S3 URI; use s3://bucket/adapters/name.tar.gz"),
    ({"s3": "s3://models//a.tar.gz"}, ".s3: '/a.tar.gz' has an empty part; write it without leading or double slashes"),
    (
        {"s3": "s3://${Token[Bucket.1]}/a.tar.gz"},
        ".s3: the URI must be known at synth, got a token; use AdapterSource.from_bucket(bucket, key)",
    ),
    (
        {"key": "adapters/*/a.tar.gz"},
        f".key: 'adapters/*/a.tar.gz' has '*', {ODD_SIGN}",
    ),
    (
        {"s3": "s3://models/adapters/a?.tar.gz"},
        f".s3: 'adapters/a?.tar.gz' has '?', {ODD_SIGN}",
    ),
    (
        {"key": "a/b.tar.gz", "kms_key": "arn:aws:kms:us-east-1:111122223333:key/0e1c0a5e-0000-4000-8000-000000000000"},
        ".kms_key: goes with s3; remove it: other archives have the key of their bucket",
    ),
    ({"key": 5}, ".key: 5 is a number here; write it in quotes"),
]


@pytest.mark.parametrize(("fields", "text"), MISTAKES)
def test_python_and_an_environment_file_get_the_same_words(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Adapter(**fields)
    assert caught.value.problems == (f"adapter{text}",)
    with pytest.raises(ValidationError) as refused:
        Adapter.model_validate(fields)
    (problem,) = problems_of(refused.value, Adapter)
    assert (f".{problem}" if problem.path else f": {problem}") == text


def test_an_archive_has_a_key_and_a_folder_has_none() -> None:
    one = Adapter(s3="s3://models/adapters/a.tar.gz")
    assert (one.bucket_name, one.object_key) == ("models", "adapters/a.tar.gz")
    own = Adapter(key="adapters/a.tar.gz")
    assert (own.bucket_name, own.object_key) == (None, "adapters/a.tar.gz")
    assert Adapter(folder="adapters/a").object_key is None
