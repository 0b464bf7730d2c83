"""The engine's Thrift door, as an analyst goes through it: one session, questions that can be stopped, plain errors."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyhive import hive
from pyhive.exc import Error as HiveError
from TCLIService import ttypes
from thrift.Thrift import TException

from quality.refusal import Refusal

HOST = "127.0.0.1"
SCHEMA = "city"
PAGE_ROWS = 10_000
RUNNING = {
    ttypes.TOperationState.INITIALIZED_STATE,
    ttypes.TOperationState.PENDING_STATE,
    ttypes.TOperationState.RUNNING_STATE,
}
# The plan that Spark adds to what it says of a query's mistake, the stack of Java that the server adds to all, and the
# names of the exceptions that a message passed through.
_PLAN = re.compile(r"\n(?=['!+]|:- |Project |Aggregate |Sort |Filter )")
_STACK = re.compile(r"\n\s*at [\w.$]+\(|\nCaused by: ")
_WRAPPING = re.compile(
    r"^(?:[\w.]+(?:Exception|Refused): |Error (?:running|operating) \w+: |\[[\w.]+\] (?=[\w.]+Exception: ))+"
)


class QuestionFailed(Exception):
    """The engine said no; the text is Spark's own, without Java's."""


class NotLetIn(Refusal):
    """The door is closed, or closed to this user."""


@dataclass(frozen=True)
class Login:
    """Who asks, and at which port of this machine."""

    port: int
    user: str
    password: str


def read_login() -> Login:
    """From the environment that `./kho sql` sets."""
    variables = ("KHO_THRIFT_PORT", "KHO_SQL_USER", "KHO_SQL_PASSWORD_FILE")
    if missing := [name for name in variables if not os.environ.get(name)]:
        raise Refusal(f"{' and '.join(missing)} not set", remedy="start the shell as `./kho sql`, which sets it")
    port, user, file = (os.environ[name] for name in variables)
    try:
        return Login(int(port), user, Path(file).read_text().strip())
    except OSError as error:
        raise Refusal(
            "the password cannot be read",
            where=file,
            found=error.strerror or "",
            remedy="KHO_SQL_PASSWORD_FILE names a file that you may read",
        ) from error


def plain(message: str) -> str:
    """What Spark says, without the server's wrapping, the query's plan and Java's stack."""
    text = _STACK.split(message.replace("\r", ""), maxsplit=1)[0]
    return _WRAPPING.sub("", _PLAN.split(text, maxsplit=1)[0]).strip().removesuffix(";")


def _said(error: Exception) -> str:
    status = getattr(error.args[0] if error.args else None, "status", None)
    return plain(getattr(status, "errorMessage", None) or str(error) or type(error).__name__)


class Session:
    """A session of the engine. Two threads may use it: the one that asks, and the one that stops the other."""

    def __init__(self, login: Login) -> None:
        """Open it, in the schema city."""
        self._one_at_a_time = threading.Lock()  # a Thrift connection carries one call
        self._running: Any = None
        self._connection = _connect(login)

    def ask(self, question: str) -> Answer:
        """Have a statement run, and wait for its end."""
        with self._one_at_a_time:
            cursor = self._connection.cursor(arraysize=PAGE_ROWS)
            try:
                cursor.execute(question, async_=True)
            except (HiveError, TException, OSError, EOFError) as error:
                raise QuestionFailed(_said(error)) from error
            self._running = cursor
        try:
            self._await(cursor)
        finally:
            self._running = None
        return Answer(cursor, self._one_at_a_time)

    def _await(self, cursor: Any) -> None:
        pause = 0.005
        while True:
            try:
                with self._one_at_a_time:
                    status = cursor.poll(get_progress_update=False)
            except (HiveError, TException, OSError, EOFError) as error:
                raise QuestionFailed(_said(error)) from error
            if status.operationState == ttypes.TOperationState.FINISHED_STATE:
                return
            if status.operationState not in RUNNING:
                raise QuestionFailed(plain(status.errorMessage or "stopped before its end"))
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)

    def stop(self) -> None:
        """Stop the question that is running, if one is."""
        if cursor := self._running:
            with self._one_at_a_time:
                cursor.cancel()

    def close(self) -> None:
        """Close it; an engine that is gone has closed it already."""
        try:
            self._connection.close()
        except (HiveError, TException, OSError, EOFError):
            return


class Answer:
    """What a statement came to: columns (name, Hive's type) and rows, which are fetched when asked for."""

    def __init__(self, cursor: Any, one_at_a_time: threading.Lock) -> None:
        """Of a statement that has ended."""
        self._cursor, self._one_at_a_time = cursor, one_at_a_time
        with one_at_a_time:
            description = cursor.description or []
        self.columns: list[tuple[str, str]] = [(name, kind) for name, kind, *_ in description]

    def rows(self, limit: int | None = None) -> list[Sequence[Any]]:
        """All rows that were not fetched yet, or so many."""
        try:
            with self._one_at_a_time:
                rows: list[Sequence[Any]] = self._cursor.fetchall() if limit is None else self._cursor.fetchmany(limit)
        except (HiveError, TException, OSError, EOFError) as error:
            raise QuestionFailed(_said(error)) from error
        return rows


def _connect(login: Login, schema: str = SCHEMA) -> Any:
    """In the schema city; where there is none yet, in the empty default."""
    logging.getLogger("thrift").setLevel(logging.CRITICAL)  # it logs each refused connection; we answer with it
    try:
        return hive.connect(
            HOST, port=login.port, username=login.user, password=login.password, auth="CUSTOM", database=schema
        )
    except HiveError as error:
        said = _said(error)
        if "SCHEMA_NOT_FOUND" in said and schema == SCHEMA:
            return _connect(login, "default")
        raise NotLetIn("the engine opens no session", where=_address(login), found=said) from error
    except (TException, OSError, EOFError) as error:
        raise _closed(login, error) from error


def _address(login: Login) -> str:
    return f"{HOST}:{login.port}, user {login.user}"


def _closed(login: Login, error: Exception) -> NotLetIn:
    if "login" in str(error):  # "Bad status: 3 (b'Error validating the login')"
        return NotLetIn(
            "the engine does not know this user and password",
            where=_address(login),
            found=str(error),
            remedy="KHO_SQL_USER and KHO_SQL_PASSWORD_FILE name another user and the file of a password",
        )
    return NotLetIn(
        "the engine does not answer",
        where=_address(login),
        found=str(error),
        remedy="`./kho up engine` starts it; `./kho status` and `./kho logs engine` say why it is down",
    )
