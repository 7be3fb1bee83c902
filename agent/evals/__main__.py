"""`python -m evals`: run the conversations and print a table. Exit status: 0 passed, 1 failed, 2 could not run."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from evals.runner import CASES, Outcome, read, run
from evals.tools import SCHEMAS
from intake import prompts
from intake.errors import TurnError
from intake.settings import Settings

_CANNOT_RUN: Final = 2


def main(words: list[str] | None = None) -> int:
    """Run the conversations of the command line and return the exit status."""
    options = _options().parse_args(words)
    try:
        settings = Settings.read({**os.environ, **_variables(options)})
        prompts.load(settings.prompt_version)
        content = read(options.cases)
        baseline = json.loads(options.baseline.read_text(encoding="utf-8")) if options.baseline else None
    except TurnError as error:
        print(f"evals: {error.text}", file=sys.stderr)
        return _CANNOT_RUN
    except (OSError, ValueError) as error:
        print(f"evals: {error}", file=sys.stderr)
        return _CANNOT_RUN
    cases = [case for case in content["cases"] if not options.only or case["id"] in options.only]
    if not cases:
        print(
            f"evals: no case of these names; there are {', '.join(case['id'] for case in content['cases'])}",
            file=sys.stderr,
        )
        return _CANNOT_RUN
    outcomes = asyncio.run(_run_all(cases, content["patients"], settings, options.tools))
    if options.show:
        for outcome in outcomes:
            print(json.dumps({"case": outcome.case, "events": outcome.events}, ensure_ascii=False))
    report = _report(content["version"], settings, outcomes)
    if options.report:
        options.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(table(outcomes))
    reasons = gate(outcomes, share=options.gate, baseline=baseline)
    passed = sum(outcome.passed for outcome in outcomes)
    print(
        f"cases {content['version']}, prompt {settings.prompt_version}, {settings.component}: {passed} of {len(outcomes)} passed"
    )
    for reason in reasons:
        print(f"gate: {reason}")
    return 1 if reasons else 0


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as a table of text."""
    rows = [("case", "result", "tokens", "tools", "problems")]
    for outcome in outcomes:
        result = "passed" if outcome.passed else "FAILED" if outcome.must else "failed"
        rows.append(
            (outcome.case, result, str(outcome.tokens), " ".join(outcome.tools) or "-", "; ".join(outcome.problems))
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )


def gate(outcomes: list[Outcome], *, share: float, baseline: dict[str, Any] | None) -> list[str]:
    """Return why a run does not pass; empty if it does.

    Args:
        outcomes: The run.
        share: Minimum share of passed cases, 0 to 1.
        baseline: Report of an earlier run: cases that passed there must pass here.
    """
    passed = sum(outcome.passed for outcome in outcomes)
    reasons = [f"{outcome.case} must pass" for outcome in outcomes if outcome.must and not outcome.passed]
    if passed < share * len(outcomes):
        reasons.append(f"{passed} of {len(outcomes)} passed, {share:.0%} are needed (--gate)")
    before = (baseline or {}).get("cases", {})
    reasons += [
        f"{outcome.case} passed with {(baseline or {}).get('component')} and fails now"
        for outcome in outcomes
        if not outcome.passed and before.get(outcome.case, {}).get("passed")
    ]
    return reasons


def _report(version: int, settings: Settings, outcomes: list[Outcome]) -> dict[str, Any]:
    """The outcomes without the text of the conversations, to keep and to compare."""
    return {
        "version": version,
        "prompt_version": settings.prompt_version,
        "endpoint": settings.endpoint,
        "component": settings.component,
        "cases": {
            outcome.case: {
                "passed": outcome.passed,
                "problems": outcome.problems,
                "tools": outcome.tools,
                "tokens": outcome.tokens,
            }
            for outcome in outcomes
        },
    }


async def _run_all(
    cases: list[dict[str, Any]], patients: list[dict[str, Any]], settings: Settings, schemas: Path
) -> list[Outcome]:
    return [await run(case, patients, settings, schemas) for case in cases]


def _variables(options: argparse.Namespace) -> dict[str, str]:
    """The options as the agent's variables; the run supplies its own tools and memory."""
    values = {
        "CDK_SGLANG_ENDPOINT": options.endpoint,
        "CDK_SGLANG_COMPONENT": options.component,
        "CDK_SGLANG_MODEL_API": options.model_api,
        "CDK_SGLANG_PROMPT_VERSION": options.prompt_version,
        "AWS_REGION": options.region,
    }
    return {name: value for name, value in values.items() if value} | {
        "CDK_SGLANG_GATEWAY_URL": "",
        "CDK_SGLANG_MEMORY_ID": "",
    }


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evals", description="Conversations with expected tool calls and refusals.")
    parser.add_argument("--endpoint", help="SageMaker endpoint (CDK_SGLANG_ENDPOINT)")
    parser.add_argument("--component", help="inference component (CDK_SGLANG_COMPONENT)")
    parser.add_argument("--region", help="AWS Region (AWS_REGION)")
    parser.add_argument("--model-api", choices=("sagemaker", "openai"), help="sagemaker")
    parser.add_argument("--prompt-version", help="version in prompts/ (the newest)")
    parser.add_argument("--cases", type=Path, default=CASES, help="file of cases")
    parser.add_argument("--tools", type=Path, default=SCHEMAS, help="tools.json of the tools")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="these cases")
    parser.add_argument("--gate", type=float, default=1.0, help="least share of passed cases (1.0)")
    parser.add_argument("--baseline", type=Path, help="report of an earlier run: what passed there has to pass")
    parser.add_argument("--report", type=Path, help="write the outcomes as JSON, without words of the conversations")
    parser.add_argument("--show", action="store_true", help="print all events, which hold the conversations")
    return parser


if __name__ == "__main__":
    sys.exit(main())
