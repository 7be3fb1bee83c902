"""Programs that answer for components: a component is deployed, scales and wakes as usual, and its requests go to a port of this machine."""

from __future__ import annotations

_ports: dict[str, int] = {}


def put(component: str, port: int | None) -> None:
    """Let the program on a port of loopback answer for a component; None ends that.

    Raises:
        ValueError: It is not a port.
    """
    if port is None:
        _ports.pop(component, None)
    elif isinstance(port, int) and 0 < port < 2**16:
        _ports[component] = port
    else:
        raise ValueError(f"port: {port!r} is not a port")


def ports() -> dict[str, int]:
    """Ports by component."""
    return dict(_ports)


def clear() -> None:
    """Let every component answer for itself."""
    _ports.clear()
