"""`python -m cdk_sglang_container`: read the environment, test the GPUs, become SGLang's server."""

from __future__ import annotations

import argparse
import functools
import importlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from cdk_sglang_container.arguments import build_arguments
from cdk_sglang_container.deathwatch import DeathWatch, end_everything
from cdk_sglang_container.draft_files import draft_problems
from cdk_sglang_container.engine import (
    TOKENIZER_WORKERS_VARIABLE,
    WORKER_APPLICATION,
    WORKER_APPLICATION_VARIABLE,
)
from cdk_sglang_container.flags import Flags
from cdk_sglang_container.heartbeat import prepare_heartbeat, remove_heartbeat
from cdk_sglang_container.model_files import model_problems
from cdk_sglang_container.preflight import Expectation, Preflight
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.rules import check_combination
from cdk_sglang_container.schedulers import run_scheduler
from cdk_sglang_container.sessions import prepare_sessions
from cdk_sglang_container.settings import Settings
from cdk_sglang_container.sglang_names import check_sglang
from cdk_sglang_container.shown import shown
from cdk_sglang_container.tracing import tracing_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sglang.srt.server_args import ServerArgs

_EXIT_TERMINATED = 128 + signal.SIGTERM
logger = logging.getLogger("cdk_sglang_container")


def main() -> int:
    """Start the server; returns when it has stopped."""
    # As process 1 of a container, SIGTERM without a handler would be ignored for the minutes that loading takes.
    signal.signal(signal.SIGTERM, _stop_while_starting)
    try:
        settings = Settings.from_environment(os.environ)
        server_args = prepare(settings)
    except RefusedError as refused:
        for problem in refused.problems:
            print(f"cdk-sglang-container: {problem}", file=sys.stderr, flush=True)
        return refused.exit_code
    return _serve(server_args)


def _stop_while_starting(_signal: int, _frame: object) -> None:
    end_everything(_EXIT_TERMINATED)


def prepare(settings: Settings) -> ServerArgs:
    """Run every check that can refuse the start, before weights are read.

    Args:
        settings: The container's own.

    Returns:
        SGLang's checked arguments.

    Raises:
        RefusedError: The message names what to change.
    """
    preflight = Preflight.start()  # tests the GPUs in another process while SGLang's modules are imported here
    try:
        arguments, values = parse(os.environ, settings)
        on_cpu = _on_cpu()
        problems = check_combination(values, on_cpu=on_cpu) + model_problems(values)
        problems += draft_problems(values) + tracing_problems(values)
        if problems:
            raise RefusedError(problems)
        check_sglang(tokenizer_workers=values["tokenizer_worker_num"])
        preflight.check(_expectation(values, settings), on_cpu=on_cpu)
    finally:
        preflight.stop()
    server_args = _resolve(arguments)
    logger.warning("starting SGLang with: %s", shown(arguments))
    return server_args


class _Parser(argparse.ArgumentParser):
    """SGLang's command line, without two pages of usage before its error."""

    def error(self, message: str) -> NoReturn:
        raise RefusedError([f"SGLang's parser refuses: {message}"])


def parse(environment: Mapping[str, str], settings: Settings) -> tuple[list[str], dict[str, Any]]:
    """Convert `SM_SGLANG_*` to SGLang's arguments.

    Args:
        environment: Usually `os.environ`.
        settings: The container's own.

    Returns:
        The argument vector, and its values by field as SGLang's parser reads them.

    Raises:
        RefusedError: A variable is wrong, or SGLang's parser rejects it.
    """
    from sglang.srt.plugins import load_plugins
    from sglang.srt.server_args import ServerArgs

    load_plugins()
    parser = _Parser()
    ServerArgs.add_cli_args(parser)
    arguments = build_arguments(environment, flags=Flags.from_parser(parser), settings=settings)
    return arguments, vars(parser.parse_args(arguments))


def _on_cpu() -> bool:
    from sglang.srt.platforms import current_platform

    return str(current_platform.device_type) == "cpu"


def _expectation(values: Mapping[str, Any], settings: Settings) -> Expectation:
    # With data-parallel attention the replicas share the tensor-parallel GPUs.
    shared = values["enable_dp_attention"] or (values.get("attn_dp_size") or 1) > 1
    replicas = 1 if shared else values["dp_size"]
    return Expectation(
        gpus=values["tp_size"] * values["pp_size"] * replicas,
        min_free_gib=settings.min_free_gpu_gib,
        memory_fraction=values["mem_fraction_static"],
        nvme=settings.expect_nvme,
        cuda_major=_cuda_major(),
    )


def _cuda_major() -> int | None:
    import torch

    version: str | None = torch.version.cuda
    return int(version.split(".")[0]) if version else None


def _resolve(arguments: list[str]) -> ServerArgs:
    """Let SGLang resolve and check its defaults, so that a refusal is one line and not a traceback."""
    from sglang.srt.server_args import prepare_server_args

    try:
        server_args = prepare_server_args(arguments)
        server_args.resolve_once()
        server_args.check_server_args()
    except Exception as error:  # SGLang refuses with various exception types, RuntimeError among them
        message = " ".join(str(error).split()) or type(error).__name__
        raise RefusedError([f"SGLang refuses these settings: {message}"]) from error
    return server_args


def _serve(server_args: ServerArgs) -> int:
    from sglang.launch_server import run_server
    from sglang.srt.entrypoints import http_server
    from sglang.srt.utils import kill_process_tree

    os.environ[WORKER_APPLICATION_VARIABLE] = WORKER_APPLICATION
    os.environ[TOKENIZER_WORKERS_VARIABLE] = str(server_args.tokenizer_worker_num)
    # SGLang's warm-up generates tokens; a server that skipped it may report that it is up without having generated any.
    os.environ["CDK_SGLANG_WARMED_UP"] = "0" if server_args.skip_server_warmup else "1"
    # Several workers import SGLang at the same time; uvicorn's supervisor would kill and restart those that take longer.
    os.environ.setdefault("SGLANG_UVICORN_WORKER_HEALTHCHECK_TIMEOUT", "120")
    prepare_sessions(os.environ)
    prepare_heartbeat(os.environ)
    http_server.launch_server = functools.partial(http_server.launch_server, run_scheduler_process_func=run_scheduler)
    importlib.import_module("cdk_sglang_container.server")  # puts the contract on SGLang's application

    if server_args.tokenizer_worker_num > 1:
        DeathWatch().start()
    try:
        run_server(server_args)
    finally:
        remove_heartbeat(os.environ)
        kill_process_tree(os.getpid(), include_parent=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
