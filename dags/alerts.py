"""Alerts: who is in charge of a DAG is told what went wrong, by webhook and by e-mail. A send that fails is logged.

The contact is the connection `<dag>_contact`: Host = the webhook's URL, Login = the e-mail address, either may be
empty; e-mail goes by the connection `smtp_default`. Without them an alert is only logged.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from datetime import datetime
from html import escape
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from addresses import web_address
from airflow.sdk import BaseHook, Connection
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
from airflow.sdk.log import redact
from asgiref.sync import sync_to_async

SEND_SECONDS = 10
MOST_CHARACTERS = 2000
VALUES = ("expected:", "found:")  # lines of a refusal that may show what stands in a delivery, so also personal data
LATE = "late"
EVENTS = {"overdue": "quá hạn giao dữ liệu", LATE: "chạy quá thời hạn"}
REMEDIES = {
    "fetch": "Kiểm tra máy chủ, đường truyền và tài khoản giao dữ liệu của đơn vị; khi đã thông, lần sau tự lấy lại.",
    "ingest": "Bản giao không nạp được, bản tốt gần nhất vẫn được giữ. Xem phiếu trả trong hộp thư, sửa rồi giao lại.",
    "return": "Phiếu trả chưa tới được đơn vị. Kiểm tra hộp thư đến của đơn vị có ghi được không.",
    "overdue": "Giao các bảng còn thiếu, hoặc báo cho quản trị Kho Mở ngày sẽ giao.",
    LATE: "Lần chạy chưa xong khi đã quá thời hạn. Xem bước nào đang chạy hoặc đang chờ trong trang Airflow.",
}
OTHERWISE = "Xem nhật ký của bước này trong trang Airflow, sửa nguyên nhân rồi chạy lại bước."
log = logging.getLogger(__name__)


def failed(context: Any) -> None:
    """`on_failure_callback`: a task has failed for good, after its retries."""
    task = context["task_instance"]
    period = (context.get("params") or {}).get("period")
    what = _fact(str(context.get("exception") or "the task was ended from outside"))
    _tell(task.dag_id, task.task_id, task.run_id, period, what)


async def late(context: dict[str, Any]) -> None:
    """Callback of a deadline, in the triggerer: a run has not ended when it should have."""
    run = context["dag_run"]
    by = datetime.fromisoformat(str(context["deadline"]["deadline_time"])).astimezone()
    what = f"the run has not ended by {by:%Y-%m-%d %H:%M}"
    tell = sync_to_async(_tell)  # in a thread, so that the triggerer goes on
    await tell(run["dag_id"], LATE, run["dag_run_id"], (run.get("conf") or {}).get("period"), what)


def _fact(text: str) -> str:
    """A refusal's own words, without the lines that show values."""
    kept, showing = [], True
    for line in text.splitlines():
        name = line.strip()
        showing = not name.startswith(VALUES) and (showing or name.startswith(("where:", "what to do:")))
        if showing:
            kept.append(line)
    return "\n".join(kept)[:MOST_CHARACTERS]


def _tell(dag: str, task: str, run: str, period: str | None, what: str) -> None:
    page = f"{conf.get('api', 'base_url').rstrip('/')}/dags/{dag}/runs/{quote(run)}"
    link = page if task == LATE else f"{page}/tasks/{task}"
    alert = {"dag": dag, "task": task, "run": run, "period": period or "", "what": str(redact(what)), "log": link}
    log.warning("alert: %s", json.dumps(alert, ensure_ascii=False))
    contact = _connection(f"{dag}_contact")
    if contact and contact.host:
        _send(f"the webhook of {dag}_contact", lambda: _post(web_address(contact), alert))
    if contact and contact.login and _connection("smtp_default"):
        _send(f"an e-mail to {dag}_contact", lambda: _mail(contact.login, alert))


def _connection(name: str) -> Connection | None:
    try:
        return BaseHook.get_connection(name)
    except AirflowNotFoundException:
        log.warning("there is no connection %s: nothing is sent by it", name)
        return None


def _send(what: str, send: Any) -> None:
    try:
        send()
    except (OSError, ValueError, HTTPException, AirflowException) as error:  # its words may hold the address
        log.warning("%s could not be sent: %s", what, type(error).__name__)
    else:
        log.info("%s was sent", what)


def _post(url: str, alert: dict[str, str]) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError(url)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    body = json.dumps(alert, ensure_ascii=False).encode()
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked above
    urllib.request.urlopen(request, timeout=SEND_SECONDS).close()  # noqa: S310


def _mail(address: str, alert: dict[str, str]) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook  # noqa: PLC0415 - reading the DAGs stays light

    verb = alert["task"].partition("_")[0]
    period = f" ({alert['period']})" if alert["period"] else ""
    event = EVENTS.get(verb, f"bước {alert['task']} không xong")
    lines = {
        "Chuyện gì": f"{alert['dag']}: {event}{period}\n{alert['what']}",
        "Xem ở đâu": alert["log"],
        "Cần làm gì": REMEDIES.get(verb, OTHERWISE),
    }
    html = "".join(f"<h4>{name}</h4><pre>{escape(text)}</pre>" for name, text in lines.items())
    with SmtpHook() as hook:
        hook.send_email_smtp(to=address, subject=f"[Kho Mở] {alert['dag']}: {event}{period}", html_content=html)
