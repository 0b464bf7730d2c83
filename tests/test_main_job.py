"""The whole flow as its users know it, on the running installation: nothing new, a new year, and a bad delivery."""

import json
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import xlwt

from infra.runs import Airflow, until
from spark_jobs.session import version
from tests.spark_jobs.books import in_tcvn3, sheet
from tests.stack import Stack

DATASET = "ca-benh-truyen-nhiem-theo-thang"
FLOW = (
    "fetch",
    "ingest",
    "check raw",
    "build",
    "check draft",
    "promote",
    "protect",
    "check open",
    "export",
    "plan",
    "apply",
)
TABLES = tuple(f"{schema}.disease_cases" for schema in ("raw_health", "draft", "city", "open"))


def ask(stack: Stack, action: str, **parameters: Any) -> Any:
    """What the portal answers a citizen."""
    request = urllib.request.Request(  # noqa: S310 - the portal under test
        f"{stack.settings.portal_url}/api/3/action/{action}",
        data=json.dumps(parameters).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)["result"]


def rows(stack: Stack, **filters: Any) -> list[dict[str, Any]]:
    """Rows of the published table."""
    resources = ask(stack, "package_show", id=DATASET)["resources"]
    (table,) = (resource["id"] for resource in resources if resource["datastore_active"])
    return list(ask(stack, "datastore_search", resource_id=table, filters=filters, limit=32000)["records"])


def run_flow(stack: Stack) -> None:
    for command in FLOW:
        stack.kho(*command.split())


def versions(stack: Stack) -> dict[str, int | None]:
    return {table: version(stack.env["KHO_WAREHOUSE"], table) for table in TABLES}


def write_book(path: Path, sheets: dict[str, Sequence[Sequence[Any]]]) -> None:
    book = xlwt.Workbook()
    for name, lines in sheets.items():
        page = book.add_sheet(name)
        for line, cells in enumerate(lines):
            for column, cell in enumerate(cells):
                page.write(line, column, in_tcvn3(cell) if isinstance(cell, str) else cell)
    book.save(str(path))


@pytest.fixture
def inbox(published: Stack) -> Path:
    return published.settings.departments / "health"


def test_with_nothing_new_nothing_is_written(published: Stack) -> None:
    run_flow(published)
    before = versions(published), ask(published, "package_show", id=DATASET)["metadata_modified"]
    run_flow(published)
    assert before == (versions(published), ask(published, "package_show", id=DATASET)["metadata_modified"])


def test_a_year_that_nobody_foresaw_reaches_the_portal_as_it_is(published: Stack, inbox: Path) -> None:
    counts = {"TP. H.C.M": [7, 1] * 12, "Cần Thơ": [3, 0] * 12, "Tổng cộng": [10, 1] * 12}
    titled = sheet(counts, above=[["Bộ Y tế"], []], below=[[], ["Người lập biểu"]])
    wider = [[*line, None, "nhận xét"] for line in sheet({**counts, "Hà Nội": [0, 0] * 12})]
    write_book(inbox / "Nien giam 2018r.xls", {"TCM": wider, "SXH": titled, "Sheet1": []})
    run_flow(published)
    found = rows(published, year=2018, disease_code="SXH")
    assert sum(row["cases"] for row in found) == 120
    assert {row["province_name"] for row in found} == {"TP. Hồ Chí Minh", "Cần Thơ"}
    assert len(rows(published, year=2018, disease_code="TCM")) == 36
    hcmc = rows(published, year=2017, disease_code="SXH", province_name="TP. Hồ Chí Minh")
    assert sum(row["cases"] for row in hcmc) == 33729


def test_a_bad_correction_is_refused_and_every_layer_keeps_what_it_had(published: Stack, inbox: Path) -> None:
    run_flow(published)
    before = versions(published)
    book = inbox / "Nien giam 2017r.xls"
    good = book.read_bytes()
    bad = sheet({"TP. H.C.M": [7, -1] * 12, "Gotham": ["many", 0] * 12})
    write_book(book, {"SXH": bad, "TCM": bad})
    try:
        published.kho("fetch")
        refused = published.kho("ingest", "--allow-loss", check=False)
        assert refused.returncode == 1
        for told in ("2017 is refused", "sheet SXH, line 3, column C: deaths is '-1'", "'Gotham'", "'many'"):
            assert told in refused.stderr
        for command in FLOW[2:]:
            published.kho(*command.split())
        assert versions(published) == before
    finally:
        book.write_bytes(good)
    published.kho("fetch")
    published.kho("ingest")
    run_flow(published)
    assert versions(published)["city.disease_cases"] == before["city.disease_cases"]


@pytest.mark.disruptive
def test_down_in_the_middle_of_a_run_leaves_no_process(published: Stack) -> None:
    """The last of the stack's tests, for it leaves nothing running."""
    api = Airflow(published.settings)
    run = api.trigger("health")
    until(60, "a step runs", lambda: "running" in api.states(run).values())
    published.kho("down")
    assert not published.processes()
