"""Airflow's connections to the departments, from addresses as the steps know them (`sftp://user:password@host/…`).

They are what a person would fill in in Airflow's form, so that a person can change them there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from infra.runs import Airflow
from quality.refusal import Refusal

WEB = ("http", "https")
DIRECT = ("sftp", "postgresql", "postgres")
TRUTH = {"true": True, "false": False}


def ensure_connections(api: Airflow, addresses: Mapping[str, str]) -> None:
    """Let Airflow have these connections, by name: new ones are made, others changed to these addresses."""
    api.keep_connections([{"connection_id": name, **fields(addresses[name])} for name in sorted(addresses)])


def fields(address: str) -> dict[str, str | int | None]:
    """An address as the fields of a connection, of a type that Airflow's form offers without more providers."""
    parts = urlsplit(address)
    extra: dict[str, object] = {key: TRUTH.get(value, value) for key, value in parse_qsl(parts.query)}
    host, port, schema, kind = parts.hostname, parts.port, unquote(parts.path).lstrip("/"), "generic"
    if parts.scheme in WEB:  # the form has no place of its own for the scheme, so Host holds all that is no secret
        host, port, schema = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl(), None, ""
    elif parts.scheme == "file":
        kind, schema, extra = "fs", "", {"path": unquote(parts.path)}
    elif parts.scheme == "smtp":
        kind = "smtp"
    elif parts.scheme not in DIRECT:
        raise Refusal(
            "a connection cannot be made", expected=", ".join(("file", *WEB, *DIRECT, "smtp")), found=parts.scheme
        )
    return {
        "conn_type": kind,
        "host": host,
        "port": port,
        "schema": schema or None,
        "login": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        "extra": json.dumps(extra) if extra else None,
    }
