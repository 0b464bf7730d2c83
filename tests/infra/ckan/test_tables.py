"""Tables that are loaded whole: on the real portal, its database asked directly."""

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from infra.services import postgres
from portal_sync import whole
from portal_sync.client import Client, PortalRefused, TokenRefused
from portal_sync.desired import TYPES
from portal_sync.portal import Changes, Column, Table, Version, form_of
from quality.digest import ZONE, Digest
from tests.portal import ask, dataset, lineage_of, page, publish, publishing, state
from tests.stack import Stack

NAME = "thu-bang"
ROWS = [("Sốt xuất huyết", 3), ("Tay chân miệng", 2), ("Sởi Đống Đa", 1)]


@pytest.fixture
def client(ckan: Stack) -> Iterator[Client]:
    with publishing(ckan, NAME) as client:
        yield client


@pytest.fixture
def resource(ckan: Stack, client: Client, tmp_path: Path) -> str:
    """A resource whose table holds version 1."""
    publish(client, state(dataset(NAME, tmp_path, ROWS)))
    (shown,) = ask(ckan, "package_show", id=NAME)["resources"]
    return str(shown["id"])


def held(folder: Path, number: int) -> Table:
    """What the plan found on the portal."""
    return Table("", Version(lineage_of(folder), number), "")


def table(folder: Path, rows: list[tuple[str, int]], version: int) -> Table:
    found = dataset(NAME, folder, rows, version).table
    assert found
    return found


