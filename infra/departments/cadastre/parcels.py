"""Invented parcels: where the map sheets of a ward lie, what stands on them, and what changes from month to month.

Parcels fill the outline of their ward as a grid whose corners are shifted a little, so neighbours share them. They are
drawn in VN-2000, in the zone of the former province: 105°45' for Hồ Chí Minh City and Bình Dương, 107°45' for
Bà Rịa - Vũng Tàu. Everything depends on the size, the ward, the sheet and the month alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from infra.departments.names import addresses, people
from quality.places import ward_outlines

Corners = NDArray[np.float64]  # parcels, 4, easting and northing; anticlockwise from the south-west

FOLDER = Path(__file__).parent
POPULATION = Path(__file__).resolve().parents[3] / "dbt" / "seeds" / "wards.csv"
SEED = 79_105_45
PARCELS = {"test": 1_200, "demo": 43_000, "city": 4_282_882}
A_SHEET = {"test": 50, "demo": 200, "city": 2_500}  # parcels, about
TEST_WARDS = slice(7, None, 15)  # every 15th, and Bến Thành
BEN_THANH = "26743"
SCALES = ((100, 500), (500, 1_000), (2_500, 2_000), (10_000, 5_000))  # up to so many square metres a parcel
CHANGED_SHEETS, CHANGED_PARCELS = 0.05, 0.2  # each month; of a changed sheet's parcels
BAD_EVERY = 400  # parcels
BAD_KINDS = ("crossing", "unknown ward", "no number", "31 February", "twice", "area in words")
URBAN = {"ODT": 70, "TMD": 7, "CLN": 7, "SKC": 4, "ODT+CLN": 8, "DGD": 2, "DYT": 1, "DGT": 1}
RURAL = {"ONT": 36, "CLN": 24, "LUC": 13, "HNK": 9, "ONT+CLN": 10, "NTS": 4, "RSX": 3, "DGD": 1}

# Of the two registered shifts between WGS 84 and VN-2000 (each right within 1 m) the newer one, EPSG:6960.
_TO_VN_2000 = (
    "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=push +v_3 +step +proj=cart +ellps=WGS84 "
    "+step +inv +proj=helmert +x=-191.90441429 +y=-39.30318279 +z=-111.45032835 +rx=-0.00928836 +ry=0.01975479 "
    "+rz=-0.00427372 +s=0.252906278 +convention=coordinate_frame +step +inv +proj=cart +ellps=WGS84 "
    "+step +proj=pop +v_3 +step +proj=tmerc +lat_0=0 +lon_0={} +k=0.9999 +x_0=500000 +y_0=0 +ellps=WGS84"
)
_ZONES = {"79": (9210, 105.75), "74": (9210, 105.75), "77": (5899, 107.75)}


@dataclass(frozen=True)
class Ward:
    """A ward in force. `former`: code and name of each ward that went into it; `place`: in the order of codes."""

    code: str
    name: str
    slug: str
    former_province: str
    epsg: int
    former: tuple[tuple[str, str], ...]
    outline: shapely.Geometry
    people: int
    place: int


@dataclass(frozen=True)
class Sheet:
    """One map sheet. `number` counts within the ward; `former_number` within the former ward, whose map it was."""

    ward: Ward
    number: int
    former: tuple[str, str]
    former_number: int
    place: int  # among all sheets
    scale: int  # 1:…
    first: int  # among all parcels
    parcels: int


@dataclass
class Parcels:
    """The parcels of a sheet, column by column. `bad`: what is wrong with a parcel, by its index."""

    corners: Corners
    number: list[int]
    parcel_id: list[str]
    parent: list[str | None]
    ward_code: list[str]
    address: list[str]
    use: list[str]
    owner: list[str | None]
    certificate: list[str | None]
    disputed: list[bool]
    legal_share: list[float | None]
    updated: list[date]
    bad: dict[int, str] = field(default_factory=dict)


@lru_cache
def wards(size: str) -> tuple[Ward, ...]:
    """Where the department has maps: everywhere, in tests in a few wards of all three former provinces."""
    shapes = ward_outlines()
    former: dict[str, list[dict[str, str]]] = {}
    with (FOLDER / "old_to_new_ward.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            former.setdefault(row["new_ward_code"], []).append(row)
    with POPULATION.open(encoding="utf-8", newline="") as lines:
        inhabitants = {row["code"]: int(row["population"]) for row in csv.DictReader(lines) if row["population"]}
    slugs = [shape["properties"]["codeName"].replace("_", "-") for shape in shapes]
    found = []
    for place, shape in enumerate(shapes):
        code, slug = str(shape["id"]), shape["properties"]["codeName"].replace("_", "-")
        province = former[code][0]["old_province_code"]
        epsg, meridian = _ZONES[province]
        outline = _projected(shapely.from_geojson(json.dumps(shape["geometry"])), meridian)
        # Côn Đảo had no wards.
        old = tuple((row["old_ward_code"] or code, row["old_ward"]) for row in former[code])
        slug = slug if slugs.count(slug) == 1 else f"{slug}-{code}"
        name = shape["properties"]["fullName"]
        found.append(Ward(code, name, slug, province, epsg, old, outline, inhabitants[code], place))
    return tuple(found) if size != "test" else (*[w for w in found if w.code == BEN_THANH], *found[TEST_WARDS])


def _projected(outline: shapely.Geometry, meridian: float) -> shapely.Geometry:
    project = pyproj.Transformer.from_pipeline(_TO_VN_2000.format(meridian))

    def moved(points: Corners) -> Corners:
        return np.column_stack(project.transform(points[:, 0], points[:, 1]))

    projected: shapely.Geometry = shapely.transform(outline, moved)
    return projected


@lru_cache
def sheets(size: str) -> tuple[Sheet, ...]:
    """All map sheets: parcels are shared out by inhabitants."""
    chosen = wards(size)
    exact = np.array([ward.people for ward in chosen], dtype=float)
    until = np.rint(exact.cumsum() / exact.sum() * PARCELS[size]).astype(int).tolist()
    found: list[Sheet] = []
    for ward, start, end in zip(chosen, [0, *until], until, strict=False):
        parcels = end - start
        many = max(1, round(parcels / A_SHEET[size]))
        numbers = {code: count(1) for code, _ in ward.former}
        for number in range(many):
            first, last = start + parcels * number // many, start + parcels * (number + 1) // many
            former = ward.former[number * len(ward.former) // many]
            place, scale = len(found), _scale(shapely.area(ward.outline) / parcels)
            found.append(Sheet(ward, number + 1, former, next(numbers[former[0]]), place, scale, first, last - first))
    return tuple(found)


@lru_cache
def changed(size: str, period: int) -> frozenset[int]:
    """Places of the sheets that change in a month; none in the first."""
    many = len(sheets(size))
    picks = _rng(size, period).permutation(many)[: max(1, round(CHANGED_SHEETS * many))]
    return frozenset(picks.tolist()) if period > 1 else frozenset()


def parcels_of(size: str, ward: Ward, wanted: dict[int, int]) -> Iterator[tuple[Sheet, Parcels]]:
    """The wanted sheets of a ward (by place), each as of a month."""
    mine = [sheet for sheet in sheets(size) if sheet.ward is ward]
    corners = _grid(ward.outline, sum(sheet.parcels for sheet in mine), A_SHEET[size], _rng(size, ward.place, 0))
    for sheet in mine:
        if sheet.place in wanted:
            start = sheet.first - mine[0].first
            found = _first_state(size, sheet, corners[start : start + sheet.parcels])
            for period in range(2, wanted[sheet.place] + 1):
                if sheet.place in changed(size, period):
                    _change(found, sheet, period, _rng(size, ward.place, sheet.number, period))
            yield sheet, found


def areas(corners: Corners) -> NDArray[np.float64]:
    """Square metres to one decimal, on the plane."""
    east, north = corners[..., 0], corners[..., 1]
    twice = east * np.roll(north, -1, axis=1) - np.roll(east, -1, axis=1) * north
    square_metres: NDArray[np.float64] = np.round(np.abs(twice.sum(axis=1)) / 2, 1)
    return square_metres


def _scale(square_metres: float) -> int:
    """The larger the parcels of a ward, the smaller the scale."""
    return next((scale for most, scale in SCALES if square_metres <= most), 10_000)


def _rng(size: str, *parts: int) -> np.random.Generator:
    return np.random.default_rng([SEED, list(PARCELS).index(size), *parts])


def _grid(outline: shapely.Geometry, parcels: int, a_sheet: int, rng: np.random.Generator) -> Corners:
    """That many cells of a grid whose middles lie inside the outline, sheet by sheet."""
    west, south, east, north = shapely.bounds(outline).tolist()
    shapely.prepare(outline)
    side = float(np.sqrt(shapely.area(outline) / parcels))
    while True:
        columns, rows = int((east - west) // side), int((north - south) // side)
        row, column = np.divmod(np.arange(max(rows * columns, 0)), max(columns, 1))
        inside = shapely.contains_xy(outline, west + (column + 0.5) * side, south + (row + 0.5) * side)
        if inside.sum() >= parcels:
            break
        side *= 0.97
    row, column = row[inside], column[inside]
    tile = int(np.ceil(np.sqrt(a_sheet)))
    order = np.lexsort((column, row, column // tile, row // tile))[:parcels]
    row, column = row[order], column[order]
    across, up = np.meshgrid(np.arange(columns + 1), np.arange(rows + 1))
    points = np.stack([west + across * side, south + up * side], axis=-1)
    points = np.round(points + rng.uniform(-0.2, 0.2, points.shape) * side, 2)
    around = [points[row + up, column + right] for up, right in ((0, 0), (0, 1), (1, 1), (1, 0))]
    return np.stack(around, axis=1)


def _first_state(size: str, sheet: Sheet, corners: Corners) -> Parcels:
    rng, many, ward = _rng(size, sheet.ward.place, sheet.number, 1), len(corners), sheet.ward
    shares = URBAN if ward.name.startswith("Phường") else RURAL
    uses = rng.choice(list(shares), many, p=np.array(list(shares.values())) / sum(shares.values())).tolist()
    # Codes were brought up to date sheet by sheet: in 55 % they are the former ones still, in 10 % some are.
    how = rng.random()
    is_former = rng.random(many) < (1.0 if how < 0.55 else 0.5 if how < 0.65 else 0.0)  # noqa: PLR2004
    legal = np.where(rng.random(many) < 0.85, 1 + rng.normal(0, 0.01, many), np.nan)  # noqa: PLR2004  surveyed ones
    owners: list[str | None] = list(people(rng, many))
    for index in np.flatnonzero(rng.random(many) < 0.06).tolist():  # noqa: PLR2004  public land
        owners[index] = None
    letters, digits, has = rng.integers(0, 26, (many, 2)), rng.integers(0, 1_000_000, many), rng.random(many)
    certificates = [
        f"{chr(65 + a)}{chr(65 + b)} {number:06d}" if owner and share < 0.85 else None  # noqa: PLR2004  certified
        for (a, b), number, owner, share in zip(letters.tolist(), digits.tolist(), owners, has.tolist(), strict=True)
    ]
    days = rng.integers(0, 4_000, many).tolist()
    found = Parcels(
        corners=corners,
        number=list(range(1, many + 1)),
        parcel_id=[_id(sheet, number) for number in range(1, many + 1)],
        parent=[None] * many,
        ward_code=[sheet.former[0] if former else ward.code for former in is_former.tolist()],
        address=[f"{address}, {sheet.former[1]}" for address in addresses(rng, many)],
        use=uses,
        owner=owners,
        certificate=certificates,
        disputed=(rng.random(many) < 0.01).tolist(),  # noqa: PLR2004  one in a hundred
        legal_share=[None if np.isnan(share) else share for share in legal.tolist()],
        updated=[date(2026, 6, 30) - timedelta(days=day) for day in days],
    )
    for index in range((BAD_EVERY // 2 - sheet.first) % BAD_EVERY, many, BAD_EVERY):
        kind = BAD_KINDS[(sheet.first + index) // BAD_EVERY % len(BAD_KINDS)]
        found.bad[index] = kind if index else "crossing"  # the first parcel has none before it to repeat
    return found


def _change(found: Parcels, sheet: Sheet, period: int, rng: np.random.Generator) -> None:
    """A fifth of a sheet's parcels: another use, another owner, or split in two (the old parcel is gone then)."""
    many = len(found.number)
    picks = rng.permutation(many)[: max(3, round(CHANGED_PARCELS * many))].tolist()
    day = date(2026, 6 + period, 1) + timedelta(days=int(rng.integers(28)))
    owners, shares = people(rng, len(picks)), list(URBAN if sheet.ward.name.startswith("Phường") else RURAL)
    last = max(found.number)
    for place, (index, owner) in enumerate(zip(picks, owners, strict=True)):
        found.updated[index] = day
        if index in found.bad or place % 3 == 0:
            found.use[index] = shares[(shares.index(found.use[index]) + 1) % len(shares)]
        elif place % 3 == 1:
            found.owner[index] = owner
        else:
            _split(found, sheet, index, last)
            last += 2


