"""Work on many tables: what one of them meets does not keep the others from theirs."""

from __future__ import annotations

import pytest

from quality.refusal import NotYet, Refusal
from spark_jobs.environment import Several, for_each


def work(item: str) -> None:
    if item.startswith("waits"):
        raise NotYet(f"there is no {item}", remedy="`./kho build` makes it")
    if item.startswith("bad"):
        raise Refusal(f"{item} is bad")


def test_what_waits_is_told_and_fails_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    for_each(["waits a", "good"], work)
    assert capsys.readouterr().out == "not yet: there is no waits a: `./kho build` makes it\n"


def test_when_all_wait_there_is_nothing_to_do_yet() -> None:
    with pytest.raises(NotYet, match="there is no waits a"):
        for_each(["waits a", "waits b"], work)


def test_a_refusal_is_a_refusal_whatever_waits_beside_it() -> None:
    with pytest.raises(Refusal, match="bad a is bad") as caught:
        for_each(["waits a", "bad a"], work)
    assert not isinstance(caught.value, NotYet)
    with pytest.raises(Several, match="2 refusals"):
        for_each(["bad a", "good", "bad b"], work)
