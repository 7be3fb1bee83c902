"""Client of a hub of models with the API of huggingface.co: the files of a revision, with their hashes and bytes.

huggingface_hub (2.4.0) was considered: it downloads to disk and compares only sizes (file_download.py, http_get), while here
bytes go straight to S3 and every hash is checked. The two GET requests that remain are below.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import urllib3
from urllib3.util import parse_url

from .problems import UsageError, WeightsError

if TYPE_CHECKING:
    from hashlib import _Hash as Hash  # no public type

HUGGING_FACE: Final = "https://huggingface.co"
_REVISION: Final = re.compile(r"[0-9a-f]{40}")
_QUERY: Final = re.compile(r"\?[^\s'\")>]+")
_REPO: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_CHUNK_BYTES: Final = 1024 * 1024
_TRIES: Final = 6  # consecutive failures without receiving a byte; waits add up to about a minute
_TRANSIENT: Final = {408, 425, 429, 500, 502, 503, 504}
_REFUSALS: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_ONLY_REDIRECTS: Final = urllib3.Retry(
    total=5, connect=0, read=0, status=0, other=0, redirect=5, respect_retry_after_header=False
)
_TIMEOUT: Final = urllib3.Timeout(connect=10, read=60)


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file of a revision.

    Attributes:
        path: Path of the file in the repository.
        size: Size in bytes.
        sha256: SHA-256 of the content, for files in large-file storage.
        git_sha1: Git's id of the blob, for other files.
    """

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None

    @property
    def hash_name(self) -> str:
        """Name and value of the hub's hash of the file."""
        return f"sha256:{self.sha256}" if self.sha256 else f"git-sha1:{self.git_sha1}"

    def new_hash(self) -> Hash:
        """Return a new hash object for the file's bytes."""
        if self.sha256:
            return hashlib.sha256()
        # Git's own object id, not a security measure: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        return hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)

    def matches(self, digest: str) -> bool:
        """Whether a digest equals the hub's."""
        return digest == (self.sha256 or self.git_sha1)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """The hub's description of a commit of a model."""

    repo: str
    revision: str
    license: str | None
    gated: bool
    files: tuple[HubFile, ...]


