"""Few utterances of the test corpus: which they are, that no others are looked at, and what they teach."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from local.grid.factors import show
from local.probe import draws, features, fewshot, run
from local.probe.conditions import STAGE
from local.probe.group import train
from local.results import corpus as reader
from tests.local.probe import tree
from tests.local.probe.written import arrays, column, everything, meta, scores
from utils.errors import UserError

TELLING = [0.0, 0.5]


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def few(*corpora: str, shots: list[int], **settings) -> None:
    """Make conditions with some numbers of shots."""
    tree.run(*corpora, heads=["logreg"], vary={"shots": shots}, **{"draws": 3, "pairs": ["all"], **settings})


def read(name: str) -> reader.Corpus:
    return reader.read(name, "enc", "speaker", tree.EMOTIONS)


def ua(condition: str) -> float:
    return float(np.mean([float(row["ua"]) for row in scores(condition) if row["selected"] == "1"]))


class TestDraws:
    """Which utterances are known."""

    def test_are_balanced_nested_of_the_train_list_and_others_in_every_draw_and_fold(self, recipe: Path) -> None:
        tree.write_corpus(recipe, "aa", n=360)
        corpus = read("aa")
        sizes = (5, 10, 25, 50, 100)
        by_size = {k: draws.drawn(corpus, tree.EMOTIONS, k, 6) for k in sizes}
        for fold, lists in enumerate(corpus.folds):
            speakers = {corpus.persons[row] for row in lists["test"]}
            for draw in range(6):
                for k in sizes:
                    rows = by_size[k][fold][draw]
                    counts = np.bincount(corpus.labels[rows], minlength=4)
                    assert len(set(rows.tolist())) == k and counts.max() - counts.min() <= 1
                    assert set(rows.tolist()) <= set(lists["train"].tolist())
                    assert not speakers.intersection(corpus.persons[row] for row in rows)
                    assert (by_size[100][fold][draw][:k] == rows).all()
        first = [tuple(rows.tolist()) for fold in by_size[5] for rows in fold]
        assert len(set(first)) == 6 * 3
        twice = {int(np.bincount(corpus.labels[rows], minlength=4).argmax()) for fold in by_size[5] for rows in fold}
        assert len(twice) > 1

    def test_do_not_depend_on_names_nor_on_what_the_encoder_cannot_take(self, recipe: Path) -> None:
        def digests(name: str, known: dict[str, str]) -> list[list[str]]:
            corpus = read(name)
            return [[known[corpus.utts[row]] for row in rows] for rows in draws.drawn(corpus, tree.EMOTIONS, 20, 2)[0]]

        made = []
        for name in ("aa", "zz"):
            utts = tree.write_corpus(recipe, name, n=240).utts
            # The same recordings under other names.
            known = {utt: f"{i:08d}" for i, utt in enumerate(utts)}
            (recipe / "data" / name / "utt2digest").write_text("".join(f"{u} {d}\n" for u, d in sorted(known.items())))
            made.append(digests(name, known))
        assert made[0] == made[1]
        gone = made[0][0][0]
        utt = next(utt for utt, digest in known.items() if digest == gone)
        (recipe / "dump/enc/zz/excluded.tsv").write_text(f"item\treason\n{utt}\tshort\n")
        left = digests("zz", known)
        assert all(gone not in own for own in left)
        # One comes in for the one that is gone; the others stay.
        assert len(set(made[0][0]) - set(left[0])) == 1

    def test_more_than_a_train_list_holds_are_not_asked(self, recipe: Path) -> None:
        tree.write_corpus(recipe, "aa", n=120)
        tree.write_corpus(recipe, "bb", n=240)
        # Of 120, a fold of three trains on 40, ten of each emotion.
        assert (draws.most("aa", "speaker", tree.EMOTIONS), draws.most("bb", "speaker", tree.EMOTIONS)) == (40, 80)
        assert draws.most("cc", "speaker", tree.EMOTIONS) is None
        config = tree.experiment(["aa", "bb"], pairs=["all"], heads=["logreg", "linear"], vary={"shots": [0, 40, 41]})
        conditions = STAGE.conditions(config)
        asked = Counter((show(one.train), one.test, one.method, one.factors["shots"]) for one in conditions)
        few_asked = {key[:2] + key[3:] for key in asked if key[3]}
        pairs = [("aa", "bb"), ("bb", "bb"), ("bb", "aa"), ("aa", "aa")]
        assert few_asked == {(*pair, 40) for pair in pairs} | {(*pair, 41) for pair in pairs[:2]}
        assert not [key for key in asked if key[2] == "linear" and key[3]] and max(asked.values()) == 1

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"heads": ["linear"]}, "few utterances train the head logreg alone; name it in probe.heads"),
            ({"cross_dev": "target"}, "nothing but the shots may be known of the test corpus"),
            ({"shots": 3}, "3 are fewer than 4 emotions"),
        ],
    )
    def test_what_makes_no_sense_is_an_error(self, recipe: Path, settings: dict, message: str) -> None:
        tree.write_corpus(recipe, "aa")
        with pytest.raises(UserError, match=message):
            STAGE.conditions(tree.experiment(["aa"], **{"heads": ["logreg"], "shots": 10, **settings}))

    def test_what_the_encoder_leaves_too_few_of_is_an_error(self, recipe: Path) -> None:
        utts = tree.write_corpus(recipe, "aa").utts
        excluded = "".join(f"{utt}\tshort\n" for utt in utts[6:9])
        (recipe / "dump/enc/aa/excluded.tsv").write_text(f"item\treason\n{excluded}")
        message = "40 cannot be drawn from the train list of fold 0 of aa: it holds 9 of 'neutral'"
        with pytest.raises(UserError, match=message):
            few("aa", shots=[40], pairs=["within"])


class TestBeside:
    """Source and shots."""

    def test_start_from_the_heads_of_the_source_and_its_layers(self, recipe: Path) -> None:
        tree.write_corpus(recipe, "aa", separation=[0.0, 1.5, 0.4])
        tree.write_corpus(recipe, "bb", separation=[0.0, 1.5, 0.4], shift=0.5)
        few("aa", "bb", shots=[0, 10], pairs=["aa:bb"], shots_grid=[1e-9])
        plain, shots = "enc.logreg.aa-bb", "enc.logreg.aa-bb.shots=10"
        # Utterances that may not pull leave the source's heads as they are, in every draw.
        assert (arrays(shots)["pred"] == arrays(plain)["pred"]).all() and arrays(shots)["pred"].shape[0] == 3
        for name in ("dev_ua", "dev_loss", "selected", "n_dev"):
            at = {(row["fold"], row["layer"]): row[name] for row in scores(plain)}
            assert all(row[name] == at[row["fold"], row["layer"]] for row in scores(shots))
        assert {row["n_train"] for row in scores(shots)} == {"50"}

    @pytest.mark.parametrize("rule", ["dev", "nested"])
    def test_no_label_but_those_of_the_shots_counts(self, recipe: Path, rule: str, monkeypatch) -> None:
        for name in ("aa", "bb"):
            tree.write_corpus(recipe, name, separation=TELLING)
        known = draws.drawn(read("bb"), tree.EMOTIONS, 10, 3)
        # Which are drawn is how an experiment is made, and held; what is learnt must know no more.
        monkeypatch.setattr(run.draws, "drawn", lambda *_: known)
        few("aa", "bb", shots=[10], pairs=["aa:bb", "bb:bb"], select=rule)
        names = [path.name for path in sorted(recipe.glob("exp/probe/*.shots=10"))]
        before = {name: arrays(name)["pred"] for name in names}
        chosen = {name: (column(name, "layer"), column(name, "selected"), column(name, "pull")) for name in names}
        corpus = read("bb")
        safe = {corpus.utts[row] for fold in known for rows in fold for row in rows}
        tree.permute_labels(recipe, "bb", set(corpus.utts) - safe)
        shutil.rmtree(recipe / "exp")
        fewshot._taught.clear()
        few("aa", "bb", shots=[10], pairs=["aa:bb", "bb:bb"], select=rule)
        assert len(names) == 2
        for name in names:
            assert (arrays(name)["pred"] == before[name]).all()
            assert chosen[name] == (column(name, "layer"), column(name, "selected"), column(name, "pull"))
        # The labels of the shots do count.
        tree.permute_labels(recipe, "bb", safe)
        few("aa", "bb", shots=[10], pairs=["aa:bb"], select=rule)
        assert (arrays(names[0])["pred"] != before[names[0]]).any()

    def test_names_of_corpora_change_nothing(self, recipe: Path) -> None:
        for name in ("aa", "bb"):
            tree.write_corpus(recipe, name, separation=TELLING)
        few("aa", "bb", shots=[10], pairs=["aa:bb", "bb:bb"])
        before = {pair: arrays(f"enc.logreg.{pair}.shots=10")["pred"] for pair in ("aa-bb", "bb-bb")}
        for folder in ("data", "dump/enc"):
            for old, new in (("aa", "yy"), ("bb", "xx")):
                (recipe / folder / old).rename(recipe / folder / new)
        for path in recipe.glob("dump/enc/*/feats.scp"):
            path.write_text(path.read_text().replace("enc/aa/", "enc/yy/").replace("enc/bb/", "enc/xx/"))
        few("yy", "xx", shots=[10], pairs=["yy:xx", "xx:xx"])
        for pair, other in (("aa-bb", "yy-xx"), ("bb-bb", "xx-xx")):
            assert (arrays(f"enc.logreg.{other}.shots=10")["pred"] == before[pair]).all()

    def test_the_source_is_taught_once_for_all_sizes_and_test_corpora(
        self, recipe: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taught = []
        monkeypatch.setattr(run, "train", lambda group, *rest: taught.append(group.name) or train(group, *rest))
        for name in ("aa", "bb", "cc"):
            tree.write_corpus(recipe, name, separation=TELLING)
        few("aa", "bb", "cc", shots=[5, 10, 20], pairs=["aa:bb", "aa:cc", "bb+cc:aa"])
        assert taught == ["enc.logreg.aa", "enc.logreg.bb+cc"]
        assert meta("enc.logreg.aa-bb.shots=5")["words"]["shots"] == "5 shots"

    def test_more_shots_teach_more(self, recipe: Path) -> None:
        for name in ("aa", "bb"):
            tree.write_corpus(recipe, name, n=720, separation=[0.5], dim=20, shift=float(name == "bb"))
        # The test corpus has its classes elsewhere.
        path = recipe / "data/bb/utt2emo"
        turned = dict(zip(tree.EMOTIONS, tree.EMOTIONS[1:] + tree.EMOTIONS[:1], strict=True))
        lines = (line.split() for line in path.read_text().splitlines())
        path.write_text("".join(f"{utt} {turned[emotion]}\n" for utt, emotion in lines))
        few("aa", "bb", shots=[0, 8, 40, 200], pairs=["aa:bb", "bb:bb"])
        beside = [ua(f"enc.logreg.aa-bb{part}") for part in ("", ".shots=8", ".shots=40", ".shots=200")]
        alone = [ua(f"enc.logreg.bb-bb.shots={k}") for k in (8, 40, 200)]
        assert beside == sorted(beside) and beside[0] < 0.25 < 0.7 < beside[-1]
        assert alone == sorted(alone)
        # A source with other classes is in the way, where few utterances speak against it.
        assert beside[1] < alone[0]


class TestAlone:
    """Shots without a source."""

    def test_are_all_that_heads_and_scales_are_made_of(self, recipe: Path) -> None:
        tree.write_corpus(recipe, "aa", separation=[0.8])
        few("aa", shots=[20], pairs=["within"], shots_grid=[3.0])
        corpus, table = read("aa"), features.read(read("aa"), "enc")[:, 0]
        pred = arrays("enc.logreg.aa-aa.shots=20")
        for fold, by_draw in enumerate(draws.drawn(corpus, tree.EMOTIONS, 20, 3)):
            for draw, rows in enumerate(by_draw):
                mean, sd = table[rows].mean(0), table[rows].std(0)
                x, test = ((table[own] - mean) / sd for own in (rows, corpus.folds[fold]["test"]))
                x, test = (np.column_stack([part, np.full(len(part), np.sqrt(6))]) for part in (x, test))
                model = LogisticRegression(C=3.0 / 6, fit_intercept=False, max_iter=1000).fit(x, corpus.labels[rows])
                assert (model.predict(test) == pred["pred"][draw, 0, pred["fold"] == fold]).mean() > 0.97

    def test_choose_layer_and_strength_by_what_is_left_out(self, recipe: Path) -> None:
        tree.write_corpus(recipe, "aa", n=360, separation=[0.0, 0.2, 1.5, 0.1])
        few("aa", shots=[5, 40], pairs=["within"])
        chosen = Counter(row["layer"] for row in scores("enc.logreg.aa-aa.shots=40") if row["selected"] == "1")
        assert chosen == {"2": 9}
        # Of five, nothing can be left out: the middle layer and strength, by no label at all.
        five = scores("enc.logreg.aa-aa.shots=5")
        assert {row["layer"] for row in five if row["selected"] == "1"} == {"1"}
        assert {row["pull"] for row in five} == {"10"} and {row["n_dev"] for row in five} == {"0"}
        made = meta("enc.logreg.aa-aa.shots=40")
        assert made["resolved"] == {"select": "shots"}
        assert made["words"]["select"] == "by cross-validation within the shots"

    def test_per_corpus_the_whole_train_list_scales_without_labels(self, recipe: Path) -> None:
        tree.write_corpus(recipe, "aa", separation=[0.8])
        config = tree.experiment(["aa"], heads=["logreg"], pairs=["within"], shots=20, draws=1, normalise="per-corpus")
        corpus = read("aa")
        heads = fewshot.alone(
            STAGE.groups(config)[0], (corpus, features.read(corpus, "enc")), draws.drawn(corpus, tree.EMOTIONS, 20, 1)
        )
        rows = corpus.folds[0]["train"]
        own = dataclasses.replace(corpus, folds=[{"train": rows, "scale": rows, "dev": rows, "test": rows}])
        scaled = heads.trained[0].features[0].of(own, features.read(corpus, "enc"), "test")
        assert torch.allclose(torch.from_numpy(scaled).mean(1), torch.zeros(3, 6), atol=1e-5)
        assert torch.allclose(torch.from_numpy(scaled).std(1, correction=0), torch.ones(3, 6), atol=1e-5)


def test_made_again_every_byte_is_the_same(recipe: Path) -> None:
    for name in ("aa", "bb"):
        tree.write_corpus(recipe, name, separation=TELLING)
    made = []
    for _ in range(2):
        few("aa", "bb", shots=[10], pairs=["aa:bb", "bb:bb"])
        made.append([everything(f"enc.logreg.{pair}.shots=10") for pair in ("aa-bb", "bb-bb")])
        shutil.rmtree(recipe / "exp")
        fewshot._taught.clear()
    assert made[0] == made[1]
