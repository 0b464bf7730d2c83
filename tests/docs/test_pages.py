"""The pages of docs/ stay true: every block of code on them is run on real tables, and its answer looked at."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.settings import ROOT
from tests.pages import DOCS, blocks

if TYPE_CHECKING:
    from tests.stack import Stack

PAGES = sorted(DOCS.glob("*.md"))
assert len(PAGES) >= 4


def python_of(page: str) -> str:
    """A page's Python: its blocks make one program."""
    return "\n".join(block.text for block in blocks(DOCS / page) if block.language == "python")


def sql_of(page: str) -> list[str]:
    """A page's questions."""
    return [block.text for block in blocks(DOCS / page) if block.language == "sql"]


def run(stack: Stack, argv: list[str], program: str) -> str:
    """What a program given on standard input prints."""
    environment = {**os.environ, **stack.variables}
    done = subprocess.run(argv, input=program, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{program}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def figures(stack: Stack, program: str) -> dict[str, float]:
    """What a program of Python that prints JSON as its last line says."""
    printed = run(stack, [str(stack.settings.python("analyst")), "-"], program)
    said: dict[str, float] = json.loads(printed.splitlines()[-1])
    return said


def answers(stack: Stack, question: str) -> list[dict[str, float]]:
    """The rows of a question."""
    printed = run(stack, [str(ROOT / "kho"), "sql", "--format", "jsonl", "-f", "-"], question)
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere_and_no_language_is_left_out(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert link.startswith("https://") or (DOCS / link).exists(), link
    found = {block.language for block in blocks(page)}
    assert found
    assert found <= {"sql", "python", "sh", "text"}, "what is run below, and answers"


def test_every_command_of_the_doors_page_runs(published: Stack) -> None:
    commands = [block.text for block in blocks(DOCS / "analysts.md") if block.language == "sh"]
    assert len(commands) == 2
    first, beeline = (run(published, ["bash", "-euo", "pipefail"], command) for command in commands)
    assert "people" not in first
    assert "population" in first
    assert "district_code" in first
    assert '"tableName":"wards"' in first
    assert len(re.findall(r"^\| \d{5} ", beeline, re.MULTILINE)) == 3


def test_the_python_of_the_doors_page_runs(published: Stack) -> None:
    said = figures(
        published,
        python_of("analysts.md") + "\nimport json\n"
        "print(json.dumps({'in_force': wards_in_force, 'people': len(people), 'first': len(wards_at_first)}))",
    )
    assert said == {"in_force": 168, "people": 168, "first": 706}


def test_dengue_keeps_its_sum_and_its_rates_follow_from_cases_and_people(published: Stack) -> None:
    today, before, sums = (answers(published, question) for question in sql_of("dengue-by-ward.md"))
    for row in today + before:
        # Printed cases are rounded to a tenth, rates too.
        assert row["per_100000"] == pytest.approx(
            100000 * row["cases"] / row["people"], abs=0.06 + 5000 / row["people"]
        )
    assert [row["per_100000"] for row in today] == sorted((row["per_100000"] for row in today), reverse=True)
    assert len(before) == 10
    assert all(row["is_estimate"] for row in before)
    assert all("," in str(row["today_in"]) for row in before), "wards that were split"
    ((total,),) = [row.values() for row in answers(published, TOTAL)]
    assert total > 0
    assert [row["cases"] for row in sums] == pytest.approx([total] * len(sums), abs=0.01)
    assert {row["wards"] for row in sums} >= {168}


TOTAL = "select sum(cases) as cases from disease_weeks where disease_code = 'SXH'"
DISBURSEMENT = """
import json
frame = months.df()
by_year = frame.groupby("fiscal_year")
plans = frame.assigned_mvnd / frame.allocated_mvnd
print(json.dumps({
    "months": len(frame),
    "in_month": int(frame.paid_in_month_mvnd.sum()),
    "to_date": int(by_year.paid_mvnd.last().sum()),
    "order": int((frame.of_allocated_pct > frame.of_assigned_pct).sum()),
    "apart": float((frame.of_assigned_pct * plans - frame.of_allocated_pct).abs().max()),
    "differ": len(differences),
}))
"""


def test_disbursement_adds_up_by_month_and_is_the_smaller_share_of_the_larger_plan(published: Stack) -> None:
    said = figures(published, python_of("disbursement-by-month.md") + DISBURSEMENT)
    assert said["months"] > 0
    assert said["in_month"] == said["to_date"] > 0
    assert said["order"] == 0
    assert said["apart"] < 0.02  # percentages are rounded to a hundredth
    assert said["differ"] == 0


PUPILS = """
import json
inside = table.groupby(["district", "former_ward"])
between = (inside.former_ward_about.max() >= inside.per_school.min() - 0.06) & (
    inside.former_ward_about.max() <= inside.per_school.max() + 0.06)
print(json.dumps({
    "parts": len(table),
    "fewest": int(inside.size().min()),
    "beyond": int((~between).sum()),
    "pupils": int(now.pupils.sum()),
    "pupils_then": round(float(then.pupils.sum()), 3),
    "schools": int(now.schools.sum()),
    "schools_then": round(float(then.schools.sum()), 3),
}))
"""


def test_pupils_and_schools_keep_their_sums_and_estimates_lie_between_the_parts(published: Stack) -> None:
    said = figures(published, python_of("pupils-per-school.md") + PUPILS)
    assert said["parts"] >= said["fewest"] >= 2
    assert said["beyond"] == 0
    assert said["pupils"] == said["pupils_then"] > 0
    assert said["schools"] == said["schools_then"] > 0
