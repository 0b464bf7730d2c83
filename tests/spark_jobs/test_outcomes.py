"""What the gates say of a rule that failed, and what they never say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spark_jobs.outcomes import Outcome, Report, failures, outcome_of, sentence

META = {"rule": "between", "column": "cases", "level": "critical", "expected": "at least 0"}


def test_a_failed_rule_tells_how_many_rows_and_three_different_values() -> None:
    result = {"unexpected_count": 5, "partial_unexpected_list": [-1, -1, -2, -3, -4]}
    outcome = outcome_of(result, {}, META, passed=False, personal=False)
    assert outcome == Outcome("between", "cases", "critical", "at least 0", False, 5, ("-1", "-2", "-3"))  # noqa: FBT003
    assert sentence(outcome) == "cases between: expected at least 0; 5 rows break it; for example -1, -2, -3"


def test_of_a_personal_column_no_value_is_told() -> None:
    result = {"unexpected_count": 5, "partial_unexpected_list": ["0903123456"]}
    outcome = outcome_of(result, {}, META, passed=False, personal=True)
    assert (outcome.failed, outcome.samples) == (5, ())


@pytest.mark.parametrize(
    "raised",
    [
        {"raised_exception": True, "exception_message": "no column cases\n  at java"},
        {"metric-1": {"raised_exception": True, "exception_message": "no column cases"}},
    ],
)
def test_an_expectation_that_raised_has_failed(raised: dict[str, object]) -> None:
    outcome = outcome_of({}, raised, META, passed=True, personal=False)
    assert not outcome.passed
    assert outcome.found == "it could not be checked: no column cases"
    assert "column" not in outcome_of({}, raised, META, passed=True, personal=True).found


def test_warnings_do_not_stand_among_what_stops() -> None:
    broken = outcome_of({"observed_value": 3}, {}, META, passed=False, personal=False)
    report = Report("draft.x", 1, "", "", 0, False, (broken, replace(broken, level="warning", found="4")))  # noqa: FBT003
    assert failures([report], "critical") == ["draft.x: cases between: expected at least 0; found 3"]
    assert failures([report], "warning") == ["draft.x: cases between: expected at least 0; found 4"]
