from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from quality.contract import Contract
from spark_jobs.layouts import ExtractMismatch
from spark_jobs.layouts import delimited as tested
from spark_jobs.layouts.delimited import read
from tests.spark_jobs.books import in_tcvn3
from tests.spark_jobs.layouts.promises import PUPILS, Reading, column, plain, promise, reading

HEADING = "Mã học sinh;Họ tên;Ngày sinh;Điểm\n"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "lop 3a.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refusal(path: Path, contract: Contract = PUPILS) -> ExtractMismatch:
    with pytest.raises(ExtractMismatch) as caught:
        reading(read, path, contract)
    assert str(path) in caught.value.where
    assert "last good version stays" in caught.value.remedy
    return caught.value


def rows(found: Reading) -> list[tuple[object, ...]]:
    return list(zip(*(found.column(name) for name in PUPILS.columns), strict=True))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_delimiter_and_line_ends_are_found(file: Callable[..., Path], delimiter: str, line_end: str) -> None:
    lines = ["Mã học sinh;Họ tên;Ngày sinh;Điểm", "01;Trần An;05/09/2015;8.5", "02;Lê Bé;31/12/2014;"]
    content = line_end.join(line.replace(";", delimiter) for line in lines)
    found = reading(read, file(content), PUPILS)
    assert found.lines == [2, 3]
    for batch in found.batches:
        assert batch.sheet == ""
        assert batch.cells == {"code": "Mã học sinh", "name": "Họ tên", "born": "Ngày sinh", "mark": "Điểm"}
    assert rows(found) == [("01", "Trần An", "05/09/2015", "8.5"), ("02", "Lê Bé", "31/12/2014", None)]


def test_the_heading_says_which_delimiter_it_is_even_if_values_have_many_of_another(file: Callable[..., Path]) -> None:
    found = reading(read, file(HEADING + "01;Trần, An, Bình, Cường, Dũng;05/09/2015;8,5\n"), PUPILS)
    assert rows(found) == [("01", "Trần, An, Bình, Cường, Dũng", "05/09/2015", "8,5")]


def test_titles_and_blank_lines_stand_above_a_heading_in_any_order(file: Callable[..., Path]) -> None:
    content = '"Học sinh lớp 3, năm học 2025-2026"\r\n\r\nĐiểm;HỌ VÀ TÊN;Ngày sinh;mã học sinh\r\n..;An;..;01\r\n\r\n'
    found = reading(read, file(codecs.BOM_UTF8 + content.encode()), PUPILS)
    assert rows(found) == [("01", "An", None, None)]
    assert found.lines == [4]
    assert found.skipped == {"title line": 1, "blank line": 1}


def test_the_line_of_a_row_is_where_it_begins_in_the_file(file: Callable[..., Path]) -> None:
    found = reading(read, file(HEADING + '01;"Trần\r\nAn";1;1\n\r\n02;"Lê ""Bé""\n\n";2;2\r03;Cao;3;3\n'), PUPILS)
    assert found.lines == [2, 5, 8]
    assert found.column("name") == ["Trần\r\nAn", 'Lê "Bé"', "Cao"]


def test_text_is_tidied(file: Callable[..., Path]) -> None:
    found = reading(read, file(HEADING + "01;\u00a0Be\u0301\u00a0Ba \t; ;\n"), PUPILS)
    assert rows(found) == [("01", "Bé Ba", None, None)]


@pytest.mark.parametrize(
    "content",
    [
        (HEADING + "01;Trần Bình;1;1\n").encode("utf-16"),
        (HEADING + "01;Trần Bình;1;1\n").encode("utf-16-le"),
        in_tcvn3(HEADING.lower() + "01;Trần Bình;1;1\n").encode("latin-1"),
    ],
)
def test_other_encodings_are_read(file: Callable[..., Path], content: bytes) -> None:
    assert rows(reading(read, file(content), PUPILS)) == [("01", "Trần Bình", "1", "1")]


