"""The blocks of exp/report/index.html: lines, tables and figures as HTML.

Tables are put together here and not in the template, since the many cells of a large recipe take a template engine
seconds.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from local.report import markdown
from local.report.figures.drawing import Figure
from local.report.tables.cells import MARKS, Cell, Table

_PLAIN = re.compile(r"[-+]?\d+(\.\d+)?(?![\d,.])")  # what a browser reads as the number that it is
_SIZE = re.compile(rb'width="([\d.]+)pt" height="([\d.]+)pt"')
_LONG = 40  # letters that are broken into lines


def blocks(content: Iterable[str | Table | Figure], commands: Mapping[str, str], folder: Path) -> str:
    """Write blocks in their order; lines that follow each other are a list.

    Parameters
    ----------
    content : iterable of str, Table or Figure
        Of a section.
    commands : mapping of str to str
        By what tables are ``made_by``.
    folder : Path
        Holds the drawn figures.

    Returns
    -------
    str
    """
    made, lines = [], []
    for block in content:
        if isinstance(block, str):
            lines.append(block)
            continue
        made.append(_list(lines))
        lines = []
        made.append(table(block, commands) if isinstance(block, Table) else figure(block, folder))
    return "\n".join(filter(None, [*made, _list(lines)]))


def _list(lines: Sequence[str]) -> str:
    items = "\n".join(f"<li>{markdown.inline(line)}</li>" for line in lines)
    return f'<ul class="block">\n{items}\n</ul>' if lines else ""


def figure(content: Figure, folder: Path) -> str:
    """Write a figure, with its drawing inside: text can be as large as in the page, and nothing else is asked for."""
    data = (folder / f"{content.name}.svg").read_bytes()
    width, height = (round(float(points) * 4 / 3) for points in _SIZE.search(data).groups())
    picture = (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(content.title)}">'
        f'<img src="data:image/svg+xml;base64,{base64.b64encode(data).decode()}" alt="{escape(content.title)}" '
        f'width="{width}" height="{height}" loading="lazy" decoding="async"></div>'
    )
    caption = (
        f"<figcaption><strong>{escape(content.title)}.</strong> {markdown.inline(content.caption)} "
        f"<code>{content.name}.svg</code>, <code>{content.name}.pdf</code></figcaption>"
    )
    if content.detail:
        picture = f"<details><summary>{escape(content.title)}</summary>\n{picture}\n</details>"
    return f'<figure class="block" id="figure-{content.name}">\n{picture}\n{caption}\n</figure>'


def table(content: Table, commands: Mapping[str, str]) -> str:
    """Write a table with all that its reader must know."""
    numeric = content.numeric
    head = "".join(
        f'<th scope="col"{" class=n" if number else ""}>{escape(name)}</th>'
        for name, number in zip(content.header, numeric, strict=True)
    )
    rows = "\n".join(
        f"<tr>{''.join(_cell(cell, number) for cell, number in zip(row, numeric, strict=True))}</tr>"
        for row in content.rows
    )
    marks = " ".join(f"{mark} {MARKS[mark]}." for mark in content.marks)
    return (
        f'<div class="block" id="table-{content.key}">\n<h3>{escape(content.title)}</h3>\n'
        f'<p class="caption">{markdown.inline(content.caption)}</p>\n'
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(content.title)}"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n"
        + (f'<p class="caption">{marks}</p>\n' if marks else "")
        + f'<p class="command">Made by <code>{escape(commands[content.made_by])}</code></p>\n</div>'
    )


def _cell(cell: Cell, number: bool) -> str:
    text, names = cell.text, "n" if number else ""
    if cell.best:
        names += " best"
    if len(text) > _LONG:
        names += " long"
    value = "" if cell.value is None or _PLAIN.match(text) else f' data-value="{cell.value:.6g}"'
    score, space, interval = escape(text, quote=False).partition(" [")
    interval = f" <small>[{interval}</small>" if space else ""
    marks = f"<sup>{cell.marks}</sup>" if cell.marks else ""
    styled = f' class="{names.strip()}"' if names else ""
    return f"<td{styled}{value}>{score}{interval}{marks}{_player(cell)}</td>"


def _player(cell: Cell) -> str:
    """Play a cell's audio, which is in the page as figures are."""
    if not cell.audio:
        return ""
    data = f"data:audio/mpeg;base64,{base64.b64encode(cell.audio).decode()}"
    return f'<br><audio controls preload="none" aria-label="{escape(cell.text)}" src="{data}"></audio>'
