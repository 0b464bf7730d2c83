"""Open → files that never change: `./kho export [city.disease_cases …]`.

One folder per open version, `$KHO_LAKE/exports/<table>/<version>/`: CSV (UTF-8 with BOM, commas, ISO dates, RFC 4180),
Parquet, and at last `manifest.json`, which says that all is there. In the CSV a text that a spreadsheet would run as a
formula gets an apostrophe in front; Parquet holds every text as it is.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import Contract, load_all
from quality.digest import Digest
from quality.refusal import NotYet, run
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.marks import one_at_a_time
from spark_jobs.places import whole_folder
from spark_jobs.protect import open_columns
from spark_jobs.session import connect, lineage, plan_for, rows_in, version
from spark_jobs.verdicts import require_passed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from pyspark.sql import SparkSession

MANIFEST = "manifest.json"
MEDIA_TYPES = {"csv": ("CSV", "text/csv"), "parquet": ("Parquet", "application/vnd.apache.parquet")}
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*\s?%?")  # -5, +84, 1.234,5 are no formulas


def main() -> None:
    """Read the environment and the command line, then export table by table."""
    parser = argparse.ArgumentParser(prog="kho export", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="city.table", help="all published tables if none")
    arguments = parser.parse_args()
    contracts = {name: contract for name, contract in load_all().items() if contract.portal}
    export(chosen(arguments.tables, contracts, "contracts with a portal block"), contracts, read_environment())


def export(tables: Sequence[str], contracts: dict[str, Contract], environment: Environment) -> None:
    """Write the newest open version of each table as files, unless it stands there."""
    for_each(tables, lambda table: _export(contracts[table], environment))


def _export(contract: Contract, environment: Environment) -> None:
    opened = f"open.{contract.name}"
    with one_at_a_time(environment.lake, "export", contract.table):
        newest = version(environment.warehouse, opened)
        if newest is None:
            raise NotYet(f"there is no {opened}", where=environment.warehouse, remedy="`./kho protect` makes it")
        target = environment.lake / "exports" / contract.name / str(newest)
        if (target / MANIFEST).is_file():
            print(f"export {contract.table}: version {newest} stands already")
            return
        verdict = require_passed(environment.lake, "open", contract, newest)
        with connect(environment.engine, environment.warehouse) as spark, whole_folder(target) as folder:
            manifest = write_export(spark, environment.warehouse, contract, newest, folder)
            manifest["changes"] = write_changes(spark, environment.warehouse, manifest, folder)
            manifest["check"] = _summary(verdict)
            text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
            (folder / MANIFEST).write_text(text, encoding="utf-8")
        sizes = ", ".join(f"{file['format']} {file['bytes']:,} bytes" for file in manifest["files"])
        print(f"export {contract.table}: version {newest}, {manifest['rows']:,} rows, {sizes}")


def write_export(spark: SparkSession, warehouse: str, contract: Contract, at: int, folder: Path) -> dict[str, Any]:
    """Both files of one open version, read once and in one stream; what the manifest says of them."""
    from spark_jobs.merge import made_from  # noqa: PLC0415
    from spark_jobs.personal import refuse_personal_data  # noqa: PLC0415

    opened = f"open.{contract.name}"
    columns = open_columns(contract)
    plan_for(spark, rows_in(warehouse, opened))
    files = {kind: folder / f"{contract.name}.{kind}" for kind in MEDIA_TYPES}
    content = write_files(_stream(spark, opened, at, columns, contract.key), columns, files)
    refuse_personal_data(files.values(), [name for name, kind in columns.items() if kind == "string"], opened)
    return {
        "table": opened,
        "lineage": lineage(warehouse, opened),
        "version": at,
        **content.as_dict(),
        "key": list(contract.key),
        "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
        "contract_sha256": contract.sha256,
        "extracts": made_from(warehouse, opened, at).get("extracts", []),
        "exported_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "files": [_described(path) for path in files.values()],
    }


def write_changes(spark: SparkSession, warehouse: str, manifest: Mapping[str, Any], folder: Path) -> Any:
    """What changed since the newest export before this one, as a file; what the manifest says of it.

    None where there is no such export, or none of this form: then nothing can be told but the whole.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    from spark_jobs.changes import CHANGE, DELETED, INSERTED, NAME, UPDATED, can_be_told, changes  # noqa: PLC0415
    from spark_jobs.personal import PersonalData, refuse_personal_data  # noqa: PLC0415

    before, opened, at = export_before(folder.parent, manifest["version"]), manifest["table"], manifest["version"]
    same = ("lineage", "columns", "key")
    if before is None or any(before.get(name) != manifest[name] for name in same):
        return None
    if not can_be_told(warehouse, opened, before["version"], at):
        return None
    columns = {column["name"]: column["type"] for column in manifest["columns"]}
    frame = changes(spark, opened, before["version"], at, columns, manifest["key"])
    told = _typed(frame.toArrow(), {CHANGE: "string", **columns})
    pq.write_table(told, folder / NAME)
    try:
        refuse_personal_data([folder / NAME], [name for name, kind in columns.items() if kind == "string"], opened)
    except PersonalData:  # not in this version, whose files were read before: in what it takes away
        (folder / NAME).unlink()
        return None
    kinds = told.column(CHANGE).to_pylist()
    counts = {"inserted": INSERTED, "updated": UPDATED, "deleted": DELETED}
    return {
        "since": before["version"],
        **{name: kinds.count(kind) for name, kind in counts.items()},
        "file": _described(folder / NAME),
    }


