"""Cadastral map sheets: GeoJSON, or a zipped Shapefile whose text may be TCVN3.

Each feature is a row. The column of type geometry is well-known binary in the coordinate system the sheet states. What
no field of a sheet holds has its column if the contract names it: `crs_epsg`, that system's code, and what `placing.py`
finds, empty where a shape has a fault. A feature's line is its place in the GeoJSON, or its record in the Shapefile,
from 1. What only a map can have wrong (a polygon that crosses itself, a feature outside the city) is a fault of the
geometry's column.

Fields of a Shapefile have names of at most ten characters, so contracts list those too as headings. Files are opened
by the two drivers named here and no other; GDAL's messages become warnings of the tally.
"""

from __future__ import annotations

import codecs
import json
import mmap
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, GeometryError

from quality.contract import Contract
from spark_jobs.layouts import AGAIN, Batch, ExtractMismatch, Tally, delivery_of
from spark_jobs.layouts.headings import Matched, fold, match, promised, refuse_missing
from spark_jobs.layouts.map_position import Points, expected_in, misplaced, zone_of
from spark_jobs.layouts.map_values import Values, values_of
from spark_jobs.layouts.placing import COLUMNS, placed
from spark_jobs.layouts.zipped_shapefile import unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = 20_000  # a batch
CRS_COLUMN = "crs_epsg"
GEOMETRY = "geometry"  # the type, and what is shown as the place of what was found by it
CLOSED = "rings of at least four points, the last one the first"
HEAD = 400  # bytes shown or searched where a file is no map
KINDS = "a GeoJSON FeatureCollection (.geojson), or a zipped Shapefile (.zip)"

_FAILURES = (DataSourceError, DataLayerError, GeometryError, pa.ArrowInvalid, OSError, UnicodeDecodeError)
_COLLECTION = re.compile(rb'"type"\s*:\s*"FeatureCollection"')
_TYPE = re.compile(rb'"type"\s*:\s*"([A-Za-z]{1,40})"')
_CRS = re.compile(rb'"crs"\s*:\s*\{[^{}]*\{[^{}]*"name"\s*:\s*"((?:[^"\\]|\\.){0,2000})"')
# A GeoJSON can name an address from which GDAL 3.12 fetches its coordinate system, and nothing forbids it to: so all it
# asks for goes through a proxy of a kind that does not exist.
_NOBODY = {"GDAL_HTTP_PROXY": "none://nobody", "GDAL_HTTPS_PROXY": "none://nobody"}
_PAST_PROXIES = ("no_proxy", "NO_PROXY")
_RENUMBERED = "Several features with id"  # GDAL numbers features itself, and we by their place

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Sheet:
    """A file that may be opened. The last three are a Shapefile's: how to read its bytes, what was laid out."""

    path: Path
    opened: str
    stated: str
    crs_from: str
    encoding: str | None = None
    records: int = 0
    kinds: tuple[str, ...] = ()


def read(path: Path, contract: Contract, _period: str, tally: Tally) -> Iterator[Batch]:
    """Features in batches. Raises ExtractMismatch for a file that is no map, lies elsewhere, or lacks a column."""
    pyogrio.set_gdal_config_options(_NOBODY)
    for variable in _PAST_PROXIES:
        os.environ.pop(variable, None)
    with ExitStack() as stack:
        sheet = _checked(path, stack)
        accepted = delivery_of(contract).crs
        zone = zone_of(sheet.stated, accepted, f"{path}, {sheet.crs_from}")
        source = pyogrio.open_arrow(
            sheet.opened,
            batch_size=FEATURES,
            use_pyarrow=True,
            return_fids=True,
            encoding=sheet.encoding,
            **({} if sheet.encoding else {"DATE_AS_STRING": "YES"}),
        )
        meta, batches = _quietly(lambda: stack.enter_context(source), sheet, tally)
        found = iter(lambda: _quietly(lambda: next(batches, None), sheet, tally), None)
        first = next((batch for batch in found if batch.num_rows), None)
        if first is None:
            raise ExtractMismatch(
                "the sheet has no features", where=str(path), expected="at least one", found="none", remedy=AGAIN
            )
        fields = [str(name) for name in meta["fields"]]
        if sheet.kinds and len(sheet.kinds) != len(fields):
            raise _damaged(path, f"{len(sheet.kinds)} fields declared, {len(fields)} found")
        features = _Features(sheet, contract, fields, _matched(contract, fields, path, tally), zone)
        rows = 0
        for batch in chain([first], found):
            yield features.batch(batch, rows)
            rows += batch.num_rows
        if sheet.records > rows:
            tally.skipped["deleted record"] += sheet.records - rows


