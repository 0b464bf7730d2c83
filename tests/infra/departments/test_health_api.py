"""The API of the simulated Department of Health, as a real server with TLS."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from infra.departments.health import deliver
from infra.departments.health.collections import Collections
from infra.departments.health.gate import Bucket
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "only-for-these-tests"  # noqa: S105  made for these tests
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BEFORE_LONG = stop_after_delay(60)
Api = Callable[..., httpx.Client]


def rows_of(folder: Path, name: str) -> list[dict[str, object]]:
    entry = json.loads((folder / "state.json").read_text(encoding="utf-8"))["collections"][name]
    rows = [json.loads(line) for line in (folder / entry["file"]).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == entry["total"]
    return rows


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("chứng thư")
    authority = trustme.CA()
    ours = authority.issue_cert("127.0.0.1")
    paths = {name: folder / f"{name}.pem" for name in ("ca", "certificate", "key")}
    authority.cert_pem.write_to_path(str(paths["ca"]))
    ours.private_key_pem.write_to_path(str(paths["key"]))
    for blob in ours.cert_chain_pems:
        blob.write_to_path(str(paths["certificate"]), append=True)
    return paths


@contextmanager
def served(folder: Path, certificate: dict[str, Path], **settings: str) -> Iterator[httpx.Client]:
    port = free_port()
    command = [sys.executable, "-m", "infra.departments.health.api", "--folder", str(folder), "--port", str(port)]
    command += ["--certificate", str(certificate["certificate"]), "--key", str(certificate["key"])]
    variables = {f"KHO_DEPARTMENT_{name.upper()}": value for name, value in settings.items()}
    environment = {**os.environ, "KHO_DEPARTMENT_TOKEN": TOKEN, "KHO_DEPARTMENT_FAULTS": "0", **variables}
    log = (folder.parent / f"{port}.log").open("wb")
    trust = ssl.create_default_context(cafile=str(certificate["ca"]))
    with log, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as server:
        try:
            with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=30) as client:

                @retry(retry=retry_if_exception_type(httpx.TransportError), wait=wait_fixed(0.1), stop=BEFORE_LONG)
                def ping() -> httpx.Response:
                    assert server.poll() is None, Path(log.name).read_text(encoding="utf-8")
                    return client.get("/v1/ping")

                assert ping().json() == {"nguon": "dữ liệu mô phỏng", "ping": "pong"}
                client.headers.update(BEARER)
                yield client
        finally:
            server.terminate()
            server.wait(30)
            log.flush()
            assert TOKEN not in Path(log.name).read_text(encoding="utf-8")


@pytest.fixture
def api(tmp_path: Path, certificate: dict[str, Path]) -> Iterator[Api]:
    """Starts the API of what the department delivers in period 1, at the size of tests."""
    with ExitStack() as open_ones:

        def start(**settings: str) -> httpx.Client:
            deliver("test", 1, tmp_path / "sở")
            return open_ones.enter_context(served(tmp_path / "sở", certificate, **settings))

        yield start


def test_all_pages_together_are_the_whole_register(api: Api, tmp_path: Path) -> None:
    client = api()
    first = client.get("/v1/practitioners", params={"page_size": "90"})
    assert first.headers["content-type"] == "application/json"
    told = first.json()
    assert {name: told[name] for name in ("nguon", "page", "pages", "total", "as_of")} == {
        "nguon": "dữ liệu mô phỏng",
        "page": 1,
        "pages": 3,
        "total": 200,
        "as_of": "2026-07-31T17:00:00+07:00",
    }
    pages = [client.get("/v1/practitioners", params={"page": str(page), "page_size": "90"}) for page in (1, 2, 3)]
    assert [len(page.json()["data"]) for page in pages] == [90, 90, 20]
    assert [row for page in pages for row in page.json()["data"]] == rows_of(tmp_path / "sở", "practitioners")
    assert {page.headers["etag"] for page in pages} == {first.headers["etag"]}


def test_the_listed_weeks_can_be_asked_for_and_have_the_etag_that_is_listed(api: Api) -> None:
    client = api()
    listed = client.get("/v1/disease-weeks").json()["periods"]
    assert [entry["period"] for entry in listed] == ["2026-W27", "2026-W28", "2026-W29", "2026-W30"]
    week = client.get("/v1/disease-weeks/2026-W30", params={"page_size": "1000"})
    assert week.headers["etag"] == listed[3]["etag"]
    assert week.json()["total"] == len(week.json()["data"]) == 504
    assert client.get("/v1/disease-weeks/2026-W37").status_code == 404


def test_what_is_known_already_is_not_sent_again(api: Api) -> None:
    client = api()
    etag = client.get("/v1/facilities").headers["etag"]
    again = client.get("/v1/facilities", headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/v1/facilities", headers={"If-None-Match": '"other"'}).status_code == 200


def test_who_is_at_the_pages_when_the_register_grows_is_told(api: Api, tmp_path: Path) -> None:
    client = api()
    etag = client.get("/v1/practitioners").headers["etag"]
    assert client.get("/v1/practitioners?page=2", headers={"If-Match": etag}).status_code == 200
    weak = client.get("/v1/practitioners?page=2", headers={"If-Match": f"W/{etag}"})
    assert weak.status_code == 412  # RFC 9110, 13.1.1
    deliver("test", 2, tmp_path / "sở")
    late = client.get("/v1/practitioners?page=2", headers={"If-Match": etag})
    assert late.status_code == 412
    assert late.headers["etag"] != etag
    assert client.get("/v1/practitioners").json()["total"] == 201


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/practitioners?page=3", 404),
        ("/v1/practitioners?page=0", 400),
        ("/v1/practitioners?page=²", 400),
        ("/v1/practitioners?page_size=1001", 400),
        ("/v1/disease-weeks/..%2Fstate.json", 404),
        ("/v1/patients", 404),
    ],
)
def test_what_there_is_not_is_answered_in_json(shared_api: httpx.Client, path: str, status: int) -> None:
    answer = shared_api.get(path)
    assert answer.status_code == status
    assert list(answer.json()) == ["loi"]


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory, certificate: dict[str, Path]) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("chung") / "sở"
    deliver("test", 1, folder)
    with served(folder, certificate) as client:
        yield client


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        ("", 'Bearer realm="so-y-te"'),
        ("Basic abc", 'Bearer realm="so-y-te"'),
        ("Bearer wrong", 'Bearer realm="so-y-te", error="invalid_token", error_description="unknown token"'),
    ],
)
def test_without_the_token_nothing_is_told(shared_api: httpx.Client, authorization: str, told: str) -> None:
    answer = shared_api.get("/v1/practitioners", headers={"Authorization": authorization})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, told)
    assert list(answer.json()) == ["loi"]


def test_a_token_ends_on_its_day(api: Api) -> None:
    client = api(token_expires="2026-01-01T00:00:00+07:00")  # noqa: S106  a day
    answer = client.get("/v1/practitioners")
    assert answer.status_code == 401
    assert "the token expired" in answer.headers["www-authenticate"]
    assert api(token_expires="2999-01-01T00:00:00+07:00").get("/v1/practitioners").status_code == 200  # noqa: S106  a day


def test_who_asks_too_often_is_told_when_to_come_back(api: Api) -> None:
    client = api(rate="0.5")  # one at once, then one in two seconds
    assert client.get("/v1/facilities").status_code == 200
    answer = client.get("/v1/facilities")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] in ("1", "2")
    assert client.get("/v1/ping").status_code == 200


def test_the_bucket_fills_as_time_goes_by() -> None:
    now = 0.0
    bucket = Bucket(2, lambda: now)
    assert [bucket.wait_s() for _ in range(5)] == [0, 0, 0, 0, 1]
    now = 0.5
    assert [bucket.wait_s() for _ in range(2)] == [0, 1]
    now = 100.0
    assert [bucket.wait_s() for _ in range(5)] == [0, 0, 0, 0, 1]


def test_every_third_request_goes_wrong_if_it_is_to_once_with_500_and_once_cut_off(api: Api) -> None:
    client = api(faults="3")
    outcomes = []
    for _ in range(7):
        try:
            outcomes.append(str(client.get("/v1/practitioners").status_code))
        except httpx.RemoteProtocolError:
            outcomes.append("cut")
    assert outcomes == ["200", "200", "500", "200", "200", "cut", "200"]


def test_the_api_does_not_start_without_a_token(tmp_path: Path, certificate: dict[str, Path]) -> None:
    deliver("test", 1, tmp_path)
    command = [sys.executable, "-m", "infra.departments.health.api", "--folder", str(tmp_path), "--port", "1"]
    command += ["--certificate", str(certificate["certificate"]), "--key", str(certificate["key"])]
    environment = {name: value for name, value in os.environ.items() if name != "KHO_DEPARTMENT_TOKEN"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "KHO_DEPARTMENT_TOKEN is not set" in done.stderr


def test_a_file_replaced_between_two_pages_is_still_read(tmp_path: Path) -> None:
    deliver("test", 1, tmp_path)
    collections = Collections(tmp_path)
    before = collections.one("practitioners")
    deliver("test", 2, tmp_path)
    after = collections.one("practitioners")
    assert before is not None
    assert after is not None
    assert (len(before.records(2, 150)), len(after.records(2, 150))) == (50, 51)
    assert collections.one("patients") is None
