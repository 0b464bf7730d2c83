"""Places that the lake and the simulated departments both know: the outlines of the city's wards in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def ward_outlines() -> list[dict[str, Any]]:
    """GeoJSON features in WGS 84, one a ward, by code; `id` is the code. Simplified: they differ by up to 20 m."""
    features: list[dict[str, Any]] = json.loads((FOLDER / "wards.geojson").read_text(encoding="utf-8"))["features"]
    return sorted(features, key=lambda feature: str(feature["id"]))
