import unicodedata
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from portal_sync.desired import ColumnNotAllowed, claimed, desired
from portal_sync.exports import Export, ExportedFile
from portal_sync.portal import DATASET, GROUP, ORGANISATION, Content
from quality.catalogue import Retired
from quality.contract import Text, load_all, load_catalogue

CONTRACTS = load_all()
TODAY = date(2026, 11, 22)
WARDS = CONTRACTS["city.provinces"]


def export(*columns: str) -> Export:
    return Export(
        table="open.provinces",
        lineage="3f0c",
        version=7,
        content={"rows": 34, "digest": "1", "nulls": dict.fromkeys(columns, 0)},
        key=("province_code",),
        columns=tuple((column, "string") for column in columns),
        periods=("2013", "2011"),
        exported_at="2026-11-22T10:00:00+07:00",
        files=tuple(ExportedFile(Path(f"/x/provinces.{kind.lower()}"), kind, 10, "ab") for kind in ("CSV", "Parquet")),
        receipt=ExportedFile(Path("/x/manifest.json"), "JSON", 10, "cd"),
    )


def wanted(*columns: str) -> dict[tuple[str, str], object]:
    return dict(desired({"city.provinces": WARDS}, load_catalogue(), {"provinces": export(*columns)}, TODAY))


def test_a_published_table_brings_its_organisation_and_group() -> None:
    assert WARDS.portal
    kinds = {kind for kind, _ in wanted("province_code")}
    assert kinds == {ORGANISATION, GROUP, DATASET}
    assert (DATASET, WARDS.portal.dataset) in wanted("province_code")


def test_a_table_without_an_export_is_claimed_but_not_desired() -> None:
    assert desired(CONTRACTS, load_catalogue(), {}, TODAY) == {}
    assert WARDS.portal
    assert WARDS.portal.dataset in claimed(CONTRACTS, load_catalogue())


RETIRED = Retired("tinh-thanh-pho", date(2026, 11, 30), Text("Đổi cột", "Other columns"), "tinh-thanh-pho-v2")


@pytest.mark.parametrize(
    ("is_published", "today", "content", "has_files"),
    [
        (True, date(2026, 11, 29), Content.OURS, True),
        (True, date(2026, 11, 30), Content.NONE, False),
        (False, date(2026, 11, 29), Content.AS_IT_IS, False),
        (False, date(2026, 11, 30), Content.NONE, False),
    ],
)
def test_what_ends_says_so_until_its_day_and_then_its_data_is_gone(
    *, is_published: bool, today: date, content: Content, has_files: bool
) -> None:
    assert WARDS.portal
    retired = replace(RETIRED, dataset=WARDS.portal.dataset)
    catalogue = replace(load_catalogue(), retired={retired.dataset: retired})
    contracts = {"t": WARDS} if is_published else {}
    entry = desired(contracts, catalogue, {"provinces": export("province_code")}, today)[DATASET, retired.dataset]
    assert (entry.content, bool(entry.files), bool(entry.table)) == (content, has_files, has_files)
    assert (entry.fields["retired_on"], entry.fields["successor"]) == ("2026-11-30", "tinh-thanh-pho-v2")
    assert entry.fields["retired_reason_translated"] == {"vi": "Đổi cột", "en": "Other columns"}
    assert retired.dataset in claimed(contracts, catalogue)


def test_an_export_with_a_column_that_the_contract_does_not_publish_is_refused() -> None:
    with pytest.raises(ColumnNotAllowed, match="home_address"):
        wanted("province_code", "home_address")


def test_texts_are_composed_and_both_languages_are_there() -> None:
    assert WARDS.portal
    title = Text(unicodedata.normalize("NFD", "Tỉnh, thành phố"), "Provinces")
    contract = replace(WARDS, portal=replace(WARDS.portal, title=title))
    entry = desired({"t": contract}, load_catalogue(), {"provinces": export("province_code")}, TODAY)[
        (DATASET, WARDS.portal.dataset)
    ]
    assert entry.fields["title"] == "Tỉnh, thành phố"
    assert entry.fields["title_translated"] == {"vi": "Tỉnh, thành phố", "en": "Provinces"}
    assert (entry.fields["temporal_start"], entry.fields["temporal_end"]) == ("2011", "2013")
    assert entry.table
    assert entry.table.columns[0].info["label"] == WARDS.columns["province_code"].label.vi


def test_a_changed_label_changes_the_dictionary_but_not_the_version() -> None:
    assert WARDS.portal
    column = replace(WARDS.columns["province_code"], label=Text("Mã", "Code"))
    contract = replace(WARDS, columns={**WARDS.columns, "province_code": column})
    key = (DATASET, WARDS.portal.dataset)
    before = desired({"t": WARDS}, load_catalogue(), {"provinces": export("province_code")}, TODAY)[key].table
    after = desired({"t": contract}, load_catalogue(), {"provinces": export("province_code")}, TODAY)[key].table
    assert before
    assert after
    assert before.version == after.version
    assert before.form != after.form
