"""Ports for the servers that tests start themselves."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port of loopback at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
