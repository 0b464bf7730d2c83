import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.portal import ask
from tests.stack import Stack
from tests.stock import without_extensions

DATASET = "ca-benh-truyen-nhiem-theo-thang"


def portal_sync(stack: Stack, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run a step as `./kho` does, with some of its environment changed."""
    return subprocess.run(
        [str(stack.settings.python("lake")), "-m", "portal_sync", *arguments],
        env={**stack.env, **changed},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"KHO_PORTAL_URL": "http://127.0.0.1:9"}, "the portal does not answer"),
        ({"KHO_PORTAL_TOKEN": "expired"}, "the portal does not know our token"),
        ({"KHO_PORTAL_TOKEN": ""}, "KHO_PORTAL_TOKEN is not set"),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_what_keeps_us_from_the_portal_is_said_with_what_to_do(
    stack: Stack, verb: str, changed: dict[str, str], said: str
) -> None:
    done = portal_sync(stack, verb, **changed)
    assert done.returncode == 1
    assert done.stderr.startswith(f"kho: {said}")
    assert "what to do" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_portal_is_asked_with_its_own_token_or_not_at_all(ckan: Stack, tmp_path: Path) -> None:
    with without_extensions(ckan.settings, tmp_path, ckan.settings.ports["portal"] + 50) as address:
        planned = ckan.kho("plan", KHO_PORTAL_URL=address, KHO_PORTAL_TOKEN=ckan.env["KHO_PORTAL_TOKEN"])
        refused = ckan.kho("plan", check=False, KHO_PORTAL_URL=address)
    assert "! portal: a CKAN without our extension" in planned.stdout
    assert refused.returncode == 1
    assert refused.stderr.startswith("kho: KHO_PORTAL_TOKEN is not set")


def cases(stack: Stack, **filters: Any) -> dict[str, int]:
    """Cases of 2017 by province, added up over the portal's own search."""
    table = next(r for r in ask(stack, "package_show", id=DATASET)["resources"] if r["datastore_active"])
    where = {"year": 2017, **filters}
    rows = ask(stack, "datastore_search", resource_id=table["id"], filters=where, limit=32000)["records"]
    names = {"TP. Hồ Chí Minh", "Bình Dương", "Bà Rịa - Vũng Tàu"}
    return {name: sum(row["cases"] or 0 for row in rows if row["province_name"] == name) for name in sorted(names)}


def test_the_portal_holds_the_ministrys_figures(published: Stack) -> None:
    assert cases(published, disease_code="SXH") == {
        "TP. Hồ Chí Minh": 33729,
        "Bình Dương": 8487,
        "Bà Rịa - Vũng Tàu": 2816,
    }
    assert cases(published, disease_code="TCM") == {
        "TP. Hồ Chí Minh": 30825,
        "Bình Dương": 4720,
        "Bà Rịa - Vũng Tàu": 2946,
    }


def test_a_portal_that_is_up_to_date_is_not_written_to(published: Stack) -> None:
    def changed_at() -> dict[str, str]:
        found = ask(published, "package_search", rows=1000)["results"]
        return {item["name"]: item["metadata_modified"] for item in found}

    before = changed_at()
    assert DATASET in before
    assert published.kho("plan").stdout.endswith("plan: 0 to create, 0 to update, 0 to remove\n")
    assert json.loads(published.kho("plan", "--json").stdout) == {"changes": [], "edited": []}
    assert published.kho("apply").stdout.startswith("apply: 0 changes")
    assert changed_at() == before
