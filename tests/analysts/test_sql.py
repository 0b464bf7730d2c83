"""`./kho sql`, as an analyst uses it, against a real engine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import unicodedata
from typing import TYPE_CHECKING

from infra.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stack import Stack

# About a day's work for one core.
ENDLESS = "select count(*) as n from range(1000000000000) cross join range(100000)"


def test_columns_stand_under_each_other_whatever_marks_their_letters_have(engine: Stack) -> None:
    decomposed = unicodedata.normalize("NFD", "Phường Đống Đa")
    assert len(decomposed) > len("Phường Đống Đa")
    rows = f"('Phường Đống Đa', 1), ('{decomposed}', 22), ('Bến Nghé', null)"
    printed = engine.kho("sql", f"select * from values {rows} as t (ward_name, people)").stdout.splitlines()
    assert printed == [
        " ward_name      | people",
        "----------------+--------",
        " Phường Đống Đa | 1",
        f" {decomposed} | 22",
        " Bến Nghé       | NULL",
        "(3 rows)",
    ]


def test_values_come_out_as_they_are_in_csv_and_json(engine: Stack) -> None:
    question = (
        "select date'2025-07-01' as day, cast(0.5 as decimal(9, 2)) as share, timestamp'2025-07-01 06:30:00' as at, "
        "true as is_new, cast(null as decimal(9, 2)) as nothing, 'a,\"b\"' as text"
    )
    assert engine.kho("sql", "--csv", question).stdout == (
        'day,share,at,is_new,nothing,text\n2025-07-01,0.50,2025-07-01 06:30:00,true,,"a,""b"""\n'
    )
    (row,) = json.loads(engine.kho("sql", "--format", "json", question).stdout)
    assert row["day"] == "2025-07-01"
    assert row["nothing"] is None


def test_every_row_is_printed_and_an_answer_without_rows_has_its_heading(engine: Stack) -> None:
    assert engine.kho("sql", "--csv", "select id from range(12345)").stdout.count("\n") == 12346
    assert engine.kho("sql", "select id from range(600)").stdout.endswith("\n 599\n(600 rows)\n")
    assert engine.kho("sql", "--csv", "select id, 'đ' as letter from range(0)").stdout == "id,letter\n"


def test_questions_come_from_a_file_and_from_standard_input_too(engine: Stack, tmp_path: Path) -> None:
    file = tmp_path / "câu hỏi.sql"
    file.write_text("select 1 as one; -- Vietnamese: một\nselect ';' as two;\n")
    expected = " one\n-----\n 1\n(1 row)\n two\n-----\n ;\n(1 row)\n"
    assert engine.kho("sql", "-f", str(file)).stdout == expected
    command = [sys.executable, str(ROOT / "kho"), "sql"]
    done = subprocess.run(
        command, env=dict(engine.variables), input=file.read_text(), capture_output=True, text=True, check=True
    )
    assert done.stdout == expected


def test_a_mistake_is_told_in_spark_s_words_without_java_s(engine: Stack) -> None:
    done = engine.kho("sql", "select id, nothing from range(1)", check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("hsql: error: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column")
    assert "`nothing`" in done.stderr
    assert "pos 11" in done.stderr
    for word in ("java", "\tat ", "org.apache", "Project", "Traceback"):
        assert word not in done.stderr


def test_a_mistake_that_shows_only_in_the_rows_is_told_alike(engine: Stack) -> None:
    done = engine.kho("sql", "select 1 / (id - id) from range(3)", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "[DIVIDE_BY_ZERO] Division by zero." in done.stderr
    assert "org.apache" not in done.stderr


def test_who_asks_is_the_analyst(engine: Stack) -> None:
    assert engine.kho("sql", "--csv", "select current_user() as me").stdout == "me\nanalyst\n"


def test_a_reader_who_leaves_early_gets_no_complaint(engine: Stack) -> None:
    for layout in ("csv", "table"):
        with engine.start("sql", "--format", layout, "select id, repeat('đ', 100) as long from range(50000)") as asking:
            assert asking.stdout is not None
            assert asking.stdout.readline()
            asking.stdout.close()
            assert asking.stderr is not None
            assert asking.stderr.read() == ""
            assert asking.wait(60) == 0


def test_ctrl_c_ends_the_question_quietly_here_and_in_the_engine(engine: Stack) -> None:
    asking = engine.start("sql", ENDLESS)
    time.sleep(8)  # asked, and being answered
    assert asking.poll() is None
    asking.send_signal(signal.SIGINT)
    out, err = asking.communicate(timeout=120)
    assert (asking.returncode, out) == (130, "")
    assert "Traceback" not in err
    # Both cores were busy: had the engine gone on, this would have to wait for a day.
    assert engine.kho("sql", "--csv", "--timeout", "120", "select count(*) as n from range(1000)").stdout == "n\n1000\n"


def test_a_question_may_be_given_a_time(engine: Stack) -> None:
    done = engine.kho("sql", "--timeout", "3", ENDLESS, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "timed out after 3" in done.stderr


def test_a_closed_door_is_told_with_what_to_do(engine: Stack) -> None:
    done = engine.kho("sql", "select 1", check=False, KHO_PORT_THRIFT="1025")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the engine does not answer" in done.stderr
    assert "`./kho up engine` starts it" in done.stderr


def test_a_password_file_that_is_not_there_is_named(engine: Stack) -> None:
    done = engine.kho("sql", "select 1", check=False, KHO_SQL_PASSWORD_FILE="/nowhere")  # noqa: S106
    assert done.returncode == 2
    assert "where: /nowhere" in done.stderr


def test_help_tells_the_ways_in_and_the_exit_codes(engine: Stack) -> None:
    text = engine.kho("sql", "--help").stdout
    for word in ("-f FILE", "--csv", "--limit", "standard input", "KHO_SQL_PASSWORD_FILE", "Exit code"):
        assert word in text
