"""Clients that are not ours: each works on published data with nothing but the portal's addresses."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import feedparser
import pandas as pd
import pytest
import requests
from frictionless import Resource, Schema
from pyshacl import validate
from rdflib import DCAT, DCTERMS, RDF, SH, XSD, Graph, Literal, Namespace, URIRef

from tests.portal import ask, page, publish, publishing
from tests.portal_sync.trials import KEY, NAME, ROWS, TYPES, Published, wanted
from tests.stack import Stack


@pytest.fixture(scope="module")
def published_table(ckan: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """Exported, planned and applied as every table; the catalogue's fields are those of a real contract."""
    with publishing(ckan, NAME) as client:
        publish(client, wanted(tmp_path_factory.mktemp("trials") / "1"))
        yield Published(ckan, ask(ckan, "package_show", id=NAME))


def ckanapi(portal: Published, *arguments: str) -> str:
    """What a command prints. It starts itself once more, by its name."""
    program = Path(sys.executable).with_name("ckanapi")
    done = subprocess.run(
        [str(program), *arguments, "-r", portal.base],
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_action_answers(published_table: Published) -> None:
    shown = json.loads(ckanapi(published_table, "action", "package_show", f"id={NAME}"))
    assert shown["title_translated"]["en"] == "Health facilities of OpenStreetMap"


def test_a_search_finds_it(published_table: Published) -> None:
    found = ckanapi(published_table, "search", "datasets", f"q=name:{NAME}").splitlines()
    assert [json.loads(line)["name"] for line in found] == [NAME]


def test_a_dump_tells_every_file_and_the_columns(published_table: Published) -> None:
    """Not with `-D`, which brings files too: ckanapi 4.11 writes the last one of a dataset under all names."""
    (line,) = ckanapi(published_table, "dump", "datasets", NAME, "--datastore-fields").splitlines()
    resources = {resource["format"]: resource for resource in json.loads(line)["resources"]}
    assert len(resources) == 7
    columns = {field["id"]: field["type"] for field in resources["CSV"]["datastore_fields"]}
    assert columns.pop("_id") == "int"  # the DataStore's own
    assert columns == published_table.types()


# What each reader calls the types of the dictionary, which are PostgreSQL's.
PANDAS = {"text": "string", "int4": "Int32", "int8": "Int64", "float8": "Float64", "bool": "boolean"}
FRICTIONLESS = {
    "text": "string",
    "int4": "integer",
    "int8": "integer",
    "float8": "number",
    "bool": "boolean",
    "date": "date",
}


@pytest.fixture(scope="module")
def lake() -> duckdb.DuckDBPyConnection:
    """DuckDB that reads addresses."""
    extensions = files("duckdb_extension_httpfs") / "extensions"
    connection = duckdb.connect()
    connection.load_extension(str(extensions / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"))
    return connection


def rows_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """A frame's rows with None for null and days for timestamps."""
    values = frame.astype({"counted_date": "object"}).astype("object")
    days = values["counted_date"].map(lambda day: day.date() if isinstance(day, pd.Timestamp) else day)
    whole = values.assign(counted_date=days)
    return [tuple(None if pd.isna(value) else value for value in row) for row in whole.itertuples(index=False)]


def test_pandas_reads_the_csv_file_with_the_types_of_the_dictionary(published_table: Published) -> None:
    types = published_table.types()
    frame = pd.read_csv(
        published_table.file("CSV")["url"],
        dtype={name: PANDAS[kind] for name, kind in types.items() if kind in PANDAS},
        parse_dates=[name for name, kind in types.items() if kind == "date"],
        keep_default_na=False,
        na_values=[""],
    )
    assert rows_of(frame) == ROWS


def test_pandas_reads_the_parquet_file_and_needs_to_be_told_nothing(published_table: Published) -> None:
    frame = pd.read_parquet(published_table.file("Parquet")["url"], dtype_backend="numpy_nullable")
    assert rows_of(frame) == ROWS


def test_duckdb_reads_the_csv_file_with_the_types_of_the_dictionary(
    published_table: Published, lake: duckdb.DuckDBPyConnection
) -> None:
    types = published_table.types()
    relation = lake.read_csv(published_table.file("CSV")["url"], dtype=types)
    assert relation.columns == list(TYPES)
    assert relation.fetchall() == ROWS


@pytest.mark.parametrize("kind", ["Parquet", "GeoParquet"])
def test_duckdb_reads_a_parquet_file(published_table: Published, lake: duckdb.DuckDBPyConnection, kind: str) -> None:
    relation = lake.read_parquet(published_table.file(kind)["url"])
    assert relation.select(", ".join(TYPES)).fetchall() == ROWS


def test_duckdb_reads_the_json_lines(published_table: Published, lake: duckdb.DuckDBPyConnection) -> None:
    types = published_table.types()
    relation = lake.read_json(published_table.file("JSONL")["url"], columns=types, format="newline_delimited")
    assert relation.fetchall() == ROWS


def test_frictionless_finds_the_csv_file_as_the_dictionary_and_the_portal_describe_it(
    published_table: Published,
) -> None:
    file = published_table.file("CSV")
    fields = [
        {
            "name": name,
            "type": FRICTIONLESS[field["type"]],
            "title": field["info"]["label"],
            "description": field["info"]["notes"],
        }
        for name, field in published_table.dictionary().items()
    ]
    schema = Schema.from_descriptor({"fields": fields, "primaryKey": list(KEY)})
    resource = Resource(path=file["url"], format="csv", encoding="utf-8-sig", schema=schema)
    resource.hash, resource.bytes = f"sha256:{file['hash']}", file["size"]
    report = resource.validate()
    assert report.flatten(["type", "note"]) == []
    assert report.tasks[0].stats["rows"] == 3


# A comma between cells, a quote around texts, UTF-8, from the first line, each cell as it is shown, of the first sheet.
AS_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,1"


@pytest.mark.skipif(not shutil.which("soffice"), reason="no LibreOffice on this machine")
def test_libreoffice_shows_the_workbook_as_it_is(published_table: Published, tmp_path: Path) -> None:
    book = tmp_path / "bang.xlsx"
    book.write_bytes(requests.get(published_table.file("XLSX")["url"], timeout=60).content)
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    subprocess.run(
        ["soffice", "--headless", profile, "--convert-to", AS_CSV, "--outdir", str(tmp_path), str(book)],
        capture_output=True,
        timeout=300,
        check=True,
    )
    with (tmp_path / "bang-Dữ liệu.csv").open(encoding="utf-8", newline="") as lines:
        headings, *shown = csv.reader(lines)
    assert headings == list(TYPES)
    assert shown == [[_as_shown(value) for value in row] for row in ROWS]


def _as_shown(value: Any) -> str:
    """Of a cell."""
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value).upper() if isinstance(value, bool) else str(value)


SHAPES = Path(__file__).with_name("dcat_ap")
SCHEMA = Namespace("http://schema.org/")
SPDX = Namespace("http://spdx.org/rdf/terms#")
MEDIA_TYPES = "https://www.iana.org/assignments/media-types/"
# What DCAT-AP recommends and is not there: publishers and themes are ours, not of the Union's lists, which have no JSON
# Lines; a licence's kind, a country's outline and the terms of the catalogue itself stand nowhere.
NOT_THERE = {
    "http://purl.org/dc/terms/format",
    "http://purl.org/dc/terms/license",
    "http://purl.org/dc/terms/publisher",
    "http://purl.org/dc/terms/type",
    "http://www.w3.org/ns/dcat#bbox",
    "http://www.w3.org/ns/dcat#centroid",
    "http://www.w3.org/ns/dcat#theme",
    "http://www.w3.org/ns/dcat#themeTaxonomy",
}


def linked_data(html: str) -> Graph:
    """What a page says of itself for machines."""
    graph = Graph()
    found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html, re.DOTALL)
    assert found
    for text in found:
        graph.parse(data=text, format="json-ld")
    return graph


def turtle(portal: Published, path: str) -> Graph:
    return Graph().parse(data=page(portal.stack, path), format="turtle")


@pytest.fixture(scope="module")
def shapes() -> Graph:
    """All of DCAT-AP's, in one graph."""
    found = sorted(SHAPES.glob("*.ttl"))
    assert len(found) == 6
    graph = Graph()
    for path in found:
        graph.parse(path)
    return graph


@pytest.mark.parametrize("path", ["/catalog.ttl", "/dataset/{name}.ttl"])
def test_it_is_valid_dcat_ap(published_table: Published, shapes: Graph, path: str) -> None:
    described = turtle(published_table, path.format(name=NAME))
    assert (published_table.uri, RDF.type, DCAT.Dataset) in described
    _, report, _ = validate(described, shacl_graph=shapes)
    assert isinstance(report, Graph)
    results = list(report.objects(None, SH.result))
    violations = [r for r in results if report.value(r, SH.resultSeverity) == SH.Violation]
    assert [f"{report.value(r, SH.focusNode)}: {report.value(r, SH.resultMessage)}" for r in violations] == []
    assert {str(report.value(r, SH.resultPath)) for r in results} <= NOT_THERE


def test_the_shapes_find_what_is_wrong(published_table: Published, shapes: Graph) -> None:
    described = turtle(published_table, f"/dataset/{NAME}.ttl")
    described.remove((None, DCTERMS.title, None))
    conforms, _, _ = validate(described, shacl_graph=shapes)
    assert not conforms


def test_each_file_is_what_dcat_says_of_it(published_table: Published) -> None:
    described = turtle(published_table, f"/dataset/{NAME}.ttl")
    distributions = list(described.objects(published_table.uri, DCAT.distribution))
    assert len(distributions) == 7
    registered = 0
    for distribution in distributions:
        answer = requests.get(str(described.value(distribution, DCAT.downloadURL)), timeout=60)
        media_type = described.value(distribution, DCAT.mediaType)
        if media_type is not None:
            registered += 1
            assert described.value(distribution, DCTERMS.format) is not None
            assert MEDIA_TYPES + answer.headers["Content-Type"].partition(";")[0] == str(media_type)
        assert described.value(distribution, DCAT.byteSize) == Literal(
            len(answer.content), datatype=XSD.nonNegativeInteger
        )
        checksum = described.value(distribution, SPDX.checksum)
        assert str(described.value(checksum, SPDX.checksumValue)) == hashlib.sha256(answer.content).hexdigest()
        licence = "https://opendatacommons.org/licenses/odbl/1-0/"
        assert described.value(distribution, DCTERMS.license) == URIRef(licence)
    assert registered == 6  # JSON Lines has no registered type


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # rdflib's own, in its parser
def test_search_engines_find_what_they_ask_for(published_table: Published) -> None:
    """https://developers.google.com/search/docs/appearance/structured-data/dataset: required and recommended."""
    for language, name in (("", "Cơ sở y tế theo OpenStreetMap"), ("/en", "Health facilities of OpenStreetMap")):
        described = linked_data(page(published_table.stack, f"{language}/dataset/{NAME}"))
        assert described.value(published_table.uri, SCHEMA.name) == Literal(name)
        for asked in ("description", "creator", "license", "isAccessibleForFree", "temporalCoverage", "keywords"):
            assert described.value(published_table.uri, SCHEMA[asked]) is not None, asked
        found = {
            (str(described.value(one, SCHEMA.encodingFormat)), str(described.value(one, SCHEMA.contentUrl)))
            for one in described.objects(published_table.uri, SCHEMA.distribution)
        }
        assert ("text/csv", published_table.file("CSV")["url"]) in found


def test_croissant_reads_the_records_with_their_types(published_table: Published, tmp_path: Path) -> None:
    """With its own library, which keeps what it downloads where CROISSANT_CACHE says."""
    program = (
        "import json, sys, mlcroissant\n"
        "dataset = mlcroissant.Dataset(sys.argv[1])\n"
        "(records,) = dataset.metadata.record_sets\n"
        "rows = [{name.rsplit('/')[-1]: value.decode() if isinstance(value, bytes) else value"
        " for name, value in row.items()} for row in dataset.records(records.uuid)]\n"
        "print(json.dumps([[f.description for f in records.fields], rows], default=lambda day: day.date().isoformat()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, f"{published_table.address}/croissant.jsonld"],
        env={**os.environ, "CROISSANT_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    descriptions, rows = json.loads(done.stdout.splitlines()[-1])
    assert sorted(descriptions) == sorted(f"Nhãn {name}. Ý nghĩa {name}" for name in TYPES)
    expected = [dict(zip(TYPES, row, strict=True)) for row in ROWS]
    for row in [*rows, *expected]:
        row.pop("budget_vnd")  # its pandas rounds whole numbers beyond 2**53 that have empty ones beside them
    assert rows == json.loads(json.dumps(expected, default=str))


FEEDS = ["/feeds/dataset.atom", "/feeds/organization/so-y-te.atom", "/feeds/group/y-te.atom"]


def read(portal: Published, path: str) -> Any:
    feed = feedparser.parse(page(portal.stack, path))
    assert not feed.bozo, feed.get("bozo_exception")
    return feed


@pytest.mark.parametrize("path", FEEDS)
@pytest.mark.parametrize(("language", "title"), [("", "Cơ sở y tế theo"), ("/en", "Health facilities of")])
def test_a_feed_leads_to_pages_in_its_language(
    published_table: Published, path: str, language: str, title: str
) -> None:
    base = published_table.base
    feed = read(published_table, f"{language}{path}")
    assert feed.feed.language == (language.strip("/") or "vi")
    links = {link["rel"]: link["href"] for link in feed.feed.links}
    assert links.pop("alternate").startswith(f"{base}{language}/")
    assert links["self"] == feed.feed.id == f"{base}{language}{path}"
    assert "next" not in links or len(feed.entries) == 20
    entry = next(entry for entry in feed.entries if entry.id == str(published_table.uri))
    assert entry.title == f"{title} OpenStreetMap"
    assert entry.link == f"{base}{language}/dataset/{NAME}"
    assert [link["rel"] for link in entry.links] == ["alternate"]
    assert entry.title in page(published_table.stack, entry.link.removeprefix(base))


def test_a_feed_begins_with_the_newest_and_has_news_only_when_there_are(published_table: Published) -> None:
    feed = read(published_table, "/feeds/dataset.atom")
    days = [entry.updated for entry in feed.entries]
    assert days == sorted(days, reverse=True)
    assert feed.feed.updated == days[0]


@pytest.mark.parametrize(("language", "word"), [("", "phiên bản 1"), ("/en", "version 1")])
def test_the_feed_of_a_datasets_history_leads_to_its_versions(
    published_table: Published, language: str, word: str
) -> None:
    feed = read(published_table, f"{language}/dataset/{NAME}/history.atom")
    assert feed.feed.language == (language.strip("/") or "vi")
    entry = feed.entries[0]  # below it those of earlier runs of this test, on an installation that was kept
    assert word in entry.title
    assert entry.updated == feed.feed.updated
    assert "trials.csv" in page(published_table.stack, entry.link.removeprefix(published_table.base))


def test_pages_say_where_the_feed_is(published_table: Published) -> None:
    (address,) = re.findall(r'type="application/atom\+xml"[^>]* href="([^"]+)"', page(published_table.stack, "/en/"))
    assert address == f"{published_table.base}/en/feeds/dataset.atom"
