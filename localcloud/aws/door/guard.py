"""Admission of requests: programs of this machine that know the credentials of this start are admitted, web pages never are.

A page that a developer visits can reach loopback with a form, with `fetch`, with a WebSocket, and even as its own origin, if its name is
pointed at 127.0.0.1 after it was loaded. So a request needs a Host that names this machine, no foreign Origin, and a signature; and
no response has CORS headers.
"""

from __future__ import annotations

import hmac
import http.client
import io
import json
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from werkzeug.wrappers import Request, Response

from localcloud.aws.credentials import Credentials
from localcloud.aws.door import signatures
from localcloud.aws.door.handler import HEADERS

ONE_TIME: Final = "/localcloud/cfn-response/"
"""Path to which functions of custom resources answer: the address itself is the secret, as with AWS's presigned URLs."""
CONSOLE: Final = "/localcloud/console/"
"""Path of the console: its page and files contain no data, and a browser cannot sign the request for them."""
CONSOLE_DATA: Final = "/localcloud/console/data/"
"""Path of the console's data, which the page requests with the console's key."""
CONSOLE_ACTIONS: Final = "/localcloud/console/actions/"
"""Path of the console's actions, which the page requests with the key of the actions."""
ACTS: Final = "localcloud.acts"
"""Key in the environ of an admitted request for the console: whether its sender may perform the console's actions."""
SIGNED: Final = "localcloud.signed"
"""Key in the environ of an admitted request: what its signature covers, and for which service and Region it is."""
_CONTROL: Final = "/localcloud/"
_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
_OWN_PAGES: Final = {"", "none", "same-origin"}
_ADVICE: Final = "use what `make local` printed, or `source .local/state/credentials.sh`"
_NOT_MINE: Final = f"The security token included in the request is invalid: it does not belong to this start; {_ADVICE}"
_NOT_SIGNED: Final = f"The request must be signed with the credentials of this start; {_ADVICE}"
_WRONG: Final = f"The request signature we calculated does not match the signature you provided; {_ADVICE}"


class Guard:
    """Decides for every request of one server whether it is admitted.

    Args:
        port: Port of the server.
        credentials: Credentials of this start.
    """

    def __init__(self, *, port: int, credentials: Credentials) -> None:
        self._hosts = {f"{name}:{port}" for name in _NAMES}
        self._origins = {f"http://{host}" for host in self._hosts}
        self._host = f"{_NAMES[0]}:{port}"
        self._credentials = credentials

    def refuses(self, request: Request) -> Response | None:
        """Return the refusal, None if the request is admitted; its Host is then set to `localhost`, which moto expects."""
        problem = self._from_elsewhere(request)
        if problem is not None:
            return Response(f"{problem}\n", status=http.client.FORBIDDEN, content_type="text/plain")
        request.environ["HTTP_HOST"] = self._host
        path = str(request.environ.get("PATH_INFO", ""))  # the server routes by it; `request.path` merges slashes
        if request.method == "PUT" and path.startswith(ONE_TIME):
            return None
        reads = request.method in ("GET", "HEAD")
        if reads and path.startswith(CONSOLE) and not path.startswith((CONSOLE_DATA, CONSOLE_ACTIONS)):
            return None
        headers = _headers(request)
        authorization = headers.get("authorization", "")
        if path.startswith(_CONTROL) and authorization.startswith("Bearer "):
            known = self._knows(request.method, path, authorization.removeprefix("Bearer ").encode("latin-1"))
            request.environ[ACTS] = known == "acts"
            return None if known else _refusal(request, "UnrecognizedClientException", _NOT_MINE)
        request.environ[ACTS] = True
        return self._unless_signed(request, headers)

    def _knows(self, method: str, path: str, token: bytes) -> str:
        """What a bearer token may do at a control path: "acts", "reads", or nothing."""
        if hmac.compare_digest(token, self._credentials.secret_access_key.encode()):
            return "acts"
        reads = method in ("GET", "HEAD") and path.startswith(CONSOLE_DATA)
        acts = method == "POST" and path.startswith(CONSOLE_ACTIONS)
        if (reads or acts) and hmac.compare_digest(token, self._credentials.control_key.encode()):
            return "acts"
        return "reads" if reads and hmac.compare_digest(token, self._credentials.console_key.encode()) else ""

    def _unless_signed(self, request: Request, headers: Mapping[str, str]) -> Response | None:
        """Return the refusal of a request whose signature is missing or wrong, None for a valid one."""
        bearer = headers.get("authorization", "").startswith("Bearer ")
        sent, _, query = _target(request).partition("?")
        signed = signatures.find(request.method, sent, query, headers)
        if signed is None:
            return _refusal(request, "AccessDeniedException", _NOT_SIGNED)
        secret = self._secret(signed.access_key_id)
        if secret is None:
            return _refusal(request, "UnrecognizedClientException", _NOT_MINE, service=signed.service)
        covered = signatures.token_headers() if bearer else headers
        body = (lambda: b"") if bearer else (lambda: _body(request))
        if not signed.matches(secret, covered, body):
            return _refusal(request, "InvalidSignatureException", _WRONG, service=signed.service)
        request.environ[SIGNED] = signed
        return None

    def _from_elsewhere(self, request: Request) -> str | None:
        host = request.environ.get("HTTP_HOST", "").lower()
        if host not in self._hosts:
            allowed = ", ".join(sorted(self._hosts))
            return f"Host: {host!r} is not this server; use {allowed} (and S3 addresses with the bucket in the path)"
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is not None and origin.lower() not in self._origins:
            return f"Origin: {origin!r} is another site; this server answers no web pages"
        if request.environ.get("HTTP_SEC_FETCH_SITE", "").lower() not in _OWN_PAGES:
            return "Sec-Fetch-Site: the request comes from a page of another site; this server answers no web pages"
        return None

    def _secret(self, access_key_id: str) -> str | None:
        """Secret of an access key: that of this start, of a role assumed since, or of a user's key created since; None if unknown."""
        if access_key_id == self._credentials.access_key_id:
            return self._credentials.secret_access_key
        for _, _, backend in list(sts_backends.iter_backends()):
            role = backend.get_assumed_role_from_access_key(access_key_id)
            if role is not None:
                return str(role.secret_access_key)
        for _, _, backend in list(iam_backends.iter_backends()):
            key = backend.access_keys.get(access_key_id)
            if key is not None and key.status == "Active":
                return str(key.secret_access_key)
        return None


