"""One boto3 session for the process: each would read the descriptions of AWS's services again, 0.3 s a client."""

from __future__ import annotations

import threading
from functools import cache
from typing import Final

import boto3

making: Final = threading.Lock()
"""Held while a client is made: sessions of boto3 are not safe to make clients with from several threads."""


@cache
def session(region: str) -> boto3.Session:
    """Return the session of a Region."""
    return boto3.Session(region_name=region)
