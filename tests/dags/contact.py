"""Whom alerts are sent to: a real web server and a real mail server, which keep what they receive."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Received:
    """What has reached the contact."""

    hook: str
    smtp: str
    posts: list[dict[str, str]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def connections(self) -> dict[str, str]:
        """By which the Department of Health is told."""
        contact = self.hook.replace("http://", "http://so-y-te%40example.org@")
        return {"health_contact": contact, "smtp_default": self.smtp}


@contextmanager
def receive() -> Iterator[Received]:
    """A webhook and a mail server."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the class above
            pass

    class Mailbox:
        async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
            message = email.message_from_bytes(envelope.content, EmailMessage, policy=email.policy.default)
            received.mails.append(message)
            return "250 OK"

    web = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mail = Controller(Mailbox(), hostname="127.0.0.1", port=port)
    mail.start()
    plain = "disable_ssl=true&disable_tls=true&from_email=kho-mo%40example.org&timeout=5&retry_limit=0"
    received = Received(f"http://127.0.0.1:{web.server_port}/hook/a", f"smtp://127.0.0.1:{port}?{plain}")
    try:
        yield received
    finally:
        mail.stop()
        web.shutdown()
        thread.join()
        web.server_close()
