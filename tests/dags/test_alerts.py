import socket
from collections.abc import Callable
from typing import Any

from tests.dags.contact import Received

FAILED = """
import json
from types import SimpleNamespace
from airflow.sdk.log import mask_secret
import alerts
mask_secret("mat-khau-rat-dai")
task = SimpleNamespace(dag_id="health", task_id=given["task"], run_id="manual__2026-11-22T03:00:00+00:00")
error = RuntimeError(given["words"])
alerts.failed({"task_instance": task, "params": {"period": given.get("period")}, "exception": error})
print(json.dumps("the task goes on"))
"""
LATE = """
import asyncio, json
import alerts
run = {"dag_id": "health", "dag_run_id": "manual__1", "conf": {"period": "2026-W40"}}
asyncio.run(alerts.late({"dag_run": run, "deadline": {"id": "1", "deadline_time": "2026-11-22T22:00:00Z"}}))
print(json.dumps("the triggerer goes on"))
"""
REFUSED = """the sheet <Sở> is not what its contract promises
  where: facilities-0001.json
  expected: a name
  found: Nguyễn Văn Thử
  and more of him
  what to do: correct it, not with mat-khau-rat-dai"""
RUN = "http://airflow.example.org/dags/health/runs/manual__2026-11-22T03%3A00%3A00%2B00%3A00"


def test_the_contact_is_told_what_failed_by_webhook_and_by_mail(
    contact: Received, in_airflow: Callable[..., Any]
) -> None:
    given = {"task": "ingest_facilities", "period": "2026-10", "words": REFUSED}
    assert in_airflow(FAILED, given, contact.connections) == "the task goes on"
    assert contact.posts == [
        {
            "dag": "health",
            "task": "ingest_facilities",
            "run": "manual__2026-11-22T03:00:00+00:00",
            "period": "2026-10",
            "what": "the sheet <Sở> is not what its contract promises\n"
            "  where: facilities-0001.json\n  what to do: correct it, not with ***",
            "log": f"{RUN}/tasks/ingest_facilities",
        }
    ]
    (mail,) = contact.mails
    body = mail.get_body(("html",))
    assert body is not None
    assert (mail["To"], mail["From"]) == ("so-y-te@example.org", "kho-mo@example.org")
    assert mail["Subject"] == "[Kho Mở] health: bước ingest_facilities không xong (2026-10)"
    text = body.get_content()
    assert "the sheet &lt;Sở&gt; is not what its contract promises" in text
    assert f"{RUN}/tasks/ingest_facilities" in text
    assert "sửa rồi giao lại" in text
    assert "Nguyễn Văn Thử" not in text
    assert "mat-khau-rat-dai" not in text


def test_an_overdue_delivery_is_told_with_the_tables_that_are_missing(
    contact: Received, in_airflow: Callable[..., Any]
) -> None:
    words = "a delivery is overdue\n  health.disease_weeks: last 2026-W44, the next was expected by 2026-11-12"
    in_airflow(FAILED, {"task": "overdue", "words": words}, contact.connections)
    assert [post["what"] for post in contact.posts] == [words]
    assert [mail["Subject"] for mail in contact.mails] == ["[Kho Mở] health: quá hạn giao dữ liệu"]


def test_a_run_past_its_deadline_is_told_in_the_hours_of_the_city(
    contact: Received, in_airflow: Callable[..., Any]
) -> None:
    assert in_airflow(LATE, connections=contact.connections) == "the triggerer goes on"
    assert contact.posts == [
        {
            "dag": "health",
            "task": "late",
            "run": "manual__1",
            "period": "2026-W40",
            "what": "the run has not ended by 2026-11-23 05:00",
            "log": "http://airflow.example.org/dags/health/runs/manual__1",
        }
    ]
    assert [mail["Subject"] for mail in contact.mails] == ["[Kho Mở] health: chạy quá thời hạn (2026-W40)"]


def test_without_a_contact_nothing_is_sent_and_nothing_fails(contact: Received, in_airflow: Callable[..., Any]) -> None:
    given = {"task": "overdue", "words": "-"}
    assert in_airflow(FAILED, given) == "the task goes on"
    assert in_airflow(FAILED, given, {"smtp_default": contact.smtp}) == "the task goes on"
    assert (contact.posts, contact.mails) == ([], [])


def test_a_webhook_that_never_answers_holds_up_neither_the_task_nor_the_mail(
    contact: Received, in_airflow: Callable[..., Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hook = f"http://so-y-te%40example.org@127.0.0.1:{silent.getsockname()[1]}/"
        given = {"task": "overdue", "words": "-"}
        assert in_airflow(FAILED, given, {**contact.connections, "health_contact": hook}) == "the task goes on"
    assert len(contact.mails) == 1


def test_a_mail_server_that_is_gone_does_not_keep_the_webhook_from_being_called(
    contact: Received, in_airflow: Callable[..., Any]
) -> None:
    nobody = {"smtp_default": "smtp://127.0.0.1:9?disable_ssl=true&disable_tls=true&from_email=a%40example.org"}
    assert (
        in_airflow(FAILED, {"task": "overdue", "words": "-"}, {**contact.connections, **nobody}) == "the task goes on"
    )
    assert len(contact.posts) == 1
