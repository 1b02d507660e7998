"""Looks at pictures and videos before money is spent (reference 1.4): cheap by header, whole before sending.

Nothing here raises on bad input: a problem is a sentence that says what is wrong and never shows content. All functions
may run in threads, side by side.
"""

from tasks.media.fit import fitted, may_be_fitted
from tasks.media.limits import MediaLimits, base64_size, body_bytes
from tasks.media.looks import header_problem, size_problem, whole_problem
from tasks.media.pictures import jpg_sides, orientation

__all__ = [
    "MediaLimits",
    "base64_size",
    "body_bytes",
    "fitted",
    "header_problem",
    "jpg_sides",
    "may_be_fitted",
    "orientation",
    "size_problem",
    "whole_problem",
]
