"""Clips: balanced, the same for the same recordings, kept out of training, equally loud; and orders of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import experiment
from local.listen import answers, clips, collect, run, sessions, simulate, trials
from tests.local.listen.conftest import EMOTIONS, write_world
from utils import config
from utils.errors import UserError
from utils.loudness import loudness


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recipe's folder, in which we are."""
    monkeypatch.chdir(write_world(tmp_path))
    return tmp_path


def settings(*overrides: str) -> experiment.Experiment:
    """The recipe's experiment, but for some of it."""
    return config.load(experiment.Experiment, Path("conf/experiment.yaml"), overrides)


def chosen(*overrides: str) -> list[answers.Clip]:
    """The clips that are chosen."""
    own = settings(*overrides)
    read = {name: clips.read_folder(name, own) for name in ("toy_de", "toy_zh", "toy_sed")}
    return clips.choose(read, own)[0]


def test_every_cell_has_as_many_and_speakers_and_sentences_take_turns(recipe: Path) -> None:
    own = chosen("listen.each=3")
    cells = Counter((clip.clip[0], clip.language, clip.emotion) for clip in own)
    choice = {("c", language, emotion): 3 for language in ("de", "zh") for emotion in EMOTIONS}
    assert cells == choice | {("s", "en", emotion): 3 for emotion in ("angry", "happy", "sad")}
    for language in ("de", "zh"):
        for emotion in EMOTIONS:
            cell = [clip for clip in own if (clip.clip[0], clip.language, clip.emotion) == ("c", language, emotion)]
            assert len({clip.speaker for clip in cell}) == 3 and len({clip.sentence for clip in cell}) == 2
        sentences = Counter(clip.sentence for clip in own if clip.language == language)
        assert max(sentences.values()) - min(sentences.values()) <= 1


def test_the_draw_is_seeded_and_does_not_hang_on_the_order_of_corpora_names(recipe: Path) -> None:
    assert chosen() == chosen()
    assert {clip.utt for clip in chosen()} != {clip.utt for clip in chosen("listen.seed=1")}
    # Names tell nothing: they do not follow languages or emotions.
    order = [clip.language for clip in chosen("listen.each=3") if clip.clip[0] == "c"]
    assert order != sorted(order) and order != sorted(order, reverse=True)


def test_clips_come_from_test_lists_alone(recipe: Path) -> None:
    for path in (recipe / "data/toy_de/folds/speaker").glob("*/test"):
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{line}\n" for line in lines if "_a-" not in line))
    assert {clip.speaker for clip in chosen("listen.each=3") if clip.corpus == "toy_de"} == {"toy_de_b", "toy_de_c"}


def plant(recipe: Path, what: str) -> None:
    """Put something into all training lists of data/toy_zh."""
    for path in (recipe / "data/toy_zh/folds/speaker").glob("*/train"):
        path.write_text(f"{path.read_text()}{what}\n")


def test_a_clip_that_a_model_knows_stops_the_stage(recipe: Path) -> None:
    clips.make(recipe / "exp/listen", settings())
    audit = json.loads((recipe / "exp/listen/audit.json").read_text())
    assert audit["voices_in_training_lists"] == 0 and len(audit["clips"]) == 15
    used = next(clip.utt for clip in chosen() if clip.corpus == "toy_zh")
    plant(recipe, used)
    with pytest.raises(UserError, match=rf"train of the fold that tests {used} holds it"):
        clips.make(recipe / "exp/listen", settings())


def test_a_copy_in_another_corpus_stops_it_too(recipe: Path) -> None:
    for name in ("toy_de", "toy_zh"):
        utts = (recipe / f"data/{name}/utt2spk").read_text().split()[::2]
        digests = "".join(f"{utt} {utt.removeprefix(name)}\n" for utt in utts)  # every one has its double
        (recipe / f"data/{name}/utt2digest").write_text(digests)
    for fold in (0, 1, 2):  # what toy_zh trains on is what toy_de tests
        test = (recipe / f"data/toy_de/folds/speaker/{fold}/test").read_text()
        (recipe / f"data/toy_zh/folds/speaker/{fold}/train").write_text(test.replace("toy_de", "toy_zh"))
    with pytest.raises(UserError, match="data/toy_zh/folds/speaker: train .* holds the same audio as toy_zh_"):
        clips.make(recipe / "exp/listen", settings("listen.corpora=[toy_de]"))


def test_a_voice_that_trains_is_counted(recipe: Path) -> None:
    own = next(clip for clip in chosen() if clip.corpus == "toy_zh")
    left = [utt for utt in (recipe / "data/toy_zh/utt2spk").read_text().split()[::2] if own.speaker in utt]
    used = {clip.utt for clip in chosen()}
    plant(recipe, next(utt for utt in left if utt not in used))
    clips.make(recipe / "exp/listen", settings("listen.practice=0", "listen.attention=0"))
    assert json.loads((recipe / "exp/listen/audit.json").read_text())["voices_in_training_lists"] > 0


def test_too_many_clips_are_refused(recipe: Path) -> None:
    with pytest.raises(UserError, match="toy_de.*: 6 utterances in de are angry, listen.each asks for 7"):
        chosen("listen.each=7")


