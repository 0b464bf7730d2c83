from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from spark_jobs.connectors.refusals import Unreachable
from spark_jobs.connectors.retries import Lost, persistently


def test_the_fifth_loss_is_a_refusal_and_every_wait_is_longer(
    waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    tries = []

    def work() -> None:
        tries.append(1)
        raise Lost("the line broke", "reset by peer")

    with pytest.raises(Unreachable, match="the line broke") as caught:
        persistently(work, "sftp://host")
    assert len(tries) == 5
    assert all(before < after for before, after in pairwise(waits))
    assert caught.value.found == "reset by peer"
    assert caught.value.where == "sftp://host"
    assert "sftp://host: the line broke (reset by peer); try 2 of 5 in" in capsys.readouterr().err


def test_what_helps_at_the_second_try_is_the_answer(waits: list[float]) -> None:
    answers: Iterator[Lost | int] = iter([Lost("", ""), 7])

    def work() -> int:
        answer = next(answers)
        if isinstance(answer, Lost):
            raise answer
        return answer

    assert persistently(work, "") == 7
    assert len(waits) == 1


@pytest.mark.parametrize(("asked_s", "waited_s"), [(50, 50), (999_999, 120)])
def test_a_server_that_asks_for_a_wait_gets_it_up_to_two_minutes(
    waits: list[float], asked_s: float, waited_s: float
) -> None:
    def work() -> None:
        if not waits:
            raise Lost("busy", "429", asked_s)

    persistently(work, "")
    assert waits == [waited_s]


def test_other_failures_are_not_tried_again(waits: list[float]) -> None:
    def work() -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        persistently(work, "")
    assert waits == []
