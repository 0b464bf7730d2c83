"""Lost connections: tried again a few times, each time after a longer wait, and then refused."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from spark_jobs.connectors.refusals import STAYS, Unreachable

TRIES = 5
FIRST_WAIT_S = 1
LONGEST_WAIT_S = 30
LONGEST_ASKED_WAIT_S = 120  # a server may ask for more, but a run of the evening is to end in the evening

Answer = TypeVar("Answer")
pause: Callable[[float], None] = time.sleep


class Lost(Exception):
    """The connection broke, or the server is too busy: worth another try, in `wait_s` seconds at the earliest."""

    def __init__(self, what: str, found: str, wait_s: float = 0) -> None:
        """`what` and `found` as a refusal would say them."""
        super().__init__(what, found)
        self.what = what
        self.found = found
        self.wait_s = min(max(wait_s, 0), LONGEST_ASKED_WAIT_S)


def persistently(work: Callable[[], Answer], where: str) -> Answer:
    """Work that raises Lost is done 5 times at most; the last Lost becomes a refusal. Waits 8 minutes at most."""

    def tell(state: RetryCallState) -> None:
        lost = _lost(state)
        wait_s = state.next_action.sleep if state.next_action else 0
        told = f"{where}: {lost.what if lost else ''} ({lost.found if lost else ''})"
        print(f"{told}; try {state.attempt_number + 1} of {TRIES} in {wait_s:.1f} s", file=sys.stderr)

    retrying = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=_wait_s,
        retry=retry_if_exception_type(Lost),
        sleep=pause,
        before_sleep=tell,
        reraise=True,
    )
    try:
        return retrying(work)
    except Lost as lost:
        raise Unreachable(
            lost.what,
            where=where,
            expected=f"an answer at one of {TRIES} tries",
            found=lost.found,
            remedy=f"run the same command later; if it stays so, ask the department; {STAYS}",
        ) from lost


def _wait_s(state: RetryCallState) -> float:
    lost = _lost(state)
    asked_s = lost.wait_s if lost else 0.0
    return max(asked_s, wait_exponential_jitter(initial=FIRST_WAIT_S, max=LONGEST_WAIT_S, jitter=FIRST_WAIT_S)(state))


def _lost(state: RetryCallState) -> Lost | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Lost) else None
