"""Probes of encoders side by side: every combination of layers, chosen by dev, from the dumps of the parts alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from local.features import work
from local.probe import features
from local.probe.conditions import STAGE
from local.results import corpus as reader
from tests.local.probe import tree
from utils.errors import UserError


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[tree.Corpus, tree.Corpus]:
    """A recipe with two encoders: of ``enc`` layer 1 of 3 tells, of ``two`` layer 0 of 2."""
    monkeypatch.chdir(tmp_path)
    second = tree.write_corpus(
        tmp_path, "aa", encoder="two", separation=(1.2, 0.0), dim=3, seed=1, pretrained_on=["bb"],
        encoder_languages=["en"],
    )  # fmt: skip
    return tree.write_corpus(tmp_path, "aa", pretrained_on=["aa"], separation=(0.0, 0.3, 0.05)), second


def exclude(encoder: str, utt: str) -> None:
    Path("dump", encoder, "aa/excluded.tsv").write_text(f"item\treason\n{utt}\tshort\n")


def test_it_reads_as_the_parts_laid_side_by_side(both: tuple[tree.Corpus, tree.Corpus]) -> None:
    first, second = both
    corpus = reader.read("aa", "enc+two", "speaker", tree.EMOTIONS)
    fused = features.read(corpus, "enc+two")
    assert fused.shape == (120, 6, 9)
    rows = np.array([5, 3, 100])
    written = [first.utts.index(corpus.utts[row]) for row in rows]
    for layer in range(6):
        want = np.hstack([first.features[written, layer // 2], second.features[written, layer % 2]])
        np.testing.assert_array_equal(fused[rows, layer], want)
    assert not Path("dump/enc+two").exists()


def test_a_part_may_lack_an_utterance(both: tuple[tree.Corpus, tree.Corpus]) -> None:
    utts = both[0].utts
    exclude("enc", utts[3])
    exclude("two", utts[7])
    corpus = reader.read("aa", "enc+two", "speaker", tree.EMOTIONS)
    assert corpus.excluded == 2 and not {utts[3], utts[7]} & set(corpus.utts)
    assert features.read(corpus, "enc+two").shape[0] == 118
    assert reader.left_out("aa", "enc+two") == {utts[3], utts[7]} and reader.left_out("aa", "two") == {utts[7]}


def scores(name: str) -> list[dict[str, str]]:
    with open(f"exp/probe/{name}/scores.csv") as file:
        return list(csv.DictReader(file))


def test_dev_chooses_a_layer_of_each_and_both_together_are_better(both: tuple[tree.Corpus, tree.Corpus]) -> None:
    tree.run("aa", encoders=["enc", "two", "enc+two"], heads=["linear"])
    alone = {name: scores(f"{name}.linear.aa-aa") for name in ("enc", "two", "enc+two")}
    chosen = {name: {int(row["layer"]) for row in rows if row["selected"] == "1"} for name, rows in alone.items()}
    assert chosen == {"enc": {1}, "two": {0}, "enc+two": {2}}  # 1 * 2 + 0
    mean = {name: np.mean([float(row["ua"]) for row in rows if row["selected"] == "1"]) for name, rows in alone.items()}
    assert mean["enc+two"] > max(mean["enc"], mean["two"]) + 0.02
    assert {int(row["layer"]) for row in alone["enc+two"]} == set(range(6))
    meta = json.loads(Path("exp/probe/enc+two.linear.aa-aa/meta.json").read_text())
    assert meta["encoder_languages"] == ["en", "de"] or meta["encoder_languages"] == ["de", "en"]
    assert meta["contaminated"] == ["aa"] and meta["factors"]["encoder"] == "enc+two"


def test_it_is_stale_when_a_part_is(both: tuple[tree.Corpus, tree.Corpus]) -> None:
    config = tree.experiment(["aa"], ["enc+two"], heads=["linear"])
    tree.make(config)
    (group,) = STAGE.groups(config)

    def stale() -> bool:
        from local.grid import plan

        return bool(plan.work(STAGE, group).conditions)

    assert not stale()
    for path, text in (("dump/enc/aa/.done", '{"a": 1}'), ("dump/two/aa/.done", '{"b": 1}')):
        old = Path(path).read_text()
        Path(path).write_text(text)
        assert stale()
        Path(path).write_text(old)
        assert not stale()
    exclude("two", both[0].utts[0])
    assert stale()


def test_stage_2_makes_the_parts_once(both: tuple[tree.Corpus, tree.Corpus]) -> None:
    config = tree.experiment(["aa"], ["enc", "enc+two", "two+logmel"])
    assert [one.encoder.name for one in work.all_work(config)] == ["enc", "two", "logmel"]
    assert [one.encoder.name for one in work.all_work(config, "two")] == ["two"]
    with pytest.raises(UserError, match=r"--encoder enc\+two: not of this experiment; its encoders: enc, two, logmel"):
        work.all_work(config, "enc+two")


def test_what_parts_have_heard_is_read_from_what_made_their_features(both: tuple[tree.Corpus, tree.Corpus]) -> None:
    assert features.read_info("aa", "enc") == {
        "languages": ["de"], "pretrained_on": ["aa"], "finetuned_on": [], "unlisted": False,
    }  # fmt: skip
    info = {"languages": ["en", "de"], "pretrained_on": ["bb"], "finetuned_on": ["aa"], "unlisted": True}
    Path("dump/two/aa/info.json").write_text(json.dumps(info))
    assert features.read_info("aa", "enc+two") == {
        "languages": ["de", "en"], "pretrained_on": ["aa", "bb"], "finetuned_on": ["aa"], "unlisted": True,
    }  # fmt: skip
    tree.run("aa", encoders=["enc+two"], heads=["linear"])
    assert json.loads(Path("exp/probe/enc+two.linear.aa-aa/meta.json").read_text())["contaminated"] == ["aa:labels"]
    Path("dump/two/aa/info.json").write_text("{}")
    with pytest.raises(UserError, match=r"dump/two/aa/info.json: cannot be read .'languages'"):
        features.read_info("aa", "enc+two")
