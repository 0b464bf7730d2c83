"""The words of a load of many rows are those that CKAN's trigger makes, whatever stands in them."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from infra.services import postgres
from infra.services.portal import environment
from infra.services.portal_config import WRITER

if TYPE_CHECKING:
    from tests.stack import Stack

# What PostgreSQL's parser takes for the beginning or the end of something: a tag, an address, a number, a letter and
# its mark.
PARTS = [*"ab120.,-+/~@:_&()%eE'=?#*<>[]!;", " ", "<a ", "</script", "<!--", "-->", "://", "http://", "www.", "&amp;"]
PARTS += ["-1", "1e5", ".5", "x-y", "Ạ", "đ", "ư", "²", "\u2013", "\u0323", "\u0300", "\u20dd", "\u200b", "\\", "\t"]
COLUMNS = {
    "dau": "text",
    "phuong": "text",
    "ma": "text",
    "so": "int4",
    "gia": "float8",
    "loai": "text",
    "dung": "bool",
    "duong": "text",
    "luc": "timestamp",
    "ghi_chu": "text",
}
TRIGGER = "populate_full_text_trigger()"
FEW, ROWS = ("phuong", "loai", "duong"), 4_000

# In a process of the portal's own: what a load of many rows would ask of the database.
SPLITS_ONCE = """
import json, sys
from ckanext_kho.wsgi import application
from ckanext_kho.tables import words
from ckanext_kho.tables.database import another
from ckanext_kho.tables.form import read_columns

staged, columns, total = json.load(sys.stdin)
with another() as connection:
    once = words.split_once(connection, staged, read_columns(columns), total)
    print(json.dumps([once.expression.as_string(connection), once.joins.as_string(connection), once.tables]))
"""


def made(draw: random.Random) -> Iterator[tuple[Any, ...]]:
    """Rows that say whatever it is, three columns of them the same again and again."""

    def said() -> str | None:
        return draw.choice([None, "", *("".join(draw.choices(PARTS, k=draw.randint(1, 6))) for _ in range(12))])

    few = {name: [said() for _ in range(150)] for name in FEW}
    for _ in range(ROWS):
        others = {
            "so": draw.randint(-9, 9),
            "gia": draw.choice([0.1, -0.0, 1e300, 1e-7, float("nan"), float("inf"), None]),
            "dung": draw.choice([True, False, None]),
            "luc": draw.choice(["2025-06-30T17:00:00", None]),
        }
        yield tuple(draw.choice(few[name]) if name in few else others.get(name, said()) for name in COLUMNS)


@contextmanager
def staged(connection: psycopg.Connection) -> Iterator[str]:
    """A table like those that loads stage; with it goes all that has its name for a beginning."""
    name = f"_stg_words_{token_hex(4)}"
    described = sql.SQL(", ").join(sql.SQL(f"{column} {kind}") for column, kind in COLUMNS.items())
    try:
        connection.execute(sql.SQL("create unlogged table {} (_id serial, {})").format(sql.Identifier(name), described))
        connection.execute(sql.SQL("alter table {} owner to {}").format(sql.Identifier(name), sql.Identifier(WRITER)))
        listed = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        copy = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(name), listed)
        with connection.cursor() as cursor, cursor.copy(copy) as rows:
            for row in made(random.Random(2026)):  # noqa: S311 - always the same
                rows.write_row(row)
        yield name
    finally:
        left = connection.execute(
            "select relname from pg_class where relkind = 'r' and starts_with(relname, %s)", [name]
        )
        for (table,) in left.fetchall():
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier(table)))


def test_values_that_are_looked_up_give_the_words_of_the_whole(ckan: Stack) -> None:
    with postgres.connect(ckan.settings, "datastore") as connection, staged(connection) as name:
        done = subprocess.run(
            [str(ckan.settings.python("portal")), "-c", SPLITS_ONCE],
            env={**os.environ, **environment(ckan.settings)},
            input=json.dumps([name, [{"id": column, "type": kind} for column, kind in COLUMNS.items()], ROWS]),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        expression, joins, known = json.loads(done.stdout.splitlines()[-1])  # before it, what CKAN logs
        looked_up = [connection.execute(f"select count(*) from {table}".encode()).fetchall() for table in known]
        listed = ", ".join(COLUMNS)
        for statement in (
            f"create table {name}_theirs as select *, null::tsvector as _full_text from {name} limit 0",
            f"create trigger zfulltext before insert on {name}_theirs for each row execute procedure {TRIGGER}",
            f"insert into {name}_theirs (_id, {listed}) select _id, {listed} from {name}",
            f"create table {name}_ours as select _id, {expression} as _full_text from {name} as staged {joins}",
        ):
            connection.execute(statement.encode())
        compared = connection.execute(
            f"select theirs._full_text::text, ours._full_text::text, theirs from {name}_theirs as theirs"
            f" join {name}_ours as ours using (_id)".encode()
        ).fetchall()
    assert len(compared) == ROWS
    assert [row for row in compared if row[0] != row[1]] == []
    assert len(looked_up) == len(FEW)
    assert all(count > 5 for ((count,),) in looked_up)
