# ruff: noqa: INP001  a folder on PYTHONPATH, not a package
"""Python runs this first in every process of the engine, since its folder is on PYTHONPATH."""

import gc

import cdk_sglang_forks
import cdk_sglang_loopback
import cdk_sglang_standby

# Importing PyTorch and SGLang makes a million objects that stay: with Python's thresholds (700, 10, 10) looking for garbage among them
# takes 2 s of the 10 s (measured 2026-11). SGLang freezes them once it is warmed up.
gc.set_threshold(100_000, 50, 100)
cdk_sglang_loopback.install()
cdk_sglang_forks.install()
cdk_sglang_standby.install()
