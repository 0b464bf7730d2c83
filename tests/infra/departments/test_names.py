"""Invented people are nobody."""

from __future__ import annotations

import unicodedata

import numpy as np

from infra.departments import names


def drawn(seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    female = np.arange(1_000) % 2 == 0
    years = np.where(female, 1999, 2015)
    return [
        names.people(rng, 1_000, female),
        names.addresses(rng, 1_000),
        names.streets(rng, 1_000),
        names.phones(rng, 1_000),
        names.citizen_ids(rng, female, years),
    ]


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert drawn(1) == drawn(1)
    assert all(one != other for one, other in zip(drawn(1), drawn(2), strict=True))


def test_numbers_have_the_right_form_and_are_given_to_nobody() -> None:
    *_, phones, ids = drawn(3)
    assert all(len(phone) == 10 and phone.startswith("050") and phone.isdigit() for phone in phones)
    assert {number[:6] for number in ids[::2]} == {"099199"}  # a woman born in 1999
    assert {number[:6] for number in ids[1::2]} == {"099215"}  # a man born in 2015
    assert all(len(number) == 12 and number.isdigit() for number in ids)


def test_names_are_composed_and_have_a_surname_and_a_given_name() -> None:
    people, addresses, streets, *_ = drawn(4)
    assert all(unicodedata.is_normalized("NFC", text) for text in [*people, *addresses, *streets])
    assert all(len(person.split()) == 3 for person in people)
    assert len(set(people)) > 500
    assert set(streets) <= set(names.STREETS)
    assert any("/" in address for address in addresses)
