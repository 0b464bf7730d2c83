"""The tables' own files, read as docs/analysts.md says, on a table of which rows were deleted and replaced."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from infra.settings import ROOT
from spark_jobs.session import FEW_ROWS, connect, folder_of, plan_for
from tests.pages import DOCS, blocks

if TYPE_CHECKING:
    from tests.stack import Stack

Figures = list[object]
KEPT = "tblproperties ('delta.enableDeletionVectors' = 'true')"  # as tables have it that an older version made
CHANGE = (
    "on t.id = s.id when matched then update set name = 'đổi' "
    "when not matched then insert (id, name) values (s.id, 'mới')"
)
ANSWER = "count(*) as n, count(distinct id) as ids, sum(id) as total, max(name) as last"


def recipe(imported: str) -> str:
    """The page's block that imports a module."""
    (found,) = (
        block.text
        for block in blocks(DOCS / "analysts.md")
        if block.language == "python" and f"import {imported}" in block.text
    )
    return found


def asked_in_python(stack: Stack, program: str) -> Figures:
    """What a program that ends in printing JSON prints, run by the analysts' Python."""
    done = subprocess.run(
        [str(stack.settings.python("analyst")), "-c", program],
        env=dict(stack.variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


@pytest.fixture(scope="module")
def changed(engine: Stack) -> str:
    """A table with deletion vectors: version 1 filled it, 2 merged changes, 3 deleted."""
    schema = f"test_{uuid4().hex[:8]}"
    name = f"{schema}.changed"
    warehouse = engine.env["KHO_WAREHOUSE"]
    with connect(engine.env["KHO_ENGINE"]) as spark:
        plan_for(spark, FEW_ROWS)  # of fewer, files are written anew
        for statement in (
            f"create schema {schema}",
            f"create table {name} (id int, name string) using delta {KEPT}",
            f"insert into {name} select id, concat('Phường ', id) from range(1000)",
            f"merge into {name} as t using (select cast(id as int) as id from range(0, 1100, 7)) as s {CHANGE}",
            f"delete from {name} where id between 100 and 200",
        ):
            spark.sql(statement)
    assert list(folder_of(warehouse, name).glob("deletion_vector*"))
    return name


def truth(engine: Stack, question: str) -> Figures:
    """The one row that the engine answers."""
    with connect(engine.env["KHO_ENGINE"]) as spark:
        (row,) = spark.sql(question).collect()
        return list(row)


@pytest.mark.parametrize("version", [None, 1, 2, 3])
def test_both_ways_of_the_page_say_what_the_engine_says(engine: Stack, changed: str, version: int | None) -> None:
    expected = truth(engine, f"select {ANSWER} from {changed}{'' if version is None else f' version as of {version}'}")
    program = recipe("duckdb") + (
        f"\nimport json\nchanged = table({changed!r}, {version})\n"
        f'print(json.dumps(lake.sql("select {ANSWER} from changed").fetchone()))'
    )
    assert asked_in_python(engine, program) == expected
    program = recipe("pyarrow") + (
        f"\nimport json\nframe = read({changed!r}, version={version}).to_pandas()\n"
        "print(json.dumps([len(frame), frame.id.nunique(), int(frame.id.sum()), frame.name.max()]))"
    )
    assert asked_in_python(engine, program) == expected


def test_the_parquet_files_alone_are_wrong_as_the_page_warns(engine: Stack, changed: str) -> None:
    program = recipe("duckdb") + (
        f"\nfrom deltalake import DeltaTable\nschema, _, name = {changed!r}.partition('.')\n"
        "from urllib.parse import unquote\n"
        "files = DeltaTable(warehouse / f'{schema}.db' / name).file_uris()\n"
        "print([len(duckdb.read_parquet([unquote(file) for file in files]))])"
    )
    assert truth(engine, f"select count(*) from {changed}") == [914]
    (wrong,) = asked_in_python(engine, program)
    assert isinstance(wrong, int)
    assert wrong > 914


@pytest.mark.parametrize("way", ["to_pandas", "to_pyarrow_table", "to_pyarrow_dataset"])
def test_what_the_page_says_is_refused_is_refused(engine: Stack, changed: str, way: str) -> None:
    program = recipe("pyarrow") + (
        f"\nfrom deltalake.exceptions import DeltaProtocolError\nschema, _, name = {changed!r}.partition('.')\n"
        f"try:\n    DeltaTable(warehouse / f'{{schema}}.db' / name).{way}()\n"
        "except DeltaProtocolError as refused:\n    print([int('deletionVectors' in str(refused))])"
    )
    assert asked_in_python(engine, program) == [1]
