"""Draft → city, through the gate: `./kho promote [city.disease_cases …]`.

A city table gets a new version only if rows really changed, and only from a draft version that passed its check. Where
more rows would go than the contract lets go, a person looks first: `--allow-removals N` for one table. When every draft
is in and something changed, the city's versions become a release.
"""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality.contract import CITY, Contract, load_all
from quality.refusal import NotYet, Refusal, run
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.marks import Mark, fingerprint, one_at_a_time, read_mark, write_mark
from spark_jobs.releases import make_release
from spark_jobs.session import Earlier, version
from spark_jobs.verdicts import require_passed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DRAFT = "draft"


@dataclass(frozen=True)
class State:
    """Where a table stands: its newest draft, what the city would be made from, the city's own version, if any.

    `since`: the draft that the city is like; None when that is not known.
    """

    draft: int | None
    inputs: str
    city: int | None
    is_in: bool
    since: Earlier | None


def main() -> None:
    """Read the environment and the command line, then promote table by table."""
    parser = argparse.ArgumentParser(prog="kho promote", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="city.table", help="all city tables if none")
    parser.add_argument(
        "--allow-removals", metavar="[city.table=]N", default="", help="N rows of this one table may go, and no more"
    )
    arguments = parser.parse_args()
    contracts = {name: contract for name, contract in load_all().items() if contract.schema == CITY}
    tables = chosen(arguments.tables, contracts, "city contracts")
    environment = read_environment()
    promote(tables, contracts, environment, allowed_removals(arguments.allow_removals, tables))
    release(contracts, environment)


def allowed_removals(word: str, tables: Sequence[str]) -> dict[str, int]:
    """Table → how many of its rows may go. `N` is for the only table there is, `table=N` for one of several."""
    if not word:
        return {}
    found = re.fullmatch(r"(?:(.+)=)?([0-9]+)", word)
    table = (found[1] or (tables[0] if len(tables) == 1 else "")) if found else ""
    if not found or table not in tables:
        raise Refusal(
            "--allow-removals does not say which rows may go",
            where="the command line",
            expected="a number of rows and the one table they are of: city.schools=12",
            found=f"{word!r} for {len(tables)} tables",
            remedy="name the one table, as the refusal did; a second one is a second command",
        )
    return {table: int(found[2])}


def promote(
    tables: Sequence[str],
    contracts: Mapping[str, Contract],
    environment: Environment,
    allowed: Mapping[str, int] | None = None,
) -> None:
    """Merge the newest draft of each table into city, if it passed its check and is not in yet."""
    for_each(tables, lambda table: _promote(contracts[table], environment, (allowed or {}).get(table)))


def release(contracts: Mapping[str, Contract], environment: Environment) -> None:
    """Give the city's versions a name, if every draft is in and they are not those of the newest release.

    It looks at all tables, whichever were promoted just now: so a release that a killed run did not make is made up
    for, and one that waited for a single table, by the promotion of that table. No promotion runs meanwhile.
    """
    with ExitStack() as locks:
        for table in sorted(contracts):
            locks.enter_context(one_at_a_time(environment.lake, "promote", table))
        states = {table: _state(contract, environment) for table, contract in contracts.items()}
        if behind := sorted(table for table, state in states.items() if state.draft is not None and not state.is_in):
            print(f"promote: no release while the newest draft is not in the city of {', '.join(behind)}")
            return
        versions = {table: state.city for table, state in states.items() if state.city is not None}
        make_release(versions, environment)


def _state(contract: Contract, environment: Environment) -> State:
    draft = version(environment.warehouse, f"draft.{contract.name}")
    city = version(environment.warehouse, contract.table)
    columns = [(name, column.type) for name, column in contract.columns.items()]
    inputs = fingerprint(draft, contract.sha256, columns, contract.key)
    mark = read_mark(environment.lake, "promote", contract.table)
    if mark is None or city is None or mark.version != city:  # another hand has changed it since
        return State(draft, inputs, city, is_in=False, since=None)
    since = Earlier(mark.read[DRAFT], mark.left) if DRAFT in mark.read else None
    return State(draft, inputs, city, mark.inputs == inputs, since)


def _promote(contract: Contract, environment: Environment, allowed: int | None) -> None:
    draft, city = f"draft.{contract.name}", contract.table
    with one_at_a_time(environment.lake, "promote", contract.table):
        state = _state(contract, environment)
        if state.draft is None:
            raise NotYet(f"there is no {draft}", where=environment.warehouse, remedy="`./kho build` makes it")
        if state.is_in:
            print(f"promote {city}: nothing new since draft version {state.draft}")
            return
        require_passed(environment.lake, "draft", contract, state.draft)
        from spark_jobs.lineage import extracts_behind  # noqa: PLC0415
        from spark_jobs.merge import Merge, merge  # noqa: PLC0415
        from spark_jobs.removals import Limit  # noqa: PLC0415

        columns = {name: column.type for name, column in contract.columns.items()}
        said = {
            "draft": state.draft,
            "extracts": extracts_behind(environment.lake, environment.warehouse, city, state.draft),
        }
        shown = [name for name, column in contract.columns.items() if column.pii == "none"]
        limit = Limit(contract.removed_at_most_pct, contract.path.name, shown, allowed)
        is_personal = len(shown) < len(contract.columns)
        job = Merge(
            draft,
            state.draft,
            city,
            columns,
            contract.key,
            said,
            limit=limit,
            since=state.since,
            personal=is_personal,
        )
        changes = merge(environment, job)
        after = version(environment.warehouse, city)
        write_mark(environment.lake, "promote", city, Mark(state.inputs, after, {DRAFT: state.draft}))
        print(
            f"promote {city}: {f'{changes}: version {after}' if changes else f'no row changed, version {after} stays'}"
        )


if __name__ == "__main__":
    sys.exit(run(main))
