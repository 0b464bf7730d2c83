"""Records: one Parquet file with a row a record, as the sql connector writes what a department's query gives.

Numbers, dates and times keep their types, and decimals their digits; text is made NFC. `_line` is the number of the
record, from 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quality.contract import NUMBERS, Contract
from spark_jobs.layouts import Batch, ExtractMismatch, Tally
from spark_jobs.layouts.headings import Matched, match, refuse_missing

MOST = 50_000  # records in memory
MOST_RECORDS = 50_000_000  # in a file; a few hundred bytes can say that one value comes a billion times
MAGIC = b"PAR1"  # the first and the last four bytes of every Parquet file
FINITE = "a finite number"
NOT_FINITE = r"^[+-]?(nan|inf|infinity)$"
BRING = "the extract is not what the department gave: fetch the table anew"


def read(path: Path, contract: Contract, period: str, tally: Tally) -> Iterator[Batch]:  # noqa: ARG001 - the layouts' interface
    """Batches of records, every column of the contract by its heading. Raises ExtractMismatch for any other file."""
    _refuse_other_file(path)
    before = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _refuse_too_many(path, file.metadata.num_rows)
            schema = file.schema_arrow
            matched = match(schema.names, contract, str(path))
            refuse_missing(matched, schema.names, contract, str(path))
            _refuse_nested(path, schema, matched)
            if matched.unexpected:
                added = ", ".join(map(repr, matched.unexpected))
                tally.warnings.append(f"{path.name} has columns that the contract does not know, kept apart: {added}")
            for records in file.iter_batches(MOST, use_threads=False):
                records.validate(full=True)
                yield _batch(records, matched, contract, before)
                before += records.num_rows
    except pa.ArrowMemoryError:
        raise  # a whole file may also be too big: that is for who limits the memory to say
    except (pa.ArrowException, OSError) as error:
        raise ExtractMismatch(
            "the file is damaged",
            where=f"{path}, after record {before:,}" if before else str(path),
            expected="a whole Parquet file",
            found=str(error).splitlines()[0],
            remedy=f"{BRING} and ingest again; the last good version stays",
        ) from error


def _batch(records: pa.RecordBatch, matched: Matched, contract: Contract, before: int) -> Batch:
    columns, faults = {}, {}
    for name, index in matched.columns.items():
        columns[name], found = _values(records.column(index), is_number=contract.columns[name].type in NUMBERS)
        if found:
            faults[name] = found
    return Batch(
        sheet="",
        lines=range(before + 1, before + records.num_rows + 1),
        columns=columns,
        cells={name: records.schema.names[index] for name, index in matched.columns.items()},
        unexpected={
            heading: _values(records.column(index), is_number=False)[0] for heading, index in matched.unexpected.items()
        },
        faults=faults,
    )


def _values(array: pa.Array[Any], *, is_number: bool) -> tuple[Sequence[object] | pa.Array[Any], dict[int, str]]:
    """Values as layouts give them, and by index what was expected of those that no type can tell to be wrong."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    if pa.types.is_floating(kind):
        return array, dict.fromkeys(_where(pc.invert(pc.is_finite(array))), FINITE)
    if pa.types.is_decimal(kind):
        return array.to_pylist(), {}  # exact, and one type for all widths
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return array, {}
    text = pc.call_function("utf8_normalize", [array.cast(pa.string())], pc.Utf8NormalizeOptions("NFC"))
    text = pc.utf8_trim_whitespace(pc.replace_substring(text, pattern="\u00a0", replacement=" "))
    text = pc.replace_with_mask(text, pc.equal(text, pa.scalar("")), pa.scalar(None, pa.string()))
    faults = dict.fromkeys(_where(pc.match_substring(text, pattern="\0")), "text without NUL")
    if is_number:  # PostgreSQL's numeric knows them, decimals of Parquet do not: so they come as text
        faults |= dict.fromkeys(_where(pc.match_substring_regex(text, pattern=NOT_FINITE, ignore_case=True)), FINITE)
    return text, faults


def _where(holds: pa.Array[Any]) -> list[int]:
    """Indices at which a condition holds; null is no."""
    return [int(index) for index in pc.indices_nonzero(holds).to_numpy()]


def _refuse_other_file(path: Path) -> None:
    """What is no Parquet file is told from one that is cut off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(len(MAGIC))
        file.seek(-min(size, len(MAGIC)), os.SEEK_END)
        end = file.read()
    if begin == end == MAGIC and size > 2 * len(MAGIC):
        return
    if not size:
        what, found = "the file is empty", "0 bytes"
    elif begin == MAGIC:
        what, found = "the file is cut off", f"{size:,} bytes without the end of a Parquet file"
    else:
        what, found = "the file is no Parquet file", f"{size:,} bytes that begin with {begin!r}"
    raise ExtractMismatch(
        what,
        where=str(path),
        expected="a whole Parquet file, as the sql connector writes it",
        found=found,
        remedy=f"{BRING} and ingest again; the last good version stays",
    )


def _refuse_too_many(path: Path, found: int) -> None:
    if found > MOST_RECORDS:
        raise ExtractMismatch(
            "the file holds too many records",
            where=str(path),
            expected=f"at most {MOST_RECORDS:,}",
            found=f"{found:,}",
            remedy=f"{BRING} and ingest again; the last good version stays",
        )


def _refuse_nested(path: Path, schema: pa.Schema, matched: Matched) -> None:
    nested = sorted(name for name, index in matched.columns.items() if pa.types.is_nested(schema.field(index).type))
    if nested:
        raise ExtractMismatch(
            "columns hold lists or records where single values were promised",
            where=str(path),
            expected="text, numbers, dates or times",
            found=", ".join(f"{name}: {schema.field(matched.columns[name]).type}" for name in nested),
            remedy="take their parts apart in delivery.query of the contract; the last good version stays",
        )
