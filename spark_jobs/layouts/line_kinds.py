"""Which lines of a sheet are data, and what the others are: subtotals, group headings, notes, signatures.

A line in which every required column has a value is data, whatever it says: there is a street Cộng Hòa. Only the
others are looked at closer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from spark_jobs.layouts.headings import clean, fold

# With accents where there are any: Công is a name.
_SUBTOTAL = re.compile(r"((tổng |tong )?(cộng|cong)|(tổng|tong)( số| so)?)( \(.*\)| [ivxlc\d]+)?[\s:.]*")
_SUBTOTAL_FOLDED = re.compile(r"(tong cong|tong so|cong don|luy ke|toan (thanh pho|tinh|phuong|xa)|ca nuoc)\b.*")
_OFFICE = r"(pho )?(giam doc|hieu truong|chu tich|truong phong|thu truong|ke toan)"
_SIGNATURE = re.compile(
    r"(nguoi|can bo) (lap|ky|tong hop|kiem tra)\b.*|noi nhan\b.*|xac nhan cua\b.*|\(?(da )?ky(,.*| ten.*| ghi.*|\)|)|"
    rf"((tm|kt|tl|tuq)\.? ?)?({_OFFICE}|(tm|kt|tl|tuq)\.? ?(uy ban|ubnd)).*|"
    r".*\bngay\b.{0,12}\bthang\b.{0,12}\bnam\b.*"
)
_NOTE = re.compile(r"(ghi chu|nguon|luu y|chu thich)\b.*|\*.*|\(\*+\).*")
FEW = 4  # cells; a line of signatures has one to three


@dataclass
class LineKinds:
    """Tells the lines of one sheet, from top to bottom.

    `required`: columns (from 0) that each row of data fills, `columns`: all that the contract knows, `running`: those
    of running numbers. Once a signature was met, short lines below it (names, "Lưu: VT") belong to it.
    """

    required: Sequence[int]
    columns: Collection[int]
    running: Collection[int]
    signed: bool = False

    def kind(self, row: Sequence[object]) -> str:
        """What the line is; "" for data."""
        if self.required and all(column < len(row) and row[column] != "" for column in self.required):
            return ""
        filled = {
            column: cell
            for column, cell in enumerate(row)
            if cell != "" and not (isinstance(cell, str) and not cell.strip())
        }
        texts = {column: fold(cell) for column, cell in filled.items() if isinstance(cell, str)}
        label = {column: cell for column, cell in filled.items() if column not in self.running}
        if not label and not any(not _is_ordinal(text) for text in texts.values()):
            return "blank line"
        short = len(filled) <= FEW and len(texts) == len(filled)
        if short and any(map(_SIGNATURE.fullmatch, texts.values())):
            self.signed = True
        if self.signed and short:
            return "signature"
        if any(_sums_up(filled[column], text) for column, text in texts.items()):
            return "subtotal"
        return self._single(label or filled)

    def _single(self, filled: dict[int, object]) -> str:
        """A lone text is a group heading or a note, unless there is no more than that to a row."""
        text = next(iter(filled.values()))
        if len(filled) > 1 or not isinstance(text, str) or len(self.columns) <= 2:  # noqa: PLR2004
            return ""
        return "note" if _NOTE.fullmatch(fold(text)) else "group heading"


def _sums_up(cell: object, folded: str) -> bool:
    return bool(_SUBTOTAL.fullmatch(clean(cell).lower()) or _SUBTOTAL_FOLDED.fullmatch(folded))


def _is_ordinal(text: str) -> bool:
    return re.fullmatch(r"[ivxlcdm]+|[a-z]|\d+", text.rstrip(".)")) is not None
