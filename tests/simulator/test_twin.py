"""The twin's own promises: every code can be provoked, faults do what they say, state survives, signatures are its own."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.ivs.signing import AkSkAuth
from tasks.local.provider import provider
from tasks.simulator.facts import facts
from tasks.simulator.journal import COLUMNS
from tasks.simulator.people import FIXED, effect_of, number_18, rule, with_check
from tasks.simulator.signature import Key, KeyRing, Received
from tests.conftest import Twin
from tests.databases import reading
from tests.people import fixed

VECTORS = json.loads((Path(__file__).parents[1] / "ivs" / "signing-vectors.json").read_text(encoding="utf-8"))
SIGNED = {v["id"]: v for v in VECTORS["vectors"] if v["algorithm"] == "SDK-HMAC-SHA256"}
JOURNAL = [
    "received_at",
    "body_at",
    "answered_at",
    "operation",
    "family",
    "account",
    "project",
    "region",
    "enterprise_project",
    "auth",
    "uuid",
    "input",
    "status",
    "code",
    "verdict",
    "billed",
    "price",
    "package",
    "client_gone",
    "fault",
]


def question(name: str, number: str, call: str = "") -> dict[str, Any]:
    row = {"verification_name": name, "verification_id": number}
    return {"meta": {"uuid": call or uuid.uuid4().hex}, "data": {"req_data": [row]}}


def post(twin: Twin, body: Any, *, path: str = "/v2.0/ivs-idcard-extention", **headers: str) -> httpx.Response:
    auth = AkSkAuth(twin.at.access_key, twin.at.secret_key)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with httpx.Client(auth=auth, trust_env=False) as client:
        sent = {"Content-Type": "application/json", **headers}
        return client.post(f"{twin.at.ivs}{path}", content=content, headers={k: v for k, v in sent.items() if v})


ANSWERED = [fact for fact in facts() if fact.confirmed and fact.family in {"ivs", "gateway"}]


def test_a_reset_forgets_what_is_still_held_back(twin: Twin) -> None:
    twin.faults({"fault": "latency", "args": {"seconds": 2.5}})
    with ThreadPoolExecutor(1) as beside:
        held = beside.submit(post, twin, question(*fixed("1000")))
        time.sleep(1.5)
        twin.control("POST", "/reset")
        assert held.result().status_code == 200
    assert twin.journal() == []
    assert post(twin, question(*fixed("1000"))).status_code == 200
    assert len(twin.journal()) == 1


@pytest.mark.parametrize("fact", ANSWERED, ids=lambda fact: f"{fact.code}-{fact.status}")
def test_every_confirmed_code_can_be_provoked(twin: Twin, fact: Any) -> None:
    twin.faults({"fault": "code", "args": {"code": fact.code, "status": fact.status}})
    answer = post(twin, question(*fixed("1000")))
    assert (answer.status_code, answer.json()["error_code"]) == (fact.status, fact.code)
    assert answer.headers["X-Request-Id"]
    assert twin.journal()[-1]["billed"] == 0


@pytest.mark.parametrize("fact", [f for f in facts() if f.family == "iam"], ids=lambda fact: fact.code)
def test_every_iam_code_can_be_provoked(twin: Twin, fact: Any) -> None:
    twin.faults({"fault": "code", "match": {"operation": "iam_token"}, "args": {"code": fact.code}})
    answer = httpx.post(f"{twin.at.iam}/v3/auth/tokens", json={}, trust_env=False)
    assert (answer.status_code, answer.json()["error_code"]) == (fact.status, fact.code)


@pytest.mark.parametrize("fact", [f for f in facts() if f.family == "http"], ids=lambda fact: str(fact.status))
def test_every_plain_status_can_be_provoked(twin: Twin, fact: Any) -> None:
    twin.faults({"fault": "status", "args": {"status": fact.status, "retry_after": 2}})
    answer = post(twin, question(*fixed("1000")))
    assert answer.status_code == fact.status
    assert answer.headers["Retry-After"] == "2"
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_the_facts_are_all_there() -> None:
    assert len(facts()) == 119
    assert {fact.family for fact in facts()} == {"verification", "ivs", "gateway", "iam", "http"}


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"", {}, "IVS.0001"),
        (b"\xff{", {}, "IVS.0001"),
        ({"data": {}}, {}, "IVS.0001"),
        ({"meta": {}, "data": {}}, {}, "IVS.0001"),
        ({"meta": {"uuid": "u"}}, {}, "IVS.0003"),
        ({"meta": {"uuid": "u"}, "data": {"req_data": []}}, {}, "IVS.0003"),
        ({"meta": {"uuid": "u" * 65}, "data": {"req_data": [{}]}}, {}, "IVS.0011"),
        ({"meta": {"uuid": "u"}, "data": {"req_data": [{}, {}]}}, {}, "IVS.0002"),
        ({"meta": {"uuid": "u"}, "data": {"req_data": [{"verification_name": "张"}]}}, {}, "IVS.0003"),
        (
            {"meta": {"uuid": "u"}, "data": {"req_data": [{"verification_name": 1, "verification_id": "1"}]}},
            {},
            "IVS.0011",
        ),
        (question("张三", "440524188001010010"), {"Content-Type": ""}, "IVS.0012"),
    ],
)
def test_checks_come_in_the_references_order(twin: Twin, body: Any, headers: dict[str, str], code: str) -> None:
    assert post(twin, body, **headers).json()["error_code"] == code


def test_routes_that_do_not_exist_answer_as_the_gateway_does(twin: Twin) -> None:
    for method, path in (("GET", "/v2.0/ivs-standard"), ("POST", "/v2.0/ivs-idcard-extension"), ("GET", "/")):
        answer = httpx.request(method, f"{twin.at.ivs}{path}", trust_env=False)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "APIG.0101")


def test_a_body_over_twelve_megabytes_is_refused(twin: Twin) -> None:
    answer = post(twin, b"x" * (12 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["error_code"]) == (413, "APIG.0201")


def test_unsigned_requests_are_refused(twin: Twin) -> None:
    answer = httpx.post(f"{twin.at.ivs}/v2.0/ivs-standard", json=question("a", "b"), trust_env=False)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "APIG.0301")


@pytest.mark.parametrize(("fault", "billed"), [("reset_before", 0), ("reset_after", 1), ("reset_during", 1)])
def test_a_reset_is_a_reset_and_the_journal_knows_whether_it_was_billed(twin: Twin, fault: str, billed: int) -> None:
    twin.faults({"fault": fault})
    with pytest.raises(httpx.TransportError):
        post(twin, question(*fixed("1000")))
    row = twin.journal()[-1]
    assert (row["billed"], row["fault"]) == (billed, fault)


def test_answered_and_billed_after_the_client_has_gone(twin: Twin) -> None:
    twin.faults({"fault": "late", "args": {"seconds": 0.4}})
    auth = AkSkAuth(twin.at.access_key, twin.at.secret_key)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(auth=auth, trust_env=False, timeout=0.1) as client:
        client.post(
            f"{twin.at.ivs}/v2.0/ivs-idcard-extention",
            json=question(*fixed("1000")),
            headers={"Content-Type": "application/json"},
        )
    for _ in range(50):
        rows = twin.journal()
        if rows:
            break
        __import__("time").sleep(0.05)
    assert (rows[-1]["billed"], rows[-1]["client_gone"]) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("truncated", lambda a: a.content.endswith(b"}") is False),
        ("not_json", lambda a: a.content.startswith(b"<")),
        ("wrong_uuid", lambda a: a.json()["meta"]["uuid"].startswith("not-")),
        ("error_in_200", lambda a: a.json()["error_code"] == "IVS.0101"),
        ("unknown_code", lambda a: a.json()["result"]["resp_data"][0]["verification_code"] == 2999),
    ],
)
def test_twisted_answers_are_200_and_billed(twin: Twin, fault: str, wrong: Any) -> None:
    twin.faults({"fault": fault})
    answer = post(twin, question(*fixed("1000")))
    assert answer.status_code == 200
    assert wrong(answer)
    assert twin.journal()[-1]["billed"] == 1


def test_faults_hit_by_place_rate_and_seed(twin: Twin) -> None:
    twin.faults({"fault": "throttle", "match": {"operation": "id2_text", "nth": [2, 4]}})
    assert [post(twin, question(*fixed("1000"))).status_code for _ in range(5)] == [200, 429, 200, 429, 200]
    seen = []
    for _ in range(2):
        twin.faults({"fault": "throttle", "rate": 0.5, "seed": 7})
        seen.append([post(twin, question(*fixed("1000"))).status_code for _ in range(12)])
    assert seen[0] == seen[1]
    assert {200, 429} == set(seen[0])


def test_a_fault_nobody_knows_is_refused(twin: Twin) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        twin.faults({"fault": "earthquake"})


def test_duplicate_delivery_is_billed_twice(twin: Twin) -> None:
    twin.faults({"fault": "duplicate"})
    post(twin, question(*fixed("1000")))
    assert [row["billed"] for row in twin.journal()] == [1, 1]


def test_a_service_error_once_per_identity(twin: Twin) -> None:
    asked = fixed("IVS.0101 once")
    assert [post(twin, question(*asked)).status_code for _ in range(3)] == [500, 200, 200]


def test_a_verdict_may_change_from_one_night_to_the_next(twin: Twin) -> None:
    codes = []
    for date in ("2026-11-23", "2026-11-24"):
        twin.control("PUT", "/clock", {"business_date": date})
        answer = post(twin, question(*fixed("by night"))).json()
        codes.append(answer["result"]["resp_data"][0]["verification_code"])
    twin.control("PUT", "/clock", {"business_date": None})
    assert codes == [1000, 2001]


def test_the_journal_is_the_table_that_was_agreed(twin: Twin) -> None:
    assert list(COLUMNS) == JOURNAL
    post(twin, question(*fixed("1000"), call="u-77"))
    row = twin.journal()[-1]
    assert (row["uuid"], row["status"], row["verdict"], row["price"]) == ("u-77", 200, "valid", "0.50")
    assert row["received_at"] <= row["body_at"] <= row["answered_at"]
    assert "440524" not in row["input"]


def test_state_survives_a_restart(tmp_path: Path) -> None:
    config = tmp_path / "twin.toml"
    package = (
        'id = "P1"\nfamily = "two_factor"\nregion = "cn-north-4"\ncalls = 3\nprice = "1"\n'
        "bought = 2026-01-01\nexpires = 2030-01-01\n"
    )
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[tier]]\nfamily = "two_factor"\nfrom_calls = 0\nprice = "0.5"\n'
        f'[[tier]]\nfamily = "two_factor"\nfrom_calls = 2\nprice = "0.4"\n[[package]]\n{package}',
        encoding="utf-8",
    )
    config.write_text(f'price_file = "{prices}"\n', encoding="utf-8")
    told = []
    for _ in range(2):
        with provider(tmp_path / "home", config=config) as running:
            twin = Twin(running, tmp_path)
            for _ in range(3):
                post(twin, question(*fixed("1000")))
            told.append((running.access_key, running.project_id))
            rows = twin.journal()
    assert told[0] == told[1]
    assert [(row["package"], row["price"]) for row in rows] == [("P1", "0")] * 3 + [
        ("", "0.5"),
        ("", "0.5"),
        ("", "0.4"),
    ]


def test_it_speaks_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "twin.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    import subprocess
    import sys

    from tasks.local import process

    command = [sys.executable, "-m", "tasks.simulator", "--home", str(tmp_path / "h"), "--certificate", str(pem)]
    child = process.start(command, log=tmp_path / "log", environment={}, output=subprocess.PIPE)
    try:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        assert ready["ivs"].startswith("https://")
        with urllib.request.urlopen(f"{ready['control']}/state", context=context, timeout=5) as answer:
            assert json.loads(answer.read())["requests"] == 0
    finally:
        process.stop(child)


def test_usage_and_bill_agree_with_the_journal(twin: Twin) -> None:
    for _ in range(4):
        post(twin, question(*fixed("1000")))
    post(twin, question("", ""))
    auth = AkSkAuth(twin.at.access_key, twin.at.secret_key)
    with httpx.Client(auth=auth, trust_env=False) as client:
        asked = {
            "namespace": "SYS.IVS", "metric_name": "api_calls", "dim.0": "call_of_interface,ivs_idcard_extention",
            "filter": "sum", "period": "300", "from": "0", "to": "9999999999999",
        }  # fmt: skip
        metrics = client.get(f"{twin.at.ivs}/V1.0/{twin.at.project_id}/metric-data", params=asked).json()
        rows = client.get(f"{twin.at.ivs}/v2/bills/customer-bills/res-fee-records", params={"cycle": ""}).json()
    assert sum(point["sum"] for point in metrics["datapoints"]) == 4
    assert [(row["usage"], row["amount"]) for row in rows["fee_records"]] == [(4, "2.00")]
    bill = httpx.get(f"{twin.at.control}/bill.csv", trust_env=False).text
    assert "two_factor" in bill
    unsigned = httpx.get(f"{twin.at.ivs}/v2/bills/customer-bills/res-fee-records", trust_env=False)
    assert unsigned.status_code == 401


# --- signatures --------------------------------------------------------------------------------------------------------


def received(vector: dict[str, Any], sent: dict[str, str], *, path: str, body: bytes) -> Received:
    uri = vector["expected"]["request_uri"].partition("?")
    headers = tuple((name.lower(), value) for name, value in sent.items())
    return Received(vector["request"]["method"].upper(), path.encode(), uri[2].encode(), headers, body)


def moment(vector: dict[str, Any]) -> float:
    import datetime as dt

    sent = {name.lower(): value for name, value in vector["expected"]["headers_sent"].items()}
    return dt.datetime.strptime(sent["x-sdk-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC).timestamp()


CORE = [v for v in SIGNED.values() if v["scope"] == "core" and v["request"]["path"].isascii()]


@pytest.mark.parametrize("vector", CORE, ids=lambda v: v["id"])
def test_the_twin_accepts_every_core_vector(vector: dict[str, Any]) -> None:
    request = vector["request"]
    ring = KeyRing({vector["ak"]: Key(vector["sk"])})
    seen = received(
        vector, vector["expected"]["headers_sent"], path=request["path"], body=request["body_utf8"].encode()
    )
    assert ring.problem(seen, moment(vector)) == ""
    assert ring.problem(seen, moment(vector) + 901) == "signature expired"


@pytest.mark.parametrize("case", VECTORS["negative"], ids=lambda case: case["id"])
def test_the_twin_refuses_every_negative(case: dict[str, Any]) -> None:
    vector, change = SIGNED[case["based_on"]], case["change"]
    sent = dict(vector["expected"]["headers_sent"]) | change.get("headers", {})
    if "host" in change:
        sent["Host"] = change["host"]
    for name in change.get("drop_headers", []):
        sent.pop(name)
    body = change.get("body_utf8", vector["request"]["body_utf8"]).encode()
    seen = received(vector, sent, path=change.get("path", vector["request"]["path"]), body=body)
    if "query" in change:
        query = "&".join(f"{name}={value}" for name, value in change["query"])
        seen = Received(seen.method, seen.raw_path, query.encode(), seen.headers, seen.body)
    ring = KeyRing({vector["ak"]: Key(change.get("sk", vector["sk"]))})
    assert ring.problem(seen, moment(vector)) != ""


# --- people ------------------------------------------------------------------------------------------------------------


def test_test_identities_are_born_before_1900_and_their_numbers_are_sound() -> None:
    import datetime as dt

    for person in FIXED:
        number = number_18(person.number)
        assert with_check(number[:17]) == number
        assert int(number[6:10]) < 1900 or len(person.number) == 15
        assert effect_of(person.name, person.number, on=dt.date(2026, 1, 1)) in {person.effect, "1000", "2001"}


@given(st.text(min_size=1, max_size=6), st.integers(0, 999))
def test_the_keyed_rule_always_answers(name: str, place: int) -> None:
    number = with_check(f"44052418800101{place:03d}")
    assert rule(name, number) == rule(name, number)
    assert rule(name, number) in {"1000", "2001", "3001", "2006"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "verification_name",
            "verification_id",
            "idcard_image1",
            "face_image",
            "video",
            "actions",
            "detail",
            "nod_threshold",
        ]
    ),
    JSON,
    max_size=6,
)


@settings(
    max_examples=int(os.environ.get("NIGHT_FORM_EXAMPLES", "150")),  # the long form: NIGHT_FORM_EXAMPLES=20000
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    body=JSON
    | st.builds(lambda rows: {"meta": {"uuid": "u"}, "data": {"req_data": rows}}, st.lists(FIELDS, max_size=2)),
    path=st.sampled_from(["/v2.0/ivs-idcard-extention", "/v2.0/ivs-standard"]),
)
def test_whatever_comes_in_it_never_fails_by_itself(twin: Twin, body: Any, path: str) -> None:
    answer = post(twin, json.dumps(body).encode("utf-8", "surrogatepass"), path=path)
    assert answer.status_code in {200, 400}
    assert answer.json()


def test_the_journal_can_be_read_while_it_is_written(twin: Twin) -> None:
    with reading(twin.at.journal) as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


# --- the rest of the faults --------------------------------------------------------------------------------------------


def test_its_documentation_lists_every_test_identity() -> None:
    told = (Path(__file__).parents[2] / "tasks" / "simulator" / "README.md").read_text(encoding="utf-8")
    assert all(f"| {person.name} | {person.number} | {person.effect} |" in told for person in FIXED)


def test_its_documentation_lists_every_fault() -> None:
    from tasks.simulator.faults import KNOWN

    told = (Path(__file__).parents[2] / "tasks" / "simulator" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{fault}`" in told for fault in KNOWN)


@pytest.mark.parametrize("fault", ["reset_head", "reset_body"])
def test_a_connection_may_break_before_the_request_is_read(twin: Twin, fault: str) -> None:
    twin.faults({"fault": fault, "match": {"nth": 2}})
    assert post(twin, question(*fixed("1000"))).status_code == 200
    with pytest.raises(httpx.TransportError):
        post(twin, question(*fixed("1000")))
    assert post(twin, question(*fixed("1000"))).status_code == 200
    assert [(row["fault"], row["billed"], row["status"]) for row in twin.journal()] == [
        ("", 1, 200),
        (fault, 0, None),
        ("", 1, 200),
    ]


@pytest.mark.parametrize(("fault", "told"), [("close_connection", "close"), ("drop_connection", None)])
def test_a_connection_may_be_closed_under_the_client(twin: Twin, fault: str, told: str | None) -> None:
    twin.faults({"fault": fault, "match": {"nth": 1}})
    auth = AkSkAuth(twin.at.access_key, twin.at.secret_key)
    with httpx.Client(auth=auth, trust_env=False, base_url=twin.at.ivs) as client:
        first = client.post("/v2.0/ivs-idcard-extention", json=question(*fixed("1000")))
        ends = time.monotonic() + 30
        while not gone(client) and time.monotonic() < ends:
            time.sleep(0.02)
        second = client.post("/v2.0/ivs-idcard-extention", json=question(*fixed("1000")))
    assert first.headers.get("Connection") == told
    assert (first.status_code, second.status_code) == (200, 200)


def gone(client: httpx.Client) -> bool:
    """Whether the server has closed the client's connection, so that the next request does not take it."""
    return all(kept.has_expired() for kept in client._transport._pool.connections)  # type: ignore[attr-defined]


