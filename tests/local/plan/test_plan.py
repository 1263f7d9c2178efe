"""What is planned against what is then made, and what a reader is told."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from local.experiment import Experiment
from local.plan import __main__ as command
from local.plan import comparisons, power, work
from local.score import collect
from local.sed import collect as sed_collect
from local.sed import conditions
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv
from tests.local.sed import recipe
from utils import config, stamp
from utils.folds import write_folds
from utils.power import smallest_p

UNEQUAL = [Corpus("uno", "it", 4), Corpus("zwei", "de", 7), Corpus("trois", "fr", 20)]
LANGUAGES = [Encoder("big", 3, 0.7, ["it"]), Encoder("like", 1, 0.7, ["de"]), Encoder("plain", 1, 0.6)]


def prepare(world: World) -> None:
    """Make of a make-believe recipe what stage 1 leaves."""
    for corpus in world.corpora:
        folder = world.root / "data" / corpus.name
        utterances = [utterance for utterance, _, _ in corpus.utterances]
        parts = [[u for u in utterances if int(u.rpartition("_s")[2][:2]) % 4 == k] for k in range(4)]
        lists = folder / "folds/speaker"
        write_folds(lists, [{"test": parts[k], "dev": parts[k - 1], "train": parts[k - 2]} for k in range(4)])
        for made in (folder, lists):
            stamp.write(made, {"config": {}, "code": {}, "inputs": {}})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    comparisons._languages.cache_clear()
    made = World(tmp_path / "toy", UNEQUAL, LANGUAGES, ["linear", "mlp"], {"permutations": 20000}).write()
    prepare(made)
    monkeypatch.chdir(made.root)
    return made


def settings(**own: object) -> Experiment:
    return config.load(Experiment, Path("conf/experiment.yaml"), [f"{name}={value}" for name, value in own.items()])


@pytest.mark.integration
def test_families_are_those_that_are_then_tested(world: World) -> None:
    planned = comparisons.planned(settings())
    collect.main([])
    rows = [*read_csv(Path("exp/significance.csv")), *read_csv(Path("exp/language.csv"))]
    made: dict[str, Counter] = {}
    for row in rows:
        made.setdefault(row["family"], Counter())[row["speakers"], row["p_smallest"]] += 1
    assert planned.keys() == made.keys() >= {"means within", "encoders linear", "language", "method, probe"}
    for family, members in planned.items():
        found: Counter = Counter()
        for basis in members:
            parts = power._parts(basis, 4.0, settings())
            speakers = sum(len(part.totals) for part in parts)
            found[str(speakers), f"{smallest_p(parts, 20000):.6g}"] += 1
        assert found == made[family]
        assert {row["family_size"] for row in rows if row["family"] == family} == {str(len(members))}


def test_families_of_diarization_are_those_that_are_then_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe.root(tmp_path))
    asked = recipe.experiment()
    entries = [
        recipe.write(one, recipe.made_up(one.test), 0.2, number)
        for number, one in enumerate(conditions.STAGE.conditions(asked))
    ]
    rows = sed_collect.compare(sed_collect.entries(entries, asked, "toy"), asked)
    planned = comparisons._diarized(asked)
    assert {family: len(members) for family, members in planned.items()} == Counter(row["family"] for row in rows)


def test_what_is_counted_is_what_the_test_lists_hold(world: World) -> None:
    found = comparisons.utterances(("zwei", "speaker"), ["angry", "happy", "neutral", "sad"])
    assert found.shape == (7, 4) and (found == 5).all()
    basis = comparisons.Basis(((("uno", "speaker"), 0.5), (("trois", "speaker"), 0.5)), 1)
    shifts = [part.blocks()[0] for part in power._parts(basis, 4.0, settings())]
    assert [len(own) for own in shifts] == [4, 20] and sum(map(np.sum, shifts)) == pytest.approx(1)


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    monkeypatch.setattr(sys, "argv", ["plan", *options])
    before = sorted(Path().rglob("*"))
    command.main()
    assert sorted(Path().rglob("*")) == before
    return capsys.readouterr().out


@pytest.mark.integration
def test_a_reader_is_told_where_nothing_can_be_shown(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(monkeypatch, capsys)
    assert re.search(r"uno +UA +4 +0\.12 +none, however large +\d", text)
    assert re.search(r"trois +UA +20 +5e-05 +\d+\.\d \(\d+\.\d to \d+\.\d\)", text)
    # 27 tests of a method's table: on seven speakers p can be 0.016, too much for 18 tests after those of trois.
    (family,) = re.findall(r"(    encoders linear .*\n(?: {10,}.*\n)*)", text)
    assert re.match(r" +encoders linear +27 ", family)
    assert re.search(r"uno +1 +none, however large", family)
    assert re.search(r"zwei +0\.28 +none, however large", family)
    assert re.search(r"trois +0\.0013 +\d+\.\d$", family, re.MULTILINE)
    assert "10 (7 to 15) points" in text
    alone = re.search(r"trois +UA +20 .*?(\d+\.\d)", text)
    wide = re.search(r"trois +UA +20 .*?(\d+\.\d)", printed(monkeypatch, capsys, "--set", "plan.sd=[20]"))
    assert float(wide[1]) > float(alone[1]) + 2
    hopeless = int(re.search(r"In (\d+) of \d+ tests nothing can be significant", text)[1])
    collect.main([])
    rows = [*read_csv(Path("exp/significance.csv")), *read_csv(Path("exp/language.csv"))]
    assert hopeless == sum(float(row["p_holm_smallest"]) >= 0.05 for row in rows)


def test_work_is_counted_by_what_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(monkeypatch, capsys)
    assert re.search(r"probe +54 of 54 conditions to be made \(", text)
    assert re.search(r"features +9 of 9 encoders x corpora to be made", text)
    tuned = [f"finetune.{one}" for one in ("encoders=[big]", "layer=last", "seeds=[0, 1]")]
    more = printed(monkeypatch, capsys, *(word for one in tuned for word in ("--set", one)))
    assert re.search(r"finetune +3 of 3 conditions .*; 24 of 24 trainings ", more)
    assert "finetune" not in text and "sed" not in text.splitlines()[3]


def test_without_data_the_plan_says_what_to_run(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (Path("data/zwei/folds/speaker") / stamp.NAME).unlink()
    assert work.missing(settings()) == ["zwei"]
    text = printed(monkeypatch, capsys)
    assert "not known before stage 1 has prepared and cut zwei: run.sh --stop-stage data" in text
    assert re.search(r"data +1 of 3 corpora to be made", text)


def test_assumptions_are_checked() -> None:
    for section, field, value in (
        ("plan", "sd", []), ("plan", "sd", [-1.0]), ("plan", "within", 1.5), ("plan", "seed_sd", -1.0),
        ("score", "margin", 0.0),
    ):  # fmt: skip
        kind = type(getattr(Experiment.defaults(), section))
        with pytest.raises(ValueError, match=f"{section}.{field}|{section}.sd"):
            kind(**{field: value})