def test_an_encoding_that_cannot_be_told_is_refused(file: Callable[..., Path]) -> None:
    content = "code;name\n1;Société\n2;Générale\n".encode("cp1252")
    assert "cannot be told" in refusal(file(content), promise(column("code"), column("name"))).what


def test_a_row_with_too_few_fields_is_a_fault_of_the_first_column_it_lacks(file: Callable[..., Path]) -> None:
    found = reading(read, file(HEADING + "01;An\n02;Bé;1;1\n03\n"), PUPILS)
    assert rows(found) == [("01", "An", None, None), ("02", "Bé", "1", "1"), ("03", None, None, None)]
    assert found.faults == {
        "born": {0: "4 fields in the row, not 2"},
        "name": {2: "4 fields in the row, not 1"},
    }


def test_a_row_with_too_many_fields_is_a_fault_unless_they_are_blank(file: Callable[..., Path]) -> None:
    found = reading(read, file(HEADING + "01;Trần;An;1;1\n02;Bé;1;1;; \n"), PUPILS)
    assert found.faults == {"mark": {0: "4 fields in the row, not 5"}}
    assert rows(found)[1] == ("02", "Bé", "1", "1")


def test_a_quotation_mark_that_is_never_closed_is_refused_with_its_line(file: Callable[..., Path]) -> None:
    refused = refusal(file(HEADING + '01;An;1;1\n02;"Bé;1;1\n03;Cao;1;1\n'))
    assert "not closed" in refused.what
    assert "begins in line 3" in refused.where


def test_a_quotation_mark_that_is_closed_too_early_is_refused_with_its_line(file: Callable[..., Path]) -> None:
    assert "begins in line 2, up to line 2" in refusal(file(HEADING + '01;"Quán "Bé" 3";1;1\n')).where


def test_a_field_of_megabytes_is_refused(file: Callable[..., Path]) -> None:
    refused = refusal(file(HEADING + "01;An;1;1\n02;" + "x" * 10_000_000 + ";1;1\n"))
    assert "begins in line 3" in refused.where
    assert "1,048,576" in refused.expected


def test_thousands_of_columns_are_refused(file: Callable[..., Path]) -> None:
    columns = ";".join(["Mã học sinh", *(f"c{number}" for number in range(4_999))])
    assert refusal(file(columns + "\n")).what == "there are too many columns"


def test_nul_bytes_are_refused(file: Callable[..., Path]) -> None:
    assert refusal(file(HEADING.encode() + b"01;\0\0\0;1;1\n")).what == "the file is no text"


def test_an_empty_file_is_refused(file: Callable[..., Path]) -> None:
    assert refusal(file("")).what == "the file is empty"
    assert refusal(file("\ufeff \n\n")).what == "the file is empty"


def test_a_file_without_the_heading_is_refused_with_its_first_lines(file: Callable[..., Path]) -> None:
    refused = refusal(file("id,value\n1,2\n"))
    assert refused.found == "'id,value'; '1,2'"
    assert "'Mã học sinh'" in refused.expected


def test_a_renamed_column_is_refused_with_both_names(file: Callable[..., Path]) -> None:
    refused = refusal(file("Danh sách\nMã HS;Họ tên;Ngày sinh;Điểm\n01;An;1;1\n"))
    assert "'Mã HS' looks like 'Mã học sinh'" in refused.found
    assert refused.where.endswith("heading in line 2")


def test_an_added_column_is_kept_apart_and_warned_of(file: Callable[..., Path]) -> None:
    path = file("Mã học sinh;Họ tên;STT;Ngày sinh;Điểm;Ghi chú\n01;An;1;2;3;mới\n")
    found = reading(read, path, PUPILS)
    assert plain(found.batches[0].unexpected) == {"Ghi chú": ["mới"]}
    assert found.tally.warnings == [f"{path} has columns that the contract does not know: 'Ghi chú'"]


def test_values_below_no_heading_are_refused_with_their_place(file: Callable[..., Path]) -> None:
    refused = refusal(file("Mã học sinh;Họ tên;Ngày sinh;Điểm;\n01;An;1;1;\n02;Bé;1;1;?\n"))
    assert refused.what == "a column with values has no heading"
    assert refused.where.endswith("line 3, field 5")


