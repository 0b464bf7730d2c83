"""Open → files: complete, faithful, never changed, and never with personal data."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quality.contract import Contract
from spark_jobs.environment import Environment
from spark_jobs.export import export, write_files
from spark_jobs.personal import PersonalData
from spark_jobs.promote import promote
from spark_jobs.protect import protect
from spark_jobs.verdicts import NotPassed
from tests.spark_jobs.processes import start
from tests.spark_jobs.verdicts import check

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Draft = Callable[..., None]


def opened(contract: Contract, corner: Environment) -> None:
    """Promote and protect, and let the open version pass its check."""
    contracts = {contract.table: contract}
    promote([contract.table], contracts, corner)
    protect([contract.table], contracts, corner)
    check(contract, corner, "open")


def exported(contract: Contract, corner: Environment) -> Path:
    """The folder of all exports of a table, after exporting."""
    export([contract.table], {contract.table: contract}, corner)
    return corner.lake / "exports" / contract.name


def test_files_hold_the_open_version_sorted_and_the_manifest_proves_it(
    draft: Draft, clinics: Contract, corner: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    draft("(10, '=cmd()', -5, null), (9, 'Từ Dũ, số 2', null, 'An')")
    opened(clinics, corner)
    folder = exported(clinics, corner) / "0"
    text, binary = folder / f"{clinics.name}.csv", folder / f"{clinics.name}.parquet"
    assert text.read_bytes() == (b"\xef\xbb\xbf" + 'id,name,beds\r\n9,"Từ Dũ, số 2",\r\n10,\'=cmd(),-5\r\n'.encode())
    table = pq.read_table(binary)
    assert table.to_pylist() == [
        {"id": 9, "name": "Từ Dũ, số 2", "beds": None},
        {"id": 10, "name": "=cmd()", "beds": -5},
    ]
    assert table.schema.types == [pa.int32(), pa.string(), pa.int32()]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["table"] == f"open.{clinics.name}"
    assert (manifest["version"], manifest["rows"], manifest["key"]) == (0, 2, ["id"])
    assert manifest["columns"][0] == {"name": "id", "type": "int"}
    assert manifest["check"]["passed"] is True
    assert [(file["name"], file["bytes"], file["sha256"]) for file in manifest["files"]] == [
        (path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (text, text.with_suffix(".xlsx"), text.with_suffix(".jsonl"), binary)
    ]
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    exported(clinics, corner)
    assert "version 0 stands already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_an_open_version_that_did_not_pass_is_not_exported(
    draft: Draft, clinics: Contract, corner: Environment
) -> None:
    draft("(1, 'Bình Dân', 10, null)")
    opened(clinics, corner)
    check(clinics, corner, "open", passed=False)
    with pytest.raises(NotPassed):
        exported(clinics, corner)
    assert not (corner.lake / "exports").exists()


def test_personal_data_in_an_allowed_column_stops_the_export_and_leaves_nothing(
    draft: Draft, clinics: Contract, corner: Environment
) -> None:
    draft("(1, 'Bình Dân, 0903123456', 10, null)")
    opened(clinics, corner)
    with pytest.raises(PersonalData):
        exported(clinics, corner)
    assert list((corner.lake / "exports").rglob("*")) == [corner.lake / "exports" / clinics.name]


def test_a_full_disk_and_a_kill_leave_nothing_and_the_next_run_finishes(
    draft: Draft, clinics: Contract, corner: Environment
) -> None:
    rows = ", ".join(f"({number}, '{'Bệnh viện ' * 20}', 1, null)" for number in range(1_000))
    draft(rows)
    opened(clinics, corner)
    arguments = ([clinics.table], {clinics.table: clinics}, corner)
    limited = start("spark_jobs.export", "export", *arguments, largest_file=100_000)
    _, told = limited.communicate(timeout=120)
    assert limited.returncode == 1
    assert "could not be written" in told.decode()
    assert "nothing half-written was left" in told.decode()
    exports = corner.lake / "exports" / clinics.name
    assert list(exports.iterdir()) == []

    half = exports / ".0.part" / f"{clinics.name}.csv"
    for stop, code in ((signal.SIGINT, 1), (signal.SIGKILL, -signal.SIGKILL)):
        stopped = start("spark_jobs.export", "export", *arguments)
        while not half.exists() and stopped.poll() is None:
            os.sched_yield()
        stopped.send_signal(stop)
        stopped.communicate(timeout=60)
        assert stopped.returncode == code
        assert not (exports / "0").exists()

    exported(clinics, corner)
    assert [path.name for path in exports.iterdir()] == ["0"]
    assert json.loads((exports / "0" / "manifest.json").read_text())["rows"] == 1_000


def test_memory_does_not_grow_with_the_table(clinics: Contract, tmp_path: Path) -> None:
    def batches(count: int) -> Iterator[pa.RecordBatch]:
        for _ in range(count):
            yield pa.RecordBatch.from_pydict({"name": ["Từ Dũ"] * 5_000})

    def peak(count: int) -> int:
        tracemalloc.start()
        content, files, _ = write_files(batches(count), clinics, {"name": "string"}, tmp_path)
        assert (content.rows, len(files)) == (5_000 * count, 4)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(40) < 1.5 * peak(4)
