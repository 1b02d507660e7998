"""What the forms of the UI ask for: every field says in the reader's words what it is, and takes nothing personal.

Prefect shows title, description and default of fields in a nested model, and lists for enums; bounds and patterns are
not shown, but the server refuses a run that breaks them when the form is sent. What a form holds lies in clear in
Prefect's database: so enums, dates, bounded numbers and patterns, and free text only for who and why.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema

from tasks.settings import profile_names
from tasks.text import Text

CHOICES_VARIABLE: Final = "IVS_BACKFILL_CHOICES"
"""Environment variable naming the profiles that a form offers, with commas; all that can be found where not set."""
NO_LONG_NUMBER: Final = r"^\D*(\d{1,14}\D+)*\d{0,14}$"
"""Free text without 15 digits or more in a row: no id number, card number or key by mistake."""
words: Final = Text("both")


def choices() -> list[str]:
    """Return the profiles that a form offers."""
    return [name for name in os.environ.get(CHOICES_VARIABLE, "").split(",") if name] or profile_names()


class _Listed:
    """Shows the profiles as a list in the form; a terminal may name a path as well."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "enum": choices()}


BusinessDate = Annotated[
    dt.date,
    Field(ge=dt.date(2000, 1, 1), le=dt.date(2099, 12, 31)),
    WithJsonSchema({"type": "string", "format": "date", "pattern": r"^20\d{2}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"}),
]
"""A date; the pattern is for the server, which takes anything for a date."""
ProfileName = Annotated[str, _Listed(), Field(title=words("form.profile"), description=words("form.profile_is"))]
RunId = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}-\d{8}-\d{1,4}-[0-9a-f]{4}$",
        title=words("form.run"),
        description=words("form.run_is"),
        examples=["nightly-20260131-1-4dc5"],
    ),
]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        pattern=NO_LONG_NUMBER,
        title=words("form.name"),
        description=words("form.name_is"),
    ),
]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=NO_LONG_NUMBER,
        title=words("form.reason"),
        description=words("form.reason_is"),
    ),
]


class Form(BaseModel):
    """A form: what it does not know is refused, so that a slip is seen."""

    model_config = ConfigDict(extra="forbid")


class Order(Form):
    """What is asked for: a profile and a business date."""

    profile: ProfileName
    business_date: BusinessDate | None = Field(
        default=None,
        title=words("form.business_date"),
        description=words("form.business_date_is"),
        examples=["2026-01-31"],
    )
    limit: int = Field(
        default=0,
        ge=0,
        le=100_000_000,
        title=words("form.limit"),
        description=words("form.limit_is"),
        examples=[0, 50],
    )
    replan: bool = Field(default=False, title=words("form.replan"), description=words("form.replan_is"))


class Word(Form):
    """Who orders it, and why."""

    profile: ProfileName
    reason: Reason
    name: Name
