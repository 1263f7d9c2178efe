"""What the report looks up in an index is what a search through the rows finds, in results as many as egs/small's."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.report.material import GROUPS, SETTINGS, Inputs
from local.report.tables import comparisons
from local.score import collect
from tests.local.report.large import large_world
from tests.local.report.test_tuned import read


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    root = large_world(tmp_path_factory.mktemp("made") / "toy", ["head", "lora+ba+wg", "full"]).root
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        collect.main(["--set", "score.permutations=50"])
        return read()


def test_members_of_groups_are_those_of_a_search(content: Inputs) -> None:
    for system in content.systems:
        assert content.of(system) == [result for result in content.results if result.system == system]
        for group in (*GROUPS, *SETTINGS):
            found = [r for r in content.results if r.system == system and group in (r.group, r.setting)]
            assert content.of(system, group) == found


def test_every_comparison_is_found_from_both_sides(content: Inputs) -> None:
    for c in content.comparisons:
        if c.train is None:
            assert content.compared_means(c.a, c.b, c.setting) is content.compared_means(c.b, c.a, c.setting) is c
        else:
            a, b = (content.result(system, c.train, c.test) for system in (c.a, c.b))
            assert content.compared(a, c.b) is content.compared(b, c.a) is c
            assert c.ua_a - c.ua_b == pytest.approx(a.headline.ua - b.headline.ua, abs=2e-6)


def test_gains_are_over_the_head_alone(content: Inputs) -> None:
    gains = comparisons.gains(content, "full")
    assert len(gains) == 4 * 9
    for result, gain, _ in gains:
        head = next(
            r for r in content.results
            if (r.system.encoder, r.system.method, r.train, r.test)
            == (result.system.encoder, "head", result.train, result.test)
        )  # fmt: skip
        assert gain.ua == pytest.approx(result.headline.ua - head.headline.ua, abs=2e-6)


def test_files_name_learning_curves_of_two_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from local.experiment import Experiment
    from local.report import inputs

    monkeypatch.chdir(tmp_path)
    for name in ("big.lora.after.uno.zwei", "big.lora.zwei"):
        (inputs.MODELS / name / "fold0.seed0").mkdir(parents=True)
        (inputs.MODELS / name / "fold0.seed0/curve.csv").touch()
    found = inputs.files(Experiment(corpora=["uno"], encoders=["big"]))
    assert [path.parts[3] for path in found if path.name == "curve.csv"] == ["big.lora.after.uno.zwei"]
    assert Path("data/uno/audit.json") in found and set(inputs.FILES) < set(found)