def database(ckan: Stack, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with postgres.connect(ckan.settings, "datastore") as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def asked(client: Client, resource: str, body: bytes, columns: list[dict[str, str]], version: int) -> dict[str, Any]:
    """Stage a CSV, and what `kho_table_replace` or `kho_table_patch` is then asked, with version 1 to be replaced."""
    first = client.call("kho_table_versions")[resource]["version"]
    path = f"api/kho/tables/{resource}/staged"
    staged = client.put(path, io.BytesIO(body), columns=json.dumps(columns))
    fields = [column for column in columns if column["id"] != "_op"]
    return {
        **staged,
        "sha256": hashlib.sha256(body).hexdigest(),
        "resource_id": resource,
        "fields": fields,
        "key": ["ten"],
        "version": {**first, "version": version},
        "replaces": first,
    }


COLUMNS = [{"id": "ten", "type": "text"}, {"id": "so_ca", "type": "int4"}]
PATCH = [{"id": "_op", "type": "text"}, *COLUMNS]
TWO = b"ten,so_ca\nx,1\ny,2\n"
CHANGES = "_op,ten,so_ca\nupsert,Sởi Đống Đa,9\nupsert,Bệnh dại,1\ndelete,Tay chân miệng,\n".encode()


def test_what_the_database_counts_is_what_the_lake_counted(
    ckan: Stack, client: Client, resource: str, tmp_path: Path
) -> None:
    kinds: dict[str, tuple[str, Any, list[Any]]] = {
        "ten": ("text", pa.string(), ["a,b", "", None, "Đống Đa\n“x”\t\\", "N"]),
        "nho": ("int4", pa.int32(), [0, -1, 2**31 - 1, None, 5]),
        "lon": ("int8", pa.int64(), [0, -(2**63), 2**63 - 1, None, 5]),
        "thuc": ("float8", pa.float64(), [0.1, -0.0, 1e300, None, float("nan")]),
        "dung": ("bool", pa.bool_(), [True, False, None, True, False]),
        "ngay": ("date", pa.date32(), [date(2025, 7, 1), date(1900, 1, 1), None, date(9999, 12, 31), date(1, 1, 1)]),
        "luc": (
            "timestamp",
            pa.timestamp("us", "Asia/Ho_Chi_Minh"),
            [datetime(2025, 6, 30, 17, 0, 0, 1, UTC), datetime(1999, 1, 1, tzinfo=ZONE), None, None, None],
        ),
        "so": ("int4", pa.int32(), [1, 2, 3, 4, 5]),
    }
    path = tmp_path / "every.parquet"
    schema = pa.schema([(name, kind) for name, (_, kind, _) in kinds.items()])
    pq.write_table(pa.table({name: values for name, (_, _, values) in kinds.items()}, schema=schema), path)
    spark = {kind: name for name, kind in TYPES.items()}
    content = Digest({name: spark[kind] for name, (kind, _, _) in kinds.items()})
    content.add([values for _, _, values in kinds.values()])
    columns = tuple(Column(name, kind, {}) for name, (kind, _, _) in kinds.items())
    every = Table("", Version("every", 1), form_of(columns), columns, ("so",), path, content.as_dict())
    whole.load(client, resource, every, held(tmp_path, 1))  # which proves it
    _holds_the_words_that_ckan_makes(ckan, resource)
    told = ask(ckan, "kho_table_state", resource_id=resource)
    assert told["rows"] == 5
    assert told["nulls"] == {
        "ten": 1,
        "nho": 1,
        "lon": 1,
        "thuc": 1,
        "dung": 1,
        "ngay": 1,
        "luc": 3,
        "so": 0,
    }
    shown = ask(ckan, "datastore_search", resource_id=resource, filters={"so": 1})["records"][0]
    assert (shown["luc"], shown["ngay"]) == ("2025-07-01T00:00:00.000", "2025-07-01")


def _holds_the_words_that_ckan_makes(ckan: Stack, resource: str) -> None:
    name = sql.Identifier(resource).as_string(None)
    ours = database(ckan, f"select _id, _full_text::text from {name} order by _id")
    with postgres.connect(ckan.settings, "datastore") as connection:
        connection.execute(f"update {name} set _full_text = null".encode())  # the trigger makes them
    assert database(ckan, f"select _id, _full_text::text from {name} order by _id") == ours


def test_words_are_found_without_their_accents(ckan: Stack, resource: str) -> None:
    _holds_the_words_that_ckan_makes(ckan, resource)
    assert "'dong'" in database(ckan, f'select _full_text::text from "{resource}" order by _id')[2][0]


def catalogue(ckan: Stack, resource: str) -> dict[str, Any]:
    """All that the DataStore expects of a table, without what is in it."""
    regclass = f'"{resource}"'
    return {
        "columns": database(
            ckan,
            "select attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum),"
            " pg_get_expr(adbin, adrelid) from pg_attribute left join pg_attrdef on adrelid = attrelid"
            " and adnum = attnum where attrelid = %s::regclass and attnum > 0 order by attnum",
            regclass,
        ),
        "indexes": database(
            ckan, "select indexname, indexdef from pg_indexes where tablename = %s order by indexname", resource
        ),
        "triggers": database(
            ckan, "select pg_get_triggerdef(oid) from pg_trigger where tgrelid = %s::regclass", regclass
        ),
        "rights": database(
            ckan, "select relacl::text, relowner::regrole::text from pg_class where relname = %s", resource
        ),
        "constraints": database(
            ckan,
            "select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = %s::regclass"
            " and contype <> 'n'",  # PostgreSQL 18 names what is not null too, and CKAN does not care
            regclass,
        ),
        "aliases": database(ckan, "select name from _table_metadata where alias_of = %s", resource),
    }


def test_a_swapped_table_is_what_ckan_itself_would_have_made(
    ckan: Stack, client: Client, resource: str, tmp_path: Path
) -> None:
    first = table(tmp_path, ROWS, 1)
    fields = [{"id": column.name, "type": column.type, "info": column.info} for column in first.columns]
    client.call("datastore_delete", {"resource_id": resource, "force": True})
    asks = {
        "resource_id": resource,
        "force": True,
        "fields": fields,
        "primary_key": ["ten"],
        "aliases": ["thu_bang_ten_khac"],
    }
    client.call("datastore_create", asks)
    made = catalogue(ckan, resource)
    assert made["aliases"] == [("thu_bang_ten_khac",)]
    whole.load(client, resource, table(tmp_path, ROWS, 2), None)
    assert catalogue(ckan, resource) == made
    whole.load(client, resource, table(tmp_path, ROWS[:2], 3), held(tmp_path, 2))
    assert catalogue(ckan, resource) == made
    assert ask(ckan, "datastore_search", resource_id="thu_bang_ten_khac")["total"] == 2


def test_after_a_swap_ckan_s_own_writing_goes_on(ckan: Stack, client: Client, resource: str) -> None:
    row = {"ten": "Bệnh dại", "so_ca": 7}
    asks = {
        "resource_id": resource,
        "force": True,
        "method": "upsert",
        "records": [row],
        "calculate_record_count": True,
    }
    client.call("datastore_upsert", asks)
    found = ask(ckan, "datastore_search", resource_id=resource, q="benh dai")["records"]
    assert [(one["_id"], one["ten"]) for one in found] == [(4, "Bệnh dại")]


def test_a_hand_edit_is_found_by_the_digest(client: Client, resource: str, tmp_path: Path) -> None:
    one = table(tmp_path, ROWS, 1)
    whole.prove(client, resource, one)
    row = {"ten": "Tay chân miệng", "so_ca": 20}
    client.call("datastore_upsert", {"resource_id": resource, "force": True, "method": "upsert", "records": [row]})
    with pytest.raises(whole.NotProven, match="digest"):
        whole.prove(client, resource, one)


def test_an_older_version_never_replaces_a_newer_one(
    ckan: Stack, client: Client, resource: str, tmp_path: Path
) -> None:
    whole.load(client, resource, table(tmp_path, ROWS[:1], 5), held(tmp_path, 1))
    with pytest.raises(PortalRefused, match="newer"):
        whole.load(client, resource, table(tmp_path, ROWS, 4), held(tmp_path, 5))
    assert ask(ckan, "datastore_search", resource_id=resource)["total"] == 1


def test_a_publisher_that_was_paused_while_another_published_is_refused(
    ckan: Stack, client: Client, resource: str, tmp_path: Path
) -> None:
    late = asked(client, resource, b"ten,so_ca\nmuon,1\n", COLUMNS, 3)
    whole.load(client, resource, table(tmp_path, ROWS[:2], 2), held(tmp_path, 1))
    with pytest.raises(PortalRefused, match="expected version 1"):
        client.call("kho_table_replace", late)
    assert ask(ckan, "datastore_search", resource_id=resource)["total"] == 2


def test_two_loads_of_one_table_are_not_done_at_once(ckan: Stack, client: Client, resource: str) -> None:
    with postgres.connect(ckan.settings, "datastore") as other:
        other.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [resource])
        with pytest.raises(PortalRefused, match="another load"):
            asked(client, resource, b"ten,so_ca\nx,1\n", COLUMNS, 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"ten,so_ca\nx,nhieu\n", 'invalid input syntax for type integer: "nhieu"'),
        (b"ten,so_ca\nx\n", "missing data for column"),
        (b"ten,so_nguoi\nx,1\n", "so_nguoi"),
        (b"ten,so_ca\n\x00,1\n", "0x00"),
        (b"", "missing data|header|none"),
    ],
)
def test_rows_that_do_not_fit_leave_the_table_and_nothing_else(
    ckan: Stack, client: Client, resource: str, body: bytes, said: str
) -> None:
    with pytest.raises(PortalRefused, match=said):
        asked(client, resource, body, COLUMNS, 2)
    assert ask(ckan, "datastore_search", resource_id=resource)["total"] == 3
    assert left(ckan, resource) == []


