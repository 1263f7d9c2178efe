"""The page in headless Chromium, as wide as a desktop's and a phone's window: sorted, searched, and nothing cut off."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from local.report import contents
from local.report.tables.cells import Cell, Table
from tests.local.report.test_make import build
from tests.local.score.synthetic import Corpus, Encoder, small_world

WIDTHS = {"desktop": 1280, "phone": 390}
BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (BROWSER and DRIVER),
        reason="no chromium and chromedriver on PATH (tests/packages.txt): the page was seen by no browser",
    ),
]

SORTED = {  # what columns hold, from the least to the most
    "score": [
        "-3.0 [-5.0, -1.0]",
        "-0.5 [-2.0, 1.0]†",
        "9.9 [8.0, 12.0]",
        "10.0 [9.0, 11.0]†‡",
        "71.3 [–: 2 speakers]",
    ],
    "p": ["< 0.001", "0.001", "0.050", "1.000", "–"],
    "parameters": ["97", "3,076", "1,234,567", "1,300,000", "–"],
    "df": ["4.0", "5.5", "12.0", "∞", "–"],
    "name": ["alpha", "Beta", "gamma2", "gamma10", "zeta"],
}
VALUES = {"< 0.001": 0.0004, "3,076": 3076, "1,234,567": 1234567, "1,300,000": 1300000, "∞": 1e9}


def crafted() -> Table:
    """A table of every kind of column, in no order."""
    columns = []
    for number, texts in enumerate(SORTED.values()):
        cells = [Cell(*_marked(text), value=VALUES.get(text)) for text in texts]
        random.Random(number).shuffle(cells)
        columns.append(cells)
    return Table("crafted", "Crafted", "Every kind of column.", list(SORTED), [*map(list, zip(*columns, strict=True))])


def _marked(text: str) -> tuple[str, str]:
    marks = text[len(text.rstrip("†‡")) :]
    return text.removesuffix(marks) if marks else text, marks


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a page with all kinds of sections, and the crafted table."""
    world = small_world(
        tmp_path_factory.mktemp("made") / "toy",
        corpora=[Corpus("uno", "it"), Corpus("a_corpus_with_quite_a_name", "de", synthetic=True)],
        encoders=[Encoder("big", 3, 0.85, ["it"], ["uno"]), Encoder("flat", 1, 0.6, init="random")],
        heads=["linear", "mlp"],
    )
    (world.root / "results_intro.md").write_text("| a | b |\n|---|---|\n| " + "wide " * 60 + " | x |\n")
    section = contents.Section("Crafted", lambda inputs: [crafted()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "SECTIONS", (*contents.SECTIONS, section))
        build(world, patch, draw=("encoders", "matrix_big", "confusion_big"))
    return (world.root / "exp/report/index.html").as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    """A browser that logs what it says and asks for."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(params=WIDTHS)
def opened(chromium, page: str, request: pytest.FixtureRequest):
    """The page, freshly loaded in a window of each width."""
    size = {"width": WIDTHS[request.param], "height": 800, "deviceScaleFactor": 1, "mobile": request.param == "phone"}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for kind in ("browser", "performance"):
        chromium.get_log(kind)  # forget what was before
    chromium.get(page)
    assert chromium.execute_script("return innerWidth") == WIDTHS[request.param]
    return chromium


def until(true: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for something to become so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def column(driver, key: str, name: str) -> list[str]:
    """Read the cells of a column that are shown."""
    return driver.execute_script(
        """const table = document.querySelector(`#table-${arguments[0]} table`);
        const at = [...table.tHead.rows[0].cells].findIndex((head) => head.textContent === arguments[1]);
        const rows = [...table.tBodies[0].rows].filter((row) => row.checkVisibility());
        return rows.map((row) => row.cells[at].textContent);
        """,
        key, name,
    )  # fmt: skip


def test_nothing_is_complained_of_and_nothing_asked_of_others(opened) -> None:
    opened.execute_script("for (const details of document.querySelectorAll('details')) details.open = true")
    lazy = """const left = [...document.images].find((image) => !image.complete || !image.naturalWidth);
        left?.scrollIntoView(); return !left;"""
    until(lambda: opened.execute_script(lazy))
    assert [entry for entry in opened.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert opened.current_url in asked
    assert {urlsplit(url).scheme for url in asked} <= {"file", "data"}
    assert [url for url in asked if url.startswith("file") and url != opened.current_url] == []


CUT_OFF = """
for (const details of document.querySelectorAll("details")) details.open = true;
for (const block of document.querySelectorAll(".block")) block.style.contentVisibility = "visible";
const wide = document.documentElement.clientWidth;
const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
const reached = (element) => {
  for (let up = element.parentElement; up; up = up.parentElement)
    if (scrolls(up) && up.scrollWidth > up.clientWidth && up.getBoundingClientRect().right <= wide + 0.5) return true;
  return false;
};
const cut = [...document.body.querySelectorAll("*")].filter((element) => {
  const box = element.getBoundingClientRect();
  const clips = getComputedStyle(element).overflowX === "hidden" || element.matches(".block");
  const hidden = clips && element.scrollWidth > element.clientWidth;
  return box.width && ((box.right > wide + 0.5 || box.left < -0.5) && !reached(element) || hidden);
});
return [document.documentElement.scrollWidth - wide, cut.map((element) => element.outerHTML.slice(0, 200))];
"""


def test_nothing_is_cut_off_without_a_scroll_bar(opened) -> None:
    assert opened.execute_script(CUT_OFF) == [0, []]
    scrolled = opened.execute_script(
        "return [...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).length"
    )
    assert scrolled > 0
    # The check sees what it is to see.
    opened.execute_script(
        """const box = document.querySelector(".scroll");
        box.style.overflow = "visible"; box.firstElementChild.style.width = "5000px";"""
    )
    over, cut = opened.execute_script(CUT_OFF)
    assert over > 0 and cut


@pytest.mark.parametrize("name", SORTED)
def test_a_click_sorts_and_another_one_turns_it_round(opened, name: str) -> None:
    before = column(opened, "crafted", name)
    assert sorted(before) == sorted(SORTED[name]) and before != SORTED[name]
    head = f"#table-crafted th:nth-child({list(SORTED).index(name) + 1})"
    for expected, said in ((SORTED[name], "ascending"), (SORTED[name][::-1], "descending")):
        opened.execute_script("document.querySelector(arguments[0]).click()", f"{head} button")
        # What is not known is last both ways.
        known = [text for text in expected if text != "–"]
        assert column(opened, "crafted", name) == known + ["–"] * (len(expected) - len(known))
        assert opened.execute_script("return document.querySelector(arguments[0]).ariaSort", head) == said
    assert opened.execute_script("return document.querySelectorAll('#table-crafted [aria-sort]').length") == 1


def test_keys_sort_too(opened) -> None:
    from selenium.webdriver.common.keys import Keys

    button = opened.find_element("css selector", "#table-crafted th:nth-child(1) button")
    button.send_keys(Keys.ENTER)
    assert column(opened, "crafted", "score") == SORTED["score"]
    button.send_keys(Keys.SPACE)
    assert column(opened, "crafted", "score") == SORTED["score"][::-1]


def test_rows_stay_whole_when_they_are_sorted(opened) -> None:
    rows = "return [...document.querySelectorAll('#table-all tbody tr')].map((row) => row.textContent)"
    before = opened.execute_script(rows)
    opened.execute_script("document.querySelector('#table-all th.n button').click()")
    after = opened.execute_script(rows)
    assert before != after and sorted(before) == sorted(after)


def test_search_keeps_the_rows_that_hold_all_words(opened) -> None:
    field = opened.find_element("id", "query")
    texts = "return [...document.querySelectorAll('main tbody tr')].map((row) => [row.textContent, row.hidden])"
    rows = [text.lower() for text, _ in opened.execute_script(texts)]
    expected = sum("big" in row and "mlp" in row for row in rows)
    assert 0 < expected < len(rows)
    field.send_keys("MLP big")
    until(lambda: opened.find_element("id", "count").text.startswith(f"{expected} rows in "))
    shown = [text.lower() for text, hidden in opened.execute_script(texts) if not hidden]
    assert shown and all("big" in text and "mlp" in text for text in shown)
    # Sections and tables of nothing are gone, and so is the crafted one.
    empty = "#crafted, #table-crafted, #table-data"
    assert not any(element.is_displayed() for element in opened.find_elements("css selector", empty))
    assert opened.find_element("id", "table-all").is_displayed()
    assert opened.execute_script(CUT_OFF) == [0, []]
    field.clear()
    field.send_keys("nowhere to be found")
    until(lambda: opened.find_element("id", "count").text == "no row holds that")
    assert not opened.find_element("id", "table-all").is_displayed()
    field.clear()
    field.send_keys(" ")
    until(lambda: opened.find_element("id", "count").text == "")
    assert not any(hidden for _, hidden in opened.execute_script(texts))
    assert opened.find_element("id", "crafted").is_displayed()


def test_the_contents_lead_everywhere(opened) -> None:
    links = opened.execute_script("return [...document.querySelectorAll('nav a')].map((link) => link.hash)")
    assert len(links) > 15 and len(links) == len(set(links))
    assert all(opened.find_elements("id", link[1:]) for link in links)
    titles = opened.execute_script("return [...document.querySelectorAll('main h2, main h3')].length")
    assert titles > 10
    opened.execute_script("document.querySelector(\"nav a[href='#crafted']\").click()")
    # Below the bar that stays on top.
    top, bar = opened.execute_script(
        "return ['#crafted h2', '#search'].map((name) => document.querySelector(name).getBoundingClientRect())"
    )
    assert bar["bottom"] <= top["top"] + 1 < 800 or opened.execute_script(
        "return scrollY + innerHeight >= document.documentElement.scrollHeight - 1"
    )


def test_it_is_read_without_scripts(opened) -> None:
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.refresh()
        assert not opened.find_element("id", "search").is_displayed()
        assert opened.find_elements("css selector", "th button") == []
        for name in ("table-headline", "table-all", "table-crafted", "limits"):
            assert opened.find_element("id", name).is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
