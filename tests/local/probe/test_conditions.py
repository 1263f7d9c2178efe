"""Which conditions there are, how they are grouped, and when they are out of date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.probe import conditions
from local.probe.plan import describe
from tests.local.probe import tree
from utils import stamp
from utils.errors import UserError


def test_a_group_shares_what_its_heads_are_trained_and_selected_on() -> None:
    source = conditions.groups(tree.experiment(["a", "b"], ["logmel"], heads=["linear", "mlp"]))
    assert [group.name for group in source] == ["logmel.linear.a", "logmel.linear.b", "logmel.mlp.a", "logmel.mlp.b"]
    assert [condition.name for condition in source[0].conditions] == ["logmel.linear.a-a", "logmel.linear.a-b"]
    target = conditions.groups(tree.experiment(["a", "b"], ["logmel"], cross_dev="target", pairs=["all", "a+b:b"]))
    assert [(group.name, group.dev) for group in target] == [
        ("logmel.linear.a", ("a",)),
        ("logmel.linear.b", ("b",)),
        ("logmel.linear.a.dev-b", ("b",)),
        ("logmel.linear.b.dev-a", ("a",)),
        ("logmel.linear.a+b.dev-b", ("b",)),
    ]
    assert len({condition.name for group in target for condition in group.conditions}) == 5


def test_an_encoder_whose_package_is_missing_has_no_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    groups = conditions.groups(tree.experiment(["a", "b"], ["logmel", "egemaps"], heads=["linear"]))
    assert {group.encoder for group in groups} == {"logmel"}


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe folder in which every condition of the experiment below is up to date."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        tree.write_corpus(tmp_path, name, n=12)
    config = tree.experiment(["a", "b"])
    for group in conditions.groups(config):
        for condition in group.conditions:
            stamp.write(condition.directory, conditions.make_stamp(group, condition, config))
    return tmp_path


def stale(**probe: object) -> list[str]:
    todo, valid = conditions.work(tree.experiment(["a", "b"], **probe))
    return describe(todo, valid)


def test_nothing_to_do_is_one_line(finished: Path) -> None:
    assert stale() == ["probe: 4 conditions are up to date, skipped"]


@pytest.mark.parametrize("change", [{"heads": ["linear"]}, {"pairs": ["within", "across"]}, {"logreg_c": 9.0}])
def test_settings_that_do_not_concern_a_condition_do_not_redo_it(finished: Path, change: dict) -> None:
    assert stale(**change) == ["probe: 4 conditions are up to date, skipped"]


def test_only_what_a_change_concerns_is_redone_and_the_reason_is_given(finished: Path) -> None:
    (finished / "dump/enc/b/.done").write_text("{'again': 1}")
    assert stale() == [
        "probe: 1 condition is up to date, skipped",
        "probe: 3 conditions are made again, input dump/enc/b/.done changed: "
        "enc.linear.a-b enc.linear.b-b enc.linear.b-a",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lr": 0.5}, "probe.lr changed from 0.01 to 0.5"),
        ({"seeds": [0, 1]}, r"probe.seeds changed from \[0\] to \[0, 1\]"),
        ({"normalise": "per-corpus"}, "probe.normalise changed from train to per-corpus"),
        ({"cross_dev": "target"}, "changed from"),
    ],
)
def test_a_setting_that_changes_results_redoes_them(finished: Path, change: dict, reason: str) -> None:
    todo, valid = conditions.work(tree.experiment(["a", "b"], **change))
    reasons = [why for work in todo for why in work.reasons.values()]
    assert (len(reasons), valid) == (4, 0)
    for why in reasons:
        assert re.search(reason, why)


def test_conditions_never_made_share_a_line(finished: Path) -> None:
    assert stale(heads=["linear", "mlp"], pairs=["within"]) == [
        "probe: 2 conditions are up to date, skipped",
        "probe: 2 conditions are not made yet: enc.mlp.a-a enc.mlp.b-b",
    ]


def test_long_lists_of_conditions_are_cut(finished: Path) -> None:
    line = stale(heads=["mlp", "logreg"], pairs=["all", "a+b:a", "a+b:b"])[0]
    assert line.startswith("probe: 12 conditions are not made yet: enc.mlp.a-a enc.mlp.a-b enc.mlp.b-b")
    assert line.endswith(" and 4 more")


def test_labels_and_folds_count(finished: Path) -> None:
    path = finished / "data/a/utt2emo"
    path.write_text(path.read_text().replace("sad", "angry", 1))
    (finished / "data/b/folds/speaker/.done").write_text("{'again': 1}")
    reasons = "\n".join(stale(pairs=["within"]))
    assert "1 condition is made again, input data/a/utt2emo changed: enc.linear.a-a" in reasons
    assert "1 condition is made again, input data/b/folds/speaker/.done changed: enc.linear.b-b" in reasons


@pytest.mark.parametrize(("missing", "stage"), [("dump/enc/b", "features"), ("data/b/folds/speaker", "data")])
def test_unfinished_inputs_are_an_error_that_names_the_stage(finished: Path, missing: str, stage: str) -> None:
    (finished / missing / ".done").unlink()
    with pytest.raises(UserError, match=f"{missing}: not finished .* run the {stage} stage first"):
        stale()


def test_logistic_regression_has_one_seed() -> None:
    config = tree.experiment(["a"], heads=["logreg", "linear"], seeds=[3, 4, 3])
    assert conditions.seeds("logreg", config) == [3]
    assert conditions.seeds("linear", config) == [3, 4]
