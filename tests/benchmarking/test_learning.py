"""What of a history the planner learns from, and what not."""

from __future__ import annotations

from collections.abc import Callable

from cdk_sglang.benchmarking.learning import measured_rows
from cdk_sglang.benchmarking.result import Measurement
from cdk_sglang.models.known_models import catalogue


def test_complete_rows_of_known_models_are_learned_from(measured: Callable[..., Measurement]) -> None:
    options = '{"SM_SGLANG_TP_SIZE": "1", "SM_SGLANG_KV_CACHE_DTYPE": "fp8_e5m2"}'
    rows = [
        measured(copies=2, options=options),
        measured(is_partial=True),
        measured(request_rate=2.0, concurrency=None),
        measured(model="me/unknown"),
        measured(instance="ml.g6e.2xlarge+ml.g5.2xlarge"),
    ]
    (one,), notes = measured_rows(rows, facts=catalogue)
    question = one.question
    assert (question.concurrency, question.input_tokens, question.output_tokens) == (8, 1024, 256)
    assert (question.kv_dtype, question.gpu.name, question.engine_version) == ("fp8", "L40S-48GB", "0.5.20")
    assert (one.ttft_ms, one.tpot_ms) == (200, 20)
    assert len(notes) == 4
    assert all(note.startswith("1 rows are not learned from: ") for note in notes)