def _headers(request: Request) -> Mapping[str, str]:
    """Headers as they were sent: WSGI loses names with underscores, which S3 metadata has and signatures cover."""
    headers: dict[str, str] = {}
    for name, value in request.environ.get(HEADERS, ()):
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


def _target(request: Request) -> str:
    raw = str(request.environ.get("RAW_URI", ""))
    if raw.startswith("/"):
        return raw
    parts = urlsplit(raw)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _body(request: Request) -> bytes:
    """Read the body, and make it readable again for the application."""
    body = bytes(request.get_data(cache=True))
    request.environ["wsgi.input"] = io.BytesIO(body)
    request.environ["CONTENT_LENGTH"] = str(len(body))
    request.environ.pop("HTTP_TRANSFER_ENCODING", None)
    return body


# --- refusing in the protocol of the question -------------------------------------------------------------------------

_QUERY_CODES: Final = {
    "AccessDeniedException": "AccessDenied",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
}
_S3_CODES: Final = {**_QUERY_CODES, "UnrecognizedClientException": "InvalidAccessKeyId"}


def _refusal(request: Request, code: str, message: str, *, service: str = "") -> Response:
    return _shape(request, service)(code, message)


def _shape(request: Request, service: str) -> Callable[[str, str], Response]:
    headers = request.headers
    if headers.get("Smithy-Protocol") == "rpc-v2-cbor":
        return _cbor
    if service == "s3":
        return _s3
    asked_in_fields = "x-www-form-urlencoded" in (request.content_type or "") or "Action" in request.args
    return _query if asked_in_fields and "X-Amz-Target" not in headers else _json


def _json(code: str, message: str) -> Response:
    body = json.dumps({"__type": code, "message": message})
    response = Response(body, status=http.client.FORBIDDEN, content_type="application/json")
    response.headers["x-amzn-ErrorType"] = code
    return response


def _query(code: str, message: str) -> Response:
    error = f"<Error><Type>Sender</Type><Code>{_QUERY_CODES[code]}</Code><Message>{escape(message)}</Message></Error>"
    return Response(f"<ErrorResponse>{error}</ErrorResponse>", status=http.client.FORBIDDEN, content_type="text/xml")


def _s3(code: str, message: str) -> Response:
    body = f"<Error><Code>{_S3_CODES[code]}</Code><Message>{escape(message)}</Message></Error>"
    return Response(body, status=http.client.FORBIDDEN, content_type="application/xml")


def _cbor(code: str, message: str) -> Response:
    def text(value: str) -> bytes:  # RFC 8949, major type 3 with a length of two bytes
        encoded = value.encode()
        return b"\x79" + len(encoded).to_bytes(2, "big") + encoded

    body = b"\xa2" + text("__type") + text(code) + text("message") + text(message)
    response = Response(body, status=http.client.FORBIDDEN, content_type="application/cbor")
    response.headers["Smithy-Protocol"] = "rpc-v2-cbor"
    return response