def export_before(exports: Path, at: int) -> dict[str, Any] | None:
    """The manifest of the newest complete export of a table before version `at`."""
    older = [
        path for path in exports.glob(f"*/{MANIFEST}") if path.parent.name.isdigit() and int(path.parent.name) < at
    ]
    newest = max(older, key=lambda path: int(path.parent.name), default=None)
    found: dict[str, Any] | None = json.loads(newest.read_text(encoding="utf-8")) if newest else None
    return found


def write_files(batches: Iterable[pa.RecordBatch], columns: Mapping[str, str], files: Mapping[str, Path]) -> Digest:
    """Write every batch to both files as it comes, so that memory does not grow with the table. Returns what it was."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = _schema(columns)
    content = Digest(list(columns))
    with files["csv"].open("w", encoding="utf-8-sig", newline="") as text, files["parquet"].open("wb") as binary:
        lines = csv.writer(text)
        lines.writerow(columns)
        with pq.ParquetWriter(binary, schema) as parquet:
            for batch in batches:
                table = _typed(pa.Table.from_batches([batch]), columns)
                parquet.write_table(table)
                values = [column.to_pylist() for column in table.columns]
                content.add(values)
                lines.writerows(zip(*([cell(value) for value in column] for column in values), strict=True))
    return content


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


def _stream(
    spark: SparkSession, table: str, at: int, columns: Mapping[str, str], key: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of one version, sorted by key, batch by batch: `toArrow` would hold the whole table."""
    listed = ", ".join(f"`{name}`" for name in columns)
    order = ", ".join(f"`{name}`" for name in key)
    frame: Any = spark.sql(f"select {listed} from {table} version as of {at} order by {order}")  # noqa: S608
    client = frame.sparkSession.client
    import pyarrow as pa  # noqa: PLC0415

    for part in client.to_table_as_iterator(frame._plan.to_proto(client), {}):  # noqa: SLF001
        if isinstance(part, pa.RecordBatch):
            yield part
        elif isinstance(part, pa.Table):
            yield from part.to_batches()


def _typed(table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    return table.select(list(columns)).cast(_schema(columns))


def _schema(columns: Mapping[str, str]) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema([pa.field(name, _arrow_type(kind)) for name, kind in columns.items()])


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415

    types: dict[str, pa.DataType] = {
        "string": pa.string(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "Asia/Ho_Chi_Minh"),
    }
    return types[kind]


def _described(path: Path) -> dict[str, Any]:
    name, media_type = MEDIA_TYPES[path.suffix.removeprefix(".")]
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return {
        "name": path.name,
        "format": name,
        "media_type": media_type,
        "bytes": path.stat().st_size,
        "sha256": sha256,
    }


def _summary(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Of a check: when, how many rules, and which warnings it had."""
    rules = verdict["rules"]
    return {
        "checked_at": verdict["checked_at"],
        "passed": verdict["passed"],
        "rows": verdict["rows"],
        "rules": len(rules),
        "warnings": [f"{rule['column']} {rule['name']}".strip() for rule in rules if not rule["passed"]],
    }


if __name__ == "__main__":
    sys.exit(run(main))
