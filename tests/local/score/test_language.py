"""Whether the encoder's language matters: what is compared with what."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from local.score import collect
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three languages; the make-believe skill falls from mono over trans and cross to the rest."""
    root = tmp_path_factory.mktemp("made") / "toy"
    World(
        root,
        corpora=[Corpus("eins", "de"), Corpus("one", "en"), Corpus("jeden", "pl")],
        encoders=[
            Encoder("german", languages=["de"]), Encoder("english", languages=["en"]),
            Encoder("polish", languages=["pl"]), Encoder("pooled", languages=["de", "en", "pl"]), Encoder("plain"),
        ],
    ).write()  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        collect.main([])
    return root


def test_every_question_is_asked_of_all_corpora_and_of_each(made: Path) -> None:
    rows = read_csv(made / "exp/language.csv")
    assert {(row["question"], row["test"]) for row in rows} == {
        (question, test) for question in ("own", "train", "test") for test in ("*", "eins", "one", "jeden")
    }
    assert {(row["stage"], row["method"]) for row in rows} == {("probe", "linear")}
    assert {row["n"] for row in where(rows, test="*")} == {"480"}
    assert {row["speakers"] for row in where(rows, test="*")} == {"24"}


def test_accuracies_are_means_over_the_conditions_that_they_name(made: Path) -> None:
    headlines = where(read_csv(made / "exp/results.csv"), fold="all", layer="dev")
    ua = {(row["encoder"], row["train"], row["test"]): float(row["ua"]) for row in headlines}
    home = {"eins": "german", "one": "english", "jeden": "polish"}
    others = list(itertools.permutations(home, 3))
    expected = {
        "own": [(ua[home[c], c, c], ua[e, c, c]) for c in home for e in home.values() if e != home[c]],
        "train": [(ua[home[a], a, b], ua[home[c], a, b]) for a, b, c in others],
        "test": [(ua[home[b], a, b], ua[home[c], a, b]) for a, b, c in others],
    }
    for row in where(read_csv(made / "exp/language.csv"), test="*"):
        a, b = np.mean(expected[row["question"]], axis=0)
        assert (float(row["ua_a"]), float(row["ua_b"])) == (pytest.approx(a, abs=2e-6), pytest.approx(b, abs=2e-6))
        assert float(row["lo"]) <= float(row["diff"]) <= float(row["hi"])
        assert float(row["p"]) <= float(row["p_holm"]) <= 1


def test_without_encoders_of_one_language_there_is_nothing_to_ask(tmp_path: Path, monkeypatch) -> None:
    World(tmp_path, [Corpus("eins", "de")], [Encoder("german", languages=["de"]), Encoder("plain")]).write()
    monkeypatch.chdir(tmp_path)
    collect.main([])
    assert (tmp_path / "exp/language.csv").read_text().count("\n") == 1
