"""A delivery that goes back: which books are written, what they tell, and that they are sent once."""

from __future__ import annotations

import dataclasses
import json
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import openpyxl
import pytest

from quality.contract import Column, Contract, Text
from quality.delivery import Delivery
from quality.refusal import Refusal
from spark_jobs import raw
from spark_jobs.connectors import variable
from spark_jobs.environment import Environment
from spark_jobs.extracts import Extract, File, extracts_of
from spark_jobs.fetch import fetch
from spark_jobs.ingest import Options as IngestOptions
from spark_jobs.ingest import ingest
from spark_jobs.judging import Reason
from spark_jobs.layouts import ExtractMismatch
from spark_jobs.returns.books import Return
from spark_jobs.returns.rejections import Rejections, Rule
from spark_jobs.returns.rule_words import Words
from spark_jobs.send_back import Options, send_back
from spark_jobs.tolerance import DeliveryRefused
from tests.spark_jobs.books import Cell, sheet, zeros

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Deliver = Callable[..., None]
Values = list[list[Any]]


def text(vietnamese: str) -> Text:
    return Text(vietnamese, "-")


@pytest.fixture
def staff() -> Contract:
    """Doctors in CSV files, one a ward: a code, a personal name, a day of birth."""
    columns = {
        "code": Column("code", "string", "none", text("Mã số"), text("-"), heading=("ma so",)),
        "name": Column("name", "string", "basic", text("Họ tên"), text("-"), heading=("ho ten",)),
        "born": Column("born", "date", "none", text("Ngày sinh"), text("-"), heading=("ngay sinh",)),
    }
    delivery = Delivery(
        "folder", "delimited", "snapshot", "month", 50, files=r"(?P<part>[a-z ]+)\.csv", dates="dd/mm/yyyy"
    )
    table = f"test_{uuid4().hex[:8]}.staff"
    return Contract(
        table,
        Path("staff.yml"),
        text("Người hành nghề"),
        text("-"),
        "",
        "so-y-te",
        ("code",),
        1,
        columns,
        None,
        delivery,
        "c",
    )


