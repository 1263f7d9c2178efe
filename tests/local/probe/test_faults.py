"""What is wrong with a recipe's folds and features is an error that names it; jobs share the work exactly once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.probe import plan, train
from tests.local.probe import tree
from tests.local.probe.tree import run
from utils.errors import UserError


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fails(message: str, *corpora: str, **probe: object) -> None:
    with pytest.raises(UserError, match=message):
        run(*corpora, **probe)
    assert not list(Path().glob("exp/probe/enc*"))


def test_an_emotion_without_training_utterances(recipe: Path) -> None:
    corpus = tree.write_corpus(recipe, "aa")
    rest = [utt for utt, emotion in zip(corpus.utts, corpus.emotions, strict=True) if emotion != "happy"]
    tree.write_list(recipe, "aa", 1, "train", [utt for utt in rest if corpus.utts.index(utt) % 3 == 0])
    fails("aa: fold 1 has no training utterance of 'happy'", "aa", select="dev")


def test_corpora_with_different_numbers_of_folds(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    tree.write_corpus(recipe, "bb", folds=4)
    fails("need the same number of folds: data/aa/folds/speaker has 3, data/bb/folds/speaker has 4", "aa", "bb")


def test_features_of_different_shapes(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    tree.write_corpus(recipe, "bb", dim=5)
    fails(r"dump/enc/bb/feats.scp: \(layers, dim\) is \(3, 5\), that of aa is \(3, 6\)", "aa", "bb", pairs=["aa:bb"])


def test_a_test_corpus_of_two_languages(recipe: Path) -> None:
    tree.write_corpus(recipe, "aa")
    path = recipe / "data/aa/utt2lang"
    path.write_text(path.read_text().replace(" de", " en", 1))
    fails("data/aa/utt2lang: has de and en", "aa")


def test_a_diverging_head(recipe: Path) -> None:
    corpus = tree.write_corpus(recipe, "aa")
    tree.write_features(recipe, "aa", "enc", corpus.utts, corpus.features * 1e30)
    fails("aa.normalise=none: fold 0: the dev loss is not finite; lower probe.lr", "aa", normalise="none", lr=1e30)


def test_several_jobs_do_the_whole_plan_once(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Also when a job starts after another has finished, and the list of what has work has shrunk."""
    for name in ("aa", "bb", "cc"):
        tree.write_corpus(recipe, name)
    tree.write_experiment(tree.experiment(["aa", "bb", "cc"]))

    def command(module, *options: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", [module.__name__, *options])
        module.main()
        return capsys.readouterr().out.splitlines()

    with pytest.raises(UserError, match="run python3 -m local.probe.plan first"):
        command(train, "--job", "1", "--nj", "2")
    assert command(plan)[-1] == "3"
    done = [line for job in ("1", "2") for line in command(train, "--job", job, "--nj", "2") if line.endswith("done")]
    assert len(done) == len(set(done)) == 9
    assert command(plan)[-1] == "0"
    assert command(train) == []
    with pytest.raises(UserError, match="--job 3 --nj 2"):
        command(train, "--job", "3", "--nj", "2")


def test_an_interrupted_condition_is_not_there(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write_corpus(recipe, "aa")
    monkeypatch.setattr("local.results.write._log", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("aa")
    assert list((recipe / "exp/probe").iterdir()) == []
    monkeypatch.undo()
    monkeypatch.chdir(recipe)
    run("aa")
    assert (recipe / "exp/probe/enc.linear.aa-aa/.done").is_file()
