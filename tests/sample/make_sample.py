"""Make ``data/sample`` and ``data/expected``: synthetic people, pictures and videos, and how their night must end.

Deterministic: run it again and every byte is the same. What is expected is written from what each row is made for, never
from what a run did. All people are invented, with birth years before 1900.

    python tests/sample/make_sample.py
"""

from __future__ import annotations

import csv
import io
import json
import random
import struct
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tasks.simulator.people import FIXED, rule, with_check  # noqa: E402

SAMPLE, EXPECTED = ROOT / "data" / "sample", ROOT / "data" / "expected"
CLIP = Path(__file__).with_name("clip.mp4")
MARK = "ivs-simulator:"
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
GIVEN = "文景德修承志远山清和秉仁子安伯言仲平季明守真怀瑾若谷克勤敬之以诚道临长庚鹤年松龄"
MINORITY = ["阿依古丽·买买提", "迪丽努尔·艾合买提", "扎西·多吉", "巴特尔·苏和", "古丽娜扎·阿不都"]
HEADINGS = {
    "customer_no": "客户号", "name": "姓名", "id_type": "证件类型", "id_number": "证件号码", "id_valid_to": "证件有效期至",
    "org_code": "机构号", "risk_level": "风险等级", "check_reason": "核验原因", "purpose": "处理目的",
    "legal_basis": "合法性基础", "consent_ref": "授权编号", "cost_centre": "成本中心", "required_check": "应做核验",
    "face_key": "人像照片", "card_front_key": "身份证人像面", "card_back_key": "身份证国徽面", "video_key": "视频", "actions": "动作",
}  # fmt: skip
OUTCOMES = {"1000": "verified", "2001": "mismatch", "3001": "not_found", "2006": "no_photo"}
RNG = random.Random(1880)


@dataclass
class Row:
    """One input row: its cells, what it is made for, and whether it is paid for."""

    cells: dict[str, str]
    outcome: str
    reason: str = ""
    paid: str = ""


@dataclass
class File:
    name: str
    rows: list[Row] = field(default_factory=list)

    def add(self, outcome: str, *, reason: str = "", paid: str = "", **cells: str) -> Row:
        place = len(self.rows) + 1
        base = {
            "customer_no": f"{self.name.split(chr(46))[0].replace(chr(95), '').upper()}-{place:05d}",
            "id_type": "居民身份证",
            "id_valid_to": ["2036-03-01", "长期", "2026-12-15", "2021-05-09", ""][place % 5],
            "org_code": f"{440500 + place % 4}",
            "risk_level": ["低", "中", "高"][place % 3],
            "check_reason": ["存量客户重检", "证件到期", "风险等级上调"][place % 3],
            "purpose": "反洗钱客户身份重新识别",
            "legal_basis": "法定职责",
            "consent_ref": f"C{place:06d}",
            "cost_centre": ["CC-零售", "CC-对公", "CC-信用卡"][place % 3],
        }
        row = Row(base | cells, outcome, reason, paid)
        self.rows.append(row)
        return row


USED: set[str] = {person.number for person in FIXED}


def person(code: str = "1000") -> dict[str, str]:
    """Return an invented person whom the simulator's keyed rule answers with `code`."""
    while True:
        name = RNG.choice(SURNAMES) + "".join(RNG.sample(GIVEN, RNG.choice((1, 2, 2))))
        body = f"44052{RNG.randint(1, 9)}{RNG.randint(1850, 1899)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}"
        number = with_check(body + f"{RNG.randint(100, 999)}")
        if number not in USED and rule(name, number) == code:
            USED.add(number)
            return {"name": name, "id_number": number}


def fixed(effect: str, place: int = 0) -> dict[str, str]:
    """Return the test identity with an effect."""
    found = [one for one in FIXED if one.effect == effect][place]
    return {"name": found.name, "id_number": found.number}


# --- pictures ----------------------------------------------------------------------------------------------------------


def jpeg(picture: Image.Image, label: dict | None) -> bytes:
    """Return a JPG with a label, large enough for the provider."""
    for quality in range(70, 100, 3):
        out = io.BytesIO()
        comment = (MARK + json.dumps(label, ensure_ascii=False, sort_keys=True)).encode() if label else b""
        picture.save(out, "JPEG", quality=quality, comment=comment)
        if len(out.getvalue()) >= 7_900:
            return out.getvalue()
    raise AssertionError("picture too simple")


