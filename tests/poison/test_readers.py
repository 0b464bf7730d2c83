"""What a file does to its reader is its own refusal, and nobody else's."""

from __future__ import annotations

from pathlib import PosixPath

import pyarrow.parquet as pq
import pytest

from quality.refusal import Refusal
from spark_jobs.judging import Judge
from spark_jobs.reading import FILE_SECONDS, Task
from tests.poison.bench import Bench
from tests.poison.deadly import Aborting, Endless, Faulting, Hoarding, Hoarding2, Quitting
from tests.poison.deliveries import SCHOOL, SCHOOLS_CSV, csv_of

ENDED = "the file cannot be read with what any honest file needs"


@pytest.mark.parametrize("kind", [Aborting, Faulting, Quitting, Hoarding, Hoarding2], ids=lambda kind: kind.__name__)
def test_a_file_that_ends_its_reader_is_refused(bench: Bench, kind: type[PosixPath]) -> None:
    assert bench.refused(SCHOOLS_CSV, kind(bench.file(csv_of(SCHOOL)))).what == ENDED


def test_a_file_whose_reading_never_ends_is_refused(bench: Bench) -> None:
    assert bench.refused(SCHOOLS_CSV, Endless(bench.file(csv_of(SCHOOL)))).what == ENDED
    left_s = float((bench.folder / "left").read_text(encoding="ascii"))
    assert 0 < left_s <= FILE_SECONDS


def test_the_other_files_of_a_delivery_are_read_all_the_same(bench: Bench) -> None:
    honest = [bench.file(csv_of([f"7910000{number}", *SCHOOL[1:]]), f"{number}.csv") for number in range(2)]
    deadly = Aborting(bench.file(csv_of(SCHOOL), "deadly.csv"))
    tasks = [Task(path.name, path, path.with_suffix("")) for path in [honest[0], deadly, honest[1]]]
    with pytest.raises(Refusal) as caught:
        bench.readers.read(Judge(SCHOOLS_CSV, "all", ""), tasks)
    assert caught.value.where == str(deadly)
    assert [pq.read_table(task.accepted)["school_code"].to_pylist() for task in tasks[::2]] == [
        [f"7910000{number}"] for number in range(2)
    ]
    bench.note("refused", f"{caught.value.what}; both others are read", 0)


def test_what_speaks_against_several_files_is_told_at_once(bench: Bench) -> None:
    paths = [bench.file(b"", "1.csv"), Aborting(bench.file(b"", "2.csv")), bench.file("x\n" * 9, "3.csv")]
    tasks = [Task(path.name, path, path.with_suffix("")) for path in paths]
    with pytest.raises(Refusal) as caught:
        bench.readers.read(Judge(SCHOOLS_CSV, "all", ""), tasks)
    assert caught.value.what == "3 of 3 files are not what was promised"
    assert all(str(path) in caught.value.found for path in paths)
    bench.note("refused", caught.value.what, 0)
