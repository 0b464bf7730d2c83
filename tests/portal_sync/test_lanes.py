import subprocess
import sys
import threading
import time

import pytest

from infra.settings import ROOT
from portal_sync.lanes import lanes


def test_what_comes_of_each_stands_in_their_order_whatever_ends_first() -> None:
    def work(number: int) -> int:
        time.sleep(0.2 if number == 0 else 0)
        if number == 2:
            raise ValueError(number)
        return number * 10

    with lanes(range(4), work, 2) as outcomes:
        told = [(item, outcome.exception() or outcome.result()) for item, outcome in outcomes]
    assert [(item, str(came)) for item, came in told] == [(0, "0"), (1, "10"), (2, "2"), (3, "30")]


def test_no_more_are_at_work_than_was_said() -> None:
    at_work, most = set(), []
    all_are_at_work = threading.Barrier(3, timeout=60)

    def work(number: int) -> None:
        at_work.add(number)
        all_are_at_work.wait()
        most.append(len(at_work))
        at_work.discard(number)

    with lanes(range(12), work, 3) as outcomes:
        for _, outcome in outcomes:
            outcome.result()
    assert max(most) == 3


def test_who_fails_meanwhile_waits_for_what_has_begun_and_begins_no_more() -> None:
    many = range(10_000)  # a minute's work: nobody is so slow to fail
    begun, ended = [], []

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)
        ended.append(number)

    def fail() -> None:
        with lanes(many, work, 2) as outcomes:
            next(outcomes)[1].result()
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fail()
    assert sorted(begun) == sorted(ended)
    assert len(begun) < len(many)


def test_who_interrupts_waits_for_nothing() -> None:
    program = """
import time
from portal_sync.lanes import lanes
with lanes([60], time.sleep, 1):
    raise KeyboardInterrupt
"""
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert "KeyboardInterrupt" in done.stderr
