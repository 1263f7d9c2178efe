"""Inner folds choose, and share no speaker; what is chosen is trained again on train and dev, and tested once."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from local.experiment import Probe
from local.probe import plan, selection
from local.probe.conditions import STAGE
from local.probe.descent import Lesson, train, train_for, train_together
from local.probe.heads import HEADS, Linear, cross_entropy
from local.results import corpus as reader
from local.results import read
from local.results.corpus import Corpus
from local.score import collect
from tests.local.probe import tree
from tests.local.probe.test_heads import CLASSES, DIM, assert_same, data, module
from tests.local.probe.tree import permute_labels, run
from tests.local.probe.written import column, everything, meta, scores, selected
from utils import csv_file
from utils.errors import UserError


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_up(persons: list[str], labels: list[int], name: str = "aa") -> Corpus:
    """A corpus whose one fold trains on everything."""
    rows = np.arange(len(persons))
    utts = [f"{name}-{row:03d}" for row in rows]
    folds = [{"train": rows, "dev": rows, "test": rows[:0]}]
    return Corpus(name, ["de"], len(set(persons)) == 1, utts, np.array(labels), folds, persons, 0)


def parts(corpora: list[Corpus], number: int) -> tuple[set[str], set[str]]:
    """Who is trained on, and who chooses, in an inner fold."""
    train, dev = (
        {corpus.persons[row] for corpus in corpora for row in corpus.folds[number][part]} for part in ("train", "dev")
    )
    return train, dev


def test_inner_folds_share_no_speaker_and_choose_by_everybody_once() -> None:
    rng = np.random.default_rng(0)
    speakers = [f"s{number}" for number in rng.integers(0, 13, 400)]
    corpus = made_up(speakers, rng.integers(0, 4, 400).tolist())
    (found,), unit = selection.inner([corpus], 0)
    assert unit == "speakers" and len(found.folds) == 4
    assert sorted(np.concatenate([fold["dev"] for fold in found.folds])) == list(range(400))
    for number, fold in enumerate(found.folds):
        train, dev = parts([found], number)
        assert train and dev and not train & dev
        assert sorted([*fold["train"], *fold["dev"]]) == list(range(400))
        assert 70 <= len(fold["dev"]) <= 130  # as large as each other, as far as thirteen speakers allow


def test_a_speaker_of_two_corpora_is_one_person() -> None:
    corpora = [made_up([f"{name}{row % 5}" if row % 5 else "both" for row in range(60)], [0, 1, 2] * 20, name)
               for name in ("aa", "bb")]  # fmt: skip
    found, unit = selection.inner(corpora, 0)
    assert unit == "speakers"
    for number in range(len(found[0].folds)):
        train, dev = parts(found, number)
        assert not train & dev


def test_a_rare_emotion_is_in_every_inner_training() -> None:
    """Three of ten speakers are ever angry, one of them much more than the others."""
    angry = {"s2": 30, "s5": 4, "s7": 2}
    persons, labels = [], []
    for number in range(10):
        for label, count in ((0, angry.get(f"s{number}", 0)), (1, 20), (2, 15)):
            persons += [f"s{number}"] * count
            labels += [label] * count
    (found,), unit = selection.inner([made_up(persons, labels)], 0)
    assert unit == "speakers" and len(found.folds) == 3
    assert all((found.labels[fold[part]] == 0).any() for fold in found.folds for part in ("train", "dev"))


@pytest.mark.parametrize(
    ("persons", "labels"),
    [(["one"] * 60, [0, 1, 2, 3] * 15), ([f"s{row % 6}" for row in range(60)], [0] * 5 + [3] * 55)],
)
def test_where_no_speaker_can_be_left_out_utterances_are(persons: list[str], labels: list[int]) -> None:
    """One speaker; and an emotion that one speaker alone has."""
    if len(set(persons)) > 1:
        persons = ["s0" if label == 0 else who for who, label in zip(persons, labels, strict=True)]
    (found,), unit = selection.inner([made_up(persons, labels)], 0)
    assert unit == "utterances"
    for fold in found.folds:
        assert set(found.labels[fold["train"]]) == set(labels)
        assert abs(len(fold["dev"]) - 15) <= 1


def test_a_corpus_of_one_speaker_beside_others_is_marked_and_the_others_stay_whole() -> None:
    corpora = [made_up(["one"] * 40, [0, 1] * 20), made_up([f"s{row % 8}" for row in range(80)], [0, 1] * 40, "bb")]
    (alone, several), unit = selection.inner(corpora, 0)
    assert unit == "utterances"
    for number, fold in enumerate(alone.folds):
        assert len(fold["train"]) and len(fold["dev"])
        train, dev = parts([several], number)
        assert not train & dev


def test_names_of_speakers_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    speakers, labels = rng.integers(0, 9, 200), rng.integers(0, 4, 200).tolist()
    found = [selection.inner([made_up([f"{name}{-number}" for number in speakers], labels)], 0)[0][0].folds
             for name in ("x", "a")]  # fmt: skip
    other = dict(zip(range(9), rng.permutation(9), strict=True))
    found.append(selection.inner([made_up([f"s{other[number]}" for number in speakers], labels)], 0)[0][0].folds)
    for folds in found[1:]:
        assert all((a["dev"] == b["dev"]).all() for a, b in zip(found[0], folds, strict=True))


def test_auto_is_nested_where_speakers_are_few(recipe: Path) -> None:
    few, many = (tree.write_corpus(recipe, name, speakers=n) for name, n in (("aa", 57), ("bb", 60)))
    assert few and many
    run("aa", "bb", pairs=["all", "aa+bb:bb"], heads=["linear"], seeds=[0])
    made = {pair: meta(f"enc.linear.{pair}") for pair in ("aa-aa", "aa-bb", "bb-aa", "aa+bb-bb")}
    found = {pair: one["resolved"]["select"] for pair, one in made.items()}
    assert found == {"aa-aa": "nested", "aa-bb": "nested", "bb-aa": "dev", "aa+bb-bb": "dev"}
    assert {pair: one.get("inner") for pair, one in made.items()} == {
        "aa-aa": "speakers", "aa-bb": "speakers", "bb-aa": None, "aa+bb-bb": None,
    }  # fmt: skip
    config = yaml.safe_load(Path("exp/probe/enc.linear.aa-bb/config.yaml").read_text())
    assert (config["probe"]["select"], config["condition"]["select"]) == ("nested", "auto")
    assert made["aa-bb"]["words"]["select"] == selection.WORDS["nested"]


def test_one_speaker_is_said(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", speakers=1)
    run("aa", seeds=[0])
    assert meta("enc.linear.aa-aa")["inner"] == "utterances"


def test_nested_counts_what_is_trained_on(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", n=120, speakers=6)
    run("aa", seeds=[0, 1])
    rows = scores("enc.linear.aa-aa")
    assert {(row["n_train"], row["n_dev"], row["n_test"]) for row in rows} == {("80", "80", "40")}
    assert len(read.read(Path("exp/probe/enc.linear.aa-aa")).rows) == 3 * 2 * 3  # and its files fit together


@pytest.mark.parametrize("head", ["linear", "mlp", "logreg"])
@pytest.mark.parametrize("normalise", ["train", "per-corpus"])
def test_test_labels_and_test_features_decide_nothing(recipe: Path, head: str, normalise: str) -> None:
    corpus = tree.write_corpus(recipe, "aa", separation=[0.3, 0.4, 0.35, 0.3], speakers=6)
    chosen_by = ("layer", "epoch", "dev_loss", "dev_ua", "selected")
    name = f"enc.{head}.aa-aa" + ".normalise=per-corpus" * (normalise == "per-corpus")

    def fold_0() -> list[dict[str, str]]:
        run("aa", heads=[head], seeds=[0], normalise=normalise, logreg_grid=[0.1, 1.0])
        return scores(name)[:4]  # elsewhere its test utterances are trained on

    before = fold_0()
    permute_labels(recipe, "aa", set(corpus.utts[::3]))
    after = fold_0()
    assert [row["ua"] for row in after] != [row["ua"] for row in before]
    assert [[row[key] for key in chosen_by] for row in after] == [[row[key] for key in chosen_by] for row in before]
    features = corpus.features.copy()
    features[::3] = 0
    tree.write_features(recipe, "aa", "enc", corpus.utts, features)
    (recipe / "dump/enc/aa/.done").write_text("{'again': 1}")
    assert [[row[key] for key in chosen_by] for row in fold_0()] == [[row[key] for key in chosen_by] for row in before]


def test_dev_utterances_are_trained_on(recipe: Path) -> None:
    """An emotion that the train list alone does not tell from another: the dev list does."""
    corpus = tree.write_corpus(recipe, "aa", separation=[4.0], speakers=6)
    wrong = corpus.features.copy()
    angry = [place for place, (row, emotion) in enumerate(zip(range(120), corpus.emotions, strict=True))
             if emotion == "angry" and row % 3 == 2]  # fmt: skip
    wrong[angry] = np.random.default_rng(0).standard_normal(wrong[angry].shape)
    tree.write_features(recipe, "aa", "enc", corpus.utts, wrong)
    run("aa", heads=["logreg"], vary={"select": ["dev", "nested"]})
    # Fold 0 trains on residue 2.
    rows = [scores(f"enc.logreg.aa-aa.select={rule}")[0] for rule in ("dev", "nested")]
    dev, nested = (float(row["recall_angry"]) for row in rows)
    assert nested > dev + 0.3


def test_both_rules_stand_side_by_side_with_the_same_draws(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    run("aa", seeds=[0])
    run("aa", seeds=[0], vary={"probe.select": ["dev", "nested"]})
    auto, dev = (everything(f"enc.linear.aa-aa{more}") for more in ("", ".select=dev"))
    same = ("scores.csv", "hyp", "pred")
    assert {name: auto[name] for name in same} == {name: dev[name] for name in same}
    assert everything("enc.linear.aa-aa.select=nested")["pred"] != dev["pred"]


def test_the_chosen_layer_is_the_best_of_the_inner_folds(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", separation=[0.3] * 4, speakers=6)
    run("aa", seeds=[0, 1])
    dev_ua = np.reshape(column("enc.linear.aa-aa", "dev_ua"), (6, 4))
    marks = np.reshape([int(row["selected"]) for row in scores("enc.linear.aa-aa")], (6, 4))
    assert all(ua[mark.argmax()] == ua.max() and mark.sum() == 1 for ua, mark in zip(dev_ua, marks, strict=True))
    assert selected("enc.linear.aa-aa").keys() == {"0", "1", "2"}


def test_nested_and_dev_of_the_target_exclude_each_other(recipe: Path) -> None:
    for name in ("aa", "bb"):
        tree.write_corpus(recipe, name, speakers=6)
    settings = {"select": "nested", "cross_dev": "target"}
    with pytest.raises(UserError, match="probe.select: nested cannot choose by the test corpus"):
        STAGE.groups(tree.experiment(["aa", "bb"], **settings))
    assert len(STAGE.groups(tree.experiment(["aa", "bb"], pairs=["within"], **settings))) == 2
    run("aa", "bb", pairs=["aa:bb"], cross_dev="target")  # auto gives way, and says so
    assert meta("enc.linear.aa-bb.cross_dev=target")["resolved"] == {"select": "dev"}


def test_the_strength_of_the_penalty_is_chosen_and_said(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa", separation=[0.4, 0.4], speakers=6)
    chosen = {}
    for rule in (selection.DEV, selection.NESTED):
        for grid in ([0.01], [10.0], [10.0, 0.01]):
            run("aa", heads=["logreg"], select=rule, logreg_grid=grid)
            chosen[rule, len(grid), grid[0]] = scores(f"enc.logreg.aa-aa.select={rule}")
        weak, strong = chosen[rule, 1, 10.0], chosen[rule, 1, 0.01]
        for row, a, b in zip(chosen[rule, 2, 10.0], weak, strong, strict=True):
            # Of equal UA the lower loss.
            best = min((a, b), key=lambda one: (-float(one["dev_ua"]), float(one["dev_loss"])))
            assert {**row, "selected": ""} == {**best, "selected": ""}
        assert {row["logreg_c"] for row in chosen[rule, 2, 10.0]} <= {"10", "0.01"}
    with pytest.raises(ValueError, match="logreg_grid must be positive"):
        Probe(logreg_grid=[1.0, 0.0])


@pytest.mark.parametrize("head", HEADS)
def test_training_for_so_many_epochs_equals_torch(head: str) -> None:
    kind = HEADS[head](DIM, CLASSES)
    x, y, _, _ = data()
    settings, epochs = Probe(lr=1e-2, batch_size=16), [3, 1, 7, 7, 2]
    weights = train_for(kind, x, y, torch.tensor(epochs), settings, (11, 12))
    for layer, number in enumerate(epochs):
        model = trained(kind, x[layer], y, number, settings)[-1]
        assert_same(kind, dataclasses.replace(train(kind, x, y, x, y, settings, (1, 2)), weights=weights), layer, model)


def trained(kind, x, y, epochs: int, settings: Probe) -> list[nn.Sequential]:
    """A torch module after each epoch, trained alone."""
    model, models = module(kind, 11), []
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.lr, eps=1e-8, weight_decay=settings.weight_decay)
    generator = torch.Generator().manual_seed(12)
    for _ in range(epochs):
        for batch in torch.randperm(len(y), generator=generator).split(settings.batch_size):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
        models.append(module(kind, 11))
        models[-1].load_state_dict(model.state_dict())
    return models


def test_inner_folds_stop_by_the_loss_on_all_that_they_leave_out() -> None:
    kind, settings = Linear(DIM, CLASSES), Probe(lr=1e-2, epochs=25, patience=4, batch_size=16)
    x, y, dev_x, dev_y = data()
    lessons = [Lesson(x[:, 30:].contiguous(), y[30:], dev_x[:, :7], dev_y[:7])]
    lessons += [Lesson(x[:, :50].contiguous(), y[:50], dev_x[:, 7:], dev_y[7:])]
    found = train_together(kind, lessons, settings, [(11, 12)] * 2)
    for layer in range(len(x)):
        losses = torch.zeros(settings.epochs)
        for one in lessons:
            for epoch, model in enumerate(trained(kind, one.x[layer], one.y, settings.epochs, settings)):
                with torch.no_grad():
                    own = nn.functional.cross_entropy(model(one.dev_x[layer]), one.dev_y, reduction="sum")
                losses[epoch] += own / len(dev_y)
        best, epoch = float("inf"), 0
        for number, loss in enumerate(losses.tolist()):
            if number - epoch >= settings.patience:
                break
            best, epoch = (loss, number) if loss < best else (best, epoch)
        assert int(found.epoch[layer]) == epoch + 1
        assert float(found.dev_loss[layer]) == pytest.approx(best, abs=1e-5)
    assert len(set(found.epoch.tolist())) > 1
    whole = torch.cat([kind.logits(w, one.dev_x) for w, one in zip(found.weights, lessons, strict=True)], dim=2)
    torch.testing.assert_close(cross_entropy(whole, dev_y), found.dev_loss)


def test_merged_lists_count_as_trained_on(recipe: Path) -> None:
    """Speaker 1 of bb is speaker 2 of aa, who is in aa's dev list of the fold that tests them: now trained on."""
    for name in ("aa", "bb"):
        tree.write_corpus(recipe, name, speakers=6)
    persons = {f"bb_{number:02d}": f"bb_{number:02d}" for number in range(6)} | {"bb_01": "aa_02"}
    (recipe / "data/bb/spk2person").write_text("".join(f"{key} {value}\n" for key, value in persons.items()))
    run("aa", "bb", pairs=["aa:bb"], vary={"select": ["dev", "nested"]}, seeds=[0])
    seen = {rule: meta(f"enc.linear.aa-bb.select={rule}")["voices_seen"] for rule in (selection.DEV, selection.NESTED)}
    assert seen == {"dev": 0, "nested": 1}
    corpus = reader.read("aa", "enc", "speaker", tree.EMOTIONS)
    both = selection.merged(corpus)
    for fold, before in zip(both.folds, corpus.folds, strict=True):
        assert [*before["train"], *before["dev"]] == fold["train"].tolist() == fold["dev"].tolist()
        assert (fold["test"] == before["test"]).all()
    assert json.loads(Path("exp/probe/enc.linear.aa-bb.select=nested/meta.json").read_text())["inner"] == "speakers"


