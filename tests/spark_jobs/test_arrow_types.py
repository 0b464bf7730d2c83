"""Plain text, and the values that it is in a contract's types."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from spark_jobs.arrow_types import as_type


@pytest.mark.parametrize(
    ("kind", "texts", "values"),
    [
        ("int", ["007", "-0", "2147483647", "-2147483648"], [7, 0, 2**31 - 1, -(2**31)]),
        ("bigint", ["9007199254740993", "-9223372036854775808"], [2**53 + 1, -(2**63)]),
        ("double", ["0.1", "-3", "9" * 299], [0.1, -3.0, 1e299]),
        ("boolean", ["true", "false"], [True, False]),
        ("date", ["2024-02-29", "0001-01-01", "9999-12-31"], [date(2024, 2, 29), date.min, date.max]),
        ("string", ["", "Đỗ"], ["", "Đỗ"]),
    ],
)
def test_plain_text_becomes_values(kind: str, texts: list[str], values: list[object]) -> None:
    assert as_type(pa.array([*texts, None]), kind).to_pylist() == [*values, None]


def test_moments_without_a_zone_are_the_citys_and_all_are_kept_in_utc() -> None:
    written = {
        "2026-07-01": datetime(2026, 6, 30, 17, tzinfo=UTC),
        "2026-07-01T07:30": datetime(2026, 7, 1, 0, 30, tzinfo=UTC),
        "2026-07-01 07:30:59": datetime(2026, 7, 1, 0, 30, 59, tzinfo=UTC),
        "2026-07-01T07:30:59.123456789": datetime(2026, 7, 1, 0, 30, 59, 123456, tzinfo=UTC),
        "2026-07-01T07:30:59.5Z": datetime(2026, 7, 1, 7, 30, 59, 500000, tzinfo=UTC),
        "2026-07-01T07:30:59.123456789+09:00": datetime(2026, 6, 30, 22, 30, 59, 123456, tzinfo=UTC),
        "2026-07-01T07:30-03": datetime(2026, 7, 1, 10, 30, tzinfo=UTC),
    }
    assert as_type(pa.array(list(written)), "timestamp").to_pylist() == list(written.values())


def test_what_no_value_of_a_type_can_be_is_null_and_the_others_stay() -> None:
    texts = ["1", "2147483648", "3", "9" * 40, None, "-2147483649"]
    assert as_type(pa.array(texts), "int").to_pylist() == [1, None, 3, None, None, None]
