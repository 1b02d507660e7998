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


def listed(text: str) -> set[str]:
    return set(text.split())


BACKOFF = listed("IVS.0101/500 APIG.0103/500 APIG.0104/500 APIG.0105/500 APIG.0201/502 APIG.0201/500 APIG.0202/502 "
    "APIG.0308/429 APIG.0601/500 APIG.0605/500 APIG.0606/500 APIG.0608/500 APIG.0609/500 APIG.0611/500 APIG.0612/500 "
    "APIG.0610/502 APIG.0613/503 IAM.0020/410 IAM.0012/429 IAM.0006/500 /408 /429 /500 /502 /503")  # fmt: skip
DOUBT = listed("APIG.0201/504 APIG.0203/504 /504")
NEW_TOKEN = listed("IVS.0013/400 APIG.0307/401 IAM.0066/401 IAM.0067/401")
WITH_RETRY_AFTER = listed("APIG.0201/413 /413")
MEDIA = {f"IVS.{number:04}/400" for number in range(4, 11)}
FAILED = listed("IVS.0001/400 IVS.0002/400 IVS.0003/400 IVS.0011/400 APIG.0106/400 APIG.0201/400 APIG.0201/413 APIG.0602/400 "
    "/400 /406 /409 /410 /411 /412 /417 /422 /413")  # fmt: skip
VERDICTS = {
    "1000/200": "verified", "2001/200": "mismatch", "2002/200": "face_mismatch", "2003/200": "media_rejected_by_provider",
    "2006/200": "no_photo", "3001/200": "not_found",
}  # fmt: skip


def test_every_row_is_what_the_reference_and_the_design_ask_written_out_again() -> None:
    """Whatever is neither retried, nor in doubt, nor the record's own fault concerns every call, and stops the run."""
    for rule in tables().values():
        key = f"{rule.code}/{rule.status}"
        retry = (
            "backoff" if key in BACKOFF
            else "after_new_token" if key in NEW_TOKEN
            else "if_retry_after" if key in WITH_RETRY_AFTER
            else "never"
        )  # fmt: skip
        outcome = VERDICTS.get(key) or (
            "media_rejected_by_provider" if key in MEDIA else "failed" if key in FAILED else ""
        )
        final = "record" if outcome else "none" if key in BACKOFF | NEW_TOKEN | DOUBT else "run"
        assert (rule.retry, rule.final, rule.outcome, rule.doubt) == (retry, final, outcome, key in DOUBT), key
    assert {f"{rule.code}/{rule.status}" for rule in tables().values() if rule.with_token} == {"APIG.0301/401", "/401"}
