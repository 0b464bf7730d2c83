"""The figures of publishing: `.kho/tools/dev/bin/python -m tests.bench.publishing --folder FOLDER`.

On an installation of its own below FOLDER, of the portal and what it needs, everything in one run:

1. `plan` and `apply` with nothing new, as commands: one dataset for each contract that is published.
2. Rows into a table that holds as many already: by our publisher, through HTTP, with its proof; and by the functions of
   XLoader 2.6.0, from the same rows as a CSV file, in a process that has CKAN loaded already, its columns typed by the
   data dictionary. By turns, medians. Meanwhile somebody looks five times a second whether the table's first row is
   there, and is found by its words. XLoader makes the full text index but does not commit it: its time has it, its
   table has not.
3. 1 % of these rows changed, as a patch, against XLoader's load of all: it has no other way.
4. A tenth of the rows by our publisher, against the DataStore API (`portal_sync.plain`) of a portal without our
   extension. No files in either.
5. Download of all rows: the dataset's CSV file, against CKAN's own download by a portal without our extension, and
   against nginx with the same file. Medians, thrown away as they come.
6. Searches (pages of the table with their total, or words of one row) and downloads of the whole table, both ways,
   while it is published again and again, files and all. Version n holds rows that all say n, so that every answer
   shows whether it is of one version. Latency is that of all searches, against the same readers while nothing is
   published.
7. Many small datasets: how long the plan takes.

A table of what is allowed comes last; exit 1 if something is not. Everything also stands in FOLDER/publishing.json.
XLoader and nginx are fetched into FOLDER. Machines are noisy: run it on a quiet one, and compare figures of one run.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from infra.services import postgres
from infra.settings import read_settings
from portal_sync import plain, whole
from portal_sync.client import Client
from portal_sync.portal import Table
from quality.contract import load_all
from tests.bench.beside import Beside
from tests.bench.installation import Installation, installation, remove
from tests.bench.limits import judge
from tests.bench.published import FIRST, Lots, changed, lots, next_version, write_exports, write_lots
from tests.bench.publishing_limits import DATASETS, READS, ROWS, Results, limits, told
from tests.bench.readers import Readable, download_seconds, reading, watching
from tests.portal import ask, changes_for, dataset, publish, publishing, state
from tests.stack import Stack

LOADS, TENTHS, DOWNLOADS, DUMPS, IDLE = 3, 3, 51, 2, 3  # times; of a tenth of a second, medians of 9 said little
SWAPPED_ROWS, READERS, PAUSE_SECONDS = 20_000, 2, 0.02
STATISTICS_SECONDS = 12  # an idle process of PostgreSQL's tells what it wrote within ten
WHOLE, BESIDE, TENTH, SWAPPED = "do-ca-bang", "do-xloader", "do-mot-phan-muoi", "do-doi-bang"
LAST_SEEN = ("api_token", "user")  # a token and its owner keep when they came last: no part of what is published


@dataclass(frozen=True)
class Portal:
    """One that is measured, and what it is measured against."""

    stack: Stack
    client: Client
    beside: Beside
    folder: Path
    results: Results

    def resource(self, dataset: str) -> str:
        """The one of a dataset."""
        (found,) = ask(self.stack, "package_show", id=dataset)["resources"]
        return str(found["id"])


def main() -> None:
    """Measure one after the other, then judge."""
    given = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder, tools = given.folder.resolve(), read_settings().tools
    if (folder / "portal").exists():
        sys.exit(f"{folder / 'portal'} exists: give a folder without it, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    machine: dict[str, object] = {"processors": os.cpu_count(), "load at the start": os.getloadavg()[0]}
    results = Results(machine, given.rows, given.reads, given.datasets)
    with installation(folder / "portal", tools, given.port_base, "up", "portal-jobs") as running:
        try:
            _measure(running, results, folder / "portal" / "bench")
        finally:
            results.keep(folder)
    remove(folder / "portal")
    results.limits = limits(results)
    results.keep(folder)
    sys.exit(0 if judge(results.limits) else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the installation and publishing.json")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--reads", type=int, default=READS, help="across swaps")
    parser.add_argument("--datasets", type=int, default=DATASETS, help="that are planned")
    parser.add_argument("--port-base", type=int, default=32_000)
    return parser.parse_args()


def _measure(running: Installation, results: Results, folder: Path) -> None:
    folder.mkdir()
    stack = Stack(running.settings, running.environment)
    measure_nothing_new(running, results)
    beside = Beside(running.settings, folder)
    rows = lots(results.rows)
    made = write_lots(WHOLE, folder, rows)
    tenth = write_lots(TENTH, folder, rows.slice(0, results.rows // 10))
    results.csv_bytes = made.csv.stat().st_size
    _say(f"{results.rows:,} rows, {results.csv_bytes / 1e6:.0f} MB")
    many = [f"do-nho-{number}" for number in range(results.datasets)]
    with publishing(stack, WHOLE, BESIDE, TENTH, SWAPPED, *many) as client:
        portal = Portal(stack, client, beside, folder, results)
        seconds, _ = _timed(partial(publish, client, state(made.entry)))
        _say(f"all rows and their file, published: {seconds:.1f} s")
        measure_downloads(portal, made)
        measure_loads(portal, made)
        measure_tenth(portal, tenth)
        measure_swaps(portal)
        measure_plan(portal, many)


def measure_nothing_new(running: Installation, results: Results) -> None:
    """`plan` and `apply`, each a process as a person starts it, after everything was published; and what they wrote."""
    many = write_exports(load_all(), running.settings.lake / "exports")
    running.kho("apply")
    before = _written(running)
    for _ in range(IDLE):
        planned, applied = running.step("plan"), running.step("apply")
        if planned.code or applied.code or "apply: 0 changes" not in applied.printed:
            sys.exit(f"expected nothing to do:\n{planned.printed}\n{applied.printed}")
        results.nothing_new.append(planned.seconds + applied.seconds)
    after = _written(running)
    results.written = sorted(name for name, count in after.items() if before.get(name) != count)
    _say(f"{many} datasets, nothing new: {told(results.nothing_new)}; written to {results.written or 'nothing'}")


def _written(running: Installation) -> dict[str, int]:
    """By table of the portal's two databases, how many rows were ever written."""
    time.sleep(STATISTICS_SECONDS)
    found: dict[str, int] = {}
    for name in ("ckan", "datastore"):
        with postgres.connect(running.settings, name) as connection:
            counts = connection.execute("select relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables")
            found |= {f"{name}.{table}": count for table, count in counts if table not in LAST_SEEN}
    return found


