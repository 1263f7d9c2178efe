"""A study's claims beside what was found: each verdict where it belongs, and nothing judged that was not run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.local.report.page import markdown_table
from tests.local.report.test_make import build
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, small_world, where
from utils.errors import UserError

COMMON = {"place": "abstract", "published": "as is said", "a": "weak", "method": "linear", "group": "within"}


def claim(world: World, claims: dict, **study: object) -> None:
    """Name claims in the experiment; each is :data:`COMMON` but for what it says."""
    listed = {words: COMMON | own for words, own in claims.items()}
    (world.root / "conf/claims.yaml").write_text(yaml.safe_dump(listed, sort_keys=False))
    path = world.root / "conf/experiment.yaml"
    config = yaml.safe_load(path.read_text())
    config["study"] = {"claims": "conf/claims.yaml", **study}
    path.write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small_world(
        tmp_path_factory.mktemp("made") / "toy",
        corpora=[Corpus("uno", "it", speakers=12), Corpus("zwei", "de", speakers=12)],
        encoders=[Encoder("big", 3, 0.9), Encoder("twin", 3, 0.9), Encoder("weak", 3, 0.5)],
        score={"permutations": 5000},
    )


def verdicts(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """By claim and systems, the table's rows."""
    _, page = build(world, monkeypatch)
    header, *rows = page.tables["claims"]
    found = [dict(zip(header, row, strict=True)) for row in rows]
    return {f"{row['claim']} {row['systems']}": row for row in found}


def test_differences_are_judged_by_sign_and_test(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(made, {
        "behind": {"b": ["big", "twin"], "low": -100, "high": 0},
        "far": {"b": ["big"], "low": -99, "high": -90},
        "near": {"b": ["big"], "low": -2, "high": -1},
        "ahead": {"b": ["big"], "low": 5, "high": 100},
        "better": {"a": "big", "b": ["twin"], "low": 1, "high": 3},
        "single": {"b": ["big"], "group": "uno:zwei", "high": 0},
        "never": {"b": ["absent"]},
        "unused": {"b": ["big"], "method": "logreg"},
    })  # fmt: skip
    found = verdicts(made, monkeypatch)
    said = {name: row["verdict"] for name, row in found.items()}
    assert said == {
        "behind weak − big": "supported", "behind weak − twin": "supported", "far weak − big": "supported, but smaller",
        "near weak − big": "supported, and larger", "ahead weak − big": "contradicted",
        "better big − twin": "not shown", "single weak − big": "supported",
        "never weak − absent": "not testable here: absent not run",
        "unused weak − big": "not testable here: method 'logreg' not run",
    }  # fmt: skip
    rows = read_csv(made.root / "exp/significance.csv")
    (own,) = where(rows, train="*", setting="within", a="big.linear", b="weak.linear")
    row = found["behind weak − big"]
    diff, low, high = (-100 * float(own[key]) for key in ("diff", "hi", "lo"))
    assert row["ours"] == f"{diff:+.1f} [{low:+.1f}, {high:+.1f}]"
    assert (row["n"], row["speakers"]) == (own["n"], own["speakers"])
    assert row["detectable"] == f"{100 * float(own['detectable']):.1f}"
    assert found["never weak − absent"]["ours"] == "–"


def test_levels_are_judged_by_their_interval(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(made, {
        "high": {"a": "big", "low": 50, "high": 100}, "too high": {"low": 80, "high": 93},
        "narrow": {"a": "big", "low": 84.9, "high": 85}, "one": {"a": "big", "group": "uno:uno", "low": 50},
    })  # fmt: skip
    found = verdicts(made, monkeypatch)
    said = [row["verdict"] for row in found.values()]
    (own,) = where(read_csv(made.root / "exp/summary.csv"), system="big.linear", group="within", layer="dev")
    assert float(own["ua_lo"]) < 0.849 or float(own["ua_hi"]) > 0.85
    assert said[:2] == ["supported", "contradicted"] and said[3] == "supported"
    assert said[2] in ("not shown", "contradicted")
    assert (found["high big"]["n"], found["high big"]["speakers"]) == (own["n_test"], own["speakers"])


def test_last_place_is_counted_by_corpus(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(made, {
        "last": {"group": "each", "b": ["big", "twin"]}, "first": {"a": "big", "group": "each", "b": ["weak"]},
        "unknown": {"group": "each", "b": ["big", "absent"]},
    })  # fmt: skip
    found = [(row["ours"], row["verdict"]) for row in verdicts(made, monkeypatch).values()]
    assert found == [
        ("2 of 2 corpora, significantly 2", "supported"), ("0 of 2 corpora, significantly 0", "contradicted"),
        ("–", "not testable here: absent not run"),
    ]  # fmt: skip


def test_results_have_the_short_form(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(made, {"behind": {"b": ["big"], "low": -100, "high": 0}})
    text, _ = build(made, monkeypatch)
    after = text.split("## The study's claims")[1].split("\n## ")[0]
    header, row = markdown_table(after)
    assert header == ["claim", "published", "systems", "conditions", "ours", "verdict"]
    assert row[0] == "behind" and row[-1].strip("*") == "supported"


def test_what_cannot_be_tested_is_counted_in_the_short_form(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(made, {"behind": {"b": ["big"], "low": -100, "high": 0}, "unknown": {"a": "absent"}, "other": {"a": "none"}})
    text, page = build(made, monkeypatch)
    after = text.split("## The study's claims")[1].split("\n## ")[0]
    assert [row[0] for row in markdown_table(after)[1:]] == ["behind"]
    assert "Of 3 comparisons, 2 are not testable here; the page says of each why." in " ".join(after.split())
    assert len(page.rows("claims")) == 3
    claim(made, {"unknown": {"a": "absent"}})
    text, _ = build(made, monkeypatch)
    after = text.split("## The study's claims")[1].split("\n## ")[0]
    assert after.strip() == "Of 1 comparisons, 1 are not testable here; the page says of each why."


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"group": "beside"}, "group 'beside' is not one of within"),
        ({"group": "each"}, "group each compares; name encoders as b"),
        ({"place": ""}, "has no 'place'"),
        ({"plaice": "x"}, "unknown key 'plaice'.*place"),
    ],
)
def test_a_malformed_claim_is_named(made: World, monkeypatch: pytest.MonkeyPatch, own: dict, said: str) -> None:
    claim(made, {"right": {}, "wrong": own})
    with pytest.raises(UserError, match=said) as caught:
        build(made, monkeypatch)
    assert str(caught.value).startswith(str(Path("conf/claims.yaml: 'wrong'")))
