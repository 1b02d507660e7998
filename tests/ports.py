"""A port that nobody else is given: below those that the kernel hands out to whoever asks for any."""

from __future__ import annotations

import random
import socket

_BELOW_THE_KERNELS = range(15_000, 30_000)


def free_port() -> int:
    """Return a port of loopback that is free now; only another caller of this can take it before it is used."""
    while True:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.choice(_BELOW_THE_KERNELS)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
