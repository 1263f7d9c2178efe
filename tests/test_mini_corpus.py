"""The bundled synthetic corpus: its tables describe its audio, and its script makes it again."""

from __future__ import annotations

import csv
import importlib.util
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

EMOTIONS = {"angry", "happy", "neutral", "sad"}
LANGUAGES = {"zh", "de", "en", "bn", "th"}


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture
def corpus(repo) -> Path:
    return repo / "egs/mini/corpus"


@pytest.fixture
def script(repo):
    spec = importlib.util.spec_from_file_location("make_corpus", repo / "egs/mini/make_corpus.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_corpus"] = module
    spec.loader.exec_module(module)
    return module


def recordings(corpus: Path, rows: list[dict[str, str]]):
    """Yield every recording's rows and samples."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["language"], row["recording"]].append(row)
    for (language, recording), members in groups.items():
        samples, rate = soundfile.read(corpus / language / f"{recording}.ogg", dtype="float32")
        assert rate == 16000 and samples.ndim == 1
        yield members, samples


@pytest.mark.parametrize("name", ["metadata.tsv", "sed.tsv"])
def test_utterances_are_audible_and_gaps_are_silent(corpus, name):
    for rows, samples in recordings(corpus, table(corpus / name)):
        speech = np.zeros(len(samples), dtype=bool)
        for row in rows:
            start, end = (round(float(row[side]) * 16000) for side in ("start", "end"))
            assert 0 < start < end < len(samples)
            assert not speech[start:end].any(), f"{row['utterance']} overlaps its neighbour"
            speech[start:end] = True
            assert 0.6 < (end - start) / 16000 < (12 if name == "sed.tsv" else 4)
            assert -45 < 10 * np.log10(np.mean(samples[start:end] ** 2)) < -12
        # Lossy coding smears a little; away from the borders the gaps are silent.
        near = np.cumsum(np.pad(speech.astype(int), (801, 800)))
        gaps = near[1601:] == near[:-1601]
        assert gaps.any()
        assert np.sqrt(np.mean(samples[gaps] ** 2)) < 1e-3


def test_the_design_is_complete(corpus):
    rows = table(corpus / "metadata.tsv")
    assert len({row["utterance"] for row in rows}) == len(rows)
    assert {row["language"] for row in rows} == LANGUAGES
    cells = Counter((row["speaker"], row["sentence"], row["emotion"]) for row in rows)
    assert set(cells.values()) == {1}
    for language in LANGUAGES:
        own = [row for row in rows if row["language"] == language]
        genders = {row["speaker"]: row["gender"] for row in own}
        assert len(genders) >= 4 and Counter(genders.values())["f"] >= 2 and Counter(genders.values())["m"] >= 2
        assert len(own) == len(genders) * len({row["sentence"] for row in own}) * len(EMOTIONS)
        assert all(row["utterance"].startswith(f"{row['speaker']}-") and row["text"] for row in own)


def test_changes_of_emotion_cover_their_utterances(corpus):
    rows = {row["utterance"]: row for row in table(corpus / "sed.tsv")}
    spans = defaultdict(list)
    for line in (corpus / "sed.rttm").read_text().splitlines():
        kind, utterance, _, start, duration, _, _, emotion, _, _ = line.split()
        assert kind == "SPEAKER" and emotion in EMOTIONS
        spans[utterance].append((float(start), float(start) + float(duration), emotion))
    assert spans.keys() == rows.keys()
    orders = Counter()
    for utterance, row in rows.items():
        borders = [0.0, *(end for _, end, _ in spans[utterance])]
        assert [start for start, _, _ in spans[utterance]] == pytest.approx(borders[:-1], abs=2e-4)
        assert borders[-1] == pytest.approx(float(row["end"]) - float(row["start"]), abs=3e-4)
        said = [emotion for _, _, emotion in spans[utterance]]
        assert set(said) - {"neutral"} == {row["emotion"]}
        orders[" ".join("neutral" if emotion == "neutral" else "emotional" for emotion in said)] += 1
    assert set(orders) == {"neutral emotional", "emotional neutral", "neutral emotional neutral", "emotional"}
    assert len(rows) >= 40 and {row["emotion"] for row in rows.values()} == {"angry", "happy", "sad"}


def test_seeking_is_sample_exact(corpus):
    row = table(corpus / "metadata.tsv")[37]
    path = corpus / row["language"] / f"{row['recording']}.ogg"
    start, end = (round(float(row[side]) * 16000) for side in ("start", "end"))
    whole, _ = soundfile.read(path, dtype="float32")
    part, _ = soundfile.read(path, start=start, stop=end, dtype="float32")
    assert np.array_equal(part, whole[start:end])


def test_it_is_small_and_says_what_it_is(corpus):
    assert sum(path.stat().st_size for path in corpus.rglob("*") if path.is_file()) < 8e6
    readme = (corpus / "README.md").read_text()
    assert "synthetic" in readme.lower() and "espeak" in readme.lower() and "CC0" in readme


def test_manners_overlap_and_languages_differ(script):
    drawn = {
        (voice.language, emotion): np.array(
            [script.manner(voice, emotion, f"{voice.name}-{n}-{emotion}") for n in range(50)]
        )
        for language in script.ESPEAK
        for voice in script.voices(language)[:1]
        for emotion in script.EMOTIONS
    }
    for column in (0, 3):  # neither pace nor loudness alone tells neutral from happy
        for language in script.ESPEAK:
            happy, neutral = drawn[language, "happy"][:, column], drawn[language, "neutral"][:, column]
            assert abs(happy.mean() - neutral.mean()) < 4 * max(happy.std(), neutral.std())
    means = np.array([[drawn[language, emotion].mean(0) for emotion in script.EMOTIONS] for language in script.ESPEAK])
    assert (means.std(axis=0) > 0.01).all()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_the_script_makes_the_same_corpus_again(script, tmp_path):
    for name in ("one", "two"):
        script.make(tmp_path / name, ("de",), voices_each=1, sentences_each=2)
    names = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert list(map(str, names)) == ["de/de1-sed.ogg", "de/de1.ogg", "metadata.tsv", "sed.rttm", "sed.tsv"]
    for name in names:
        if name.suffix == ".ogg":  # the container holds a random serial number
            one, two = (soundfile.read(tmp_path / side / name)[0] for side in ("one", "two"))
            assert np.array_equal(one, two)
        else:
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert len(table(tmp_path / "one/metadata.tsv")) == 8
