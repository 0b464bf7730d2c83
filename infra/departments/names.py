"""Invented people, streets, telephone and identity numbers for the simulated departments.

None of them is anybody's: names are drawn from common parts, streets are called after plants or numbered, telephone
numbers begin with 050 and identity numbers with 099, which nobody has been given (provinces are 001 to 096).
The same generator in the same state gives the same answers. Text is NFC.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Whole = NDArray[np.int64]
Texts = NDArray[np.object_]


def _parts(text: str, mark: str = " ") -> tuple[str, ...]:
    return tuple(text.split(mark))


# Per cent of people, roughly as they are shared out in the south of Viet Nam.
_SURNAMES = {
    "Nguyễn": 32, "Trần": 12, "Lê": 10, "Phạm": 7, "Huỳnh": 6, "Võ": 5, "Phan": 4, "Đặng": 3, "Bùi": 3, "Đỗ": 2,
    "Hồ": 2, "Ngô": 2, "Dương": 2, "Lý": 2, "Trương": 2, "Đinh": 1, "Lâm": 1, "Mai": 1, "Tô": 1, "Thạch": 1, "Quách": 1,
}  # fmt: skip
_MIDDLES = {
    False: _parts("Văn Hữu Đức Minh Quang Thành Công Quốc Gia Tuấn Hoàng Nhật Thanh Xuân Đình"),
    True: _parts("Thị Ngọc Thu Thanh Kim Minh Bảo Khánh Phương Hồng Mỹ Thuỳ Như Ánh Cẩm"),
}
_GIVEN = {
    False: _parts(
        "An Bảo Bình Cường Dũng Duy Đạt Đông Giang Hải Hiếu Hoà Huy Hùng Khang Khánh Khoa Kiên Lâm Long Lộc Luân Minh "
        "Nam Nghĩa Nhân Phát Phong Phúc Quân Quý Sang Sơn Tài Tâm Thái Thắng Thiện Thịnh Tiến Toàn Trí Trung Tùng Vinh"
    ),
    True: _parts(
        "An Anh Ánh Châu Chi Diệp Dung Duyên Đan Giang Hà Hạnh Hằng Hân Hiền Hoa Hương Khuê Lan Lê Liên Linh Loan Ly "
        "Mai My Nga Ngân Nhi Nhung Như Oanh Phượng Quyên Quỳnh Tâm Thảo Thư Thương Tiên Trang Trâm Trinh Vân Vy Yến"
    ),
}
_PLANTS = _parts(
    "Hoa Mai;Hoa Sứ;Hoa Sen;Hoa Lan;Hoa Cúc;Hoa Hồng;Hoa Giấy;Hoa Lài;Hoa Đào;Hoa Phượng;Bằng Lăng;Lộc Vừng;Cây Keo;"
    "Cây Dầu;Cây Sao;Cây Bàng;Cây Điệp;Cây Gòn;Cây Trâm;Cây Xoài;Cây Dừa;Cây Me;Cây Vú Sữa;Cây Mận;Cây Ổi;Tre Xanh;"
    "Trúc Vàng;Sao Đen;Dầu Rái;Thông Xanh;Tường Vi;Mẫu Đơn;Thược Dược;Hướng Dương;Cẩm Chướng;Dạ Lý Hương;Mimosa;"
    "Tigôn;Ngọc Lan;Hoàng Yến",
    ";",
)
STREETS: tuple[str, ...] = (
    *(f"Đường {plant}" for plant in _PLANTS),
    *(f"Đường {plant} {number}" for plant in _PLANTS for number in range(2, 6)),
    *(f"Đường số {number}" for number in range(1, 101)),
)


def people(rng: np.random.Generator, count: int, is_female: Bools | None = None) -> list[str]:
    """Full names, surname first ("Trần Ngọc Lan"); the surname is one word. Half are women's, or as told for each."""
    female = rng.random(count) < 0.5 if is_female is None else is_female  # noqa: PLR2004  a half
    surnames = rng.choice(len(_SURNAMES), count, p=np.array(list(_SURNAMES.values())) / sum(_SURNAMES.values()))
    pick = rng.integers(0, 1 << 30, count)
    names = np.empty(count, dtype=object)
    for sex in (False, True):
        whole = _names(sex)
        each = len(whole) // len(_SURNAMES)
        chosen = female == sex
        names[chosen] = whole[surnames[chosen] * each + pick[chosen] % each]
    found: list[str] = names.tolist()
    return found


def streets(rng: np.random.Generator, count: int) -> list[str]:
    """Names of streets, out of `STREETS`, with repetition."""
    return [STREETS[index] for index in rng.integers(0, len(STREETS), count).tolist()]


def addresses(rng: np.random.Generator, count: int) -> list[str]:
    """House and street, "12/3 Đường Hoa Mai"; about half lie in an alley. The ward is the caller's to add."""
    house = rng.integers(1, 400, count).tolist()
    alley = np.where(rng.random(count) < 0.5, 0, rng.integers(1, 60, count)).tolist()  # noqa: PLR2004  a half
    roads = streets(rng, count)
    return [f"{h}/{a} {s}" if a else f"{h} {s}" for h, a, s in zip(house, alley, roads, strict=True)]


def phones(rng: np.random.Generator, count: int) -> list[str]:
    """Telephone numbers of ten digits."""
    return [f"050{number:07d}" for number in rng.integers(0, 10_000_000, count).tolist()]


def citizen_ids(rng: np.random.Generator, is_female: Bools, birth_year: Whole) -> list[str]:
    """Identity numbers of twelve digits: province, century and sex, year of birth, six digits. Not surely distinct."""
    century = np.clip((birth_year - 1900) // 100, 0, 4) * 2 + is_female
    digits = ((99 * 10 + century) * 100 + birth_year % 100) * 1_000_000 + rng.integers(0, 1_000_000, len(birth_year))
    return [f"{number:012d}" for number in digits.tolist()]


@lru_cache
def _names(is_female: bool) -> Texts:  # noqa: FBT001  a key of the two tables above
    """Every name of one sex, surname by surname: names are drawn, not joined, a million times."""
    return np.array(
        [
            f"{surname} {middle} {given}"
            for surname in _SURNAMES
            for middle in _MIDDLES[is_female]
            for given in _GIVEN[is_female]
        ],
        dtype=object,
    )
