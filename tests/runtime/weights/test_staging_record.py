"""What a staging believes, and which names it takes: a repository of the hub is anybody's."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from tests.runtime.weights.test_staging import PREFIX, REPO, Run, a_model, body, client, keys, run_program
from tests.support.hub_server import REVISION, HubServer

RECORD = "cdk-sglang-manifest.json"


@pytest.mark.parametrize("name", [RECORD, f"sub/{RECORD}", RECORD.upper()])
def test_a_repository_cannot_bring_the_record_of_its_own_staging(
    weights: Any, hub: HubServer, s3: Any, name: str
) -> None:
    hub.models[REPO] = a_model(**{name: json.dumps({"format": 1, "files": []}).encode()})

    assert Run(weights, hub, s3).refused() == (
        f"{REPO}: {name!r}: has the name of the record that this program writes last, and would say that the staging is complete; "
        "leave it out with exclude, if the model is whole without it"
    )
    assert not keys(s3)
    assert name in Run(weights, hub, s3)(exclude=[name])["left_out"]


@pytest.mark.parametrize(
    "change",
    [
        {"repo": "Qwen/Other"},
        {"revision": "f" * 40},
        {"format": 7},
        {"files": []},
        {"files": [{"path": "config.json", "bytes": 1}]},
        None,
    ],
    ids=["another model", "another revision", "another format", "no files", "no hashes", "no JSON"],
)
def test_a_record_that_is_none_of_this_staging_is_not_believed(
    weights: Any, hub: HubServer, s3: Any, change: dict[str, Any] | None
) -> None:
    hub.models[REPO] = a_model()
    honest = Run(weights, hub, s3)()
    forged = b"{" if change is None else json.dumps(json.loads(body(s3, RECORD)) | change).encode()
    s3.put_object(Bucket="models", Key=f"{PREFIX}{RECORD}", Body=forged)
    s3.delete_object(Bucket="models", Key=f"{PREFIX}model-00002-of-00002.safetensors")

    again = Run(weights, hub, s3)

    assert again()["files"] == honest["files"]
    assert [event["path"] for event in again.of("file")] == ["model-00002-of-00002.safetensors"]
    assert json.loads(body(s3, RECORD))["files"] == honest["files"]


def test_a_record_that_was_copied_from_the_hub_is_none(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    Run(weights, hub, s3)()
    record = body(s3, RECORD)
    s3.put_object(Bucket="models", Key=f"{PREFIX}{RECORD}", Body=record, Metadata={"cdk-sglang-hash": "git-sha1:0"})

    with pytest.raises(weights.problems.WeightsError, match="is a file of the repository, and no record of a staging"):
        weights.manifest.read(s3, "models", PREFIX)
    again = Run(weights, hub, s3)
    again()
    assert "is not believed, and is written anew" in again.of("retry")[0]["message"]
    assert weights.manifest.read(s3, "models", PREFIX)["repo"] == REPO


@pytest.mark.parametrize("other", [None, b"short", "same size"], ids=["missing", "short", "of the same size"])
def test_a_record_is_not_believed_where_a_file_is_not_as_it_says(
    weights: Any, hub: HubServer, s3: Any, other: bytes | str | None
) -> None:
    model = hub.models[REPO] = a_model()
    Run(weights, hub, s3)()
    name = "model-00001-of-00002.safetensors"
    s3.delete_object(Bucket="models", Key=f"{PREFIX}{name}")
    if other is not None:
        there = other if isinstance(other, bytes) else bytes(len(model.files[name]))
        s3.put_object(Bucket="models", Key=f"{PREFIX}{name}", Body=there)

    Run(weights, hub, s3)()

    assert body(s3, name) == model.files[name]


def test_what_lies_beside_the_staged_files_is_not_served_unseen(weights: Any, hub: HubServer, s3: Any) -> None:
    hub.models[REPO] = a_model()
    s3.put_object(Bucket="models", Key=f"{PREFIX}model.py", Body=b"import os")

    assert Run(weights, hub, s3).refused() == (
        f"s3://models/{PREFIX}model.py: is there and not part of this staging, and every copy would get it; "
        "delete it, or include it, and stage again"
    )
    assert f"{PREFIX}{RECORD}" not in keys(s3)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\\b.json", "holds a backslash, a control character or one that cannot be seen"),
        ("a\nb.json", "holds a backslash, a control character or one that cannot be seen"),
        ("\u202egpj.json", "holds a backslash, a control character or one that cannot be seen"),
        ("\ud800.json", "holds a backslash, a control character or one that cannot be seen"),
        ("x" * 256, "is too long; 255 bytes a part and 700 in all can be copied"),
        ("/".join(["y" * 200] * 4), "is too long; 255 bytes a part and 700 in all can be copied"),
        ("config.json/x.json", "is a file and a folder"),
        ("Config.json", "by case alone, or not at all: which of them is read depends on the machine"),
        ("tokenizer.json", "by case alone, or not at all: which of them is read depends on the machine"),
    ],
    ids=repr,
)
def test_a_name_that_is_read_as_another_is_refused(weights: Any, name: str, why: str) -> None:
    choice = importlib.import_module("weights.choice")
    names = ["config.json", "tokenizer.json", "model.safetensors", name]
    files = [weights.hub.HubFile(path=path, size=1, git_sha1="0") for path in names]

    with pytest.raises(weights.problems.WeightsError) as caught:
        choice.choose(files)

    assert why in str(caught.value)
    if name not in names[:3] and not name.startswith("config.json/"):
        assert choice.choose(files, exclude=[name.replace("\\", "?")]).left_out


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.json", "a/../../x", "a//b.json", "./a.json", "a/", ""])
def test_a_name_that_is_no_path_inside_a_repository_is_refused(weights: Any, name: str) -> None:
    choice = importlib.import_module("weights.choice")
    files = [weights.hub.HubFile(path=path, size=1, git_sha1="0") for path in ("model.safetensors", name)]

    with pytest.raises(weights.problems.WeightsError, match="is not a path inside a repository"):
        choice.choose(files, exclude=[name])


def test_code_that_a_container_would_run_stays_behind_unless_named(weights: Any, hub: HubServer, s3: Any) -> None:
    code = {"model.py": b"x", "requirements.txt": b"x", "code/inference.py": b"x", "modeling_qwen.py": b"x"}
    hub.models[REPO] = a_model(**code)

    assert Run(weights, hub, s3)()["left_out"] == {
        ".gitattributes": "not part of the model",
        "code/inference.py": "code that AWS's containers run",
        "model.py": "code that AWS's containers run",
        "requirements.txt": "packages that AWS's containers install",
    }
    assert "model.py" in {entry["path"] for entry in Run(weights, hub, s3)(include=["model.py"])["files"]}


@pytest.mark.parametrize("answer", [[], {"sha": REVISION, "siblings": [{"size": 1}]}, {"sha": REVISION, "siblings": 7}])
def test_an_answer_that_is_no_list_of_files_is_a_line(
    weights: Any, hub: HubServer, s3: Any, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    hub.models[REPO] = a_model()
    real = json.loads
    monkeypatch.setattr(weights.hub.json, "loads", lambda text: answer if b"siblings" in text else real(text))

    assert f"{REPO}: {hub.url} answered no list of files (" in Run(weights, hub, s3).refused()


def test_verify_names_what_the_record_does_not(hub: HubServer, endpoint_url: str) -> None:
    hub.models[REPO] = a_model(2)
    s3 = client(endpoint_url, "s3")
    s3.create_bucket(Bucket="models")
    run_program(endpoint_url, "stage", REPO, "--revision", REVISION, "--bucket", "models", "--hub-url", hub.url)
    s3.put_object(Bucket="models", Key=f"{PREFIX}extra.py", Body=b"x")
    done = run_program(endpoint_url, "verify", "--bucket", "models", "--prefix", PREFIX)

    assert done.returncode == 1
    assert done.stderr == f"error: s3://models/{PREFIX}extra.py: is there, and the manifest does not name it\n"


def test_a_forged_record_is_neither_listed_nor_verified(hub: HubServer, endpoint_url: str) -> None:
    hub.models[REPO] = a_model(2)
    s3 = client(endpoint_url, "s3")
    s3.create_bucket(Bucket="models")
    run_program(endpoint_url, "stage", REPO, "--revision", REVISION, "--bucket", "models", "--hub-url", hub.url)
    forged = f"weights/Evil/Model/{REVISION}/"
    record = s3.get_object(Bucket="models", Key=f"{PREFIX}{RECORD}")["Body"].read()
    s3.put_object(Bucket="models", Key=f"{forged}{RECORD}", Body=record)

    listed = run_program(endpoint_url, "--json", "list", "--bucket", "models")
    verified = run_program(endpoint_url, "verify", "--bucket", "models", "--prefix", forged)

    events = [json.loads(line) for line in listed.stdout.splitlines()]
    assert sorted(event["event"] for event in events) == ["model", "unread"]
    assert (listed.returncode, verified.returncode) == (0, 1)
    assert verified.stderr == (
        f"error: s3://models/{forged}{RECORD}: is that of {REPO} {REVISION}, which belongs below another prefix; "
        "delete it and stage again\n"
    )
