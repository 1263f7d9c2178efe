"""Markdown in (introductions, captions, sentences) and out (tables).

Whatever comes in is text: HTML in it is escaped, and addresses that run scripts are no links.
"""

from __future__ import annotations

import re
import textwrap
from functools import cache
from typing import TYPE_CHECKING

from local.report.tables.cells import Cell, Table

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

WIDTH = 120  # letters of a line of text
_MARK = re.compile(r" (?=(?:[-+*|>]|#+|\d+[.)])(?: |$)|[|>])")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # Without pictures, since the page refers to nothing outside itself.
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def inline(text: str) -> str:
    """Turn one line of Markdown into HTML.

    Parameters
    ----------
    text : str
        Without line structure.

    Returns
    -------
    str

    Examples
    --------
    >>> inline("**UA** of `a<b`")
    '<strong>UA</strong> of <code>a&lt;b</code>'
    """
    return _parser().renderInline(text)


def to_html(text: str) -> str:
    r"""Turn a Markdown text into HTML; its headings become one level smaller, as the page has its own first one.

    Parameters
    ----------
    text : str
        The whole text.

    Returns
    -------
    str

    Examples
    --------
    >>> to_html("# On it\n\nOne *line*.")
    '<h2>On it</h2>\n<p>One <em>line</em>.</p>\n'
    """
    tokens = _parser().parse(text)
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 1)}"
    return _parser().renderer.render(tokens, _parser().options, {})


def wrapped(text: str, indent: str = "") -> str:
    """Break a line of Markdown into several of :data:`WIDTH` letters, the later ones indented.

    A line does not begin with what Markdown takes for the mark of a list, a heading, a quotation or a table.

    Parameters
    ----------
    text : str
        One line.
    indent : str
        Of the later lines.

    Returns
    -------
    str
    """
    bound = _MARK.sub("\0", text)
    lines = textwrap.wrap(
        bound, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip
    return "\n".join(lines).replace("\0", " ")


def table(content: Table) -> str:
    """Write a table as Markdown: text to the left, numbers to the right.

    Parameters
    ----------
    content : Table
        What to write.

    Returns
    -------
    str
    """
    header = [name.replace("*", "\\*") for name in content.header]
    lines = [header, ["---:" if number else "---" for number in content.numeric]]
    lines += [[_cell(cell) for cell in row] for row in content.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    text = re.sub(r"[|*]|<(?=[A-Za-z/!?])|&(?=#?\w+;)", r"\\\g<0>", cell.text)
    return (f"**{text}**" if cell.best else text) + cell.marks
