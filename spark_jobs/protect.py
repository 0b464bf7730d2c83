"""City → open: the columns that the public may see, and no others: `./kho protect [city.disease_cases …]`.

`portal.columns` of the contract is an allow-list. A contract without a portal block is never opened.
No rows are counted against a limit here: open has the city's rows, and those that went passed `promote`'s.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from quality.contract import Contract, load_all
from quality.refusal import NotYet, Refusal, run
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.marks import Mark, fingerprint, one_at_a_time, read_mark, write_mark
from spark_jobs.session import version

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> None:
    """Read the environment and the command line, then protect table by table."""
    parser = argparse.ArgumentParser(prog="kho protect", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="city.table", help="all published tables if none")
    arguments = parser.parse_args()
    contracts = {name: contract for name, contract in load_all().items() if contract.portal}
    protect(chosen(arguments.tables, contracts, "contracts with a portal block"), contracts, read_environment())


def protect(tables: Sequence[str], contracts: dict[str, Contract], environment: Environment) -> None:
    """Merge what may be seen of each city table into open, unless it is there."""
    for_each(tables, lambda table: _protect(contracts[table], environment))


def open_columns(contract: Contract) -> dict[str, str]:
    """Name → type of what may be published, in the order of the allow-list. A personal column is refused once more."""
    if contract.portal is None:
        return {}
    if personal := [name for name in contract.portal.columns if contract.columns[name].pii != "none"]:
        raise Refusal(
            f"personal columns are never published: {', '.join(personal)}",
            where=str(contract.path),
            expected="columns with pii: none",
            found=", ".join(f"{name}: {contract.columns[name].pii}" for name in personal),
            remedy="take them out of portal.columns",
        )
    return {name: contract.columns[name].type for name in contract.portal.columns}


def _protect(contract: Contract, environment: Environment) -> None:
    city, opened = contract.table, f"open.{contract.name}"
    columns = open_columns(contract)
    with one_at_a_time(environment.lake, "protect", city):
        newest = version(environment.warehouse, city)
        if newest is None:
            raise NotYet(f"there is no {city}", where=environment.warehouse, remedy="`./kho promote` makes it")
        inputs = fingerprint(newest, list(columns.items()), contract.key)
        before = version(environment.warehouse, opened)
        if before is not None and read_mark(environment.lake, "protect", city) == Mark(inputs, before):
            print(f"protect {city}: nothing new since city version {newest}")
            return
        from spark_jobs.merge import Merge, made_from, merge  # noqa: PLC0415

        said = made_from(environment.warehouse, city, newest) | {"city": newest}
        changes = merge(environment, Merge(city, newest, opened, columns, contract.key, said, replace=True))
        after = version(environment.warehouse, opened)
        write_mark(environment.lake, "protect", city, Mark(inputs, after))
        print(
            f"protect {city}: {f'{changes}: version {after}' if changes else f'no row changed, version {after} stays'}"
        )


if __name__ == "__main__":
    sys.exit(run(main))
