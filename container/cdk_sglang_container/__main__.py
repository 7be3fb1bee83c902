"""`python -m cdk_sglang_container`: read the environment, try the GPUs, become SGLang's server."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

from cdk_sglang_container.arguments import build_arguments
from cdk_sglang_container.engine import WORKER_APPLICATION, WORKER_APPLICATION_VARIABLE, check_sglang
from cdk_sglang_container.flags import Flags
from cdk_sglang_container.preflight import Expectation, Preflight
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.rules import check_combination
from cdk_sglang_container.sessions import prepare_sessions
from cdk_sglang_container.settings import Settings

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
            print(f"cdk-sglang-container: {problem}", file=sys.stderr, flush=True)  # noqa: T201
        return refused.exit_code
    return _serve(server_args)


def _stop_while_starting(_signal: int, _frame: object) -> None:
    import psutil  # noqa: PLC0415

    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(_EXIT_TERMINATED)


def prepare(settings: Settings) -> Any:  # noqa: ANN401 # SGLang's ServerArgs
    """Everything that can refuse, before weights are read.

    Args:
        settings: The container's own.

    Returns:
        SGLang's checked arguments.

    Raises:
        RefusedError: With what to change.
    """
    preflight = Preflight.start()  # tries the GPUs in another process while SGLang's modules are imported here
    try:
        arguments, server_args = parse(os.environ, settings)
        on_cpu = _on_cpu()
        problems = check_combination(vars(server_args), on_cpu=on_cpu)
        if problems:
            raise RefusedError(problems)
        check_sglang()
        preflight.check(_expectation(server_args, settings), on_cpu=on_cpu)
    finally:
        preflight.stop()
    _resolve(server_args)
    logger.warning("starting SGLang with: %s", " ".join(arguments))
    return server_args


def parse(environment: Any, settings: Settings) -> tuple[list[str], Any]:  # noqa: ANN401 # Mapping, ServerArgs
    """`SM_SGLANG_*` to SGLang's own parsed arguments.

    Raises:
        RefusedError: A variable is wrong, or SGLang's parser says so.
    """
    import argparse  # noqa: PLC0415

    from sglang.srt.plugins import load_plugins  # noqa: PLC0415
    from sglang.srt.server_args import ServerArgs, prepare_server_args  # noqa: PLC0415

    load_plugins()
    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    arguments = build_arguments(environment, flags=Flags.from_parser(parser), settings=settings)
    try:
        return arguments, prepare_server_args(arguments)
    except SystemExit as refused:
        # argparse has printed the offending flag and its usage.
        raise RefusedError([f"SGLang's parser refuses: {' '.join(arguments)}; see the line above"]) from refused


def _on_cpu() -> bool:
    from sglang.srt.platforms import current_platform  # noqa: PLC0415

    return str(current_platform.device_type) == "cpu"


def _expectation(server_args: Any, settings: Settings) -> Expectation:  # noqa: ANN401
    replicas = 1 if server_args.enable_dp_attention else server_args.dp_size
    return Expectation(
        gpus=server_args.tp_size * server_args.pp_size * replicas,
        min_free_gib=settings.min_free_gpu_gib,
        memory_fraction=server_args.mem_fraction_static,
        nvme=settings.expect_nvme,
        cuda_major=_cuda_major(),
    )


def _cuda_major() -> int | None:
    import torch  # noqa: PLC0415

    return int(torch.version.cuda.split(".")[0]) if torch.version.cuda else None


def _resolve(server_args: Any) -> None:  # noqa: ANN401
    """Let SGLang settle its defaults and check them, so that what it refuses is one line and not a traceback."""
    try:
        server_args.resolve_once()
        server_args.check_server_args()
    except (ValueError, AssertionError, TypeError, NotImplementedError, OSError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise RefusedError([f"SGLang refuses these settings: {message}"]) from error


def _serve(server_args: Any) -> int:  # noqa: ANN401
    from sglang.launch_server import run_server  # noqa: PLC0415
    from sglang.srt.utils import kill_process_tree  # noqa: PLC0415

    os.environ[WORKER_APPLICATION_VARIABLE] = WORKER_APPLICATION
    # SGLang's warm-up generates; a server that skipped it has proved nothing when it says it is up.
    os.environ["CDK_SGLANG_WARMED_UP"] = "0" if server_args.skip_server_warmup else "1"
    prepare_sessions(os.environ)
    from cdk_sglang_container import server  # noqa: F401, PLC0415 # puts the contract on SGLang's application

    try:
        run_server(server_args)
    finally:
        kill_process_tree(os.getpid(), include_parent=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
