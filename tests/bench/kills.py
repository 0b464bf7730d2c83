"""Kills at many points while something is published: `.kho/tools/dev/bin/python -m tests.bench.kills --folder FOLDER`.

As `tests/infra/ckan/test_kills.py`, at more points (`--points`) and with other draws (`--seed`), on a portal of its own
whose home is FOLDER, which stays. One line for each point; exit 1 if any reader was given what is no version, or if two
runs of the publisher did not mend what a kill had left.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from pathlib import Path

from infra.settings import PORTS, Settings, read_settings
from tests.kills import NAME, RUNS, Told, Trial
from tests.portal import publish, publisher
from tests.readers import Readers
from tests.stack import Stack


def main() -> None:
    """Kill, print, and leave no process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the installation's home")
    parser.add_argument("--points", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port-base", type=int, default=31_000)
    given = parser.parse_args()
    home, tools, base = given.folder.resolve(), read_settings().tools, given.port_base
    settings = Settings(home, tools, {name: base + offset for name, offset in PORTS.items()})
    others = {name: value for name, value in os.environ.items() if not name.startswith("KHO_") and name != "PYTHONPATH"}
    ours = {"KHO_HOME": str(home), "KHO_TOOLS": str(tools), "KHO_PORT_BASE": str(base)}
    stack = Stack(settings, {**others, **ours})
    try:
        stack.kho("up", "portal-jobs")
        told = _all_points(stack, given.points, given.seed)
    finally:
        stack.kho("down")
    runs = Counter(one.runs for one in told)
    faulty = sum(1 for one in told if one.faults)
    print(f"{len(told)} kills, {sum(one.answers for one in told):,} answers, {faulty} points with faults")
    print("; ".join(f"{runs[number]} mended by {number} runs" for number in sorted(runs)))
    sys.exit(1 if faulty or max(runs) > RUNS else 0)


def _all_points(stack: Stack, number: int, seed: int) -> list[Told]:
    readers, told = Readers(stack.settings.portal_url, NAME), []
    folder = stack.settings.home / "kills" / str(os.getpid())  # a lineage of its own: what was published stays
    trial = Trial(stack, folder, random.Random(seed), readers)  # noqa: S311 - drawn anew, it must be the same
    publish(publisher(stack), {}, also=[NAME])  # of an earlier run in this folder
    with readers.reading():
        if faults := trial.undisturbed():
            sys.exit("undisturbed: " + "; ".join(faults))
        for point in trial.points(number):
            told.append(trial.kill(point))
            print(told[-1], flush=True)
    return told


if __name__ == "__main__":
    main()