@pytest.mark.parametrize("kind", ["replace", "patch"])
def test_rows_that_are_not_those_that_were_sent_change_nothing(
    ckan: Stack, client: Client, resource: str, kind: str
) -> None:
    load = asked(client, resource, CHANGES, PATCH, 2) if kind == "patch" else asked(client, resource, TWO, COLUMNS, 2)
    sent = {"sha256": hashlib.sha256(b"another").hexdigest(), "inserted": 1, "updated": 1, "deleted": 1}
    with pytest.raises(PortalRefused, match="changed or cut"):
        client.call(f"kho_table_{kind}", {**load, **sent})
    assert ask(ckan, "kho_table_state", resource_id=resource)["version"]["version"] == 1
    assert ask(ckan, "datastore_search", resource_id=resource)["total"] == 3


def left(ckan: Stack, resource: str) -> list[str]:
    """What stands in the database beside the table and the one before it."""
    found = database(ckan, "select relname from pg_class where relkind = 'r' and relname like %s", f"%{resource}%")
    return sorted(name for (name,) in found if name not in (resource, f"_old_{resource}"))


def test_a_key_that_is_not_unique_is_refused(ckan: Stack, client: Client, resource: str) -> None:
    twice = asked(client, resource, b"ten,so_ca\nx,1\nx,2\n", COLUMNS, 2)
    with pytest.raises(PortalRefused, match="not unique"):
        client.call("kho_table_replace", twice)
    assert ask(ckan, "datastore_search", resource_id=resource)["total"] == 3


def test_what_a_killed_load_left_is_removed_by_the_next(
    ckan: Stack, client: Client, resource: str, tmp_path: Path
) -> None:
    asked(client, resource, b"ten,so_ca\nx,1\n", COLUMNS, 2)
    assert len(left(ckan, resource)) == 1
    whole.load(client, resource, table(tmp_path, ROWS[:1], 2), held(tmp_path, 1))
    assert left(ckan, resource) == []


def test_a_stranger_loads_nothing(ckan: Stack, resource: str) -> None:
    stranger = Client(ckan.settings.portal_url, "")
    with pytest.raises(TokenRefused):
        asked(stranger, resource, b"ten,so_ca\nx,1\n", COLUMNS, 2)
    with pytest.raises(TokenRefused):
        stranger.call("kho_table_replace", {"resource_id": resource})
    with pytest.raises(TokenRefused):
        stranger.call("kho_table_patch", {"resource_id": resource})


