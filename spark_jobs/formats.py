"""The kinds of files that a version of an open table is published as; each takes the rows as they stream by.

| File | For whom | Values |
|---|---|---|
| CSV | everybody | UTF-8 with BOM, commas, ISO dates; what would run as a formula begins with an apostrophe |
| XLSX | who works in a spreadsheet | texts stay texts (leading zeros too), a second sheet explains the columns |
| JSON Lines | programs, row by row | one object a line, UTF-8 |
| Parquet | analysis tools | every value as it is, with its type |
| GeoJSON, GeoParquet | maps | as JSON Lines and Parquet, with the point of each row, WGS 84 |
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from quality.digest import ZONE, Digest
from spark_jobs.arrow_types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from quality.contract import Contract

    Columns = Mapping[str, str]  # names and Spark's types
    Rows = Sequence[tuple[Any, ...]]

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*\s?%?")  # -5, +84, 1.234,5 are no formulas


class Sink(Protocol):
    """A file that is being written. `left_out` says why there is none after all; what it wrote is then gone."""

    left_out: str

    def add(self, table: pa.Table, rows: Rows) -> None:
        """The next rows, in both shapes."""

    def close(self) -> None:
        """No more rows."""


@dataclass(frozen=True)
class Kind:
    """A kind of file: how its name ends, what the portal calls it, its media type."""

    ending: str
    name: str
    media_type: str
    opened: Callable[[Path, Columns, Contract], Sink]


def kinds_for(contract: Contract) -> tuple[Kind, ...]:
    """Those that a table is published as."""
    is_on_maps = contract.portal is not None and contract.portal.point is not None
    return (CSV, XLSX, JSON_LINES, PARQUET, *((GEOJSON, GEOPARQUET) if is_on_maps else ()))


def cell(value: object) -> object:
    """A value as the CSV shows it: nothing for null, ISO for dates, true and false, no text that runs as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def as_json(value: Any) -> str:
    """On one line, dates by ISO 8601."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_iso)


def values_of(batch: pa.RecordBatch, columns: Columns) -> tuple[pa.Table, list[list[Any]]]:
    """A batch in Arrow's types, and its columns as Python's values."""
    import pyarrow as pa  # noqa: PLC0415

    table = pa.Table.from_batches([batch]).select(list(columns)).cast(schema(columns))
    return table, [column.to_pylist() for column in table.columns]


def pour(batches: Iterable[pa.RecordBatch], columns: Columns, sinks: Sequence[Sink]) -> Digest:
    """Write every batch to all files as it comes, so that memory does not grow with the table. Returns what it was."""
    content = Digest(columns)
    for batch in batches:
        table, values = values_of(batch, columns)
        content.add(values)
        rows = list(zip(*values, strict=True))
        for sink in sinks:
            sink.add(table, rows)
    return content


def schema(columns: Columns) -> pa.Schema:
    """Arrow's, of Spark's types; moments as the city's clocks show them."""
    import pyarrow as pa  # noqa: PLC0415

    here = pa.timestamp("us", str(ZONE))
    return pa.schema([(name, here if kind == "timestamp" else arrow_type(kind)) for name, kind in columns.items()])


class Csv:
    """RFC 4180, with the mark that Excel wants before UTF-8."""

    left_out = ""

    def __init__(self, path: Path, columns: Columns, _contract: Contract | None = None) -> None:
        """Begins with the headings."""
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._lines = csv.writer(self._file)
        self._lines.writerow(columns)

    def add(self, _table: pa.Table, rows: Rows) -> None:
        """See Sink."""
        self._lines.writerows([cell(value) for value in row] for row in rows)

    def close(self) -> None:
        """See Sink."""
        self._file.close()


class JsonLines:
    """One object a row; what is null stands there as null."""

    left_out = ""

    def __init__(self, path: Path, columns: Columns, _contract: Contract | None = None) -> None:
        """An empty file."""
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._names = list(columns)

    def add(self, _table: pa.Table, rows: Rows) -> None:
        """See Sink."""
        self._file.writelines(f"{as_json(dict(zip(self._names, row, strict=True)))}\n" for row in rows)

    def close(self) -> None:
        """See Sink."""
        self._file.close()


