"""Conservation as a law, over many more cases than a change waits for.

python -m tests.reconcile.long [cases]
"""

from __future__ import annotations

import sys
import time
from typing import Any

from hypothesis import HealthCheck, settings

import tests.conftest  # noqa: F401  # before the nights that it brings
from tests.reconcile import test_reconcile

LAWS = [test_reconcile.test_outcomes_always_add_up_to_the_rows]


def main() -> None:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for law in LAWS:
        known: Any = law
        known._hypothesis_internal_use_settings = settings(
            max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        began = time.perf_counter()
        known()
        print(f"{known.__name__}: {cases} cases hold, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
