"""Published files, as a citizen's browser asks for them."""

import gzip
import hashlib
import io
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from portal_sync.client import Client, PortalRefused, TokenRefused
from portal_sync.portal import File
from tests.portal import ask, dataset, lineage_of, page, publish, publishing, state
from tests.stack import Stack

NAME = "thu-tep"


@pytest.fixture
def client(ckan: Stack) -> Iterator[Client]:
    with publishing(ckan, NAME) as client:
        yield client


def get(ckan: Stack, path: str, **headers: str) -> requests.Response:
    """As the portal sends it, not unpacked."""
    asked = {"Accept-Encoding": "identity", **headers}
    answer = requests.get(f"{ckan.settings.portal_url}{path}", headers=asked, stream=True, timeout=60)
    answer.raw.decode_content = False
    return answer


def rows(text: bytes) -> list[str]:
    return text.decode("utf-8-sig").splitlines()[1:]


def test_the_latest_file_is_that_of_the_table_and_every_version_keeps_its_own(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    for version, row in ((1, "một"), (2, "hai")):
        publish(client, state(dataset(NAME, tmp_path, [(row, version)], version)))
        assert rows(get(ckan, f"/download/{NAME}/cases.csv").raw.read()) == [f"{row},{version}"]
    (resource,) = ask(ckan, "package_show", id=NAME)["resources"]
    assert resource["url"] == f"{ckan.settings.portal_url}/download/{NAME}/cases.csv"
    for version, row in ((1, "một"), (2, "hai")):
        answer = get(ckan, f"/download/{NAME}/{lineage_of(tmp_path)}/{version}/cases.csv")
        assert rows(answer.raw.read()) == [f"{row},{version}"]
        assert "immutable" in answer.headers["Cache-Control"]
    latest = get(ckan, f"/download/{NAME}/cases.csv")
    assert latest.headers["Content-Location"] == f"/download/{NAME}/{lineage_of(tmp_path)}/2/cases.csv"
    assert "no-cache" in latest.headers["Cache-Control"]


def test_a_browser_asks_for_parts_for_news_and_for_fewer_bytes(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset(NAME, tmp_path, [(f"dòng {n}", n) for n in range(1_000)])))
    path = f"/download/{NAME}/cases.csv"
    whole = get(ckan, path)
    content = whole.raw.read()
    assert whole.headers["Content-Disposition"] == "attachment; filename=cases.csv"
    assert get(ckan, path, **{"If-None-Match": whole.headers["ETag"]}).status_code == 304
    part = get(ckan, path, Range="bytes=3-12")
    assert (part.status_code, part.raw.read()) == (206, content[3:13])
    small = get(ckan, path, **{"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert small.headers["ETag"] != whole.headers["ETag"]
    assert "Accept-Encoding" in small.headers["Vary"]
    assert gzip.decompress(small.raw.read()) == content


def test_every_file_is_offered_as_a_download_whether_it_can_be_looked_at_or_not(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    entry = dataset(NAME, tmp_path, [("một", 1)])
    path = tmp_path / "other.json"
    path.write_bytes(b"{}")
    other = File("other.json", hashlib.sha256(b"{}").hexdigest(), entry.files["cases.csv"].fields, path, 2)
    publish(client, state(replace(entry, files={**entry.files, "other.json": other})))
    addresses = {resource["id"]: resource["url"] for resource in ask(ckan, "package_show", id=NAME)["resources"]}
    assert len(addresses) == 2
    of_dataset = page(ckan, f"/en/dataset/{NAME}")
    for resource, url in addresses.items():
        for shown in (of_dataset, page(ckan, f"/en/dataset/{NAME}/resource/{resource}")):
            (label,) = set(re.findall(rf'href="{url}"><i class="fa fa-arrow-circle-down"></i> ([^<]+)</a>', shown))
            assert label == "Download"
            assert "Go to resource" not in shown


def test_what_is_not_published_is_not_found(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset(NAME, tmp_path, [("một", 1)])))
    paths = ("khong-co.csv", ".cases.csv.part", "%2e%2e/x", "x/1/cases.csv", "x/9/..%2f..%2fx")
    answers = {path: get(ckan, f"/download/{NAME}/{path}").status_code for path in paths}
    assert answers == dict.fromkeys(paths, 404)


def test_a_dataset_that_is_not_there_yet_gives_nothing(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset(NAME, tmp_path, [("một", 1)])))
    client.call("package_patch", {"id": NAME, "state": "draft"})
    assert get(ckan, f"/download/{NAME}/cases.csv").status_code == 404
    assert get(ckan, f"/download/{NAME}/{lineage_of(tmp_path)}/1/cases.csv").status_code == 404


def test_what_was_published_stays_and_what_was_cut_is_not_kept(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset(NAME, tmp_path, [("một", 1)])))
    folder = f"{NAME}/{lineage_of(tmp_path)}/1"

    def put(name: str, content: bytes, whole: bytes = b"", by: Client = client) -> None:
        sha256 = hashlib.sha256(whole or content).hexdigest()
        by.put(f"api/kho/files/{folder}/{name}", io.BytesIO(content), sha256=sha256)

    with pytest.raises(PortalRefused, match="changed or cut"):
        put("a.csv", b"half", b"whole")
    put("a.csv", b"whole")
    put("a.csv", b"whole")
    with pytest.raises(PortalRefused, match="stays as it is"):
        put("a.csv", b"other")
    assert get(ckan, f"/download/{folder}/a.csv").raw.read() == b"whole"
    for name in (".htaccess", "a b.csv"):
        with pytest.raises(PortalRefused):
            put(name, b"x")
    with pytest.raises(TokenRefused):
        put("b.csv", b"x", by=Client(ckan.settings.portal_url, ""))


def test_a_file_and_its_table_are_of_one_version_at_every_moment(ckan: Stack, client: Client, tmp_path: Path) -> None:
    """Version n holds rows that say n. Between two answers of the table with one number, the file had that number."""
    versions = [state(dataset(NAME, tmp_path, [(f"dòng {row}", n) for row in range(500)], n)) for n in range(1, 8)]
    publish(client, versions[0])
    (resource,) = ask(ckan, "package_show", id=NAME)["resources"]
    over = threading.Event()
    pairs: list[tuple[int, set[str]]] = []

    def of_table() -> int:
        return int(ask(ckan, "datastore_search", resource_id=resource["id"], limit=1)["records"][0]["so_ca"])

    def watch() -> None:
        while not over.is_set():
            before = of_table()
            lines = rows(get(ckan, f"/download/{NAME}/cases.csv").raw.read())
            assert len(lines) == 500
            if of_table() == before:
                pairs.append((before, {line.rpartition(",")[2] for line in lines}))

    with ThreadPoolExecutor() as readers:
        watching = readers.submit(watch)
        for wanted in versions[1:]:
            publish(client, wanted)
        over.set()
        watching.result()
    assert len({number for number, _ in pairs}) > 3
    assert [(number, found) for number, found in pairs if found != {str(number)}] == []
