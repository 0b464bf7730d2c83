"""The figures of the whole stack, measured in one run: `python3 tests/bench/whole_stack.py [FOLDER]`.

From nothing to published (downloads included, four departments at size demo), a warm start, the memory of everything
idle, and the whole flow with nothing new, every table of every department asked for. FOLDER, which must not exist,
becomes the installation (default: a temporary one) and is removed at the end. Only the standard library: it starts
where a newcomer does. Machines are noisy: compare figures of one run. A `python3` that is a shell script, as pyenv's
is, costs each command 80 ms: put the real one first in PATH.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORT_BASE = 29000
FLOW = (
    "fetch",
    "ingest",
    "check raw",
    "build",
    "check draft",
    "promote",
    "protect",
    "check open",
    "export",
    "plan",
    "apply",
)
SETTLE_SECONDS = 60
TIMES = 3


def kho(home: Path, command: str, sources: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Seconds and output of one command. `sources`: the departments' addresses, which the steps want."""
    environment = {**os.environ, **(sources or {}), "KHO_HOME": str(home), "KHO_PORT_BASE": str(PORT_BASE)}
    began = time.monotonic()
    done = subprocess.run(
        [str(ROOT / "kho"), *command.split()], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"./kho {command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return time.monotonic() - began, done.stdout


def sources_of(home: Path) -> dict[str, str]:
    """The departments' addresses, as `eval "$(./kho sources)"` gives them to a shell."""
    lines = [shlex.split(line) for line in kho(home, "sources")[1].splitlines()]
    return dict(assignment.split("=", 1) for _, assignment in lines)


def state(home: Path) -> tuple[list[str], list[str]]:
    """What a flow without news must leave as it is: the Delta commits and the portal's datasets."""
    commits = sorted(str(path) for path in (home / "lake" / "warehouse").rglob("_delta_log/*.json"))
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT_BASE}/api/3/action/package_search?rows=100") as answer:
        found = json.load(answer)["result"]["results"]
    return commits, sorted(f"{dataset['name']} {dataset['metadata_modified']}" for dataset in found)


def say(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)


def main() -> None:
    """Measure, print a table, and leave nothing."""
    home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "kho"
    if home.exists():
        sys.exit(f"{home} exists: give a folder that does not")
    try:
        nothing_to_published, printed = kho(home, "demo")
        for line in printed.splitlines():
            if re.search(r"\d s$|: \d+ s$|answers after", line):
                say(f"    {line.strip()}")
        say(f"nothing -> published, downloads included  {nothing_to_published:7.1f} s   (at most 480)")
        kho(home, "down")
        say(f"warm ./kho up                             {kho(home, 'up')[0]:7.1f} s   (at most 90)")
        time.sleep(SETTLE_SECONDS)
        memory = int(re.findall(r"(\d+) MiB", kho(home, "status")[1])[-1])
        say(f"everything idle                           {memory:7d} MiB (at most 5120)")
        before, sources = state(home), sources_of(home)
        for _ in range(TIMES):
            parts = [kho(home, command, sources)[0] for command in FLOW]
            single = ", ".join(f"{name} {seconds:.2f}" for name, seconds in zip(FLOW, parts, strict=True))
            say(f"whole flow with nothing new               {sum(parts):7.2f} s   (at most 3)  {single}")
        say(f"commits and datasets left as they were    {state(home) == before!s:>7}")
    finally:
        kho(home, "down")
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
