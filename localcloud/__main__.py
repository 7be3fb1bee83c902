"""`python -m localcloud --port N --state-dir DIR`: the embedded AWS in the foreground."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import threading
from pathlib import Path

from localcloud.aws.credentials import FILE, PrivateFolderError
from localcloud.aws.hosting.standby import standby
from localcloud.aws.settings import current


def main() -> int:
    """Serve until SIGTERM or SIGINT; 2 when the port is taken."""
    parser = argparse.ArgumentParser(prog="localcloud", description=__doc__)
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--state-dir", type=Path, default=Path(".local"), help="logs and model folders go here")
    parser.add_argument("--standby", action="store_true", help="import now what every copy's container imports")
    arguments = parser.parse_args()
    if arguments.standby:
        standby().start(current().command_for("*"))
    try:
        return _serve(arguments.port, arguments.state_dir)
    finally:
        standby().stop()


def _serve(port: int, state_dir: Path) -> int:
    from localcloud.aws.server import LocalCloud, StateInUseError

    try:
        cloud = LocalCloud(port=port, state_dir=state_dir.resolve())
    except (StateInUseError, PrivateFolderError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OverflowError:
        sys.stderr.write(f"port {port} is not a port; use --port with a number up to 65535\n")
        return 2
    except OSError as error:
        port_message = f"port {port} is taken; use --port with another, or stop what listens there"
        text = port_message if error.errno == errno.EADDRINUSE else f"cannot start: {error}"
        sys.stderr.write(f"{text}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with cloud:
        sys.stdout.write(f"embedded AWS on {cloud.url}, logs under {state_dir}/logs\n")
        sys.stdout.write(f"credentials of this start: source {state_dir}/{FILE}\n")
        sys.stdout.write(f"console: {cloud.credentials.console_address(cloud.url)}\n")
        sys.stdout.write(f"console, read-only: {cloud.credentials.console_address(cloud.url, acts=False)}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
