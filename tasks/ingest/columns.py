"""Which heading is which field: the usual Chinese and English ones by default, a profile's own mapping before them.

Headings are compared without case, width, blanks, underscores, asterisks and bracketed remarks:
``*姓名（必填）`` is 姓名.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.ingest.errors import InputError
from tasks.privacy import shown

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "customer_no": (
        "客户号",
        "客户编号",
        "客户代码",
        "customer_no",
        "customer_id",
        "customer_number",
        "cust_no",
        "cust_id",
        "客户识别号",
        "customer_key",
        "核心客户号",
        "ecif客户号",
        "ecif_no",
        "cif_no",
    ),
    "name": ("姓名", "客户姓名", "客户名称", "name", "customer_name", "full_name", "cust_name", "客户名"),
    "id_type": ("证件类型", "证件种类", "证件类别", "id_type", "document_type", "cert_type", "certificate_type"),
    "id_number": (
        "证件号码",
        "证件号",
        "身份证号",
        "身份证号码",
        "公民身份号码",
        "id_number",
        "id_no",
        "cert_no",
        "idcard",
        "身份证",
        "居民身份证号码",
        "id_card",
        "id_card_no",
        "id_card_number",
        "identity_number",
        "certificate_number",
        "证件编号",
        "身份证件号码",
        "居民身份证号",
        "id_num",
    ),
    "id_valid_to": (
        "证件有效期至",
        "证件到期日",
        "证件到期日期",
        "证件失效日期",
        "证件有效期",
        "有效期至",
        "id_valid_to",
        "id_expiry",
        "valid_to",
    ),
    "org_code": (
        "机构号",
        "机构代码",
        "所属机构",
        "机构编号",
        "机构编码",
        "开户机构",
        "开户机构号",
        "网点号",
        "org_code",
        "branch",
        "branch_code",
    ),
    "risk_level": ("风险等级", "风险级别", "risk_level", "risk"),
    "due_date": ("应核验日期", "应核验日", "due_date"),
    "check_reason": ("核验原因", "check_reason"),
    "purpose": ("处理目的", "purpose"),
    "legal_basis": ("合法性基础", "合法性依据", "legal_basis"),
    "consent_ref": ("授权编号", "授权书编号", "consent_ref", "consent_no"),
    "cost_centre": ("成本中心", "cost_centre", "cost_center"),
    "required_check": ("应做核验", "required_check", "operation"),
    "face_key": ("人像照片", "人像", "人脸照片", "照片", "face_photo", "face_key", "face", "face_image"),
    "card_front_key": ("身份证人像面", "身份证正面", "人像面", "card_front_key", "card_front", "idcard_image1"),
    "card_back_key": ("身份证国徽面", "身份证反面", "国徽面", "card_back_key", "card_back", "idcard_image2"),
    "video_key": ("视频", "人像视频", "video_key", "video"),
    "actions": ("动作", "动作序列", "actions"),
}
NULLS: Final = frozenset({"\\N", "NULL", "null", "(null)", "<null>", "None", "NaN", "nan", "#N/A"})
"""What databases and their tools write where there is no value."""

REQUIRED: Final = ("customer_no",)
_REMARK: Final = re.compile(r"[(\[【].*?[)\]】]")
_LOOSE: Final = re.compile(r"[\s_*:\-\u200b\ufeff]+")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each recognised field stands in a row, how many cells a row has, and the headings nobody recognised."""

    places: Mapping[str, int]
    width: int
    ignored: tuple[str, ...] = ()

    def value(self, row: Sequence[str], field: str) -> str:
        """Return a row's text for a field, as it stands; empty where the column is not there, or says there is none."""
        place = self.places.get(field)
        cell = row[place] if place is not None and place < len(row) else ""
        return "" if cell in NULLS else cell


def recognise(file: str, headings: Sequence[str], mapping: Mapping[str, str]) -> Columns:
    """Match headings to fields; `mapping` names the heading of a field and goes before the usual ones.

    Raises:
        InputError: a required field, or one the profile maps, has no column; two columns claim one field; or the
            profile maps a field that does not exist.
    """
    _check_mapping(file, mapping)
    wanted = _wanted(mapping)
    places: dict[str, int] = {}
    ignored = []
    for place, heading in enumerate(headings):
        field = wanted.get(_folded(heading))
        if field is None:
            ignored.append(shown(heading))
        elif field in places:
            problem = f"two columns are both {field}: map one in the profile's [source.columns]"
            raise InputError(file, problem, column=shown(heading))
        else:
            places[field] = place
    for field in (*REQUIRED, *mapping):
        if field not in places:
            asked = mapping.get(field, FIELDS[field][0])
            raise InputError(file, f"no such column: map {field} in the profile's [source.columns]", column=asked)
    return Columns(places, len(headings), tuple(heading for heading in ignored if heading))


def is_heading(row: Sequence[str], mapping: Mapping[str, str]) -> bool:
    """Tell whether a row could be the headings: the customer's key is in it, and a second field."""
    wanted = _wanted(mapping)
    found = {wanted.get(_folded(cell)) for cell in row} - {None}
    return found.issuperset(REQUIRED) and len(found) > len(REQUIRED)


def _wanted(mapping: Mapping[str, str]) -> dict[str, str]:
    wanted = {_folded(alias): field for field, aliases in FIELDS.items() for alias in aliases if field not in mapping}
    return wanted | {_folded(heading): field for field, heading in mapping.items()}


def _check_mapping(file: str, mapping: Mapping[str, str]) -> None:
    for field in mapping:
        if field not in FIELDS:
            near = difflib.get_close_matches(field, FIELDS, n=1, cutoff=0)[0]
            raise InputError(file, f"[source.columns] maps {field!r}, which is no field; the nearest is {near!r}")


def _folded(heading: str) -> str:
    plain = unicodedata.normalize("NFKC", heading[:200])
    return _LOOSE.sub("", _REMARK.sub("", plain)).casefold() or plain.casefold()
