from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quality.contract import Contract, load_all
from quality.refusal import Refusal
from spark_jobs.connectors import Offer, StillBeingWritten
from spark_jobs.connectors.folder import Folder
from spark_jobs.environment import Several
from spark_jobs.extracts import extracts_of
from spark_jobs.fetch import fetch
from spark_jobs.layouts import delivery_of

ROOT = Path(__file__).resolve().parents[2]
TABLE = "health.disease_cases"


@pytest.fixture
def contract() -> Contract:
    return load_all()[TABLE]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sở y tế"
    folder.mkdir()
    monkeypatch.setenv("KHO_SOURCE_HEALTH_FOLDER", str(folder))
    return folder


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "hồ"


def deliver(source: Path, year: int, content: bytes) -> Path:
    path = source / f"Nien giam {year}r.xls"
    path.write_bytes(content)
    return path


def kept(lake: Path) -> list[tuple[str, int, bytes]]:
    """Period, sequence and bytes of all extracts."""
    return [
        (period, extract.sequence, extract.path(lake, extract.files[0]).read_bytes())
        for period, extracts in extracts_of(lake, TABLE).items()
        for extract in extracts
    ]


def everything(lake: Path) -> set[str]:
    """What lies among the extracts, half-done work included."""
    return {path.name for path in (lake / "extracts").rglob("*") if not path.is_dir() or path.name.startswith(".")}


