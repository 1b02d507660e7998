"""The cost report as one self-contained HTML page: no script, no outside resource, fit for print."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from tasks.records.money import from_micros
from tasks.report.facts import CostFacts
from tasks.report.inputs import could_be_big5, delimiter, encoding, endings
from tasks.text import Text

TEMPLATES: Final = Path(__file__).with_name("templates")
CHINA: Final = ZoneInfo("Asia/Shanghai")
_TONES: Final = {
    "verified": "good",
    "reused": "good",
    "duplicate": "calm",
    "not_attempted": "calm",
    "mismatch": "warn",
    "face_mismatch": "warn",
    "not_found": "warn",
    "no_photo": "warn",
    "in_doubt": "alarm",
    "unreadable": "alarm",
    "failed": "alarm",
    "unknown_verdict": "alarm",
}


def money(micros: int) -> str:
    """Return millionths as money for people: separators, at least two decimals."""
    amount = from_micros(micros)
    return f"{amount:,.2f}" if amount == amount.quantize(Decimal("0.01")) else f"{amount:,f}"


def duration(seconds: float, text: Text) -> str:
    """Return a duration in words."""
    whole = round(seconds)
    if whole < 60:
        return text("report.seconds", seconds=whole)
    if whole >= 3600:
        return text("report.hours", hours=whole // 3600, minutes=whole % 3600 // 60)
    return text("report.minutes", minutes=whole // 60, seconds=whole % 60)


def html_page(facts: CostFacts, text: Text, *, manifest: str, made_at: dt.datetime) -> str:
    """Return the page."""

    def both(key: str, **values: Any) -> Markup:
        """Return a label: Chinese, and English beside it in a quieter tone."""
        first, *rest = text.lines(key, **values)
        quiet = Markup("").join(Markup('<span class="en">{}</span>').format(line) for line in rest)
        return Markup("{} {}").format(first, quiet) if rest else escape(first)

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    total = max(sum(facts.outcomes.values()), 1)
    return environment.get_template("cost.html").render(
        facts=facts,
        t=both,
        plain=text,
        name=lambda part, key: both(f"{part}.{key}"),
        money=money,
        encoding=lambda reading: encoding(reading, text),
        delimiter=lambda reading: delimiter(reading, text),
        others=endings(facts.inputs.get("others", {}), text),
        big5=could_be_big5(facts.inputs),
        outcomes=[
            (name, count, 100 * count / total, _TONES.get(name, "calm"))
            for name, count in sorted(facts.outcomes.items(), key=lambda item: -item[1])
        ],
        most=max((line.certain + line.possible for line in facts.by["operation"].values()), default=0) or 1,
        took=duration(facts.duration_s, text),
        manifest=manifest,
        made_at=made_at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M"),
        language={"zh": "zh-CN", "en": "en"}.get(text.language, "zh-CN"),
    )
