"""`./kho sql`: the SQL shell, or the answer to one question. The work is Harlequin's, the door to the engine ours."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quality.refusal import run

LAYOUTS = ("table", "markdown", "vertical")  # for reading; the others are for programs
FORMATS = (*LAYOUTS, "csv", "tsv", "json", "jsonl", "parquet")
PLUGIN = Path(__file__).with_name("plugin")
OF_HSQL = {3, 4}  # no session, and --timeout: no answer, as after a mistake in the question
HELP = """
without SQL, on a terminal:  the shell, with completion and the tables in a tree (F1 tells its keys, Ctrl-Q leaves)
without SQL, in a pipe:      SQL is read from standard input
several statements:          separated by semicolons

Tables are those of city (that need not be said), open and reference:
  ./kho sql "show tables"
  ./kho sql "select full_name, population from wards where valid_to is null order by population desc limit 5"
  ./kho sql --csv -f question.sql > answer.csv

KHO_SQL_USER and KHO_SQL_PASSWORD_FILE name another user, and the file of that user's password.
Exit code: 0; 1 if there is no answer; 2 if the command is not understood; 130 after Ctrl-C.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./kho sql",
        usage="./kho sql [SQL | -f FILE] [--csv | --format F] [-o FILE] [--limit N] [--timeout SECONDS]",
        description="Ask the city dataset in Spark's SQL, as an analyst.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sql", nargs="?", metavar="SQL", help="what to ask; - reads standard input")
    parser.add_argument("-f", "--file", metavar="FILE", help="ask what stands in a file; - reads standard input")
    parser.add_argument("--format", choices=FORMATS, default="table", help="of the answer; %(default)s if not said")
    parser.add_argument("--csv", dest="format", action="store_const", const="csv", help="the same as --format csv")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the answer to a file")
    parser.add_argument("--limit", type=int, metavar="N", default=-1, help="at most N rows; all if not said")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="stop the query after so long")
    return parser


def _as_hsql(given: argparse.Namespace) -> list[str]:
    """What `hsql` is told. Every row is printed: forty, its default, would be an answer cut short."""
    source = ["-c", given.sql] if given.sql and given.sql != "-" else ["-f", given.file or "-"]
    options = ["-a", "kho", "-P", "None", f"--format={given.format}", f"--limit={given.limit}"]
    if given.format in LAYOUTS:
        options += ["--display-rows=-1"]
    if given.output:
        options += ["-o", given.output]
    if given.timeout:
        options += [f"--timeout={given.timeout}"]
    return [*options, *source]


def _is_shell(given: argparse.Namespace) -> bool:
    return not (given.sql or given.file) and sys.stdin.isatty() and sys.stdout.isatty()


class _UntilEnough(io.FileIO):
    """Standard output whose reader may leave (`| head`): that ends the command, and is no failure."""

    has_left = False

    def write(self, data: Any) -> int:
        """Write, as long as somebody reads."""
        if not self.has_left:
            try:
                return super().write(data)
            except BrokenPipeError as gone:
                self.has_left = True
                raise SystemExit(0) from gone
        return len(data)


def ask(given: argparse.Namespace) -> int:
    """Exit code of the question."""
    from harlequin.hsql.cli import run as run_hsql  # noqa: PLC0415 - --help need not wait for it

    output = io.BufferedWriter(_UntilEnough(sys.stdout.fileno(), "w", closefd=False))
    sys.stdout = io.TextIOWrapper(output, encoding="utf-8")
    code = run_hsql(_as_hsql(given))
    sys.stdout.flush()
    return 1 if code in OF_HSQL else code


def shell() -> None:
    """The full-screen shell."""
    from harlequin.cli import build_cli  # noqa: PLC0415

    options = ["-a", "kho", "-P", "None"]
    build_cli(options)(options, prog_name="./kho sql")


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what was asked."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.sql and given.file:
        parser.error("either SQL or a file of it, not both")
    sys.path.append(str(PLUGIN))  # where Harlequin finds us
    if _is_shell(given):
        shell()
    else:
        sys.exit(ask(given))


if __name__ == "__main__":
    sys.exit(run(main))
