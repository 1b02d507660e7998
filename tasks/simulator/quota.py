"""The provider's quota: a bucket per account and family that refills evenly."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Limit:
    """`limit` calls per `window_s`, of which `burst` may come at once."""

    limit: int = 10
    window_s: float = 1.0
    burst: int = 10


@dataclass(slots=True)
class Quota:
    """Buckets by account and family.

    Args:
        refused_use_quota: whether a refused call uses quota as well (unconfirmed at the provider).
    """

    limits: dict[str, Limit] = field(default_factory=lambda: {"two_factor": Limit(), "three_factor": Limit()})
    refused_use_quota: bool = False
    _levels: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def refuses(self, account: str, family: str, now: float, cut_to: int | None = None) -> str:
        """Return the throttling text of a refused call, or an empty text; `cut_to` is a lower limit for the moment."""
        limit = Limit(cut_to, 1.0, 1) if cut_to is not None else self.limits[family]
        level, since = self._levels.get((account, family), (float(limit.burst), now))
        level = min(float(limit.burst), level + (now - since) * limit.limit / limit.window_s)
        refused = level < 1
        spent = 1.0 if not refused or self.refused_use_quota else 0.0
        self._levels[account, family] = (max(level - spent, 0.0), now)
        if not refused:
            return ""
        unit = {1.0: "1 second", 60.0: "1 minute"}.get(limit.window_s, f"{limit.window_s:g} second")
        return f"The throttling threshold has been reached: policy user over ratelimit,limit:{limit.limit},time:{unit}"
