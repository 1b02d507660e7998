"""The forms of all flows: they explain themselves in both languages, refuse what is bad, and ask for nothing personal."""

from __future__ import annotations

import importlib
import re
from typing import Any

import jsonschema
import pytest
from prefect import Flow
from prefect.utilities.callables import parameter_schema

from flows import forms
from flows.forms import CHOICES_VARIABLE
from tests.prefect.server import ROOT


def flows() -> dict[str, Flow[Any, Any]]:
    """Return every flow of the house by entry point."""
    found = {}
    for path in sorted((ROOT / "flows").glob("*.py")):
        module = importlib.import_module(f"flows.{path.stem}")
        for name, one in vars(module).items():
            if isinstance(one, Flow) and one.fn.__module__ == module.__name__:
                found[f"flows/{path.name}:{name}"] = one
    return found


FLOWS = flows()


def schema_of(flow: Flow[Any, Any]) -> dict[str, Any]:
    return parameter_schema(flow.fn).model_dump()


def fields(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return every field that a person fills in: those of nested models, and plain ones at top level."""
    found = [
        (name, one) for model in schema["definitions"].values() for name, one in model.get("properties", {}).items()
    ]
    return found + [(name, one) for name, one in schema["properties"].items() if "$ref" not in one]


EVERY = [(where, name, one) for where, flow in FLOWS.items() for name, one in fields(schema_of(flow))]
IDS = [f"{where}:{name}" for where, name, _ in EVERY]


def forms_of(field: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]


def is_narrow(one: dict[str, Any]) -> bool:
    """Whether a value of this form can't be a name, a number or a key: list, date, switch, bounded number, pattern."""
    if "$ref" in one or one.get("type") == "boolean" or "enum" in one or "const" in one:
        return True
    if one.get("type") in {"integer", "number"}:
        return {"minimum", "maximum"} <= one.keys()
    if one.get("type") == "array":
        return "maxItems" in one and is_narrow(one["items"])
    return one.get("type") == "string" and (one.get("format") in {"date", "date-time"} or "pattern" in one)


def test_the_house_has_its_flows() -> None:
    assert {"flows/backfill.py:backfill", "flows/forecast.py:forecast", "flows/halt.py:halt"} <= FLOWS.keys()


@pytest.mark.parametrize(("where", "name", "field"), EVERY, ids=IDS)
def test_no_field_can_hold_personal_data(where: str, name: str, field: dict[str, Any]) -> None:
    assert all(is_narrow(one) for one in forms_of(field)), field
    for one in forms_of(field):
        free = one.get("pattern") == forms.NO_LONG_NUMBER
        assert not free or {"maxLength", "minLength"} <= one.keys()
        assert not free or "客户" in field["description"], "free text says what does not belong there"


@pytest.mark.parametrize(("where", "name", "field"), EVERY, ids=IDS)
def test_every_field_says_what_it_is_in_both_languages(where: str, name: str, field: dict[str, Any]) -> None:
    said = field.get("title", "") + field.get("description", "") if "position" not in field else field["description"]
    assert re.search(r"[\u4e00-\u9fff]", said), field
    assert re.search(r"[a-z]{3}", said), field


@pytest.mark.parametrize(
    "reason",
    ["", "110101188001010010", "x 62220212345678901234", "No. 11010118800101001X", "a" * 201],
)
def test_a_reason_is_no_place_for_a_number_of_a_person(reason: str) -> None:
    schema = forms.Word.model_json_schema()
    bad = {"profile": "demo", "reason": reason, "name": "张经办"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, schema)
    with pytest.raises(ValueError, match="reason"):
        forms.Word.model_validate(bad)
    good = bad | {"reason": "机房断电 2026-01-31 22:10 ticket 123456"}
    jsonschema.validate(good, schema)
    forms.Word.model_validate(good)


def test_the_profile_is_picked_from_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = forms.Order.model_json_schema()["properties"]["profile"]["enum"]
    assert {"demo", "nightly"} <= set(listed)
    monkeypatch.setenv(CHOICES_VARIABLE, "demo")
    assert forms.Order.model_json_schema()["properties"]["profile"]["enum"] == ["demo"]
    assert forms.Order(profile="some/other.toml").profile == "some/other.toml", "a terminal may name a path"


def test_a_slip_in_a_form_is_refused() -> None:
    with pytest.raises(ValueError, match="busines_date"):
        forms.Order.model_validate({"profile": "demo", "busines_date": "2026-01-31"})


@pytest.mark.parametrize("where", FLOWS)
def test_every_form_says_what_sending_it_does_in_both_languages(where: str) -> None:
    for name, one in schema_of(FLOWS[where])["properties"].items():
        assert re.search(r"[\u4e00-\u9fff]", one["description"]), f"{name}: {one['description']}"
        assert re.search(r"[a-z]{3}", one["description"]), f"{name}: {one['description']}"