def test_a_quota_may_be_cut_for_a_while(twin: Twin) -> None:
    twin.faults({"fault": "quota_cut", "args": {"limit": 1}, "to_s": 60})
    codes = [post(twin, question(*fixed("1000"))).status_code for _ in range(4)]
    assert codes.count(429) >= 2
    twin.faults({"fault": "quota_cut", "args": {"limit": 1}, "to_s": 0.001})
    time.sleep(0.01)
    assert [post(twin, question(*fixed("1000"))).status_code for _ in range(4)] == [200] * 4


@pytest.mark.parametrize(
    "args", [{"seconds": 0.05}, {"low_s": 0.05, "high_s": 0.06}, {"mean_s": 0.001}, {"median_s": 0.05, "sigma": 0.01}]
)
def test_latencies_are_drawn_from_a_distribution(twin: Twin, args: dict[str, float]) -> None:
    twin.faults({"fault": "latency", "args": args})
    post(twin, question(*fixed("1000")))
    row = twin.journal()[-1]
    assert row["answered_at"] - row["body_at"] >= (0 if "mean_s" in args else 40_000)


@pytest.mark.parametrize(
    ("fault", "usage", "projects"),
    [
        ({"fault": "bill_missing", "args": {"every": 2}}, 2, {"default"}),
        ({"fault": "bill_extra", "args": {"rows": 3}}, 7, {"default"}),
        ({"fault": "bill_wrong_project", "args": {"every": 4}}, 4, {"default", "another-project"}),
        ({"fault": "bill_late", "args": {"every": 1}}, 4, {"default"}),
    ],
)
def test_a_bill_may_be_wrong(twin: Twin, fault: dict[str, Any], usage: int, projects: set[str]) -> None:
    for _ in range(4):
        post(twin, question(*fixed("1000")))
    right = rows_of_bill(twin)
    twin.faults(fault)
    wrong = rows_of_bill(twin)
    assert (sum(row["usage"] for row in right), sum(row["usage"] for row in wrong)) == (4, usage)
    assert {row["enterprise_project_id"] for row in wrong} == projects
    assert (right[0]["bill_date"] < wrong[0]["bill_date"]) == (fault["fault"] == "bill_late")


