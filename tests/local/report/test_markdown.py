"""Markdown in and out."""

from __future__ import annotations

from local.report.markdown import WIDTH, inline, table, to_html, wrapped
from local.report.tables.cells import Cell, Table


def test_an_introduction_becomes_html() -> None:
    text = """# Our study
One *paragraph*
over two lines, with a [link](https://example.org/?a=1&b=2) and `x < y`.

- first
  goes on
- second

| a | b |
|---|--:|
| 1 | **2** |

```
# no heading

<tag>
```
1. one
2. two
"""
    made = to_html(text)
    assert "<h2>Our study</h2>" in made
    assert '<a href="https://example.org/?a=1&amp;b=2">link</a> and <code>x &lt; y</code>.</p>' in made
    assert "<ul>\n<li>first\ngoes on</li>\n<li>second</li>\n</ul>" in made
    assert "<th>a</th>" in made and "<strong>2</strong></td>" in made
    assert "<pre><code># no heading\n\n&lt;tag&gt;\n</code></pre>" in made
    assert "<ol>\n<li>one</li>\n<li>two</li>\n</ol>" in made


def test_html_in_it_is_text_and_scripts_are_no_addresses() -> None:
    assert to_html("<script>x</script>") == "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"
    assert to_html("a <b onclick='x'>b</b>") == "<p>a &lt;b onclick='x'&gt;b&lt;/b&gt;</p>\n"
    assert inline('corpus "a" <b> & c') == "corpus &quot;a&quot; &lt;b&gt; &amp; c"
    for address in ("javascript:alert(1)", "JavaScript:alert(1)", "vbscript:x", "file:///etc", "data:text/html,x"):
        assert "<a" not in inline(f"[x]({address})")
    assert "<img" not in inline("![x](https://example.org/x.png)")


def test_stars_that_are_no_emphasis_stay() -> None:
    assert inline("2 * 3 * 4") == "2 * 3 * 4"


def test_a_table_becomes_markdown() -> None:
    rows = [
        [Cell("a|b"), Cell("71.3 [60.0, 80.0]", "†", best=True), Cell("–")],
        [Cell("c"), Cell("-3.0 [-5.0, 1.0]"), Cell("4")],
    ]
    content = Table("k", "T", "caption", ["name", "UA", "n"], rows)
    assert table(content) == (
        "| name | UA | n |\n| --- | ---: | ---: |\n| a\\|b | **71.3 [60.0, 80.0]**† | – |\n| c | -3.0 [-5.0, 1.0] | 4 |"
    )
    assert content.marks == "†"


def test_cells_hold_no_html_of_their_own() -> None:
    cells = [Cell("< 0.001"), Cell("<b>x</b>"), Cell("R & D"), Cell("&lt;")]
    made = table(Table("k", "T", "", ["a", "b", "c", "d"], [cells])).splitlines()[-1]
    assert made == "| < 0.001 | \\<b>x\\</b> | R & D | \\&lt; |"
    assert "&lt;b&gt;x&lt;/b&gt;" in to_html(f"| a | b | c | d |\n|---|---|---|---|\n{made}")


def test_columns_of_numbers_are_told_from_words() -> None:
    columns = {"71.3 [60.0, 80.0]": True, "-1": True, "< 0.001": True, "12 to 15": True, "–": False, "yes": False}
    for text, numeric in columns.items():
        assert Table("k", "T", "", ["h"], [[Cell(text)], [Cell("–")]]).numeric == [numeric]


def test_lines_are_broken_where_markdown_takes_no_word_for_a_mark() -> None:
    text = "- " + " ".join(f"word{n} + - 3. # > | a" for n in range(40))
    lines = wrapped(text, "  ").splitlines()
    assert len(lines) > 5 and all(len(line) <= WIDTH for line in lines)
    assert all(line.startswith("  ") for line in lines[1:]) and " ".join(line.strip() for line in lines) == text
    assert (
        to_html("\n".join(lines)) == to_html(" ".join(line.strip() for line in lines)).replace("", "")
        or to_html("\n".join(lines)).split() == to_html(text).split()
    )
