"""Addresses of the departments, from Airflow's connections: `<department>_<kind>` -> `KHO_SOURCE_<DEPARTMENT>_<KIND>`.

What Airflow's own `get_uri` gives fits only some of them: it writes a path's slashes as %2F and blanks in a query as +.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from airflow.sdk.log import mask_secret

FORM = {  # kind: the type to choose in Airflow's form, and what to fill in
    "folder": ("File (path)", "Path = the folder"),
    "sftp": ("Generic", 'Host, Port, Login, Password, Schema = root folder, Extra = {"host_key": "ssh-ed25519 AAAA…"}'),
    "http": ("Generic", 'Host = https://host:port/base, Password = token, Extra = {"ca": "path"} or {}'),
    "sql": ("Generic", "Host, Port, Login, Password, Schema = database"),
}


def source(department: str, kind: str) -> dict[str, str]:
    """The variable that holds a department's address. No retry helps where there is no connection: the task fails."""
    name = f"{department}_{kind}"
    try:
        connection = BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        chosen, filled = FORM[kind]
        raise AirflowFailException(
            f"there is no connection {name}, so nobody knows where the department is\n"
            f"  what to do: in Airflow's pages, Admin > Connections > Add Connection: "
            f"Connection ID {name}, Connection Type {chosen}, {filled}"
        ) from error
    address = connection_address(kind, connection)
    mask_secret(address)
    return {f"KHO_SOURCE_{department.upper()}_{kind.upper()}": address}


def connection_address(kind: str, connection: Connection) -> str:
    """The URI by which a step reaches a department: `kind` is the word `from` of its contracts."""
    extra = dict(connection.extra_dejson)
    if kind == "folder":
        return "file://" + quote("/" + (extra.get("path") or connection.schema or "").lstrip("/"))
    if kind == "http":
        scheme, _, place = web_address(connection).partition("://")
    else:
        scheme, place = {"sftp": "sftp", "sql": "postgresql"}[kind], _place(connection)
    query = "?" + urlencode(extra, quote_via=quote) if extra else ""
    return f"{scheme}://{_credentials(connection)}{place}{query}"


def web_address(connection: Connection) -> str:
    """The URL of a web connection, without credentials: Host may hold it whole, or host, port and path stand apart."""
    if "://" in (connection.host or ""):
        parts = urlsplit(connection.host)
        port = f":{connection.port}" if connection.port and not parts.port else ""
        return parts._replace(netloc=parts.netloc + port, path=parts.path or "/").geturl()
    scheme = connection.conn_type if connection.conn_type in {"http", "https"} else "https"
    return f"{scheme}://{_place(connection)}" if connection.host else ""


def _credentials(connection: Connection) -> str:
    login, password = (quote(part or "", safe="") for part in (connection.login, connection.password))
    return f"{login}:{password}@" if password else f"{login}@" if login else ""


def _place(connection: Connection) -> str:
    host = connection.host or ""
    name = f"[{host}]" if ":" in host else host
    port = f":{connection.port}" if connection.port else ""
    return f"{name}{port}/{quote((connection.schema or '').lstrip('/'))}"
