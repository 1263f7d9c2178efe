"""Make recordings whose emotion changes: data/<corpus>/ with folds -> data/<corpus>/sed/{single,double,noisy}/.

    cd egs/<recipe> && python3 -m local.sed.make --set sed.corpora=[emodb]

A recording is joined of utterances of one speaker that are in the same part of every fold, so that it is in that part
too. ``single``: one emotional span after, before or between neutral speech, or alone, and some recordings that are
neutral throughout. ``double``: two spans of different emotions with neutral speech between them. ``noisy``: the
recordings of ``single`` with noise and reverberation. Each is a data directory (16 kHz FLAC) with ``ref.rttm`` and
``folds/<scheme>``; ``utt2parts`` says what each recording is joined of, and ``excluded.tsv`` what was not used and why.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local import experiment
from local.sed.data import spans
from local.sed.data.sets import KINDS, NEUTRAL, tile
from utils import audio, stamp
from utils.atomic import atomic_dir
from utils.data_dir import check_replaceable, content_keys, format_data_dir, read_utt2, read_utterances, seconds
from utils.errors import UserError, run_main
from utils.folds import PARTS, read_folds, write_folds
from utils.rttm import Segment, read_rttm, write_rttm
from utils.table import read_table

# Decoding, encoding and most of the arithmetic leave Python's lock free.
THREADS = min(4, os.cpu_count() or 1)
# Of an utterance's speech, in seconds. The longest keeps a recording of three below a batch of the default size (48 s).
SHORTEST, LONGEST = 0.4, 15.0
PLANS = {"single": spans.plan_single, "double": spans.plan_double}
SPEAKER_TABLES = ("spk2gender", "spk2person")  # of the corpus; its sets keep them
NOISY = "_noisy"  # after the id of the recording in single


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus: where it is, its fold lists, and its utterances with an emotion that is asked for."""

    folder: Path
    scheme: str
    folds: list[dict[str, list[str]]]
    emotion: dict[str, str]
    speaker: dict[str, str]
    content: dict[str, str]  # what to draw an utterance by


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    settings = experiment.load(parser.parse_args())
    if not settings.sed.corpora:
        print("sed.corpora is empty: no recordings to make")
    for name in settings.sed.corpora:
        make(Path("data") / name, settings)


def make(folder: Path, settings: experiment.Experiment) -> None:
    """Make one corpus's sets, except those that are up to date, and say so in a line each.

    ``single`` is always made, ``double`` and ``noisy`` if they are in ``sed.sets``.

    Raises
    ------
    UserError
        The corpus is not prepared or has no folds, has segment-level labels of its own, or its speakers and folds leave
        nothing to join.
    """
    corpus, seed = _read(folder, settings), settings.sed.seed
    tables = ("utt2spk", "spk2person", "utt2emo", "utt2lang", "wav.scp", "segments")
    inputs = [folder / name for name in (".done", *tables)]
    lists = folder / "folds" / corpus.scheme
    inputs += [lists / str(number) / part for number in range(len(corpus.folds)) for part in PARTS]
    code = ["local.sed.make"]
    config = {"emotions": settings.emotions, "scheme": corpus.scheme, "seed": seed}
    single, usable = folder / "sed" / "single", None
    for kind in [kind for kind in KINDS if kind == "single" or kind in settings.sed.sets]:
        target = folder / "sed" / kind
        done = stamp.make(config, code, [single / stamp.NAME] if kind == "noisy" else inputs)
        # What cannot be planned of all utterances cannot be made of those that turn out to be usable.
        if kind != "noisy" and _lacking(corpus, target, _plan(corpus, corpus.emotion, kind, seed)):
            continue
        stale = stamp.why_stale(target, done)
        if stale is None:
            print(f"{target}: up to date")
            continue
        if kind == "noisy":
            _make_noisy(single, target, corpus, seed)
        else:
            usable = usable or _usable(corpus)
            fit, excluded = usable
            plan = _plan(corpus, fit, kind, seed)
            if _lacking(corpus, target, plan):
                continue
            _make_joined(corpus, plan, excluded | plan.left_out, target)
        stamp.write(target, done)
        print(f"{target}: {_summary(target)} [{stale}]")
        lonely = sum(not own.neutral for own in _group(corpus, fit) for _ in own.emotional) if kind == "single" else 0
        if lonely:
            print(f"{target}: {lonely} recordings are of an emotion alone: {spans.NO_NEUTRAL}")


def _read(folder: Path, settings: experiment.Experiment) -> Corpus:
    if NEUTRAL not in settings.emotions or len(settings.emotions) < 2:
        raise UserError("emotions: diarization needs neutral and at least one other emotion; add them")
    if not (folder / stamp.NAME).is_file():
        raise UserError(f"{folder}: not prepared; run the data stage (python3 -m local.corpora.prepare) first")
    if (folder / "ref.rttm").is_file():
        raise UserError(f"{folder}/ref.rttm: it has segment-level labels; name it in sed.test, not in sed.corpora")
    scheme = settings.split.scheme
    lists = folder / "folds" / scheme
    if not (lists / stamp.NAME).is_file():
        raise UserError(f"{lists}: no folds; run the data stage (python3 -m local.splits.make) first")
    emotion = {utterance: own for utterance, own in read_utt2(folder, "emo").items() if own in settings.emotions}
    return Corpus(folder, scheme, read_folds(lists), emotion, read_utt2(folder, "spk"), content_keys(folder))


