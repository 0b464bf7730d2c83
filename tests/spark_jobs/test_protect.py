"""City → open: nothing but what is allowed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from quality.contract import Contract
from quality.refusal import Refusal
from spark_jobs.environment import Environment
from spark_jobs.promote import promote
from spark_jobs.protect import open_columns, protect
from spark_jobs.session import schema, version

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Draft = Callable[..., None]
Ask = Callable[[str], list[tuple[object, ...]]]


def opened(contract: Contract, corner: Environment) -> int | None:
    """The open version after promoting and protecting."""
    contracts = {contract.table: contract}
    promote([contract.table], contracts, corner)
    protect([contract.table], contracts, corner)
    return version(corner.warehouse, f"open.{contract.name}")


def test_only_allowed_columns_are_open_and_what_is_hidden_makes_no_version(
    draft: Draft, clinics: Contract, corner: Environment, ask: Ask
) -> None:
    draft("(1, 'Bình Dân', 10, 'An')")
    assert opened(clinics, corner) == 0
    assert list(schema(corner.warehouse, f"open.{clinics.name}") or {}) == ["id", "name", "beds"]
    draft("(1, 'Bình Dân', 10, 'Bình')")  # the owner is another person
    assert opened(clinics, corner) == 0
    assert version(corner.warehouse, clinics.table) == 1
    draft("(1, 'Bình Dân', 11, 'Bình')")
    assert opened(clinics, corner) == 1
    assert ask(f"select * from open.{clinics.name}") == [(1, "Bình Dân", 11)]


def test_a_column_taken_off_the_list_is_gone_from_the_next_version(
    draft: Draft, clinics: Contract, corner: Environment, ask: Ask
) -> None:
    draft("(1, 'Bình Dân', 10, 'An')")
    assert opened(clinics, corner) == 0
    assert clinics.portal
    fewer = dataclasses.replace(clinics, portal=dataclasses.replace(clinics.portal, columns=("id", "name")))
    assert opened(fewer, corner) == 1
    assert ask(f"select * from open.{clinics.name}") == [(1, "Bình Dân")]


def test_a_personal_column_is_refused_even_when_a_contract_lists_it(clinics: Contract) -> None:
    assert clinics.portal
    listed = dataclasses.replace(clinics, portal=dataclasses.replace(clinics.portal, columns=("id", "owner")))
    with pytest.raises(Refusal, match="personal columns are never published: owner"):
        open_columns(listed)


def test_a_table_without_a_portal_block_opens_nothing(clinics: Contract) -> None:
    assert open_columns(dataclasses.replace(clinics, portal=None)) == {}