def test_a_line_of_column_numbers_under_the_heading_is_no_data(file: Callable[..., Path]) -> None:
    found = reading(read, file(HEADING + "(1);(2);(3);(4)\n1;2;3;4\n"), PUPILS)
    assert found.lines == [3]
    assert found.skipped == {"line of column numbers": 1}


def test_batches_are_of_bounded_size_and_arrays(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "ROWS", 2)
    found = reading(read, file(HEADING + "".join(f"{n};An;1;{n}\n" for n in range(5))), PUPILS)
    assert [list(batch.lines) for batch in found.batches] == [[2, 3], [4, 5], [6]]
    assert found.column("mark") == ["0", "1", "2", "3", "4"]
    assert isinstance(found.batches[0].columns["mark"], pa.StringArray)


# What stands in the second of three megabytes, each line a row of four fields of pupils.
WITHIN = {
    "nothing odd": "",
    "marks around every field": '"01";"Trần; An ""Bé""";"05/09/2015";"8,5"\n',
    "carriage returns": "01;Trần An;05/09/2015;8,5\r\n02;\xa0 Lê Bé ;..;\r\n",
    "a row of blanks": ";;;\n .. ;\xa0;;\n",
    "a blank line": "\n",
    "a field of two lines": '01;"Trần\nAn";05/09/2015;8,5\n',
    "a row with too few fields": "01;Trần An\n",
    "a row with too many": "01;Trần An;05/09/2015;8,5;?\n",
    "a mark in a name": '01;Trần "Bé" An;05/09/2015;8,5\n',
    "an old line end": "01;Trần An;05/09/2015;8,5\r02;Lê Bé;31/12/2014;\r",
}


MARKED = {
    "marks within": '"01";"Trần; An ""Bé""";"05/09/2015";"8,5"\n',
    "a marked field of two lines": '"01";"Trần\nAn";"05/09/2015";"8,5"\n',
    "a marked row with too few fields": '"01";"Trần An"\n',
    "marks around nothing": '"";"";"05/09/2015";"8,5"\r\n',
}


@pytest.mark.parametrize(
    ("line", "odd"),
    [
        *(pytest.param("{};Nguyễn Văn {};05/09/2015;8,5\n", odd, id=name) for name, odd in WITHIN.items()),
        *(pytest.param('"{}";"Nguyễn Văn {}";"05/09/2015";"8,5"\n', odd, id=name) for name, odd in MARKED.items()),
    ],
)
def test_a_large_file_is_read_the_same_many_rows_at_once_and_row_by_row(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, line: str, odd: str
) -> None:
    megabyte = "".join(line.format(number, number) for number in range(27_000))
    path = file(HEADING + megabyte + odd + megabyte)
    at_once = reading(read, path, PUPILS)
    assert len(at_once.batches) > 2
    monkeypatch.setattr(tested, "count_lines", lambda *_: None)
    by_row = reading(read, path, PUPILS)
    assert rows(at_once) == rows(by_row)
    assert list(at_once.lines) == list(by_row.lines)
    assert at_once.skipped == by_row.skipped


@pytest.mark.parametrize(
    "line",
    [
        '"01"Trần;An;05/09/2015;8,5\n',
        '01;""An"";05/09/2015;8,5\n',
        '01;"An;05/09/2015;8,5\n',
        '01;"Trần;"An";Bé";05/09/2015;8,5\n',
        '01;"Trần ;05/09/2015;"8,5"\n',
    ],
)
def test_marks_that_are_closed_too_early_are_refused_anywhere_in_a_large_file(
    file: Callable[..., Path], line: str
) -> None:
    megabyte = "".join(f"{number};Nguyễn Văn {number};05/09/2015;8,5\n" for number in range(27_000))
    refused = refusal(file(HEADING + megabyte + line + "01;An;05/09/2015;8,5\n"))
    assert "27002" in refused.where.replace(",", "")
