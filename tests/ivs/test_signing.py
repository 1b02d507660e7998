"""The signer against published vectors and, byte for byte, against the vendor's own."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from tasks.ivs.signing import AkSkAuth, authorization, canonical_request
from tasks.privacy import Secret

FILE = json.loads((Path(__file__).parent / "signing-vectors.json").read_text(encoding="utf-8"))
VECTORS = {vector["id"]: vector for vector in FILE["vectors"]}
SHA256 = [vector for vector in FILE["vectors"] if vector["algorithm"] == "SDK-HMAC-SHA256"]
OTHERS = [vector for vector in FILE["vectors"] if vector["algorithm"] != "SDK-HMAC-SHA256"]


def query_of(pairs: list[list[Any]]) -> list[tuple[str, str]]:
    def text(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return [(n, text(one)) for n, value in pairs for one in (value if isinstance(value, list) else [value])]


def inputs(request: dict[str, Any], sent: dict[str, str]) -> dict[str, Any]:
    headers = {name: value for name, value in sent.items() if name != "Authorization"}
    body = request["body_utf8"].encode()
    payload = hashlib.sha256(body).hexdigest()
    given = {name.lower(): value for name, value in headers.items()}.get("x-sdk-content-sha256")
    return {
        "method": request["method"],
        "path": request["path"],
        "query": query_of(request["query"]),
        "headers": list(headers.items()),
        "payload_hash": given if given and body else payload,
    }


@pytest.mark.parametrize("vector", SHA256, ids=lambda vector: vector["id"])
def test_every_vector_of_the_scheme_is_signed_as_published(vector: dict[str, Any]) -> None:
    asked = inputs(vector["request"], vector["expected"]["headers_sent"])
    assert authorization(vector["ak"], vector["sk"], **asked) == vector["expected"]["authorization"]


@pytest.mark.parametrize("vector", OTHERS, ids=lambda vector: vector["id"])
def test_the_canonical_form_is_that_of_the_variants_too(vector: dict[str, Any]) -> None:
    """IVS needs neither SM3 nor the derived key; their vectors share our canonical request, but for the payload's hash."""
    expected = vector["expected"]
    asked = inputs(vector["request"], expected["headers_sent"])
    signed = sorted((n.lower(), v.strip()) for n, v in asked["headers"])
    found = canonical_request(asked["method"], asked["path"], asked["query"], signed, expected["payload_hash"])
    assert found == expected["canonical_request"]
    if vector["algorithm"].startswith("V11"):
        assert derived(vector, found) == expected["signature"]


def derived(vector: dict[str, Any], canonical: str) -> str:
    date, info = vector["expected"]["string_to_sign"].split("\n")[1:3]
    key = hmac.new(vector["ak"].encode(), vector["sk"].encode(), hashlib.sha256).digest()
    key = hmac.new(key, info.encode() + b"\x01", hashlib.sha256).hexdigest().encode()
    text = "\n".join((vector["algorithm"], date, info, hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("case", FILE["negative"], ids=lambda case: case["id"])
def test_a_change_after_signing_changes_the_signature(case: dict[str, Any]) -> None:
    base = VECTORS[case["based_on"]]
    change = case["change"]
    request = base["request"] | {k: v for k, v in change.items() if k in {"body_utf8", "path", "query"}}
    sent = dict(base["expected"]["headers_sent"]) | change.get("headers", {})
    if "host" in change:
        sent["Host"] = change["host"]
    for name in change.get("drop_headers", []):
        sent.pop(name)
    found = authorization(base["ak"], change.get("sk", base["sk"]), **inputs(request, sent))
    assert found != case["authorization"]


def test_ten_thousand_random_requests_are_signed_as_the_vendor_signs_them() -> None:
    dice = random.Random(11643)
    for _ in range(10_000):
        request, vendor = a_request(dice)
        assert ours(request) == vendor


LETTERS = "abcXYZ019-._~ /+=&*%张三·𠮷é"


def a_request(dice: random.Random) -> tuple[dict[str, Any], str]:
    def text(most: int, letters: str = LETTERS) -> str:
        return "".join(dice.choices(letters, k=dice.randint(0, most)))

    names = dice.sample(["Content-Type", "X-Project-Id", "Enterprise-Project-Id", "User-Agent", "X-Security-Token"], 3)
    headers = {name: text(12, "abc 019;=,") for name in names} | {"X-Sdk-Date": "20260105T083000Z"}
    headers["Content-Type"] = "application/json" + dice.choice(["", ";charset=utf8"])
    pieces = [quote(text(6, "abcXYZ019-._~ 张·"), safe="~") for _ in range(3)]  # dots alone would leave the URL
    request = {
        "method": dice.choice(["POST", "GET", "PUT"]),
        "host": dice.choice(["ivs.cn-north-4.myhuaweicloud.com", "127.0.0.1:8080"]),
        "path": "/" + "/".join(piece for piece in pieces if piece not in {"", ".", ".."}),
        "query": [(f"n{place}", text(8)) for place in range(dice.randint(0, 3))],
        "headers": headers,
        "body": text(300).encode(),
    }
    theirs = SdkRequest(
        method=request["method"],
        schema="https",
        host=request["host"],
        resource_path=request["path"],
        query_params=list(request["query"]),
        header_params=dict(headers),
        body=request["body"],
    )
    signed = Signer(BasicCredentials("AK" + "7" * 18, "SK" + "x" * 38, "p")).sign(theirs)
    return request, signed.header_params["Authorization"]


def ours(wanted: dict[str, Any]) -> str:
    query = "&".join(f"{quote(n, safe='~')}={quote(v, safe='~')}" for n, v in wanted["query"])
    url = f"https://{wanted['host']}{wanted['path']}" + (f"?{query}" if query else "")
    headers = httpx.Headers({**wanted["headers"], "Host": wanted["host"]})
    request = httpx.Request(wanted["method"], url, headers=headers, content=wanted["body"])
    auth = AkSkAuth(Secret("AK" + "7" * 18), Secret("SK" + "x" * 38))
    return next(auth.auth_flow(request)).headers["Authorization"]


def test_each_attempt_is_signed_at_its_own_time() -> None:
    moments = iter(dt.datetime(2026, 1, 5, 8, minute, tzinfo=dt.UTC) for minute in (30, 31))
    auth = AkSkAuth(Secret("a"), Secret("s"), clock=lambda: next(moments))
    made = [httpx.Request("POST", "https://x/y", content=b"{}") for _ in range(2)]
    dates = [next(auth.auth_flow(request)).headers["X-Sdk-Date"] for request in made]
    assert dates == ["20260105T083000Z", "20260105T083100Z"]
