"""Which heading is which field: the usual Chinese and English ones by default, a profile's own mapping before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.ingest.errors import InputError

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
    ),
    "name": ("姓名", "客户姓名", "客户名称", "name", "customer_name", "full_name"),
    "id_type": ("证件类型", "证件种类", "id_type", "document_type", "cert_type"),
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
    ),
    "id_valid_to": ("证件有效期至", "证件到期日", "有效期至", "id_valid_to", "id_expiry", "valid_to"),
    "org_code": ("机构号", "机构代码", "所属机构", "org_code", "branch", "branch_code"),
    "risk_level": ("风险等级", "风险级别", "risk_level", "risk"),
    "due_date": ("应核验日期", "due_date"),
    "check_reason": ("核验原因", "check_reason"),
    "purpose": ("处理目的", "purpose"),
    "legal_basis": ("合法性基础", "legal_basis"),
    "consent_ref": ("授权编号", "consent_ref", "consent_no"),
    "cost_centre": ("成本中心", "cost_centre", "cost_center"),
    "required_check": ("应做核验", "required_check", "operation"),
    "face_key": ("人像照片", "人像", "face_key", "face", "face_image"),
    "card_front_key": ("身份证人像面", "card_front_key", "card_front", "idcard_image1"),
    "card_back_key": ("身份证国徽面", "card_back_key", "card_back", "idcard_image2"),
    "video_key": ("视频", "人像视频", "video_key", "video"),
    "actions": ("动作", "actions"),
}
REQUIRED: Final = ("customer_no",)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each recognised field stands in a row, and the headings nobody recognised."""

    places: Mapping[str, int]
    ignored: tuple[str, ...] = ()

    def value(self, row: Sequence[str], field: str) -> str:
        """Return a row's text for a field, without outer blanks; empty where the column is not there."""
        place = self.places.get(field)
        return row[place].strip() if place is not None and place < len(row) else ""


def recognise(file: str, headings: Sequence[str], mapping: Mapping[str, str]) -> Columns:
    """Match headings to fields.

    Raises:
        InputError: a required field, or one the profile maps, has no column, or two columns claim one field.
    """
    cleaned = [heading.strip().strip("\ufeff") for heading in headings]
    wanted = {alias.lower(): field for field, aliases in FIELDS.items() for alias in aliases if field not in mapping}
    wanted |= {heading.lower(): field for field, heading in mapping.items()}
    places: dict[str, int] = {}
    ignored = []
    for place, heading in enumerate(cleaned):
        field = wanted.get(heading.lower())
        if field is None:
            ignored.append(heading)
        elif field in places:
            raise InputError(
                file, f"two columns are both {field}: map one in the profile's [source.columns]", column=heading
            )
        else:
            places[field] = place
    for field in (*REQUIRED, *mapping):
        if field not in places:
            asked = mapping.get(field, FIELDS.get(field, (field,))[0])
            raise InputError(file, f"no such column: map {field} in the profile's [source.columns]", column=asked)
    return Columns(places, tuple(ignored))
