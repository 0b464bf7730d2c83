"""Contracts: what is good loads, and every mistake is told at once with its file and line."""

# ruff: noqa: E501 - tables read best with one case to a line

from __future__ import annotations

import subprocess
import sys
import unicodedata
from datetime import date
from pathlib import Path

import pytest

from quality.contract import CONTRACTS, ContractMistakes, Text, load, load_all, load_catalogue
from quality.refusal import Refusal

CATALOGUE = """\
organisations:
  so-giao-duc: {title: {vi: Sở Giáo dục, en: Department of Education}, description: {vi: Trường học, en: Schools}}
groups:
  giao-duc: {title: {vi: Giáo dục, en: Education}, description: {vi: Trường học, en: Schools}}
licences:
  mit: {title: {vi: Giấy phép MIT, en: MIT License}, description: {vi: Tự do, en: Free}, url: "https://mit.example"}
"""

CITY = """\
title: {vi: Trường học, en: Schools}
description: {vi: Các trường của thành phố, en: The city's schools}
grain: one row per school
owner: so-giao-duc
key: [school_id]
at_least: 1000
columns:
  school_id: {type: string, pii: none, label: {vi: Mã, en: Code}, description: {vi: Mã, en: Code}, matches: "^79[0-9]{6}$"}
  pupil_count: {type: int, pii: none, label: {vi: Số, en: Count}, description: {vi: Số, en: Count}, between: [0, 9000]}
  kind: {type: string, pii: none, label: {vi: Loại, en: Kind}, description: {vi: Loại, en: Kind}, one_of: [công, tư]}
  principal: {type: string, pii: basic, label: {vi: Tên, en: Name}, description: {vi: Tên, en: Name}, required: false}
portal:
  dataset: truong-hoc
  columns: [school_id, pupil_count]
  group: giao-duc
  licence: mit
  frequency: month
  source: {title: {vi: Sở Giáo dục, en: Department of Education}, url: "https://so.example"}
  tags: [{vi: trường học, en: schools}]
  cautions: []
"""

DEPARTMENT = """\
title: {vi: Trường học, en: Schools}
description: {vi: Các trường, en: Schools}
grain: one row per school and month
owner: so-giao-duc
key: [school_id]
at_least: 0
columns:
  school_id: {type: string, pii: none, label: {vi: Mã, en: Code}, description: {vi: Mã, en: Code}}
delivery:
  from: folder
  files: 'schools (?P<period>[0-9]{4})\\.xls'
  layout: yearbook
  mode: period
  every: year
  rejected_at_most_pct: 0.5
  sheets: [A, B]
"""


def folder_with(folder: Path, **tables: str) -> Path:
    """A folder of contracts: `city__schools="…"` becomes city/schools.yml."""
    (folder / "catalogue.yml").write_text(CATALOGUE, encoding="utf-8")
    for name, text in tables.items():
        path = folder / f"{name.replace('__', '/')}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def mistakes_in(folder: Path, old: str, new: str, text: str = CITY) -> list[str]:
    """What is wrong when one place of a good contract is changed: "line: what"."""
    assert old in text
    table = "education__schools" if text == DEPARTMENT else "city__schools"
    path = folder_with(folder, **{table: text.replace(old, new, 1)}) / f"{table.replace('__', '/')}.yml"
    with pytest.raises(ContractMistakes) as refused:
        load(path)
    return [str(mistake).removeprefix(f"{path}:") for mistake in refused.value.mistakes]


def test_a_good_contract_says_what_it_says(tmp_path: Path) -> None:
    folder_with(tmp_path, city__schools=CITY)
    contract = load(tmp_path / "city" / "schools.yml")
    assert (contract.table, contract.schema, contract.name) == ("city.schools", "city", "schools")
    assert contract.title == Text("Trường học", "Schools")
    assert contract.key == ("school_id",)
    assert contract.at_least == 1000
    assert list(contract.columns) == ["school_id", "pupil_count", "kind", "principal"]
    assert contract.columns["pupil_count"].between == (0, 9000)
    assert contract.columns["kind"].one_of == ("công", "tư")
    assert contract.columns["school_id"].required
    assert not contract.columns["principal"].required
    assert contract.columns["school_id"].level == "critical"
    assert contract.portal is not None
    assert contract.portal.columns == ("school_id", "pupil_count")
    assert contract.portal.title == contract.title
    assert contract.portal.tags == (Text("trường học", "schools"),)
    assert contract.delivery is None


