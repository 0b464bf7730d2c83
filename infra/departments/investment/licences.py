"""Licences of foreign investment: one row per project, with everything that is said of it. Companies are invented."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from infra.departments.investment.rows import Row, Table, Whole, entered, read_lines, spread, ward_codes, wards
from infra.departments.names import people

MVND_PER_KUSD = 25  # one rate for all years
ENDED = "Chấm dứt hoạt động"

# In which ward a zone lies, as far as one ward can be named.
ZONES = {
    "KCX Tân Thuận": "Tân Thuận", "KCX Linh Trung 1": "Linh Xuân", "KCN Hiệp Phước": "Hiệp Phước",
    "KCN Tân Tạo": "Tân Tạo", "KCN Vĩnh Lộc": "Bình Hưng Hoà", "KCN Tân Bình": "Tây Thạnh",
    "Khu công nghệ cao": "Tăng Nhơn Phú", "KCN Tây Bắc Củ Chi": "Củ Chi", "KCN Việt Nam - Singapore": "Bình Hoà",
    "KCN Sóng Thần 1": "Dĩ An", "KCN Mỹ Phước 1": "Bến Cát", "KCN Mỹ Phước 3": "Thới Hoà", "KCN Bàu Bàng": "Bàu Bàng",
    "KCN Nam Tân Uyên": "Tân Uyên", "KCN Phú Mỹ 1": "Phú Mỹ", "KCN Cái Mép": "Tân Phước", "KCN Đông Xuyên": "Rạch Dừa",
    "KCN Châu Đức": "Nghĩa Thành",
}  # fmt: skip
GOODS = (
    "linh kiện điện tử", "giày dép", "hàng may mặc", "đồ gỗ nội thất", "bao bì nhựa", "khuôn mẫu chính xác",
    "thiết bị y tế", "thực phẩm chế biến", "hoá chất công nghiệp", "dây cáp điện", "cơ khí chế tạo", "sơn và mực in",
)  # fmt: skip
WORDS = (
    "Sao", "Mai", "Kim", "Ánh", "Đại", "Phú", "Hoà", "Tân", "Vĩnh", "Á", "Lộc", "Bảo", "Hưng", "Viễn", "Đông", "Nhật",
)  # fmt: skip
KINDS = ("100% vốn nước ngoài",) * 8 + ("Liên doanh", "Hợp đồng hợp tác kinh doanh (BCC)")
FUNDS = ("Vốn chủ sở hữu", "Vốn chủ sở hữu và vốn vay", "Vốn vay")
STATES = ("Đang hoạt động",) * 17 + ("Đang triển khai",) * 2 + ("Tạm ngừng hoạt động",)
CODE_STARTS = ("21", "32", "43", "54", "65", "76", "87", "98")


def license_projects(
    table: Table, rng: np.random.Generator, days: Sequence[date], thousand_usd: Whole, sections: Whole
) -> None:
    """A project a day of `days`, with its capital and its line of sections.csv."""
    count = len(days)
    lines, countries = read_lines("sections.csv"), read_lines("countries.csv")
    weights = np.array([float(line["weight"]) for line in countries])
    investors = rng.permutation(np.repeat(np.arange(len(countries)), spread(weights, count))).tolist()
    dice = rng.integers(0, 1 << 30, (count, 6)).tolist()
    names, places = people(rng, count), ward_codes(rng, count)
    for i, when in enumerate(days):
        serial = len(table.rows) + 1
        table.add(
            entered(when, serial),
            **_licence(serial, when, int(thousand_usd[i])),
            **_business(serial, lines[int(sections[i])], dice[i]),
            **_place(lines[int(sections[i])]["code"], places[i], dice[i]),
            ngay_hetphep_hoatdong=_end(when, dice[i][2] % 10),
            tongmuc_dautu=int(thousand_usd[i]) * MVND_PER_KUSD * (100 + dice[i][5] % 40) // 100,
            quocgia_ma=countries[investors[i]]["code"],
            quocgia_ten=countries[investors[i]]["name"],
            nguoi_daidien=names[i],
            so_hochieu=f"ZZ{dice[i][3] % 10_000_000:07d}",  # no state has these letters
        )


def code_of(serial: int) -> str:
    """Ten digits, each project's own: 48,271 has no factor in common with 10^8."""
    return f"{CODE_STARTS[serial % 8]}{serial * 48_271 % 100_000_000:08d}"


