"""The provider's twin: IVS, its gateway, IAM, usage and billing reads, on loopback.

Written from the reference, and sharing with the client nothing but the facts of the code tables. Who is answered how is
published in `people` (test identities, the keyed rule) and `media` (labels of pictures and videos).
"""

from __future__ import annotations

from pathlib import Path


def main(*, port: int, home: Path, config: Path | None = None, certificate: Path | None = None) -> None:
    """Serve a simulator; see `server.serve`."""
    from tasks.simulator.server import serve

    serve(port=port, home=home, config=config, certificate=certificate)
