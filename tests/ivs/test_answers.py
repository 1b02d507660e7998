"""Status line and body become one row, whatever stands in them; nothing but codes and figures comes through."""

from __future__ import annotations

import email.utils
import json
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ivs.answers import answer_of

PERSON = "440524188001010014"


def of_200(**row: object) -> bytes:
    given_row = {"verification_result": "valid", "verification_code": 1000} | row
    return json.dumps({"meta": {"uuid": "u"}, "result": {"count": 1, "resp_data": [given_row]}}).encode()


@given(st.one_of(st.none(), st.integers(100, 999)), st.binary(max_size=60))
def test_every_status_with_any_body_has_its_row(status: int | None, content: bytes) -> None:
    answer = answer_of(status, content, "u")
    rows = {
        ("verdict", "certain"): status == 200,
        ("unreadable", "certain"): status == 200,
        ("refusal", "none"): status is not None and status not in {200, 504} and 200 <= status < 600,
        ("missing", "possible"): status is None or status >= 500 or status < 200,
    }
    assert rows[answer.kind, answer.charge]


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["meta", "uuid", "result", "resp_data", "error_code", "verification_code", "code"]), inner, max_size=4)))  # fmt: skip
def test_no_json_upsets_it(parsed: object) -> None:
    for status in (200, 400, 500):
        assert answer_of(status, json.dumps(parsed).encode(), "u").status == status


@pytest.mark.parametrize("code", [1000, "1000"])
def test_a_pass_needs_code_and_result(code: object) -> None:
    assert answer_of(200, of_200(verification_code=code), "u").rule.outcome == "verified"
    for result in ("invalid", "nonexistent", "", None, 7):
        odd = answer_of(200, of_200(verification_code=code, verification_result=result), "u")
        assert odd.kind == "verdict"
        assert odd.rule.outcome == "unknown_verdict"


def test_an_unknown_code_keeps_what_it_said() -> None:
    answer = answer_of(200, of_200(verification_code=2999, verification_result="valid"), "u")
    assert (answer.rule.outcome, answer.verification_code, answer.verification_result) == (
        "unknown_verdict", "2999", "valid",
    )  # fmt: skip


def test_two_results_for_one_question_are_nobodys_verdict() -> None:
    parsed = json.loads(of_200())
    parsed["result"]["resp_data"] *= 2
    assert answer_of(200, json.dumps(parsed).encode(), "u").kind == "unreadable"


def test_what_is_no_code_or_figure_is_not_kept() -> None:
    hostile = {"name": PERSON, "text": "张三 " + PERSON, "long": "9" * 65}
    for value in hostile.values():
        row = of_200(similarity=[value], verification_result=f"{value} ", video_result={"picture": value * 3})
        error = json.dumps({"error_code": f"{value} !", "error_msg": value, "request_id": {"a": value}}).encode()
        for answer in (answer_of(200, row, "u"), answer_of(400, error, "u", httpx.Headers({"X-Request-Id": f"{'x' * 70}"}))):  # fmt: skip
            assert PERSON not in repr(answer)
            assert value not in repr(answer)


def test_ocr_comes_through_only_as_hidden_values() -> None:
    answer = answer_of(200, of_200(idcard_result={"name": "张三", "number": PERSON, "address": "示例路"}), "u")
    assert answer.idcard is not None
    assert answer.idcard.number.reveal() == PERSON
    assert PERSON not in repr(answer)
    assert "示例路" not in repr(answer)


def test_a_verdict_with_an_error_beside_it_is_unreadable() -> None:
    for more in (
        {"error_code": "IVS.0101"},
        {"result": {"resp_data": [{"verification_code": [], "verification_result": ""}]}},
    ):
        content = json.dumps(json.loads(of_200()) | more).encode()
        assert answer_of(200, content, "u").kind == "unreadable"


def test_a_code_that_repeats_the_status_says_nothing_more() -> None:
    nested = b'{"error":{"code":503,"message":"busy","title":"x"}}'
    answer = answer_of(503, nested, "u")
    assert (answer.kind, answer.code, answer.rule.retry) == ("refusal", None, "backoff")


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307])
def test_what_ivs_never_says_stops_the_run(status: int) -> None:
    answer = answer_of(status, b"", "u")
    assert (answer.kind, answer.rule.final, answer.rule.fixed_by) == ("refusal", "run", "configuration")


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("3", 3, 3), ("0", 0, 0), ("", None, None), ("soon", None, None), ("inf", None, None), ("nan", None, None),
        ("-1", None, None),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0, 0), ("Mon, 99 Jan 99999 00:00:00 GMT", None, None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str, least: float | None, most: float | None) -> None:
    found = answer_of(429, b"", "u", httpx.Headers({"Retry-After": value})).retry_after_s
    assert (found is None) if least is None or most is None else (found is not None and least <= found <= most)


def test_a_date_is_counted_from_now() -> None:
    at = email.utils.formatdate(time.time() + 30, usegmt=True)
    found = answer_of(429, b"", "u", httpx.Headers({"Retry-After": at})).retry_after_s
    assert found == pytest.approx(30, abs=1.5)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("policy user over ratelimit,limit:10,time:1 second", (10, 1.0)),
        ("limit: 600 , time: 1 minute", (600, 60.0)),
        ("limit:5000,time:1 day", (5000, 86_400.0)),
        ("Daily quota exhausted", None),
        ("limit:10,time:0 second", None),
    ],
)
def test_a_throttling_text_is_read(text: str, hint: tuple[int, float] | None) -> None:
    content = json.dumps({"error_code": "APIG.0308", "error_msg": text}).encode()
    assert answer_of(429, content, "u").limit_hint == hint
