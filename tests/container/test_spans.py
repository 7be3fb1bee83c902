"""Attributes of SGLang's spans: counts, parameters and times of a request, and nothing that it said."""

from __future__ import annotations

import json

import pytest

from tests.support import engine_forks

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

SCRIPT = """
import json, sys
from types import SimpleNamespace
from sglang.srt.managers.tokenizer_manager import TokenizerManager
secret = sys.argv[1]
sampling = {"max_new_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "n": 1, "stop": [secret], "regex": secret, "json_schema": secret}
asked = SimpleNamespace(rid="r-1", text=secret, input_ids=[1], sampling_params=sampling, lora_path=secret, custom_params={"x": secret})
answered = SimpleNamespace(completion_tokens=[5], prompt_tokens=[7], cached_tokens=[0], output_strs=[secret],
                           finished_reasons=[{"type": "stop", "matched": secret}])
manager = SimpleNamespace(enable_trace=True, served_model_name="base")
attributes = TokenizerManager.convert_to_span_attrs(manager, SimpleNamespace(obj=asked), answered, 0)
print(json.dumps({str(getattr(key, "value", key)): value for key, value in attributes.items()}))
"""


def test_a_span_has_nothing_of_what_was_said() -> None:
    secret = "zebra-4711-quartz"
    done = engine_forks.run(["-c", SCRIPT, secret], timeout_s=170)
    assert done.returncode == 0, done.stderr[-2000:]
    attributes = json.loads(done.stdout.splitlines()[-1])
    assert {"gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 5}.items() <= attributes.items()
    assert secret not in done.stdout
