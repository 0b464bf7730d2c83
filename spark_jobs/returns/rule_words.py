"""What a row breaks and what to do about it, in Vietnamese: for the clerk who corrects the delivery.

Rules come from `quality/rules.py` and `judging.py`. What a layout or `forms.py` expected is English; what they say is
translated here by a table, and what the table does not know is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from quality.contract import Column, Contract

SHOWN = 12  # values of a list, in a sentence
GROUPED_FROM = 10_000  # smaller numbers may be years, which nobody writes with a dot

TYPES = {
    "string": "chữ",
    "int": "số nguyên",
    "bigint": "số nguyên",
    "double": "số",
    "boolean": "đúng hoặc sai",
    "date": "ngày",
    "timestamp": "thời điểm",
    "geometry": "hình học",
}
LISTS = {
    "reference.diseases": "bệnh truyền nhiễm",
    "reference.former_provinces": "tỉnh, thành phố trước ngày 1 tháng 7 năm 2025",
    "reference.land_use_codes": "ký hiệu loại đất",
    "reference.province_names": "tên tỉnh, thành phố",
    "reference.provinces": "tỉnh, thành phố",
    "reference.vsic_sections": "ngành kinh tế cấp 1",
    "reference.wards": "phường, xã, đặc khu hiện hành",
}
# What layouts and forms expect. The first pattern that fits the whole text holds.
EXPECTED = {
    r"a whole number such as (.+)": r"số nguyên, viết như \1",
    r"a number such as (.+)": r"số, viết như \1",
    r"a date such as (.+)": r"ngày có thật, viết như \1",
    r"a time such as (.+)": r"thời điểm có thật, viết như \1",
    r"(.+) for true, (.+) for false": r"\1 nếu đúng; \2 nếu sai",
    r"text": "chữ",
    r"text without NUL( characters)?": "chữ không có ký tự NUL",
    r"letters of Unicode, no halves of them": "ký tự Unicode trọn vẹn",
    r"at most ([0-9,.]+) bytes": r"nhiều nhất \1 byte",
    r"one value, no list and no object": "một giá trị, không phải danh sách hay đối tượng",
    r"(.+) to be an object": r"giá trị nằm trong đối tượng JSON \1",
    r"a value, not an Excel error": "giá trị, không phải lỗi của Excel (#DIV/0!, #N/A, #REF!…)",
    r"([0-9]+) fields in the row, not ([0-9]+)": r"dòng có \1 ô như dòng tiêu đề, không phải \2 ô",
    r"a finite number": "số hữu hạn, không phải NaN hay vô cực",
    r"well-known binary": "hình học dạng WKB",
    r"rings of at least four points, the last one the first": "đường khép kín từ bốn điểm, điểm cuối trùng điểm đầu",
    r"coordinates that are numbers": "tọa độ là số",
    r"a shape that is not empty": "hình không rỗng",
    r"a polygon that does not cross itself \((.+)\)": r"đa giác hợp lệ, không tự cắt (\1)",
    r"a shape in (EPSG:[0-9]+) inside (.+)": r"hình trong hệ tọa độ \1, nằm trong \2",
}
_WITHIN = {  # inside what a pattern caught: GEOS' reasons and the names of areas
    "Ring Self-intersection": "vòng tự cắt",
    "Self-intersection": "tự cắt",
    "Too few points in geometry component": "quá ít điểm",
    "Hole lies outside shell": "lỗ nằm ngoài vòng ngoài",
    "Holes are nested": "lỗ lồng nhau",
    "Nested shells": "vòng ngoài lồng nhau",
    "Interior is disconnected": "phần trong bị tách rời",
    "Duplicate Rings": "vòng trùng nhau",
    "former Hồ Chí Minh City": "Thành phố Hồ Chí Minh cũ",
    "former ": "địa bàn cũ ",
    " or ": " hoặc ",
    "[": " [",
}


@dataclass(frozen=True)
class Words:
    """The sentences about one contract. `titles`: what tables are called in Vietnamese, by `schema.table`."""

    contract: Contract
    titles: Mapping[str, str] = field(default_factory=dict)

    def label(self, column: str) -> str:
        """What people call a column."""
        return self.contract.columns[column].label.vi if column in self.contract.columns else column

    def rule(self, column: str, rule: str, expected: str) -> str:
        """What must hold. `expected` is the English text that stands beside the rule."""
        known, words = self.contract.columns.get(column), RULES.get(rule)
        if known is None or words is None:
            return f"{rule}: {expected}"
        return words(self, known, expected)

    def to_do(self, rule: str) -> str:
        """What the clerk does about it."""
        return TO_DO.get(rule, "Kiểm tra và sửa giá trị")

    def listed(self, refers_to: str) -> str:
        """What the list is called that a column refers to."""
        table, _, column = refers_to.rpartition(".")
        name = LISTS.get(table) or self.titles.get(table)
        return f"danh mục {name}" if name else f"danh mục {table} (cột {column})"


def expected_said(expected: str) -> str:
    """What a layout or form expected, in Vietnamese where it is known."""
    for pattern, said in EXPECTED.items():
        if found := re.fullmatch(pattern, expected, re.DOTALL):
            text = found.expand(said)
            for english, vietnamese in _WITHIN.items() if "EPSG" in text or "đa giác" in text else ():
                text = text.replace(english, vietnamese)
            return text
    return expected


def _required(_words: Words, _column: Column, _expected: str) -> str:
    return "không được để trống"


def _type(_words: Words, column: Column, _expected: str) -> str:
    return f"phải là {TYPES[column.type]}"


def _form(_words: Words, _column: Column, expected: str) -> str:
    return f"viết không đúng dạng; phải là {expected_said(expected)}"


def _between(_words: Words, column: Column, expected: str) -> str:
    if column.between is None:
        return expected
    low, high = column.between
    if low is None or high is None:
        return f"không được lớn hơn {_number(high)}" if low is None else f"không được nhỏ hơn {_number(low)}"
    return f"phải từ {_number(low)} đến {_number(high)}"


def _one_of(_words: Words, column: Column, _expected: str) -> str:
    more = len(column.one_of) - SHOWN
    return f"phải là một trong: {', '.join(column.one_of[:SHOWN])}{f' và {more} giá trị khác' if more > 0 else ''}"


def _matches(_words: Words, column: Column, _expected: str) -> str:
    return f"phải đúng mẫu {column.matches} ({column.description.vi})"


def _refers_to(words: Words, column: Column, _expected: str) -> str:
    return f"không có trong {words.listed(column.refers_to)}"


def _key(words: Words, _column: Column, _expected: str) -> str:
    return f"trùng khóa: mỗi ({', '.join(map(words.label, words.contract.key))}) chỉ được có một dòng"


RULES: Mapping[str, Callable[[Words, Column, str], str]] = {
    "required": _required,
    "type": _type,
    "form": _form,
    "between": _between,
    "one_of": _one_of,
    "matches": _matches,
    "refers_to": _refers_to,
    "key": _key,
}
TO_DO = {
    "required": "Điền giá trị vào ô trống",
    "type": "Sửa giá trị cho đúng kiểu",
    "form": "Sửa giá trị cho đúng dạng",
    "between": "Kiểm tra lại con số và đơn vị tính",
    "one_of": "Chọn một trong các giá trị cho phép, viết đúng từng chữ",
    "matches": "Sửa mã cho đúng mẫu, đủ số chữ số (kể cả số 0 ở đầu)",
    "refers_to": "Sửa mã theo danh mục; nếu mã đúng mà danh mục thiếu, báo cho đơn vị vận hành kho dữ liệu",
    "key": "Giữ một dòng, xóa hoặc sửa khóa của các dòng trùng",
}


def _number(value: float | None) -> str:
    """As Vietnamese writes it."""
    if value is None:
        return ""
    text = f"{value:,}" if abs(value) >= GROUPED_FROM else f"{value}"
    return text.translate(str.maketrans(",.", ".,"))