class Hub:
    """Client for the two requests to a hub.

    Args:
        url: Address of the hub, for example "https://huggingface.co".
        token: Read token of an account with access to the model; None for public models.
        wait: Pauses for some seconds before a retry.
        on_retry: Called with the reason of a retry.
    """

    def __init__(
        self,
        *,
        url: str = HUGGING_FACE,
        token: str | None = None,
        wait: Callable[[float], None] = time.sleep,
        on_retry: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._wait = wait
        self._on_retry = on_retry
        # urllib3 drops the Authorization header when it is sent on to another host, as the hub does for large files.
        headers = {"User-Agent": "cdk-sglang", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._http = urllib3.PoolManager(headers=headers, maxsize=32, retries=False, timeout=_TIMEOUT)

    def describe(self, repo: str, revision: str) -> Revision:
        """Return the description of a commit.

        Raises:
            WeightsError: The model or commit does not exist, access is denied, or the revision is a branch.
        """
        check_names(repo, revision)
        path = f"/api/models/{repo}/revision/{revision}?blobs=true"
        for attempt in range(_TRIES):
            try:
                response = self._get(path, repo, revision)
                content = json.loads(response.read())
                break
            except urllib3.exceptions.HTTPError as error:
                self._again(attempt, f"{repo}: {error}")
            except ValueError:
                raise WeightsError(f"{repo}: {self._url} answered something that is not JSON; is it a hub?") from None
        try:
            commit, files = content.get("sha"), tuple(_file(entry) for entry in content.get("siblings", []))
            card = content.get("cardData") or {}
            named = card.get("license_name") or card.get("license")
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise WeightsError(f"{repo}: {self._url} answered no list of files ({error!r}); is it a hub?") from None
        if commit != revision:
            raise WeightsError(f"{repo}: revision {revision} is commit {commit}; give that one")
        license_name = None if named is None else str(named)
        return Revision(
            repo=repo, revision=revision, license=license_name, gated=bool(content.get("gated")), files=files
        )

    def read(self, repo: str, revision: str, file: HubFile) -> Iterator[bytes]:
        """Yield a file's bytes; after a cut connection, continue at the same offset.

        Raises:
            WeightsError: The hub refuses the file, or keeps failing.
        """
        path = f"/{repo}/resolve/{revision}/{quote(file.path)}"
        got = attempt = 0
        while got < file.size:
            try:
                response = self._get(path, repo, revision, start=got)
                for chunk in _from(response, got):
                    got += len(chunk)
                    attempt = 0
                    yield chunk
                if got < file.size:
                    raise urllib3.exceptions.ProtocolError(f"ended after {got} of {file.size} bytes")
            except urllib3.exceptions.HTTPError as error:
                self._again(attempt, f"{file.path}: at byte {got}: {error}")
                attempt += 1
        if got > file.size:
            raise WeightsError(f"{file.path}: the hub sent more than the {file.size} bytes it announced")

    def check_access(self, revision: Revision, file: HubFile) -> None:
        """Request the first byte of a file, since a gated model lists its files to everyone."""
        path = f"/{revision.repo}/resolve/{revision.revision}/{quote(file.path)}"
        for attempt in range(_TRIES):
            try:
                self._get(path, revision.repo, revision.revision, start=0, end=0).close()
            except urllib3.exceptions.HTTPError as error:
                self._again(attempt, f"{file.path}: {error}")
            else:
                return

    def _get(
        self, path: str, repo: str, revision: str, *, start: int | None = None, end: int | None = None
    ) -> urllib3.BaseHTTPResponse:
        headers = dict(self._http.headers)
        if start:
            headers["Range"] = f"bytes={start}-"
        elif end is not None:
            headers["Range"] = f"bytes=0-{end}"
        response = self._http.request(
            "GET", f"{self._url}{path}", headers=headers, preload_content=False, retries=_ONLY_REDIRECTS
        )
        if response.status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            return response
        response.close()
        store = self._other_host(response)
        if store is not None and response.status in _REFUSALS:
            # The link to it is signed and short-lived; each attempt gets a new one.
            raise urllib3.exceptions.HTTPError(
                f"{store}, where the hub keeps its files, answered {response.status} {response.reason}: it refuses this "
                "network (a proxy, a firewall, a blocked country), or the link was no longer valid"
            )
        if response.status in _TRANSIENT:
            self._wait(min(60.0, _seconds(response.headers.get("Retry-After"))))
            raise urllib3.exceptions.HTTPError(f"{store or 'the hub'} answered {response.status}")
        raise WeightsError(self._refusal(response, repo, revision, path))

    def _other_host(self, response: urllib3.BaseHTTPResponse) -> str | None:
        """Return the host that a download was redirected to; None if the hub itself answered."""
        place = parse_url(response.geturl() or self._url)
        hub = parse_url(self._url)
        return None if place.host is None or (place.host, place.port) == (hub.host, hub.port) else place.netloc

    def _refusal(self, response: urllib3.BaseHTTPResponse, repo: str, revision: str, path: str) -> str:
        code = response.headers.get("X-Error-Code")
        page = f"{self._url}/{repo}"
        if code == "GatedRepo":
            if self._token:
                return f"{repo}: is gated, and the token's account has no access; accept its licence at {page}, then stage again"
            return (
                f"{repo}: is gated; accept its licence at {page}, store a read token of that account in Secrets Manager, "
                "and give its secret as token"
            )
        if code == "RevisionNotFound":
            return f"{repo}: has no commit {revision}; see {page}/commits/main"
        if code is None and response.status in _REFUSALS and not path.startswith("/api/"):
            return (
                f"{repo}: {self._url} lists the model, and refuses {path} ({response.status} {response.reason}); "
                "does the token's account have access to its files, and does the network let them through?"
            )
        if code == "RepoNotFound" or response.status in _REFUSALS:
            who = "the token's account cannot see it" if self._token else "it is private and needs a token"
            return f"{repo}: there is no such model on {self._url}, or {who}"
        message = response.headers.get("X-Error-Message") or response.reason
        return f"{repo}: {self._url}{path} answered {response.status}: {message}"

    def _again(self, attempt: int, why: str) -> None:
        why = _QUERY.sub("?…", why)  # urllib3 includes the whole URL, and URLs of the file store are signed
        if attempt + 1 >= _TRIES:
            raise WeightsError(f"{why}; gave up after {_TRIES} tries; stage again to go on where it stopped")
        self._on_retry(why)
        self._wait(2.0**attempt)


def check_names(repo: str, revision: str) -> None:
    """Reject what is not a model, and what may change later."""
    if not _REPO.fullmatch(repo):
        raise UsageError(f"{repo!r} is not a model of a hub; use owner/name, such as Qwen/Qwen3-8B")
    if not _REVISION.fullmatch(revision):
        raise UsageError(
            f"{repo}: revision {revision!r} can move; use the 40 hexadecimal digits of a commit, from {HUGGING_FACE}/{repo}/commits/main"
        )


def _from(response: urllib3.BaseHTTPResponse, start: int) -> Iterator[bytes]:
    """Yield what comes after `start`, whether the server supports ranges or starts from the beginning."""
    skip = start if response.status == HTTPStatus.OK else 0
    for chunk in response.stream(_CHUNK_BYTES):
        if skip >= len(chunk):
            skip -= len(chunk)
            continue
        yield chunk[skip:]
        skip = 0


def _file(entry: dict[str, Any]) -> HubFile:
    large = entry.get("lfs") or {}
    return HubFile(
        path=str(entry["rfilename"]),
        size=int(large.get("size", entry.get("size") or 0)),
        sha256=large.get("sha256"),
        git_sha1=None if large else entry.get("blobId"),
    )


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdigit() else 0.0
