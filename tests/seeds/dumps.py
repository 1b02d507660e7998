"""Print a digest of each seed's ledger: two processes must print the same.

python -m tests.seeds.dumps FIRST COUNT
"""

from __future__ import annotations

import hashlib
import os
import sys

from tests.seeds.world import played


def main() -> None:
    first, count = (int(word) for word in sys.argv[1:3])
    for seed in range(first, first + count):
        _, dump = played(seed)
        print(seed, hashlib.sha256(dump.encode()).hexdigest(), len(dump.splitlines()), flush=True)
    os._exit(0)  # the dead of each seed stay where they lie


if __name__ == "__main__":
    main()
