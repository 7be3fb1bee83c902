"""One boto3 session for the process: each session would read the descriptions of AWS's services again, 0.3 s per client."""

from __future__ import annotations

import threading
from functools import cache
from typing import Final

import boto3

making: Final = threading.Lock()
"""Held while a client is created: creating clients from one boto3 session is not thread-safe."""


@cache
def session(region: str) -> boto3.Session:
    """Return the session of a Region."""
    return boto3.Session(region_name=region)
