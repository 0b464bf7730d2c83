"""Give a department its own delivery back to correct, bad cells marked: `./kho return TABLE [PERIOD] [--to-sender]`.

Of an Excel book it is a copy with its bad cells filled and the rule in a comment, in Vietnamese; of any other file the
bad rows alone. Before them stands a summary. It holds personal values as the department wrote them, so the files are
for their owner alone; `--to-sender` lays them into the inbox (`tra-lai`) of the department that delivered, once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quality.contract import Contract, load_all
from quality.delivery import FILES
from quality.refusal import run
from spark_jobs.connectors import PARTIAL, connector
from spark_jobs.environment import Environment, chosen, read_environment
from spark_jobs.extracts import ALL
from spark_jobs.fetch import CONNECTIONS
from spark_jobs.layouts import delivery_of
from spark_jobs.marks import Mark, fingerprint, one_at_a_time, one_of_few, read_mark, write_mark
from spark_jobs.places import remove_folder, whole_folder
from spark_jobs.returns.books import Return
from spark_jobs.returns.rejections import Rejections, extract_of, rejections_of
from spark_jobs.returns.rule_words import Words


@dataclass(frozen=True)
class Options:
    """`period`: of the newest delivery if None; `output`: a folder other than the lake's; `to_sender`: also send."""

    period: str | None = None
    output: Path | None = None
    to_sender: bool = False


def main() -> None:
    """Read the environment and the command line, then give back."""
    parser = argparse.ArgumentParser(prog="kho return", description=__doc__)
    parser.add_argument("table", metavar="department.table")
    parser.add_argument("period", nargs="?", help="such as 2017; that of the newest delivery if none")
    parser.add_argument("--to-sender", action="store_true", help="also lay it into the department's inbox")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write here instead of into the lake")
    arguments = parser.parse_args()
    contracts = load_all()
    (table,) = chosen([arguments.table], [n for n, c in contracts.items() if c.delivery], "contracts with a delivery")
    words = Words(contracts[table], {name: contract.title.vi for name, contract in contracts.items()})
    send_back(words, read_environment(), Options(arguments.period, arguments.output, arguments.to_sender))


def send_back(words: Words, environment: Environment, options: Options) -> None:
    """Write the return of one delivery and perhaps send it. When there is nothing to return, the last return goes."""
    contract = words.contract
    with one_at_a_time(environment.lake, "return", contract.table):
        extract = extract_of(contract, environment, options.period)
        if extract is None:
            print(f"return {contract.table}: nothing to return, nothing was delivered yet")
            return
        label = contract.table if extract.period == ALL else f"{contract.table} {extract.period}"
        returns = environment.lake / "returns" / contract.schema / contract.name
        found = rejections_of(contract, environment, extract)
        if found is None:
            remove_folder(returns / extract.period)  # it asks for a correction that has been made
            print(f"return {label}: nothing to return")
            return
        folder = options.output or returns / extract.period
        with _built(returns / f"{extract.period}.new") as target:
            stem = f"Tra lai {contract.name} {extract.period}"
            with whole_folder(target) as fresh:
                Return(words, environment.lake, found).write(fresh, stem)
            paths = _lay_out(target, folder, stem)
        for path in paths:
            print(f"return {label}: {path}")
        if more := len(found.files) - len(found.shown):
            print(f"return {label}: {more:,} more files have bad rows; they come once these are corrected")
        if options.to_sender:
            _send(contract, environment.lake, found, paths, label)


@contextmanager
def _built(target: Path) -> Iterator[Path]:
    """A place for a folder that is there only until its files are laid out, in one that is closed to others."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove_folder(target)  # of a run that was killed; we hold the lock
    try:
        yield target
    finally:
        remove_folder(target)


def _lay_out(fresh: Path, folder: Path, stem: str) -> list[Path]:
    """Each file whole or not at all; what an earlier run left under such a name and is not among them goes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths = []
    for source in sorted(fresh.iterdir()):
        target = folder / source.name
        partial = target.with_name(f".{target.name}{PARTIAL}")
        partial.unlink(missing_ok=True)
        closed = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with source.open("rb") as content, os.fdopen(closed, "wb") as copy:
            shutil.copyfileobj(content, copy)
        partial.replace(target)
        paths.append(target)
    for old in [folder / f"{stem}.xlsx", *folder.glob(f"{stem} ([0-9]*).xlsx")]:
        if old not in paths:
            old.unlink(missing_ok=True)
    return paths


def _send(contract: Contract, lake: Path, found: Rejections, paths: Sequence[Path], label: str) -> None:
    """Into the inbox of who delivered, unless the same lies there already."""
    kind = delivery_of(contract).source
    if kind not in FILES:
        print(f"return {label}: from {kind}, which has no inbox; hand over what lies in {paths[0].parent}")
        return
    sent = Mark(
        fingerprint(contract.sha256, found.extract.sha256, found.files, found.reasons, str(found.refusal)), None
    )
    name = f"{contract.table}.{found.extract.period}"
    if read_mark(lake, "return", name) == sent:
        print(f"return {label}: is in the inbox already")
        return
    with one_of_few(lake, f"source.{contract.schema}", CONNECTIONS), connector(kind, contract.schema) as source:
        for path in paths:
            source.put(path.name, path)
        print(f"return {label}: {len(paths):,} sent to {source.where}")
    write_mark(lake, "return", name, sent)


if __name__ == "__main__":
    sys.exit(run(main))
