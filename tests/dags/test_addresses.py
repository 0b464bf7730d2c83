import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.connections import fields
from quality.refusal import Refusal

# name of the connection: an address as the steps know it
ADDRESSES = {
    "health_folder": "file:///s%E1%BB%91%20li%E1%BB%87u/y%20t%E1%BA%BF",
    "education_sftp": "sftp://kho:m%E1%BA%ADt%2Fkh%40%3F@127.0.0.1:2222/c%C3%B4ng%20v%C4%83n/g%E1%BB%ADi"
    "?host_key=ssh-ed25519%20AAAA%2Bb%2F%3D",
    "cadastre_sftp": "sftp://kho:khoa@[::1]:22/",
    "health_http": "https://:to%2Fken@127.0.0.1:8443/lgsp/v1?ca=/ch%E1%BB%A9ng%20th%C6%B0.pem",
    "investment_sql": "postgresql://kho:m%40t@127.0.0.1:5432/so_tai_chinh",
}
READ = """
import json
from airflow.sdk import Connection
from addresses import connection_address
print(json.dumps({name: connection_address(name.partition("_")[2], Connection(conn_id=name, **fields))
    for name, fields in given.items()}))
"""


def test_an_address_kept_as_a_connection_is_given_back_as_it_was(in_airflow: Callable[..., Any]) -> None:
    connections = {name: fields(address) for name, address in ADDRESSES.items()}
    expected = {**ADDRESSES, "health_http": ADDRESSES["health_http"].replace("ca=/", "ca=%2F")}
    assert in_airflow(READ, connections) == expected


def test_a_connection_filled_in_by_hand_or_read_from_a_uri_is_understood(in_airflow: Callable[..., Any]) -> None:
    connections: dict[str, dict[str, object]] = {
        "health_folder": {"conn_type": "generic", "schema": "/giao/y-te"},
        "education_sftp": {"conn_type": "sftp", "host": "h", "login": "a", "schema": "/b", "extra": ""},
        "health_http": {"conn_type": "http", "host": "h", "port": 80, "schema": "v1", "password": "t", "login": ""},
        "city_http": {"conn_type": "generic", "host": "https://h/v1?k=1", "port": 8443, "password": "t"},
    }
    assert in_airflow(READ, connections) == {
        "health_folder": "file:///giao/y-te",
        "education_sftp": "sftp://a@h/b",
        "health_http": "http://:t@h:80/v1",
        "city_http": "https://:t@h:8443/v1?k=1",
    }


def test_no_part_of_an_address_that_is_secret_stands_in_a_field_that_airflow_shows() -> None:
    for address in ADDRESSES.values():
        shown = {name: value for name, value in fields(address).items() if name != "password"}
        assert not any(secret in json.dumps(shown) for secret in ("token", "to/ken", "mật", "khoa", "m@t"))


def test_an_address_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Refusal, match="cannot be made"):
        fields("ftp://kho:khoa@127.0.0.1/")


def test_a_missing_connection_is_named_and_how_to_make_it(in_airflow: Callable[..., Any]) -> None:
    code = """
import json
from addresses import source
from airflow.sdk.exceptions import AirflowFailException
try:
    print(json.dumps(source("cadastre", "sftp")))
except AirflowFailException as error:
    print(json.dumps(str(error)))
"""
    words = in_airflow(code)
    assert "there is no connection cadastre_sftp" in words
    assert "Admin > Connections > Add Connection" in words


def test_the_address_stands_in_the_variable_of_the_department(in_airflow: Callable[..., Any]) -> None:
    code = 'import json; from addresses import source; print(json.dumps(source("investment", "sql")))'
    found = in_airflow(code, connections={"investment_sql": "postgresql://kho:khoa@127.0.0.1:5432/a"})
    assert found == {"KHO_SOURCE_INVESTMENT_SQL": "postgresql://kho:khoa@127.0.0.1:5432/a"}