def sections_of(rng: np.random.Generator, count: int, manufacturing: int) -> Whole:
    """Lines of sections.csv in any order, so many of them of manufacturing, which is the first line."""
    shares = np.array([float(line["projects_share"] or 0) for line in read_lines("sections.csv")])
    counts = spread(shares, count - manufacturing)
    counts[0] = manufacturing
    return rng.permutation(np.repeat(np.arange(len(counts)), counts))


def company_of(form: str, serial: int, dice: int) -> str:
    """A company that does not exist, for its name ends in a number."""
    return f"{form} {WORDS[dice % 16]} {WORDS[dice // 16 % 16]} {serial:05d}"


def _licence(serial: int, when: date, thousand_usd: int) -> Row:
    return {
        "soqd_capphep": f"{serial % 9_000 + 1_000}/QĐ-{when.year}",
        "maso_duan": code_of(serial),
        "ngay_quyetdinh_capphep": when,
        "vondautu_dangky": thousand_usd * MVND_PER_KUSD,
        "vontuongduong_usd": thousand_usd * 1_000,
    }


def _business(serial: int, section: dict[str, str], dice: list[int]) -> Row:
    goods = GOODS[dice[0] % len(GOODS)]
    company = company_of("Công ty TNHH", serial, dice[3])
    what = goods if section["code"] in {"C", "G"} else company.removeprefix("Công ty TNHH ")
    return {
        "ten": f"Dự án {section['activity'].lower()} {what}",
        # One clerk's keyboard writes letters and their accents apart.
        "doanhnghiep": unicodedata.normalize("NFD", company) if serial % 97 == 0 else company,
        "nganh_cap1": section["code"],
        "linhvuc_sanxuatkinhdoanh": section["name"],
        "noidung_sanxuat_kinhdoanh": f"{section['activity']} {goods}",
        "quymo_congsuat": _capacity(dice[0] % 7, dice[3] % 90_000 + 500, dice[4] % 900 + 5),
        "nguonvon": FUNDS[dice[5] % 3],
        "loaihinh_duan": KINDS[dice[4] % 10],
        "trangthai": STATES[dice[1] % 20],
    }


def _place(section: str, ward: str, dice: list[int]) -> Row:
    """Seven in ten factories stand in a zone, of others one in twenty."""
    if dice[1] // 20 % 100 >= (70 if section == "C" else 5):
        return {"khu_chuyennganh": None, "ma_phuongxa": ward}
    zone = list(ZONES)[dice[2] % len(ZONES)]
    (code,) = (code for code, (name, _) in wards().items() if name == ZONES[zone])
    return {"khu_chuyennganh": zone, "ma_phuongxa": code}


def _end(licensed: date, dice: int) -> date | None:
    """One in ten has none, half have fifty years."""
    return None if dice == 0 else licensed + timedelta(days=365 * (50 if dice >= 5 else 20 + dice * 5))  # noqa: PLR2004


def _capacity(form: int, quantity: int, workers: int) -> str | None:
    """Free text, as each clerk writes it."""
    dotted = f"{quantity:,}".replace(",", ".")
    return (
        f"{dotted} tấn/năm",
        f"Diện tích {dotted} m2, {workers} lao động",
        f"{dotted} sản phẩm/năm (giai đoạn 1); giai đoạn 2: tăng 30%",
        f"{quantity} sp/nam",
        "Không áp dụng",
        None,
        f"\u00a0{workers} lao động ",
    )[form]
