"""Any workbook of the departments: title lines, a heading of one or two lines, rows, and what stands around them.

Sheets in which less than half of the promised headings stand are look-up lists and are counted, not read. Values come
as Excel keeps them: formulas as their last result, dates as dates; whole numbers, which Excel keeps as floats, as int.
A text that is merged over several lines holds for each of them; a number is not repeated, for sums would count it
twice. Cells with an Excel error are faults (.xls: blank, see `excel.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path

from quality.contract import Contract
from spark_jobs.layouts import AGAIN, Batch, ExtractMismatch, Tally, delivery_of
from spark_jobs.layouts.encoding import decode_cells, tidy
from spark_jobs.layouts.excel import Row, Sheet, letters, read_sheets
from spark_jobs.layouts.headings import RUNNING_NUMBERS, Matched, fold, match, refuse_missing, refuse_nameless
from spark_jobs.layouts.line_kinds import LineKinds
from spark_jobs.layouts.title_block import WITHIN, Heading, below, fill, find_heading

ROWS = 10_000  # of a batch
SAMPLE = 2_000  # lines of a sheet by which its encoding is told
NO_ERROR = "a value, not an Excel error"
LARGEST_WHOLE = 2.0**63

Lines = Iterator[tuple[int, Row]]


def read(path: Path, contract: Contract, period: str, tally: Tally) -> Iterator[Batch]:  # noqa: ARG001  the interface's
    """Every sheet with the promised headings. Raises ExtractMismatch if a promised sheet or column is missing."""
    promised = {fold(name): name for name in delivery_of(contract).sheets}
    seen: list[str] = []
    poor: list[_Poor] = []
    read_any = False
    for sheet in read_sheets(path):
        seen.append(sheet.name)
        top = _top(sheet, contract, f"{path}, sheet {sheet.name}")
        is_promised = promised.pop(fold(sheet.name), None) is not None
        if top.known * 2 < len(contract.columns) and not is_promised:
            tally.skipped["look-up sheet" if top.head else "empty sheet"] += 1
            poor.append(_Poor(top.where, top.heading, top.known))
            continue
        read_any = True
        yield from _batches(top, contract, tally)
    if promised or not read_any:
        _refuse(path, contract, sorted(promised.values()), seen, poor)
    tally.warnings += [
        f"{sheet.where} was taken for a look-up list: only {sheet.known} of {len(contract.columns)} promised headings"
        for sheet in poor
        if sheet.known > 1
    ]


@dataclass(frozen=True)
class _Poor:
    """What is kept of a sheet that was not read."""

    where: str
    heading: Heading | None
    known: int


@dataclass(frozen=True)
class _Top:
    """The first lines of a sheet, decoded, and the rest of it. `where` is for messages."""

    name: str
    where: str
    heading: Heading | None
    head: list[tuple[int, Row]]
    kinds: dict[int, str]  # rows under the heading that belong to it
    lines: Lines
    decode: Callable[[str], str]
    sheet: Sheet

    @property
    def known(self) -> int:
        return self.heading.known if self.heading else 0


def _top(sheet: Sheet, contract: Contract, where: str) -> _Top:
    lines = sheet.rows()
    head = list(islice(lines, SAMPLE))
    decode = decode_cells((cell for _, row in head for cell in row if isinstance(cell, str)), where)
    texts = {number: [decode(_text(cell)) for cell in row] for number, row in head if number < WITHIN + 3}
    fill(texts, sheet.merged)
    heading = find_heading({row: cells for row, cells in texts.items() if row < WITHIN}, contract)
    kinds = below(heading, texts) if heading else {}
    return _Top(sheet.name, where, heading, head, kinds, chain(head, lines), decode, sheet)


def _batches(top: _Top, contract: Contract, tally: Tally) -> Iterator[Batch]:
    heading = top.heading or Heading(0, 0, (), 0)
    where = f"{top.where}, heading in line {heading.last + 1}"
    matched = match(heading.texts, contract, where)
    refuse_missing(matched, heading.texts, contract, where)
    if matched.unexpected:
        listed = ", ".join(f"{text!r} ({letters(column)})" for text, column in matched.unexpected.items())
        tally.warnings.append(f"{top.where} has columns that the contract does not know: {listed}")
    name = tidy(top.name) or ""
    tally.units.setdefault(name, set())
    frame = _Frame(name, where, contract, matched, heading, top.decode)
    rows = _data(top, frame, tally)
    while some := list(islice(rows, ROWS)):
        yield frame.batch(some)


@dataclass(frozen=True)
class _Data:
    """A row of data. `errors`: columns with an Excel error."""

    number: int
    cells: Row
    errors: Sequence[int] = ()


@dataclass(frozen=True)
class _Frame:
    """What is known of a sheet once its heading is read."""

    name: str
    where: str
    contract: Contract
    matched: Matched
    heading: Heading
    decode: Callable[[str], str]

    def kinds(self) -> LineKinds:
        columns = self.matched.columns
        required = [columns[name] for name, column in self.contract.columns.items() if column.required]
        known = {*columns.values(), *self.matched.unexpected.values()}
        running = {
            column
            for column, text in enumerate(self.heading.texts)
            if column not in known and fold(text) in RUNNING_NUMBERS
        }
        return LineKinds(required, set(columns.values()), running)

    def batch(self, rows: list[_Data]) -> Batch:
        self._refuse_nameless(rows)
        convert = partial(_value, self.decode)

        def values(column: int) -> list[object]:
            return [convert(row.cells[column]) if column < len(row.cells) else None for row in rows]

        by_column = {column: name for name, column in self.matched.columns.items()}
        faults: dict[str, dict[int, str]] = {}
        for index, row in enumerate(rows):
            for column in row.errors:
                if column in by_column:
                    faults.setdefault(by_column[column], {})[index] = NO_ERROR
        return Batch(
            sheet=self.name,
            lines=[row.number + 1 for row in rows],
            columns={name: values(column) for name, column in self.matched.columns.items()},
            cells={name: letters(column) for name, column in self.matched.columns.items()},
            unexpected={text: values(column) for text, column in self.matched.unexpected.items()},
            faults=faults,
        )

    def _refuse_nameless(self, rows: list[_Data]) -> None:
        width = max(len(row.cells) for row in rows)
        texts = [*self.heading.texts, *[""] * (width - len(self.heading.texts))]
        for column in (column for column, text in enumerate(texts) if not text):
            for row in rows:
                if column < len(row.cells) and _text(row.cells[column]).strip():
                    refuse_nameless(f"{self.where}, cell {letters(column)}{row.number + 1}", row.cells[column])


def _data(top: _Top, frame: _Frame, tally: Tally) -> Iterator[_Data]:
    """The rows of data; everything else is counted.

    What looks like signatures is data after all if data comes below it.
    """
    signatures: list[_Data] = []
    blank = 0
    for kind, row in _told(top, frame):
        if kind == "signature":
            signatures.append(row)
        elif kind == "blank line":
            blank += 1
        elif kind:
            tally.skipped[kind] += 1
        else:
            if blank:
                tally.skipped["blank line"] += blank
                blank = 0
            yield from signatures
            signatures.clear()
            yield row
    if signatures:
        tally.skipped["signature"] += len(signatures)


def _told(top: _Top, frame: _Frame) -> Iterator[tuple[str, _Data]]:
    """Every line with its kind, "" for data. Blank lines above the heading and the heading itself are left out."""
    kinds = frame.kinds()
    errors: dict[int, dict[int, str]] = {}
    for (line, column), text in top.sheet.errors.items():
        errors.setdefault(line, {})[column] = text
    merged = _Merged(top.sheet, frame)
    heading: Row = []
    for number, cells in top.lines:
        wrong = errors.get(number, {})
        for column, text in wrong.items():
            if column < len(cells):
                cells[column] = text
        row = _Data(number, cells, tuple(wrong))
        is_blank = cells.count("") == len(cells)
        if number <= frame.heading.last:
            heading = list(cells)
            if number < frame.heading.first and not is_blank:
                yield "title line", row
        elif is_blank:
            yield "blank line", row
        else:
            kind = top.kinds.get(number) or ("heading repeated" if cells == heading else kinds.kind(cells))
            merged.fill(number, cells)
            yield "" if wrong and kind == "group heading" else kind, row


@dataclass
class _Merged:
    """Texts that are merged over several lines, for one line after the other."""

    sheet: Sheet
    frame: _Frame
    _starts: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    _open: dict[int, tuple[int, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = self.frame.matched.columns
        texts = {columns[name] for name, column in self.frame.contract.columns.items() if column.type == "string"}
        for (top, left), (bottom, _) in self.sheet.merged:
            if top > self.frame.heading.last and bottom > top and left in texts:
                self._starts.setdefault(top, []).append((left, bottom))

    def fill(self, number: int, cells: Row) -> None:
        for column, bottom in self._starts.get(number, ()):
            self._open[column] = (bottom, cells[column])
        for column, (bottom, text) in list(self._open.items()):
            if number > bottom:
                del self._open[column]
            elif column < len(cells) and cells[column] == "":
                cells[column] = text


def _value(decode: Callable[[str], str], cell: object) -> object:
    """A cell as a batch has it."""
    if isinstance(cell, str):
        return tidy(decode(cell)) if cell else None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < LARGEST_WHOLE:
        return int(cell)
    return cell


def _text(cell: object) -> str:
    """For headings: a year over a column may be a number."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _refuse(path: Path, contract: Contract, missing: list[str], seen: list[str], poor: list[_Poor]) -> None:
    """Raise: a promised sheet is not there, or no sheet has enough of the headings."""
    best = max(poor, key=lambda sheet: sheet.known, default=None)
    if not missing and best and best.heading:
        where = f"{best.where}, heading in line {best.heading.last + 1}"
        refuse_missing(match(best.heading.texts, contract, where), best.heading.texts, contract, where)
    raise ExtractMismatch(
        f"promised sheet{'s' if len(missing) > 1 else ''} missing: {', '.join(missing)}"
        if missing
        else f"no sheet has the promised headings in its first {WITHIN} lines",
        where=str(path),
        expected=f"sheets {', '.join(delivery_of(contract).sheets)}"
        if missing
        else f"headings {', '.join(repr(column.headings[0]) for column in contract.columns.values())}",
        found=f"sheets {', '.join(seen)}" if seen else "no sheet",
        remedy=AGAIN,
    )
