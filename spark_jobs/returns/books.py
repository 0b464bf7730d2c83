"""The workbooks of a return: which files of a delivery come back, in which book, and what its summary says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from openpyxl import Workbook

from quality.contract import load_catalogue
from quality.delivery import FILES
from quality.refusal import Refusal
from spark_jobs.extracts import ALL
from spark_jobs.judging import Reason
from spark_jobs.layouts import delivery_of
from spark_jobs.returns.marked_workbook import BadRow, Mark, add_rows, copy_of, empty, is_workbook, mark_cells, save
from spark_jobs.returns.rejections import REASONS_AT_MOST, Rejections, rows_again
from spark_jobs.returns.rule_words import Words
from spark_jobs.returns.summary_sheets import Front, add_front

HERE = ZoneInfo("Asia/Ho_Chi_Minh")
TOGETHER = "Dòng sai"
SHAPE = "(hình học)"
NAMES_SHOWN = 20
RED_CELLS = "Ô tô đỏ là giá trị sai, ghi chú của ô nói vì sao."
CAUTION = "Bản này có thể chứa dữ liệu cá nhân: chỉ gửi cho đơn vị đã giao, không chuyển cho ai khác."
REFUSED = "Chưa nhận dòng nào của lần giao này; số liệu đã nhận trước đó giữ nguyên."

Group = Mapping[str, Sequence[Reason]]  # reasons by file


@dataclass(frozen=True)
class Return:
    """What is given back of one delivery."""

    words: Words
    lake: Path
    found: Rejections

    def write(self, folder: Path, stem: str) -> None:
        """One book, or numbered ones: a department's own books stay apart, all other files are put into one."""
        by_file = {name: list(some) for name, some in groupby(self.found.reasons, key=lambda reason: reason.file)}
        own = {name for name in by_file if is_workbook(self._paths[name])}
        groups: list[Group] = [{name: by_file[name]} for name in sorted(own)]
        if others := {name: some for name, some in by_file.items() if name not in own}:
            groups.append(others)
        groups = groups or [{}]
        digits = len(str(len(groups)))
        for number, group in enumerate(groups, 1):
            order = f" ({number:0{digits}d})" if len(groups) > 1 else ""
            save(self._book(group), folder / f"{stem}{order}.xlsx")

    @cached_property
    def _paths(self) -> dict[str, Path]:
        extract = self.found.extract
        return {file.name: extract.path(self.lake, file) for file in extract.files}

    @cached_property
    def _has_files(self) -> bool:
        """Pages of an API and answers of a database are no files that their department knows."""
        return delivery_of(self.words.contract).source in FILES

    def _book(self, group: Group) -> Workbook:
        """Of one Excel book, or of all files that are none."""
        theirs = self._copy(group)
        book = empty() if theirs is None else theirs
        marks: list[Mark] = []
        if theirs is None:
            for title, reasons in self._sheets(group):
                marks += self._add_rows(book, title, reasons)
        else:
            marks = mark_cells(book, [self._mark(reason) for reasons in group.values() for reason in reasons])
        add_front(book, Front(self._facts(group), self._rules()), marks, linked=theirs is not None)
        return book

    def _copy(self, group: Group) -> Workbook | None:
        paths = [self._paths[name] for name in group]
        return copy_of(paths[0]) if len(paths) == 1 and is_workbook(paths[0]) else None

    def _sheets(self, group: Group) -> list[tuple[str, Sequence[Reason]]]:
        if self._has_files:
            return [(_sheet_title(Path(name)), reasons) for name, reasons in group.items()]
        together = [reason for reasons in group.values() for reason in reasons]
        return [(TOGETHER, together)] if together else []

    def _add_rows(self, book: Workbook, title: str, reasons: Sequence[Reason]) -> list[Mark]:
        columns = self.words.contract.columns
        headings = {name: column.headings[0] for name, column in columns.items()}
        shapes = {name for name, column in columns.items() if column.type == "geometry"}
        rows = []
        for name, some in groupby(reasons, key=lambda reason: reason.file):
            path = self._paths[name]
            for row in rows_again(self.words.contract, path, self.found.extract.period, list(some)):
                shown = {column: SHAPE for column in shapes if row.values.get(column) is not None}
                rows.append(BadRow(row.file, row.sheet, row.line, {**row.values, **shown}))
                if not is_workbook(path):  # there, letters stand over a column
                    headings |= row.cells
        return add_rows(
            book, title, {name: headings[name] for name in columns}, rows, [self._mark(reason) for reason in reasons]
        )

    def _mark(self, reason: Reason) -> Mark:
        is_shape = self.words.contract.columns[reason.column].type == "geometry" and reason.rule != "required"
        return Mark(
            reason.file,
            reason.sheet,
            reason.line,
            reason.column,
            self.words.label(reason.column),
            reason.cell or "",
            SHAPE if is_shape else reason.value,
            self.words.rule(reason.column, reason.rule, reason.expected),
        )

    def _rules(self) -> list[tuple[str, int, str, str]]:
        words = self.words
        return [
            (words.label(r.column), r.rows, words.rule(r.column, r.name, r.expected), words.to_do(r.name))
            for r in self.found.rules
        ]

    def _facts(self, group: Group) -> list[tuple[str, object]]:
        contract, extract = self.words.contract, self.found.extract
        owner = load_catalogue().organisations.get(contract.owner)
        return [
            ("Bảng dữ liệu", f"{contract.title.vi} ({contract.table})"),
            ("Đơn vị giao", owner.title.vi if owner else contract.owner),
            ("Kỳ", "toàn bộ" if extract.period == ALL else extract.period),
            ("Lần giao", extract.sequence),
            ("Nhận lúc", datetime.fromisoformat(extract.fetched_at).astimezone(HERE).strftime("%d/%m/%Y %H:%M:%S")),
            ("Mã kiểm tra SHA-256", extract.sha256),
            *(self._refused(self.found.refusal) if self.found.refusal else self._counted(group)),
        ]

    def _refused(self, refusal: Refusal) -> list[tuple[str, object]]:
        """A refusal's words are English and technical, and stay so; where a file lies with us is nobody's business."""
        parts = {
            "Lý do": refusal.what,
            "Ở đâu": refusal.where,
            "Cần có": refusal.expected,
            "Tìm thấy": refusal.found,
            "Hướng xử lý": refusal.remedy,
        }
        return [
            ("Kết quả", f"Cả lần giao bị từ chối vì không đúng như đã thỏa thuận. {REFUSED}"),
            *((name, self._without_places(text)) for name, text in parts.items() if text),
            ("Cách sửa", "Sửa theo lý do trên (nguyên văn của chương trình), rồi giao lại vào chỗ cũ."),
        ]

    def _without_places(self, text: str) -> str:
        for name, path in self._paths.items():
            text = text.replace(str(path), name)
        return text.replace(str(self.found.extract.folder(self.lake)), self.words.contract.title.vi)

    def _counted(self, group: Group) -> list[tuple[str, object]]:
        commit, total = self.found.commit, sum(self.found.files.values())
        tolerated = f"{delivery_of(self.words.contract).rejected_at_most_pct:g}".replace(".", ",")
        facts: list[tuple[str, object]] = [
            (
                "Kết quả",
                f"Cả lần giao bị từ chối: số dòng sai vượt mức cho phép ({tolerated} %). {REFUSED}"
                if self.found.is_whole
                else "Các dòng đúng đã được nhận. Chỉ cần sửa các dòng bị trả lại.",
            ),
            ("Số dòng đã đọc", commit.read),
            ("Số dòng được nhận", 0 if self.found.is_whole else commit.read - commit.rejected),
            ("Số dòng bị trả lại", commit.rejected),
        ]
        if total != commit.rejected:
            facts.append(("Tính cả tệp chưa sửa của lần trước", total))
        if self._has_files:
            facts.append(("Tệp trong bản này", _some(list(group))))
        if left := sorted(self.found.files.keys() - set(self.found.shown)):
            facts.append((f"Còn {len(left)} tệp có dòng sai", f"{_some(left)}: trả lại sau khi các tệp này được sửa"))
        if any(len(reasons) >= REASONS_AT_MOST for reasons in group.values()):
            facts.append(("Giới hạn", f"Mỗi tệp chỉ đánh dấu {REASONS_AT_MOST} ô đầu tiên"))
        return [*facts, ("Cách sửa", self._how()), ("Lưu ý", CAUTION)]

    def _how(self) -> str:
        if self._has_files:
            return f"{RED_CELLS} Sửa trong tệp gốc, rồi giao lại cả tệp, tên cũ, vào chỗ cũ."
        return f"{RED_CELLS} Sửa trong hệ thống nguồn; lần lấy sau sẽ nhận giá trị đã sửa."


def _sheet_title(path: Path) -> str:
    """With its folder, for map sheets of all wards have the same names."""
    return f"{path.parent.name} {path.stem}".strip()


def _some(names: Sequence[str]) -> str:
    more = f" và {len(names) - NAMES_SHOWN} tệp khác" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
