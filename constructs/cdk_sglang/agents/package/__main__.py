"""What the CDK CLI runs when a deployment needs the agent's zip: builds it, and prints its path as the only line on stdout.

The assembly contains the command as the `executable` of a file asset; the CLI runs it in its own working directory, and only if the bucket
has no zip of that hash.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cdk_sglang.agents.package.build import build, cached_zip
from cdk_sglang.agents.package.sources import AgentSources
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem


def main(arguments: list[str] | None = None) -> int:
    """Build the zip unless the cache has it; return the exit code: 1 for a build that failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m cdk_sglang.agents.package", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mlflow", action="store_true")
    parser.add_argument("--expect", required=True, help="hash of the sources at synth")
    options = parser.parse_args(arguments)
    try:
        sources = AgentSources.read(options.folder, mlflow=options.mlflow)
        raise_if_any(_changes(sources, options.expect))
        output = cached_zip(sources, os.environ)
        if not output.is_file():
            print(f"agent: {build(sources, output).sizes()}", file=sys.stderr)
    except ConfigurationError as error:
        for problem in error.problems:
            print(f"agent: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(output)
    return 0


def _changes(sources: AgentSources, expected: str) -> list[Problem]:
    if sources.source_hash() == expected:
        return []
    text = f"{sources.folder} has changed since the synth of this assembly; synthesise it again, as cdk deploy does without --app"
    return [Problem("", text)]


if __name__ == "__main__":
    sys.exit(main())
