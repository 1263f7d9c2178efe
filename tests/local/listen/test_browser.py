"""Whole sessions of the listening test in headless Chromium, against the real server."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.local.listen.conftest import Server, command
from tests.local.listen.walk import BROWSER, DRIVER, MISSING, WAVE, Listener, chromium
from utils.registry import REPO

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not (BROWSER and DRIVER), reason=MISSING)]
GOLDEN = Path(__file__).parent / "golden_answers.csv"
AXE = REPO / "local/listen/page/node_modules/axe-core/axe.min.js"
HOSTILE = {
    "native_language": '=SUM(A1) "ü" 你好', "gender": "@x\\",
    "other_languages": '&+%="<script>document.title=1</script>',
}  # fmt: skip
# All that comes before the segment task, as the page would send it.
SAVE_CHOICES = """
const [done] = arguments;
const send = (key, data) => fetch(`${location.pathname}/save`, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ key, data }) });
(async () => {
  const state = await (await fetch(`${location.pathname}/state`)).json();
  await send("q", Object.fromEntries(state.questions.map((name) => [name, ""])));
  await send("h", { right: 1, of: 1 });
  for (const trial of state.plan.filter((own) => own.task === "choice"))
    await send(trial.key, { answer: "sad", plays: 1, rt_ms: 500 });
  done();
})();
"""
# Which answers: by place among the choices, in turn.
PLACES = [0, 1, 2, 3, 1, 0]


@pytest.fixture(scope="module")
def driver() -> Iterator:
    """A browser."""
    own = chromium()
    yield own
    own.quit()


@pytest.fixture(scope="module")
def server(serve, world: Path) -> Server:
    """The server of the module."""
    return serve(world)


@pytest.fixture(scope="module")
def violations() -> dict[str, list[str]]:
    """What axe-core found on each screen."""
    return {}


@pytest.fixture(scope="module")
def pictures() -> Path | None:
    """Where pictures of all screens go, if anybody wants them."""
    folder = os.environ.get("XSER_TEST_PICTURES")
    return Path(folder) if folder else None


def emotions(driver) -> list[str]:
    """Read what can be answered."""
    values = "return [...document.querySelectorAll('#page input[type=radio]')].map((own) => own.value)"
    return driver.execute_script(values)


def asked(driver) -> list[str]:
    """All addresses that were asked for since the last look."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def serious(driver) -> list[str]:
    """What axe-core finds that matters."""
    driver.execute_script(AXE.read_text("utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run(document).then((found) => done(found.violations))"
    )
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


def walk(one: Listener, look: Callable = lambda: None, stop: int | None = None) -> list[tuple]:
    """Go on to the end, or through so many clips; give note, answer and marked part in seconds of each clip."""
    given = []
    while True:
        one.wait(lambda: one.driver.execute_script("return document.querySelector('#page button, #foot') !== null"))
        look()
        if not one.driver.execute_script("return document.querySelector('#page button') !== null"):
            return given
        if not one.driver.execute_script("return document.querySelector('#page button.play') !== null"):
            one.leave()
            continue
        if stop is not None and len(given) == stop:
            return given
        place = PLACES[len(given) % len(PLACES)]
        note, known = one.say, emotions(one.driver)
        one.play()
        one.choose(known[place % len(known)])
        part = None
        if one.driver.execute_script("return document.querySelector('.wave') !== null"):
            width = one.driver.execute_script(WAVE)["width"]
            start, end = round(width * 0.25), round(width * 0.5)
            one.drag(start, end)
            found = one.marked()
            assert abs(found["left"] - start) <= 1 and abs(found["right"] - end) <= 1
            part = (start / width * found["length"], end / width * found["length"])
        look()
        given.append((note, known[place % len(known)], part))
        one.leave()


@pytest.mark.parametrize("listener, size, language", [("de01", "desktop", "en"), ("zh01", "phone", "de")])
def test_a_whole_session(driver, server, world, pictures, violations, listener: str, size: str, language: str) -> None:
    asked(driver)
    driver.get_log("browser")
    one = Listener(driver, server.links[listener], size, pictures)
    checked: set[str] = set()
    complaints: list[dict] = []

    def look() -> None:
        one.picture("screen")
        complaints.extend(driver.get_log("browser"))
        state = one.heading + str(one.driver.execute_script("return document.querySelectorAll(':disabled').length"))
        if AXE.is_file() and state not in checked:
            checked.add(state)
            violations[f"{size} {language} {state}"] = serious(driver)
            driver.get_log("browser")  # what axe-core itself tries is not ours
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth"), "cut off"

    look()
    one.agree(language)
    assert one.driver.execute_script("return document.documentElement.lang") == language
    look()
    one.tell(**HOSTILE, age="25-34")
    one.tones(1)
    given = walk(one, look)
    assert one.heading in ("Thank you", "Vielen Dank")
    assert driver.title != "1"
    look()
    assert [entry for entry in complaints if entry["level"] in ("SEVERE", "WARNING")] == []
    host = urlsplit(server.links[listener]).netloc
    assert {urlsplit(url).netloc for url in asked(driver) if not url.startswith(("data:", "blob:"))} == {host}
    assert command(world, "local.listen.collect").returncode == 0
    rows = [row for row in read(world / "exp/listen/answers.csv") if row["listener"] == listener]
    # Neither practice nor checks of attention are among the answers; the rest is what was pressed.
    counted = [(answer, part) for note, answer, part in given if not note]
    assert [row["answer"] for row in rows] == [answer for answer, _ in counted]
    for row, (_, part) in zip(rows, counted, strict=True):
        assert (row["start"] != "") == (part is not None) == (row["task"] == "segment")
        if part:
            pixel = 0.8 / (636 if size == "desktop" else 354)
            assert float(row["start"]) == pytest.approx(part[0], abs=pixel)
            assert float(row["end"]) == pytest.approx(part[1], abs=pixel)
        assert row["plays"] == "1" and 200 < float(row["rt_ms"]) < 20000
    person = next(row for row in read(world / "exp/listen/listeners.csv") if row["listener"] == listener)
    assert person["native_language"] == "'" + HOSTILE["native_language"]
    assert person["other_languages"] == HOSTILE["other_languages"] and person["gender"] == "'" + HOSTILE["gender"]


def test_nothing_keeps_anybody_out(violations: dict[str, list[str]]) -> None:
    """On all screens of the sessions above, axe-core finds nothing serious."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci in local/listen/page): nothing was checked for accessibility")
    assert len(violations) > 15
    assert not any(violations.values()), {screen: found for screen, found in violations.items() if found}


def test_the_table_is_the_golden_one(world: Path) -> None:
    """After the sessions above: all but times and consent's digest, which say when and by which words."""
    rows = read(world / "exp/listen/answers.csv")
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["time"])
        row |= {"rt_ms": "0", "time": "", "consent": row["consent"].rpartition(".")[0]}
        row |= {name: f"{float(row[name]):.2f}" for name in ("start", "end") if row[name]}
    if os.environ.get("XSER_TEST_GOLDEN"):
        with open(GOLDEN, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    assert rows == read(GOLDEN)


def test_reload_and_restart_go_on_where_it_was(driver, serve, server: Server, world: Path) -> None:
    one = Listener(driver, server.links["de02"])
    one.agree()
    one.tell(native_language="Deutsch")
    one.tones(1)
    given = walk(one, stop=3)
    # Twice the same press is one answer.
    one.play()
    one.choose(emotions(driver)[0])
    driver.execute_script("document.querySelector('h1').dataset.old = 1")
    driver.execute_script("const next = document.querySelector('button.main'); next.click(); next.click();")
    one.wait(lambda: driver.execute_script("return !document.querySelector('h1').dataset.old"))
    driver.refresh()
    one.wait(lambda: one.heading)
    given.append(("", "", None))
    given += walk(one, stop=2)
    lines = (world / "exp/listen/sessions/de02.jsonl").read_text("utf-8").splitlines()
    keys = [event["key"] for event in map(json.loads, lines) if event["event"] == "save"]
    assert len(keys) == len(set(keys)) == 2 + len(given)
    plan = json.loads(lines[0])["plan"]
    assert keys == ["q", "h", *[trial["key"] for trial in plan[: len(given)]]]
    # In another browser the link is spent.
    one = Listener(driver, server.links["de02"])
    assert one.heading == "This link has been used"


def test_a_part_is_moved_by_keys_and_withdrawing_removes_everything(driver, server: Server, world: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    one = Listener(driver, server.links["zh02"])
    one.agree()
    driver.execute_async_script(SAVE_CHOICES)
    driver.refresh()
    one.wait(lambda: one.heading)
    one.leave()
    one.wait(lambda: driver.execute_script("return document.querySelector('.wave') !== null"))
    one.play()
    start, end = driver.find_elements("css selector", ".slider input")
    for slider, keys in ((start, Keys.ARROW_RIGHT * 5), (end, Keys.ARROW_LEFT * 10)):
        driver.execute_script("arguments[0].focus()", slider)
        ActionChains(driver).send_keys(keys).perform()
    found = one.marked()
    assert (found["start"], found["end"]) == (pytest.approx(0.05), pytest.approx(0.7))
    assert found["left"] == pytest.approx(found["width"] * 0.05 / 0.8, abs=1)
    assert found["right"] == pytest.approx(found["width"] * 0.7 / 0.8, abs=1)
    assert start.get_attribute("aria-valuetext") == "0.05 s"
    path = world / "exp/listen/sessions/zh02.jsonl"
    assert len(path.read_text().splitlines()) > 5
    one.press("#foot button")
    one.press("#foot button")
    one.wait(lambda: one.heading == "Everything is removed")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["gone"]
    assert command(world, "local.listen.collect").returncode == 0
    assert "zh02" not in (world / "exp/listen/answers.csv").read_text()


def read(path: Path) -> list[dict[str, str]]:
    """Read a table's cells as they stand there."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
