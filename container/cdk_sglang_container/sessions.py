"""Sticky sessions, kept by AWS's own session manager (model-hosting-container-standards).

A session is a promise that the same copy answers, so that SGLang's prefix cache holds the conversation; the container
keeps no conversation of its own. Sessions live in a folder of this process (`SAGEMAKER_SESSIONS_PATH`), which all of
SGLang's tokenizer workers share.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_sglang_container.contract import CLOSED_SESSION_ID
from cdk_sglang_container.http import HttpError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from model_hosting_container_standards.sagemaker.sessions.manager import Session

_PATH, _ENABLED = "SAGEMAKER_SESSIONS_PATH", "SAGEMAKER_ENABLE_STATEFUL_SESSIONS"


def prepare_sessions(environment: MutableMapping[str, str]) -> None:
    """Give this container's sessions a folder of their own, unless the environment names one.

    The session manager's default folder is one per machine: two copies on a machine would accept each other's sessions.

    Args:
        environment: `os.environ`; inherited by the tokenizer workers.
    """
    environment.setdefault(_ENABLED, "true")
    if not environment.get(_PATH):
        memory = Path("/dev/shm")  # noqa: S108  sessions hold no secret and are gone with the container
        parent = memory if os.access(memory, os.W_OK) else None
        environment[_PATH] = tempfile.mkdtemp(prefix="sagemaker_sessions_", dir=parent)


class StickySessions:
    """Open, check and close sessions; see `contract.Sessions`."""

    def __init__(self) -> None:
        from model_hosting_container_standards.sagemaker.config import SageMakerConfig
        from model_hosting_container_standards.sagemaker.sessions.manager import Session, SessionManager

        config = SageMakerConfig.from_env()
        self._enabled = config.enable_stateful_sessions
        options = {"sessions_expiration": config.sessions_expiration, "sessions_path": config.sessions_path}
        self._manager = SessionManager(options)
        self._session_class = Session

    def create(self) -> tuple[str, str]:
        """Open a session.

        Returns:
            Its id, and the value of `X-Amzn-SageMaker-New-Session-Id`: the id and when it expires.
        """
        self._require_enabled()
        session = self._manager.create_session()
        expires = datetime.fromtimestamp(session.expiration_ts or 0, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return session.session_id, f"{session.session_id}; Expires={expires}"

    def check(self, session: str) -> None:
        """Raise if the session is not open in this copy: it was closed, has expired, or belongs to another copy."""
        self._require_enabled()
        self._learn(session)
        try:
            found: Session | None = self._manager.get_session(session)
        except ValueError:
            found = None
        if found is None or not Path(found.files_path).is_dir():
            self._manager.sessions.pop(session, None)
            message = (
                f"session {session} is not open: it was closed, has expired or is unknown; start one with NEW_SESSION"
            )
            raise HttpError(400, message, headers={CLOSED_SESSION_ID: session} if _is_id(session) else None)

    def close(self, session: str) -> None:
        """Close a session; closing it twice is not an error."""
        self._learn(session)
        try:
            self._manager.close_session(session)
        except ValueError:
            self._manager.sessions.pop(session, None)

    def _require_enabled(self) -> None:
        if not self._enabled:
            raise HttpError(400, f"stateful sessions are not enabled: {_ENABLED} is not true")

    def _learn(self, session: str) -> None:
        """Load a session that another tokenizer worker opened."""
        if session in self._manager.sessions or not _is_id(session):
            return
        known = self._session_class(session, self._manager.sessions_path)
        if known.expiration_ts is not None:
            self._manager.sessions[session] = known


def _is_id(session: str) -> bool:
    """Whether the id has the session manager's format: session ids become folder names."""
    try:
        return str(uuid.UUID(session)) == session
    except ValueError:
        return False
