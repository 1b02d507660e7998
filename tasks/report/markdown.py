"""What Prefect's pages show: totals and links, and record references where a person must act; never a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.report.facts import CostFacts, Line
from tasks.report.inputs import could_be_big5, endings, how_read
from tasks.report.page import duration, money
from tasks.text import Text


def cost_markdown(facts: CostFacts, text: Text) -> str:
    """Return the cost report as Markdown."""
    low, high = money(facts.total.certain), money(facts.total.certain + facts.total.possible)
    heads = [text(f"report.{key}") for key in ("sent", "answered", "refused", "in_doubt", "certain", "possible")]
    rows = [(text(f"operation.{name}"), line) for name, line in facts.by["operation"].items()]
    saved = [
        f"- {text('report.' + one.reason)}: {one.calls:,} {text('report.calls_unit')}, {money(one.micros)}"
        for one in facts.savings
    ]
    return "\n".join(
        [
            f"# {text('report.title')}",
            _head(facts.run, text),
            "",
            f"**{text('report.bracket_text', low=low, high=high)}**",
            *_decided(facts, text),
            "",
            table(["", *heads], [_cells(name, line) for name, line in [*rows, (text("report.total"), facts.total)]]),
            "",
            f"## {text('report.saved')}",
            *saved,
            "",
            _foot(facts, text),
        ]
    )


def results_markdown(facts: CostFacts, text: Text, links: Mapping[str, str]) -> str:
    """Return the summary of a run's results as Markdown, with links to its files."""
    total = sum(facts.outcomes.values())
    rows = [
        [text(f"outcome.{name}"), f"{count:,}", f"{100 * count / max(total, 1):.1f} %"]
        for name, count in sorted(facts.outcomes.items(), key=lambda item: -item[1])
    ]
    return "\n".join(
        [
            f"# {text('report.results_title')}",
            _head(facts.run, text),
            "",
            table([text("report.outcomes"), text("report.records"), text("report.share")], rows),
            "",
            f"## {text('report.files')}",
            *(f"- {name}: `{uri}`" for name, uri in links.items()),
            "",
            f"> {text('report.consequence')}",
            "",
            f"> {text('report.channel')}",
        ]
    )


def exceptions_markdown(first: Sequence[Mapping[str, Any]], classes: Mapping[str, int], text: Text) -> str:
    """Return the exceptions as Markdown: counts, then the first references; no names, no numbers, no customer keys."""
    if not classes:
        return f"# {text('report.exceptions')}\n\n{text('report.exceptions_none')}"
    counts = [
        [text(f"outcome.{name}"), f"{count:,}", text(f"action.{name}")] for name, count in sorted(classes.items())
    ]
    rows = [[f"`{row['record_ref']}`", text(f"outcome.{row['class']}"), row["priority"]] for row in first]
    left = sum(classes.values()) - len(first)
    heads = [text("column.class"), text("report.records"), text("column.suggested_action")]
    more = [text("report.exceptions_more", count=left)] if left > 0 else []
    return "\n".join(
        [
            f"# {text('report.exceptions')}",
            "",
            table(heads, counts),
            "",
            table([text("column.record_ref"), text("column.class"), text("column.priority")], rows),
            "",
            *more,
        ]
    )


def plan_markdown(run: Any, plan: Mapping[str, Any], text: Text) -> str:
    """Return the plan card as Markdown."""
    kept = [
        f"- {text('outcome.' + name)}: {count:,}"
        for name, count in sorted(plan["dispositions"].items())
        if name != "ask"
    ]
    noted = [f"- {text('outcome.' + name)}: {count:,}" for name, count in sorted(plan.get("noted", {}).items())]
    asked = [[text(f"operation.{name}"), f"{count:,}"] for name, count in sorted(plan["operations"].items())]
    return "\n".join(
        [
            f"# {text('plan.title')} · {run.run_id}",
            f"{text('plan.approve')}: `{run.plan_hash}`",
            "",
            _price(plan, text),
            "",
            table([text("plan.ask"), text("report.calls")], asked),
            "",
            *([f"{text('plan.kept')}:", *kept, ""] if kept else []),
            *([f"{text('plan.noted')}:", *noted, ""] if noted else []),
            *_inputs(plan.get("inputs", {}), text),
            f"{text('report.price')}: {plan['price_version']} — {plan['price_source']}",
        ]
    )


def _inputs(inputs: Mapping[str, Any], text: Text) -> list[str]:
    """Return how many inputs were read in each way; their names may be personal, and stand in the report only."""
    kinds = inputs.get("kinds", [])
    told = [f"- {how_read(kind, text)}: {kind['files']:,}" for kind in kinds]
    return [f"{text('inputs.title')}:", *told, *_others(inputs, text), *_big5(inputs, text), ""] if kinds else []


def _others(inputs: Mapping[str, Any], text: Text) -> list[str]:
    others = inputs.get("others", {})
    return [f"- {text('inputs.others', endings=endings(others, text))}"] if others else []


def _big5(inputs: Mapping[str, Any], text: Text) -> list[str]:
    return ["", f"> {text('inspect.big5')}"] if could_be_big5(inputs) else []


def _decided(facts: CostFacts, text: Text) -> list[str]:
    """Return what people's decisions did: calls that may be paid twice, rows that are void."""
    repeats, amount = f"{facts.repeats.calls:,}", money(facts.repeats.micros)
    said = ["", text("report.repeats_text", calls=repeats, amount=amount)] if facts.repeats.calls else []
    return [*said, *(["", text("report.voided_text", count=f"{facts.voided:,}")] if facts.voided else [])]


def narrow(names: Sequence[str], text: Text) -> tuple[list[str], list[str]]:
    """Return headings in the reader's first language, and one line a further language: wide tables are cut off."""
    heads = [text.lines(name) for name in names]
    further = [" · ".join(lines) for lines in zip(*(head[1:] for head in heads), strict=False)]
    return [head[0] for head in heads], [f"*{line}*" for line in further]


def _price(plan: Mapping[str, Any], text: Text) -> str:
    likely, worst = money(plan["estimate"]["likely"]), money(plan["estimate"]["worst"])
    parts = [
        f"{text('report.records')}: **{plan['records']:,}**",
        f"{text('plan.likely')}: **{likely}**",
        f"{text('plan.worst')}: **{worst}** {plan['currency']}",
        f"{text('plan.finish')}: {duration(plan['seconds'], text)}",
    ]
    return " · ".join(parts)


def _foot(facts: CostFacts, text: Text) -> str:
    parts = [
        f"{text('report.throttled')}: {facts.throttled:,}",
        f"{text('report.duration')}: {duration(facts.duration_s, text)}",
        f"{text('report.price')}: {facts.run['price_version']}",
    ]
    return " · ".join(parts)


def _head(run: Mapping[str, Any], text: Text) -> str:
    state = text(f"state.{run['state']}")
    return f"{text('report.business_date')} **{run['business_date']}** · `{run['run_id']}` · {state}"


def _cells(name: str, line: Line) -> list[str]:
    counts = (line.sent, line.answered, line.refused, line.in_doubt)
    return [name, *(f"{count:,}" for count in counts), money(line.certain), money(line.possible)]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown: words to the left, figures to the right."""
    sides = [
        "--:" if place and all(map(_is_figure, cells)) else ":--" for place, cells in enumerate(_columns(heads, rows))
    ]
    lines = [heads, sides, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[row[place] for row in rows] for place in range(len(heads))]


def _is_figure(cell: str) -> bool:
    return not cell.strip("0123456789,. %")
