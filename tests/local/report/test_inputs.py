"""What the report looks up in an index is what a search through the rows finds, in results as many as egs/small's."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.encoders import EncoderSpec
from local.report import contents, headline, summary
from local.report.conditions import GROUPS
from local.report.material import Comparison, Inputs, baseline
from local.report.tables import comparisons
from local.score import collect
from tests.local.report.large import large_world
from tests.local.report.page import longest
from tests.local.report.test_tuned import read

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    root = large_world(tmp_path_factory.mktemp("made") / "toy", ["head", "lora+ba+wg", "full"]).root
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        collect.main(["--set", "score.permutations=50"])
        found = read()
        assert found.specs  # looked up in the recipe's folder
        return found


def test_members_of_groups_are_those_of_a_search(content: Inputs) -> None:
    for system in content.systems:
        assert content.of(system) == [result for result in content.results if result.system == system]
        for group in GROUPS:
            found = [r for r in content.results if r.system == system and r.group == group]
            assert content.of(system, group) == found


def test_every_comparison_is_found_from_both_sides(content: Inputs) -> None:
    for c in content.comparisons:
        if c.train is None:
            assert content.compared_means(c.a, c.b, c.setting) is content.compared_means(c.b, c.a, c.setting) is c
        else:
            a, b = (content.result(system, c.train, c.test) for system in (c.a, c.b))
            assert content.compared(a, c.b) is content.compared(b, c.a) is c
            assert c.ua_a - c.ua_b == pytest.approx(a.headline.ua - b.headline.ua, abs=2e-6)


def test_a_condition_is_found_by_what_it_differs_in(content: Inputs) -> None:
    two_stage = [result for result in content.results if result.source]
    assert len(two_stage) == 6
    for result in two_stage:
        assert [content.like(result, source=[])] == [
            r for r in content.results
            if (r.stage, r.system.encoder, r.system.method) == ("finetune", result.system.encoder, "lora+ba+wg")
            and (r.train, r.test, r.source) == (result.train, result.test, ())
        ]  # fmt: skip
        assert content.like(result) is result and content.like(result, method="never run") is None


def test_families_are_those_that_holm_corrected_together(content: Inputs) -> None:
    families: dict[str, list[Comparison]] = {}
    for c in content.comparisons:
        families.setdefault(c.family, []).append(c)
    gains = sum(len(comparisons.gains(content, method)) for method in content.strategies)
    assert len(families["gains"]) == gains > 0
    for members in families.values():
        assert {c.tests for c in members} == {len(members)}
        # The smallest p of a family is multiplied by the number of its members.
        p, adjusted = min((c.p, c.adjusted) for c in members)
        assert adjusted == pytest.approx(min(1, len(members) * p), rel=1e-4)


def test_sentences_stay_short_however_much_there_is(content: Inputs) -> None:
    sources = contents.Sources(content.experiment, content)
    blocks = [block for _, own in contents.sections(sources) for block in own]
    assert len(blocks) > 20
    top = summary.make(sources)
    words, sentence = longest([
        *(block if isinstance(block, str) else block.caption for block in [*blocks, top.table, *top.figures]),
        *top.question, *top.answer, *top.limits,
    ])  # fmt: skip
    assert words <= 60, sentence
    assert len(top.short.rows) <= headline.MOST


def test_a_strategy_is_chosen_by_dev_over_trainings_that_all_have(content: Inputs) -> None:
    method, number = headline.preferred(content, content.strategies)
    # Two-stage training has its own few conditions, and one encoder was not tuned by all.
    assert number == 3
    shared = [r for r in content.results if r.tuned and not r.source and r.system.encoder.startswith("own_")]
    dev = {}
    for name in ("head", "lora+ba+wg", "full"):
        trained = {(r.system.encoder, r.train): r.dev_ua for r in shared if r.system.method == name}
        assert len(trained) == 9
        dev[name] = sum(trained.values()) / 9
    assert method == max(dev, key=dev.get)


def test_headlines_are_cut_to_the_best_systems_and_baselines(content: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    found = headline.measures(content, None)
    assert headline.shortened(found) == found
    monkeypatch.setattr(headline, "MOST", 12)
    for whole, short in zip(found, headline.shortened(found), strict=True):
        assert 2 <= len(short.lines) <= 3 and short.lines == [line for line in whole.lines if line in short.lines]
        assert short.systems[0] == whole.systems[0]
        strongest = [line for line in whole.lines if line.baseline][:1]
        assert [line for line in short.lines if line.baseline] == strongest


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"kind": "logmel"}, "log-mel"), ({"kind": "shortcut"}, "no ears"), ({"init": "random"}, "random weights"),
        ({"kind": "egemaps"}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_baselines_are_known_by_their_entries(fields: dict, kind: str) -> None:
    assert baseline(EncoderSpec("name", **fields)) == kind


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


def test_gains_of_two_stages_are_over_the_second_alone(content: Inputs) -> None:
    baselines = comparisons.baselines(content)
    assert baselines == {"lora+ba+wg": "head", "full": "head"} | {
        f"lora+ba+wg after {name}": "lora+ba+wg" for name in ("eins", "one", "jeden")
    }  # fmt: skip
    for method in list(baselines)[2:]:
        found = comparisons.gains(content, method)
        assert len(found) == 2
        for result, gain, _ in found:
            once = content.like(result, source=[])
            assert gain.ua == pytest.approx(result.headline.ua - once.headline.ua, abs=2e-6)


def test_files_name_learning_curves_of_two_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from local.experiment import Experiment
    from local.report import inputs

    monkeypatch.chdir(tmp_path)
    for name in ("big.lora.zwei.source=uno", "big.lora.zwei.source=uno.layer=last", "big.lora.zwei"):
        folder = Path("exp") / inputs.MODELS / name / "fold0.seed0"
        folder.mkdir(parents=True)
        (folder / "curve.csv").touch()
    found = inputs.files(Experiment(corpora=["uno"], encoders=["big"]))
    assert [path.parts[3] for path in found if path.name == "curve.csv"] == [
        "big.lora.zwei.source=uno", "big.lora.zwei.source=uno.layer=last",
    ]  # fmt: skip
    made = {Path("exp") / name for name in (*inputs.FILES, "probe/manifest.jsonl", "finetune/manifest.jsonl")}
    assert Path("data/uno/audit.json") in found and made < set(found)