def grain(picture: Image.Image, seed: int) -> Image.Image:
    """Add paper grain, so that pictures are not mistaken for each other or for photographs."""
    dice = random.Random(seed)
    small = Image.new("L", (80, 80))
    small.putdata([110 + dice.randrange(60) for _ in range(6_400)])
    return Image.blend(picture, small.resize(picture.size, Image.Resampling.NEAREST).convert("RGB"), 0.18)


def face(seed: int, size: int = 320) -> Image.Image:
    """Draw a face that nobody has."""
    dice = random.Random(seed)
    picture = Image.new("RGB", (size, size), (200 + dice.randrange(40), 215, 230))
    draw = ImageDraw.Draw(picture)
    skin = (225 - dice.randrange(40), 185 - dice.randrange(30), 150)
    unit = size / 320
    draw.ellipse([80 * unit, 50 * unit, 240 * unit, 260 * unit], fill=skin, outline=(90, 60, 40), width=3)
    for x in (125, 195):
        draw.ellipse([(x - 12) * unit, 125 * unit, (x + 12) * unit, 145 * unit], fill="white", outline="black")
        draw.ellipse([(x - 5) * unit, 130 * unit, (x + 5) * unit, 140 * unit], fill=(40, 30, 20))
    draw.arc([115 * unit, 170 * unit, 205 * unit, 225 * unit], 20, 160, fill=(150, 60, 60), width=4)
    draw.rectangle([75 * unit, 35 * unit, 245 * unit, (70 + dice.randrange(25)) * unit], fill=(50, 40, 35))
    draw.text((10, size - 24), "SAMPLE", fill=(160, 0, 0))
    return grain(picture, seed)


def card(seed: int, side: str) -> Image.Image:
    """Draw a card that is plainly a sample."""
    picture = Image.new("RGB", (480, 304), (228, 236, 242) if side == "portrait" else (240, 228, 222))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle([6, 6, 474, 298], 18, outline=(80, 100, 120), width=3)
    if side == "portrait":
        picture.paste(face(seed, 150), (310, 60))
        for line in range(5):
            draw.rectangle([30, 50 + 40 * line, 200 + 20 * (line % 3), 64 + 40 * line], fill=(150, 160, 175))
    else:
        draw.ellipse([40, 50, 140, 150], outline=(180, 60, 40), width=8)
        draw.rectangle([180, 190, 430, 204], fill=(150, 160, 175))
    draw.text((200, 270), "SAMPLE  NOT A DOCUMENT", fill=(160, 0, 0))
    return grain(picture, seed)


def video(label: dict) -> bytes:
    """Return the base clip with a label in a free box at its end."""
    text = (MARK + json.dumps(label, sort_keys=True)).encode()
    return CLIP.read_bytes() + struct.pack(">I", len(text) + 8) + b"free" + text


MEDIA: dict[str, bytes] = {}


def store(key: str, data: bytes) -> str:
    MEDIA[key] = data
    return key


def card_keys(who: dict[str, str], place: int, **over) -> dict[str, str]:
    label = {"card": {"name": who["name"], "number": who["id_number"], "side": "portrait"}} | over
    front = store(f"cards/{place:04d}-front.jpg", jpeg(card(place, "portrait"), label))
    if place % 2:
        return {"card_front_key": front}
    back = store(f"cards/{place:04d}-back.jpg", jpeg(card(place, "emblem"), {"card": {"side": "emblem"}}))
    return {"card_front_key": front, "card_back_key": back}


def face_key(who: dict[str, str], place: int, **label) -> dict[str, str]:
    label = label or {"face_of": who["id_number"]}
    return {"face_key": store(f"faces/{place:04d}.jpg", jpeg(face(place), label))}


def video_key(who: dict[str, str], place: int, **over) -> dict[str, str]:
    label = {"face_of": who["id_number"], "actions": "3", "alive": True} | over
    return {"video_key": store(f"videos/{place:04d}.mp4", video(label)), "actions": "3"}


