import json
from pathlib import Path

import pytest

from portal_sync.exports import ManifestUnreadable, newest_exports


def write(folder: Path, version: int) -> None:
    place = folder / "cases" / str(version)
    place.mkdir(parents=True)
    manifest = {
        "table": "open.cases",
        "lineage": "3f0c",
        "version": version,
        "rows": 1,
        "digest": "1",
        "nulls": {"name": 0},
        "key": ["name"],
        "columns": [{"name": "name", "type": "string"}],
        "extracts": [{"table": "health.cases", "period": "2017", "sha256": "", "file": ""}],
        "exported_at": "2026-11-22T10:00:00+07:00",
        "changes": None,
        "files": [{"name": "cases.csv", "format": "CSV", "bytes": 3, "sha256": "00"}],
    }
    (place / "manifest.json").write_text(json.dumps(manifest))


def test_the_newest_version_is_the_highest_number_not_the_last_in_the_alphabet(tmp_path: Path) -> None:
    write(tmp_path, 9)
    write(tmp_path, 10)
    export = newest_exports(tmp_path)["cases"]
    assert export.version == 10
    assert export.periods == ("2017",)
    assert export.files[0].path == tmp_path / "cases" / "10" / "cases.csv"


def test_an_export_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "cases" / "2").mkdir()
    (tmp_path / "cases" / "3.part").mkdir()
    assert newest_exports(tmp_path)["cases"].version == 1


def test_no_exports_yet_is_no_error(tmp_path: Path) -> None:
    assert newest_exports(tmp_path / "exports") == {}


@pytest.mark.parametrize("text", ["", "[]", '{"table": "open.cases"}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, 1)
    path = tmp_path / "cases" / "1" / "manifest.json"
    path.write_text(text)
    with pytest.raises(ManifestUnreadable, match=r"kho export") as caught:
        newest_exports(tmp_path)
    assert str(path) in str(caught.value)
