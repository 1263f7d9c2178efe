"""Several partitions of a corpus: each is one, they differ, and what must be the same in all is."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import yaml

from local.experiment import Cap, Experiment, Split
from local.splits import make, repeat
from local.splits.data import Corpus, Fold
from local.splits.schemes import make_folds
from tests.local.splits.corpora import FOUR, corpus, data_dir, grid
from tests.local.splits.test_schemes import check_partition, speakers
from utils import stamp
from utils.errors import UserError
from utils.folds import read_folds


def by_partition(corpus_: Corpus, **split: object) -> list[list[Fold]]:
    settings = Split(**split)
    folds, _ = repeat.partitions(corpus_, settings)
    return [folds[start : start + settings.folds] for start in range(0, len(folds), settings.folds)]


@pytest.mark.parametrize("scheme", ["speaker", "random"])
def test_each_partition_is_one_the_first_is_that_of_a_single_one_and_others_differ(tmp_path: Path, scheme: str) -> None:
    corpus_ = corpus(grid(tmp_path / "c", 10))
    found = by_partition(corpus_, scheme=scheme, repeats=8)
    assert len(found) == 8
    for folds in found:
        check_partition(corpus_, folds)
        for fold in folds if scheme == "speaker" else ():
            train, dev, test = (speakers(corpus_, part) for part in fold.parts().values())
            assert not train & dev and not train & test and not dev & test
    assert found[0] == make_folds(corpus_, Split(scheme=scheme), "")[0]
    assert len({frozenset(fold.test for fold in folds) for folds in found}) >= (5 if scheme == "speaker" else 8)


def test_partitions_differ_where_balance_leaves_one_alone(tmp_path: Path) -> None:
    """Speakers of such different size that the most even partition is the same for every seed."""
    rows = [(f"c_{s}-{emotion}{n}", f"c_{s}", emotion) for s in range(8) for emotion in FOUR for n in range(2 + 3 * s)]
    corpus_ = corpus(data_dir(tmp_path / "c", rows))
    plain = [make_folds(corpus_, Split(folds=4, seed=seed), "")[0] for seed in range(6)]
    assert len({frozenset(fold.test for fold in folds) for folds in plain}) == 1
    assert len({frozenset(fold.test for fold in folds) for folds in by_partition(corpus_, folds=4, repeats=6)}) >= 4


def test_reserved_speakers_are_the_same_in_all(tmp_path: Path) -> None:
    corpus_ = corpus(grid(tmp_path / "c", 14))
    found = by_partition(corpus_, folds=3, reserve=2, repeats=5)
    reserved = {
        frozenset(corpus_.speakers) - speakers(corpus_, tuple(u for fold in folds for u in fold.dev + fold.test))
        for folds in found
    }
    assert len(reserved) == 1 and len(next(iter(reserved))) >= 4
    for folds in found:
        for fold in folds:
            assert next(iter(reserved)) < speakers(corpus_, fold.train)
            assert sorted(fold.train + fold.dev + fold.test) == sorted(corpus_.emotion)
    with pytest.raises(UserError, match="reserve and cap.train do not go together"):
        by_partition(corpus_, folds=3, reserve=2, repeats=2, cap=Cap(train=3))


def test_names_do_not_draw(tmp_path: Path) -> None:
    plain = corpus(grid(tmp_path / "c", 10))
    renamed = dataclasses.replace(plain, person={u: f"{9 - int(p[-2:])} {p}" for u, p in plain.person.items()})
    assert by_partition(plain, repeats=4) == by_partition(renamed, repeats=4)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    Path("conf").mkdir()
    Path("conf/experiment.yaml").write_text(yaml.safe_dump({"corpora": ["emodb"], "encoders": ["mini"]}))
    grid(Path("data/emodb"), 8)

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["repeat", "--set", "split.folds=4", *options])
        monkeypatch.setattr("local.splits.digests.ensure", lambda folder: None)  # there is no audio
        make.main()
        return capsys.readouterr().out

    folder = Path("data/emodb/folds/speaker")
    assert "4 folds: train 32" in run()
    single = (folder / stamp.NAME).read_text()
    assert "repeats" not in single  # as before there were any
    assert "3 x 4 folds: train" in run("--set", "split.repeats=3")
    assert len(read_folds(folder)) == 12
    assert "up to date" in run("--set", "split.repeats=3")
    monkeypatch.setattr(sys, "argv", ["make", "--set", "split.folds=4"])
    make.main()
    assert (folder / stamp.NAME).read_text() == single and len(read_folds(folder)) == 4
    with pytest.raises(UserError, match=r"split.repeats must be 1 or more, and 1 where split.scheme is published"):
        run("--set", "split.repeats=3", "--set", "vary={split: [speaker, published]}")


def test_what_does_not_go_with_several_partitions() -> None:
    for split in ({"repeats": 0}, {"repeats": 2, "scheme": "published"}):
        with pytest.raises(ValueError, match=r"split.repeats must be 1 or more, and 1 where split.scheme is published"):
            Split(**split)
    sed = dataclasses.replace(Experiment.defaults().sed, encoders=["mini"], corpora=["emodb"])
    with pytest.raises(ValueError, match=r"split.repeats must be 1 where sed.encoders are named"):
        Experiment(corpora=["emodb"], encoders=["mini"], split=Split(repeats=2), sed=sed)
