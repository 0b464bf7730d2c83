"""How many rows of a table may go in one merge before a person has to say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quality.refusal import Refusal


class TooManyRemovals(Refusal):
    """A merge would remove more rows than somebody can have meant by accident."""

    lasts = True


@dataclass(frozen=True)
class Limit:
    """`at_most_pct` of a table's rows; or just the number a person `allowed`, so that no larger removal slips through.

    `contract`: the file that says the share. `shown`: columns of the key that may be told, none of them personal.
    """

    at_most_pct: float
    contract: str
    shown: Sequence[str]
    allowed: int | None = None

    def is_kept(self, before: int, removed: int) -> bool:
        """Whether so many of so many rows may go."""
        return removed <= self.allowed if self.allowed is not None else 100 * removed <= self.at_most_pct * before

    def refusal(self, table: str, before: int, changes: Mapping[str, int], samples: Sequence[str]) -> TooManyRemovals:
        """What to say when it is not kept. `changes`: rows inserted, updated, deleted; `samples`: keys."""
        removed = changes["deleted"]
        share = f"{self.at_most_pct:g} % of the rows (removed_at_most_pct of {self.contract})"
        return TooManyRemovals(
            f"{table} would lose {removed:,} of its {before:,} rows ({100 * removed / before:.1f} %)",
            where=table,
            expected=f"at most {share if self.allowed is None else f'{self.allowed:,} rows (--allow-removals)'}",
            found=f"{removed:,} to be removed, {changes['inserted']:,} to be inserted, {changes['updated']:,} to be "
            f"updated; a row whose key changed counts as removed and inserted. To be removed, for example: "
            f"{'; '.join(samples)}",
            remedy=f"see why they are missing, in what was delivered and in dbt/models; if they are meant to go, "
            f"`./kho promote {table} --allow-removals {removed}`, or in Airflow trigger `city` and let go "
            f"{table}={removed}; until then {table} stays as it is",
        )
