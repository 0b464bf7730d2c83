"""What a database's error means: a reason to ask again, or a reason to stop, in the database's own words."""

from __future__ import annotations

import re

from sqlalchemy.exc import DBAPIError

from quality.refusal import Refusal
from spark_jobs.connectors.refusals import STAYS, NotThere, login_refused
from spark_jobs.connectors.retries import Lost

# Classes and codes of PostgreSQL's appendix A that another try may mend: connection exceptions, serialization and
# deadlock, insufficient resources, operator intervention except a cancelled query.
PASSING = re.compile(r"08...|40...|53...|57P..")
# At login libpq tells no code, only words. FATAL is the server's: it was reached, and says no.
BUSY = re.compile(r"starting up|shutting down|in recovery|too many (clients|connections)|connection slots")
STATEMENT_TIMEOUT = "57014"
UNDEFINED = {"42P01", "42703", "3F000"}  # table, column, schema


def failure(error: DBAPIError, where: str, secret: str) -> Lost | Refusal:
    """A Lost, or a refusal. `secret` is blotted out, should a driver quote it."""
    found = str(error.orig).strip()
    if secret:
        found = found.replace(secret, "***")
    code = getattr(error.orig, "sqlstate", None) or ""
    if error.connection_invalidated or PASSING.fullmatch(code):
        return Lost("the connection to the department's database is lost", found)
    if error.statement is None and not code:  # no statement yet: it failed while connecting
        if "FATAL" in found and not BUSY.search(found):
            return login_refused(where, found)
        return Lost("the department's database cannot be reached", found)
    if code in UNDEFINED:
        return NotThere(
            "the department's database has not what the contract asks for",
            where=where,
            expected="the tables and columns of delivery.query",
            found=found,
            remedy=f"ask the department what it renamed or took away, and correct the query; {STAYS}",
        )
    if code == STATEMENT_TIMEOUT:
        return Refusal(
            "the department's database takes too long",
            where=where,
            expected="an answer before the statement timeout",
            found=found,
            remedy=f"ask the department for an index on the watermark, or run it at night; {STAYS}",
        )
    return Refusal(
        "the department's database does not answer the query",
        where=where,
        expected="rows of delivery.query",
        found=found,
        remedy=f"correct the query, or ask the department for the permission to read; {STAYS}",
    )
