"""What an analyst is told of what the engine's Thrift server says (Spark 4.1.4)."""

from __future__ import annotations

import pytest

from analysts.thrift_door import plain

STACK = (
    "\n\tat org.apache.spark.sql.hive.thriftserver.HiveThriftServerErrors$.runningQueryError(X.scala:43)\n\tat java.b"
)
UNKNOWN = "[UNRESOLVED_COLUMN] A column with name `x` cannot be resolved. SQLSTATE: 42703; line 1 pos 7"
MISTYPED = "[PARSE_SYNTAX_ERROR] Syntax error at or near 'selec'. (line 1, pos 0)\n\n== SQL ==\nselec\n^^^"
HIVE = "org.apache.hive.service.cli.HiveSQLException: Error running query: "
ANALYSIS = "[UNRESOLVED_COLUMN] org.apache.spark.sql.AnalysisException: "
PARSER = "[PARSE_SYNTAX_ERROR] org.apache.spark.sql.catalyst.parser.ParseException: \n"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"{HIVE}{ANALYSIS}{UNKNOWN};\n'Project ['x]\n+- OneRowRelation\n", UNKNOWN),
        (f"{PARSER}{MISTYPED}\n", MISTYPED),
        ("kho.Refused: an analyst reads: CreateTable is not allowed", "an analyst reads: CreateTable is not allowed"),
        ("[DIVIDE_BY_ZERO] Division by zero.\nCaused by: java.lang.X: Y", "[DIVIDE_BY_ZERO] Division by zero."),
        ("no wrapping, at all: it stays", "no wrapping, at all: it stays"),
    ],
)
def test_spark_s_words_are_told_and_java_s_are_not(said: str, told: str) -> None:
    assert plain(said + STACK) == told
    assert plain(said) == told
