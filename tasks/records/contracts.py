"""Column contracts (``data/schemas``): what each table must look like before it is written."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Final

import pyarrow as pa

from tasks.settings.load import CHECKOUT

SCHEMAS: Final = CHECKOUT / "data" / "schemas"
_TYPES: Final = {"text": pa.string(), "integer": pa.int64(), "decimal": pa.string()}


class ContractError(Exception):
    """A table is not what its contract says: which table, which column."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract; decimals are written as text, never as floats."""

    name: str
    type: str
    may_be_empty: bool
    personal: bool
    about: str


@dataclass(frozen=True, slots=True)
class Contract:
    """A table's name, schema version and columns, in order."""

    table: str
    version: int
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [column.name for column in self.columns]

    @property
    def schema(self) -> pa.Schema:
        """The arrow schema, with the contract's name and version in its metadata."""
        fields = [pa.field(column.name, _TYPES[column.type], nullable=False) for column in self.columns]
        return pa.schema(fields, metadata={"table": self.table, "schema_version": str(self.version)})

    def check(self, table: pa.Table) -> None:
        """Check a table's columns, types and emptiness.

        Raises:
            ContractError: names the first column that breaks the contract.
        """
        if table.column_names != self.names:
            odd = sorted(set(table.column_names) ^ set(self.names))
            raise ContractError(f"table {self.table}: columns differ from the contract: {', '.join(odd) or 'order'}")
        for column in self.columns:
            values = table.column(column.name)
            if values.type != _TYPES[column.type]:
                raise ContractError(f"table {self.table}, column {column.name}: not {column.type}")
            if values.null_count or (not column.may_be_empty and column.type != "integer" and _has_empty(values)):
                raise ContractError(f"table {self.table}, column {column.name}: empty where it must not be")


@cache
def contract(table: str) -> Contract:
    """Return the contract of ``results``, ``exceptions`` or ``cost``."""
    data = tomllib.loads((SCHEMAS / f"{table}.toml").read_text(encoding="utf-8"))
    return Contract(data["table"], int(data["version"]), tuple(Column(**column) for column in data["column"]))


def _has_empty(values: pa.ChunkedArray) -> bool:
    return "" in values.unique().to_pylist()
