"""Which probes there are, how they are grouped, and when they are out of date."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from local.experiment import Experiment, ProbeGrid
from local.grid import factors, plan
from local.grid.factors import FACTORS, schemes
from local.probe import conditions
from local.probe.conditions import STAGE
from tests.local.probe import tree
from utils import stamp
from utils.errors import UserError


def test_a_group_shares_what_its_heads_are_trained_and_selected_on() -> None:
    source = STAGE.groups(tree.experiment(["a", "b"], ["logmel"], heads=["linear", "mlp"]))
    assert [group.name for group in source] == ["logmel.linear.a", "logmel.linear.b", "logmel.mlp.a", "logmel.mlp.b"]
    assert [condition.name for condition in source[0].conditions] == ["logmel.linear.a-a", "logmel.linear.a-b"]
    target = STAGE.groups(tree.experiment(["a", "b"], ["logmel"], cross_dev="target", pairs=["all", "a+b:b"]))
    assert [(group.name, group.first.dev) for group in target] == [
        ("logmel.linear.a", ("a",)),
        ("logmel.linear.b", ("b",)),
        ("logmel.linear.a.dev-b", ("b",)),
        ("logmel.linear.b.dev-a", ("a",)),
        ("logmel.linear.a+b.dev-b", ("b",)),
    ]
    assert len({condition.name for group in target for condition in group.conditions}) == 5


def test_an_encoder_whose_package_is_missing_has_no_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    groups = STAGE.groups(tree.experiment(["a", "b"], ["logmel", "egemaps"], heads=["linear"]))
    assert {group.first.encoder for group in groups} == {"logmel"}


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe folder in which every condition of the experiment below is up to date."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        tree.write_corpus(tmp_path, name, n=12)
    config = tree.experiment(["a", "b"])
    for group in STAGE.groups(config):
        for condition in group.conditions:
            stamp.write(condition.directory, STAGE.stamp(group, condition))
    return tmp_path


def stale(**settings: object) -> list[str]:
    works = [plan.work(STAGE, group) for group in STAGE.groups(tree.experiment(["a", "b"], **settings))]
    return plan.describe("probe", works)


def test_nothing_to_do_is_one_line(finished: Path) -> None:
    assert stale() == ["probe: 4 conditions are up to date, skipped"]


@pytest.mark.parametrize("change", [{"heads": ["linear"]}, {"pairs": ["within", "across"]}, {"logreg_c": 9.0}])
def test_settings_that_do_not_concern_a_condition_do_not_redo_it(finished: Path, change: dict) -> None:
    assert stale(**change) == ["probe: 4 conditions are up to date, skipped"]


def test_another_default_is_another_setting(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if the schema said so: the value at the default, which conditions do not mention, is a different one.
    default = Experiment.defaults()
    other = dataclasses.replace(default.probe, normalise="none")
    monkeypatch.setattr(default, "probe", other)
    monkeypatch.setattr(factors, "_with_default", factors._with_default.__wrapped__)  # which knows it by now
    assert FACTORS["normalise"].name not in STAGE.conditions(tree.experiment(["a"], normalise="none"))[0].special
    lines = stale(normalise="none")
    assert len(lines) == 1 and "4 to be made, probe.normalise changed from train to none" in lines[0]


def test_only_what_a_change_concerns_is_redone_and_the_reason_is_given(finished: Path) -> None:
    (finished / "dump/enc/b/.done").write_text("{'again': 1}")
    assert stale() == [
        "probe: 1 condition is up to date, skipped",
        "probe: 3 to be made, input dump/enc/b/.done changed: enc.linear.a-b enc.linear.b-b enc.linear.b-a",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lr": 0.5}, "probe.lr changed from 0.01 to 0.5"),
        ({"patience": 5}, "probe.patience changed from 4 to 5"),
        ({"seeds": [0, 1]}, "probe.seeds changed from [0] to [0, 1]"),
        ({"folds": 4}, "split.folds changed from 3 to 4"),
    ],
)
def test_a_setting_that_changes_results_redoes_them(finished: Path, change: dict, reason: str) -> None:
    assert stale(**change) == [
        f"probe: 4 to be made, {reason}: enc.linear.a-a enc.linear.a-b enc.linear.b-b enc.linear.b-a"
    ]


@pytest.mark.parametrize(("factor", "value"), [("normalise", "per-corpus"), ("cross_dev", "target")])
def test_another_value_of_a_factor_stands_beside_the_first(finished: Path, factor: str, value: str) -> None:
    """Its conditions have directories of their own, and those that are finished stay so."""
    (line,) = stale(pairs=["a:b"], **{factor: value})
    assert line == f"probe: 1 to be made, not made yet: enc.linear.a-b.{factor}={value}"
    before, line = stale(vary={factor: ["train" if factor == "normalise" else "source", value]}, pairs=["a:b"])
    assert before == "probe: 1 condition is up to date, skipped"
    assert line == f"probe: 1 to be made, not made yet: enc.linear.a-b.{factor}={value}"


def test_the_code_that_a_result_is_made_by_counts(finished: Path) -> None:
    path = finished / "exp/probe/enc.linear.a-b" / stamp.NAME
    path.write_text(path.read_text().replace('"local/probe/heads.py": "', '"local/probe/heads.py": "0'))
    assert stale()[1:] == ["probe: 1 to be made, the code changed (local/probe/heads.py): enc.linear.a-b"]


def test_conditions_never_made_share_a_line(finished: Path) -> None:
    assert stale(heads=["linear", "mlp"], pairs=["within"]) == [
        "probe: 2 conditions are up to date, skipped",
        "probe: 2 to be made, not made yet: enc.mlp.a-a enc.mlp.b-b",
    ]


def test_long_lists_of_conditions_are_cut(finished: Path) -> None:
    line = stale(heads=["mlp", "logreg"], pairs=["all", "a+b:a", "a+b:b"])[0]
    assert line.startswith("probe: 12 to be made, not made yet: enc.mlp.a-a enc.mlp.a-b enc.mlp.b-b")
    assert line.endswith(" and 8 more")


def test_labels_and_folds_count(finished: Path) -> None:
    path = finished / "data/a/utt2emo"
    path.write_text(path.read_text().replace("sad", "angry", 1))
    (finished / "data/b/folds/speaker/digest").write_text("{'again': 1}")
    reasons = "\n".join(stale(pairs=["within"]))
    assert "probe: 1 to be made, input data/a/utt2emo changed: enc.linear.a-a" in reasons
    assert "probe: 1 to be made, input data/b/folds/speaker/digest changed: enc.linear.b-b" in reasons


@pytest.mark.parametrize(("missing", "stage"), [("dump/enc/b", "features"), ("data/b/folds/speaker", "data")])
def test_unfinished_inputs_are_an_error_that_names_the_stage(finished: Path, missing: str, stage: str) -> None:
    (finished / missing / ".done").unlink()
    (finished / missing / "digest").write_text("another")
    with pytest.raises(UserError, match=f"{missing}: not finished .* run the {stage} stage first"):
        stale()


def test_logistic_regression_has_one_seed() -> None:
    logreg, linear = STAGE.conditions(tree.experiment(["a"], ["logmel"], heads=["logreg", "linear"], seeds=[3, 4, 3]))
    assert conditions.seeds(logreg) == [3]
    assert conditions.seeds(linear) == [3, 4]


def test_a_condition_s_settings_are_those_that_its_head_obeys() -> None:
    logreg, linear = STAGE.conditions(tree.experiment(["a"], ["logmel"], heads=["logreg", "linear"]))
    assert set(conditions.settings(logreg)["probe"]) == {"normalise", "select", "logreg_c", "logreg_grid", "seeds"}
    assert {"lr", "eps", "epochs", "patience", "seeds"} <= set(conditions.settings(linear)["probe"])
    assert conditions.settings(linear)["condition"] == {
        "encoder": "logmel", "method": "linear", "train": ["a"], "test": "a", "dev": ["a"],
    }  # fmt: skip
    assert conditions.steps(linear) == {}


def test_grids_beside_the_first_ask_for_further_conditions_each_once() -> None:
    also = [
        ProbeGrid(pairs=["across"], vary={"normalise": ["per-corpus"]}),
        ProbeGrid(encoders=["logmel"], heads=["logreg"], vary={"normalise": ["train", "none"], "split": ["random"]}),
    ]
    asked = tree.experiment(["a", "b"], ["logmel", "mini"], pairs=["within"], also=also)
    names = [condition.name for condition in STAGE.conditions(asked)]
    scaled = ("a-b.normalise=per-corpus", "b-a.normalise=per-corpus")
    assert names == [
        "logmel.linear.a-a", "logmel.linear.b-b", "mini.linear.a-a", "mini.linear.b-b",
        *(f"{encoder}.linear.{pair}" for encoder in ("logmel", "mini") for pair in scaled),
        *(f"logmel.logreg.{pair}.split=random{other}" for pair in ("a-a", "b-b") for other in ("", ".normalise=none")),
    ]  # fmt: skip
    # Stage 1 cuts the folds of all of them.
    assert schemes(asked) == ["speaker", "random"]
    repeated = tree.experiment(["a", "b"], ["logmel"], pairs=["all"], also=[ProbeGrid(pairs=["across"])])
    assert len(STAGE.conditions(repeated)) == 4


def test_a_grid_beside_the_first_names_encoders_of_the_experiment() -> None:
    asked = tree.experiment(["a"], ["logmel"], also=[ProbeGrid(encoders=["logmle"])])
    with pytest.raises(UserError, match="probe.encoders: 'logmle' is not among the experiment's encoders.*logmel"):
        STAGE.conditions(asked)
