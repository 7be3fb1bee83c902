"""Python runs this first in every process of the engine, since its folder is on PYTHONPATH."""

import gc
import os

import cdk_sglang_forks
import cdk_sglang_interpreter
import cdk_sglang_loopback
import cdk_sglang_standby

# Importing PyTorch and SGLang makes a million permanent objects: with Python's thresholds (700, 10, 10) looking for garbage among them
# takes 2 s of the 10 s (measured 2026-11). SGLang freezes them once it is warmed up.
gc.set_threshold(100_000, 50, 100)
# Importing the code of every model takes another 3 s; SGLang leaves it out where a package has the one that is wanted (sglang 0.5.23).
os.environ.setdefault("SGLANG_EXTERNAL_MODEL_PACKAGE", "cdk_sglang_models")
cdk_sglang_loopback.install()
cdk_sglang_forks.install()
cdk_sglang_interpreter.install()
cdk_sglang_standby.install()