def test_clips_that_are_named_are_heard_and_no_others(recipe: Path) -> None:
    drawn = chosen("listen.each=3")
    named = [clip.utt for clip in drawn if clip.clip[0] == "c"][:5]
    own = chosen(f"listen.clips={json.dumps(named)}")
    assert sorted(clip.utt for clip in own if clip.clip[0] == "c") == sorted(named)
    # None of them can be heard in the second task, whose clips are drawn.
    assert [clip for clip in own if clip.clip[0] == "s"] == [clip for clip in chosen() if clip.clip[0] == "s"]
    config_ = settings(f"listen.clips={json.dumps(named)}")
    read = {name: clips.read_folder(name, config_) for name in ("toy_de", "toy_zh", "toy_sed")}
    assert not {clip.utt for clip in clips.choose(read, config_)[1]} & set(named)
    with pytest.raises(UserError, match="listen.clips: 'nobody' is in no test list of toy_de, toy_zh, toy_sed"):
        chosen(f"listen.clips={json.dumps([*named, 'nobody'])}")
    with pytest.raises(UserError, match=f"listen.clips: '{named[0]}' is there twice"):
        chosen(f"listen.clips={json.dumps([*named, named[0]])}")


def test_other_clips_than_were_answered_are_refused(recipe: Path) -> None:
    folder = recipe / "exp/listen"
    clips.make(folder, settings())
    session = sessions.read(folder, "de01")
    session.add({"event": "start"})
    clips.make(folder, settings())
    with pytest.raises(UserError, match="holds answers to other clips"):
        clips.make(folder, settings("listen.each=2"))


def test_clips_are_as_loud_as_was_asked(recipe: Path) -> None:
    clips.make(recipe / "exp/listen", settings("listen.loudness=-25.0"))
    for path in (recipe / "exp/listen/audio").glob("*.wav"):
        samples, rate = soundfile.read(path, dtype="float32")
        assert loudness(samples, rate) == pytest.approx(-25, abs=0.05)
    with pytest.raises(UserError, match="would be cut off; it can have -"):
        clips.make(recipe / "exp/listen", settings("listen.loudness=-1.0"))


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_loudness_of_what_the_standard_names(rate: int) -> None:
    """ITU-R BS.1770: 997 Hz at full scale in one channel is -3.01 LKFS; EBU Tech 3341: gates leave silence out."""
    tone = np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate)
    assert loudness(tone, rate) == pytest.approx(-3.01, abs=0.05)
    assert loudness(0.1 * tone, rate) == pytest.approx(-23.01, abs=0.05)
    with_silence = np.concatenate([tone, np.zeros(20 * rate), tone])
    assert loudness(with_silence, rate) == pytest.approx(-3.01, abs=0.2)
    assert loudness(np.zeros(rate), rate) == -np.inf


def test_orders_are_balanced_between_listeners(recipe: Path) -> None:
    own = settings("listen.each=3")
    read = {name: clips.read_folder(name, own) for name in ("toy_de", "toy_zh", "toy_sed")}
    main, practice = clips.choose(read, own)
    known = {clip.clip: clip for clip in [*main, *practice]}
    first: Counter[str] = Counter()
    for number in range(6):
        plan = trials.plan(number, main, practice, own.listen, own.emotions)
        assert plan == trials.plan(number, main, practice, own.listen, own.emotions)
        counted = [trial for trial in plan if trial["kind"] == "trial"]
        assert sorted(trial["clip"] for trial in counted) == sorted(clip.clip for clip in main)
        assert [trial["task"] for trial in plan] == sorted(trial["task"] for trial in plan)
        assert len({trial["key"] for trial in plan}) == len(plan)
        for task in ("choice", "segment"):
            kinds = [trial["kind"] for trial in plan if trial["task"] == task]
            assert kinds[0] == "practice" and kinds.count("attention") == 1 and "attention" not in (kinds[1], kinds[-1])
        languages = [known[trial["clip"]].language for trial in counted if trial["task"] == "choice"]
        assert languages in (["de"] * 12 + ["zh"] * 12, ["zh"] * 12 + ["de"] * 12)
        first[languages[0]] += 1
        emotions = [known[trial["clip"]].emotion for trial in counted]
        runs = [a == b == c for a, b, c in zip(emotions, emotions[1:], emotions[2:], strict=False)]
        assert sum(runs) <= 1
        assert all(trial["say"] in EMOTIONS for trial in plan if trial["kind"] == "attention")
    assert first == {"de": 3, "zh": 3}
    assert len({json.dumps(trials.plan(n, main, practice, own.listen, own.emotions)) for n in range(6)}) == 6


def test_listeners_are_made_up_for_synthetic_speech_alone(recipe: Path) -> None:
    (recipe / "conf/corpora.yaml").write_text(
        "".join(f"toy_{name}: {{module: table, language: {name}, synthetic: true}}\n" for name in ("de", "zh", "sed"))
    )
    folder = recipe / "exp/listen"
    own = settings("listen.simulated=2", "listen.each=3")
    clips.make(folder, own)
    simulate.make(folder, own)
    collect.collect(folder)
    made = answers.read_answers(folder / "answers.csv")
    assert {answer.simulated for answer in made} == {True} and len({answer.listener for answer in made}) == 4
    before = (folder / "answers.csv").read_bytes()
    simulate.make(folder, own)
    collect.collect(folder)
    assert (folder / "answers.csv").read_bytes() == before
    (recipe / "conf/corpora.yaml").write_text((recipe / "conf/corpora.yaml").read_text().replace("true", "false"))
    with pytest.raises(UserError, match="people spoke toy_de"):
        simulate.make(folder, own)


def test_without_a_test_nobody_is_made_up(recipe: Path, capsys: pytest.CaptureFixture) -> None:
    (recipe / "conf/corpora.yaml").write_text("toy_de: {language: de}\ntoy_zh: {language: zh}\n")
    run.run(settings("listen.simulated=2", "listen.corpora=[]", "listen.segments=[]"))
    first, last = capsys.readouterr().out.splitlines()
    assert first == "listen.corpora and listen.segments are empty: no listening test"
    assert "nothing to analyse" in last and not Path("exp/listen").exists()
