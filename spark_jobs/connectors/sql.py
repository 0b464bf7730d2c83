"""A database of the department: the rows that changed since the last time, by a column that only grows.

Address: `postgresql://user:password@host:port/database`, or any other that SQLAlchemy has a driver for. The rows become
`rows.parquet`; the statement that gave them, with its parameters, stands beside them in `rows.sql`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from quality.delivery import Delivery
from quality.refusal import Refusal
from spark_jobs.connectors import PARTIAL, Offer
from spark_jobs.connectors.addresses import address_mistake
from spark_jobs.connectors.failures import failure
from spark_jobs.connectors.refusals import STAYS, no_inbox
from spark_jobs.connectors.retries import persistently
from spark_jobs.extracts import Extract

FORM = "postgresql://user:password@host:port/database"
# libpq's: without them a connection that went silent is waited for during two hours.
PATIENCE = {
    "connect_timeout": 15,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
STATEMENT_S = 600
OVERLAP = timedelta(hours=1)  # a transaction may be committed this long after the moment that its rows tell
BATCH_ROWS = 10_000
HERE = ZoneInfo("Asia/Ho_Chi_Minh")
DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
ROWS, STATEMENT = "rows.parquet", "rows.sql"
Answer = TypeVar("Answer")


def connect(address: str) -> Sql:
    """The database of an address; nobody is called yet."""
    scheme, _, rest = address.partition("://")
    try:
        url = sa.make_url(f"{DRIVERS.get(scheme, scheme)}://{rest}")
        if "@" not in (url.host or ""):  # the rest of a password that has a bare @
            return Sql(url)
    except NoSuchModuleError:
        raise address_mistake(FORM, "one that needs a driver which is not installed") from None
    except (ArgumentError, ImportError, ValueError):  # their texts may quote a password
        pass
    raise address_mistake(FORM, "one that cannot be taken apart")


class WatermarkWentBack(Refusal):
    """Rows disappeared, or were set back in time: a difference by watermark would miss some."""

    lasts = True


class Sql:
    """Queries in one database. It is only read, and as it was at one moment."""

    def __init__(self, url: sa.URL) -> None:
        """Nobody is called yet."""
        shown = sa.URL.create(url.get_backend_name(), url.username, None, url.host, url.port, url.database)
        self.where = shown.render_as_string()
        self._password = str(url.password or "")
        self._is_postgresql = url.get_backend_name() == "postgresql"
        patience = PATIENCE if self._is_postgresql else {}
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=patience)
        self._low: dict[str, datetime | None] = {}

    def __enter__(self) -> Self:
        """Nobody is called yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._engine.dispose()

    def offers(self, delivery: Delivery, last: Extract | None) -> tuple[list[Offer], list[str]]:
        """All that has changed since `last`, as one offer; none while there is no row. A database has no strangers."""
        low = _moment(last.files[0].stamp) if last and last.files else None
        high = self._do(lambda: self._highest(delivery))
        if low and (high is None or _instant(high) < _instant(low)):
            raise self._backwards(delivery, low, high)
        if high is None:
            return [], []
        self._low[delivery.query] = low
        return [Offer(_instant(high).strftime("%Y%m%dT%H%M%S%fZ"), "rows", high.isoformat())], []

    def take(self, offer: Offer, delivery: Delivery, folder: Path) -> list[str]:
        """The rows of the offer, from an hour before the last ones. A lost connection begins anew."""
        low = self._low.get(delivery.query)
        parameters = {"high": datetime.fromisoformat(offer.stamp)} | ({"low": low - OVERLAP} if low else {})
        comments = [f"-- {self.where}", *(f"-- :{name} = {value}" for name, value in parameters.items())]
        asked = "\n".join([*comments, self._statement(delivery.query, delivery.watermark, parameters), ""])
        rows, told = folder / ROWS, folder / STATEMENT
        if not (rows.exists() and told.exists() and told.read_text(encoding="utf-8") == asked):
            self._do(lambda: self._write(delivery, parameters, _partial(rows)))
            _partial(told).write_text(asked, encoding="utf-8")
            _partial(rows).rename(rows)
            _partial(told).rename(told)
        return [ROWS]  # the statement lies beside them

    def put(self, name: str, content: Path) -> None:  # noqa: ARG002 - the interface's
        """Nobody takes files here."""
        raise no_inbox(self.where)

    def _do(self, work: Callable[[], Answer]) -> Answer:
        return persistently(work, self.where)

    def _highest(self, delivery: Delivery) -> datetime | None:
        column = self._quoted(delivery.watermark)
        statement = sa.text(f"select max({column}) as high\nfrom (\n{_literally(delivery.query)}\n) delivered")
        with self._connection() as connection:
            high: object = connection.execute(statement.columns(high=sa.DateTime)).scalar_one()
        if high is None or isinstance(high, datetime):
            return high
        raise Refusal(
            "the watermark of the department's query is no moment",
            where=f"{self.where}, column {delivery.watermark}",
            expected="a timestamp",
            found=f"{type(high).__name__} {high}",
            remedy="name a timestamp as delivery.watermark, or cast it in the query",
        )

    def _statement(self, query: str, watermark: str, parameters: Collection[str]) -> str:
        column = self._quoted(watermark)
        since = f"{column} > :low and " if "low" in parameters else ""
        return f"select *\nfrom (\n{query}\n) delivered\nwhere {since}{column} <= :high\norder by {column}"

    def _write(self, delivery: Delivery, parameters: Mapping[str, datetime], path: Path) -> None:
        """All rows. A column that turns out to be mixed is text, from the first row on."""
        from spark_jobs.connectors.rows import POSTGRESQL, Mixed, write_rows  # noqa: PLC0415  pyarrow takes a while

        statement = sa.text(self._statement(_literally(delivery.query), delivery.watermark, parameters))
        texts: set[str] = set()
        is_written = False
        while not is_written:
            with self._connection() as connection:
                streamed = connection.execution_options(stream_results=True)
                declared = POSTGRESQL if self._is_postgresql else {}
                try:
                    with streamed.execute(statement.bindparams(*_typed(parameters))) as result:
                        write_rows(result.partitions(BATCH_ROWS), result.cursor.description, path, texts, declared)
                    is_written = True
                except Mixed as mixed:
                    texts.add(mixed.column)

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        """A transaction that only reads. Elsewhere than in PostgreSQL one statement has to do for one moment."""
        try:
            with self._engine.connect() as connection:
                if self._is_postgresql:
                    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                    limit = sa.text("select set_config('statement_timeout', :limit, true)")
                    connection.execute(limit, {"limit": f"{STATEMENT_S}s"})
                yield connection
        except DBAPIError as error:
            raise failure(error, self.where, self._password) from error

    def _quoted(self, column: str) -> str:
        return self._engine.dialect.identifier_preparer.quote(column)

    def _backwards(self, delivery: Delivery, low: datetime, high: datetime | None) -> Refusal:
        return WatermarkWentBack(
            "the department's rows are older than those it delivered before",
            where=f"{self.where}, column {delivery.watermark}",
            expected=f"{low.isoformat()} or later, as delivered the last time",
            found=high.isoformat() if high else "no rows at all",
            remedy="ask the department whether it restored a backup or emptied the table; to take all rows anew, move "
            f"the table's folder of extracts away; until then {STAYS}",
        )


def _instant(moment: datetime) -> datetime:
    """In UTC. What has no zone is the city's own time, which knows no summer time and so never runs back."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=HERE)).astimezone(UTC)


def _moment(stamp: str) -> datetime | None:
    """Of an earlier extract; None if that came another way, by files."""
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None


def _typed(parameters: Mapping[str, datetime]) -> list[sa.BindParameter[datetime]]:
    """With the type of the column, which not every driver infers."""
    return [
        sa.bindparam(name, moment, sa.DateTime(timezone=moment.tzinfo is not None))
        for name, moment in parameters.items()
    ]


def _literally(query: str) -> str:
    """Colons that begin no parameter: `::text`, or a time of the day in a literal."""
    return query.replace(":", "\\:")


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)