def test_a_patch_brings_what_changed_and_makes_the_words_anew(ckan: Stack, client: Client, resource: str) -> None:
    patch = asked(client, resource, CHANGES, PATCH, 2)
    client.call("kho_table_patch", {**patch, "inserted": 1, "updated": 1, "deleted": 1})
    found = ask(ckan, "datastore_search", resource_id=resource, sort="ten")
    assert found["total"] == 3
    assert {row["ten"]: row["so_ca"] for row in found["records"]} == {
        "Sốt xuất huyết": 3, "Sởi Đống Đa": 9, "Bệnh dại": 1,
    }  # fmt: skip
    assert [row["ten"] for row in ask(ckan, "datastore_search", resource_id=resource, q="9")["records"]] == [
        "Sởi Đống Đa"
    ]
    expected = Digest({"ten": "string", "so_ca": "int"})
    expected.add([["Sốt xuất huyết", "Sởi Đống Đa", "Bệnh dại"], [3, 9, 1]])
    told = ask(ckan, "kho_table_state", resource_id=resource)
    assert (told["digest"], told["version"]["version"]) == (expected.as_dict()["digest"], 2)


def test_a_patch_that_does_not_count_up_changes_nothing(ckan: Stack, client: Client, resource: str) -> None:
    client.call(
        "datastore_records_delete", {"resource_id": resource, "force": True, "filters": {"ten": "Tay chân miệng"}}
    )
    patch = asked(client, resource, CHANGES, PATCH, 2)
    with pytest.raises(PortalRefused, match="changed by somebody else"):
        client.call("kho_table_patch", {**patch, "inserted": 1, "updated": 1, "deleted": 1})
    assert ask(ckan, "datastore_search", resource_id=resource, q="benh dai")["total"] == 0
    assert ask(ckan, "kho_table_state", resource_id=resource)["version"]["version"] == 1


def test_readers_and_downloads_see_one_version_or_the_other(
    ckan: Stack, client: Client, resource: str, tmp_path: Path
) -> None:
    """Version n holds 3,000 rows that all say n: an answer with two numbers in it, or with fewer rows, is a mixture."""
    size, versions = 3_000, 12
    tables = {n: table(tmp_path, [(f"dòng {row}", n) for row in range(size)], n) for n in range(2, versions)}
    whole.load(client, resource, tables[2], held(tmp_path, 1))
    over = threading.Event()
    seen: list[tuple[int, int]] = []

    def search() -> None:
        while not over.is_set():
            found = ask(ckan, "datastore_search", resource_id=resource, limit=size)
            seen.append((found["total"], len({row["so_ca"] for row in found["records"]}) * len(found["records"])))

    def download() -> None:
        while not over.is_set():
            lines = page(ckan, f"/datastore/dump/{resource}").splitlines()[1:]
            seen.append((size, len({line.rpartition(",")[2] for line in lines}) * len(lines)))

    with ThreadPoolExecutor() as readers:
        reading = [readers.submit(work) for work in (search, download)]
        for number in range(3, versions):
            whole.load(client, resource, tables[number], held(tmp_path, number - 1))
        over.set()
        for one in reading:
            one.result()
    assert len(seen) > versions
    assert set(seen) == {(size, size)}


def test_the_number_of_rows_is_of_the_version_that_the_rows_are_of(ckan: Stack, resource: str) -> None:
    """A row comes, as by a patch, when a search has begun and waits for the counts; CKAN would have read its rows."""
    with ThreadPoolExecutor() as reader, postgres.connect(ckan.settings, "datastore") as patch, patch.transaction():
        patch.execute("lock table _table_stats in access exclusive mode")
        search = reader.submit(ask, ckan, "datastore_search", resource_id=resource)
        while not database(ckan, "select from pg_locks where relation = '_table_stats'::regclass and not granted"):
            assert not search.done()
        patch.execute(f"insert into \"{resource}\" (ten, so_ca) values ('Bệnh dại', 7)".encode())
        patch.execute("update _table_stats set stats = '{\"rows\": 4}' where resource_id = %s", [resource])
    found = search.result()
    assert found["total"] == len(found["records"])


def test_a_filtered_download_has_ckan_s_formats(ckan: Stack, resource: str) -> None:
    base = f"/datastore/dump/{resource}?filters=" + quote('{"so_ca": 2}')
    assert page(ckan, base).splitlines() == ["_id,ten,so_ca", "2,Tay chân miệng,2"]
    assert json.loads(page(ckan, f"{base}&format=json"))["records"] == [[2, "Tay chân miệng", 2]]
    assert "<row _id=" in page(ckan, f"{base}&format=xml")


