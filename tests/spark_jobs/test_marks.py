from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spark_jobs.marks import Mark, fingerprint, one_at_a_time, read_mark, write_mark

ROOT = Path(__file__).resolve().parents[2]


def test_a_mark_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_mark(tmp_path, "promote", "city.wards") is None
    write_mark(tmp_path, "promote", "city.wards", Mark("abc", 3, {"health.clinics": 7}))
    assert read_mark(tmp_path, "promote", "city.wards") == Mark("abc", 3, {"health.clinics": 7})
    assert read_mark(tmp_path, "protect", "city.wards") is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"inputs": "abc"}'])
def test_a_damaged_mark_is_no_mark(tmp_path: Path, damage: str) -> None:
    write_mark(tmp_path, "promote", "city.wards", Mark("abc", 3))
    (tmp_path / "marks/promote/city.wards.json").write_text(damage)
    assert read_mark(tmp_path, "promote", "city.wards") is None


def test_a_fingerprint_tells_inputs_apart_but_not_the_order_of_words() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert len({fingerprint("a", "b"), fingerprint("b", "a"), fingerprint("ab"), fingerprint(None)}) == 4


def test_a_lock_is_free_again_when_its_holder_was_killed(tmp_path: Path) -> None:
    hold = (
        "import sys, pathlib; from spark_jobs.marks import one_at_a_time\n"
        "with one_at_a_time(pathlib.Path(sys.argv[1]), 'promote', 'city.wards'): print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    with one_at_a_time(tmp_path, "promote", "city.wards"):
        pass
