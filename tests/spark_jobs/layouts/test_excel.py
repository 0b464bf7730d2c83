from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter
import xlwt
from xlwt.CompoundDoc import XlsDoc

from spark_jobs.layouts import ExtractMismatch
from spark_jobs.layouts.excel import letters, read_grids, read_sheets
from spark_jobs.layouts.package import extent_of


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


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("../../etc/cron.d/x", b"x", "points outside"),
        ("/etc/passwd", b"x", "points outside"),
        ("xl\\..\\..\\x", b"x", "points outside"),
        ("xl/embeddings/other.xlsx", b"x", "an archive within the archive"),
        ("xl/media/big.bin", bytes(2 << 20), "a member that swells to 2,097,152 bytes"),
    ],
)
def test_an_archive_with_a_strange_member_is_not_opened(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    refused = refusal(path)
    assert refused.what == "the file is no Excel book that can be opened safely"
    assert found in refused.found


def test_a_member_in_a_packing_of_its_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("xl/theme.xml", "<a/>")
    assert "packed as Excel never does" in refusal(path).found


def test_an_archive_whose_directory_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    content = path.read_bytes()
    path.write_bytes(content[:40] + content[60:])
    assert refusal(path).what == "the Excel file is damaged or cut short"


def test_a_link_in_the_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    link = zipfile.ZipInfo("xl/worksheets/sheet2.xml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "a link" in refusal(path).found


def test_an_archive_of_thousands_of_members_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(2_000):
            archive.writestr(f"xl/{number}.bin", b"")
    assert refusal(path).found == "2,005 members; at most 2,000 are read"


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/workbook.xml", "<workbook/>")
    assert refusal(path).found == "two members of the same name"


def test_an_archive_that_is_no_book_is_named(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("report.csv", "a,b")
    assert refusal(path).found == "an archive without [Content_Types].xml and workbook.xml: report.csv"


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        f"<!--{' ' * 3_000_000}--><!DOCTYPE x>",
    ],
)
@pytest.mark.parametrize("member", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"])
def test_xml_that_declares_entities_is_refused_wherever_it_stands(
    tmp_path: Path, declaration: str, member: str
) -> None:
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    rewrite(path, member, lambda content: declaration.encode() + content)
    refused = refusal(path)
    assert refused.what == "the Excel file has XML that no Excel writes"
    assert refused.where == f"{path}, member {member}"


@pytest.mark.parametrize("cell", ["XFD1048576", "Z1048576", "XFD2000"])
def test_a_cell_far_out_does_not_take_the_memory(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("SXH")
        sheet.write("A1", "Tỉnh")
        sheet.write(cell, " ")
    refused = refusal(path)
    assert refused.what == "a sheet reaches too far"
    assert refused.where == f"{path}, sheet SXH"
    assert refused.found.endswith("with 2 cells")


def test_the_columns_of_a_sheet_are_counted_to_the_last(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    for cell, columns in (("B2", 2), ("Z1", 26), ("AA9", 27), ("AZ1", 52), ("ZZ1", 702), ("AAB1", 704)):
        with xlsxwriter.Workbook(path) as book:
            sheet = book.add_worksheet("SXH")
            sheet.write("A1", "x")
            sheet.write(cell, "x")
        with zipfile.ZipFile(path) as archive:
            assert extent_of(path, archive, "xl/worksheets/sheet1.xml").columns == columns


def test_damaged_bytes_within_the_archive_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]] * 50)
    content = bytearray(path.read_bytes())
    at = content.index(b"<sheetData>")
    content[at : at + 4] = b"<she"[::-1]
    path.write_bytes(content)
    assert "Bad CRC-32" in refusal(path).found


def test_cells_with_an_error_are_known_with_their_text(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Giá đất")
        sheet.write_formula("B2", "=1/0", value="#DIV/0!")
        sheet.write_formula("AB3", "=NA()", value="#N/A")
        sheet.write("A3", "#REF!")
        book.add_worksheet("Khác").write("A1", 1)
    found = {sheet.name: sheet.errors for sheet in read_sheets(path)}
    assert found == {"Giá đất": {(1, 1): "#DIV/0!", (2, 27): "#N/A"}, "Khác": {}}


def test_errors_are_known_also_where_a_prefix_stands_before_every_tag(tmp_path: Path) -> None:
    """As Microsoft's Open XML SDK writes it."""
    path = tmp_path / "book.xlsx"
    write_xlsx(path, "SXH", [["Tỉnh", 3]])
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = (
        f'<x:worksheet xmlns:x="{main}"><x:sheetData><x:row r="2"><x:c r="C2" t="e"><x:v>#VALUE!</x:v></x:c>'
        "</x:row></x:sheetData></x:worksheet>"
    )
    rewrite(path, "xl/worksheets/sheet1.xml", lambda _: sheet.encode())
    assert [sheet.errors for sheet in read_sheets(path)] == [{(1, 2): "#VALUE!"}]


def test_rows_know_their_place_also_where_nothing_stands_above_or_left(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("SXH").write_row("C5", [1, "x"])
    (sheet,) = read_sheets(path)
    nothing = ["", "", "", ""]
    assert list(sheet.rows()) == [(0, nothing), (1, nothing), (2, nothing), (3, nothing), (4, ["", "", 1.0, "x"])]


def rewrite(path: Path, member: str, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, change(content) if name == member else content)


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
