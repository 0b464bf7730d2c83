"""A YAML file read with its line numbers: collects every mistake in it instead of stopping at the first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import yaml

LANGUAGES = ("vi", "en")


@dataclass(frozen=True)
class Text:
    """The same words in Vietnamese and in English."""

    vi: str
    en: str


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing that is wrong, and the line it stands on."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        """In the form that editors make a link of."""
        return f"{self.path}:{self.line}: {self.what}"


@dataclass
class Page:
    """One file. Whoever reads a value gets a usable one back even when it is wrong; the mistake is noted."""

    path: Path
    mistakes: list[Mistake] = field(default_factory=list)

    def root(self) -> yaml.Node | None:
        """The document, or None when it is no YAML at all. Text that is not NFC is noted, wherever it stands."""
        try:
            root = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            self.mistakes.append(Mistake(self.path, mark.line + 1 if mark else 1, f"not YAML: {error.problem}"))
            return None
        except (OSError, UnicodeDecodeError) as error:
            self.mistakes.append(Mistake(self.path, 1, f"cannot be read: {error}"))
            return None
        if root is None:
            self.mistakes.append(Mistake(self.path, 1, "the file is empty"))
            return None
        for scalar in _scalars(root):
            if not unicodedata.is_normalized("NFC", scalar.value):
                self.wrong(scalar, f"text is not Unicode NFC: {scalar.value!r}; write its letters composed")
        return root

    def wrong(self, node: yaml.Node, what: str) -> None:
        """Note a mistake on the line where `node` begins."""
        self.mistakes.append(Mistake(self.path, node.start_mark.line + 1, what))

    def mapping(
        self, node: yaml.Node | None, where: str, must: Collection[str] = (), may: Collection[str] | None = ()
    ) -> dict[str, yaml.Node]:
        """The words of a mapping. `must` be there, `may` be there (None: any word); others are noted, with a guess."""
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{where}: expected words with values, found {_shown(node)}")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            word = str(key.value)
            if word in found:
                self.wrong(key, f"{where}: {word} stands twice")
            elif may is not None and word not in must and word not in may:
                self.wrong(key, f"{where}: unknown word {word!r}{guess(word, [*must, *may])}")
            found[word] = value
        for word in must:
            if word not in found:
                self.wrong(node, f"{where}: {word} is missing")
        return found

    def text(self, node: yaml.Node | None, where: str, form: str = "", means: str = "") -> str:
        """A text that is not empty and, where a `form` (regular expression) is given, has it."""
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null") or not node.value.strip():
            self.wrong(node, f"{where}: expected a text, found {_shown(node)}")
            return ""
        if form and not re.fullmatch(form, node.value):
            self.wrong(node, f"{where}: expected {means}, found {node.value!r}")
        return str(node.value)

    def regular(self, node: yaml.Node | None, where: str) -> str:
        """A regular expression."""
        pattern = self.text(node, where)
        if node is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                self.wrong(node, f"{where}: not a regular expression: {error}")
                return ""
        return pattern

    def choice(self, node: yaml.Node | None, where: str, options: Collection[str]) -> str:
        """One of the `options`."""
        chosen = self.text(node, where)
        if node is not None and chosen and chosen not in options:
            expected = ", ".join(sorted(options))
            self.wrong(node, f"{where}: expected one of {expected}; found {chosen!r}{guess(chosen, options)}")
        return chosen

    def number(self, node: yaml.Node | None, where: str) -> float | int | None:
        """A number; None for an explicit null."""
        if node is None:
            return None
        kind = node.tag.rpartition(":")[2]
        if isinstance(node, yaml.ScalarNode) and kind == "null":
            return None
        if not isinstance(node, yaml.ScalarNode) or kind not in ("int", "float"):
            self.wrong(node, f"{where}: expected a number, found {_shown(node)}")
            return None
        text = node.value.replace("_", "")
        return int(text) if kind == "int" else float(text)

    def whole(self, node: yaml.Node | None, where: str) -> int:
        """A whole number, 0 or more."""
        value = self.number(node, where)
        if node is not None and (not isinstance(value, int) or value < 0):
            if value is not None or node.tag.endswith(":null"):
                self.wrong(node, f"{where}: expected a whole number, 0 or more, found {_shown(node)}")
            return 0
        return int(value or 0)

    def day(self, node: yaml.Node | None, where: str) -> date:
        """A day as 2026-12-31."""
        text = self.text(node, where)
        try:
            return date.fromisoformat(text)
        except ValueError:
            if node is not None and text:
                self.wrong(node, f"{where}: expected a day as 2026-12-31, found {text!r}")
            return date.max

    def truth(self, node: yaml.Node | None, where: str, *, default: bool) -> bool:
        """True or false; `default` when the word is absent."""
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode) or node.tag.rpartition(":")[2] != "bool":
            self.wrong(node, f"{where}: expected true or false, found {_shown(node)}")
            return default
        return node.value.lower() in ("true", "yes", "on")

    def items(self, node: yaml.Node | None, where: str) -> list[yaml.Node]:
        """The items of a list."""
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(node, f"{where}: expected a list, found {_shown(node)}")
            return []
        return list(node.value)

    def texts(self, node: yaml.Node | None, where: str) -> tuple[str, ...]:
        """A list of texts, none of them twice."""
        seen: dict[str, None] = {}
        for item in self.items(node, where):
            text = self.text(item, where)
            if text in seen:
                self.wrong(item, f"{where}: {text} stands twice")
            seen[text] = None
        return tuple(seen)

    def known(self, node: yaml.Node | None, where: str, columns: Collection[str]) -> None:
        """A list whose items are names of columns that there are."""
        for item in self.items(node, where) if isinstance(node, yaml.SequenceNode) else ():
            if isinstance(item, yaml.ScalarNode) and item.value not in columns:
                self.wrong(item, f"{where}: there is no column {item.value!r}{guess(item.value, columns)}")

    def bilingual(self, node: yaml.Node | None, where: str) -> Text:
        """A text in both languages."""
        words = self.mapping(node, where, must=LANGUAGES)
        return Text(*(self.text(words.get(language), f"{where}.{language}") for language in LANGUAGES))


def guess(word: str, known: Collection[str]) -> str:
    """What was probably meant, as the end of a sentence; empty when nothing is near."""
    from difflib import get_close_matches  # noqa: PLC0415  only those who made a mistake pay for the import

    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return "nothing" if node.tag.endswith(":null") else repr(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "words with values"


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(key)
            yield from _scalars(value)
