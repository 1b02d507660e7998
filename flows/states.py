"""How a flow ends in Prefect: a state whose name people and automations read, with one line of counts and money.

The colour says whether somebody must act before calls can go again. COMPLETED: nobody must; everything was asked, or
the night came to an end that was planned for it (cap, window). CANCELLED: somebody has acted (cancelled, halted).
FAILED: somebody must mend or decide something (account, provider, first answers, input, approval). The name is the
state's own, and Prefect's events carry it: an automation listens for ``prefect.flow-run.StoppedBudget``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, cast

from prefect import Flow
from prefect.client.schemas.objects import State as FlowState
from prefect.client.schemas.objects import StateType

from tasks.records import State
from tasks.text import Text

_CANCELLED: Final = {State.STOPPED_CANCELLED, State.STOPPED_HALTED}
_COMPLETED: Final = {
    State.COMPLETED,
    State.COMPLETED_WITH_EXCEPTIONS,
    State.STOPPED_BUDGET,
    State.STOPPED_WINDOW,
}

Ended = FlowState[dict[str, Any]]
_ENDED: Final[ContextVar[list[dict[str, Any]] | None]] = ContextVar("ended", default=None)


def ends(ended: dict[str, Any], text: Text) -> Ended:
    """Return the state in which a flow ends, given a run's object; the object is its data, for the terminal."""
    state = State(ended["state"])
    name = "".join(word.capitalize() for word in state.value.split("_"))
    return final(type_of(state), name, message_of(ended, text), ended)


def final(kind: StateType, name: str, message: str, data: dict[str, Any]) -> Ended:
    """Return a state in which a flow ends, and keep its object for the terminal that pressed it."""
    if (kept := _ENDED.get()) is not None:
        kept.append(data)
    return FlowState(type=kind, name=name, message=message, data=data)


def type_of(state: State) -> StateType:
    """Return the colour of a state: who must act."""
    if state in _COMPLETED:
        return StateType.COMPLETED
    return StateType.CANCELLED if state in _CANCELLED else StateType.FAILED


def message_of(ended: Mapping[str, Any], text: Text) -> str:
    """Return one line in each language: the state, counts and money; nothing else may stand in it."""
    lines = text.lines(f"state.{ended['state']}")
    if "records" in ended:
        said = text.lines("live.ended", **_figures(ended))
        lines = [f"{state} · {figures}" for state, figures in zip(lines, said, strict=True)]
    return "\n".join(lines)


def press(flow: Flow[..., Any], *arguments: Any) -> dict[str, Any]:
    """Run a flow from a terminal, and return the object it ended with.

    It is kept here as the flow ends: a server that is slow to answer is told twice that a run has ended, and hands back
    its own copy of the state, which holds no object.

    Raises:
        Exception: what the flow raised.
    """
    ended: list[dict[str, Any]] = []

    async def pressed() -> dict[str, Any]:
        _ENDED.set(ended)
        state: Any = await cast("Any", flow)(*arguments, return_state=True)
        return ended[-1] if ended else await object_of(state)

    return asyncio.run(pressed())


async def object_of(state: FlowState[Any]) -> dict[str, Any]:
    """Return the object a flow ended with, whatever the colour of its state; raise what it raised."""
    data = getattr(state.data, "result", state.data)
    if isinstance(data, dict):
        return data
    return dict(await cast("Any", state.aresult()))


def _figures(ended: Mapping[str, Any]) -> dict[str, Any]:
    outcomes, money = ended["records"]["outcomes"], ended["run_money"]
    return {
        "records": f"{ended['records']['total']:,}",
        "verified": f"{outcomes.get('verified', 0):,}",
        "in_doubt": f"{outcomes.get('in_doubt', 0):,}",
        "left": f"{outcomes.get('not_attempted', 0):,}",
        **{name: money[name] for name in ("certain", "possible", "cap", "currency")},
    }