# --- files -------------------------------------------------------------------------------------------------------------


def two_factor() -> list[File]:
    one, two = File("branch_01.csv"), File("branch_02.csv")
    asked = {"required_check": "id2_text"}
    for code, count in (("1000", 66), ("2001", 6), ("3001", 4)):
        for _ in range(count):
            one.add(OUTCOMES[code], paid="two_factor", **person(code), **asked)
    one.add("verified", paid="two_factor", **fixed("1000"), **asked)
    one.add("verified", paid="two_factor", **fixed("IVS.0101 once"), **asked)
    one.add("unknown_verdict", paid="two_factor", **fixed("2999"), **asked)
    one.add("unreadable", paid="two_factor", **fixed("truncated"), **asked)
    one.add("failed", **fixed("IVS.0011"), **asked)
    for wrong in range(3):
        who = person()
        last = "0123456789X"[("0123456789X".index(who["id_number"][-1]) + 1 + wrong) % 11]
        one.add("rejected", reason="bad_data", **(who | {"id_number": who["id_number"][:-1] + last}), **asked)
    for day in ("0230", "1301"):
        number = with_check(f"4405241880{day}123")
        one.add("rejected", reason="bad_data", name="何日期", id_number=number, **asked)
    for _ in range(2):
        one.add("rejected", reason="bad_data", **(person() | {"name": ""}), **asked)
    one.add("rejected", reason="bad_data", customer_no="", **person(), **asked)
    for _ in range(2):
        one.add(
            "rejected", reason="unsupported_document", id_type="护照", name="欧阳远", id_number="E12345678", **asked
        )
    one.add("withheld", reason="rare_name", name="许\ue863", id_number=fixed("2001", 2)["id_number"], **asked)
    for place in (3, 10, 17):
        again = one.rows[place].cells
        one.add("duplicate", name=again["name"], id_number=again["id_number"], **asked)
    for _ in range(42):
        two.add("verified", paid="two_factor", **person(), **asked)
    for name in MINORITY[1:]:
        who = person()
        while rule(name, who["id_number"]) != "1000":
            who = person()
        two.add("verified", paid="two_factor", name=name.replace("·", "•"), id_number=who["id_number"], **asked)
    two.add("verified", paid="two_factor", **fixed("1000", 1), **asked)
    fifteen = next(found for found in FIXED if len(found.number) == 15)
    two.add("verified", paid="two_factor", name=fifteen.name, id_number=fifteen.number, **asked)
    for _ in range(3):
        who = person("2001")
        two.add("mismatch", paid="two_factor", name=who["name"], id_number=who["id_number"].lower(), **asked)
    for place in (0, 5, 20, 33, 60):
        again = one.rows[place].cells
        two.add("duplicate", name=f" {again['name']}　", id_number=again["id_number"], **asked)
    return [one, two]


def images() -> File:
    file = File("cards.csv")
    for place, code in enumerate(["1000"] * 8 + ["2001", "3001"], start=100):
        who = person(code)
        file.add(OUTCOMES[code], paid="two_factor", **who, **card_keys(who, place), required_check="id2_image")
    who = person()
    file.add("media_rejected_by_provider", **who, **card_keys(who, 120, card="unreadable"), required_check="id2_image")
    for place in range(130, 137):
        who = person()
        keys = card_keys(who, place) | face_key(who, place)
        file.add("verified", paid="three_factor", **who, **keys, required_check="id3_image_face")
    who = person()
    keys = card_keys(who, 138) | face_key(who, 138, face_of=person()["id_number"])
    file.add("face_mismatch", paid="three_factor", **who, **keys, required_check="id3_image_face")
    for place in range(140, 143):
        who = person()
        keys = card_keys(who, place) | video_key(who, place)
        file.add("verified", paid="three_factor", **who, **keys, required_check="id3_image_video")
    return file


def videos() -> File:
    file = File("videos.csv")
    for place, code in enumerate(["1000"] * 6 + ["2001"], start=200):
        who = person(code)
        file.add(OUTCOMES[code], paid="three_factor", **who, **video_key(who, place), required_check="id3_text_video")
    who = person()
    keys = video_key(who, 210, alive=False)
    file.add("media_rejected_by_provider", **who, **keys, required_check="id3_text_video")
    return file


