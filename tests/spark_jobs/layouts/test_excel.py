from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
import xlwt
from xlwt.CompoundDoc import XlsDoc

from spark_jobs.layouts import ExtractMismatch
from spark_jobs.layouts.excel import letters, read_grids


def refusal(path: Path) -> ExtractMismatch:
    with pytest.raises(ExtractMismatch) as caught:
        read_grids(path)
    assert str(path) in caught.value.where
    assert caught.value.found
    assert "last good version stays" in caught.value.remedy
    return caught.value


def protected_book() -> bytes:
    """An .xls whose stream begins with BOF and FILEPASS, as Excel writes it under a password."""
    workbook = xlwt.Workbook()
    workbook.add_sheet("SXH").write(0, 0, "x")
    stream: bytes = workbook.get_biff_data()
    _, length = struct.unpack("<HH", stream[:4])
    filepass = struct.pack("<HHHHH", 0x2F, 54, 1, 1, 1) + bytes(48)
    return stream[: 4 + length] + filepass + stream[4 + length :]


def test_an_empty_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "Nien giam 2018r.xls"
    path.touch()
    assert refusal(path).what == "the file is empty"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"Tinh;Thang 1\nHa Noi;3\n", "text beginning with"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"%PDF-1.7\n", "a PDF"),
        (bytes(range(100)), "unknown bytes"),
    ],
)
def test_what_is_no_excel_book_is_named(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "Nien giam 2018r.xls"
    path.write_bytes(content)
    refused = refusal(path)
    assert refused.what == "the file is no Excel book"
    assert found in refused.found


@pytest.mark.parametrize("kept", [8, 600, 5_000, 300_032, 1_050_000, 1_071_616, 1_072_000])
def test_a_truncated_book_is_refused_wherever_it_was_cut(yearbooks: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "Nien giam 2017r.xls"
    path.write_bytes((yearbooks / path.name).read_bytes()[:kept])
    assert "cut short" in refusal(path).what


def test_a_truncated_xlsx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(b"PK\x03\x04" + bytes(500))
    assert "cut short" in refusal(path).what


def test_a_book_under_a_password_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "Nien giam 2018r.xls"
    XlsDoc().save(str(path), protected_book())
    assert refusal(path).what == "the Excel file is protected by a password"


def test_an_encrypted_xlsx_is_named_as_such(tmp_path: Path) -> None:
    """Excel encrypts .xlsx into an OLE file with a stream EncryptedPackage."""
    path = tmp_path / "book.xlsx"
    XlsDoc().save(str(path), bytes(5_000))
    content = path.read_bytes()
    name = "Workbook".encode("utf-16-le")
    at = content.index(name)
    other = "EncryptedPackage".encode("utf-16-le")
    length = struct.pack("<H", len(other) + 2)
    path.write_bytes(content[:at] + other + content[at + len(other) : at + 64] + length + content[at + 66 :])
    assert refusal(path).what == "the Excel file is protected by a password"


def test_an_xlsx_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "Nien giam 2018r.xls"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    assert read_grids(path) == {"SXH": [["Tỉnh", 3]]}


def test_columns_are_called_as_excel_calls_them() -> None:
    assert [letters(column) for column in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


def write_xlsx(path: Path, title: str, grid: list[list[str | int]]) -> None:
    """The least that is an .xlsx."""
    rows = "".join(
        "<row>"
        + "".join(
            f'<c t="inlineStr"><is><t>{value}</t></is></c>' if isinstance(value, str) else f"<c><v>{value}</v></c>"
            for value in row
        )
        + "</row>"
        for row in grid
    )
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets>'
        f'<sheet name="{title}" sheetId="1" r:id="s"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="s" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{rows}</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