class Parquet:
    """Every value with its type."""

    left_out = ""

    def __init__(self, path: Path, columns: Columns, _contract: Contract | None = None) -> None:
        """The file and its schema."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._stack = ExitStack()
        self._writer = self._stack.enter_context(
            pq.ParquetWriter(self._stack.enter_context(path.open("wb")), self._schema(columns))
        )

    def _schema(self, columns: Columns) -> pa.Schema:
        return schema(columns)

    def add(self, table: pa.Table, _rows: Rows) -> None:
        """See Sink."""
        self._writer.write_table(table)

    def close(self) -> None:
        """See Sink."""
        self._stack.close()


class GeoParquet(Parquet):
    """GeoParquet 1.1.0: the point as WKB in column `geometry`, in WGS 84 (its default, OGC:CRS84)."""

    def __init__(self, path: Path, columns: Columns, contract: Contract) -> None:
        """As of Parquet."""
        super().__init__(path, columns)
        self._point = _point(contract)

    def _schema(self, columns: Columns) -> pa.Schema:
        import pyarrow as pa  # noqa: PLC0415

        told = {"encoding": "WKB", "geometry_types": ["Point"]}
        geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": told}}
        return schema(columns).append(pa.field("geometry", pa.binary())).with_metadata({"geo": json.dumps(geo)})

    def add(self, table: pa.Table, _rows: Rows) -> None:
        """See Sink."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415
        import shapely  # noqa: PLC0415

        x, y = (np.asarray(table[name].to_numpy(), dtype=float) for name in self._point)
        points = np.where(np.isnan(x) | np.isnan(y), None, shapely.points(np.nan_to_num(x), np.nan_to_num(y)))
        geometry = pa.array(list(shapely.to_wkb(points)), pa.binary())
        self._writer.write_table(table.append_column("geometry", geometry))


class GeoJson:
    """RFC 7946; what has no position has the geometry null."""

    left_out = ""

    def __init__(self, path: Path, columns: Columns, contract: Contract) -> None:
        """Begins a collection."""
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._file.write('{"type":"FeatureCollection","features":[')
        self._names = list(columns)
        self._point = [self._names.index(name) for name in _point(contract)]
        self._is_first = True

    def add(self, _table: pa.Table, rows: Rows) -> None:
        """See Sink."""
        for row in rows:
            position = [row[place] for place in self._point]
            geometry = None if None in position else {"type": "Point", "coordinates": position}
            properties = dict(zip(self._names, row, strict=True))
            feature = {"type": "Feature", "geometry": geometry, "properties": properties}
            self._file.write(f"{'' if self._is_first else ','}\n{as_json(feature)}")
            self._is_first = False

    def close(self) -> None:
        """See Sink."""
        self._file.write("\n]}\n")
        self._file.close()


def _point(contract: Contract) -> tuple[str, str]:
    if contract.portal is None or contract.portal.point is None:  # `kinds_for` only gives maps to those that have one
        raise AssertionError(contract.table)
    return contract.portal.point


def _iso(value: Any) -> str:
    return str(value.isoformat())


def _xlsx(path: Path, columns: Columns, contract: Contract) -> Sink:
    from spark_jobs.workbook import Xlsx  # noqa: PLC0415

    return Xlsx(path, columns, contract)


CSV = Kind("csv", "CSV", "text/csv", Csv)
XLSX = Kind("xlsx", "XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _xlsx)
JSON_LINES = Kind("jsonl", "JSONL", "application/jsonl", JsonLines)
PARQUET = Kind("parquet", "Parquet", "application/vnd.apache.parquet", Parquet)
GEOJSON = Kind("geojson", "GeoJSON", "application/geo+json", GeoJson)
GEOPARQUET = Kind("geo.parquet", "GeoParquet", "application/vnd.apache.parquet", GeoParquet)
