"""Draft → city, through the gate: `./kho promote [city.disease_cases …]`.

A city table gets a new version only if rows really changed, and only from a draft version that passed its check.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from quality.contract import CITY, Contract, load_all
from quality.refusal import NotYet, run
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.marks import Mark, fingerprint, one_at_a_time, read_mark, write_mark
from spark_jobs.session import connect, version
from spark_jobs.verdicts import require_passed

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> None:
    """Read the environment and the command line, then promote table by table."""
    parser = argparse.ArgumentParser(prog="kho promote", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="city.table", help="all city tables if none")
    arguments = parser.parse_args()
    contracts = {name: contract for name, contract in load_all().items() if contract.schema == CITY}
    promote(chosen(arguments.tables, contracts, "city contracts"), contracts, read_environment())


def promote(tables: Sequence[str], contracts: dict[str, Contract], environment: Environment) -> None:
    """Merge the newest draft of each table into city, if it passed its check and is not in yet."""
    for_each(tables, lambda table: _promote(contracts[table], environment))


def _promote(contract: Contract, environment: Environment) -> None:
    draft, city = f"draft.{contract.name}", contract.table
    with one_at_a_time(environment.lake, "promote", contract.table):
        newest = version(environment.warehouse, draft)
        if newest is None:
            raise NotYet(f"there is no {draft}", where=environment.warehouse, remedy="`./kho build` makes it")
        columns = {name: column.type for name, column in contract.columns.items()}
        inputs = fingerprint(newest, contract.sha256, list(columns.items()), contract.key)
        before = version(environment.warehouse, city)
        if before is not None and read_mark(environment.lake, "promote", city) == Mark(inputs, before):
            print(f"promote {city}: nothing new since draft version {newest}")
            return
        require_passed(environment.lake, "draft", contract, newest)
        from spark_jobs.lineage import extracts_behind  # noqa: PLC0415
        from spark_jobs.merge import Merge, merge  # noqa: PLC0415

        said = {"draft": newest, "extracts": extracts_behind(environment.lake, environment.warehouse, city, newest)}
        with connect(environment.engine, environment.warehouse) as spark:
            changes = merge(spark, environment.warehouse, Merge(draft, newest, city, columns, contract.key, said))
        after = version(environment.warehouse, city)
        write_mark(environment.lake, "promote", city, Mark(inputs, after))
        print(
            f"promote {city}: {f'{changes}: version {after}' if changes else f'no row changed, version {after} stays'}"
        )


if __name__ == "__main__":
    sys.exit(run(main))