def _group(corpus: Corpus, utterances: Iterable[str]) -> list[spans.Group]:
    return spans.group({utterance: corpus.emotion[utterance] for utterance in utterances}, corpus.speaker, corpus.folds)


def _plan(corpus: Corpus, utterances: Iterable[str], kind: str, seed: int) -> spans.Plan:
    """Plan a set's recordings by what utterances hold, so that names do not matter, and then name them."""
    name = {corpus.content[utterance]: utterance for utterance in utterances}
    first: dict[str, str] = {}  # what a speaker is called meanwhile
    for key, utterance in sorted(name.items()):
        first.setdefault(corpus.speaker[utterance], key)
    folds = [
        {part: [corpus.content[utterance] for utterance in fold[part] if utterance in corpus.emotion] for part in PARTS}
        for fold in corpus.folds
    ]
    emotion = {key: corpus.emotion[utterance] for key, utterance in name.items()}
    groups = spans.group(emotion, {key: first[corpus.speaker[own]] for key, own in name.items()}, folds)
    plan = PLANS[kind](groups, seed)
    recordings = [
        dataclasses.replace(one, id=f"{name[key]}{suffix}", utterances=tuple(name[own] for own in one.utterances))
        for one in plan.recordings for key, suffix in [(one.id[: -len(one.order) - 1], one.id[-len(one.order) - 1 :])]
    ]  # fmt: skip
    recordings.sort(key=lambda recording: recording.id)
    return spans.Plan(recordings, {name[key]: reason for key, reason in plan.left_out.items()})


def _usable(corpus: Corpus) -> tuple[list[str], dict[str, str]]:
    """List what can be used, and say of the rest why it cannot."""
    from local.sed.data import join

    def unfit(utterance: str) -> str:
        active = join.measure(sources[utterance].load())
        duration = (active.end - active.begin) / audio.SAMPLE_RATE
        if not duration:
            return "no speech"
        if duration < SHORTEST:
            return f"too short: {duration:.2f} s of speech, at least {SHORTEST:g} are needed"
        return f"too long: {duration:.1f} s of speech, at most {LONGEST:g} are used" if duration > LONGEST else ""

    sources = {utterance.id: utterance for utterance in read_utterances(corpus.folder)}
    folds = {utterance for fold in corpus.folds for part in PARTS for utterance in fold[part]}
    excluded = {utterance: "in no fold" for utterance in corpus.emotion if utterance not in folds}
    in_folds = [utterance for utterance in corpus.emotion if utterance in folds]
    reasons = _threaded(unfit, in_folds, f"{corpus.folder}: looking for speech")
    excluded |= {utterance: reason for utterance, reason in zip(in_folds, reasons, strict=True) if reason}
    return [name for name in in_folds if name not in excluded], excluded


def _lacking(corpus: Corpus, target: Path, plan: spans.Plan) -> bool:
    """Tell whether a plan is of no use, and say so; without ``single`` nothing can be done with the corpus."""
    reasons = [
        f"fold {number} has no recording in {part}"
        for number in range(len(corpus.folds))
        for part in PARTS
        if not any(recording.places[number] == part for recording in plan.recordings)
    ]
    if not any({"n", "e"} <= set(recording.order) for recording in plan.recordings):
        reasons.insert(0, "no speaker has neutral and emotional speech in the same part of every fold")
    reason = reasons[0] if reasons else ""
    if reason and target.name == "single":
        raise UserError(f"{target}: {reason}; choose another split.scheme, or take the corpus out of sed.corpora")
    if reason:
        print(f"{target}: not made: {reason}")
        # Of an earlier run with other folds.
        if (target / stamp.NAME).is_file():
            shutil.rmtree(target)
    return bool(reason)


def _make_joined(corpus: Corpus, plan: spans.Plan, excluded: dict[str, str], target: Path) -> None:
    """Make ``single`` or ``double``."""
    from local.sed.data import join

    recordings = {recording.id: recording for recording in plan.recordings}
    sources = {utterance.id: utterance for utterance in read_utterances(corpus.folder)}

    def one(name: str, wav: Path) -> tuple[int, list[Segment]]:
        recording = recordings[name]
        samples, boundaries = join.join([sources[utterance].load() for utterance in recording.utterances])
        _write_audio(wav, join.to_pcm(samples))
        ends = [boundary / audio.SAMPLE_RATE for boundary in boundaries[1:]]
        return len(samples), tile(name, zip(ends, recording.labels, strict=True))

    language = read_utt2(corpus.folder, "lang")
    tables = {
        "utt2spk": {name: corpus.speaker[recording.utterances[0]] for name, recording in recordings.items()},
        "utt2emo": {name: recording.emotion for name, recording in recordings.items()},
        "utt2lang": {name: language[recording.utterances[0]] for name, recording in recordings.items()},
        "utt2parts": {name: " ".join(recording.utterances) for name, recording in recordings.items()},
        "utt2order": {name: recording.order for name, recording in recordings.items()},
    }
    for table in SPEAKER_TABLES:
        if (corpus.folder / table).is_file():
            whole, speakers = read_table(corpus.folder / table), set(tables["utt2spk"].values())
            tables[table] = {speaker: own for speaker, own in whole.items() if speaker in speakers}
    folds = [
        {part: [name for name, own in recordings.items() if own.places[number] == part] for part in PARTS}
        for number in range(len(corpus.folds))
    ]
    _write(target, tables, corpus.scheme, folds, excluded, one)


