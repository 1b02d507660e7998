"""The cost report of a run: facts from the ledger, as a table, a page and Markdown."""

from tasks.report.desk import doubts_markdown, trend_markdown
from tasks.report.facts import CostFacts, cost_facts
from tasks.report.markdown import cost_markdown, exceptions_markdown, plan_markdown, results_markdown
from tasks.report.page import html_page, money

__all__ = [
    "CostFacts",
    "cost_facts",
    "cost_markdown",
    "doubts_markdown",
    "exceptions_markdown",
    "html_page",
    "money",
    "plan_markdown",
    "results_markdown",
    "trend_markdown",
]
