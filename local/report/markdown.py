"""Markdown out (tables) and in: a recipe's introduction becomes HTML.

Understood of Markdown, which is what such texts use: headings, paragraphs, lists, fenced code, pipe tables,
and in a line `` `code` ``, ``**bold**``, ``*emphasis*`` and ``[text](address)``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from local.report.tables.cells import Cell, Table

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|\*(?P<em>[^*\s](?:[^*]*[^*\s])?)\*|\[(?P<text>[^\]]+)\]\((?P<to>[^)\s]+)\)"
)


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
    parts, end = [], 0
    for match in _INLINE.finditer(text):
        parts.append(html.escape(text[end : match.start()]))
        end = match.end()
        if match["code"]:
            parts.append(f"<code>{html.escape(match['code'])}</code>")
        elif match["to"]:
            # Only addresses that a reader would follow; no script: and the like.
            safe = re.match(r"(https?:|mailto:|#|\.|/|\w[\w./-]*$)", match["to"])
            target = html.escape(match["to"], quote=True) if safe else "#"
            parts.append(f'<a href="{target}">{inline(match["text"])}</a>')
        else:
            tag = "strong" if match["strong"] else "em"
            parts.append(f"<{tag}>{inline(match[tag])}</{tag}>")
    return "".join(parts) + html.escape(text[end:])


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
    >>> to_html("# On it\n\nOne *line*\nand more.\n\n- a\n- b")
    '<h2>On it</h2>\n<p>One <em>line</em> and more.</p>\n<ul><li>a</li><li>b</li></ul>'
    """
    return "\n".join(_block(block) for block in _blocks(text))


def _blocks(text: str) -> list[list[str]]:
    """Cut into blocks of lines: fenced code, a heading, or what stands between empty lines."""
    blocks: list[list[str]] = [[]]
    fenced = False
    for line in text.splitlines():
        fence = line.startswith("```")
        heading = not fenced and re.match(r"#{1,5} ", line)
        if (fence and not fenced) or heading or (not fenced and not line.strip()):
            blocks.append([])
        if fenced or line.strip():
            blocks[-1].append(line)
        if heading or (fence and fenced):
            blocks.append([])
        fenced ^= fence
    return [block for block in blocks if block]


def _block(lines: list[str]) -> str:
    if lines[0].startswith("```"):
        code = "\n".join(line for line in lines[1:] if not line.startswith("```"))
        return f"<pre><code>{html.escape(code)}</code></pre>"
    heading = re.fullmatch(r"(#{1,5}) (.*)", lines[0])
    if heading:
        level = len(heading[1]) + 1
        return f"<h{level}>{inline(heading[2])}</h{level}>"
    if len(lines) > 1 and re.fullmatch(r"\|?[\s:|-]+\|?", lines[1]) and "|" in lines[0]:
        return _pipe_table([lines[0], *lines[2:]])
    for marker, tag in ((r"[-*] ", "ul"), (r"\d+\. ", "ol")):
        if re.match(marker, lines[0]):
            items = re.split(rf"^{marker}", "\n".join(lines), flags=re.MULTILINE)[1:]
            return f"<{tag}>{''.join(f'<li>{inline(chr(32).join(i.split()))}</li>' for i in items)}</{tag}>"
    return f"<p>{inline(' '.join(line.strip() for line in lines))}</p>"


def _pipe_table(lines: list[str]) -> str:
    head, *body = ([inline(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines)
    header = "".join(f"<th>{cell}</th>" for cell in head)
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in body)
    return f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"


def table(content: Table, rows: Sequence[Sequence[Cell]]) -> str:
    """Write rows of a table as Markdown: text to the left, numbers to the right.

    Parameters
    ----------
    content : Table
        Gives the header.
    rows : sequence of sequence of Cell
        All its rows, or some.

    Returns
    -------
    str
    """
    header = [name.replace("*", "\\*") for name in content.header]
    lines = [header, ["---:" if number else "---" for number in content.numeric]]
    lines += [[_cell(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    text = cell.text.replace("|", "\\|").replace("*", "\\*")
    return (f"**{text}**" if cell.best else text) + cell.marks
