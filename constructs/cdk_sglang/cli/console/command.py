"""`cdk-sglang console`: serve the page of an environment on this machine until Ctrl-C."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdk_sglang.cli.aws import fail, reason_of
from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.status.source import observed_fleet
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.cli.console.account import Account
    from cdk_sglang.cli.console.server import ConsoleServer

PORT: Final = 8265
"""Default port."""
_END_S: Final = 1.0
"""Seconds after Ctrl-C that reads in progress may take."""


def console(
    env: Annotated[str, env_option("Environment, such as prod.")],
    *,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port of 127.0.0.1; 0 for any free one.")
    ] = PORT,
    region: Annotated[
        str | None, typer.Option(help="Region; by default the environment's own, else that of your AWS settings.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Profile of your AWS settings; that of AWS_PROFILE by default.")
    ] = None,
    environments: Annotated[Path | None, environments_option()] = None,
) -> None:
    """Serve a live page of an environment, on this machine only; read-only, with your AWS credentials. Ctrl-C ends it.

    Exit code 1: the port cannot be used. Exit code 2: the settings are wrong, or there are no usable credentials.
    """
    fleet = observed_fleet(env, environments)
    try:
        from cdk_sglang.cli.console.account import Account
        from cdk_sglang.cli.console.content import Content
        from cdk_sglang.cli.console.server import LOOPBACK, ConsoleServer
    except ModuleNotFoundError as error:
        text = f"needs {error.name}; pip install 'cdk-sglang[client]'"
        raise ConfigurationError([Problem("console", text)]) from None
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    account = Account(region=region or fleet.region, profile=profile)
    number, used = _signed_in(account)
    content = Content(fleet, account, account_id=number, region=used)
    try:
        server = ConsoleServer(port, content)
    except OSError as error:
        reason = f"port {port} of {LOOPBACK} cannot be used: {error.strerror}"
        fail(f"console: {reason}; name another with --port, or 0 for any free one", code=1)
    typer.echo(f"{env} in {used}: {server.address}")
    typer.echo(
        "It only reads. The address contains a key that is valid for this start alone. Ctrl-C ends it.", err=True
    )
    serve(server)
    if not content.poller.idle:
        sys.stdout.flush()
        os._exit(0)  # AWS keeps a read waiting, for which Python would wait too


def serve(server: ConsoleServer) -> None:
    """Serve until Ctrl-C, and end what is in progress.

    Args:
        server: The server.
    """
    poller = server.content.poller
    poller.start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass  # which is how it is ended
    finally:
        server.streams.end()
        poller.end()
        server.server_close()
        until = time.monotonic() + _END_S
        while not poller.idle and time.monotonic() < until:
            time.sleep(0.05)


def _signed_in(account: Account) -> tuple[str, str]:
    """Return the number of the account, empty if AWS does not return it, and the Region.

    Raises:
        FailedError: There are no usable credentials, no Region, or no such profile.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    from cdk_sglang.cli.console.account import Clients

    clients = Clients(account)
    region: str = clients["cloudwatch"].meta.region_name
    try:
        return str(clients["sts"].get_caller_identity()["Account"]), region
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        reason = reason_of("sts:GetCallerIdentity", error)
        if reason.code == 2:  # noqa: PLR2004  wrong credentials or settings, which the other calls would find too
            fail(reason.text, code=reason.code)
        return "", region