def test_folds_of_several_partitions_are_scored_as_such(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From fold lists to tables: every utterance is tested in each partition, and counts once."""
    corpus = tree.write_corpus(recipe, "aa", n=120, speakers=6, separation=[0.5, 0.6])
    for k in range(3):  # a second partition: the same folds under other numbers, trained with other draws
        for part, residue in (("test", k), ("dev", (k + 2) % 3), ("train", (k + 1) % 3)):
            tree.write_list(recipe, "aa", k + 3, part, corpus.utts[residue::3])
    config = tree.experiment(["aa"], seeds=[0, 1])
    config = dataclasses.replace(config, split=dataclasses.replace(config.split, repeats=2))
    tree.make(config)
    tree.write_experiment(config)
    monkeypatch.setattr(sys, "argv", ["plan"])
    plan.main()
    collect.main([])
    rows = [row for row in csv_file.read(Path("exp/results.csv")) if row["fold"] == "all" and row["layer"] == "dev"]
    found = read.read(Path("exp/probe/enc.linear.aa-aa"))
    assert len(found.utts) == 240 and len(scores("enc.linear.aa-aa")) == 6 * 2 * 2
    (row,) = rows
    right = found.hypotheses[:, -1] == found.reference
    ua = [
        [np.mean([own[(found.fold // 3 == part) & (found.reference == c)].mean() for c in range(4)]) for own in right]
        for part in range(2)
    ]
    assert float(row["ua"]) == pytest.approx(np.mean(ua), abs=1e-6)
    assert float(row["seed_sd"]) == pytest.approx(np.sqrt(np.var(ua, axis=1, ddof=1).mean()), abs=1e-6)
    between = np.var(np.mean(ua, axis=1), ddof=1)
    assert float(row["se"]) ** 2 == pytest.approx(float(row["speaker_se"]) ** 2 + between / 2, abs=1e-6)
    assert float(row["partition_sd"]) <= np.sqrt(between) + 1e-6
    assert row["n_test"] == "120"
