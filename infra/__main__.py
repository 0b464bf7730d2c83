"""The commands that run the stack: `./kho up`, `down`, `status`, `logs`, `doctor`, `demo`, `test` and more."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence

from infra.departments import MONTHS, SIZES
from infra.settings import ROOT, Settings, read_settings
from quality.refusal import Refusal, run

# On two cores: who has a stack often waits for it. In the order of `tests/conftest.py`: those that take longest first.
AT_ONCE = ("--numprocesses=3", "--dist=loadgroup", "--no-loadscope-reorder")
STEPS = """
the steps, each safe to run twice; without a table they take all tables:
  fetch   [TABLE …] [--period P]   a department's new deliveries -> extracts
  ingest  [TABLE …] [--period P]   extracts -> raw tables; what is not accepted goes to TABLE__rejected
  return  TABLE [PERIOD]           what was not accepted, marked in the department's own file
  intake  [TABLE …]                what came in: rows read, accepted, rejected
  overdue [DEPARTMENT …]           deliveries that should have come by now
  build                            raw -> draft, with dbt
  check   draft|open [TABLE …]     the gates
  promote [TABLE …]                draft -> city, the shared city dataset; one made of all drafts is a release
  releases [NAME]                  the releases, or one: which versions of the city's tables belong together
  protect [TABLE …]                city -> open, what the public may see
  export  [TABLE …]                open -> files
  plan                             what the portal needs to be changed
  apply                            change it
  verify  FILE                     whether a downloaded file is what the portal published
  docs                             a page of all tables, their lineage and descriptions
  compact [TABLE …]                small files put together; what no release and no export needs removed
for analysts:
  sql     [SQL]                    the SQL shell, or the answer to one question
each of them tells more with --help
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./kho",
        description="Kho Mở, the open lakehouse of a city.",
        epilog=STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    demo = commands.add_parser("demo", help="all set-up, all services, and four departments carried to the portal")
    departments = commands.add_parser("departments", help="what the simulated departments offer; time goes forward")
    for command in (demo, departments):
        command.add_argument("--size", choices=SIZES, help="how much; demo if nothing is said, and then it stays")
        command.add_argument("--month", choices=MONTHS, help="as of the end of which month; the first, then as it is")
    commands.add_parser("sources", help="the simulated departments' addresses, as a shell wants them: eval")
    commands.add_parser("test", help="all set-up and every test; what follows goes to pytest", add_help=False)
    up = commands.add_parser("up", help="start all services, or those named with what they need; wait for each")
    up.add_argument("services", nargs="*", metavar="SERVICE")
    commands.add_parser("down", help="stop them; no process is left")
    commands.add_parser("status", help="each service's state, pid, port, memory and address")
    logs = commands.add_parser("logs", help="a service's log")
    logs.add_argument("service")
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing what is added")
    commands.add_parser("doctor", help="what is missing or wrong, and what to do")
    commands.add_parser("help", help="this page")
    return parser


def _up(settings: Settings, names: Sequence[str]) -> None:
    from infra import supervise  # noqa: PLC0415 - each command imports only what it needs

    supervise.up(settings, names)


def _down(settings: Settings) -> None:
    from infra import supervise  # noqa: PLC0415

    supervise.down(settings)


def _status(settings: Settings) -> None:
    from infra.status import print_status  # noqa: PLC0415

    print_status(settings)


def _doctor(settings: Settings) -> None:
    from infra.doctor import examine  # noqa: PLC0415

    examine(settings)


def _demo(settings: Settings, size: str | None, month: str | None) -> None:
    from infra.demo import demo  # noqa: PLC0415

    demo(settings, size, month)


def _departments(settings: Settings, size: str | None, month: str | None) -> None:
    from infra.demo import start  # noqa: PLC0415

    start(settings, size, month)


def _sources(settings: Settings) -> None:
    from infra.departments.addresses import variables  # noqa: PLC0415

    for name, address in sorted(variables(settings).items()):
        print(f"export {name}={shlex.quote(address)}")


def _logs(settings: Settings, service: str, *, follow: bool) -> None:
    """Become `tail`: it follows a log through its rotation better than we would."""
    path = settings.logs / f"{service}.log"
    if not path.exists():
        known = sorted(log.stem for log in settings.logs.glob("*.log"))
        raise Refusal("no such log", where=service, expected=", ".join(known) or "a service that was started once")
    os.execvp("tail", ["tail", "-n", "100", *(["-F"] if follow else []), str(path)])  # noqa: S606


def _test(settings: Settings, arguments: list[str]) -> None:
    """Become pytest, all tests in three processes, some named ones in one.

    The stack under test has its own folder and ports, but shares what is installed.
    """
    os.chdir(ROOT)
    python = str(settings.python("dev"))
    environment = {**os.environ, "KHO_TOOLS": str(settings.tools)}
    cache = f"cache_dir={settings.home / 'cache' / 'pytest'}"
    os.execve(python, [python, "-m", "pytest", "-o", cache, *(arguments or AT_ONCE)], environment)  # noqa: S606


def main() -> None:
    """Do what the first word says."""
    parser = _parser()
    given, rest = parser.parse_known_args()
    if rest and given.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    settings = read_settings()
    commands: dict[str, Callable[[], None]] = {
        "up": lambda: _up(settings, given.services),
        "down": lambda: _down(settings),
        "status": lambda: _status(settings),
        "doctor": lambda: _doctor(settings),
        "demo": lambda: _demo(settings, given.size, given.month),
        "departments": lambda: _departments(settings, given.size, given.month),
        "sources": lambda: _sources(settings),
        "logs": lambda: _logs(settings, given.service, follow=given.follow),
        "test": lambda: _test(settings, rest),
        "help": parser.print_help,
    }
    commands[given.command]()


if __name__ == "__main__":
    sys.exit(run(main))