def measure_downloads(portal: Portal, made: Lots) -> None:
    """The same rows: our file and nginx's by turns, our download of the table, and CKAN's own."""
    settings, found = portal.stack.settings, portal.results.downloads
    known = ask(portal.stack, "package_show", id=WHOLE)["id"]
    served = settings.home / "portal" / "storage" / "kho" / "files" / known / made.version.lineage / "1"
    file, dump = f"{settings.portal_url}/download/{WHOLE}/{made.csv.name}", f"datastore/dump/{portal.resource(WHOLE)}"
    port = settings.ports["portal"] + 50
    with portal.beside.nginx(served, port) as address:
        for turn in range(DOWNLOADS + 1):
            for kind, asked in (("file", file), ("nginx", f"{address}/{made.csv.name}")):
                seconds = download_seconds(asked, portal.results.csv_bytes)
                if turn:  # the first finds nothing warm
                    found.setdefault(kind, []).append(seconds)
    with portal.beside.stock(port) as address:
        for _ in range(DUMPS):
            for kind, at in (("dump", settings.portal_url), ("stock", address)):
                found.setdefault(kind, []).append(download_seconds(f"{at}/{dump}", portal.results.csv_bytes))
    _say("download: " + "; ".join(f"{kind} {told(seconds)}" for kind, seconds in found.items()))


