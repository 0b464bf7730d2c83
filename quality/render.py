"""Contracts → what dbt reads of them: sources, names, descriptions, keys and exposures, in `dbt/models/_generated`.

`python -m quality.render` writes the files, `python -m quality.render --check` refuses when they are stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from quality.contract import CITY, Catalogue, Column, Contract, Delivery, Portal, Text, load_all, load_catalogue
from quality.refusal import Refusal, run

GENERATED = Path(__file__).resolve().parents[1] / "dbt" / "models" / "_generated"
HEADER = "# Generated from quality/contracts/{path} by `python -m quality.render`: change that file, not this one.\n"

# When a row's file was written: raw has no column for it, and nothing rewrites its files but a new delivery.
WRITTEN_AT = "_metadata.file_modification_time"
DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366, "irregular": 0}


class StaleModels(Refusal):
    """The generated files do not say what the contracts say."""

    lasts = True


def render(contracts: Mapping[str, Contract], catalogue: Catalogue) -> dict[str, str]:
    """File name → text, for all contracts."""
    files = {}
    for contract in contracts.values():
        owner = catalogue.organisations[contract.owner].title
        content = _city(contract, owner) if contract.schema == CITY else _source(contract, owner)
        text = yaml.safe_dump({"version": 2, **content}, allow_unicode=True, sort_keys=False, width=110)
        header = HEADER.format(path=f"{contract.schema}/{contract.name}.yml")
        files[f"{contract.schema}__{contract.name}.yml"] = header + text
    return files


def _city(contract: Contract, owner: Text) -> dict[str, object]:
    """A city table: its draft is called as the table is, and its key names one row."""
    name = f"{contract.schema}__{contract.name}"
    model = {
        "name": name,
        "description": _described(contract.title, contract.description),
        "config": {"alias": contract.name, "meta": {"owner": _both(owner), "grain": contract.grain}},
        "columns": _columns(contract),
        "data_tests": [{"unique_together": {"arguments": {"columns": list(contract.key)}}}],
    }
    published = {"exposures": [_exposure(contract, contract.portal, owner)]} if contract.portal else {}
    return {"models": [model], **published}


def _exposure(contract: Contract, portal: Portal, owner: Text) -> dict[str, object]:
    """A dataset of the portal, and the table it is made of. Names of exposures have no hyphens."""
    return {
        "name": portal.dataset.replace("-", "_"),
        "label": _both(portal.title),
        "type": "application",
        "url": f"{{{{ env_var('KHO_PORTAL_URL', '') }}}}/dataset/{portal.dataset}",
        "description": _described(portal.title, contract.description),
        "owner": {"name": _both(owner)},
        "depends_on": [f"ref('{contract.schema}__{contract.name}')"],
        "config": {"meta": {"columns": ", ".join(portal.columns)}},
    }


def _source(contract: Contract, owner: Text) -> dict[str, object]:
    """A department's table: raw, as `ingest` leaves it."""
    said: dict[str, Any] = {"meta": {"owner": _both(owner), "grain": contract.grain}}
    return {
        "sources": [
            {
                "name": f"raw_{contract.schema}",
                "description": f"What the {owner.en} delivers, as it was accepted. {owner.vi} giao, đã được tiếp nhận.",
                "schema": f"{{{{ var('sandbox', '') }}}}raw_{contract.schema}",
                "tables": [
                    {
                        "name": contract.name,
                        "description": _described(contract.title, contract.description),
                        "config": said | (_freshness(contract.delivery) if contract.delivery else {}),
                        "columns": _columns(contract),
                    }
                ],
            }
        ]
    }


def _freshness(delivery: Delivery) -> dict[str, Any]:
    """From when on raw has waited too long for something new. It only warns: whether somebody is late, `overdue` says.

    Where that never is, dbt is told to leave the table out.
    """
    if delivery.due_days is None or delivery.every not in DAYS:
        return {"freshness": None}
    after = {"count": DAYS[delivery.every] + delivery.due_days, "period": "day"}
    return {"freshness": {"warn_after": after}, "loaded_at_field": WRITTEN_AT}


def _columns(contract: Contract) -> list[dict[str, object]]:
    return [
        {
            "name": column.name,
            "description": _described(column.label, column.description, mark=""),  # lists of columns show it as text
            "data_type": column.type,
            **_personal(column),
        }
        for column in contract.columns.values()
    ]


def _personal(column: Column) -> dict[str, object]:
    return {} if column.pii == "none" else {"config": {"meta": {"pii": column.pii}}}


def _both(text: Text) -> str:
    return f"{text.vi} · {text.en}"


def _described(name: Text, said: Text, mark: str = "**") -> str:
    """A name and what is said of it as Markdown, a paragraph for each language. `mark`: around the name."""
    return f"{mark}{name.vi}{mark}: {said.vi}\n\n{mark}{name.en}{mark}: {said.en}"


def stale(files: dict[str, str], folder: Path) -> list[str]:
    """Names of files in `folder` that differ from `files`, are missing or are left over."""
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yml")}
    return sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))


def refuse_stale(files: dict[str, str], folder: Path = GENERATED) -> None:
    """Raise StaleModels when `folder` does not hold exactly `files`."""
    if changed := stale(files, folder):
        raise StaleModels(
            "generated dbt files are stale",
            where=str(folder),
            expected="what the contracts say",
            found=", ".join(changed),
            remedy="run python -m quality.render, and commit what it wrote",
        )


def main() -> None:
    """Write, or only check."""
    parser = argparse.ArgumentParser(prog="python -m quality.render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    only_check = parser.parse_args().check
    files = render(load_all(), load_catalogue())
    if only_check:
        refuse_stale(files)
        return
    GENERATED.mkdir(parents=True, exist_ok=True)
    changed = stale(files, GENERATED)
    for name in changed:
        path = GENERATED / name
        if name in files:
            path.write_text(files[name], encoding="utf-8")
        else:
            path.unlink()
    print(f"render: {len(files)} files, {len(changed)} changed")


if __name__ == "__main__":
    sys.exit(run(main))