def _split(found: Parcels, sheet: Sheet, index: int, last: int) -> None:
    """One half takes the parcel's place, the other goes to the end; both have new numbers and know their parent."""
    south_west, south_east, north_east, north_west = found.corners[index]
    south, north = np.round((south_west + south_east) / 2, 2), np.round((north_west + north_east) / 2, 2)
    halves = np.array([[south_west, south, north, north_west], [south, south_east, north_east, north]])
    found.corners = np.concatenate([found.corners, halves[1:]])
    found.corners[index] = halves[0]
    for texts in (found.address, found.use, found.ward_code):
        texts.append(texts[index])
    found.owner.append(found.owner[index])
    found.disputed.append(found.disputed[index])
    found.updated.append(found.updated[index])
    found.legal_share.append(None)
    found.legal_share[index] = None
    found.certificate.append(None)
    found.certificate[index] = None
    found.parent.append(found.parcel_id[index])
    found.parent[index] = found.parcel_id[index]
    found.number.append(last + 2)
    found.number[index] = last + 1
    found.parcel_id.append(_id(sheet, last + 2))
    found.parcel_id[index] = _id(sheet, last + 1)


def _id(sheet: Sheet, number: int) -> str:
    return f"{sheet.ward.code}{sheet.number:03d}{number:05d}"