def test_many_rows_are_built_by_the_worker_which_may_be_killed(
    ckan: Stack, client: Client, resource: str, tmp_path: Path
) -> None:
    many = table(tmp_path, [(f"dòng {row}", row) for row in range(60_000)], 2)
    with ThreadPoolExecutor() as other:
        loading = other.submit(whole.load, client, resource, many, held(tmp_path, 1))
        while not loading.done() and not database(
            ckan, "select 1 from pg_locks where locktype = 'advisory' and (classid::bigint << 32 | objid::bigint)"
            " = hashtextextended(%s, 0)", resource,
        ):  # fmt: skip
            pass
        database(ckan, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'kho tables'")
        loading.exception(timeout=120)
    whole.load(client, resource, many, held(tmp_path, _version(ckan, resource)))
    assert ask(ckan, "datastore_search", resource_id=resource, limit=1)["total"] == 60_000
    assert left(ckan, resource) == []


def _version(ckan: Stack, resource: str) -> int:
    return int(ask(ckan, "kho_table_versions")[resource]["version"]["version"])


def test_columns_may_change_from_version_to_version(ckan: Stack, client: Client, resource: str, tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"ten": ["x"], "ty_le": [0.5]}), path)
    columns = (Column("ten", "text", {}), Column("ty_le", "float8", {"label": "Tỷ lệ"}))
    content = Digest({"ten": "string", "ty_le": "double"})
    content.add([["x"], [0.5]])
    other = replace(
        table(tmp_path, ROWS, 2), columns=columns, form=form_of(columns), path=path, content=content.as_dict()
    )
    whole.load(client, resource, other, held(tmp_path, 1))
    fields = [field["id"] for field in ask(ckan, "datastore_info", id=resource)["fields"]]
    assert fields == ["ten", "ty_le"]
    assert ask(ckan, "kho_table_versions")[resource]["form"] == form_of(columns)


def test_a_swap_that_cannot_be_proven_does_not_stay(ckan: Stack, client: Client, resource: str, tmp_path: Path) -> None:
    before = catalogue(ckan, resource)
    wrong = replace(table(tmp_path, ROWS[:1], 2), content={"rows": 1, "digest": "1", "nulls": {"ten": 0, "so_ca": 0}})
    with pytest.raises(whole.NotProven, match="digest"):
        whole.load(client, resource, wrong, held(tmp_path, 1))
    assert ask(ckan, "datastore_search", resource_id=resource)["total"] == 3
    assert ask(ckan, "kho_table_state", resource_id=resource)["version"]["version"] == 1
    assert catalogue(ckan, resource) == before
    whole.load(client, resource, table(tmp_path, ROWS[:2], 2), held(tmp_path, 1))
    assert catalogue(ckan, resource) == before


def patched(folder: Path, rows: list[tuple[str, int]]) -> Table:
    """Version 2, to which one changed row leads from version 1."""
    path = folder / "changes.parquet"
    (name, count), kinds = rows[0], ["update_preimage", "update_postimage"]
    arrays: list[Any] = [pa.array(kinds), pa.array([name, name]), pa.array([0, count], pa.int32())]
    pq.write_table(pa.table(arrays, names=["_change", "ten", "so_ca"]), path)
    return replace(table(folder, rows, 2), changes=Changes(1, 0, 1, 0, path))


def test_few_changes_go_as_a_patch_and_what_was_edited_by_hand_is_built_anew(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    rows = [(f"dòng {number}", number) for number in range(20)]
    publish(client, state(dataset(NAME, tmp_path, rows)))
    resource = ask(ckan, "package_show", id=NAME)["resources"][0]["id"]
    there = table(tmp_path, rows, 1)
    newer = patched(tmp_path, [("dòng 0", 100), *rows[1:]])
    assert whole.load(client, resource, newer, there) == "1 rows changed"
    assert ask(ckan, "datastore_search", resource_id=resource, q="100")["records"][0]["ten"] == "dòng 0"
    edit = {"resource_id": resource, "force": True, "method": "upsert", "records": [{"ten": "dòng 7", "so_ca": 70}]}
    client.call("datastore_upsert", edit)
    assert whole.load(client, resource, newer, newer) == "20 rows"
    assert ask(ckan, "datastore_search", resource_id=resource, filters={"ten": "dòng 7"})["records"][0]["so_ca"] == 7
