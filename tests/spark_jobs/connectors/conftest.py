"""Waits that are noted instead of waited."""

from __future__ import annotations

import pytest

from spark_jobs.connectors import retries


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between tries."""
    noted: list[float] = []
    monkeypatch.setattr(retries, "pause", noted.append)
    return noted
