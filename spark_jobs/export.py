"""Open → files that never change: `./kho export [city.disease_cases …]`.

One folder per open version, `$KHO_LAKE/exports/<table>/<version>/`: the rows as every kind of file (`formats`), what
changed since the version that was exported before (`changes`), and at last `manifest.json`, which says that all is
there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import Contract, load_all
from quality.digest import Digest
from quality.refusal import NotYet, run
from spark_jobs.asking import ask
from spark_jobs.changes import changes, write_changes
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.formats import Kind, Sink, kinds_for, pour
from spark_jobs.marks import one_at_a_time
from spark_jobs.places import whole_folder
from spark_jobs.protect import open_columns
from spark_jobs.session import lineage, table_at, version
from spark_jobs.verdicts import require_passed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

MANIFEST = "manifest.json"


def main() -> None:
    """Read the environment and the command line, then export table by table."""
    parser = argparse.ArgumentParser(prog="kho export", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="city.table", help="all published tables if none")
    arguments = parser.parse_args()
    contracts = {name: contract for name, contract in load_all().items() if contract.portal}
    export(chosen(arguments.tables, contracts, "contracts with a portal block"), contracts, read_environment())


def export(tables: Sequence[str], contracts: dict[str, Contract], environment: Environment) -> None:
    """Write the newest open version of each table as files, unless it stands there."""
    for_each(tables, lambda table: _export(contracts[table], environment))


def _export(contract: Contract, environment: Environment) -> None:
    opened = f"open.{contract.name}"
    with one_at_a_time(environment.lake, "export", contract.table):
        newest = version(environment.warehouse, opened)
        if newest is None:
            raise NotYet(f"there is no {opened}", where=environment.warehouse, remedy="`./kho protect` makes it")
        target = environment.lake / "exports" / contract.name / str(newest)
        if (target / MANIFEST).is_file():
            print(f"export {contract.table}: version {newest} stands already")
            return
        verdict = require_passed(environment.lake, "open", contract, newest)
        with whole_folder(target) as folder:
            manifest = write_export(environment.warehouse, contract, newest, folder)
            manifest["changes"] = tell_changes(environment.warehouse, manifest, folder)
            manifest["check"] = _summary(verdict)
            manifest["code"] = code()
            text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
            (folder / MANIFEST).write_text(text, encoding="utf-8")
        sizes = ", ".join(f"{file['format']} {file['bytes']:,} bytes" for file in manifest["files"])
        print(f"export {contract.table}: version {newest}, {manifest['rows']:,} rows, {sizes}")


def write_export(warehouse: str, contract: Contract, at: int, folder: Path) -> dict[str, Any]:
    """Every file of one open version, read once and in one stream; what the manifest says of them."""
    from spark_jobs.merge import made_from  # noqa: PLC0415

    opened = f"open.{contract.name}"
    columns = open_columns(contract)
    listed, order = (", ".join(f"`{name}`" for name in names) for names in (columns, contract.key))
    batches = ask(f"select {listed} from opened order by {order}", opened=table_at(warehouse, opened, at))  # noqa: S608
    content, files, left_out = write_files(batches, contract, columns, folder)
    _look_for_personal_data(files, columns, opened)
    return {
        "table": opened,
        "lineage": lineage(warehouse, opened),
        "version": at,
        **content.as_dict(),
        "key": list(contract.key),
        "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
        "contract_sha256": contract.sha256,
        "extracts": made_from(warehouse, opened, at).get("extracts", []),
        "exported_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "files": [_described(kind, path) for kind, path in files],
        "left_out": left_out,
    }


def tell_changes(warehouse: str, manifest: Mapping[str, Any], folder: Path) -> Any:
    """What changed since the newest export before this one, as files; what the manifest says of it.

    None where there is no such export, or none of this form: then nothing can be told but the whole.
    """
    from spark_jobs.personal import PersonalData  # noqa: PLC0415

    before, opened, at = export_before(folder.parent, manifest["version"]), manifest["table"], manifest["version"]
    same = ("lineage", "columns", "key")
    if before is None or any(before.get(name) != manifest[name] for name in same):
        return None
    columns = {column["name"]: column["type"] for column in manifest["columns"]}
    old, new = (table_at(warehouse, opened, each) for each in (before["version"], at))
    counts, files = write_changes(changes(old, new, columns, manifest["key"]), columns, manifest["key"], folder)
    try:
        _look_for_personal_data(files, columns, opened)
    except PersonalData:  # not in this version, whose files were read before: in what it takes away
        for _, path in files:
            path.unlink()
        return None
    return {"since": before["version"], **counts, "files": [_described(kind, path) for kind, path in files]}


def _look_for_personal_data(files: Iterable[tuple[Kind, Path]], columns: Mapping[str, str], opened: str) -> None:
    from spark_jobs.personal import refuse_personal_data  # noqa: PLC0415

    texts = [name for name, kind in columns.items() if kind == "string"]
    refuse_personal_data((path for _, path in files), texts, opened)


def export_before(exports: Path, at: int) -> dict[str, Any] | None:
    """The manifest of the newest complete export of a table before version `at`."""
    older = [
        path for path in exports.glob(f"*/{MANIFEST}") if path.parent.name.isdigit() and int(path.parent.name) < at
    ]
    newest = max(older, key=lambda path: int(path.parent.name), default=None)
    found: dict[str, Any] | None = json.loads(newest.read_text(encoding="utf-8")) if newest else None
    return found


def write_files(
    batches: Iterable[pa.RecordBatch], contract: Contract, columns: Mapping[str, str], folder: Path
) -> tuple[Digest, list[tuple[Kind, Path]], dict[str, str]]:
    """Every kind of file, from one stream. Returns what it was, the files, and which kinds were left out and why."""
    places = [(kind, folder / f"{contract.name}.{kind.ending}") for kind in kinds_for(contract)]
    sinks: list[Sink] = []
    try:
        for kind, path in places:
            sinks.append(kind.opened(path, columns, contract))
        content = pour(batches, columns, sinks)
    finally:
        for sink in sinks:
            sink.close()
    left_out = {kind.name: sink.left_out for (kind, _), sink in zip(places, sinks, strict=True) if sink.left_out}
    return content, [(kind, path) for kind, path in places if kind.name not in left_out], left_out


def _described(kind: Kind, path: Path) -> dict[str, Any]:
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return {
        "name": path.name,
        "format": kind.name,
        "media_type": kind.media_type,
        "bytes": path.stat().st_size,
        "sha256": sha256,
    }


def code() -> str | None:
    """The commit of this very code, with `-dirty` where it was changed since; None where there is no history."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _summary(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Of a check: when, how many rules, and which warnings it had."""
    rules = verdict["rules"]
    return {
        "checked_at": verdict["checked_at"],
        "passed": verdict["passed"],
        "rows": verdict["rows"],
        "rules": len(rules),
        "warnings": [f"{rule['column']} {rule['name']}".strip() for rule in rules if not rule["passed"]],
    }


if __name__ == "__main__":
    sys.exit(run(main))
