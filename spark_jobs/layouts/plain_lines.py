"""Delimited text of which every row is a line: read by pyarrow (a million rows with their checks: 2.7 s, not 5.3 s).

Most large files are like that. What is not certainly so (a field that goes on in the next line, quotation marks that
are closed early, a blank line, a row with too few fields) is left to who reads row by row and tells what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 1_200_000  # characters; a block is only longer than a megabyte if it holds a line that is


def count_lines(block: str, delimiter: str) -> int | None:
    """How many lines a block of text has, each a row of its own; None if that is not certain."""
    return _count(block, block.encode(), delimiter)


def parse(block: str, delimiter: str, width: int) -> pa.Table | None:
    """The fields, all of them text; None unless every line is a row of its own, and of that width."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    encoded = block.encode()
    lines = _count(block, encoded, delimiter)
    if not lines:
        return None
    names = [str(column) for column in range(width)]
    content: Any = pa.BufferReader(encoded)
    try:
        table = csv.read_csv(
            content,
            csv.ReadOptions(column_names=names, block_size=content.size()),
            csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == lines else None


def _count(block: str, content: bytes, delimiter: str) -> int | None:
    """`content`: the same in UTF-8, in which Python counts faster than in text with accents."""
    if len(block) > MOST or b"\0" in content or content.count(b"\r") != content.count(b"\r\n"):
        return None
    if b'"' in content and not (_is_neat(content, delimiter) or _is_strict(block, delimiter)):
        return None
    return content.count(b"\n") + (not content.endswith(b"\n"))


def _is_neat(content: bytes, delimiter: str) -> bool:
    """Whether quotation marks, by turns, begin and end a field, as in what programs write: seen at a glance.

    A line end between them makes two lines one row, which `parse` finds.
    """
    import numpy as np  # noqa: PLC0415

    signs = np.frombuffer(b"\n" + content + b"\n", np.uint8)
    marks = np.flatnonzero(signs == ord('"'))
    before, after = signs[marks[0::2] - 1], signs[marks[1::2] + 1]
    return (
        len(before) == len(after)
        and bool(np.isin(before, [ord(delimiter), ord("\n")]).all())
        and bool(np.isin(after, [ord(delimiter), ord("\n"), ord("\r")]).all())
    )


def _is_strict(block: str, delimiter: str) -> bool:
    """Whether each line has its quotation marks in pairs, and none in the middle of a field."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute  # noqa: PLC0415

    pc: Any = pyarrow.compute
    lines = pc.list_flatten(pc.split_pattern(pa.array([block]), "\n"))
    is_odd = pc.equal(pc.bit_wise_and(pc.count_substring(lines, '"'), 1), 1)
    return not (pc.any(is_odd).as_py() or pc.any(pc.match_substring_regex(lines, _in_the_middle(delimiter))).as_py())


def _in_the_middle(delimiter: str) -> str:
    """A quotation mark with text on both sides, or text after what looks like an empty field: strictly, no row."""
    other = rf'[^"\r\x{ord(delimiter):02x}]'
    return rf'{other}"{other}|(?:^|\x{ord(delimiter):02x})""{other}'
