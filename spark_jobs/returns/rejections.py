"""What there is to say about a department's delivery: which of its rows break which rules, or why it was refused whole.

Whether anything is to be said stands in the Delta logs, what it is in the table of rejected rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quality.contract import Contract
from quality.delivery import FILES
from quality.refusal import Refusal
from spark_jobs import raw
from spark_jobs.asking import ask, quoted
from spark_jobs.environment import Environment
from spark_jobs.extracts import Extract, extracts_of, refuse_unknown_period
from spark_jobs.judging import REASON_COLUMNS, Judge, Reason, reason_of
from spark_jobs.layouts import Tally, delivery_of, layout_named
from spark_jobs.places import remove_folder
from spark_jobs.reading import Readers, Reading, Task
from spark_jobs.session import table_at
from spark_jobs.tolerance import refuse_lost_files, refuse_lost_units, refuse_too_few

if TYPE_CHECKING:
    from deltalake import DeltaTable

FILES_AT_MOST = 50
REASONS_AT_MOST = 20_000  # of a file: nobody corrects more cells by hand
ALL_REASONS_AT_MOST = 100_000  # together, which bounds our memory


@dataclass(frozen=True)
class Rule:
    """A rule that rows of a column break, and how many. `expected`: of one of these rows, in English."""

    column: str
    name: str
    expected: str
    rows: int


@dataclass(frozen=True)
class Rejections:
    """Of one extract: what is wrong with it.

    `commit` counts the rows of the files that were new; `files`: rejected rows by file, of all its files. `reasons`
    stand in the order of files and lines, personal values masked; not every file need be among them. `is_whole`: none
    of its rows is in raw. `refusal`: why it could not even be read; then there are no rows.
    """

    extract: Extract
    commit: raw.Commit
    is_whole: bool
    files: Mapping[str, int]
    rules: Sequence[Rule] = ()
    reasons: Sequence[Reason] = ()
    refusal: Refusal | None = None

    @property
    def shown(self) -> list[str]:
        """The files of which reasons are told."""
        return list(dict.fromkeys(reason.file for reason in self.reasons))


@dataclass(frozen=True)
class Row:
    """A rejected row as the department wrote it. `cells`: what stands over each column."""

    file: str
    sheet: str
    line: int
    values: Mapping[str, object]
    cells: Mapping[str, str]


def extract_of(contract: Contract, environment: Environment, period: str | None) -> Extract | None:
    """The newest extract of a period; or the newest of all, of rows that come as changes: that has rejected rows.

    Those have no periods that people know. None when nothing was delivered yet.
    """
    extracts = extracts_of(environment.lake, contract.table)
    if period is not None:
        refuse_unknown_period(environment.lake, contract.table, period, extracts)
        return extracts[period][-1]
    newest = [found[-1] for found in extracts.values()]
    if delivery_of(contract).mode == "changes":
        commits = raw.contained(environment.warehouse, raw.rejected_of(contract))
        bad = {name for name, commit in commits.items() if commit.rejected}
        newest = [extract for extract in newest if extract.period in bad] or newest
    return max(newest, key=lambda extract: (extract.fetched_at, extract.period), default=None)


def rejections_of(contract: Contract, environment: Environment, extract: Extract) -> Rejections | None:
    """Of the newest extract of a period; None when nothing is wrong with it."""
    judged, accepted = (
        raw.contained(environment.warehouse, table).get(extract.period)
        for table in (raw.rejected_of(contract), raw.table_of(contract))
    )
    if judged and judged.extract == extract.sha256:
        rejected = table_at(environment.warehouse, raw.rejected_of(contract))
        return _rows(rejected, contract, extract, judged, is_whole=accepted != judged)
    if accepted and accepted.extract == extract.sha256:
        return None
    refusal = _refusal(contract, environment, extract, accepted)
    return Rejections(extract, raw.Commit(extract.period, extract.sha256, ""), is_whole=True, files={}, refusal=refusal)


def rows_again(contract: Contract, path: Path, period: str, reasons: Sequence[Reason]) -> Iterator[Row]:
    """The rows of a delivered file that some reasons are about, read once more by the layout that read them."""
    wanted = {(reason.sheet, reason.line) for reason in reasons}
    name = reasons[0].file
    for batch in layout_named(delivery_of(contract).layout)(path, contract, period, Tally()):
        for index, line in enumerate(batch.lines):
            if (batch.sheet, line) in wanted:
                values = {column: _plain(found[index]) for column, found in batch.columns.items()}
                yield Row(name, batch.sheet, line, values, batch.cells)


def _plain(value: object) -> object:
    """An Arrow value as Python's."""
    return value.as_py() if hasattr(value, "as_py") else value


