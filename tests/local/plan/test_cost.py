"""What a plan says of hours, memory and disk, beside what is really made."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from local.corpora import prepare, registry
from local.experiment import Experiment
from local.features.work import all_work
from local.plan import cost, sizes
from tests.conftest import REPO
from utils import config


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe of one bundled corpus, prepared and cut."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/experiment.yaml").write_text(
        "corpora: [mini_de]\nencoders: [logmel, tiny, nowhere]\nsplit: {folds: 6}\n"
    )
    (tmp_path / "conf/corpora.yaml").write_text(f"mini_de: {{root: {REPO / 'egs/mini/corpus'}}}\n")
    (tmp_path / "conf/encoders.yaml").write_text(
        "nowhere: {source: ./nowhere, layers: 3, dim: 100}\ntiny: {source: nobody/tiny, layers: 3, dim: 64}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    spec = registry.spec("mini_de")
    prepare.prepare(spec, registry.root_of(spec, None), Path("data/mini_de"))
    return tmp_path


def settings(*overrides: str) -> Experiment:
    return config.load(Experiment, Path("conf/experiment.yaml"), list(overrides))


@pytest.mark.integration
def test_features_cost_what_was_measured_and_what_their_numbers_take(recipe: Path) -> None:
    # Heads of this kind are not timed.
    lines = list(cost.describe(settings("encoders=[logmel,nowhere]", "probe.heads=[aligned]")))
    own = next(line for line in lines if line.startswith("    logmel: "))
    # The memory is this process's, which other tests have filled.
    said = r"192 utterances, 0\.\d\d h: \d+ s \((\d+) x real time\), ([\d.]+) ([MG])iB of memory, 0\.1 MiB"
    found = re.search(said, own)
    assert found and int(found[1]) > 1 and float(found[2]) * {"M": 1, "G": 1024}[found[3]] > 50
    assert any(line.startswith("    nowhere: ") and "not measured" in line for line in lines)
    # 192 utterances of 1 x 160 and 3 x 100 numbers of 4 bytes.
    total = 4 * 192 * (160 + 3 * 100) / 2**20
    (summed,) = (line for line in lines if line.startswith("  features "))
    assert summed.endswith(f" and 1 encoder that was not measured, {total:.1f} MiB of disk")
    assert not any((recipe / name).exists() for name in ("dump", "exp", "hub"))


def test_what_nothing_can_stand_in_for_is_not_measured(recipe: Path) -> None:
    works = {work.encoder.name: work for work in all_work(settings())}
    assert "no checkpoint" in str(cost.measure(works["nowhere"].encoder, None, 3.0, settings()))


def test_sizes_are_those_of_stage_1_or_of_the_entry_and_say_so(recipe: Path) -> None:
    made = sizes.of("mini_de", settings())
    assert (made.utterances, made.speakers, made.told) == (192, 6, "") and 100 < made.seconds < 1000
    # 127 of anger, 71 of happiness, 79 neutral, 62 of sadness, of 535 in 0.4 h.
    entry = sizes.of("emodb", settings())
    assert (entry.utterances, entry.speakers, entry.told) == (339, 10, "by its entry")
    assert entry.seconds == pytest.approx(0.4 * 3600 * 339 / 535)
    assert sizes.of("emodb", settings("emotions=[sad]")).utterances == 62
    guessed = sizes.of("jl_corpus", settings())
    assert (guessed.utterances, guessed.seconds) == (960, 3840) and "4 s an utterance" in guessed.told
    unknown = sizes.of("aesdd", settings())
    assert unknown.utterances == 0 and "does not say" in unknown.told
    capped = settings("split.folds=5", "split.cap.train=10", "split.cap.test=1")
    assert sizes.parts(("emodb", "jl_corpus"), capped) == (80, (339 + 960) / 5, 8)


@pytest.mark.integration
def test_without_corpora_and_checkpoints_all_is_estimated_and_nothing_made(recipe: Path) -> None:
    grid = "finetune.encoders=[tiny]", "finetune.strategies=[lora]", "finetune.layer=last", "finetune.epochs=3"
    asked = settings(
        "corpora=[emodb,ravdess]", "encoders=[tiny]", "probe.heads=[linear,logreg]", "probe.epochs=5", *grid
    )
    before = sorted(recipe.rglob("*"))
    lines = list(cost.describe(asked))
    assert sorted(recipe.rglob("*")) == before
    assert "    emodb, ravdess: by its entry" in lines
    # 339 of EmoDB, and 96 neutral and thrice 192 of RAVDESS (calm is not neutral).
    said = r"    tiny: 1011 utterances, .* h: \d+ \w+ \(\d+ x real time, random weights of its size\), "
    assert any(re.match(said, line) for line in lines)
    (probe,) = (line for line in lines if line.startswith("  probe "))
    assert re.search(r"at most \d+ .* for 8 conditions in up to 4 jobs, each head timed on noise", probe)
    (tuned,) = (line for line in lines if line.startswith("    tiny, lora: at most "))
    assert "(2 groups, random weights of its size)" in tuned
    (finetune,) = (line for line in lines if line.startswith("  finetune "))
    trainings = 2 * 6 * len(asked.finetune.seeds)
    assert f"for 2 conditions in up to {trainings} jobs" in finetune and "not measured" not in " ".join(lines)


def test_conditions_cost_what_the_finished_ones_took(recipe: Path) -> None:
    asked = settings("encoders=[nowhere]", "probe.heads=[aligned]")
    (unknown,) = (line for line in cost.describe(asked) if line.startswith("  probe"))
    assert "how long is known when 3 have finished: --plan then says it (head aligned)" in unknown
    for number in range(5):
        folder = recipe / f"exp/probe/earlier{number}"
        folder.mkdir(parents=True)
        (folder / "scores.csv").write_bytes(bytes(2**20))
        (folder / ".done").touch()
        os.utime(folder / ".done", (1000 + 60 * number, 1000 + 60 * number))
    (known,) = (line for line in cost.describe(asked) if line.startswith("  probe"))
    assert "60 s for 1 condition, at the pace of the 5 that are finished; 1.0 MiB of disk" in known


@pytest.mark.parametrize(
    ("times", "seconds"), [([], None), ([1, 2], None), ([5, 1, 3], 2), ([0, 0, 0, 8, 8, 8], 1.6), ([1, 3, 5, 9999], 2)]
)
def test_pace(times: list[float], seconds: float | None) -> None:
    assert cost.seconds_each(times) == (None if seconds is None else pytest.approx(seconds))
