"""The full text of rows: every value in its JSON form, as the DataStore's own trigger makes it row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from ckanext_kho.rows import LANGUAGE
from ckanext_kho.tables import names
from ckanext_kho.tables.database import rows, table, value
from ckanext_kho.tables.form import Column

_MANY = 100_000  # rows; of fewer, to find which values come again costs about as much as it saves
_SAMPLE = 30_000  # rows, in which every value that is looked up comes ten times on average
_KNOWN_BYTES = 1 << 20  # of a column's values: then their words fit into the memory of a query, 4 MB
# Text is split alike whatever stands before it and a space, but for this: `<` opens a tag, which may end in a later
# column, and of a mark alone no word is left, but the next word's place is one further.
_NOT_ALONE = "[<\u0300-\u036f\u20d0-\u20ff]"


@dataclass(frozen=True)
class Words:
    """The expression for a row, what is to be joined for it, and the tables that are to be dropped after it."""

    expression: sql.Composable
    joins: sql.Composable = field(default_factory=lambda: sql.SQL(""))
    tables: tuple[str, ...] = ()


def split(columns: Sequence[Column], source: str) -> sql.Composed:
    """The text as a whole. The columns are named: so several processes may read them, which no trigger does."""
    return sql.SQL("to_tsvector({})").format(_joined(columns, source))


def of_staged(connection: Connection, staged: str, columns: Sequence[Column], total: int) -> Words:
    """The words of the `total` rows that are `staged`, made as suits their number."""
    return split_once(connection, staged, columns, total) if total > _MANY else Words(split(columns, "staged"))


def split_once(connection: Connection, staged: str, columns: Sequence[Column], total: int) -> Words:
    """The same of the `total` rows that are `staged`; what a column says over and over is split once, and looked up.

    Of a million rows, in which four columns of eleven say a hundred things at most, this took 6.0 s instead of 8.5 s.
    """
    sample = sql.SQL("{} tablesample system ({})").format(table(staged), sql.Literal(min(100, 100 * _SAMPLE / total)))
    known = {
        column.name: names.known_words(staged, number)
        for number, column in enumerate(_of_few_values(connection, sample, columns))
    }
    for name, at in known.items():
        remember = sql.SQL(
            "create unlogged table {} as select value, to_tsvector({} || value) as words"
            " from (select {} as value from {} group by 1) as each where value !~ {}"
        )
        before = sql.Literal("" if name == columns[0].name else " ")
        rows(
            connection,
            remember.format(table(at), before, sql.Identifier(name), sample, sql.Literal(_NOT_ALONE)),
        )
    whole = split(columns, "staged")
    if not known:
        return Words(whole)
    pieces = sql.SQL(" || ").join(_pieces(columns, known))
    join = sql.SQL("left join {} on {} = {}")
    joins = [
        join.format(table(at), sql.Identifier(at, "value"), sql.Identifier("staged", name))
        for name, at in known.items()
    ]
    return Words(sql.SQL("coalesce({}, {})").format(pieces, whole), sql.SQL(" ").join(joins), tuple(known.values()))


def _of_few_values(connection: Connection, sample: sql.Composable, columns: Sequence[Column]) -> list[Column]:
    """Texts of which the same come again and again. A value that the sample lacks is rare, and split where it comes."""
    texts = [column for column in columns if column.type == "text"]
    # In another language, a word that is not worth to be found would be what a mark is in ours.
    if not texts or value(connection, "select current_setting('default_text_search_config')") != LANGUAGE:
        return []
    counted = sql.SQL(", ").join(
        sql.SQL("count({0}), count(distinct {0}), coalesce(avg(octet_length({0})), 0)").format(sql.Identifier(one.name))
        for one in texts
    )
    (found,) = rows(connection, sql.SQL("select {} from {}").format(counted, sample))
    return [
        column
        for column, there, different, length in zip(texts, found[::3], found[1::3], found[2::3], strict=True)
        if 10 * different <= there and different * length <= _KNOWN_BYTES
    ]


def _pieces(columns: Sequence[Column], known: Mapping[str, str]) -> Iterator[sql.Composed]:
    """Words to be put one behind the other; null where they would not be those of the whole.

    What comes first has no space before it. So it must be there: else the next would come first.
    """
    for is_known, group in groupby(columns, lambda column: column.name in known):
        run = list(group)
        is_first = run[0] is columns[0]
        if not is_known:
            yield _alone(run, is_first=is_first)
            continue
        for column in run:
            there = "{words}" if column is columns[0] else "case when {value} is null then '' else {words} end"
            words = sql.Identifier(known[column.name], "words")
            yield sql.SQL(there).format(words=words, value=sql.Identifier("staged", column.name))


def _alone(run: Sequence[Column], *, is_first: bool) -> sql.Composed:
    """The words of columns between those that are looked up."""
    conditions = [sql.SQL("{} is not null").format(sql.Identifier("staged", run[0].name))] if is_first else []
    if texts := [column for column in run if column.type == "text"]:
        conditions.append(sql.SQL("{} !~ {}").format(_joined(texts, "staged"), sql.Literal(_NOT_ALONE)))
    before = sql.SQL("" if is_first else "' ' || ")
    vector = sql.SQL("to_tsvector({}{})").format(before, _joined(run, "staged"))
    if not conditions:
        return vector
    return sql.SQL("case when {} then {} end").format(sql.SQL(" and ").join(conditions), vector)


def _joined(columns: Sequence[Column], source: str) -> sql.Composed:
    values = sql.SQL(", ").join(_in_json(column, source) for column in columns)
    return sql.SQL("concat_ws(' ', {})").format(values)


def _in_json(column: Column, source: str) -> sql.Composed:
    name = sql.Identifier(source, column.name)
    # Of a million rows with two columns of float8, all words took 11.2 s with these in JSON, 8.6 s as they are.
    as_text = column.type in ("text", "int4", "int8", "float8", "date")  # the same in JSON
    return sql.SQL("{}" if as_text else "to_json({}) #>> '{{}}'").format(name)
