"""Conditions: told apart by their factors, named for people; groups that share their training; seeds."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.experiment import Experiment, Finetune, Probe
from local.grid import conditions as grid
from local.grid import factors
from local.grid.conditions import Condition, Training
from local.grid.factors import FACTORS, FINETUNE, PROBE, SED, Factor
from utils.data_dir import fingerprint, write_data_dir

EMOTIONS = ("angry", "happy", "neutral", "sad")


def asks(vary: Mapping[str, list] | None = None, **fields: object) -> Experiment:
    return Experiment(corpora=["a", "b"], encoders=["mini"], vary=dict(vary or {}), **fields)


def probes(*pairs: str, vary: Mapping[str, list] | None = None, **probe: object) -> list[Condition]:
    def asked(own: Experiment) -> Iterator[dict]:
        for pair in pairs or ("a:a", "a:b"):
            train, test = pair.split(":")
            yield {"encoder": "enc", "method": "linear", "train": train.split("+"), "test": test}

    return grid.expand(PROBE, asks(vary, probe=Probe(**probe)), asked)


def tuned(*pairs: str, vary: Mapping[str, list] | None = None, **finetune: object) -> list[Condition]:
    def asked(own: Experiment) -> Iterator[dict]:
        for pair in pairs or ("b:b",):
            rest, test = pair.split(":")
            source, _, train = rest.rpartition(">")
            yield {
                "encoder": "small", "method": "lora", "source": source.split("+") if source else (),
                "train": train.split("+"), "test": test,
            }  # fmt: skip

    return grid.expand(FINETUNE, asks(vary, finetune=Finetune(**finetune)), asked)


def names(conditions: list[Condition]) -> list[str]:
    return [condition.name for condition in conditions]


class TestNames:
    """What directories are called."""

    def test_mention_no_defaults(self):
        assert names(probes("a:b", "a+b:b")) == ["enc.linear.a-b", "enc.linear.a+b-b"]
        assert probes("a:b")[0].directory == Path("exp/probe/enc.linear.a-b")

    def test_mention_the_rest_in_the_factors_order(self):
        (condition,) = probes("a:b", normalise="none", cross_dev="target", vary={"probe.lr": [0.5]})
        assert condition.name == "enc.linear.a-b.cross_dev=target.normalise=none.lr=0.5"
        (condition,) = tuned("a>b:b", layer="3", published_init=True)
        assert condition.name == "small.lora.b-b.source=a.layer=3.init=true"

    def test_do_without_what_a_method_has_not(self):
        (chance,) = grid.expand(SED, asks(), lambda own: [{"method": "chance", "test": "a.single"}])
        assert chance.name == "chance-a.single" and chance.train == () and chance.encoder == ""

    def test_are_cut_where_file_systems_would_not_take_them(self):
        pairs = ["+".join(f"corpus{number:03}" for number in range(count)) + ":b" for count in (99, 100)]
        first, second = names(probes(*pairs))
        assert len(first.encode()) == len(second.encode()) == 209 and first[:200] == second[:200] and first != second
        assert first.startswith("enc.linear.corpus000+corpus001+")
        group, other = grid.groups(probes(*pairs))
        assert len(group.name.encode()) == 209 and group.name != other.name

    def test_hold_no_character_that_a_path_or_a_shell_would_take_amiss(self, monkeypatch):
        monkeypatch.setitem(FACTORS, "erase", Factor("erase", (PROBE,)))
        odd, even = names(probes("a:b", vary={"erase": ["a/b c", "a_b_c"]}))
        assert odd == f"enc.linear.a-b.erase=a_b_c~{hashlib.sha256(b'a/b c').hexdigest()[:8]}"
        assert even == "enc.linear.a-b.erase=a_b_c"

    def test_follow_the_experiment_s_folder(self):
        (condition,) = grid.expand(PROBE, asks(tag="x"), lambda own: [{"encoder": "e", "method": "m", "test": "t"}])
        assert condition.directory.parent == Path("exp_x/probe")


_name = st.text("ab_", min_size=1, max_size=3)
_corpora = st.lists(_name, min_size=1, max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
_odd = st.text("a.=_/~ +-", max_size=4)
_KINDS = {
    "encoder": st.text("ab-", min_size=1, max_size=3), "method": st.text("ab+", min_size=1, max_size=3),
    "source": st.one_of(st.just(()), _corpora), "train": _corpora, "test": _name, "emotions": _corpora,
    "labels": st.lists(_name, max_size=2, unique=True).map(tuple), "init": st.booleans(),
}  # fmt: skip
_PLUGGED = {
    "odd": (Factor("odd", default=""), _odd), "rate": (Factor("rate", default=0.1), st.floats(allow_nan=False)),
    "count": (Factor("count", default=0), st.integers(-20, 20)),
}  # fmt: skip


@st.composite
def conditions(draw: st.DrawFn, stage: str) -> Condition:
    """Any condition: what a corpus, encoder or emotion may be called, and values of whatever text for the rest."""
    values = [(factor, draw(_KINDS.get(factor.name, _odd))) for factor in factors.known(stage)]
    values += [(factor, draw(kind)) for factor, kind in _PLUGGED.values()]
    # Most at their default, so that many are nearly the same.
    kept = draw(st.sets(st.sampled_from([factor.name for factor, _ in values]), max_size=3))
    plain = {"encoder": "a", "method": "a", "train": ("a",), "test": "a"}
    found = [(one, value if one.name in kept else plain.get(one.name, one.default)) for one, value in values]
    return Condition(stage, tuple(found), EXPERIMENT)


EXPERIMENT = Experiment(corpora=["a"], encoders=["mini"])


@pytest.mark.parametrize("stage", [PROBE, FINETUNE])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_two_conditions_never_share_a_name(stage: str, data: st.DataObject) -> None:
    found = data.draw(st.lists(conditions(stage), min_size=2, max_size=12))
    assert len({one.name for one in found}) == len(set(found))
    # Of these only whose dev lists stop the training counts, and the test corpus where training looks at it.
    apart = ("test", "cross_dev")
    trained = {
        (tuple(pair for pair in one.factors.items() if pair[0] not in apart), one.dev, one.looks_at) for one in found
    }
    assert len({group.directory for group in grid.groups(found)}) == len(trained)
    for one in found:
        assert "/" not in one.name and len(one.name.encode()) < 255 and one.directory.name == one.name


class TestIdentity:
    """What tells conditions apart."""

    def test_is_the_factors(self):
        one, same = probes("a:b")[0], probes("a:b", lr=0.3, seeds=[4])[0]
        assert one == same and hash(one) == hash(same)
        told = {"encoder": "enc", "method": "linear", "train": ["a"], "test": "b"}
        rest = {factor.name: factor.default for factor in factors.known(PROBE) if factor.name not in told}
        assert {name: factors.freeze(value) for name, value in one.identity.items()} == rest | {
            name: factors.freeze(value) for name, value in told.items()
        }
        assert rest["emotions"] == tuple(EMOTIONS) and rest["normalise"] == "train" and list(one.identity)[2] == "train"
        assert one != probes("a:b", normalise="none")[0] != probes("b:b")[0]

    @pytest.mark.usefixtures("data")
    def test_is_not_what_tables_say(self, monkeypatch):
        one = probes("a:b", normalise="none")[0]
        other = dataclasses.replace(FACTORS["normalise"], phrase="scaled by {value}")
        monkeypatch.setitem(FACTORS, "normalise", other)
        again = probes("a:b", normalise="none")[0]
        assert (again.name, again.identity, draws(again)) == (one.name, one.identity, draws(one))

    def test_of_what_varies_is_its_value_in_the_experiment_too(self):
        found = probes("a:b", vary={"probe.lr": [0.1, 1e-4], "normalise": ["none"]})
        assert [(one.factors["lr"], one.experiment.probe.lr) for one in found] == [(0.1, 0.1), (1e-4, 1e-4)]
        assert {one.experiment.probe.normalise for one in found} == {"none"}
        assert [one.name.partition("-b")[2] for one in found] == [".normalise=none.lr=0.1", ".normalise=none"]

    def test_lists_variants_of_a_condition_one_after_the_other(self):
        assert names(probes("a:a", "a:b", vary={"normalise": ["train", "none"]})) == [
            "enc.linear.a-a", "enc.linear.a-a.normalise=none", "enc.linear.a-b", "enc.linear.a-b.normalise=none",
        ]  # fmt: skip

    def test_is_there_once(self):
        assert names(probes("a:a", "a:b", "a:a")) == ["enc.linear.a-a", "enc.linear.a-b"]
        assert len(tuned("b:b", vary={"layer": [1, "1"]})) == 1

    def test_of_what_the_stage_sets_is_the_stage_s(self):
        """A value of None leaves a factor to the experiment."""

        def asked(own: Experiment) -> list[dict]:
            shared = {"encoder": "e", "method": "m", "train": ["a"], "test": "a"}
            return [shared | {"layer": layer} for layer in (None, "2")]

        found = grid.expand(FINETUNE, asks(finetune=Finetune(layer="last")), asked)
        assert [one.factors["layer"] for one in found] == ["last", "2"]

    def test_settings_hold_all_that_decides_and_no_factor_at_its_default(self):
        (one,) = probes("a:b", cross_dev="target", lr=0.3)
        found = grid.settings(one, "probe", ["lr", "epochs"])
        assert found["condition"] == {
            "encoder": "enc", "method": "linear", "train": ["a"], "test": "b", "cross_dev": "target", "dev": ["b"],
        }  # fmt: skip
        assert found["probe"] == {"lr": 0.3, "epochs": 100} and found["split"]["folds"] == 5


class TestGroups:
    """Conditions that share their training."""

    def test_differ_in_the_test_corpus_alone(self):
        first, second = grid.groups(probes("a:a", "b:a", "a:b"))
        assert names(first.conditions) == ["enc.linear.a-a", "enc.linear.a-b"] and first.name == "enc.linear.a"
        assert names(second.conditions) == ["enc.linear.b-a"]
        assert first.corpora == ["a", "b"] and first.learnt == ["a"]

    def test_of_the_target_s_dev_differ_in_it(self):
        groups = grid.groups(probes("a:a", "a:b", "b:b", cross_dev="target"))
        assert [group.name for group in groups] == ["enc.linear.a", "enc.linear.a.dev-b", "enc.linear.b"]
        assert groups[1].learnt == ["a", "b"]

    def test_whose_training_looks_at_the_test_corpus_differ_in_it(self):
        groups = grid.groups(probes("a:b", "a:c", vary={"adapt": ["coral", "em"]}))
        assert sorted(map(len, (group.conditions for group in groups))) == [1, 1, 2]

    def test_of_other_factors_are_others(self):
        groups = grid.groups(tuned("b:b", "a>b:b", "a>b:a", vary={"pooling": ["mean", "weighted"]}))
        assert [(group.name, len(group.conditions)) for group in groups] == [
            ("small.lora.b", 1), ("small.lora.b.pooling=weighted", 1), ("small.lora.b.source=a", 2),
            ("small.lora.b.source=a.pooling=weighted", 2),
        ]  # fmt: skip
        assert groups[2].learnt == ["a", "b"]

    def test_of_some_keep_their_name(self):
        (group,) = grid.groups(probes("a:a", "a:b"))
        only = group.only(group.conditions[1:])
        assert names(only.conditions) == ["enc.linear.a-b"] and only.name == group.name

    def test_have_a_training_for_each_fold_and_seed(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for fold in range(3):
            (tmp_path / f"data/b/folds/random/{fold}").mkdir(parents=True)
        (group,) = grid.groups(tuned("b:b", vary={"split": ["random"]}))
        found = group.trainings([4, 0, 4])
        assert [(one.fold, one.seed) for one in found] == [(fold, seed) for fold in range(3) for seed in (4, 0)]
        assert found[3].directory == Path("exp/finetune/models/small.lora.b.split=random/fold1.seed0")


def draws(condition: Condition) -> list[int]:
    (group,) = grid.groups([condition])
    return [group.draw(fold, seed, what) for fold in (0, 1) for seed in (0, 1) for what in ("weights", "order")]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Corpora a, b and c, each of other recordings, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        write_corpus(name, held=f"{name} holds")
    return tmp_path


def write_corpus(name: str, held: str) -> None:
    """Write a corpus of two utterances."""
    utts = [f"{name}_1-x", f"{name}_2-x"]
    tables = {
        "utt2spk": {utt: utt[:-2] for utt in utts}, "utt2emo": dict(zip(utts, ("angry", "sad"), strict=True)),
        "utt2digest": {utt: f"{held.replace(' ', '_')}_{number}" for number, utt in enumerate(utts)},
        "wav.scp": dict.fromkeys(utts, "/none.wav"),
    }  # fmt: skip
    write_data_dir(Path("data", name), tables)


@pytest.mark.usefixtures("data")
class TestSeeds:
    """What is drawn: worked numbers, so that published results stay what they are."""

    @pytest.mark.parametrize(
        ("made", "words"),
        [
            (lambda: probes("a:b"), "train {a}"), (lambda: probes("b+a:b"), "train {b}+{a}"),
            (lambda: probes("a:b", cross_dev="target"), "train {a} dev {b}"),
            (lambda: probes("a:a", cross_dev="target"), "train {a}"), (lambda: tuned("b:b"), "train {b}"),
            (lambda: tuned("c+a>b:b"), "source {c}+{a} train {b}"), (lambda: tuned("a>b:c"), "source {a} train {b}"),
        ],
    )  # fmt: skip
    def test_are_32_bits_of_a_sha256_of_the_data(self, made, words):
        (group,) = grid.groups(made())
        data = words.format(**{name: fingerprint(Path("data", name)) for name in "abc"})
        digest = hashlib.sha256(f"{data} fold 1 seed 7 order".encode()).hexdigest()
        assert Training(group, 1, 7).draw("order") == group.draw(1, 7, "order") == int(digest[:8], 16)

    def test_worked_once_for_all(self):
        (group,) = grid.groups(tuned("a>b:b"))
        assert group.draw(2, 7, "weights") == 1837891615

    def test_depend_on_no_name(self):
        """Nor on encoder and method: what is compared draws alike."""
        before = draws(probes("a:b")[0])
        write_corpus("mine", held="a holds")
        assert draws(probes("mine:b")[0]) == before == draws(tuned("a:b")[0])

    def test_are_others_for_other_data(self):
        before = draws(probes("a:b")[0])
        write_corpus("a", held="other things")
        assert not set(before) & set(draws(probes("a:b")[0]))

    def test_are_all_different(self):
        values = [value for pair in ("a:a", "b:b", "a+b:a") for value in draws(probes(pair)[0])]
        assert len(set(values)) == len(values) == 24

    def test_do_not_depend_on_what_is_tested_or_treated_otherwise(self):
        """Conditions that differ in such a factor alone are a matched contrast: they draw the same."""
        plain = draws(probes("a:b")[0])
        for other in ({"normalise": "none"}, {"vary": {"probe.lr": [0.5]}}, {"vary": {"split": ["random"]}}):
            assert draws(probes("a:b", **other)[0]) == plain
        assert draws(probes("a:a")[0]) == plain
        assert draws(tuned("b:b", pooling="weighted", layer="2")[0]) == draws(tuned("b:b")[0])

    def test_are_others_for_another_value_of_a_seeded_factor(self, monkeypatch):
        before = draws(probes("a:b")[0])
        monkeypatch.setitem(FACTORS, "draw", Factor("draw", (PROBE,), default=0, seeded=True))
        first, *others = probes("a:b", vary={"draw": [0, 1, 2]})
        assert draws(first) == before  # at its default it adds nothing
        assert not set(before + draws(others[1])) & set(draws(others[0]))
        words = f"train {fingerprint(Path('data', 'a'))}.draw=1 fold 0 seed 0 weights"
        assert draws(others[0])[0] == int(hashlib.sha256(words.encode()).hexdigest()[:8], 16)