@dataclass(frozen=True)
class _Features:
    """How the features of one sheet become rows."""

    sheet: _Sheet
    contract: Contract
    fields: list[str]
    matched: Matched
    zone: int

    def batch(self, found: pa.RecordBatch, before: int) -> Batch:
        """One batch; `before`: how many features were read already."""
        path, size = self.sheet.path, found.num_rows
        record, fields, shapes = self._parted(found)
        try:
            found.validate(full=True)
        except pa.ArrowInvalid as error:
            raise _damaged(path, str(error)) from error
        values = values_of(fields, self.sheet.kinds, str(path))
        columns: dict[str, Values] = {name: values[index] for name, index in self.matched.columns.items()}
        cells = {name: self.fields[index] for name, index in self.matched.columns.items()}
        with np.errstate(invalid="ignore"):  # numpy complains of NaN among the coordinates
            outlines = shapely.from_wkb(shapes.to_numpy(zero_copy_only=False), on_invalid="ignore")
        broken = self._faults(shapes.is_valid().to_numpy(zero_copy_only=False), outlines)
        geometries = [column.name for column in self.contract.columns.values() if column.type == GEOMETRY]
        ours = self._ours(outlines, broken)
        columns |= {**dict.fromkeys(geometries, shapes), **ours}
        cells |= dict.fromkeys([*geometries, *ours], GEOMETRY)
        if CRS_COLUMN in ours:
            cells[CRS_COLUMN] = self.sheet.crs_from
        faults = dict.fromkeys(geometries, broken)
        is_shapefile = self.sheet.encoding is not None
        first = record.to_numpy() + 1 if is_shapefile else np.arange(before + 1, before + size + 1)
        unexpected = {name: values[index] for name, index in self.matched.unexpected.items()}
        return Batch(path.stem, first.tolist(), columns, cells, unexpected, faults)

    def _parted(self, found: pa.RecordBatch) -> tuple[pa.Array[Any], list[pa.Array[Any]], pa.Array[Any]]:
        """Records' numbers, fields and shapes: GDAL gives them in this order; names may collide with a field's."""
        record, *fields = found.columns
        shapes = fields.pop() if len(fields) > len(self.fields) else pa.nulls(found.num_rows, pa.binary())
        return record, fields, (shapes.storage if isinstance(shapes, pa.ExtensionArray) else shapes).cast(pa.binary())

    def _ours(self, outlines: NDArray[np.object_], broken: dict[int, str]) -> dict[str, pa.Array[Any]]:
        """The columns of the contract that no field of a sheet holds."""
        found: dict[str, pa.Array[Any]] = {CRS_COLUMN: pa.array(np.full(len(outlines), self.zone, dtype=np.int32))}
        if COLUMNS.keys() & self.contract.columns.keys():
            sound = ~shapely.is_missing(outlines)
            sound[list(broken)] = False
            found |= placed(outlines, sound, self.zone)
        return {name: values for name, values in found.items() if name in self.contract.columns}

    def _faults(self, given: NDArray[np.bool_], shapes: NDArray[np.object_]) -> dict[int, str]:
        faults = {int(index): CLOSED for index in np.flatnonzero(given & shapely.is_missing(shapes))}
        finite = _finite(shapes)
        for index in np.flatnonzero(given & ~finite):
            faults[int(index)] = "coordinates that are numbers"
        empty = given & shapely.is_empty(shapes)
        faults |= {int(index): "a shape that is not empty" for index in np.flatnonzero(empty)}
        wrong = given & finite & ~empty & ~shapely.is_missing(shapes) & ~shapely.is_valid(shapes)
        for index, reason in zip(np.flatnonzero(wrong), shapely.is_valid_reason(shapes[wrong]), strict=True):
            faults[int(index)] = f"a polygon that does not cross itself ({reason})"
        east, north = _middles(shapes, finite)
        for index in np.flatnonzero(misplaced(east, north, self.zone, str(self.sheet.path))):
            faults.setdefault(int(index), f"a shape in EPSG:{self.zone} inside {expected_in(self.zone)}")
        return faults