def rows_of_bill(twin: Twin) -> list[dict[str, Any]]:
    with httpx.Client(auth=AkSkAuth(twin.at.access_key, twin.at.secret_key), trust_env=False) as client:
        url = f"{twin.at.ivs}/v2/bills/customer-bills/res-fee-records"
        return list(client.get(url, params={"limit": "100"}).json()["fee_records"])


def test_tokens_of_another_region_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('iam_region = "cn-north-1"\nthrottle_before_auth = false\nbill_lag_s = 600\n', encoding="utf-8")
    from tests.simulator.test_vendor_sdk import login

    with provider(tmp_path / "h", config=config) as running:
        twin = Twin(running, tmp_path)
        token = login(twin)
        answer = httpx.post(
            f"{running.ivs}/v2.0/ivs-idcard-extention",
            json=question(*fixed("1000")),
            headers={"X-Auth-Token": token, "Content-Type": "application/json"},
            trust_env=False,
        )
        assert (answer.status_code, answer.json()["error_code"]) == (401, "APIG.0307")
        assert post(twin, question(*fixed("1000"))).status_code == 200
        assert rows_of_bill(twin) == []


def test_where_one_price_holds_for_the_month_the_bill_says_so(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    tiers = "".join(
        f'[[tier]]\nfamily = "two_factor"\nfrom_calls = {n}\nprice = "{p}"\n' for n, p in ((0, "0.5"), (2, "0.4"))
    )
    prices.write_text('tier_price_applies_to = "all"\n' + tiers, encoding="utf-8")
    config = tmp_path / "c.toml"
    config.write_text(f'price_file = "{prices}"\n', encoding="utf-8")
    with provider(tmp_path / "h", config=config) as running:
        twin = Twin(running, tmp_path)
        for _ in range(3):
            post(twin, question(*fixed("1000")))
        assert [row["amount"] for row in rows_of_bill(twin)] == ["1.2"]


@pytest.mark.parametrize(("counts", "wanted"), [(True, [200, 429, 429]), (False, [200, 429, 200])])
def test_whether_refused_calls_use_the_quota_is_a_switch(counts: bool, wanted: list[int]) -> None:
    from tasks.simulator.quota import Limit, Quota

    quota = Quota({"two_factor": Limit(1, 1.0, 1)}, refused_use_quota=counts)
    seen = [429 if quota.refuses("a", "two_factor", now) else 200 for now in (0.0, 0.5, 1.0)]
    assert seen == wanted
