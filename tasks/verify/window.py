"""The hours in which calls may be sent."""

from __future__ import annotations

import datetime as dt

from tasks.settings.profile import Window


def seconds_left(window: Window, business_date: dt.date, now: dt.datetime) -> float:
    """Return the seconds until the window of a business date closes: 0 or less outside it.

    A window over midnight belongs to its starting date; a run that is continued on a later night uses that night's.
    """
    for start in (now.date(), now.date() - dt.timedelta(days=1)):
        opens = dt.datetime.combine(start, window.opens, tzinfo=now.tzinfo)
        closes = dt.datetime.combine(start, window.closes, tzinfo=now.tzinfo)
        if window.closes <= window.opens:
            closes += dt.timedelta(days=1)
        if opens <= now < closes and start >= business_date:
            return (closes - now).total_seconds()
    return 0.0