def test_a_delivery_is_kept_byte_for_byte_with_its_manifest(contract: Contract, source: Path, lake: Path) -> None:
    deliver(source, 2018, b"abc")
    fetch(contract, lake)
    assert kept(lake) == [("2018", 1, b"abc")]
    manifest = json.loads((lake / "extracts/health/disease_cases/2018/0001/extract.json").read_text())
    assert manifest["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (file,) = manifest["files"]
    assert {name: file[name] for name in ("name", "size", "sha256", "stands_in")} == {
        "name": "Nien giam 2018r.xls",
        "size": 3,
        "sha256": manifest["sha256"],
        "stands_in": "2018/0001",
    }
    assert manifest["source"] == "folder"
    assert manifest["fetched_at"]


def test_the_same_file_delivered_again_is_nothing_new(
    contract: Contract, source: Path, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = deliver(source, 2018, b"abc")
    fetch(contract, lake)
    fetch(contract, lake)
    os.utime(path, (1, 1))  # copied anew, with another time but the same bytes
    fetch(contract, lake)
    assert kept(lake) == [("2018", 1, b"abc")]
    assert capsys.readouterr().out.count("found 1, unchanged 1") == 2


def test_an_unchanged_source_is_not_even_read(
    contract: Contract, source: Path, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(source, 2018, b"abc")
    fetch(contract, lake)
    monkeypatch.setattr(Folder, "take", lambda *_: pytest.fail("it was read"))
    fetch(contract, lake)


def test_other_bytes_for_a_known_period_are_kept_beside_the_old_ones(
    contract: Contract, source: Path, lake: Path
) -> None:
    deliver(source, 2018, b"abc")
    fetch(contract, lake)
    deliver(source, 2018, b"corrected")
    fetch(contract, lake)
    assert kept(lake) == [("2018", 1, b"abc"), ("2018", 2, b"corrected")]


def test_only_the_period_asked_for_is_fetched(contract: Contract, source: Path, lake: Path) -> None:
    for year in (2018, 2019):
        deliver(source, year, b"abc")
    fetch(contract, lake, "2019")
    assert [period for period, _, _ in kept(lake)] == ["2019"]


def test_a_period_nobody_delivered_is_refused_with_those_there_are(
    contract: Contract, source: Path, lake: Path
) -> None:
    deliver(source, 2018, b"abc")
    with pytest.raises(Refusal, match="there is no delivery") as caught:
        fetch(contract, lake, "2099")
    assert caught.value.found == "periods 2018"


def test_files_nobody_expects_are_named_and_left_alone(
    contract: Contract, source: Path, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "ghi chú.docx").write_text("x")
    (source / "~$Nien giam 2018r.xls").write_text("Excel's lock")
    fetch(contract, lake)
    warned = capsys.readouterr().err
    assert "ghi chú.docx" in warned
    assert "~$" not in warned
    assert kept(lake) == []


def test_a_missing_folder_is_refused_and_what_was_fetched_stays(contract: Contract, source: Path, lake: Path) -> None:
    deliver(source, 2018, b"abc").unlink()
    source.rmdir()
    with pytest.raises(Refusal, match="folder is not there") as caught:
        fetch(contract, lake)
    assert caught.value.where == str(source)


def test_two_files_for_one_period_are_refused_and_other_periods_go_on(
    contract: Contract, source: Path, lake: Path
) -> None:
    deliver(source, 2018, b"abc")
    (source / "Nien giam 2018.xls").write_bytes(b"abd")
    (source / "Nien giam 2016.xls").write_bytes(b"x")
    (source / "Nien giam 2016r.xls").write_bytes(b"y")
    deliver(source, 2019, b"abc")
    with pytest.raises(Several, match="2 refusals") as caught:
        fetch(contract, lake)
    assert "Nien giam 2018.xls, Nien giam 2018r.xls" in str(caught.value)
    assert [period for period, _, _ in kept(lake)] == ["2019"]


def test_a_file_that_is_still_being_written_is_left_for_the_next_run(
    contract: Contract, source: Path, lake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = deliver(source, 2018, b"first half")
    offers = Folder(source).offers(delivery_of(contract), None)
    monkeypatch.setattr(Folder, "offers", lambda *_: offers)
    path.write_bytes(b"first half, second half")
    fetch(contract, lake)
    assert "still being written" in capsys.readouterr().out
    assert everything(lake) == set()
    monkeypatch.undo()
    monkeypatch.setenv("KHO_SOURCE_HEALTH_FOLDER", str(source))
    fetch(contract, lake)
    assert kept(lake) == [("2018", 1, b"first half, second half")]


def test_a_file_that_vanishes_is_left_for_the_next_run(contract: Contract, source: Path, tmp_path: Path) -> None:
    with pytest.raises(StillBeingWritten):
        Folder(source).take(Offer("2018", "gone.xls", "1"), delivery_of(contract), tmp_path)


def test_what_a_killed_fetch_left_is_no_extract_and_is_cleared(contract: Contract, source: Path, lake: Path) -> None:
    half = lake / "extracts/health/disease_cases/2018/.0001.part"
    half.mkdir(parents=True)
    (half / "Nien giam 2018r.xls").write_bytes(b"ab")
    assert kept(lake) == []
    deliver(source, 2018, b"abc")
    fetch(contract, lake)
    assert kept(lake) == [("2018", 1, b"abc")]
    assert everything(lake) == {"Nien giam 2018r.xls", "extract.json"}


# Not by `preexec_fn`: it forks this process, and gRPC, which other tests have woken in it, may abort the child.
LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def run_fetch(source: Path, lake: Path, largest_file: int = -1) -> subprocess.CompletedProcess[str]:
    """`kho fetch` as a process, with the file size that its user may write limited as a full disk would."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(largest_file), "spark_jobs.fetch", TABLE],
        env={
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KHO_LAKE": str(lake),
            "KHO_SOURCE_HEALTH_FOLDER": str(source),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_leaves_nothing_half_written(source: Path, lake: Path) -> None:
    deliver(source, 2018, bytes(100_000))
    done = run_fetch(source, lake, largest_file=50_000)
    assert done.returncode == 1
    assert "0001 could not be written" in done.stderr
    assert "what to do: make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert everything(lake) == set()
    assert run_fetch(source, lake).returncode == 0
    assert kept(lake) == [("2018", 1, bytes(100_000))]


def test_two_at_once_have_one_effect(source: Path, lake: Path) -> None:
    deliver(source, 2018, bytes(5_000_000))
    command = [sys.executable, "-m", "spark_jobs.fetch", TABLE]
    variables = {"PYTHONPATH": str(ROOT), "KHO_LAKE": str(lake), "KHO_SOURCE_HEALTH_FOLDER": str(source)}
    both = [subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = sorted(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert [text.splitlines()[-1].partition("found 1, ")[2] for text in told] == ["new 1", "unchanged 1"]
    assert len(kept(lake)) == 1


def test_a_missing_setting_is_named(source: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spark_jobs.fetch"],
        env={"PYTHONPATH": str(ROOT), "KHO_SOURCE_HEALTH_FOLDER": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "KHO_LAKE is not set" in done.stderr
