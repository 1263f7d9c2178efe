"""Systems without ears stand in the results like any, and the report says what was not shown to exceed them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.local.report.test_make import Page, build
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where

LEVEL = 1 - 0.95  # as the report works it out
CORPORA = [Corpus("uno", "it", 8, 12), Corpus("due", "it", 8, 12)]
# One that is clearly better than a shortcut, and one that is not.
SKILLS = {"clear": 0.9, "deaf_ish": 0.45, "duration": 0.45, "text": 0.3}
ENCODERS = [Encoder(name, 3 if name == "clear" else 1, skill) for name, skill in SKILLS.items()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page, Path]:
    world = World(tmp_path_factory.mktemp("made") / "toy", CORPORA, ENCODERS, heads=["linear", "logreg"]).write()
    path = world.root / "conf/encoders.yaml"
    registry = yaml.safe_load(path.read_text())
    # Those without ears are the repository's own.
    path.write_text(yaml.safe_dump({name: registry[name] for name in ("clear", "deaf_ish")}))
    with pytest.MonkeyPatch.context() as patch:
        return *build(world, patch), world.root


def test_each_is_tested_against_those_that_hear_in_a_family_of_its_own(made: tuple[str, Page, Path]) -> None:
    rows = read_csv(made[2] / "exp/significance.csv")
    for head in ("linear", "logreg"):
        own = where(rows, family=f"shortcuts {head}")
        # 4 pairs of corpora, 2 encoders that hear, 2 that do not.
        assert len(own) == 16 and {row["family_size"] for row in own} == {"16"}
        assert {tuple(sorted(row[side].split(",")[0].split(".")[0] for side in "ab")) for row in own} == {
            ("clear", "duration"), ("clear", "text"), ("deaf_ish", "duration"), ("deaf_ish", "text")
        }  # fmt: skip
        heard = where(rows, family=f"encoders {head}")
        assert len(heard) == 4 and not any("duration" in row["a"] + row["b"] for row in heard)
    assert {row["family"] for row in rows if row["test"] == "*" and "duration" in row["a"] + row["b"]} >= {
        "shortcut means within", "shortcut means across"
    }  # fmt: skip
    assert not any("duration" in row["a"] + row["b"] for row in rows if row["family"].startswith("means"))


def test_the_count_is_that_of_the_tests(made: tuple[str, Page, Path]) -> None:
    _, page, root = made
    rows = read_csv(root / "exp/significance.csv")

    def below(encoder: str, head: str, shortcut: str) -> set[tuple[str, str]]:
        found = set()
        for row in where(rows, family=f"shortcuts {head}"):
            a, b = (row[side].split(".")[0] for side in "ab")
            if {a, b} == {encoder, shortcut}:
                ahead = float(row["diff"]) * (1 if a == encoder else -1)
                if not (ahead > 0 and float(row["q"]) < LEVEL):
                    found.add((row["train"], row["test"]))
        return found

    table = {(line[0], line[1]): line[2:] for line in page.tables["shortcuts"][1:]}
    assert set(table) == {(encoder, head) for encoder in ("clear", "deaf_ish") for head in ("linear", "logreg")}
    for (encoder, head), cells in table.items():
        both = [below(encoder, head, shortcut) for shortcut in ("duration", "text")]
        assert cells[:4] == ["4", *(str(len(own)) for own in (*both, both[0] | both[1]))]
        assert cells[4].count(" to ") == len(both[0] | both[1])
    assert table["clear", "linear"][3] == "0" and int(table["deaf_ish", "linear"][1]) >= 3
    sentence, *each = (line for line in page.prose if line.startswith(("Without ears", "clear in", "deaf_ish in")))
    head = "logreg" if "logistic regression" in sentence or "logreg" in sentence else "linear"
    assert each[0] == "clear in 0 of 4."
    assert each[1].startswith(f"deaf_ish in {table['deaf_ish', head][3]} of 4 (duration alone in")
    assert "family of 16" in sentence
    # One system exceeds it everywhere.
    assert not any("comes close to the voice" in line or "Shortcuts:" in line for line in page.prose)


def test_a_corpus_on_which_a_shortcut_does_it_all_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [Encoder("deaf_ish", 1, 0.45), Encoder("duration", 1, 0.45)]
    world = World(tmp_path, CORPORA[:1], both, heads=["linear"]).write()
    path = world.root / "conf/encoders.yaml"
    path.write_text(yaml.safe_dump({"deaf_ish": yaml.safe_load(path.read_text())["deaf_ish"]}))
    text, page = build(world, monkeypatch)
    assert "**Shortcuts**: On uno, `duration` reaches what the voice was shown to reach." in " ".join(text.split())
    said = [line for line in page.prose if "comes close to the voice" in line]
    assert len(said) == 1 and said[0].startswith("On uno (it), duration alone")
    for row in where(read_csv(world.root / "exp/results.csv"), layer="dev", fold="all"):
        assert f"{100 * float(row['ua']):.1f} [" in said[0]
    assert "1 system was not shown to exceed it" in said[0]


def test_few_speakers_make_no_shortcut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four speakers no p is small; what is far behind still does not reach the voice."""
    both = [Encoder("clear", 1, 0.9), Encoder("duration", 1, 0.3)]
    world = World(tmp_path, [Corpus("uno", "it", 4, 12)], both, heads=["linear"]).write()
    path = world.root / "conf/encoders.yaml"
    path.write_text(yaml.safe_dump({"clear": yaml.safe_load(path.read_text())["clear"]}))
    text, page = build(world, monkeypatch)
    assert page.tables["shortcuts"][1][3] == "1"  # not shown
    assert "**Shortcuts**" not in text and not any("comes close to the voice" in line for line in page.prose)


def test_without_any_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = build(World(tmp_path, CORPORA[:1], [Encoder("plain"), Encoder("big")]).write(), monkeypatch)
    assert "without ears" not in text and "Without ears" not in text
