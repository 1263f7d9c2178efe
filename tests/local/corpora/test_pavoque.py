"""PAVOQUE on its makers' annotation files: every utterance, and study A's folds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.corpora import Utterance, spec
from local.corpora.pavoque import scan
from local.splits.overlap import audit_fold, count_test
from tests.local.corpora.published import folds_of, labels, lists_of
from tests.local.corpora.trees import excluded, prepared, table
from utils.data_dir_check import validate

RATE = 8000


@pytest.fixture(scope="module")
def annotations(corpora: Path) -> Path:
    folder = corpora.parent / "annotations/pavoque"
    if not folder.is_dir():
        pytest.skip(f"no annotation files of PAVOQUE at {folder}")
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, corpora: Path, annotations: Path) -> Path:
    """The annotation as published, and silence as long as the recordings; the neutral utterances are the lists'."""
    root = tmp_path_factory.mktemp("pavoque")
    seconds = {}
    for path in annotations.glob("*.yaml"):
        (root / path.name).symlink_to(path)
        ends = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("  end: ")]
        seconds[path.stem] = float(ends[-1].split()[1])
    neutral = [name for name in labels(lists_of(corpora, "DE_PAVOQUE")) if name.endswith("-neutral")]
    entries = [
        f"- prompt: {name.partition('-')[0]}\n  style: neutral\n  start: {n}.0\n  end: {n + 1}.0\n"
        for n, name in enumerate(neutral)
    ]
    (root / "pavoque-neutral.yaml").write_text("".join(entries))
    for name, length in {**seconds, "pavoque-neutral": len(neutral)}.items():
        soundfile.write(root / f"{name}.flac", np.zeros(round(length * RATE), np.int16), RATE)
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    return prepared(root, tmp_path_factory.mktemp("data") / "pavoque", "pavoque")


def test_every_annotated_utterance_is_prepared(data: Path) -> None:
    validate(data)
    assert excluded(data) == {}
    counts = Counter(table(data, "utt2emo_raw").values())
    expected = spec("pavoque").expected.emotions
    assert {word: counts[word] for word in ("angry", "happy", "sad")} == {
        word: expected[word] for word in ("angry", "happy", "sad")
    }
    assert table(data, "segments")["pavoque_stefan-m0001-angry"].startswith("pavoque_pavoque-angry ")
    assert table(data, "text")["pavoque_stefan-m0007-happy"] == "t - Grand Menhir Brisé;"


@pytest.mark.integration
def test_the_fast_reading_reads_what_the_whole_file_says(annotations: Path, root: Path) -> None:
    import yaml

    whole = {}
    for path in sorted(annotations.glob("*.yaml")):
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for entry in yaml.load(path.read_text(encoding="utf-8"), loader):
            name = f"{entry['prompt']}-{entry['style']}"
            whole[name] = (" ".join(entry["text"].split()), entry["style"], entry["start"], entry["end"])
    found = {item.name: item for item in scan(root, spec("pavoque")) if isinstance(item, Utterance)}
    assert len(whole) == 601 + 584 + 556
    for name, values in whole.items():
        item = found[name]
        assert (item.text, item.emotion, item.start, item.end) == values


def test_a_sentence_is_one_however_its_prompt_is_called(data: Path) -> None:
    sentence, text = table(data, "utt2sent"), table(data, "text")
    said = {(text[utterance], sentence[utterance]) for utterance in sentence if text[utterance]}
    assert len(said) == len({words for words, _ in said}) == len({name for _, name in said}) == 817
    for prompt in range(1, 401):
        styles = [f"pavoque_stefan-m{prompt:04d}-{style}" for style in ("angry", "happy", "sad")]
        assert {sentence[utterance] for utterance in styles} == {f"pavoque_m{prompt:04d}"}


@pytest.mark.integration
def test_study_a_has_one_speaker_and_tests_720_utterances_in_1000_places(data: Path, corpora: Path) -> None:
    corpus, folds = folds_of(data, lists_of(corpora, "DE_PAVOQUE"))
    test = count_test(folds)
    assert (test["slots"], test["distinct"]) == (1000, 720)
    found = [audit_fold(corpus, fold, {}, {}) for fold in folds]
    assert [fold["speakers"] for fold in found] == [{"train": 1, "dev": 1, "test": 1}] * 5
    assert [fold["test_seen"]["speakers"] for fold in found] == [1] * 5
    # Of the three styles that share prompts: most sentences are in train too, in another style or under another name.
    seen = []
    for fold in folds:
        train = {corpus.sentence[utterance] for utterance in fold.train}
        seen += [corpus.sentence[test] in train for test in fold.test if corpus.emotion[test] != "neutral"]
    assert (sum(seen), len(seen)) == (614, 750)
