"""Bring new deliveries of the departments into the lake, byte for byte: `./kho fetch [health.disease_cases …]`.

Departments are asked at the same time, tables of one department one after another. `--period 2017` takes only that one
of a table that has periods. The same bytes again are nothing new; other bytes for
a known period are a correction and kept beside the old ones. Of a delivery of many files only those that changed are
fetched. What was stopped in the middle is continued.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from quality.contract import Contract, load_all
from quality.delivery import Delivery
from quality.refusal import Refusal, run
from spark_jobs.connectors import Connector, Offer, StillBeingWritten, connector
from spark_jobs.environment import chosen, for_each, for_each_at_once, setting
from spark_jobs.extracts import ALL, MANIFEST, Extract, File, extracts_of, is_alike, period_folder, sha256_of
from spark_jobs.layouts import delivery_of
from spark_jobs.marks import fingerprint, one_at_a_time, one_of_few
from spark_jobs.places import place, remove_folder, whole_folder

NEW, UNCHANGED, LATER = "new", "unchanged", "still being written"
CONNECTIONS = 2  # to one department at a time, from all commands together


def main() -> None:
    """Read the environment and the command line, then fetch table by table."""
    parser = argparse.ArgumentParser(prog="kho fetch", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="department.table", help="all tables with a delivery if none")
    parser.add_argument("--period", help="only this one, such as 2017, of tables that have such periods")
    arguments = parser.parse_args()
    contracts = {name: contract for name, contract in load_all().items() if contract.delivery}
    lake = place(setting("KHO_LAKE"))
    tables = chosen(arguments.tables, contracts, "contracts with a delivery")

    def of_one_department(names: list[str]) -> None:
        with Sources(lake) as sources:
            for_each(names, lambda table: fetch(contracts[table], lake, arguments.period, contracts, sources))

    by_department = groupby(tables, lambda table: contracts[table].schema)
    for_each_at_once([list(names) for _, names in by_department], of_one_department)


class Sources:
    """The departments, each reached once for all its tables, and by no more than CONNECTIONS at a time."""

    def __init__(self, lake: Path) -> None:
        """Nobody is called yet."""
        self._lake = lake
        self._open = ExitStack()
        self._places: set[str] = set()
        self._known: dict[tuple[str, str], Connector | Refusal] = {}

    def __enter__(self) -> Self:
        """Nobody is called yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up everywhere."""
        self._open.close()

    def of(self, department: str, kind: str) -> Connector:
        """The way to a department. Who did not answer for one table is not asked again for the next."""
        if department not in self._places:
            self._open.enter_context(one_of_few(self._lake, f"source.{department}", CONNECTIONS))
            self._places.add(department)
        known = self._known.get((department, kind))
        if known is None:
            try:
                known = self._open.enter_context(connector(kind, department))
            except Refusal as refusal:
                known = refusal
            self._known[department, kind] = known
        if isinstance(known, Refusal):
            raise known
        return known


def fetch(
    contract: Contract,
    lake: Path,
    only_period: str | None = None,
    others: Mapping[str, Contract] | None = None,
    sources: Sources | None = None,
) -> None:
    """Fetch what is new of one table. One line tells what was found; files that none of `others` expects are named.

    `sources`: whom other tables have reached already.
    """
    delivery = delivery_of(contract)
    with Sources(lake) as own, one_at_a_time(lake, "fetch", contract.table):
        source = (sources or own).of(contract.schema, delivery.source)
        job = _Job(contract, delivery, lake, source)
        offered, strangers = source.offers(delivery, job.newest)
        _tell_strangers(contract, [name for name in strangers if not _expected(name, contract, others or {})], source)
        by_period: dict[str, list[Offer]] = {}
        for offer in offered:
            by_period.setdefault(offer.period, []).append(offer)
        outcomes: Counter[str] = Counter()

        def work(period: str) -> None:
            outcomes[job.fetch(period, by_period[period])] += 1

        try:
            for_each(_wanted(contract, delivery, only_period, by_period, source), work)
        finally:
            counts = ", ".join(f"{name} {outcomes[name]}" for name in (NEW, UNCHANGED, LATER) if outcomes[name])
            print(f"fetch {contract.table}: found {sum(outcomes.values())}{', ' if counts else ''}{counts}")


def _wanted(
    contract: Contract,
    delivery: Delivery,
    only_period: str | None,
    by_period: Mapping[str, object],
    source: Connector,
) -> list[str]:
    """The periods to look at, in order."""
    if not only_period or delivery.mode != "period" or (by_period and not is_alike(only_period, by_period)):
        return sorted(by_period)  # it is meant for other tables
    if only_period not in by_period:
        raise Refusal(
            f"there is no delivery of {contract.table} for {only_period}",
            where=source.where,
            expected=f"one named like {delivery.files or delivery.resource}",
            found=f"periods {', '.join(sorted(by_period))}" if by_period else "no delivery at all",
            remedy="ask the department for it, or name one of the periods found",
        )
    return [only_period]


def _expected(name: str, contract: Contract, others: Mapping[str, Contract]) -> bool:
    """Whether another table of the same department is delivered by this file."""
    return any(
        other.schema == contract.schema
        and other.delivery is not None
        and other.delivery.files
        and re.fullmatch(other.delivery.files, unicodedata.normalize("NFC", name))
        for other in others.values()
    )


def _tell_strangers(contract: Contract, strangers: list[str], source: Connector) -> None:
    if strangers:
        print(
            f"fetch {contract.table}: warning: {source.where} holds {', '.join(strangers[:10])}"
            f"{f' and {len(strangers) - 10} more' if len(strangers) > 10 else ''}, "  # noqa: PLR2004  a line is enough
            "which no contract of the department expects and which are left alone",
            file=sys.stderr,
        )


class _Job:
    """The fetch of one table, while it holds its lock."""

    def __init__(self, contract: Contract, delivery: Delivery, lake: Path, source: Connector) -> None:
        self._contract = contract
        self._delivery = delivery
        self._lake = lake
        self._source = source
        self._extracts = extracts_of(lake, contract.table)

    @property
    def newest(self) -> Extract | None:
        """Of the last period there is."""
        return self._extracts[max(self._extracts)][-1] if self._extracts else None

    def fetch(self, period: str, offers: list[Offer]) -> str:
        """One period: what became of it."""
        self._refuse_twins(period, offers)
        last = self._extracts[period][-1] if period in self._extracts else None
        known = {(file.offer, file.stamp) for file in last.files} if last else set()
        changed = [offer for offer in offers if (offer.name, offer.stamp) not in known]
        names = {offer.name for offer in offers}
        if last and not changed and all(file.offer in names for file in last.files):
            return UNCHANGED
        return self._take(period, offers, changed, last)

    def _take(self, period: str, offers: list[Offer], changed: list[Offer], last: Extract | None) -> str:
        sequence = last.sequence + 1 if last else 1
        here = f"{period}/{sequence:04d}"
        target = period_folder(self._lake, self._contract.table, here)
        unchanged = {offer.name for offer in offers} - {offer.name for offer in changed}
        before = {(file.name, file.sha256): file for file in last.files} if last else {}
        with whole_folder(target, resume=fingerprint(sorted(map(str, changed)))) as fresh:
            files = [file for file in last.files if file.offer in unchanged] if last else []
            try:
                taken = [(offer, self._source.take(offer, self._delivery, fresh)) for offer in changed]
            except StillBeingWritten as later:
                remove_folder(fresh)
                print(f"fetch {self._label(period)}: {later} is still being written; the next run takes it")
                return LATER
            for offer, names in taken:
                for name in names:
                    path = fresh / name
                    with path.open("rb") as content:
                        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
                    size, stands_in = path.stat().st_size, here
                    if same := before.get((name, sha256)):  # only the date is new: the bytes lie where they lie
                        path.unlink()
                        stands_in = same.stands_in
                    files.append(File(name, offer.name, offer.stamp, size, sha256, stands_in))
            files.sort(key=lambda file: file.name)
            extract = Extract(
                table=self._contract.table,
                period=period,
                sequence=sequence,
                source=self._delivery.source,
                sha256=sha256_of(files),
                fetched_at=datetime.now().astimezone().isoformat(timespec="seconds"),
                files=tuple(files),
            )
            if last and last.sha256 == extract.sha256:
                remove_folder(fresh)
                return UNCHANGED
            (fresh / MANIFEST).write_text(extract.to_json(), encoding="utf-8")
        print(f"fetch {self._label(period)}: {_told(extract, here)}")
        return NEW

    def _label(self, period: str) -> str:
        return self._contract.table if period == ALL else f"{self._contract.table} {period}"

    def _refuse_twins(self, period: str, offers: list[Offer]) -> None:
        """One file a period; or one a part, where the contract's `files` has a group `part`."""
        parts: dict[str, list[str]] = {}
        for offer in offers if self._delivery.files else []:
            match = re.fullmatch(self._delivery.files, unicodedata.normalize("NFC", offer.name))
            parts.setdefault((match.groupdict().get("part") if match else None) or "", []).append(offer.name)
        if twins := [names for names in parts.values() if len(names) > 1]:
            raise Refusal(
                f"two files claim to be {self._contract.table} of {period}",
                where=self._source.where,
                expected="one file a period, or one for each part of it",
                found="; ".join(", ".join(names) for names in twins),
                remedy="ask the department which of them holds, and let it take the others away",
            )


def _told(extract: Extract, here: str) -> str:
    """What came, in a line."""
    what = "first delivery" if extract.sequence == 1 else f"correction {extract.sequence}"
    fresh = [file for file in extract.files if file.stands_in == here]
    size = sum(file.size for file in fresh)
    if len(extract.files) == 1 and fresh:
        return f"{what}, {fresh[0].name}, {size:,} bytes, sha256 {extract.sha256[:12]}…"
    return f"{what}, {len(fresh):,} new of {len(extract.files):,} files, {size:,} bytes"


if __name__ == "__main__":
    sys.exit(run(main))
