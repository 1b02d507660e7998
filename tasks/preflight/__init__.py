"""Looks at everything a night needs, before the night: spends nothing, and says what is wrong in one line each."""

from tasks.preflight.account import account_lines
from tasks.preflight.house import house_lines
from tasks.preflight.lines import Line, worst
from tasks.preflight.server import server_lines

__all__ = ["Line", "account_lines", "house_lines", "server_lines", "worst"]
