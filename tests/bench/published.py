"""What the benchmark of publishing publishes: rows that are always the same, and an export for every contract."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from portal_sync.desired import TYPES
from portal_sync.portal import Changes, Column, Entry, Table, Version, form_of
from quality.contract import Contract
from quality.digest import Digest
from spark_jobs.export import write_files
from spark_jobs.formats import Csv, Parquet, pour, schema
from tests.portal import both, dataset, lineage_of

SEED, BATCH = 2026, 50_000
LOTS = {
    "lot_code": "string",
    "holder_name": "string",
    "ward_name": "string",
    "street_name": "string",
    "use_name": "string",
    "built_year": "int",
    "storey_count": "int",
    "area_m2": "double",
    "price_mvnd": "double",
    "issued_on": "date",
    "changed_on": "date",
}
KEY, FIRST = "lot_code", "T0000000"  # and the key of the first row
FAMILY = ("Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương")
GIVEN = ("Thị Ánh Hồng", "Văn Đức", "Quốc Bảo", "Thị Mỹ Duyên", "Hoàng Phúc", "Minh Khuê", "Ngọc Trâm", "Hữu Thắng")
WARDS = (
    "Tân Sơn Nhì",
    "Bến Nghé",
    "Thạnh Mỹ Tây",
    "An Hội Đông",
    "Chợ Quán",
    "Bình Trị Đông",
    "Phú Thọ Hoà",
    "Xóm Chiếu",
)
STREETS = ("Cách Mạng Tháng Tám", "Điện Biên Phủ", "Trường Chinh", "Lê Văn Sỹ", "Phạm Thế Hiển", "Nguyễn Đình Chiểu")
USES = ("Đất ở tại đô thị", "Đất thương mại, dịch vụ", "Đất trồng cây lâu năm", "Đất giao thông", "Đất cơ sở văn hoá")
FIRST_DAY = np.datetime64("2000-01-01")
CHANGED_PCT = 1


def lots(rows: int) -> pa.Table:
    """A row is about 140 bytes of CSV."""
    draw = np.random.default_rng(SEED)

    def words(*choices: Sequence[str]) -> Any:
        parts = [np.array(choice)[draw.integers(0, len(choice), rows)] for choice in choices]
        joined = parts[0]
        for part in parts[1:]:
            joined = np.char.add(np.char.add(joined, " "), part)
        return joined

    columns = {
        "lot_code": np.char.add("T", np.char.zfill(np.arange(rows).astype(str), 7)),
        "holder_name": words(FAMILY, GIVEN),
        "ward_name": words(WARDS),
        "street_name": words(STREETS),
        "use_name": words(USES),
        "built_year": draw.integers(1950, 2026, rows),
        "storey_count": draw.integers(1, 40, rows),
        "area_m2": draw.integers(100, 100_000, rows) / 10,
        "price_mvnd": draw.integers(10_000, 90_000_000, rows) / 100,
        "issued_on": FIRST_DAY + draw.integers(0, 9_000, rows),
        "changed_on": FIRST_DAY + draw.integers(9_000, 9_700, rows),
    }
    return pa.table({one.name: pa.array(columns[one.name], one.type) for one in schema(LOTS)})


@dataclass(frozen=True)
class Lots:
    """A dataset of rows, with its files as `export` writes them."""

    entry: Entry
    table: Table
    version: Version
    csv: Path
    rows: pa.Table


def write_lots(name: str, folder: Path, rows: pa.Table) -> Lots:
    """Version 1 of a dataset of these rows: its CSV file and its table."""
    entry, place = dataset(name, folder, []), folder / f"{name}-1"
    csv, parquet = place / "cases.csv", place / "cases.parquet"
    with closing(Csv(csv, LOTS)) as text, closing(Parquet(parquet, LOTS)) as binary:
        content = pour(rows.to_batches(BATCH), LOTS, [text, binary])
    columns = tuple(Column(name, TYPES[kind], both("label", name, name)) for name, kind in LOTS.items())
    version = Version(lineage_of(folder), 1)
    file = replace(entry.files[csv.name], path=csv, sha256=_sha256(csv), size=csv.stat().st_size)
    table = Table(csv.name, version, form_of(columns), columns, (KEY,), parquet, content.as_dict())
    fields = {**entry.fields, "row_count": str(rows.num_rows)}
    entry = replace(entry, fields=fields, files={csv.name: file}, table=table)
    return Lots(entry, table, version, csv, rows)


def next_version(table: Table) -> Table:
    """The same rows as another version, with nothing that leads to it."""
    return replace(table, version=_after(table), changes=None)


def _after(table: Table) -> Version:
    if table.version is None:
        raise AssertionError(table.file)
    return replace(table.version, number=table.version.number + 1)


def changed(lots: Lots, held: Table) -> Table:
    """The next version, of which 1 % of the rows are others: of ten that change, one comes, one goes, eight differ."""
    picked = lots.rows.take(np.arange(0, lots.rows.num_rows, 100 // CHANGED_PCT))
    each = picked.num_rows // 10
    gone, old, base = picked.slice(0, each), picked.slice(each, 8 * each), picked.slice(9 * each, each)
    new = _with(old, "price_mvnd", pa.array(old["price_mvnd"].to_numpy() + 1))
    come = _with(base, KEY, pa.array([f"{code}M" for code in base[KEY].to_pylist()]))
    parts = [(gone, "delete"), (old, "update_preimage"), (new, "update_postimage"), (come, "insert")]
    path = lots.csv.with_name("changes.parquet")
    told = [part.add_column(0, "_change", pa.array([kind] * part.num_rows)) for part, kind in parts]
    pq.write_table(pa.concat_tables(told), path)
    version = _after(held)
    changes = Changes(version.number - 1, come.num_rows, new.num_rows, gone.num_rows, path)
    content = _content(held.content, gone=[gone, old], come=[new, come])
    return replace(held, version=version, content=content, changes=changes)


def _with(rows: pa.Table, column: str, values: Any) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(column), column, values)


def _content(before: Mapping[str, Any], gone: list[pa.Table], come: list[pa.Table]) -> dict[str, Any]:
    less, more = (_digest(tables) for tables in (gone, come))
    return {
        "rows": before["rows"] - less.rows + more.rows,
        "digest": str(int(before["digest"]) - less.total + more.total),
        "nulls": {name: count - less.nulls[name] + more.nulls[name] for name, count in before["nulls"].items()},
    }


def _digest(tables: list[pa.Table]) -> Digest:
    digest = Digest(LOTS)
    for table in tables:
        digest.add([table[name].to_pylist() for name in LOTS])
    return digest


def write_exports(contracts: Mapping[str, Contract], exports: Path) -> int:
    """Three rows for every contract that is published, as `export` leaves them; how many exports."""
    return sum(1 for contract in contracts.values() if contract.portal and _write_export(contract, exports))


def _write_export(contract: Contract, exports: Path) -> bool:
    if contract.portal is None:
        return False
    columns = {name: contract.columns[name].type for name in contract.portal.columns}
    name = contract.table.partition(".")[2]
    folder = exports / name / "1"
    folder.mkdir(parents=True)
    table = pa.table({column: list(_values(kind)) for column, kind in columns.items()}, schema=schema(columns))
    content, files, _ = write_files(table.to_batches(), contract, columns, folder)
    manifest = {
        "table": f"open.{name}",
        "lineage": hashlib.sha256(name.encode()).hexdigest()[:32],
        "version": 1,
        **content.as_dict(),
        "key": list(contract.key),
        "columns": [{"name": column, "type": kind} for column, kind in columns.items()],
        "exported_at": "2026-11-22T10:00:00+07:00",
        "extracts": [],
        "files": [
            {"name": path.name, "format": kind.name, "bytes": path.stat().st_size, "sha256": _sha256(path)}
            for kind, path in files
        ],
        "changes": None,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return True


def _values(kind: str) -> Iterator[Any]:
    for number in range(3):
        yield {
            "string": f"Giá trị {number}",
            "double": number / 2,
            "boolean": number == 1,
            "date": date(2026, 1, number + 1),
        }.get(kind, number)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
