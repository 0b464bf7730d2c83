"""What the gates found: `$KHO_LAKE/checks/<layer>/<department or city>.<table>/<version>.json`, written by `check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quality.contract import Contract
from quality.refusal import Refusal
from quality.rules import CRITICAL
from spark_jobs.session import Earlier


class NotPassed(Refusal):
    """The very version of a table that is to go on has no passed check."""


def verdict_path(lake: Path, layer: str, contract: Contract, version: int) -> Path:
    """Where the check of one version stands."""
    return lake / "checks" / layer / contract.table / f"{version}.json"


def has_passed(path: Path, contract: Contract, referred: str = "") -> bool:
    """Whether this version passed under this very contract, its columns referring to these values, if any are named.

    A file that cannot be read says no.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        is_alike = found["contract_sha256"] == contract.sha256 and referred in {"", found.get("referred")}
        return bool(found["passed"]) and is_alike
    except (OSError, ValueError, KeyError, TypeError):
        return False


def passed_before(lake: Path, layer: str, contract: Contract, version: int, referred: str) -> Earlier | None:
    """The newest version before this one that passed under this very contract, referring to the same values."""
    folder = verdict_path(lake, layer, contract, version).parent
    for at in sorted((int(path.stem) for path in folder.glob("[0-9]*.json")), reverse=True):
        path = verdict_path(lake, layer, contract, at)
        if at < version and has_passed(path, contract, referred):
            return Earlier(at, path.stat().st_mtime_ns // 1_000_000)
    return None


def require_passed(lake: Path, layer: str, contract: Contract, version: int) -> dict[str, Any]:
    """The check of this version by today's contract, if it passed; else NotPassed."""
    path = verdict_path(lake, layer, contract, version)
    where = f"{layer}.{contract.name} version {version}"
    again = f"`./kho check {layer} {contract.table}`"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotPassed(
            "this version was not checked", where=where, expected=str(path), found="no check of it", remedy=again
        ) from error
    if found["contract_sha256"] != contract.sha256:
        raise NotPassed(
            "this version was checked by another contract",
            where=where,
            expected=f"{contract.path.name} with sha256 {contract.sha256[:12]}…",
            found=f"{found['contract_sha256'][:12]}…",
            remedy=again,
        )
    if not found["passed"]:
        failed = [
            f"{rule['name']} {rule['column']}".strip()
            for rule in found["rules"]
            if rule["level"] == CRITICAL and not rule["passed"]
        ]
        raise NotPassed(
            "this version failed its check",
            where=where,
            expected="every critical rule kept",
            found=", ".join(failed),
            remedy=f"correct the data or the rule, then {again}; the last good version stays",
        )
    return found