@pytest.fixture
def inbox(staff: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The department's folder."""
    folder = tmp_path / "sở y tế"
    folder.mkdir()
    monkeypatch.setenv(variable(staff.schema, "folder"), str(folder))
    return folder


@pytest.fixture
def alone(tmp_path: Path) -> Environment:
    """A lake without an engine."""
    return Environment(tmp_path / "hồ", str(tmp_path / "kho"), "sc://127.0.0.1:1")


def broken(file: str, line: int, column: str, value: str | None, rule: str, **more: str) -> Reason:
    """A reason, as ingest leaves it. `more`: sheet, cell, expected."""
    cell, expected = more.get("cell"), more.get("expected", "a date such as 31/12/2025")
    return Reason(file, more.get("sheet", ""), line, column, cell, value, rule, expected)


def told(extract: Extract, reasons: Sequence[Reason], files: Mapping[str, int], **more: Any) -> Rejections:
    commit = raw.Commit(extract.period, extract.sha256, "", read=10, rejected=sum(files.values()))
    return Rejections(extract, commit, is_whole=False, files=files, reasons=reasons, **more)


def values(path: Path, title: str) -> Values:
    return [[cell.value for cell in row] for row in openpyxl.load_workbook(path)[title]]


def facts(path: Path) -> dict[str, Any]:
    """What the summary says, until its first empty line."""
    return {row[0]: row[1] for row in values(path, "Tóm tắt") if row[0]}


def comments(path: Path, title: str) -> dict[str, str]:
    """Of the cells that are filled."""
    cells = [cell for row in openpyxl.load_workbook(path)[title] for cell in row]
    return {c.coordinate: c.comment.text if c.comment else "" for c in cells if c.fill.start_color.rgb == "00FFC7CE"}


def test_bad_rows_of_texts_come_back_as_they_were_written_a_sheet_a_file(
    staff: Contract, inbox: Path, tmp_path: Path, alone: Environment
) -> None:
    (inbox / "ben nghe.csv").write_text(
        "ngay sinh;ma so;ho ten\n05/09/1975;001;Trần Thị Bình\n31/02/1980;002;Lê Văn Châu\n", encoding="utf-8"
    )
    (inbox / "da kao.csv").write_text("MÃ SỐ,HỌ TÊN,NGÀY SINH\n003,,01/01/1990\n", encoding="utf-8")
    fetch(staff, alone.lake)
    (extract,) = extracts_of(alone.lake, staff.table)["all"]
    reasons = [
        broken("ben nghe.csv", 3, "born", "31/02/1980", "form", cell="ngay sinh"),
        broken("ben nghe.csv", 3, "name", "***", "matches", cell="ho ten"),
        broken("da kao.csv", 2, "name", None, "required", cell="HỌ TÊN"),
    ]
    rules = [Rule("born", "form", "a date such as 31/12/2025", 1), Rule("name", "required", "a value", 1)]
    found = told(extract, reasons, {"ben nghe.csv": 1, "da kao.csv": 1}, rules=rules)
    Return(Words(staff), alone.lake, found).write(tmp_path, "Tra lai staff all")
    path = tmp_path / "Tra lai staff all.xlsx"
    assert openpyxl.load_workbook(path).sheetnames == ["Tóm tắt", "Trả lại", "ben nghe", "da kao"]
    assert values(path, "ben nghe") == [
        ["Tệp", "Trang tính", "Dòng", "ma so", "ho ten", "ngay sinh"],
        ["ben nghe.csv", None, 3, "002", "Lê Văn Châu", "31/02/1980"],
    ]
    assert values(path, "da kao") == [
        ["Tệp", "Trang tính", "Dòng", "MÃ SỐ", "HỌ TÊN", "NGÀY SINH"],
        ["da kao.csv", None, 2, "003", None, "01/01/1990"],
    ]
    assert comments(path, "da kao") == {"E2": "Họ tên: không được để trống. Tìm thấy: (ô trống)"}
    assert comments(path, "ben nghe").keys() == {"E2", "F2"}
    assert [row[:5] for row in values(path, "Trả lại")[1:]] == [
        ["ben nghe.csv", None, 3, "Ngày sinh", "31/02/1980"],
        ["ben nghe.csv", None, 3, "Họ tên", "Lê Văn Châu"],
        ["da kao.csv", None, 2, "Họ tên", "(ô trống)"],
    ]
    summary = values(path, "Tóm tắt")
    assert facts(path)["Đơn vị giao"] == "Sở Y tế"
    assert [facts(path)[name] for name in ("Số dòng đã đọc", "Số dòng được nhận", "Số dòng bị trả lại")] == [10, 8, 2]
    assert facts(path)["Mã kiểm tra SHA-256"] == extract.sha256
    assert summary[-2:] == [
        [
            "Ngày sinh",
            1,
            "viết không đúng dạng; phải là ngày có thật, viết như 31/12/2025",
            "Sửa giá trị cho đúng dạng",
        ],
        ["Họ tên", 1, "không được để trống", "Điền giá trị vào ô trống"],
    ]


def test_workbooks_of_theirs_come_back_one_by_one_and_those_left_out_are_named(
    staff: Contract, inbox: Path, tmp_path: Path, alone: Environment
) -> None:
    assert staff.delivery
    delivery = dataclasses.replace(staff.delivery, layout="workbook", files=r"(?P<part>[a-z]+)\.xlsx")
    books = dataclasses.replace(staff, delivery=delivery)
    for name in ("ba", "hai", "mot"):
        book = openpyxl.Workbook()
        book.worksheets[0].append(["ma so", "ho ten", "ngay sinh"])
        book.worksheets[0].append([name, "Lê Văn Châu", "31/02/1980"])
        book.save(inbox / f"{name}.xlsx")
    fetch(books, alone.lake)
    (extract,) = extracts_of(alone.lake, books.table)["all"]
    reasons = [
        broken(f"{name}.xlsx", 2, "born", "31/02/1980", "form", cell="C2", sheet="Sheet") for name in ("ba", "hai")
    ]
    found = told(extract, reasons, {"ba.xlsx": 1, "hai.xlsx": 1, "mot.xlsx": 1})
    Return(Words(books), alone.lake, found).write(tmp_path, "Tra lai staff all")
    written = sorted(tmp_path.glob("*.xlsx"))
    assert [path.name for path in written] == ["Tra lai staff all (1).xlsx", "Tra lai staff all (2).xlsx"]
    assert [facts(path)["Tệp trong bản này"] for path in written] == ["ba.xlsx", "hai.xlsx"]
    assert facts(written[0])["Còn 1 tệp có dòng sai"] == "mot.xlsx: trả lại sau khi các tệp này được sửa"
    assert comments(written[1], "Sheet").keys() == {"C2"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_pages_of_an_api_come_back_as_one_list(staff: Contract, tmp_path: Path, alone: Environment) -> None:
    assert staff.delivery
    delivery = dataclasses.replace(staff.delivery, source="http", layout="json_pages", files="", resource="/v1/staff")
    pages = dataclasses.replace(staff, delivery=delivery)
    files = []
    folder = alone.lake / "extracts" / pages.schema / "staff" / "all" / "0001"
    folder.mkdir(parents=True)
    for number in (1, 2):
        rows = [{"ma so": f"00{number}", "ho ten": "Lê Văn Châu", "ngay sinh": "31/02/1980", "them": 1}]
        path = folder / f"page-{number}.json"
        path.write_text(json.dumps({"page": number, "data": rows}), encoding="utf-8")
        files.append(File(path.name, path.name, "", 1, str(number), "all/0001"))
    extract = Extract(pages.table, "all", 1, "http", "abc", "2026-07-31T01:00:00+00:00", tuple(files))
    reasons = [broken(file.name, 1, "born", "31/02/1980", "form", cell="ngay sinh") for file in files]
    found = told(extract, reasons, {file.name: 1 for file in files})
    Return(Words(pages), alone.lake, found).write(tmp_path, "Tra lai staff all")
    path = tmp_path / "Tra lai staff all.xlsx"
    assert openpyxl.load_workbook(path).sheetnames == ["Tóm tắt", "Trả lại", "Dòng sai"]
    assert values(path, "Dòng sai")[1:] == [
        ["page-1.json", None, 1, "001", "Lê Văn Châu", "31/02/1980"],
        ["page-2.json", None, 1, "002", "Lê Văn Châu", "31/02/1980"],
    ]
    assert facts(path)["Nhận lúc"] == "31/07/2026 08:00:00"
    assert "hệ thống nguồn" in facts(path)["Cách sửa"]


def test_a_shape_that_crosses_itself_comes_back_as_the_record_that_it_is(
    staff: Contract, inbox: Path, tmp_path: Path, alone: Environment
) -> None:
    assert staff.delivery
    columns = {
        "code": dataclasses.replace(staff.columns["code"], heading=("ma thua",)),
        "shape": Column("shape", "geometry", "none", text("Ranh giới"), text("-")),
    }
    delivery = dataclasses.replace(staff.delivery, layout="map_sheet", files=r"(?P<part>.+)\.geojson", crs=(9210,))
    maps = dataclasses.replace(staff, columns=columns, delivery=delivery)
    west, south = 600_000, 1_190_000
    bow = [[west, south], [west + 9, south + 9], [west + 9, south], [west, south + 9], [west, south]]
    features = [
        {"type": "Feature", "properties": {"ma thua": code}, "geometry": {"type": "Polygon", "coordinates": [bow]}}
        for code in ("001", "002")
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::9210"}}
    (inbox / "ben-nghe").mkdir()
    (inbox / "ben-nghe" / "DC1.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}), encoding="utf-8"
    )
    fetch(maps, alone.lake)
    (extract,) = extracts_of(alone.lake, maps.table)["all"]
    name, crossing = "ben-nghe/DC1.geojson", "a polygon that does not cross itself (Self-intersection[4.5 4.5])"
    reason = broken(name, 2, "shape", None, "form", cell="geometry", sheet="DC1", expected=crossing)
    Return(Words(maps), alone.lake, told(extract, [reason], {name: 1})).write(tmp_path, "Tra lai staff all")
    path = tmp_path / "Tra lai staff all.xlsx"
    assert values(path, "ben-nghe DC1") == [
        ["Tệp", "Trang tính", "Dòng", "ma thua", "geometry"],
        [name, "DC1", 2, "002", "(hình học)"],
    ]
    said = "viết không đúng dạng; phải là đa giác hợp lệ, không tự cắt (tự cắt [4.5 4.5])"
    assert comments(path, "ben-nghe DC1") == {"E2": f"Ranh giới: {said}. Tìm thấy: (hình học)"}


def test_a_delivery_that_cannot_be_read_comes_back_as_the_reason_why(
    staff: Contract, inbox: Path, alone: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    (inbox / "ben nghe.csv").write_text("ma so;ho ten\n001;Trần Thị Bình\n", encoding="utf-8")
    fetch(staff, alone.lake)
    send_back(Words(staff), alone, Options())
    path = alone.lake / "returns" / staff.schema / "staff" / "all" / "Tra lai staff all.xlsx"
    assert f"return {staff.table}: {path}" in capsys.readouterr().out
    assert openpyxl.load_workbook(path).sheetnames == ["Tóm tắt"]
    said = facts(path)
    assert said["Kết quả"].startswith("Cả lần giao bị từ chối")
    assert said["Lý do"] == "a promised column is missing: 'ngay sinh'"
    assert said["Ở đâu"] == "ben nghe.csv, heading in line 1"
    assert str(alone.lake) not in str(values(path, "Tóm tắt"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not list((alone.lake / "reading").iterdir())


def test_a_return_is_laid_into_the_inbox_once(
    staff: Contract, inbox: Path, alone: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    (inbox / "ben nghe.csv").write_text("ma so;ho ten\n001;Trần Thị Bình\n", encoding="utf-8")
    fetch(staff, alone.lake)
    send_back(Words(staff), alone, Options(to_sender=True))
    sent = inbox / "tra-lai" / "Tra lai staff all.xlsx"
    assert facts(sent)["Lý do"] == "a promised column is missing: 'ngay sinh'"
    sent.unlink()
    capsys.readouterr()
    send_back(Words(staff), alone, Options(to_sender=True))
    assert "is in the inbox already" in capsys.readouterr().out
    assert not sent.exists()
    (inbox / "ben nghe.csv").write_text("ma so;ten\n001;Trần Thị Bình\n", encoding="utf-8")
    fetch(staff, alone.lake)  # the return that lies in the inbox is no delivery
    send_back(Words(staff), alone, Options(to_sender=True))
    assert facts(sent)["Lý do"] == "promised columns are missing: 'ho ten', 'ngay sinh'"


def test_who_has_no_inbox_is_told_where_the_files_lie(
    staff: Contract, inbox: Path, alone: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inbox / "ben nghe.csv").write_text("ma so;ho ten\n001;Trần Thị Bình\n", encoding="utf-8")
    fetch(staff, alone.lake)
    assert staff.delivery
    pages = dataclasses.replace(staff, delivery=dataclasses.replace(staff.delivery, source="http", files=""))
    out = tmp_path / "ra"
    send_back(Words(pages), alone, Options(output=out, to_sender=True))
    assert f"from http, which has no inbox; hand over what lies in {out}" in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == ["Tra lai staff all.xlsx"]
    assert not list((alone.lake / "returns" / staff.schema / "staff").iterdir())


def test_another_return_of_the_same_period_takes_the_place_of_the_last_and_of_nothing_else(
    staff: Contract, inbox: Path, alone: Environment, tmp_path: Path
) -> None:
    (inbox / "ben nghe.csv").write_text("ma so;ho ten\n001;Trần Thị Bình\n", encoding="utf-8")
    fetch(staff, alone.lake)
    kept = ["Tra lai staff all 2.xlsx", "Tra lai staff 2026.xlsx", "của tôi.xlsx"]
    for name in [*kept, "Tra lai staff all (01).xlsx", "Tra lai staff all.xlsx"]:
        (tmp_path / name).write_bytes(b"old")
    send_back(Words(staff), alone, Options(output=tmp_path))
    left = sorted(path.name for path in tmp_path.glob("*.xlsx"))
    assert left == sorted([*kept, "Tra lai staff all.xlsx"])
    assert facts(tmp_path / "Tra lai staff all.xlsx")["Lần giao"] == 1


def test_a_delivery_that_nobody_ingested_is_not_returned(staff: Contract, inbox: Path, alone: Environment) -> None:
    (inbox / "ben nghe.csv").write_text("ma so;ho ten;ngay sinh\n001;Trần Thị Bình;05/09/1975\n", encoding="utf-8")
    fetch(staff, alone.lake)
    with pytest.raises(Refusal, match="has not been judged yet") as caught:
        send_back(Words(staff), alone, Options())
    assert f"kho ingest {staff.table}" in caught.value.remedy


def test_without_a_delivery_there_is_nothing_to_return(
    staff: Contract, alone: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    send_back(Words(staff), alone, Options())
    assert capsys.readouterr().out == f"return {staff.table}: nothing to return, nothing was delivered yet\n"
    with pytest.raises(Refusal, match="no extract") as caught:
        send_back(Words(staff), alone, Options(period="2099"))
    assert caught.value.expected == "one of none yet"


def with_cell(column: int, value: Cell) -> list[Cell]:
    """24 zeros, but for one."""
    found = zeros()
    found[column] = value
    return found


def test_a_refused_yearbook_comes_back_marked_until_it_is_corrected(
    deliver: Deliver, reports: Contract, corner: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver({"SXH": sheet({"Hà Nội": with_cell(2, "nhiều"), "Sài Côn": zeros()})})
    with pytest.raises(DeliveryRefused):
        ingest(reports, corner, IngestOptions())
    send_back(Words(reports), corner, Options("2018", to_sender=True))
    path = corner.lake / "returns" / reports.schema / "reports" / "2018" / "Tra lai reports 2018.xlsx"
    assert openpyxl.load_workbook(path).sheetnames == ["Tóm tắt", "Trả lại", "SXH"]
    assert comments(path, "SXH") == {
        "D3": "Số mắc: viết không đúng dạng; phải là số nguyên, viết như 1234. Tìm thấy: nhiều",
        "A4": "Tỉnh: không có trong danh mục tên tỉnh, thành phố. Tìm thấy: Sài Côn",
    }
    assert [row[1:5] for row in values(path, "Trả lại")[1:]] == [
        ["SXH", 3, "Số mắc", "nhiều"],
        ["SXH", 4, "Tỉnh", "Sài Côn"],
    ]
    said = facts(path)
    assert said["Kết quả"].startswith("Cả lần giao bị từ chối: số dòng sai vượt mức cho phép (0 %)")
    assert [said[name] for name in ("Số dòng đã đọc", "Số dòng được nhận", "Số dòng bị trả lại")] == [24, 0, 13]
    assert [row[:2] for row in values(path, "Tóm tắt")[-2:]] == [["Tỉnh", 12], ["Số mắc", 1]]
    assert comments(tmp_path / "tra-lai" / path.name, "SXH").keys() == {"D3", "A4"}
    capsys.readouterr()
    send_back(Words(reports), corner, Options(to_sender=True))
    assert "is in the inbox already" in capsys.readouterr().out
    assert comments(path, "SXH").keys() == {"D3", "A4"}
    deliver({"SXH": sheet({"Hà Nội": zeros()})})
    ingest(reports, corner, IngestOptions())
    capsys.readouterr()
    send_back(Words(reports), corner, Options())
    assert capsys.readouterr().out == f"return {reports.table} 2018: nothing to return\n"
    assert not path.parent.exists()


def test_personal_values_go_back_to_their_owner_and_rows_of_files_that_did_not_change_too(
    staff: Contract, inbox: Path, corner: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    heading = "ma so;ho ten;ngay sinh\n"
    personal = dataclasses.replace(staff.columns["name"], one_of=("Trần Thị Bình",))
    strict = dataclasses.replace(staff, columns={**staff.columns, "name": personal})
    (inbox / "ben nghe.csv").write_text(
        f"{heading}001;Lê Văn Châu;05/09/1975\n002;Trần Thị Bình;05/09/1975\n", encoding="utf-8"
    )
    (inbox / "da kao.csv").write_text(f"{heading}003;Trần Thị Bình;05/09/1975\n", encoding="utf-8")
    fetch(strict, corner.lake)
    ingest(strict, corner, IngestOptions())
    (inbox / "da kao.csv").write_text(
        f"{heading}003;Trần Thị Bình;05/09/1975\n003;Trần Thị Bình;05/09/1975\n004;Trần Thị Bình;05/09/1975\n",
        encoding="utf-8",
    )
    fetch(strict, corner.lake)
    with pytest.raises(DeliveryRefused):
        ingest(strict, corner, IngestOptions())
    capsys.readouterr()
    send_back(Words(strict), corner, Options())
    assert "Châu" not in capsys.readouterr().out
    path = corner.lake / "returns" / strict.schema / "staff" / "all" / "Tra lai staff all.xlsx"
    assert [row[:5] for row in values(path, "Trả lại")[1:]] == [
        ["ben nghe.csv", None, 2, "Họ tên", "Lê Văn Châu"],
        ["da kao.csv", None, 2, "Mã số", "003"],
        ["da kao.csv", None, 3, "Mã số", "003"],
    ]
    assert values(path, "ben nghe")[1:] == [["ben nghe.csv", None, 2, "001", "Lê Văn Châu", "05/09/1975"]]
    assert facts(path)["Tính cả tệp chưa sửa của lần trước"] == 3
    assert facts(path)["Số dòng bị trả lại"] == 2


def test_a_correction_with_fewer_files_comes_back_as_the_reason_why(
    staff: Contract, inbox: Path, corner: Environment
) -> None:
    for name in ("ben nghe", "da kao"):
        (inbox / f"{name}.csv").write_text(f"ma so;ho ten;ngay sinh\n{name};A;05/09/1975\n", encoding="utf-8")
    fetch(staff, corner.lake)
    ingest(staff, corner, IngestOptions())
    (inbox / "da kao.csv").unlink()
    fetch(staff, corner.lake)
    with pytest.raises(ExtractMismatch, match="fewer files"):
        ingest(staff, corner, IngestOptions())
    send_back(Words(staff), corner, Options())
    path = corner.lake / "returns" / staff.schema / "staff" / "all" / "Tra lai staff all.xlsx"
    assert facts(path)["Tìm thấy"] == "no da kao.csv"
