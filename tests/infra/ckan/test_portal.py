import json
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from portal_sync.client import Client, TokenRefused
from tests.portal import ask, dataset, page, publish, publisher, publishing, state
from tests.stack import Stack

NAME = "thu-sot-xuat-huyet"
ROWS = [("Sốt xuất huyết Huỳnh", 3), ("Tay chân miệng Hành", 2), ("Sởi Đống Đa", 1)]


@pytest.fixture(scope="module")
def portal(ckan: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The portal with one dataset on it."""
    title = {"vi": "Ca sốt xuất huyết để thử", "en": "Dengue cases for trials"}
    entry = dataset(NAME, tmp_path_factory.mktemp("export"), ROWS, title=title["vi"], title_translated=title)
    with publishing(ckan, NAME) as client:
        publish(client, state(entry))
        yield ckan


@pytest.mark.parametrize(
    "typed",
    [
        "sốt xuất huyết",
        "sot xuat huyet",
        unicodedata.normalize("NFD", "sốt xuất huyết"),
        "SỐT XUẤT HUYẾT",
        "SXH",
        "dengue",
    ],
)
def test_the_catalogue_finds_it_however_it_is_typed(portal: Stack, typed: str) -> None:
    assert NAME in [found["name"] for found in ask(portal, "package_search", q=typed, rows=100)["results"]]


def test_the_catalogue_does_not_find_everything(portal: Stack) -> None:
    assert ask(portal, "package_search", q="khôngcótừnày")["count"] == 0


def table_view(portal: Stack, search: str = "", **columns: str) -> Any:
    """What the table view shows after something was typed into its boxes, asked as the page asks."""
    base = portal.settings.portal_url
    (resource,) = ask(portal, "package_show", id=NAME)["resources"]
    (view,) = ask(portal, "resource_view_list", id=resource["id"])
    session = requests.Session()
    shown = session.get(f"{base}/dataset/{NAME}/resource/{resource['id']}", timeout=60).text
    token = re.search(r'name="_csrf_token" content="([^"]+)"', shown)
    assert token
    asked = {"draw": "1", "start": "0", "length": "10", "search[value]": search}
    asked |= {"order[0][column]": "0", "order[0][dir]": "asc"}
    for number, (column, typed) in enumerate(columns.items()):
        asked |= {f"columns[{number}][name]": column, f"columns[{number}][search][value]": typed}
    headers = {"X-CSRFToken": token[1], "Referer": base}
    return session.post(f"{base}/datatables/ajax/{view['id']}", data=asked, headers=headers, timeout=60).json()


@pytest.mark.parametrize("typed", ["Huỳnh", "huynh", "huyn", unicodedata.normalize("NFD", "Huỳnh"), "xuất huỳnh"])
def test_the_table_views_search_box_finds_the_row_and_no_other(portal: Stack, typed: str) -> None:
    found = table_view(portal, typed)
    assert [row["ten"] for row in found["data"]] == ["Sốt xuất huyết Huỳnh"]
    assert (found["recordsFiltered"], found["recordsTotal"]) == (1, 3)


def test_the_table_views_column_box_finds_it_too(portal: Stack) -> None:
    assert [row["ten"] for row in table_view(portal, ten="đống đ")["data"]] == ["Sởi Đống Đa"]


@pytest.mark.parametrize("typed", ["' | !&:*()", "zzz"])
def test_what_is_no_word_in_the_search_box_breaks_nothing(portal: Stack, typed: str) -> None:
    assert table_view(portal, typed)["recordsTotal"] == 3


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("/", ["Dữ liệu mở của Thành phố Hồ Chí Minh", "Ca sốt xuất huyết để thử"]),
        ("/en/", ["Open data of Ho Chi Minh City", "Dengue cases for trials"]),
        (f"/dataset/{NAME}", ["Ca sốt xuất huyết để thử", "Chỉ để thử.", "Giấy phép MIT", "hằng năm", "thử nghiệm"]),
        (f"/dataset/{NAME}", ["10:00 ngày 22/11/2026"]),
        (f"/en/dataset/{NAME}", ["Dengue cases for trials", "For trials only.", "MIT License", "yearly", "trial"]),
        (f"/en/dataset/{NAME}", ["2026-11-22 10:00 (UTC+7)"]),
        ("/organization/thu-nghiem", ["Thử nghiệm", "Ca sốt xuất huyết để thử"]),
        ("/en/organization/thu-nghiem", ["Trial", "Dengue cases for trials"]),
        ("/en/group", ["Trial"]),
        ("/dataset/?q=sot", ["Ca sốt xuất huyết để thử"]),
        ("/en/dataset/?q=sot", ["Dengue cases for trials"]),
        ("/about", ["Giới thiệu"]),
        ("/en/about", ["About"]),
    ],
)
def test_a_stranger_reads_every_page_in_the_language_of_its_address(portal: Stack, path: str, texts: list[str]) -> None:
    shown = page(portal, path)
    assert [text for text in texts if text not in shown] == []


def test_an_english_page_shows_no_vietnamese_label_of_the_data_dictionary(portal: Stack) -> None:
    (resource,) = ask(portal, "package_show", id=NAME)["resources"]
    vietnamese = page(portal, f"/dataset/{NAME}/resource/{resource['id']}")
    english = page(portal, f"/en/dataset/{NAME}/resource/{resource['id']}")
    assert ("Số ca" in vietnamese, "Cases" in vietnamese) == (True, False)
    assert ("Số ca" in english, "Cases" in english) == (False, True)


def test_the_api_gives_what_is_stored_whatever_the_language(portal: Stack) -> None:
    shown = json.loads(page(portal, f"/en/api/3/action/package_show?id={NAME}"))["result"]
    assert shown["title"] == "Ca sốt xuất huyết để thử"


@pytest.mark.parametrize("path", ["/catalog.ttl", f"/dataset/{NAME}.ttl"])
def test_dcat_speaks_both_languages(portal: Stack, path: str) -> None:
    turtle = page(portal, path)
    assert '"Ca sốt xuất huyết để thử"@vi' in turtle
    assert '"Dengue cases for trials"@en' in turtle
    assert "authority/frequency/ANNUAL" in turtle


def test_dcat_is_there_as_rdf_and_json_ld_too(portal: Stack) -> None:
    assert "dcat:Dataset" in page(portal, f"/dataset/{NAME}.rdf")
    assert any(
        "Dataset" in str(node.get("@type")) for node in json.loads(page(portal, f"/dataset/{NAME}.jsonld"))["@graph"]
    )


def test_the_page_describes_itself_to_search_engines(portal: Stack) -> None:
    found = re.findall(
        r'<script type="application/ld\+json">(.*?)</script>', page(portal, f"/dataset/{NAME}"), re.DOTALL
    )
    assert any(
        "schema.org" in text and "Ca sốt xuất huyết để thử" in json.dumps(json.loads(text), ensure_ascii=False)
        for text in found
    )


def test_every_licence_has_an_address_where_its_terms_stand(portal: Stack) -> None:
    licences = {licence["id"]: licence["url"] for licence in ask(portal, "license_list")}
    assert licences["mit"] == "https://opensource.org/license/mit"
    address, _, place = licences["du-lieu-mo-thanh-pho"].partition("#")
    assert address == f"{portal.settings.portal_url}/about"
    for language, terms in (("", "không bán lại dữ liệu thô"), ("/en", "raw data may not be resold")):
        (found,) = re.findall(f'<dt id="{place}">.*?</dd>', page(portal, f"{language}/about"), re.DOTALL)
        assert terms in found


def test_a_time_that_somebody_wrote_by_hand_is_shown_as_it_is(portal: Stack) -> None:
    publisher(portal).call("package_patch", {"id": NAME, "exported_at": "hôm qua"})
    assert "hôm qua" in page(portal, f"/dataset/{NAME}")


def test_nobody_can_register(portal: Stack) -> None:
    stranger = Client(portal.settings.portal_url, "")
    with pytest.raises(TokenRefused):
        stranger.call("user_create", {"name": "la", "email": "la@example.org", "password": "0123456789"})


@pytest.mark.parametrize("action", ["user_list", "job_list", "config_option_list"])
def test_the_publisher_may_not_run_the_portal(ckan: Stack, action: str) -> None:
    with pytest.raises(TokenRefused):
        publisher(ckan).call(action, {"all_fields": True, "email": "x@y.z"})


def test_secrets_are_the_owners_alone_and_on_no_command_line(ckan: Stack) -> None:
    secrets = list((ckan.settings.home / "secrets").iterdir())
    assert len(secrets) > 5
    for secret in [*secrets, ckan.settings.run / "ckan.ini", ckan.settings.run / "valkey.conf"]:
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret
    words = [Path(f"/proc/{process.pid}/cmdline").read_bytes() for process in ckan.processes()]
    for secret in secrets:
        assert not any(secret.read_bytes() in line for line in words), secret
