"""Text with a delimiter: CSV as the statistics office, Excel and databases write it.

Delimiter and heading line are found by the promised headings; lines above are titles. A blank field and ".." are
blank. A row with too few or too many fields is a fault of that row; what nobody can read row by row (a quotation mark
that is never closed, a field of a megabyte) refuses the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import Contract
from spark_jobs.forms import may_hold
from spark_jobs.layouts import AGAIN, Batch, ExtractMismatch, Tally
from spark_jobs.layouts.encoding import SAMPLE, blocks, encoding_of
from spark_jobs.layouts.headings import Matched, clean, fold, match, promised, refuse_missing, refuse_nameless
from spark_jobs.layouts.plain_lines import count_lines, parse
from spark_jobs.layouts.title_block import kind_below

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = ",;\t|"
HEAD = 60  # lines in which the heading is looked for
ROWS = 20_000  # of a batch
BLOCKS = 16  # megabytes of a batch
LONGEST_FIELD = 1 << 20  # characters
BLANK = ("", "..")  # the second is the statistics office's


def read(path: Path, contract: Contract, period: str, tally: Tally) -> Iterator[Batch]:  # noqa: ARG001  the interface's
    """The rows below the heading, with the physical line on which each begins. Raises ExtractMismatch."""
    with path.open("rb") as file:
        encoding = encoding_of(file.read(SAMPLE), str(path))
    text = blocks(path, encoding)
    first = next(text, "")
    if not first.strip():
        found = f"{path.stat().st_size:,} bytes, all of them blank" if first else "0 bytes"
        raise ExtractMismatch("the file is empty", str(path), "a heading and rows", found, AGAIN)
    heading = _find_heading(path, first, contract)
    frame = _frame(path, heading, contract, tally)
    source = _Source(path, heading.delimiter)
    if count_lines(first, heading.delimiter) is None:
        yield from source.batches(chain([first], text), frame, tally, heading.index)
        return
    # What stands above the heading and right below it is looked at line by line, the rest need not be.
    yield from source.batches([first], frame, tally, heading.index)
    yield from source.plain_batches(text, frame, tally)
    yield from source.batches(source.rest, frame, tally)


@dataclass(frozen=True)
class _Heading:
    """`index`: how many rows of the file stand above it. `line`: where it begins."""

    delimiter: str
    index: int
    line: int
    texts: tuple[str, ...]


def _find_heading(path: Path, first: str, contract: Contract) -> _Heading:
    """The row, and the delimiter, that yield most of the promised headings; of several the one with most fields."""
    wanted = promised(contract)
    head = list(islice(io.StringIO(first, newline=""), HEAD))
    best: tuple[int, int] = (0, 0)
    found: _Heading | None = None
    csv.field_size_limit(LONGEST_FIELD)
    for delimiter in DELIMITERS:
        line = 1
        reader = csv.reader(head, delimiter=delimiter)
        for index, row in enumerate(_until_error(reader)):
            known = len({wanted[folded] for text in row if (folded := fold(text)) in wanted})
            if known and (known, len(row)) > best:
                best = known, len(row)
                found = _Heading(delimiter, index, line, tuple(map(clean, row)))
            line = reader.line_num + 1
    if found is None:
        raise ExtractMismatch(
            f"no line has the promised headings in the first {HEAD} lines",
            where=str(path),
            expected=f"headings {', '.join(repr(column.headings[0]) for column in contract.columns.values())}",
            found="; ".join(repr(line.strip()[:120]) for line in head if line.strip())[:600],
            remedy=AGAIN,
        )
    return found


def _until_error(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """A wrong delimiter may see errors where there are none, and the whole file is read strictly afterwards."""
    try:
        yield from rows
    except csv.Error:
        return


def _frame(path: Path, heading: _Heading, contract: Contract, tally: Tally) -> _Frame:
    where = f"{path}, heading in line {heading.line}"
    matched = match(heading.texts, contract, where)
    refuse_missing(matched, heading.texts, contract, where)
    if matched.unexpected:
        tally.warnings.append(
            f"{path} has columns that the contract does not know: {', '.join(map(repr, matched.unexpected))}"
        )
    return _Frame(str(path), heading.texts, matched)


@dataclass
class _Source:
    """The rows of a file. `line`: on which what comes next begins; `rest`: blocks that have to be read row by row."""

    path: Path
    delimiter: str
    line: int = 1
    rest: Iterable[str] = ()
    _taken: int = field(default=0)

    def batches(self, text: Iterable[str], frame: _Frame, tally: Tally, above: int | None = None) -> Iterator[Batch]:
        """Rows in groups of bounded size, read one by one. `above`: how many stand above a heading."""
        lines: list[int] = []
        rows: list[list[str]] = []
        rest = iter(self._rows(text))
        below: set[str] | None = None
        if above is not None:
            if titles := sum(any(row) for _, row in islice(rest, above)):
                tally.skipped["title line"] += titles
            next(rest)  # the heading
            below = set()  # kinds of lines met right under the heading
        blank, taken = 0, self._taken
        for line, row in rest:
            if not any(row):
                blank += 1
                continue
            if below is not None and (kind := kind_below(row)) and kind not in below:
                below.add(kind)
                tally.skipped[kind] += 1
                continue
            below = None
            lines.append(line)
            rows.append(row)
            if len(rows) == ROWS or self._taken - taken > BLOCKS:
                yield frame.batch(lines, rows)
                lines, rows, taken = [], [], self._taken
        if rows:
            yield frame.batch(lines, rows)
        if blank:
            tally.skipped["blank line"] += blank

    def plain_batches(self, text: Iterator[str], frame: _Frame, tally: Tally) -> Iterator[Batch]:
        """Rows of blocks in which every line is a row, many at once; what is left is `rest`."""
        for block in text:
            table = parse(block, self.delimiter, len(frame.texts))
            if table is None:
                self.rest = chain([block], text)
                return
            yield frame.plain_batch(table, self.line, tally)
            self.line += table.num_rows

    def _rows(self, text: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        csv.field_size_limit(LONGEST_FIELD)
        reader = csv.reader(self._lines(text), delimiter=self.delimiter, strict=True)
        before = self.line - 1
        try:
            for row in reader:
                yield self.line, row
                self.line = before + reader.line_num + 1
        except csv.Error as error:
            raise ExtractMismatch(
                "a row cannot be read: a quotation mark is not closed, or closed too early",
                where=f"{self.path}, the row that begins in line {self.line}, up to line {before + reader.line_num}",
                expected=f"fields of at most {LONGEST_FIELD:,} characters parted by {self.delimiter!r}; between marks "
                '"" stands for a mark',
                found=str(error),
                remedy=AGAIN,
            ) from error

    def _lines(self, text: Iterable[str]) -> Iterator[str]:
        """Physical lines with their ends, which may be mixed."""
        for block in text:
            self._taken += 1
            yield from io.StringIO(block, newline="")


@dataclass(frozen=True)
class _Frame:
    """What is known of the file once its heading is read, and with it what its rows are."""

    where: str
    texts: Sequence[str]
    matched: Matched

    def batch(self, lines: list[int], rows: list[list[str]]) -> Batch:
        width = len(self.texts)
        faults: dict[str, dict[int, str]] = {}
        if set(map(len, rows)) != {width}:
            for index, row in enumerate(rows):
                if len(row) != width:
                    rows[index], told = self._made_even(row)
                    faults.setdefault(told, {})[index] = f"{width} fields in the row, not {len(row)}"
            faults.pop("", None)
        columns = [_column(values) for values in zip(*rows, strict=True)]
        return self._batch(lines, columns, faults)

    def plain_batch(self, table: pa.Table, line: int, tally: Tally) -> Batch:
        """Rows that stand on one line after the other."""
        import pyarrow.compute  # noqa: PLC0415

        pc: Any = pyarrow.compute
        columns = [_column(table.column(name)) for name in table.column_names]
        lines: Sequence[int] = range(line, line + table.num_rows)
        if min(column.null_count for column in columns):  # else no row can be blank
            is_row = reduce(pc.or_, (pc.not_equal(column, "") for column in table.columns)).combine_chunks()
            if blank := table.num_rows - pc.sum(is_row).as_py():
                tally.skipped["blank line"] += blank
                columns = [column.filter(is_row) for column in columns]
                lines = [index for index, one in zip(lines, is_row.to_pylist(), strict=True) if one]
        return self._batch(lines, columns, {})

    def _batch(
        self, lines: Sequence[int], columns: Sequence[pa.Array[Any]], faults: Mapping[str, Mapping[int, str]]
    ) -> Batch:
        for column, text in enumerate(self.texts):
            if not text and columns[column].null_count < len(lines):
                index = next(i for i, value in enumerate(columns[column]) if value.is_valid)
                refuse_nameless(f"{self.where}, line {lines[index]}, field {column + 1}", columns[column][index])
        return Batch(
            sheet="",
            lines=lines,
            columns={name: columns[column] for name, column in self.matched.columns.items()},
            cells={name: self.texts[column] for name, column in self.matched.columns.items()},
            unexpected={text: columns[column] for text, column in self.matched.unexpected.items()},
            faults=faults,
        )

    def _made_even(self, row: list[str]) -> tuple[list[str], str]:
        """The row with as many fields as the heading has, and the column to be blamed; "" if nothing is lost."""
        width = len(self.texts)
        if len(row) > width and not any(map(str.strip, row[width:])):
            return row[:width], ""
        by_place = sorted((column, name) for name, column in self.matched.columns.items())
        blamed = next((name for column, name in by_place if column >= len(row)), by_place[-1][1])
        return (row + [""] * width)[:width], blamed


def _column(values: Sequence[str] | pa.ChunkedArray[Any]) -> pa.Array[Any]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    array: Any = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else pa.array(values, pa.string())
    if may_hold(array, b"\xc2"):  # as the unbreakable blank does
        array = pc.replace_substring(array, "\xa0", " ")
    text: pa.Array[Any] = pc.utf8_trim_whitespace(array)
    found: pa.Array[Any] = pc.if_else(pc.is_in(text, pa.array(BLANK)), None, text)
    return found
