"""Speculation on the real engine: a version as the pipeline promotes it, through the container's entry.

Drafting, verifying and accepting are SGLang's; its attention is PyTorch's, since there is no GPU
(`localcloud/engine/startup/cdk_sglang_chain.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from engine_server import ROOT, EngineServer

from localcloud.engine.recipe import engine_environment, engine_python
from tests.support.drafts import BAD_DRAFTS, CLAMPED_DRAFTS, write_base

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

PROMPTS = ("hello world", "the quick brown fox", "0123456789" * 4)
TOKENS = 24
STEPS = 3


@pytest.fixture(scope="module")
def versions(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions of the tiny model by the name of the algorithm: the base's files, `draft/`, `version.json`."""
    folder = tmp_path_factory.mktemp("versions")
    command = [str(engine_python()), "-m", "localcloud.engine.tiny_drafts", str(models["base"]), str(folder)]
    subprocess.run(command, cwd=ROOT, env=engine_environment(), check=True, capture_output=True)
    return folder


def variables(model: Path, algorithm: str) -> dict[str, str]:
    """What the stack gives a copy of a promoted version."""
    return {
        "TRITON_INTERPRET": "1",
        "SM_SGLANG_SPECULATIVE_ALGORITHM": algorithm,
        "SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH": str(model / "draft"),
        "SM_SGLANG_SPECULATIVE_NUM_STEPS": str(STEPS),
        "SM_SGLANG_SPECULATIVE_EAGLE_TOPK": "1",
        "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS": str(STEPS + 1),
    }


def continuations(server: EngineServer) -> list[dict[str, Any]]:
    """Greedy continuations of all prompts in one batch."""
    body = {"text": list(PROMPTS), "sampling_params": {"temperature": 0, "max_new_tokens": TOKENS, "ignore_eos": True}}
    reply = server.request("POST", "/generate", body, timeout_s=300)
    assert reply.status == 200, reply.body
    return list(reply.json)


@pytest.fixture(scope="module")
def alone(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[list[int]]:
    """Tokens of the base without a draft."""
    server = EngineServer(model=models["base"], log=tmp_path_factory.mktemp("log") / "base.log")
    try:
        return [answer["output_ids"] for answer in continuations(server.start())]
    finally:
        server.stop()


@pytest.mark.parametrize("algorithm", ["EAGLE", "EAGLE3"])
def test_a_promoted_version_answers_as_its_base_does(
    versions: Path, alone: list[list[int]], tmp_path: Path, algorithm: str
) -> None:
    model = versions / algorithm.lower()
    assert json.loads((model / "version.json").read_text())["algorithm"] == algorithm
    server = EngineServer(model=model, settings=variables(model, algorithm), log=tmp_path / "server.log")
    try:
        answers = continuations(server.start())
        assert server.chat().status == 200
        answers += continuations(server)  # from the cache of prefixes
    finally:
        server.stop()
    assert [answer["output_ids"] for answer in answers] == alone * 2
    for answer in answers:
        figures = answer["meta_info"]
        assert figures["completion_tokens"] == TOKENS
        assert figures["spec_num_proposed_drafts"] == STEPS * figures["spec_verify_ct"], "the draft guessed"
        assert 1 <= figures["spec_accept_length"] <= STEPS + 1


def test_the_drafts_are_the_same_bytes_every_time(versions: Path, models: dict[str, Path], tmp_path: Path) -> None:
    command = [str(engine_python()), "-m", "localcloud.engine.tiny_drafts", str(models["base"]), str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=engine_environment(), check=True, capture_output=True)
    files = sorted(path.relative_to(versions) for path in versions.rglob("*") if path.is_file())
    assert {str(path) for path in files} >= {"eagle/draft/model.safetensors", "eagle3/draft/config.json"}
    for path in files:
        assert (versions / path).read_bytes() == (tmp_path / path).read_bytes(), path


# One process for the whole table, since importing SGLang takes most of its seconds.
REFUSALS = """
import json, os, sys
from cdk_sglang_container.__main__ import prepare
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.settings import Settings
found = {}
for name, variables in json.load(sys.stdin).items():
    os.environ.update(variables)
    try:
        prepare(Settings.from_environment(os.environ))
    except RefusedError as refused:
        found[name] = [refused.exit_code, *refused.problems]
print("FOUND" + json.dumps(found))
"""


def test_each_bad_draft_is_refused_by_the_entry_before_the_engine_starts(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    cases = {}
    for draft in (*BAD_DRAFTS, *CLAMPED_DRAFTS):
        cases[draft.name] = variables(base, draft.algorithm) | {
            "CDK_SGLANG_MODEL_DIR": str(base),
            "SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH": str(draft.write(tmp_path / draft.name)),
        }
    environment = engine_environment({**os.environ, "PYTHONPATH": f"{ROOT / 'container'}", "PYTHONWARNINGS": "ignore"})
    done = subprocess.run(
        [str(engine_python()), "-c", REFUSALS],
        input=json.dumps(cases),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.rpartition("FOUND")[2])
    for draft in (*BAD_DRAFTS, *CLAMPED_DRAFTS):
        code, line = found[draft.name]
        assert code == 2, draft.name
        assert line.startswith(f"draft folder {tmp_path / draft.name}: ")
        assert [part for part in draft.says if part not in line] == []
