"""The engine's doors: who comes in, by which of them, and what may be set on the way."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import thrift_sasl
from pyhive import hive
from pyhive.sasl_compat import PureSASLClient
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc
from TCLIService import ttypes
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TTransportException

from infra.services import engine as service
from infra.supervise import states
from spark_jobs.session import TokenRefused, connect
from tests.stack import Stack

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
CLOSED = "an analyst reads the schemas city, open and reference"


def refusal(connection: Any, statement: str) -> str:
    with pytest.raises(hive.OperationalError) as caught:
        connection.cursor().execute(statement)
    return str(caught.value.args[0].status.errorMessage)


def test_the_steps_may_do_everything(tables: Stack, thrift: Any) -> None:
    cursor = thrift("kho").cursor()
    cursor.execute("select full_name from raw_health.people limit 1")
    assert cursor.fetchall() == [("Lê Văn A",)]
    cursor.execute("set spark.sql.shuffle.partitions=3")
    assert service.SERVICE.ready(tables.settings) is None


@pytest.mark.parametrize("user", ["analyst", "kho", "KHO", "root", "", "../secrets/engine-kho"])
def test_no_account_comes_in_with_another_password(engine: Stack, thrift: Any, user: str) -> None:
    others = {"analyst": "engine-kho"}.get(user, "engine-analyst")
    for password in ("x", "null", engine.settings.secret(others)):
        with pytest.raises(TTransportException, match="Error validating the login"):
            thrift(user, password)


@pytest.mark.parametrize("auth", ["NONE", "NOSASL"])
def test_nobody_comes_in_without_a_password(engine: Stack, auth: str) -> None:
    with pytest.raises(TTransportException):
        hive.connect("127.0.0.1", port=engine.settings.ports["thrift"], username="kho", auth=auth)


def test_an_analyst_who_asks_to_be_somebody_else_stays_an_analyst(tables: Stack) -> None:
    settings = tables.settings

    def client() -> Any:
        password = settings.secret("engine-analyst")
        return PureSASLClient("127.0.0.1", authorization_id="kho", username="analyst", password=password)

    socket = TSocket("127.0.0.1", settings.ports["thrift"])
    with hive.connect(thrift_transport=thrift_sasl.TSaslClientTransport(client, "PLAIN", socket), username="kho") as c:
        assert CLOSED in refusal(c, "select * from raw_health.people")


@pytest.mark.parametrize(
    "name",
    [
        *("set:system:kho.secrets", "set:hivevar:a", "set:metaconf:a", "hive.server2.proxy.user"),
        *("spark.kho.account", "set:spark.kho.account", "set:hiveconf:spark.kho.account"),
        *("set:hiveconf:spark.sql.variable.substitute", "set:hiveconf:spark.sql.catalog.spark_catalog"),
    ],
)
def test_an_analyst_sets_nothing_when_connecting(thrift: Any, name: str) -> None:
    with pytest.raises(hive.OperationalError) as caught:
        thrift(settings={name: "kho"})
    assert f"an analyst sets nothing when connecting: {name}=kho is refused" in str(caught.value)


@pytest.mark.parametrize("schema", ["identifier('city')", "city; select 1", "`city`"])
def test_the_schema_to_begin_in_is_a_word(engine: Stack, schema: str) -> None:
    password = engine.settings.secret("engine-analyst")
    transport = thrift_sasl.TSaslClientTransport(
        lambda: PureSASLClient("127.0.0.1", username="analyst", password=password),
        "PLAIN",
        TSocket("127.0.0.1", engine.settings.ports["thrift"]),
    )
    client = hive.connect(thrift_transport=transport).client
    answer = client.OpenSession(ttypes.TOpenSessionReq(configuration={"use:database": schema}))
    assert "is refused" in answer.status.errorMessage


@pytest.mark.usefixtures("tables")
def test_settings_of_one_statement_change_nothing(thrift: Any) -> None:
    connection = thrift()
    request = ttypes.TExecuteStatementReq(
        connection.sessionHandle, "select * from raw_health.people", confOverlay={"spark.kho.account": "kho"}
    )
    assert CLOSED in connection.client.ExecuteStatement(request).status.errorMessage


@pytest.mark.usefixtures("tables")
def test_what_runs_in_the_background_is_an_analysts_too(thrift: Any) -> None:
    for statement, state in (
        ("table raw_health.people", "ERROR_STATE"),
        ("table city.practitioners", "FINISHED_STATE"),
    ):
        cursor = thrift().cursor()
        cursor.execute(statement, async_=True)
        deadline = time.monotonic() + 60
        while (poll := cursor.poll()).operationState < ttypes.TOperationState.FINISHED_STATE:
            assert time.monotonic() < deadline
        assert poll.operationState == getattr(ttypes.TOperationState, state)
    assert cursor.fetchall() == [(None, None, "răng")] * 2


@pytest.mark.parametrize("token", ["", "x", "engine-analyst", "engine-kho"])
def test_spark_connect_asks_for_its_token(engine: Stack, token: str) -> None:
    known = engine.settings.secret(token) if token.startswith("engine") else token
    address = f"sc://127.0.0.1:{engine.settings.ports['connect']}"
    with (
        pytest.raises(TokenRefused, match="does not know the token"),
        connect(f"{address}/;token={known}" if known else address),
    ):
        pass


def test_spark_connect_answers_nobody_who_brings_no_token(engine: Stack) -> None:
    request = base_pb2.ConfigRequest(session_id="00000000-0000-4000-8000-000000000000")
    with grpc.insecure_channel(f"127.0.0.1:{engine.settings.ports['connect']}") as channel:
        stub = base_pb2_grpc.SparkConnectServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError) as caught:
            stub.Config(request, timeout=20)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_no_secret_stands_on_a_command_line_or_in_the_log(tables: Stack) -> None:
    lines = [" ".join(process.cmdline()) for process in tables.processes()]
    assert any("kho.Guard" in line for line in lines)
    log = (tables.settings.logs / "engine.log").read_text(encoding="utf-8")
    for name in service.SECRETS:
        assert not [line for line in lines if tables.settings.secret(name) in line]
        assert tables.settings.secret(name) not in log


def test_every_port_of_the_engine_is_on_loopback(engine: Stack) -> None:
    pid = next(state.pid for state in states(engine.settings) if state.name == "engine")
    listening = [c.laddr for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert {engine.settings.ports["thrift"], engine.settings.ports["connect"]} < {address.port for address in listening}
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_jdbc_client_sees_schemas_tables_and_columns(tables: Stack, tmp_path: Path) -> None:
    settings = tables.settings
    words = [
        "select count(*) as number_of_pupils from pupils;",
        "!tables",
        "!columns pupils",
        "table raw_health.people;",
    ]
    script = tmp_path / "script.sql"
    script.write_text("\n".join(words) + "\n")
    argv = [
        *(str(settings.java), "-cp", f"{settings.site_packages('lake')}/pyspark/jars/*"),
        *("org.apache.hive.beeline.BeeLine", "-u", service.url(settings), "-n", "analyst", "--force=true"),
        *("-w", str(settings.secret_file("engine-analyst")), "--outputformat=csv2", "-f", str(script)),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert "number_of_pupils\n2\n" in done.stdout, done.stderr
    for line in (",city,pupils,TABLE,", ",open,pupils,TABLE,", ",open,pupils,pupil_count,"):
        assert line in done.stdout
    assert f"{CLOSED}: raw_health is closed" in done.stderr
