"""The conversion of the small model, on a GGUF file of the same form with a handful of tokens: it runs in `.venv-engine`, without an engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localcloud.engine.recipe import ROOT
from tests.support import engine_forks

pytestmark = pytest.mark.engine  # its packages: no engine is started

MAKE_WHEEL = """
import sys, zipfile
from pathlib import Path
import gguf, numpy as np

folder = Path(sys.argv[1])
writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "h", "i", "1", "2", "hi", "12"]
writer.add_block_count(1), writer.add_context_length(64), writer.add_embedding_length(64), writer.add_feed_forward_length(128)
writer.add_head_count(4), writer.add_head_count_kv(2), writer.add_rope_freq_base(100000.0), writer.add_layer_norm_rms_eps(1e-5)
writer.add_tokenizer_model(sys.argv[2]), writer.add_token_list(tokens), writer.add_token_types([3, 3, 3, 1, 1, 1, 1, 1, 1])
writer.add_token_merges(["h i", "1 2"]), writer.add_chat_template("{{ messages[0]['content'] }}")
writer.add_bos_token_id(1), writer.add_eos_token_id(2), writer.add_pad_token_id(2), writer.add_unk_token_id(0)
shapes = {"token_embd": (9, 64), "blk.0.attn_q": (64, 64), "blk.0.attn_k": (32, 64), "blk.0.attn_v": (32, 64),
    "blk.0.attn_output": (64, 64), "blk.0.ffn_gate": (128, 64), "blk.0.ffn_up": (128, 64), "blk.0.ffn_down": (64, 128)}
random = np.random.default_rng(1)
for name, shape in shapes.items():
    packed = gguf.quantize(random.standard_normal(shape, dtype=np.float32), gguf.GGMLQuantizationType.Q4_1)
    writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
    writer.add_tensor(f"{name}.weight", np.ones(64, dtype=np.float32))
writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
with zipfile.ZipFile(folder / "a.whl", "w") as wheel:
    wheel.write(folder / "model.gguf", "package/model.gguf")
"""
COMPARE = """
import json, sys
from pathlib import Path
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

folder = Path(sys.argv[1])
theirs = load_gguf_checkpoint(folder / "model.gguf")["config"]
with torch.device("meta"):
    skeleton = LlamaForCausalLM(LlamaConfig(**theirs))
tensors = load_gguf_checkpoint(folder / "model.gguf", return_tensors=True, model_to_load=skeleton)["tensors"]
ours = load_file(folder / "model" / "model.safetensors")
model, loading = LlamaForCausalLM.from_pretrained(folder / "model", output_loading_info=True)
tokenizer = AutoTokenizer.from_pretrained(folder / "model")
print(json.dumps({
    "names": sorted(set(ours) ^ set(tensors)),
    "differing": [name for name in tensors if not torch.equal(ours[name], tensors[name])],
    "missing": sorted(loading["missing_keys"]),
    "rope_theta": model.config.rope_parameters["rope_theta"],
    "dtype": str(model.dtype),
    "tokens": tokenizer("<|im_start|>hi12<|im_end|>").tokens(),
    "prompt": tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False),
}))
"""


def run(code: list[str]) -> subprocess.CompletedProcess[str]:
    return engine_forks.run(code, environment={**os.environ, "PYTHONPATH": str(ROOT)})


def wheel(folder: Path, *, tokenizer: str = "gpt2") -> Path:
    process = run(["-c", MAKE_WHEEL, str(folder), tokenizer])
    assert process.returncode == 0, process.stderr
    return folder / "a.whl"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("small")
    converted = run(["-m", "localcloud.engine.small_model", str(wheel(folder)), str(folder / "model")])
    assert converted.returncode == 0, converted.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["a.whl", "model", "model.gguf"]
    done = run(["-c", COMPARE, str(folder)])
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_tensors_are_those_that_transformers_reads(compared: dict[str, Any]) -> None:
    assert (compared["names"], compared["differing"], compared["missing"]) == ([], [], [])
    assert compared["dtype"] == "torch.float32"
    assert compared["rope_theta"] == 100000.0


def test_tokens_and_chat_template_are_the_files_own_and_digits_stand_alone(compared: dict[str, Any]) -> None:
    assert compared["tokens"] == ["<|im_start|>", "hi", "1", "2", "<|im_end|>"]
    assert compared["prompt"] == "hi"


def test_another_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    done = run(["-m", "localcloud.engine.small_model", str(wheel(tmp_path, tokenizer="llama")), str(tmp_path / "m")])
    assert done.returncode != 0
    assert "a.whl: not a Llama with GPT-2's kind of tokenizer" in done.stderr
