"""Secrets that specifications name, and the KMS keys of secrets and buckets."""

from __future__ import annotations

from typing import Annotated, Final

from cdk_sglang.spec.kinds import matching

_ARN: Final = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/(mrk-)?[0-9a-f-]{32,36}"
"""Format of a KMS key ARN: https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-ARN (read 2026-11)."""

KeyArn = Annotated[
    str,
    *matching(
        _ARN,
        "the ARN of a KMS key, arn:aws:kms:<region>:<account>:key/<id>; policies take neither aliases nor bare ids",
    ),
]
"""ARN of a KMS key."""

NAME_OR_ARN: Final = (
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9_/+=.@-]+|[A-Za-z0-9_/+=.@-]{1,512}"
)
"""Names and ARNs of secrets (botocore 1.44.5, secretsmanager CreateSecret)."""

SecretId = Annotated[str, *matching(f"({NAME_OR_ARN})", "name or ARN of a secret in Secrets Manager", max_length=2048)]
"""Name or ARN of a secret."""
