"""Markdown in and out."""

from __future__ import annotations

from local.report.markdown import inline, table, to_html
from local.report.tables import Cell, Table


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
    assert to_html(text) == "\n".join(
        [
            "<h2>Our study</h2>",
            '<p>One <em>paragraph</em> over two lines, with a <a href="https://example.org/?a=1&amp;b=2">link</a> '
            "and <code>x &lt; y</code>.</p>",
            "<ul><li>first goes on</li><li>second</li></ul>",
            "<table><thead><tr><th>a</th><th>b</th></tr></thead>"
            "<tbody><tr><td>1</td><td><strong>2</strong></td></tr></tbody></table>",
            "<pre><code># no heading\n\n&lt;tag&gt;</code></pre>",
            "<ol><li>one</li><li>two</li></ol>",
        ]
    )


def test_html_in_it_is_text_and_scripts_are_no_addresses() -> None:
    assert to_html("<script>x</script>") == "<p>&lt;script&gt;x&lt;/script&gt;</p>"
    assert inline("[x](javascript:alert(1))").startswith('<a href="#">')


def test_stars_that_are_no_emphasis_stay() -> None:
    assert inline("2 * 3 * 4") == "2 * 3 * 4"


def test_a_table_becomes_markdown() -> None:
    rows = [
        [Cell("a|b"), Cell("71.3 [60.0, 80.0]", "†", best=True), Cell("–")],
        [Cell("c"), Cell("-3.0 [-5.0, 1.0]"), Cell("4")],
    ]
    content = Table("k", "T", "caption", ["name", "UA", "n"], rows)
    assert table(content, content.rows) == (
        "| name | UA | n |\n| --- | ---: | ---: |\n| a\\|b | **71.3 [60.0, 80.0]**† | – |\n| c | -3.0 [-5.0, 1.0] | 4 |"
    )
    assert content.marks == "†"


def test_columns_of_numbers_are_told_from_words() -> None:
    columns = {"71.3 [60.0, 80.0]": True, "-1": True, "< 0.001": True, "12 to 15": True, "–": False, "yes": False}
    for text, numeric in columns.items():
        assert Table("k", "T", "", ["h"], [[Cell(text)], [Cell("–")]]).numeric == [numeric]
