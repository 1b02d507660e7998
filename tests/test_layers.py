"""The house has one direction: flows stand on steps, steps on what they share; the twin knows nobody."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STEPS = {"ingest", "plan", "approve", "verify", "reconcile", "report", "preflight"}
BASE = {"privacy", "records", "settings", "text"}
MIDDLE = {"ledger", "quota", "pricing", "storage", "ivs", "media", "staging", "marker"}
ALLOWED = {
    **dict.fromkeys(STEPS | {"local"}, MIDDLE | BASE | {"runtime"}),
    "runtime": MIDDLE | BASE,
    **dict.fromkeys(MIDDLE, BASE | MIDDLE),
    **dict.fromkeys(BASE, BASE),
    "simulator": set(),
}
PREFECT = {"verify"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "tasks").parts[0].removesuffix(".py")


FILES = [path for path in sorted((ROOT / "tasks").rglob("*.py")) if part_of(path) != "__init__"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_part_imports_only_what_lies_below_it(path: Path) -> None:
    part = part_of(path)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("tasks.")} - {part}
    assert used <= ALLOWED[part], f"{part} imports {sorted(used - ALLOWED[part])}"
    assert not any(name.startswith("flows") for name in imports(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_prefect_is_known_only_to_flows_and_steps(path: Path) -> None:
    if any(name.split(".")[0] == "prefect" for name in imports(path)):
        assert part_of(path) in PREFECT


def test_the_twin_and_the_client_share_no_module() -> None:
    twin = {name for path in (ROOT / "tasks" / "simulator").rglob("*.py") for name in imports(path)}
    assert not any(name.startswith("tasks.") and not name.startswith("tasks.simulator") for name in twin)