def test_a_delivery_says_where_from_and_how(tmp_path: Path) -> None:
    delivery = load(folder_with(tmp_path, education__schools=DEPARTMENT) / "education" / "schools.yml").delivery
    assert delivery is not None
    assert (delivery.source, delivery.layout, delivery.mode, delivery.every) == ("folder", "yearbook", "period", "year")
    assert delivery.rejected_at_most_pct == 0.5
    assert delivery.sheets == ("A", "B")


def test_a_city_table_says_what_share_of_its_rows_may_go_or_it_is_a_tenth(tmp_path: Path) -> None:
    for said, expected in (("", 10), ("removed_at_most_pct: 0\n", 0), ("removed_at_most_pct: 2.5\n", 2.5)):
        folder = folder_with(tmp_path, city__schools=said + CITY)
        assert load(folder / "city" / "schools.yml").removed_at_most_pct == expected


def test_the_sha_changes_with_the_file(tmp_path: Path) -> None:
    path = folder_with(tmp_path, city__schools=CITY) / "city" / "schools.yml"
    before = load(path).sha256
    path.write_text(CITY + "# a remark\n", encoding="utf-8")
    assert load(path).sha256 != before


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("grain:", "grian:", "3: contract: unknown word 'grian'; did you mean 'grain'?"),
        ("pii: none, label: {vi: Số", "label: {vi: Số", "9: columns.pupil_count: pii is missing"),
        ("pii: none, label: {vi: Số", "pii: some, label: {vi: Số", "9: columns.pupil_count.pii: expected one of basic, none, sensitive; found 'some'"),
        ("type: int", "type: integer", "9: columns.pupil_count.type: expected one of bigint, boolean"),
        ("between: [0, 9000]", "betwen: [0, 9000]", "9: columns.pupil_count: unknown word 'betwen'; did you mean 'between'?"),
        ("between: [0, 9000]", "between: [9000, 0]", "9: columns.pupil_count.between: 9000 is above 0"),
        ("between: [0, 9000]", "between: [0]", "9: columns.pupil_count.between: expected [lowest, highest], null for none"),
        ("between: [0, 9000]", "between: [0, many]", "9: columns.pupil_count.between: expected a number, found 'many'"),
        ("between: [0, 9000]", "between: [null, null]", "9: columns.pupil_count.between: one of the two must be a number"),
        ("one_of: [công, tư]", "between: [0, 1]", "10: columns.kind.between: only for int, bigint, double"),
        ("between: [0, 9000]", "one_of: [a]", "9: columns.pupil_count.one_of: only for string"),
        ('matches: "^79[0-9]{6}$"', 'matches: "^79[0-9"', "8: columns.school_id.matches: not a regular expression"),
        ('matches: "^79[0-9]{6}$"', "refers_to: wards", "8: columns.school_id.refers_to: expected schema.table.column, found 'wards'"),
        ("required: false", "required: perhaps", "11: columns.principal.required: expected true or false, found 'perhaps'"),
        ("required: false", "level: grave", "11: columns.principal.level: expected one of critical, warning; found 'grave'"),
        ("  kind:", "  Kind:", "10: columns.Kind: expected lower-case letters"),
        ("  kind:", "  _kind:", "10: columns._kind: expected lower-case letters"),
        ("columns: [school_id, pupil_count]", "columns: [school_id, principal]", "14: portal.columns: principal is personal (pii: basic) and is never published"),
        ("columns: [school_id, pupil_count]", "columns: [school_id, pupils]", "14: portal.columns: there is no column 'pupils'"),
        ("columns: [school_id, pupil_count]", "columns: [pupil_count]", "13: portal.columns: the key's school_id must be among them"),
        ("columns: [school_id, pupil_count]", "columns: school_id", "14: portal.columns: expected a list, found 'school_id'"),
        ("key: [school_id]", "key: [school]", "5: key: there is no column 'school'; did you mean 'school_id'?"),
        ("key: [school_id]", "key: []", "5: key: names no column"),
        ("key: [school_id]", "key: [school_id, school_id]", "5: key: school_id stands twice"),
        ("at_least: 1000", "at_least: many", "6: at_least: expected a number, found 'many'"),
        ("at_least: 1000", "at_least: -1", "6: at_least: expected a whole number, 0 or more, found '-1'"),
        ("at_least: 1000", "at_least: 1000\nremoved_at_most_pct: 101", "7: removed_at_most_pct: expected 0 to 100"),
        ("at_least: 1000", "at_least: 1000\nremoved_at_most_pct: half", "7: removed_at_most_pct: expected a number, found 'half'"),
        ("at_least: 1000", "at_least: 1000\nremoved_at_most_pct: null", "7: removed_at_most_pct: expected 0 to 100"),
        ("owner: so-giao-duc", "owner: so-giao-duk", "4: owner: expected one of so-giao-duc; found 'so-giao-duk'; did you mean 'so-giao-duc'?"),
        ("group: giao-duc", "group: y-te", "15: portal.group: expected one of giao-duc; found 'y-te'"),
        ("licence: mit", "licence: cc0", "16: portal.licence: expected one of mit; found 'cc0'"),
        ("frequency: month", "frequency: monthly", "17: portal.frequency: expected one of day"),
        ("dataset: truong-hoc", "dataset: Trường học", "13: portal.dataset: expected lower-case letters, digits and -, found 'Trường học'"),
        ("https://so.example", "so.example", "18: portal.source.url: expected an http address, found 'so.example'"),
        ("{vi: Trường học, en: Schools}", "{vi: Trường học}", "1: title: en is missing"),
        ("{vi: Trường học, en: Schools}", "{vi: Trường học, en: }", "1: title.en: expected a text, found nothing"),
        ("{vi: Trường học, en: Schools}", "Schools", "1: title: expected words with values, found 'Schools'"),
        ("owner: so-giao-duc", "owner: so-giao-duc\nowner: so-giao-duc", "5: contract: owner stands twice"),
        ("grain: one row per school\n", "", "1: contract: grain is missing"),
        ("  cautions: []", "  point: [school_id, pupil_count]\n  cautions: []", "20: portal.point: expected [longitude, latitude], two published columns of doubles; found school_id (string), pupil_count (int)"),
        ("  cautions: []", "  point: [principal]\n  cautions: []", "20: portal.point: expected [longitude, latitude], two published columns of doubles; found principal (not published)"),
        ("  cautions: []", "  history_days: long\n  cautions: []", "20: portal.history_days: expected a number, found 'long'"),
        ("  cautions: []", "  cautions: []\ndelivery: {}", "21: contract: unknown word 'delivery'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = mistakes_in(tmp_path, old, new)
    assert any(mistake.startswith(expected) for mistake in found), found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("from: folder", "from: pigeon", "10: delivery.from: expected one of folder, http, sftp, sql; found 'pigeon'"),
        ("mode: period", "mode: periods", "13: delivery.mode: expected one of changes, period, snapshot; found 'periods'; did you mean 'period'?"),
        ("(?P<period>[0-9]{4})", "[0-9]{4}", "11: delivery.files: mode is period, so it needs (?P<period>…"),
        ("(?P<period>[0-9]{4})", "(?P<period>[0-9]{4}", "11: delivery.files: not a regular expression"),
        ("rejected_at_most_pct: 0.5", "rejected_at_most_pct: 101", "15: delivery.rejected_at_most_pct: expected 0 to 100"),
        ("layout: yearbook", "layout: ../yearbook", "12: delivery.layout: expected the name of a module of layouts"),
        ("sheets: [A, B]", "shets: [A, B]", "16: delivery: unknown word 'shets'; did you mean 'sheets'?"),
        ("every: year", "every: now", "14: delivery.every: expected one of day"),
        ("delivery:", "portal: {}\ndelivery:", "9: contract: unknown word 'portal'"),
        ("delivery:", "removed_at_most_pct: 1\ndelivery:", "9: contract: unknown word 'removed_at_most_pct'"),
        ("from: folder", "from: http", "11: delivery.files: from is http, which has no files"),
        ("from: folder", "from: sql", "10: delivery: from is sql, so query is missing"),
        ("mode: period", "mode: snapshot", "11: delivery.files: mode is snapshot, so it has no (?P<period>…"),
        ("mode: period", "mode: changes", "13: delivery.mode: changes come from sql, and from sql nothing else"),
        ("sheets: [A, B]", "watermark: school_id", "16: delivery.watermark: goes with mode changes"),
        ("sheets: [A, B]", "numbers: german", "16: delivery.numbers: expected one of en, plain, vi; found 'german'"),
        ("sheets: [A, B]", "due_days: soon", "16: delivery.due_days: expected a number, found 'soon'"),
        ("sheets: [A, B]", "resource: v1", "16: delivery.resource: expected a path that begins with /, found 'v1'"),
        ("sheets: [A, B]", "query: drop table x", "16: delivery.query: expected one select, without ;, found 'drop table x'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_delivery_is_told_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = mistakes_in(tmp_path, old, new, DEPARTMENT)
    assert any(mistake.startswith(expected) for mistake in found), found


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = CITY.replace("grain:", "grian:").replace("pii: none, label: {vi: Số", "label: {vi: Số")
    path = folder_with(tmp_path, city__schools=text.replace("licence: mit", "licence: cc0")) / "city" / "schools.yml"
    with pytest.raises(ContractMistakes) as refused:
        load(path)
    assert [mistake.line for mistake in refused.value.mistakes] == [1, 3, 9, 16]
    message = str(refused.value)
    assert message.startswith("4 mistakes in contracts")
    assert f"{path}:9: columns.pupil_count: pii is missing" in message
    assert "what to do: correct the lines named" in message


def test_text_that_is_not_nfc_is_a_mistake(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Trường")
    assert mistakes_in(tmp_path, "vi: Trường học", f"vi: {decomposed} học")[0].startswith("1: text is not Unicode NFC")


def test_a_file_that_is_no_yaml_is_a_mistake_and_no_crash(tmp_path: Path) -> None:
    found = mistakes_in(tmp_path, "key: [school_id]", "key: [school_id")
    assert found[0].startswith(("5: not YAML", "6: not YAML")), found


def test_an_empty_file_and_one_of_other_bytes_are_mistakes(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, city__empty="")
    (folder / "city" / "latin.yml").write_bytes("title: Tr\xe0".encode("latin-1"))
    with pytest.raises(ContractMistakes) as refused:
        load_all(folder)
    assert "empty.yml:1: the file is empty" in str(refused.value)
    assert "latin.yml:1: cannot be read" in str(refused.value)


def test_a_column_may_only_refer_to_what_is_there(tmp_path: Path) -> None:
    pupils = CITY.replace("dataset: truong-hoc", "dataset: hoc-sinh")
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    (seeds / "wards.csv").write_text("code,name\n", encoding="utf-8")
    for refers_to, expected in [
        ("city.schools.school_id", ""),
        ("reference.wards.code", ""),
        ("city.nothing.school_id", "there is no table city.nothing"),
        ("city.schools.code", "city.schools has no column 'code'"),
        ("reference.wards.id", "reference.wards has no column 'id'"),
        ("reference.provinces.code", "there is no table reference.provinces"),
    ]:
        changed = pupils.replace('matches: "^79[0-9]{6}$"', f"refers_to: {refers_to}")
        folder = folder_with(tmp_path, city__schools=CITY, city__pupils=changed)
        if not expected:
            assert load_all(folder, seeds)["city.pupils"].columns["school_id"].refers_to == refers_to
            continue
        with pytest.raises(ContractMistakes, match=expected) as refused:
            load_all(folder, seeds)
        assert [mistake.line for mistake in refused.value.mistakes] == [8]


def test_two_tables_cannot_claim_one_dataset(tmp_path: Path) -> None:
    with pytest.raises(ContractMistakes, match=r"schools.yml:13: portal.dataset: truong-hoc is also city.pupils's"):
        load_all(folder_with(tmp_path, city__schools=CITY, city__pupils=CITY))


def test_a_mistake_in_the_catalogue_is_told_too(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, city__schools=CITY)
    text = CATALOGUE.replace("https://mit.example", "mit.example").replace("en: Education}", "fr: Éducation}")
    (folder / "catalogue.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ContractMistakes) as refused:
        load_all(folder)
    assert "catalogue.yml:4: groups.giao-duc.title: en is missing" in str(refused.value)
    assert "catalogue.yml:6: licences.mit.url: expected an http address" in str(refused.value)


def test_the_catalogue_says_which_datasets_end_when_and_why(tmp_path: Path) -> None:
    words = "retired:\n  truong-hoc:\n    on: 2027-03-31\n    reason: {vi: Đổi, en: Changed}\n    successor: truong-hoc-v2\n"
    path = folder_with(tmp_path, city__schools=CITY) / "catalogue.yml"
    path.write_text(CATALOGUE + words, encoding="utf-8")
    retired = load_catalogue(tmp_path).retired["truong-hoc"]
    assert (retired.on, retired.reason.en, retired.successor) == (date(2027, 3, 31), "Changed", "truong-hoc-v2")
    path.write_text(CATALOGUE + words.replace("2027-03-31", "31/03/2027").replace("reason", "why"), encoding="utf-8")
    with pytest.raises(ContractMistakes) as refused:
        load_catalogue(tmp_path)
    assert "retired.truong-hoc.on: expected a day as 2026-12-31, found '31/03/2027'" in str(refused.value)
    assert "retired.truong-hoc: unknown word 'why'" in str(refused.value)
    assert "retired.truong-hoc: reason is missing" in str(refused.value)


def test_a_folder_without_contracts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there are no contracts"):
        load_all(folder_with(tmp_path))


def test_the_projects_contracts_are_good() -> None:
    contracts = load_all()
    assert contracts["city.disease_cases"].key == ("province_code", "disease_code", "year", "month")
    published = {contract.portal.dataset for contract in contracts.values() if contract.portal}
    assert {
        "ca-benh-truyen-nhiem-theo-thang",
        "don-vi-hanh-chinh-cap-tinh",
        "phuong-xa-thanh-pho-ho-chi-minh",
    } <= published
    assert {"so-y-te", "so-khoa-hoc-va-cong-nghe"} <= load_catalogue().organisations.keys()


def test_the_licences_of_others_data_reach_the_portal() -> None:
    contracts = load_all()
    licences = {name: contract.portal.licence for name, contract in contracts.items() if contract.portal}
    assert licences["city.disease_cases"] == licences["city.diseases"] == "gpl-3"
    assert licences["city.wards"] == "mit"
    assert licences["city.health_facilities"] == "odbl"


def test_people_and_small_counts_of_them_are_not_published() -> None:
    contracts = load_all()
    assert contracts["city.practitioners"].portal is None
    assert contracts["city.disease_weeks"].portal is None
    pupils = contracts["city.pupils"]
    assert {name for name, column in pupils.columns.items() if column.pii != "none"} == {
        "girl_count",
        "boy_count",
        "boarding_count",
    }


def test_the_command_names_the_mistakes_and_ends_with_1(tmp_path: Path) -> None:
    script = "import quality.contract as c, sys, pathlib; sys.exit(c.run(lambda: c.load(pathlib.Path(sys.argv[1])) and None))"
    path = folder_with(tmp_path, city__schools=CITY.replace("pii: basic, ", "")) / "city" / "schools.yml"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False, cwd=CONTRACTS.parents[1]
    )
    assert done.returncode == 1
    assert f"{path}:11: columns.principal: pii is missing" in done.stderr
    assert "Traceback" not in done.stderr
