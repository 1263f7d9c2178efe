"""What the tests ask of the two documents: tables, pictures, references, captions and sentences."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html.parser import HTMLParser

VOID = ("meta", "img", "link", "br", "input")
PICTURE = "data:image/svg+xml;base64,"


class Page(HTMLParser):
    """A page's tables, pictures, texts of sections and blocks, all that it refers to, and whether tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.references: list[str] = []
        self.pictures: dict[str, bytes] = {}
        self.text: list[str] = []
        self.sections: dict[str, str] = {}
        self.blocks: dict[str, str] = {}  # by id: all but the cells of tables
        self.prose: list[str] = []  # paragraphs, items and captions
        self.ids: set[str] = set()
        self.open: list[tuple[str, str]] = []
        self._key, self._cell = "", False
        self.feed(text)

    def rows(self, key: str) -> list[dict[str, str]]:
        """A table's rows, by the names of columns."""
        header, *body = self.tables[key]
        return [dict(zip(header, cells, strict=True)) for cells in body]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attributes}
        name = values.get("id", "")
        if tag not in VOID:
            self.open.append((tag, name))
        self.references += [values[key] for key in ("src", "href") if key in values]
        if name:
            assert name not in self.ids
            self.ids.add(name)
        if name.startswith("table-"):
            self._key = name.removeprefix("table-")
            self.tables[self._key] = []
        if tag == "img":
            self.pictures[values["alt"]] = base64.b64decode(values["src"].removeprefix(PICTURE))
        if tag == "tr" and self._key:
            self.tables[self._key].append([])
        if tag in ("td", "th") and self._key:
            self.tables[self._key][-1].append("")
            self._cell = True
        if tag in ("p", "li", "figcaption"):
            self.prose.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag
        if tag in ("td", "th"):
            self._cell = False
        if tag == "table":
            self._key = ""

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self.open]
        if {"style", "script"} & set(inside):
            return
        self.text.append(data)
        if self._cell:
            self.tables[self._key][-1][-1] += data
            return
        for tag, name in self.open:
            if name and tag == "section":
                self.sections[name] = self.sections.get(name, "") + data
            elif name and tag != "nav":
                self.blocks[name.removeprefix("table-")] = self.blocks.get(name.removeprefix("table-"), "") + data
        if {"p", "li", "figcaption"} & set(inside) and "nav" not in inside:
            self.prose[-1] += data


def markdown_table(text: str) -> list[list[str]]:
    """The table of RESULTS.md, without bold."""
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip().replace("**", "") for cell in row.split("|")[1:-1]] for row in rows]


def joined(text: str) -> str:
    """A text with its lines joined."""
    return " ".join(text.split())


def section(text: str, title: str) -> str:
    """A section of RESULTS.md, with its lines joined."""
    return joined(text.split(f"\n## {title}\n")[1].split("\n## ")[0])


def paragraphs(text: str) -> list[str]:
    """Paragraphs and items of a Markdown text, tables and code left out."""
    text = re.sub(r"^(\||```|!\[|#).*$", "", text, flags=re.MULTILINE)
    return [joined(part) for part in re.split(r"\n\s*\n|\n(?=[-*>] )", text) if part.strip()]


def longest(prose: Iterable[str]) -> tuple[int, str]:
    """The sentence of most words, and how many these are."""
    sentences = [sentence for part in prose for sentence in re.split(r"[.!?][*\")]*\s+", part)]
    words = [(len([word for word in sentence.split() if re.search(r"\w", word)]), sentence) for sentence in sentences]
    return max(words)
