"""Contracts → what dbt reads of them: sources, names, descriptions and keys, in `dbt/models/_generated`.

`python -m quality.render` writes the files, `python -m quality.render --check` refuses when they are stale.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from quality.contract import CITY, Contract, load_all
from quality.refusal import Refusal, run

GENERATED = Path(__file__).resolve().parents[1] / "dbt" / "models" / "_generated"
HEADER = "# Generated from quality/contracts/{path} by `python -m quality.render`: change that file, not this one.\n"


class StaleModels(Refusal):
    """The generated files do not say what the contracts say."""


def render(contracts: dict[str, Contract]) -> dict[str, str]:
    """File name → text, for all contracts."""
    files = {}
    for contract in contracts.values():
        content = _model(contract) if contract.schema == CITY else _source(contract)
        text = yaml.safe_dump({"version": 2, **content}, allow_unicode=True, sort_keys=False, width=110)
        header = HEADER.format(path=f"{contract.schema}/{contract.name}.yml")
        files[f"{contract.schema}__{contract.name}.yml"] = header + text
    return files


def _model(contract: Contract) -> dict[str, object]:
    """A city table: its draft is called as the table is, and its key names one row."""
    return {
        "models": [
            {
                "name": f"{contract.schema}__{contract.name}",
                "description": contract.description.en,
                "config": {"alias": contract.name, "meta": {"owner": contract.owner, "grain": contract.grain}},
                "columns": _columns(contract),
                "data_tests": [{"unique_together": {"arguments": {"columns": list(contract.key)}}}],
            }
        ]
    }


def _source(contract: Contract) -> dict[str, object]:
    """A department's table: raw, as `ingest` leaves it."""
    return {
        "sources": [
            {
                "name": f"raw_{contract.schema}",
                "schema": f"{{{{ var('sandbox', '') }}}}raw_{contract.schema}",
                "tables": [
                    {
                        "name": contract.name,
                        "description": contract.description.en,
                        "columns": _columns(contract),
                    }
                ],
            }
        ]
    }


def _columns(contract: Contract) -> list[dict[str, str]]:
    return [
        {"name": column.name, "description": column.description.en, "data_type": column.type}
        for column in contract.columns.values()
    ]


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
    files = render(load_all())
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
