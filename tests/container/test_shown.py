"""What the log says of SGLang's arguments."""

from __future__ import annotations

import pytest
from cdk_sglang_container.shown import shown


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--model-path", "/opt/ml/model", "--port", "8080"], "--model-path /opt/ml/model --port 8080"),
        (["--some-api-key", "abc", "--tp-size", "2"], "--some-api-key *** --tp-size 2"),
        (["--some-api-key=abc"], "--some-api-key=***"),
        (["--hub-token", "hf_x"], "--hub-token ***"),
        (["--tokenizer-path", "a", "--max-total-tokens", "9"], "--tokenizer-path a --max-total-tokens 9"),
        (
            ["--hicache-storage-backend-extra-config", '{"access_key": "AK", "secret_key": "a\\"b", "bucket": "c"}'],
            '--hicache-storage-backend-extra-config {"access_key": "***", "secret_key": "***", "bucket": "c"}',
        ),
        (["--otlp-traces-endpoint", "https://me:pw@host:4317"], "--otlp-traces-endpoint https://***@host:4317"),
        (["--x", "https://b/f?X-Amz-Signature=ab&a=1"], "--x https://b/f?X-Amz-Signature=***&a=1"),
    ],
)
def test_values_that_may_be_secrets_are_hidden(arguments: list[str], line: str) -> None:
    assert shown(arguments) == line
