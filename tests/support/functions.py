"""Lambda functions in the test's own process and on its clock: a stand-in for Lambda, whose processes would take a second each."""

from tools.check.deployment.in_process import InProcess

__all__ = ["InProcess"]
