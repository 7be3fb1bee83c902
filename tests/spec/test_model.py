"""Where a model may be, in the words that an environment file and Python code share."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.spec.model import Model
from cdk_sglang.validation_errors import problems_of

COMMIT = "0cb88a4f764b7a12671c53f0838cd831a0843b95"
HUB = {"hugging_face": "Qwen/Qwen3-8B", "revision": COMMIT}
GIB = 2**30

ONE_PLACE = ": give exactly one of hugging_face, prefix and s3"
NO_REPOSITORY = ".hugging_face: 'llama' is not a model of Hugging Face; use owner/name, such as Qwen/Qwen3-8B"
MAY_MOVE = (
    ".revision: 'main' can move, so that two deployments would serve different weights; use the 40 hexadecimal digits of a commit, "
    "from https://huggingface.co/llama/commits/main"
)
NO_PATTERN = ".exclude: 'a b' is not a pattern of file names; use letters, digits and . / * ? [ ] -"
NO_COMMIT = (
    ".revision: missing; give the commit, 40 hexadecimal digits, from https://huggingface.co/Qwen/Qwen3-8B/commits/main"
)
NO_SECRET = ".token_secret: 'my token' is neither name nor ARN of a secret in Secrets Manager"

KEY = "arn:aws:kms:us-east-1:111122223333:key/0e1c0a5e-0000-4000-8000-000000000000"
NO_KEY = "the ARN of a KMS key, arn:aws:kms:<region>:<account>:key/<id>; policies take neither aliases nor bare ids"

MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    ({"s3": "s3://models/a/", "kms_key": "alias/models"}, [f".kms_key: 'alias/models' is not allowed; use {NO_KEY}"]),
    ({**HUB, "token_kms_key": KEY}, [".token_kms_key: goes with token_secret; remove it, or name the secret"]),
    (
        {"prefix": "a/", "kms_key": KEY},
        [".kms_key: goes with s3; remove it: the environment's own bucket has the environment's key"],
    ),
    ({}, [f"{ONE_PLACE}; got none of them"]),
    ({"prefix": "a/", "s3": "s3://models/a/"}, [f"{ONE_PLACE}; got prefix and s3"]),
    ({**HUB, "prefix": "a/"}, [f"{ONE_PLACE}; got hugging_face and prefix"]),
    ({"hugging_face": "llama", "revision": "main", "exclude": ["a b"]}, [NO_REPOSITORY, MAY_MOVE, NO_PATTERN]),
    ({"hugging_face": "Qwen/Qwen3-8B"}, [NO_COMMIT]),
    ({**HUB, "token_secret": "my token"}, [NO_SECRET]),
    (
        {"prefix": "a/", "revision": COMMIT, "include": ["*.md"], "token_secret": "hub"},
        [f".{name}: goes with hugging_face; remove it" for name in ("revision", "token_secret", "include")],
    ),
    ({"prefix": "a/", "weights_gib": 0}, [".weights_gib: 0 is not allowed; use a value > 0"]),
    ({"prefix": "a/", "id": ""}, [".id: '' is too short; the least is 1 character"]),
    ({"s3": "s3://Models/a/"}, [".s3: 's3://Models/a/' is not an S3 URI; use s3://bucket/prefix/"]),
    ({"prefix": "a", "weight_gib": 2}, [".weight_gib: unknown key; did you mean 'weights_gib'"]),
]


@pytest.mark.parametrize(("fields", "texts"), MISTAKES)
def test_python_and_an_environment_file_get_the_same_words(fields: dict[str, Any], texts: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Model(**fields)
    assert list(caught.value.problems) == [f"model{text}" for text in texts]
    with pytest.raises(ValidationError) as refused:
        Model.model_validate(fields)
    assert [
        f": {problem}" if not problem.path else f".{problem}" for problem in problems_of(refused.value, Model)
    ] == texts


def test_a_token_of_hugging_face_is_never_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Model(**HUB, token_secret="hf_abcdefghijklmnopqrstuvwx")
    assert "hf_abc" not in str(caught.value)
    assert caught.value.problems[0].startswith(
        "model.token_secret: holds a Hugging Face token; files are read by many, so revoke it"
    )


@pytest.mark.parametrize(
    ("fields", "bucket", "folder"),
    [
        ({"s3": "s3://models/llama"}, "models", "llama/"),
        ({"s3": "s3://models/llama/3/"}, "models", "llama/3/"),
        ({"prefix": "weights/llama"}, None, "weights/llama/"),
        (HUB, None, f"weights/Qwen/Qwen3-8B/{COMMIT}/"),
    ],
)
def test_the_folder_of_a_model_ends_in_a_slash(fields: dict[str, Any], bucket: str | None, folder: str) -> None:
    model = Model(**fields)
    assert (model.bucket_name, model.folder) == (bucket, folder)


def test_the_catalogue_is_asked_for_the_id_before_the_repository() -> None:
    assert Model(**HUB).catalogue_id == "Qwen/Qwen3-8B"
    assert Model(**HUB, id="Qwen/Qwen3-8B-FP8").catalogue_id == "Qwen/Qwen3-8B-FP8"
    assert Model(prefix="a/").catalogue_id is None


def test_a_size_is_counted_in_binary_units() -> None:
    assert Model(prefix="a/", weights_gib=2).weights_bytes == 2 * GIB
    assert Model(prefix="a/").weights_bytes is None


def test_a_prefix_that_is_known_only_at_deployment_is_not_measured() -> None:
    assert Model(prefix="${Token[Prefix.12]}").folder == "${Token[Prefix.12]}/"
