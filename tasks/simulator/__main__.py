"""Serve a simulator from a process of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from tasks.simulator import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="simulator")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=None)
    parser.add_argument("--certificate", type=Path, default=None)
    main(**vars(parser.parse_args()))