def _rows(
    rejected: DeltaTable, contract: Contract, extract: Extract, commit: raw.Commit, *, is_whole: bool
) -> Rejections | None:
    """All of the period, not of the extract only: files that did not change keep the rows of an earlier one."""
    here = f"from rejected where _period = {quoted(extract.period)}"
    counted = ask(f"select _file, count(*) as _rows {here} group by _file order by _file", rejected=rejected).read_all()
    files = {row["_file"]: row["_rows"] for row in counted.to_pylist()}
    if not files:
        return None
    query = f"""
        with broken as (
            select unnest(_broken) as _reason {here}
        ),
        reasons as (
            select {REASON_COLUMNS} from broken
        )
        select `column`, rule, min(expected) as expected, count(*) as _rows from reasons
        group by `column`, rule order by _rows desc, `column`, rule
        """  # noqa: S608  names and texts of our own
    rules = ask(query, rejected=rejected).read_all().to_pylist()
    # Pages of an API and answers of a database are no files that their department knows: all of them are one list.
    shown = list(files)[:FILES_AT_MOST] if delivery_of(contract).source in FILES else list(files)
    return Rejections(
        extract,
        commit,
        is_whole=is_whole,
        files=files,
        rules=[Rule(*row.values()) for row in rules],
        reasons=_reasons(rejected, here, shown),
    )


def _reasons(rejected: DeltaTable, here: str, files: Collection[str]) -> list[Reason]:
    """By file and line. One cell may stand in several rows (a province of a yearbook): it is one reason."""
    query = f"""
        with broken as (
            select _file, _sheet, _line, unnest(_broken) as _reason
            {here} and _file in ({", ".join(map(quoted, files))})
        ),
        cells as (
            select distinct _file, _sheet, _line, {REASON_COLUMNS} from broken
        ),
        ranked as (
            select
                *,
                row_number() over (
                    partition by _file order by _sheet, _line, `column`, cell nulls first, rule
                ) as _nth
            from cells
        )
        select * from ranked where _nth <= {REASONS_AT_MOST}
        order by _file, _sheet, _line, `column`, cell nulls first, rule limit {ALL_REASONS_AT_MOST}
        """  # noqa: S608  names and texts of our own
    return [reason_of(row) for row in ask(query, rejected=rejected).read_all().to_pylist()]


def _refusal(contract: Contract, environment: Environment, extract: Extract, accepted: raw.Commit | None) -> Refusal:
    """Why an extract that left no rows was refused: `ingest` said it once, and it is found out again the same way."""
    folder = environment.lake / "reading" / f"{contract.table}.return"
    earlier = extracts_of(environment.lake, contract.table)[extract.period][:-1]
    before = next((old for old in reversed(earlier) if accepted and old.sha256 == accepted.extract), None)
    has_whole_state = delivery_of(contract).mode != "changes"
    where = str(extract.folder(environment.lake))
    remove_folder(folder)
    folder.mkdir(parents=True)
    try:
        if before:
            refuse_lost_files([f.name for f in extract.files], [f.name for f in before.files], where)
        found = _read(contract, environment, extract, folder)
        if has_whole_state:
            refuse_too_few(contract, found.rows, where)
        if before and found.units:
            refuse_lost_units(found.units, _read(contract, environment, before, folder).units, where)
    except Refusal as refusal:
        return refusal
    finally:
        remove_folder(folder)
    raise Refusal(
        f"the delivery of {contract.table} {extract.period} has not been judged yet",
        where=where,
        expected="an extract that was ingested or refused",
        found="one that can be read",
        remedy=f"run `./kho ingest {contract.table}`: it takes it in or says why not",
    )


def _read(contract: Contract, environment: Environment, extract: Extract, folder: Path) -> Reading:
    tasks = [
        Task(file.name, extract.path(environment.lake, file), folder / f"{number:06d}")
        for number, file in enumerate(extract.files)
    ]
    with Readers() as readers:
        return readers.read(Judge(contract, extract.period, extract.sha256), tasks)
