"""Bring new deliveries of the departments into the lake, byte for byte: `./kho fetch [health.disease_cases …]`.

`--period 2017` takes only that one. The same bytes again are nothing new; other bytes for a known period are a
correction and kept beside the old ones.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

from quality.contract import Contract, Delivery, load_all
from quality.refusal import Refusal, run
from spark_jobs.connectors import Connector, Offer, StillBeingWritten, connector
from spark_jobs.environment import chosen, for_each, setting
from spark_jobs.extracts import MANIFEST, Extract, extracts_of, period_folder
from spark_jobs.marks import one_at_a_time
from spark_jobs.places import place, remove_folder, whole_folder

NEW, UNCHANGED, LATER = "new", "unchanged", "still being written"


def main() -> None:
    """Read the environment and the command line, then fetch table by table."""
    parser = argparse.ArgumentParser(prog="kho fetch", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="department.table", help="all tables with a delivery if none")
    parser.add_argument("--period", help="only this one, such as 2017")
    arguments = parser.parse_args()
    contracts = {name: contract for name, contract in load_all().items() if contract.delivery}
    lake = place(setting("KHO_LAKE"))
    for_each(
        chosen(arguments.tables, contracts, "contracts with a delivery"),
        lambda table: fetch(contracts[table], lake, arguments.period),
    )


def fetch(contract: Contract, lake: Path, only_period: str | None = None) -> None:
    """Fetch what is new of one table. One line tells what was found; files nobody expects are named."""
    if contract.delivery is None:
        raise Refusal(f"{contract.table} has no delivery", where=str(contract.path))
    source = connector(contract.delivery.source, contract.schema)
    with one_at_a_time(lake, "fetch", contract.table):
        by_period, strangers = _sorted_out(source.offers(), contract.delivery)
        if strangers:
            print(
                f"fetch {contract.table}: warning: {source.where} holds {', '.join(strangers)}, "
                f"which do not match {contract.delivery.files!r} and are left alone",
                file=sys.stderr,
            )
        if only_period and only_period not in by_period:
            raise Refusal(
                f"there is no delivery of {contract.table} for {only_period}",
                where=source.where,
                expected=f"a file named like {contract.delivery.files}",
                found=f"periods {', '.join(sorted(by_period))}" if by_period else "no delivery at all",
                remedy="ask the department for it, or name one of the periods found",
            )
        outcomes: Counter[str] = Counter()

        def work(period: str) -> None:
            outcomes[_fetch_period(contract, lake, source, period, by_period[period])] += 1

        try:
            for_each([only_period] if only_period else sorted(by_period), work)
        finally:
            counts = ", ".join(f"{name} {outcomes[name]}" for name in (NEW, UNCHANGED, LATER) if outcomes[name])
            print(f"fetch {contract.table}: found {sum(outcomes.values())}{', ' if counts else ''}{counts}")


def _sorted_out(offers: list[Offer], delivery: Delivery) -> tuple[dict[str, list[Offer]], list[str]]:
    """Offers by period, and the names that match no pattern."""
    by_period: dict[str, list[Offer]] = {}
    strangers = []
    for offer in offers:
        match = re.fullmatch(delivery.files, offer.name)
        if match:
            by_period.setdefault(match.groupdict().get("period") or "all", []).append(offer)
        else:
            strangers.append(offer.name)
    return by_period, strangers


def _fetch_period(contract: Contract, lake: Path, source: Connector, period: str, offers: list[Offer]) -> str:
    if len(offers) > 1:
        raise Refusal(
            f"two files claim to be {contract.table} of {period}",
            where=source.where,
            expected="one file a period",
            found=", ".join(offer.name for offer in offers),
            remedy="ask the department which of them holds, and let it take the others away",
        )
    offer = offers[0]
    last = extracts_of(lake, contract.table).get(period, [None])[-1]
    if last and (last.file, last.size, last.source_modified_at) == (offer.name, offer.size, offer.modified_at):
        return UNCHANGED
    try:
        return _take(contract, lake, source, period, offer, last)
    except StillBeingWritten:
        print(f"fetch {contract.table} {period}: {offer.name} is still being written; the next run takes it")
        return LATER


def _take(contract: Contract, lake: Path, source: Connector, period: str, offer: Offer, last: Extract | None) -> str:
    sequence = last.sequence + 1 if last else 1
    target = period_folder(lake, contract.table, period) / f"{sequence:04d}"
    with whole_folder(target) as fresh:
        source.copy(offer, fresh / offer.name)
        with (fresh / offer.name).open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        if last and last.sha256 == sha256:
            remove_folder(fresh)
            return UNCHANGED
        extract = Extract(
            table=contract.table,
            period=period,
            sequence=sequence,
            source=contract.delivery.source if contract.delivery else "",
            file=offer.name,
            size=offer.size,
            sha256=sha256,
            fetched_at=datetime.now().astimezone().isoformat(timespec="seconds"),
            source_modified_at=offer.modified_at,
        )
        (fresh / MANIFEST).write_text(extract.to_json(), encoding="utf-8")
    what = f"correction {sequence}" if last else "first delivery"
    print(f"fetch {contract.table} {period}: {what}, {offer.name}, {offer.size:,} bytes, sha256 {sha256[:12]}…")
    return NEW


if __name__ == "__main__":
    sys.exit(run(main))