def _make_noisy(single: Path, target: Path, corpus: Corpus, seed: int) -> None:
    """Make ``noisy`` of ``single``: the same recordings, ``_noisy`` after their ids."""
    import numpy as np

    from local.sed.data import join

    sources = {f"{utterance.id}{NOISY}": utterance for utterance in read_utterances(single)}
    reference, parts = read_rttm(single / "ref.rttm"), read_table(single / "utt2parts")
    tables: dict[str, dict[str, str]] = {"utt2snr": {}, "utt2rt60": {}}

    def one(name: str, wav: Path) -> tuple[int, list[Segment]]:
        held = [corpus.content[utterance] for utterance in parts[sources[name].id].split()]
        random = np.random.default_rng(int(spans.key(seed, *held), 16))
        noisy = join.degrade(sources[name].load(), random)
        _write_audio(wav, join.to_pcm(noisy.samples))
        tables["utt2snr"][name], tables["utt2rt60"][name] = f"{noisy.snr:.2f}", f"{noisy.rt60:.3f}"
        segments = reference[sources[name].id]
        return len(noisy.samples), [dataclasses.replace(segment, utterance=name) for segment in segments]

    for table in ("utt2spk", "utt2emo", "utt2lang", "utt2parts", "utt2order"):
        tables[table] = {f"{name}{NOISY}": value for name, value in read_table(single / table).items()}
    for table in SPEAKER_TABLES:
        if (single / table).is_file():
            tables[table] = read_table(single / table)
    folds = [
        {part: [f"{name}{NOISY}" for name in fold[part]] for part in PARTS}
        for fold in read_folds(single / "folds" / corpus.scheme)
    ]
    _write(target, tables, corpus.scheme, folds, {}, one)


def _write(
    target: Path, tables: dict[str, dict[str, str]], scheme: str, folds: list[dict[str, list[str]]],
    excluded: dict[str, str], one: Callable[[str, Path], tuple[int, list[Segment]]],
) -> None:  # fmt: skip
    """Write a set, whole or not at all; ``one`` writes a recording and returns its samples' number and segments."""
    check_replaceable(target)
    names = sorted(tables["utt2spk"])
    with atomic_dir(target.resolve()) as temporary:
        (temporary / "wav").mkdir()
        made = list(_threaded(lambda name: one(name, temporary / "wav" / f"{name}.flac"), names, f"{target}"))
        # From the recipe's folder, so that the same recipe gives the same files wherever it is.
        tables["wav.scp"] = {name: f"{target}/wav/{name}.flac" for name in names}
        rates = zip(names, made, strict=True)
        tables["utt2dur"] = {name: seconds(length / audio.SAMPLE_RATE) for name, (length, _) in rates}
        for name, text in format_data_dir(target, tables).items():
            (temporary / name).write_bytes(text.encode())
        write_rttm(temporary / "ref.rttm", (segment for _, segments in made for segment in segments))
        rows = "".join(f"{item}\t{reason}\n" for item, reason in sorted(excluded.items()))
        (temporary / "excluded.tsv").write_bytes(f"item\treason\n{rows}".encode())
        write_folds(temporary / "folds" / scheme, folds)


def _write_audio(path: Path, samples: object) -> None:
    import soundfile

    soundfile.write(path, samples, audio.SAMPLE_RATE, subtype="PCM_16")


def _summary(target: Path) -> str:
    hours = sum(map(float, read_table(target / "utt2dur").values())) / 3600
    speakers = set(read_table(target / "utt2spk").values())
    orders = Counter(read_table(target / "utt2order").values())
    lines = (target / "excluded.tsv").read_text("utf-8").splitlines()[1:]
    # Reasons without their details.
    excluded = Counter(line.partition("\t")[2].partition(": ")[0] for line in lines)
    shown = ", ".join(f"{order} {count}" for order, count in sorted(orders.items()))
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(excluded.items()))
    found = f"{orders.total()} recordings, {hours:.2f} h, {len(speakers)} speakers ({shown})"
    return f"{found}; left out: {left_out}" if left_out else found


def _threaded(function: Callable, items: Sequence, title: str) -> Iterator:
    from tqdm import tqdm

    with ThreadPoolExecutor(THREADS) as pool:
        yield from tqdm(pool.map(function, items), title, len(items), False, disable=None)


if __name__ == "__main__":
    run_main(main)
