"""The version of a run: copied inside S3, resumed where a call ended, its record written last."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from cdk_sglang._runtime.speculative import copying
from cdk_sglang._runtime.speculative.config import Place
from cdk_sglang._runtime.speculative.ends import BASE_CHANGED, DRAFT_REFUSED, EndError
from cdk_sglang._runtime.speculative.store import content_hash, delete_all, files
from tests.runtime.speculative.conftest import keys
from tests.support.speculation import BASE_PREFIX, BUCKET, NOW, RUN, VERSION, aws, config, event, plenty

DRAFT = "drafts/own/"
BASE_KEYS = ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.fixture
def ready(s3: Any) -> Any:
    """A draft beside the base, and the event after it was read."""
    for name in ("config.json", "model.safetensors"):
        s3.put_object(Bucket=BUCKET, Key=f"{DRAFT}{name}", Body=f"draft {name}".encode())
    return event(
        inputs={"base": {"hash": base_hash(s3), "prefix": BASE_PREFIX}},
        draft={
            "hash": content_hash(files(s3, Place(bucket=BUCKET, prefix=DRAFT))),
            "algorithm": "EAGLE3",
            "config": None,
        },
    )


def base_hash(s3: Any) -> str:
    found = files(s3, Place(bucket=BUCKET, prefix=BASE_PREFIX))
    return content_hash([file for file in found if file.name != "cdk-sglang-manifest.json"])


def assemble(s3: Any, found: Any, left: Any = plenty) -> dict[str, Any]:
    return copying.assemble(aws(s3=s3), config("draft"), found, NOW, left)


def body(s3: Any, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


def test_base_and_draft_come_under_one_prefix_with_a_record(s3: Any, ready: Any) -> None:
    found = assemble(s3, ready)

    assert found["done"] is True
    assert keys(s3, VERSION) == [
        "config.json",
        "draft/config.json",
        "draft/model.safetensors",
        "model.safetensors",
        "tokenizer.json",
        "version.json",
    ]
    assert body(s3, f"{VERSION}draft/model.safetensors") == b"draft model.safetensors"
    record = json.loads(body(s3, f"{VERSION}version.json"))
    assert (record["run"], record["base"]["hash"]) == (RUN, base_hash(s3))


def test_a_second_call_copies_nothing_again(s3: Any, ready: Any) -> None:
    first = assemble(s3, ready)

    assert assemble(s3, ready) == first


def test_a_call_without_time_goes_on_in_the_next_one_and_writes_no_record_before(s3: Any, ready: Any) -> None:
    times = itertools.chain([100.0, 100.0], itertools.repeat(-1.0))

    found = assemble(s3, ready, left=lambda: next(times))

    assert found["done"] is False
    assert 0 < found["copied"] < found["total"]
    assert "version.json" not in keys(s3, VERSION)
    assert assemble(s3, ready)["done"] is True


def test_a_large_object_goes_in_parts_and_goes_on_with_the_parts_that_are_there(
    s3: Any, ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = bytes(range(256)) * 4 * 1024 * 17  # 17 MiB in parts of 5 MiB, the least that S3 takes
    s3.put_object(Bucket=BUCKET, Key=f"{BASE_PREFIX}model.safetensors", Body=large)
    monkeypatch.setattr(copying, "COPY_MAX", 2**20)
    monkeypatch.setattr(copying, "PART", 5 * 2**20)
    state = dict(ready.state)
    state["inputs"] = {"base": {"hash": base_hash(s3), "prefix": BASE_PREFIX}}
    found = event(**{key: state[key] for key in ("inputs", "draft")})
    count = itertools.count()

    first = assemble(s3, found, left=lambda: 100.0 if next(count) < 7 else -1.0)
    uploads = s3.list_multipart_uploads(Bucket=BUCKET, Prefix=VERSION)["Uploads"]
    parts = s3.list_parts(Bucket=BUCKET, Key=uploads[0]["Key"], UploadId=uploads[0]["UploadId"]).get("Parts", [])

    assert first["done"] is False
    assert 0 < len(parts) < 4
    assert assemble(s3, found)["done"] is True
    assert body(s3, f"{VERSION}model.safetensors") == large
    assert not s3.list_multipart_uploads(Bucket=BUCKET, Prefix=VERSION).get("Uploads")


def test_a_clamped_draft_has_its_own_config_in_the_version(s3: Any, ready: Any) -> None:
    draft = {**ready.result("draft"), "config": {"max_position_embeddings": 4096}}
    found = event(inputs=ready.result("inputs"), draft=draft)

    assert assemble(s3, found)["done"] is True
    assert json.loads(body(s3, f"{VERSION}draft/config.json")) == {"max_position_embeddings": 4096}
    assert body(s3, f"{DRAFT}config.json") == b"draft config.json"


@pytest.mark.parametrize(
    ("key", "end", "reason"),
    [
        (f"{BASE_PREFIX}model.safetensors", BASE_CHANGED, "the base model below .* has changed since the run began"),
        (f"{DRAFT}model.safetensors", DRAFT_REFUSED, "the draft below .* has changed since it was checked"),
    ],
)
def test_a_base_or_draft_that_was_replaced_meanwhile_ends_the_run(
    s3: Any, ready: Any, key: str, end: str, reason: str
) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"another")

    with pytest.raises(EndError, match=reason) as refused:
        assemble(s3, ready)

    assert refused.value.end == end
    assert "version.json" not in keys(s3, VERSION)


def test_deleting_a_version_takes_its_unfinished_uploads_along(s3: Any, ready: Any) -> None:
    assemble(s3, ready)
    s3.create_multipart_upload(Bucket=BUCKET, Key=f"{VERSION}late")

    assert delete_all(s3, Place(bucket=BUCKET, prefix=VERSION)) == 6
    assert keys(s3, VERSION) == []
    assert not s3.list_multipart_uploads(Bucket=BUCKET, Prefix=VERSION).get("Uploads")
    assert len(keys(s3, BASE_PREFIX)) == len(BASE_KEYS) + 1
