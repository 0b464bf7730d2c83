"""What a delivery as a whole must not be: too small, too broken, or less than the one before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from quality.contract import Contract
from spark_jobs.judging import MASK, Broken, Reason
from spark_jobs.layouts import ExtractMismatch, delivery_of
from spark_jobs.raw import Commit, rejected_of

SHOWN = 5  # lost provinces of a sheet, in a message
RETYPED_PCT = 50  # more values of the wrong form in a column than that: it is another column now
_LOSS = (
    "ask the department for the complete delivery; if the loss is meant, run `./kho ingest --allow-loss`; "
    "the last good version stays"
)


class DeliveryRefused(ExtractMismatch):
    """More rows break the rules than the contract tolerates."""


def refuse_too_few(contract: Contract, rows: int, where: str) -> None:
    """`rows`: those delivered and those that stay beside them."""
    if rows < contract.at_least:
        raise ExtractMismatch(
            "the delivery has too few rows",
            where=where,
            expected=f"at least {contract.at_least:,} (at_least of {contract.path.name})",
            found=f"{rows:,}",
            remedy="ask the department for the complete delivery; the last good version stays",
        )


def refuse_too_many(contract: Contract, commit: Commit, broken: Broken, where: str) -> None:
    """More rejected rows than the contract tolerates refuse all of a delivery."""
    tolerated = delivery_of(contract).rejected_at_most_pct
    if not commit.rejected or 100 * commit.rejected <= tolerated * commit.read:
        return
    retyped = [
        f"{column} is no {contract.columns[column].type} any more"
        for (column, rule), count in broken.counts.items()
        if rule in {"type", "form"} and 100 * count > RETYPED_PCT * commit.read
    ]
    samples = "\n".join(f"    {_line(reason)}" for reason in broken.samples)
    counts = f"{commit.rejected:,} of {commit.read:,} rows break a rule"
    raise DeliveryRefused(
        f"{contract.table} {commit.period} is refused: {counts}{''.join(f'; {column}' for column in retyped)}",
        where=where,
        expected=f"at most {tolerated:g} % (rejected_at_most_pct of {contract.path.name})",
        found=f"{100 * commit.rejected / commit.read:.2f} %, for example:\n{samples}",
        remedy="; ".join(
            [
                "ask the department for a corrected file",
                *_seeds(contract, broken),
                f"all of them stand in {rejected_of(contract)}; raw keeps what it had",
            ]
        ),
    )


def refuse_lost_files(now: Collection[str], before: Collection[str], where: str) -> None:
    """A delivery has every file that the one before it had, or a person says that it need not."""
    if lost := sorted(set(before) - set(now)):
        raise ExtractMismatch(
            "the delivery has fewer files than the one before it",
            where=where,
            expected="every file of the delivery before",
            found=f"no {_some(lost)}",
            remedy=_LOSS,
        )


def refuse_lost_units(now: Mapping[str, frozenset[str]], before: Mapping[str, frozenset[str]], where: str) -> None:
    """A correction reports on everything that the version before it reported on, or a person says that it need not."""
    lost_sheets = sorted(before.keys() - now.keys())
    lost_units = [
        f"{_some(sorted(lost))} (sheet {sheet})"
        for sheet, units in sorted(now.items())
        if (lost := before.get(sheet, frozenset()) - units)
    ]
    if lost_sheets or lost_units:
        raise ExtractMismatch(
            "the correction has less than the version before it",
            where=where,
            expected="every sheet and province of the version before",
            found="; ".join(
                [f"no sheet {', '.join(lost_sheets)}"] * bool(lost_sheets) + [f"no {u}" for u in lost_units]
            ),
            remedy=_LOSS,
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _seeds(contract: Contract, broken: Broken) -> list[str]:
    """Where a line is missing, if a value that nobody knows is right."""
    referred = {contract.columns[column].refers_to for column, rule in broken.counts if rule == "refers_to"}
    seeds = {name.split(".")[1] for name in referred if name.startswith("reference.")}
    return [f"if the value is right, add a line for it to dbt/seeds/{seed}.csv" for seed in sorted(seeds)]


def _line(reason: Reason) -> str:
    """Where, what and what instead, for a broken rule; personal values are not shown."""
    cell = (reason.cell or "").removesuffix(str(reason.line))
    sheet = f"sheet {reason.sheet}" if reason.sheet else f"file {reason.file}"
    where = ", ".join([sheet, f"line {reason.line}", *([f"column {cell}"] if cell else [])])
    value = {None: "blank", MASK: "(personal, not shown)"}.get(reason.value, repr(reason.value))
    return f"{where}: {reason.column} is {value}, expected {reason.expected}"