def measure_loads(portal: Portal, made: Lots) -> None:
    """All rows by turns; then few that changed."""
    client, results, held = portal.client, portal.results, made.table
    publish(client, state(made.entry, dataset(BESIDE, portal.folder, [("một", 1)])))
    resource, theirs = portal.resource(WHOLE), portal.resource(BESIDE)
    _make_for_xloader(client, theirs, held)
    portal.beside.xloader(made.csv, theirs)  # so that what is measured finds a table that is full
    for _ in range(LOADS):
        with watching(client.url, theirs, FIRST) as seen:
            results.xloader.append(portal.beside.xloader(made.csv, theirs))
        results.seen_of_xloader.append(seen)
        _say(f"XLoader: {results.xloader[-1]:.1f} s, {seen}")
        table = next_version(held)
        with watching(client.url, resource, FIRST) as seen:
            results.ours.append(_timed(partial(whole.load, client, resource, table, held))[0])
        results.seen_of_ours.append(seen)
        _say(f"ours: {results.ours[-1]:.1f} s, {seen}")
        held = table
    seconds, said = _timed(partial(whole.load, client, resource, changed(made, held), held))
    if "changed" not in said:
        sys.exit(f"expected a patch, found: {said}")
    results.patch = seconds
    _say(f"{said}: {seconds:.2f} s")


def _make_for_xloader(client: Client, resource: str, table: Table) -> None:
    """An empty table of the same columns, whose data dictionary tells XLoader their types, as a person would there."""
    client.call("datastore_delete", {"resource_id": resource, "force": True})
    fields = [{**one, "info": {**one["info"], "type_override": one["type"]}} for one in table.fields]
    client.call("datastore_create", {"resource_id": resource, "force": True, "fields": fields})


def measure_tenth(portal: Portal, made: Lots) -> None:
    """A tenth of the rows, ours first: CKAN's API leaves a table that is no version."""
    client, held = portal.client, made.table
    publish(client, state(made.entry))
    shown = ask(portal.stack, "package_show", id=TENTH)
    resources = {resource["kho_file"]: resource for resource in shown["resources"]}
    for _ in range(TENTHS):
        bare = replace(made.entry, files={}, table=next_version(held))
        portal.results.tenth.append(_timed(partial(whole.write, client, bare, shown["id"], resources, held))[0])
        held = next_version(held)
    bare = replace(made.entry, files={}, table=next_version(held))
    with portal.beside.stock(portal.stack.settings.ports["portal"] + 50) as address:
        stock = Client(address, portal.stack.env["KHO_PORTAL_TOKEN"])
        portal.results.tenth_by_api = _timed(partial(plain.write, stock, bare, shown["id"], resources, None))[0]
    _say(f"a tenth of the rows: {told(portal.results.tenth)}; CKAN's API {portal.results.tenth_by_api:.1f} s")


def measure_swaps(portal: Portal) -> None:
    """The same readers twice: a fifth of the reads while nothing is published, then all of them."""
    results, version = portal.results, 0

    def publish_next() -> None:
        nonlocal version
        version += 1
        rows = [(f"dòng {row}a", version) for row in range(SWAPPED_ROWS)]
        publish(portal.client, state(dataset(SWAPPED, portal.folder, rows, version)))

    publish_next()
    table = Readable(portal.client.url, SWAPPED, portal.resource(SWAPPED), SWAPPED_ROWS)
    results.quiet = reading(table, results.reads // 5, READERS, PAUSE_SECONDS, partial(time.sleep, PAUSE_SECONDS))
    results.swapping = reading(table, results.reads, READERS, PAUSE_SECONDS, publish_next)
    results.swaps = version - 1
    faults = sorted({read.fault for read in results.swapping if read.fault}) or "no fault"
    _say(f"{len(results.swapping):,} reads across {results.swaps} swaps: {faults}")


def measure_plan(portal: Portal, names: list[str]) -> None:
    """Of many datasets that are there."""
    wanted = state(*(dataset(name, portal.folder, [("một", 1)]) for name in names))
    publish(portal.client, wanted)
    portal.results.planned, (changes, _) = _timed(partial(changes_for, portal.client, wanted))
    if changes:
        sys.exit(f"expected nothing to do, found {len(changes)} changes: {changes[0]}")
    _say(f"{len(names)} datasets planned: {portal.results.planned:.2f} s")


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    done = work()
    return time.monotonic() - began, done


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
