"""Verification of Signature Version 4: the sender of a request knows the secret of the access key that the request names.

Written from https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (read 2026-11). Not
verified: the age of a signature, since the embedded AWS's clock can be moved, and whether a body has the hash that was signed for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, quote, unquote

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SCOPE_PARTS: Final = 5
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
_BEARER: Final = "sagemaker-api-key-"
_BEARER_HOST: Final = "sagemaker.amazonaws.com"
"""Bearer tokens of the OpenAI path are a presigned POST to this host (sagemaker-core 2.27, token_generator.py)."""
_ADDED_LATER: Final = "Version=1"  # added by the same generator after signing


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The parts of a request that its signature covers.

    Attributes:
        access_key_id: Access key whose secret the request claims to be signed with.
        scope: Day, Region, service and "aws4_request".
        moment: Value of X-Amz-Date.
        headers: Names of the signed headers.
        signature: Signature in hexadecimal digits.
        method: HTTP method.
        path: Path as it was sent, still encoded.
        query: Query as it was sent, without the signature.
        presigned: Whether the signature is in the query. Default: it is in a header.
    """

    access_key_id: str
    scope: tuple[str, ...]
    moment: str
    headers: tuple[str, ...]
    signature: str
    method: str
    path: str
    query: str
    presigned: bool = False

    @property
    def service(self) -> str:
        """Service that the request was signed for."""
        return self.scope[2]

    def matches(self, secret: str, headers: Mapping[str, str], body: Callable[[], bytes]) -> bool:
        """Whether the request was signed with a secret.

        Args:
            secret: Secret of the access key.
            headers: All headers of the request, by lower-case name.
            body: Function that reads the body; called only if the body's hash is not among the headers.
        """
        lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in self.headers)
        path = self.path or "/"
        path = path if self.service == "s3" else quote(path, safe="/~")  # other services encode the path once more
        request = (self.method, path, _sorted(self.query), lines, ";".join(self.headers), self._payload(headers, body))
        hashed = hashlib.sha256("\n".join(request).encode("latin-1", errors="replace")).hexdigest()
        text = "\n".join((ALGORITHM, self.moment, "/".join(self.scope), hashed))
        key = f"AWS4{secret}".encode()
        for part in (*self.scope, text):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(key.hex(), self.signature)

    def _payload(self, headers: Mapping[str, str], body: Callable[[], bytes]) -> str:
        if self.presigned and self.service == "s3":
            return _UNSIGNED
        return headers.get("x-amz-content-sha256") or hashlib.sha256(body()).hexdigest()


def find(method: str, path: str, query: str, headers: Mapping[str, str]) -> Signed | None:
    """Find the signature of a request in its Authorization header, in a bearer token there, or in its query.

    Args:
        method: HTTP method.
        path: Path as it was sent, still encoded.
        query: Query as it was sent.
        headers: Headers by lower-case name.

    Returns:
        The signed request, None if there is no signature or an unreadable one.
    """
    authorization = headers.get("authorization", "")
    try:
        if authorization.startswith(f"{ALGORITHM} "):
            return _of_header(method, path, query, authorization, headers)
        if authorization.startswith(f"Bearer {_BEARER}"):
            return of_token(authorization.removeprefix("Bearer "))
        if not authorization and "X-Amz-Signature=" in query:
            return _of_query(method, path, query)
    except (KeyError, ValueError):
        return None
    return None


def of_token(token: str) -> Signed | None:
    """Parse a bearer token of SageMaker's OpenAI path; None if it is not one."""
    try:
        address = base64.b64decode(token.removeprefix(_BEARER), validate=True).decode()
        path, _, query = address.removeprefix("https://").removeprefix(_BEARER_HOST).partition("?")
        if parse_qs(query)["Action"] != ["CallWithBearerToken"]:
            return None
        return _of_query("POST", path, query.removesuffix(f"&{_ADDED_LATER}"))
    except (binascii.Error, KeyError, ValueError):
        return None


def token_headers() -> dict[str, str]:
    """Headers of the request that a bearer token stands for."""
    return {"host": _BEARER_HOST}


def _of_header(method: str, path: str, query: str, authorization: str, headers: Mapping[str, str]) -> Signed:
    parts = (part.strip().partition("=") for part in authorization.removeprefix(ALGORITHM).split(","))
    fields = {name: value for name, _, value in parts}
    access_key_id, *scope = fields["Credential"].split("/")
    return _signed(
        access_key_id=access_key_id,
        scope=scope,
        moment=headers.get("x-amz-date", ""),
        headers=fields["SignedHeaders"],
        signature=fields["Signature"],
        request=(method, path, query),
        presigned=False,
    )


def _of_query(method: str, path: str, query: str) -> Signed:
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    access_key_id, *scope = fields["X-Amz-Credential"].split("/")
    rest = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    return _signed(
        access_key_id=access_key_id,
        scope=scope,
        moment=fields["X-Amz-Date"],
        headers=fields["X-Amz-SignedHeaders"],
        signature=fields["X-Amz-Signature"],
        request=(method, path, rest),
        presigned=True,
    )


def _signed(
    *,
    access_key_id: str,
    scope: list[str],
    moment: str,
    headers: str,
    signature: str,
    request: tuple[str, str, str],
    presigned: bool,
) -> Signed:
    if len(scope) != _SCOPE_PARTS - 1 or "host" not in headers.split(";"):
        raise ValueError
    method, path, query = request
    return Signed(
        access_key_id=access_key_id,
        scope=tuple(scope),
        moment=moment,
        headers=tuple(headers.split(";")),
        signature=signature,
        method=method,
        path=path,
        query=query,
        presigned=presigned,
    )


def _sorted(query: str) -> str:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in sorted((_encoded(n), _encoded(v)) for n, _, v in pairs))


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")
