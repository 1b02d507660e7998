"""The two code tables cover each other, and the policy is the table of answers."""

from __future__ import annotations

import pytest

from tasks.ivs.codes import facts, refusal_rule, tables, verdict_rule


def key(row: dict[str, object]) -> tuple[str, str, int]:
    return str(row["family"]), str(row["code"]), int(str(row["status"]))


def test_facts_and_policy_cover_each_other_exactly() -> None:
    assert {key(row) for row in facts()} == {(rule.family, rule.code, rule.status) for rule in tables().values()}
    assert len(facts()) == len(tables()) == 119


@pytest.mark.parametrize("rule", tables().values(), ids=lambda rule: f"{rule.code or 'plain'}-{rule.status}")
def test_each_row_says_what_the_table_of_answers_says(rule: object) -> None:
    status, doubt, billed = rule.status, rule.doubt, rule.billed  # type: ignore[attr-defined]
    assert doubt == (status == 504)
    assert billed == ("yes" if status == 200 else "possible" if status == 504 else "no")
    if doubt:
        assert rule.retry == "never"  # type: ignore[attr-defined]
    assert (rule.final == "record") == bool(rule.outcome)  # type: ignore[attr-defined]


def test_both_spellings_of_the_gateway_are_one() -> None:
    assert refusal_rule("APIGW.0308", 429) is refusal_rule("APIG.0308", 429)


def test_what_nobody_knows_is_found_nowhere() -> None:
    assert refusal_rule("IVS.0042", 400) is None
    assert refusal_rule("IVS.0101", 400) is None
    assert verdict_rule("2999").outcome == "unknown_verdict"


@pytest.mark.parametrize("code", ["IVS.0014", "IVS.0015", "APIG.0301", "APIG.0101", "APIG.0302"])
def test_what_would_lock_or_waste_stops_the_run(code: str) -> None:
    status = {"APIG.0301": 401, "APIG.0101": 404, "APIG.0302": 403}.get(code, 400)
    rule = refusal_rule(code, status)
    assert rule is not None
    assert rule.final == "run"