def faces() -> File:
    file = File("faces.parquet")
    asked = {"required_check": "id3_text_face"}
    for place, code in enumerate(["1000"] * 24 + ["2001"] * 2 + ["3001"] + ["2006"] * 2, start=300):
        who = person(code)
        file.add(OUTCOMES[code], paid="three_factor", **who, **face_key(who, place), **asked)
    for place in (340, 341):
        who = person()
        keys = face_key(who, place, face_of=person()["id_number"])
        file.add("face_mismatch", paid="three_factor", **who, **keys, **asked)
    file.add("face_mismatch", paid="three_factor", **fixed("2002"), **face_key(fixed("2002"), 342), **asked)
    who = person()
    keys = face_key(who, 343, face="blurred")
    file.add("media_rejected_by_provider", paid="three_factor", **who, **keys, **asked)
    who = person()
    file.add("media_rejected_by_provider", **who, **face_key(who, 344, face="none"), **asked)
    doubtful = fixed("reset after billing")
    file.add("in_doubt", paid="three_factor?", **doubtful, **face_key(doubtful, 345), **asked)
    bad = {
        "small": jpeg(face(350), None),
        "sides": jpeg(face(351, 310).resize((280, 420)), None),
        "png": b"\x89PNG\r\n\x1a\n" + jpeg(face(352), None),
        "cut": jpeg(face(353), None)[:-2_000],
    }
    bad["small"] = bad["small"][:5_000]
    bad["cut"] += b"\x00" * 2_000
    for name, data in bad.items():
        key = store(f"faces/bad-{name}.jpg", data)
        file.add("rejected", reason="bad_media", **person(), face_key=key, **asked)
    for place in (360, 361):
        file.add("rejected", reason="media_missing", **person(), face_key=f"faces/{place:04d}.jpg", **asked)
    file.add("rejected", reason="media_forbidden", **person(), face_key="../records/branch_01.csv", **asked)
    again = file.rows[2].cells
    same = {name: again[name] for name in ("name", "id_number", "face_key")}
    file.add("duplicate", **same, **asked)
    return file


def write(files: list[File]) -> None:
    for file in files:
        path = SAMPLE / "records" / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.name.endswith(".parquet"):
            columns = {name: [row.cells.get(name, "") for row in file.rows] for name in HEADINGS}
            pq.write_table(pa.table(columns), path)
            continue
        used = [name for name in HEADINGS if any(row.cells.get(name) for row in file.rows)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([HEADINGS[name] for name in used])
        writer.writerows([row.cells.get(name, "") for name in used] for row in file.rows)
        encoding = {"branch_01.csv": "utf-8-sig", "branch_02.csv": "gb18030"}.get(file.name, "utf-8")
        path.write_bytes(text.getvalue().encode(encoding))
    for key, data in MEDIA.items():
        path = SAMPLE / "media" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


ANSWERED_AGAIN = {
    "verified", "mismatch", "face_mismatch", "no_photo", "not_found", "unknown_verdict", "media_rejected_by_provider", "failed",
}  # fmt: skip


def expected(files: list[File], *, again: bool) -> dict:
    def end(row: Row) -> str:
        return "reused" if again and row.outcome in ANSWERED_AGAIN else row.outcome

    rows = [row for file in files for row in file.rows]
    paid = Counter() if again else Counter(row.paid for row in rows if row.paid and not row.paid.endswith("?"))
    return {
        "records": len(rows),
        "outcomes": dict(sorted(Counter(end(row) for row in rows).items())),
        "reasons": dict(sorted(Counter(row.reason for row in rows if row.reason).items())),
        "by_file": {file.name: dict(sorted(Counter(end(row) for row in file.rows).items())) for file in files},
        "paid_calls": dict(sorted(paid.items())),
        "in_doubt_calls": 0 if again else sum(row.outcome == "in_doubt" for row in rows),
    }


def main() -> None:
    files = [*two_factor(), images(), videos(), faces()]
    write(files)
    EXPECTED.mkdir(parents=True, exist_ok=True)
    for name in ("first", "again"):
        told = expected(files, again=name == "again")
        (EXPECTED / f"{name}.json").write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
