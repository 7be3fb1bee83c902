"""Credentials of one start of the embedded AWS: random, in a file that only its user can read, deleted when it stops."""

from __future__ import annotations

import hmac
import os
import secrets
import shlex
import stat
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

REGION: Final = "us-east-1"
FILE: Final = "credentials.sh"
"""Name of the file in the state folder; a shell can source it."""
_KEY_PREFIX: Final = "LOCAL"  # neither people nor secret scanners mistake it for an AWS key
_KEY_LENGTH: Final = 20  # moto finds only keys of this length in a signature (5.2.5, core/responses.py)
_ALPHABET: Final = string.ascii_uppercase + string.digits


class PrivateFolderError(Exception):
    """The folder cannot be kept private; the message names the next step."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """An access key and its secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def random(cls) -> Credentials:
        """Generate credentials that nobody can guess."""
        rest = "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_LENGTH - len(_KEY_PREFIX)))
        return cls(access_key_id=f"{_KEY_PREFIX}{rest}", secret_access_key=secrets.token_urlsafe(30))

    @classmethod
    def read(cls, state_dir: Path) -> Credentials | None:
        """Read the credentials of the server that uses this state folder; None while there is no server."""
        try:
            lines = (state_dir / FILE).read_text(encoding="utf-8").splitlines()
        except OSError:
            return None
        words = [word for line in lines for word in shlex.split(line) if "=" in word]
        variables = dict(word.split("=", 1) for word in words)
        try:
            return cls(
                access_key_id=variables["AWS_ACCESS_KEY_ID"], secret_access_key=variables["AWS_SECRET_ACCESS_KEY"]
            )
        except KeyError:
            return None

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables from which SDKs read the credentials."""
        return {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}

    @property
    def console_key(self) -> str:
        """Key that can only read the console's data: a browser keeps it, so it is not the secret."""
        return hmac.digest(self.secret_access_key.encode(), b"localcloud console", "sha256").hex()

    @property
    def control_key(self) -> str:
        """Key that can only read the console's data and perform its actions."""
        return hmac.digest(self.secret_access_key.encode(), b"localcloud console actions", "sha256").hex()

    def console_address(self, url: str, *, acts: bool = True) -> str:
        """Address of the console for a browser; the key is behind `#`, which browsers do not send.

        Args:
            url: Address of the server.
            acts: Whether the page may also perform actions. Default: it may.
        """
        return f"{url}/localcloud/console/#key={self.control_key if acts else self.console_key}"

    def exports(self, url: str) -> list[str]:
        """Lines for a shell, after which its AWS clients talk to the embedded AWS."""
        return [
            "unset AWS_PROFILE AWS_SESSION_TOKEN",
            f"export AWS_ENDPOINT_URL={url} AWS_ENDPOINT_URL_S3={url} AWS_DEFAULT_REGION={REGION}",
            "export " + " ".join(f"{name}={value}" for name, value in self.environment.items()),
        ]

    def write(self, state_dir: Path, url: str) -> Path:
        """Write the file into the state folder, readable by this user only."""
        path = state_dir / FILE
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in self.exports(url)))
        return path


_ANYBODY: Final = "testing"
PLACEHOLDER: Final = Credentials(access_key_id=_ANYBODY, secret_access_key=_ANYBODY)
"""Credentials for moto in a process without a server, where they are not checked."""


def private_folder(path: Path) -> Path:
    """Create a folder that no other user can read, or make an existing one private.

    Raises:
        PrivateFolderError: The folder belongs to another user.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise PrivateFolderError(f"{path} belongs to another user; use --state-dir with a folder of your own")
    if stat.S_IMODE(status.st_mode) != stat.S_IRWXU:
        path.chmod(stat.S_IRWXU)
    return path
