"""What the portal must hold: contracts, their catalogue and the newest exports, as a portal's state. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portal_sync.edits import WRITTEN, written
from portal_sync.portal import (
    DATASET,
    GROUP,
    MARK,
    ORGANISATION,
    Column,
    Content,
    Entry,
    File,
    State,
    Table,
    Version,
    form_of,
)
from quality.refusal import Refusal

if TYPE_CHECKING:
    from datetime import date

    from portal_sync.exports import Export, ExportedFile
    from quality.catalogue import Retired
    from quality.contract import Catalogue, Contract, Text
    from quality.contract import Entry as Listed

_FREQUENCY = "http://publications.europa.eu/resource/authority/frequency/"
FREQUENCIES = {
    "day": "DAILY",
    "week": "WEEKLY",
    "month": "MONTHLY",
    "quarter": "QUARTERLY",
    "year": "ANNUAL",
    "irregular": "IRREG",
    "never": "NEVER",
}
# The DataStore's type for each type of a contract.
TYPES = {
    "string": "text",
    "int": "int4",
    "bigint": "int8",
    "double": "float8",
    "boolean": "bool",
    "date": "date",
    "timestamp": "timestamp",
}


RECEIPT = "receipt.json"
_REASON = ("retired_reason", "retired_reason_translated")
_NOTES = {  # on each kind of file
    "CSV": {
        "vi": "Bảng đầy đủ: UTF-8 có BOM, phân cách bằng dấu phẩy, dấu thập phân là dấu chấm, ngày theo ISO 8601.",
        "en": "The whole table: UTF-8 with BOM, separated by commas, decimal points, ISO 8601 dates.",
    },
    "XLSX": {
        "vi": "Bảng đầy đủ cho bảng tính, mã giữ nguyên số 0 ở đầu; trang Từ điển giải thích từng cột.",
        "en": "The whole table for spreadsheets, codes keep their leading zeros; a second sheet explains each column.",
    },
    "JSONL": {
        "vi": "Bảng đầy đủ, mỗi dòng là một đối tượng JSON (JSON Lines), UTF-8.",
        "en": "The whole table, one JSON object a line (JSON Lines), UTF-8.",
    },
    "Parquet": {
        "vi": "Bảng đầy đủ, có kiểu dữ liệu, cho các công cụ phân tích.",
        "en": "The whole table with its types, for analysis tools.",
    },
    "GeoJSON": {
        "vi": "Bảng đầy đủ với vị trí của từng dòng (WGS 84), cho bản đồ trên mạng.",
        "en": "The whole table with the position of each row (WGS 84), for maps on the web.",
    },
    "GeoParquet": {
        "vi": "Bảng đầy đủ với vị trí của từng dòng (WGS 84), cho các công cụ GIS.",
        "en": "The whole table with the position of each row (WGS 84), for GIS tools.",
    },
}


class ColumnNotAllowed(Refusal):
    """An export holds a column that the contract does not publish."""

    lasts = True


def desired(
    contracts: Mapping[str, Contract], catalogue: Catalogue, exports: Mapping[str, Export], today: date
) -> State:
    """Every published table that has an export, the organisations and groups they name, and what has ended."""
    ended = {name for name, retired in catalogue.retired.items() if retired.on <= today}
    published = [
        (contract, exports[contract.name])
        for contract in contracts.values()
        if contract.portal and contract.name in exports and contract.portal.dataset not in ended
    ]
    datasets = [_dataset(contract, export, catalogue.retired) for contract, export in published]
    known = {dataset.name for dataset in datasets}
    datasets += [_ending(retired, today) for name, retired in catalogue.retired.items() if name not in known]
    owners = {contract.owner for contract, _ in published}
    groups = {contract.portal.group for contract, _ in published if contract.portal}
    entries = [
        *(_listed(ORGANISATION, catalogue.organisations[name]) for name in owners),
        *(_listed(GROUP, catalogue.groups[name]) for name in groups),
        *datasets,
    ]
    return {(entry.kind, entry.name): entry for entry in entries}


def claimed(contracts: Mapping[str, Contract], catalogue: Catalogue) -> frozenset[str]:
    """The datasets that contracts speak of, and those that have ended: none of these is removed."""
    contracted = {contract.portal.dataset for contract in contracts.values() if contract.portal}
    return frozenset(contracted | catalogue.retired.keys())


def _listed(kind: str, entry: Listed) -> Entry:
    fields = {
        **_bilingual("title", entry.title),
        **_bilingual("description", entry.description),
        "code": entry.code,
        "homepage": entry.url,
        "managed_by": MARK,
    }
    return Entry(kind, entry.id, fields)


def _ending(retired: Retired, today: date) -> Entry:
    """A dataset that no contract publishes any more: as it is until its day, then without its data."""
    content = Content.NONE if retired.on <= today else Content.AS_IT_IS
    return Entry(DATASET, retired.dataset, _farewell(retired), content=content)


def _farewell(retired: Retired | None) -> dict[str, Any]:
    """What a dataset says of its end; without one, nothing."""
    return {
        "retired_on": retired.on.isoformat() if retired else "",
        **(_bilingual("retired_reason", retired.reason) if retired else dict.fromkeys(_REASON, "")),
        "successor": retired.successor if retired else "",
    }


def _dataset(contract: Contract, export: Export, retired: Mapping[str, Retired]) -> Entry:
    portal = contract.portal
    if portal is None:  # `desired` only asks for published ones
        raise AssertionError(contract.table)
    _allow(contract, export)
    years = [period[:4] for period in export.periods if re.match(r"\d{4}", period)]
    fields = {
        **_bilingual("title", portal.title),
        **_bilingual("notes", contract.description),
        "tags": sorted(_nfc(tag.vi) for tag in portal.tags),
        "tags_translated": _both(portal.tags),
        "license_id": portal.licence,
        "owner_org": contract.owner,
        "groups": [portal.group],
        "grain": contract.grain,
        "key": ", ".join(contract.key),
        "frequency": _FREQUENCY + FREQUENCIES[portal.frequency],
        **_bilingual("source_title", portal.source.title),
        "source_url": portal.source.url,
        "cautions_translated": _both(portal.cautions),
        "temporal_start": min(years, default=""),
        "temporal_end": max(years, default=""),
        "row_count": str(export.content["rows"]),
        "kho_table": contract.table,
        "kho_version": str(export.version),
        "exported_at": export.exported_at,
        "history_days": str(portal.history_days),
        **_farewell(retired.get(portal.dataset)),
        "managed_by": MARK,
    }
    fields[WRITTEN] = written(fields)
    files = {file.path.name: _resource(contract, file) for file in export.files}
    files[RECEIPT] = _receipt(export.receipt)
    return Entry(DATASET, portal.dataset, fields, files, _table(contract, export))


def _allow(contract: Contract, export: Export) -> None:
    """Nothing leaves that the contract of today does not publish, whatever was exported before."""
    allowed = contract.portal.columns if contract.portal else ()
    extra = [name for name, _ in export.columns if name not in allowed]
    if extra:
        raise ColumnNotAllowed(
            f"the newest export of {contract.table} holds columns that its contract does not publish",
            where=f"{export.table} version {export.version}",
            expected=f"only {', '.join(allowed)}",
            found=", ".join(extra),
            remedy=f"run `kho protect {contract.table}` and `kho export {contract.table}`, then this again",
        )


def _resource(contract: Contract, file: ExportedFile) -> File:
    title = contract.portal.title if contract.portal else contract.title
    notes = _NOTES[file.format]
    fields = {
        "name": _nfc(f"{file.format}: {title.vi}"),
        "name_translated": {"vi": _nfc(f"{file.format}: {title.vi}"), "en": f"{file.format}: {title.en}"},
        "description": notes["vi"],
        "description_translated": notes,
        "format": file.format,
    }
    return File(file.path.name, file.sha256, fields, file.path, file.bytes)


def _receipt(file: ExportedFile) -> File:
    names = {"vi": "Biên nhận", "en": "Receipt"}
    notes = {
        "vi": "Phiên bản này được làm từ đâu, đã qua những kiểm tra nào, và mã SHA-256 của từng tệp. Kiểm tra một tệp "
        "đã tải về: `./kho verify TỆP`.",
        "en": "What this version was made of, which checks it passed, and the SHA-256 of each file. To check a file "
        "that you have downloaded: `./kho verify FILE`.",
    }
    fields = {
        "name": names["vi"],
        "name_translated": names,
        "description": notes["vi"],
        "description_translated": notes,
        "format": file.format,
    }
    return File(RECEIPT, file.sha256, fields, file.path, file.bytes)


def _table(contract: Contract, export: Export) -> Table | None:
    """Beside the CSV file, if there is one; its rows from the Parquet file, which holds every value as it is."""
    places = {file.format: file.path for file in export.files}
    if not {"CSV", "Parquet"} <= places.keys():
        return None
    columns = tuple(
        Column(
            name,
            TYPES[contract.columns[name].type],
            {
                **_bilingual("label", contract.columns[name].label),
                **_bilingual("notes", contract.columns[name].description),
            },
        )
        for name, _ in export.columns
    )
    version = Version(export.lineage, export.version)
    form, rows = form_of(columns), places["Parquet"]
    return Table(places["CSV"].name, version, form, columns, export.key, rows, export.content, export.changes)


def _bilingual(field: str, text: Text) -> dict[str, Any]:
    return {field: _nfc(text.vi), f"{field}_translated": {"vi": _nfc(text.vi), "en": _nfc(text.en)}}


def _both(texts: tuple[Text, ...]) -> dict[str, list[str]]:
    return {"vi": [_nfc(text.vi) for text in texts], "en": [_nfc(text.en) for text in texts]}


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
