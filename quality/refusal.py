"""The one way this project says no: what, where, expected and found, and what to do."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, ClassVar


@dataclass
class Refusal(Exception):
    """A failure that a user can meet and act on. Subclasses name the fact (`ExtractMismatch`, `GateFailed`)."""

    what: str
    where: str = ""
    expected: str = ""
    found: str = ""
    remedy: str = ""
    # Whether it stays so until somebody has acted: to try again is of no use, as it is when a service is down.
    lasts: ClassVar[bool] = False

    def __str__(self) -> str:
        """Several lines: the fact first, then what is known of it, each under its own name."""
        known = [("where", self.where), ("expected", self.expected), ("found", self.found), ("what to do", self.remedy)]
        return "\n".join([self.what, *(f"  {name}: {text}" for name, text in known if text)])


class NotYet(Refusal):
    """There is nothing to do yet, and nobody's fault: what comes before has not come. Its exit code is NOT_YET."""


NOT_YET = 3
LASTING = "refused: "  # how a refusal that lasts begins: Airflow tries nothing again that does


def run(main: Callable[[], None]) -> int:
    """Exit code of `main`: 0; 1, or NOT_YET, with a message on stderr. Tracebacks only for who sets KHO_DEBUG=1."""
    try:
        main()
        sys.stdout.flush()
    except NotYet as waiting:
        print(f"kho: not yet: {waiting}", file=sys.stderr)
        return NOT_YET
    except Refusal as refusal:
        print(f"kho: {LASTING if refusal.lasts else ''}{refusal}", file=sys.stderr)
    except KeyboardInterrupt:
        print("kho: stopped by you; what was finished stays, the rest is done by the next run", file=sys.stderr)
    except Exception as error:  # the last line of defence: a user gets a sentence, a developer the traceback
        if isinstance(error, BrokenPipeError) and _has_no_reader(sys.stdout):  # such as `head`, which has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python says so again at its end
            return 1
        if os.environ.get("KHO_DEBUG"):
            raise
        print(f"kho: {type(error).__name__}: {error}\n  what to do: KHO_DEBUG=1 shows where", file=sys.stderr)
    else:
        return 0
    return 1


def _has_no_reader(stream: IO[str]) -> bool:
    """Whether a stream is a pipe that nobody reads any more."""
    poll = select.poll()
    poll.register(stream, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
