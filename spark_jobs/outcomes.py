"""What became of a contract's rules when a gate looked at a table: as data, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SAMPLES = 3


@dataclass(frozen=True)
class Outcome:
    """What became of one rule. `failed`: rows that break it, None when that is no matter of rows."""

    name: str
    column: str
    level: str
    expected: str
    passed: bool
    failed: int | None = None
    samples: tuple[str, ...] = ()
    found: str = ""


@dataclass(frozen=True)
class Report:
    """One table looked at, as it stands in the check file.

    `since`: a version that had passed, with which it shares the rows that were not looked at again; None if all were.
    `referred`: fingerprint of the values that columns may refer to.
    """

    table: str
    version: int
    contract_sha256: str
    checked_at: str
    rows: int
    passed: bool
    rules: tuple[Outcome, ...]
    since: int | None = None
    referred: str = ""


def outcome_of(
    result: Mapping[str, Any], exceptions: Mapping[str, Any], meta: Mapping[str, str], *, passed: bool, personal: bool
) -> Outcome:
    """One result in our words. An expectation that raised has failed; of personal columns no value is told."""
    about = (meta["rule"], meta["column"], meta["level"], meta["expected"])
    if raised := _raised(exceptions):
        return Outcome(*about, passed=False, found="it could not be checked" + ("" if personal else f": {raised}"))
    if passed:
        return Outcome(*about, passed=True, failed=0)
    if "unexpected_count" not in result:
        found = result.get("details", {}).get("mismatched") or result.get("observed_value")
        return Outcome(*about, passed=False, found=_shown(found))
    values = (
        []
        if personal
        else [_shown(value) for value in result.get("partial_unexpected_list") or [] if _plain(value) is not None]
    )
    samples = tuple(dict.fromkeys(values))[:SAMPLES]
    return Outcome(*about, passed=False, failed=result["unexpected_count"], samples=samples)


def failures(reports: list[Report], level: str) -> list[str]:
    """One line for every rule of a level that failed, in the order of tables and rules."""
    return [
        f"{report.table}: {sentence(outcome)}"
        for report in reports
        for outcome in report.rules
        if not outcome.passed and outcome.level == level
    ]


def sentence(outcome: Outcome) -> str:
    """A rule that failed: expected, how many rows, sample values."""
    text = f"{outcome.column} {outcome.name}".strip() + f": expected {outcome.expected}"
    if outcome.failed is not None:
        text += f"; {outcome.failed:,} rows break it"
    if outcome.found:
        text += f"; found {outcome.found}"
    return text + (f"; for example {', '.join(outcome.samples)}" if outcome.samples else "")


def _raised(exceptions: Mapping[str, Any]) -> str:
    """First line of what an expectation raised, in either of the two forms the library has; empty for nothing."""
    infos = [exceptions] if "raised_exception" in exceptions else list(exceptions.values())
    for info in infos:
        if info["raised_exception"]:
            return str(info["exception_message"]).strip().partition("\n")[0]
    return ""


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_plain(part)}" for name, part in value.items())
    return repr(_plain(value))


def _plain(value: Any) -> object:
    """A value that pandas holds, as Python's. Of moments, those without a zone are days."""
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if hasattr(value, "to_pydatetime"):
        return value.date() if value.tzinfo is None else value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value
