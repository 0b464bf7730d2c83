"""The code lists of the template C1-HocSinh: what its columns may hold, and its sixteen look-up sheets."""

from __future__ import annotations

import csv
from functools import lru_cache

from infra.departments.education.city import LEVELS, City
from quality.contract import SEEDS


def _values(text: str) -> tuple[str, ...]:
    return tuple(text.split("; "))


SEXES = ("Nam", "Nữ")
SEX_CODES = ("01", "02")
STATUSES = _values(
    "Đang học; Chuyển đến trong hè; Chuyển đến kỳ 1; Chuyển đến kỳ 2; Chuyển đi trong hè; Chuyển đi kỳ 1; "
    "Chuyển đi kỳ 2; Thôi học trong hè; Thôi học kỳ 1; Thôi học kỳ 2; Nghỉ học xin học lại kỳ 1; "
    "Nghỉ học xin học lại kỳ 2"
)
ETHNICITIES = _values(
    "Kinh; Hoa; Khơ Me; Chăm; Tày; Thái; Mường; Nùng; Mông; Dao; Gia Rai; Ê Đê; Ba Na; Sán Chay; Cơ Ho; Xơ Đăng; "
    "Sán Dìu; Hrê; Ra Glai; Mnông; Thổ; Xtiêng; Khơ Mú; Bru - Vân Kiều; Cơ Tu; Giáy; Tà Ôi; Mạ; Giẻ Triêng; Co; "
    "Chơ Ro; Xinh Mun; Hà Nhì; Chu Ru; Lào; La Chí; Kháng; Phù Lá; La Hủ; La Ha; Pà Thẻn; Lự; Ngái; Chứt; Lô Lô; "
    "Mảng; Cờ Lao; Bố Y; Cống; Si La; Pu Péo; Rơ Măm; Brâu; Ơ Đu; Người nước ngoài"
)
DISABILITIES = _values(
    "Khuyết tật vận động; Khuyết tật nghe, nói; Khuyết tật nhìn; Khuyết tật thần kinh, tâm thần; Khuyết tật trí tuệ; "
    "Khuyết tật học tập; Tự kỷ; Khuyết tật khác"
)
POLICIES = _values("Hộ nghèo; Hộ cận nghèo; Con thương binh; Con liệt sĩ; Mồ côi cả cha lẫn mẹ; Vùng đặc biệt khó khăn")
NATIONALITIES = _values("Việt Nam; Hàn Quốc; Nhật Bản; Trung Quốc; Hoa Kỳ; Pháp; Ấn Độ; Khác")
GRADES = tuple(grade for level in LEVELS for grade, _ in level.grades)


@lru_cache
def provinces() -> tuple[str, ...]:
    """The names of the provinces in force, Ho Chi Minh City first."""
    with (SEEDS / "provinces.csv").open(encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: (row["code"] != "79", row["code"]))
    return tuple(row["name"] for row in rows)


def look_ups(city: City) -> dict[str, list[tuple[str, str]]]:
    """The sixteen sheets by name: code and value."""
    lists = {
        "Giới tính": SEXES,
        "Trạng thái HS": STATUSES,
        "Dân tộc": ETHNICITIES,
        "Loại khuyết tật": DISABILITIES,
        "Quốc tịch": NATIONALITIES,
        "Tỉnh-Thành phố": provinces(),
        "Khối": GRADES,
        "Đối tượng chính sách": POLICIES,
        "Cấp học": tuple(level.name for level in LEVELS),
        "Loại hình trường": ("Công lập", "Tư thục"),
        "Số buổi học": ("5", "6", "7", "8", "9", "10"),
        "Học bán trú": ("x",),
        "Tôn giáo": _values("Không; Phật giáo; Công giáo; Tin Lành; Cao Đài; Phật giáo Hòa Hảo; Hồi giáo; Khác"),
        "Nhóm máu": _values("A; B; AB; O; Chưa xác định"),
        "Khu vực": _values("Thành thị; Nông thôn; Hải đảo"),
    }
    sheets = {name: [(f"{number:02d}", value) for number, value in enumerate(some, 1)] for name, some in lists.items()}
    return {**sheets, "Xã-Phường": [(ward.code, ward.full_name) for ward in city.wards]}
