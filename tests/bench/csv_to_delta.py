"""A CSV file through `ingest` into Delta, against the plainest that Spark can do: the same file into Parquet.

`intake.py` starts it as a process of its own, with the environment of a step:
`python -m tests.bench.csv_to_delta FOLDER ROWS`. It leaves `FOLDER/csv_to_delta.json` and nothing else.

Both begin with the file on this machine's disk and an open session, and end with a table that was not there before.
Ours also finds keys that stand twice, checks every value, and counts what is accepted and rejected.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from quality.contract import Column, Contract, Delivery, Text
from spark_jobs.environment import Environment, read_environment
from spark_jobs.extracts import period_folder
from spark_jobs.fetch import fetch
from spark_jobs.ingest import Options, ingest
from spark_jobs.places import remove_folder
from spark_jobs.raw import rejected_of, table_of
from spark_jobs.session import connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TIMES = 9  # an engine that has just started becomes faster for the first five
RESULT = "csv_to_delta.json"
WORDS = Text("để đo", "to measure")
COLUMNS = {
    "code": "string",
    "name": "string",
    "ward_code": "string",
    "street": "string",
    "year": "int",
    "storeys": "int",
    "area_m2": "double",
    "price_mvnd": "double",
    "issued_on": "date",
    "changed_on": "date",
}
CONTRACT = Contract(
    table="bench.rows",
    path=Path("rows.yml"),
    title=WORDS,
    description=WORDS,
    grain="one row per code",
    owner="bench",
    key=("code",),
    at_least=1,
    columns={name: Column(name, kind, "none", WORDS, WORDS) for name, kind in COLUMNS.items()},
    portal=None,
    delivery=Delivery("folder", "delimited", "snapshot", "month", 0, files=r"rows\.csv"),
    sha256="",
)


def main() -> None:
    """Make the file, then measure both in turn."""
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    environment = read_environment()
    offered = folder / "offered"
    offered.mkdir(parents=True)
    size = write_csv(offered / "rows.csv", rows)
    os.environ["KHO_SOURCE_BENCH_FOLDER"] = str(offered)
    fetch(CONTRACT, environment.lake)
    ours, plain = [], []
    try:
        with connect(environment.engine) as spark:
            for _ in range(TIMES):
                plain.append(to_parquet(spark, offered / "rows.csv", folder / "plain.parquet"))
                ours.append(to_delta(spark, environment, rows))
    finally:
        _leave_nothing(environment, folder)
    found = {"rows": rows, "bytes": size, "delta_seconds": ours, "parquet_seconds": plain}
    (folder / RESULT).write_text(json.dumps(found), encoding="utf-8")


def write_csv(path: Path, rows: int) -> int:
    """Rows of all the types, always the same; the size of the file."""
    import numpy as np  # noqa: PLC0415  readers import this module too and need neither
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.csv import write_csv as write  # noqa: PLC0415

    draw = np.random.default_rng(2026)
    number = np.arange(rows)
    first_day = np.datetime64("2000-01-01")
    names = np.array(["Nguyễn Thị Thử Nghiệm", "Trần Văn Ví Dụ", "Lê Hoàng Mô Phỏng", "Phạm Minh Đo Lường"])
    columns = {
        "code": np.char.add("M", np.char.zfill(number.astype(str), 9)),
        "name": names[draw.integers(0, len(names), rows)],
        "ward_code": draw.integers(25_750, 27_700, rows).astype(str),
        "street": np.char.add("Đường số ", draw.integers(1, 900, rows).astype(str)),
        "year": draw.integers(1990, 2026, rows),
        "storeys": draw.integers(1, 40, rows),
        "area_m2": draw.integers(100, 100_000, rows) / 10,
        "price_mvnd": draw.integers(10_000, 90_000_000, rows) / 100,
        "issued_on": first_day + draw.integers(0, 9_000, rows),
        "changed_on": first_day + draw.integers(9_000, 9_700, rows),
    }
    write(pa.table({name: pa.array(columns[name]) for name in COLUMNS}), path)
    return path.stat().st_size


def to_parquet(spark: SparkSession, source: Path, target: Path) -> float:
    """Seconds of the plainest: a schema given, nothing checked."""
    began = time.monotonic()
    schema = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    frame = spark.read.option("header", value=True).schema(schema).csv(str(source))
    frame.write.mode("overwrite").parquet(str(target))
    return time.monotonic() - began


def to_delta(spark: SparkSession, environment: Environment, rows: int) -> float:
    """Seconds of ours, into tables that are not there."""
    _drop(spark)
    began = time.monotonic()
    ingest(CONTRACT, environment, Options())
    seconds = time.monotonic() - began
    found = spark.table(table_of(CONTRACT)).count()
    if found != rows:
        sys.exit(f"{table_of(CONTRACT)} has {found:,} rows instead of {rows:,}")
    return seconds


def _drop(spark: SparkSession) -> None:
    for table in (table_of(CONTRACT), rejected_of(CONTRACT)):
        spark.sql(f"create schema if not exists {table.partition('.')[0]}")
        spark.sql(f"drop table if exists {table}")


def _leave_nothing(environment: Environment, folder: Path) -> None:
    with connect(environment.engine) as spark:
        spark.sql(f"drop schema if exists {table_of(CONTRACT).partition('.')[0]} cascade")
    remove_folder(period_folder(environment.lake, CONTRACT.table, "").parent)
    remove_folder(folder / "plain.parquet")
    remove_folder(folder / "offered")


if __name__ == "__main__":
    main()
