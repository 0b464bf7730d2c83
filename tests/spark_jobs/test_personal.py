from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.personal import PersonalData, kinds_in, refuse_personal_data


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("079203001234", "citizen identity number"),
        ("CCCD 079 203 001 234.", "citizen identity number"),
        ("gọi 0903123456", "telephone number"),
        ("0903.123.456", "telephone number"),
        ("+84 903 123 456", "telephone number"),
        ("(028 3930 9912)", "telephone number"),
        ("an.nguyen@example.com.vn", "e-mail address"),
    ],
)
def test_what_looks_personal_is_found(text: str, kind: str) -> None:
    assert kind in kinds_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "26734",
        "Phường 12, Quận 10",
        "2017-01-31",
        "1.234.567,89",
        "0",
        "12345678901234",
        "QĐ 19/2025/QĐ-TTg",
        "0.384957392",
    ],
)
def test_codes_dates_and_amounts_are_not(text: str) -> None:
    assert kinds_in(text) == []


def written(folder: Path, note: str) -> list[Path]:
    """An export of a name, a note and an amount, as CSV and Parquet."""
    files = [folder / "notes.csv", folder / "notes.parquet"]
    with files[0].open("w", encoding="utf-8-sig", newline="") as lines:
        csv.writer(lines).writerows([["name", "note", "amount"], ["An", note, 79203001234]])
    pq.write_table(pa.table({"name": ["An"], "note": [note], "amount": [79203001234]}), files[1])
    return files


def test_an_export_with_a_telephone_number_is_refused_without_telling_it(tmp_path: Path) -> None:
    files = written(tmp_path, "gọi 0903123456")
    with pytest.raises(PersonalData) as caught:
        refuse_personal_data(files, ["name", "note"], "open.notes")
    assert caught.value.found == (
        "telephone number: 1 in column note of notes.csv; telephone number: 1 in column note of notes.parquet"
    )
    assert "0903" not in str(caught.value)


def test_each_file_is_looked_at_for_itself(tmp_path: Path) -> None:
    clean, _ = written(tmp_path, "không")
    (tmp_path / "other").mkdir()
    _, dirty = written(tmp_path / "other", "a@example.org")
    with pytest.raises(PersonalData, match=r"notes\.parquet"):
        refuse_personal_data([clean, dirty], ["name", "note"], "open.notes")


def test_numbers_are_not_taken_for_identity_numbers(tmp_path: Path) -> None:
    refuse_personal_data(written(tmp_path, "không"), ["name", "note"], "open.notes")