def _checked(path: Path, stack: ExitStack) -> _Sheet:
    """By what is in it, whatever it is called."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if head.startswith(b"PK"):
        parts = unpack(path, _folder(stack))
        # Latin-1 keeps every byte as one character: what they mean is told by evidence, not by .cpg.
        return _Sheet(path, str(parts.path), parts.crs, ".prj", "ISO-8859-1", parts.records, parts.kinds)
    if start.startswith(b"{"):
        stated = _stated(path)
        link = _folder(stack) / "sheet.geojson"  # pyogrio goes by endings: it would unpack what is called .zip
        link.symlink_to(path.resolve())
        return _Sheet(path, f"GeoJSON:{link}", stated, "crs")
    raise ExtractMismatch(
        "the file is empty" if not start else "the file is no map sheet",
        where=str(path),
        expected=KINDS,
        found=_what_it_seems(start, path.stat().st_size),
        remedy=AGAIN,
    )


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kho-sheet-")))


def _stated(path: Path) -> str:
    """The name in GeoJSON's member `crs`; "" if there is none. Members may come in any order."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if not _COLLECTION.search(content):
            kind = _TYPE.search(content)
            raise ExtractMismatch(
                "the file is no FeatureCollection",
                where=str(path),
                expected=KINDS,
                found=f"JSON of type {kind[1].decode()}" if kind else "JSON of no type",
                remedy=AGAIN,
            )
        if content[max(len(content) - HEAD, 0) :].rstrip()[-1:] != b"}":
            raise _damaged(path, f"{len(content):,} bytes that end before the last brace")
        crs = _CRS.search(content)
        name = bytes(crs[1]) if crs else b""
    try:
        return str(json.loads(b'"' + name + b'"'))
    except ValueError:  # no text: broken escapes, or bytes that are not UTF-8
        return repr(name)


def _what_it_seems(start: bytes, size: int) -> str:
    if re.match(rb"<(!doctype )?html", start, re.IGNORECASE):
        return "a web page (HTML)"
    shown = start[:40].decode("utf-8", "replace")
    is_text = all(character.isprintable() or character.isspace() for character in shown)
    kind = f"text beginning with {shown!r}" if is_text else "unknown bytes"
    return f"{size:,} bytes, {kind}" if start else f"{size:,} bytes"


def _quietly(action: Callable[[], Result], sheet: _Sheet, tally: Tally) -> Result:
    """What GDAL complains of becomes a warning for people, and what it fails at a mismatch."""
    try:
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            result = action()
    except _FAILURES as error:
        raise _damaged(sheet.path, str(error).replace(sheet.opened, sheet.path.name)) from error
    for complaint in complaints:
        said = f"{sheet.path.name}: {complaint.message}"
        if _RENUMBERED not in said and said not in tally.warnings:
            tally.warnings.append(said)
    return result


def _damaged(path: Path, found: str) -> ExtractMismatch:
    return ExtractMismatch(
        "the map sheet is damaged or cut short", where=str(path), expected=KINDS, found=found, remedy=AGAIN
    )


def _matched(contract: Contract, fields: list[str], path: Path, tally: Tally) -> Matched:
    """Whose field is whose; underscores count as little as case and accents."""
    ours = {CRS_COLUMN, *COLUMNS, *(name for name, column in contract.columns.items() if column.type == GEOMETRY)}
    wanted = replace(contract, columns={n: column for n, column in contract.columns.items() if n not in ours})
    known = {heading.replace("_", ""): heading for heading in promised(wanted)}
    found = [known.get(fold(name).replace("_", ""), name) for name in fields]
    matched = match(found, wanted, str(path))
    refuse_missing(matched, found, wanted, str(path))
    for heading in sorted(matched.unexpected):
        tally.warnings.append(f"{path.name}: field {heading!r} is not in the contract; its values are kept aside")
    return matched


def _finite(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether all coordinates of a shape are numbers."""
    points, owners = shapely.get_coordinates(shapes, return_index=True)
    finite = np.ones(len(shapes), dtype=bool)
    finite[owners[~np.isfinite(points).all(axis=1)]] = False
    return finite


def _middles(shapes: NDArray[np.object_], finite: NDArray[np.bool_]) -> tuple[Points, Points]:
    """The middle of each shape's extent; NaN where there is none."""
    bounds = shapely.bounds(shapes)
    bounds[~finite] = np.nan
    halves = bounds / 2  # the sum of two numbers of 308 digits would be infinite
    return halves[:, 0] + halves[:, 2], halves[:, 1] + halves[:, 3]
