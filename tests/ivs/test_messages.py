"""Bodies hold exactly the fields of reference 1.4, and are what the vendor's own models would say."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import huaweicloudsdkivs.v2 as vendor
import pytest

from tasks.ivs.errors import BodyTooLarge
from tasks.ivs.messages import MOST_BYTES, Check, encode
from tasks.privacy import Personal
from tasks.records import Operation

NAME, NUMBER = "阿依古丽·买买提", "11010519491231002X"
EVERYTHING: dict[str, Any] = {
    "name": Personal(NAME), "number": Personal(NUMBER), "card_front": b"\xff\xd8front", "card_back": b"\xff\xd8back",
    "face": b"\xff\xd8face", "video": b"video", "actions": "1,3", "nod_threshold": 12.5, "detail": True, "crop": False,
}  # fmt: skip

TEXT = {"verification_name", "verification_id"}
CARD = {"idcard_image1", "idcard_image2"}
FACE = {"face_image", "detail", "crop"}
VIDEO = {"video", "actions", "nod_threshold", "detail"}
FIELDS = {
    Operation.ID2_TEXT: TEXT,
    Operation.ID2_IMAGE: CARD,
    Operation.ID3_TEXT_FACE: TEXT | FACE,
    Operation.ID3_IMAGE_FACE: CARD | FACE,
    Operation.ID3_TEXT_VIDEO: TEXT | VIDEO,
    Operation.ID3_IMAGE_VIDEO: CARD | VIDEO,
}


@pytest.mark.parametrize("operation", Operation)
async def test_each_operation_sends_its_own_fields_and_no_others(operation: Operation) -> None:
    body = await encode(Check(operation, **EVERYTHING))
    content, digest = await body.with_uuid("u-1_x")
    parsed = json.loads(content)
    assert parsed["meta"] == {"uuid": "u-1_x"}
    (row,) = parsed["data"]["req_data"]
    assert set(row) == FIELDS[operation]
    assert digest == hashlib.sha256(content).hexdigest()
    assert body.path == ("/v2.0/ivs-standard" if "3" in operation.value else "/v2.0/ivs-idcard-extention")
    told = {"idcard_image1": "card_front", "idcard_image2": "card_back", "face_image": "face", "video": "video"}
    for field, of in told.items():
        if field in row:
            assert base64.b64decode(row[field], validate=True) == EVERYTHING[of]
    assert row.get("verification_name", NAME) == NAME
    assert (row.get("detail", True), row.get("crop", False), row.get("nod_threshold", 12.5)) == (True, False, 12.5)


@pytest.mark.parametrize("operation", Operation)
async def test_what_is_not_given_is_not_sent(operation: Operation) -> None:
    check = Check(operation, Personal(NAME), Personal(NUMBER), card_front=b"f", face=b"f", video=b"v", actions="3")
    (row,) = json.loads((await (await encode(check)).with_uuid("u"))[0])["data"]["req_data"]
    assert None not in row.values()
    assert set(row) == FIELDS[operation] - {"idcard_image2", "detail", "crop", "nod_threshold"}


VENDORS = {
    Operation.ID2_TEXT: vendor.IvsExtentionByNameAndIdRequestBody,
    Operation.ID2_IMAGE: vendor.IvsExtentionByIdCardImageRequestBody,
    Operation.ID3_TEXT_FACE: vendor.IvsStandardByNameAndIdRequestBody,
    Operation.ID3_IMAGE_FACE: vendor.IvsStandardByIdCardImageRequestBody,
    Operation.ID3_TEXT_VIDEO: vendor.IvsStandardByVideoAndNameAndIdRequestBody,
    Operation.ID3_IMAGE_VIDEO: vendor.IvsStandardByVideoAndIdCardImageRequestBody,
}


@pytest.mark.parametrize(("operation", "model"), VENDORS.items(), ids=str)
def test_the_fields_are_those_of_the_vendors_models(operation: Operation, model: Any) -> None:
    assert set(model.attribute_map.values()) == {"meta", "data"}
    rows = getattr(vendor, model.openapi_types["data"]).openapi_types["req_data"]
    fields = getattr(vendor, rows.removeprefix("list[").removesuffix("]")).attribute_map.values()
    assert set(fields) == FIELDS[operation]


async def test_a_person_is_seen_in_no_repr() -> None:
    check = Check(Operation.ID3_TEXT_FACE, **EVERYTHING)
    body = await encode(check)
    for shown in (repr(check), repr(body), str(check)):
        assert NAME not in shown
        assert NUMBER not in shown
        assert "face" not in shown.replace("id3_text_face", "").replace("ID3_TEXT_FACE", "")


async def test_the_limit_is_that_of_the_whole_body() -> None:
    room = 3 * (MOST_BYTES // 4)
    for over in (room, room + 3):
        with pytest.raises(BodyTooLarge):
            await encode(Check(Operation.ID2_IMAGE, card_front=b"x" * over))
    largest = await encode(Check(Operation.ID2_IMAGE, card_front=b"x" * (room - 3 * 60)))
    content, _ = await largest.with_uuid("u" * 64)
    assert MOST_BYTES - 300 < len(content) <= MOST_BYTES
