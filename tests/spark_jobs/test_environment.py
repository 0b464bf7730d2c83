"""Work on many tables: what one of them meets does not keep the others from theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing import get_context

import pytest

from quality.refusal import NotYet, Refusal
from spark_jobs.environment import Several, for_each, for_each_at_once

HANGS = """
import sys, time
from quality.refusal import run
from spark_jobs.environment import for_each_at_once

def hang(item):
    sys.stdout.write(item + "\\n")  # in one piece, for the other writes too
    sys.stdout.flush()
    time.sleep(600)

sys.exit(run(lambda: for_each_at_once(["one", "other"], hang)))
"""


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


def test_departments_are_asked_at_the_same_time() -> None:
    all_have_begun = get_context("fork").Barrier(3, timeout=120)
    for_each_at_once(["a", "b", "c"], lambda _: all_have_begun.wait())


def test_of_what_was_done_at_the_same_time_every_refusal_is_told_in_order() -> None:
    with pytest.raises(Several) as caught:
        for_each_at_once([["bad a", "bad b"], ["good"], ["bad c"]], lambda items: for_each(items, work))
    assert str(caught.value) == "3 refusals\nbad a is bad\nbad b is bad\nbad c is bad"


def test_what_ends_without_a_word_is_a_refusal() -> None:
    with pytest.raises(Refusal, match="ended early"):
        for_each_at_once(["a", "b"], lambda _: os._exit(7))


def test_who_interrupts_need_not_wait_for_what_hangs() -> None:
    argv = [sys.executable, "-c", HANGS]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as hanging:
        try:
            assert hanging.stdout is not None
            assert {hanging.stdout.readline(), hanging.stdout.readline()} == {"one\n", "other\n"}
            hanging.send_signal(signal.SIGINT)
            _, told = hanging.communicate(timeout=120)
        finally:
            hanging.terminate()
    assert hanging.returncode == 1
    assert told.startswith("kho: stopped by you")
