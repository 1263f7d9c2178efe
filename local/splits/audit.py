"""Audit the folds: data/<corpus>/ and its folds -> data/<corpus>/audit.json, and a summary in words.

    cd egs/<recipe> && python3 -m local.splits.audit

reports, for the scheme in ``split`` of ``conf/experiment.yaml``: which speakers, sentences, recording sessions and
identical or nearly identical audio the parts of every fold share, and whose voices or utterances the same fold of
another corpus trains on; utterances that are tested more than once; how many people are behind each emotion; what a
classifier reaches that sees only an utterance's duration, its level, its text, or who speaks; and audio that cannot be
decoded, is silent or clipped.

``audit.json`` holds ``{"audio": {...}, "schemes": {<scheme>: {...}}}``:

- ``audio``: ``utterances``, ``duplicates`` (groups of utterances with the same samples), ``near_duplicates`` (groups of
  utterances that sound the same, with other samples; docs/audit.md), ``unreadable``, ``near_silent``, ``clipped``
  (utterances);
- a scheme: ``emotions``, ``chance``, ``one_speaker``, ``speakers_disjoint`` (no fold's test speaker is in its train
  or dev), ``voices_elsewhere`` (by corpus, how many people of a fold's test list its same fold trains on),
  ``copies_elsewhere`` (by corpus, local/splits/copies.py), ``effective_speakers`` (by emotion), ``test`` (``slots``,
  ``distinct``, ``repeated``), ``delivery`` (how many places of the test lists hold scripted, and improvised,
  utterances; null where the corpus does not have both), ``folds`` (all of these in local/splits/overlap.py),
  ``shortcuts`` (local/splits/shortcuts.py), ``summary`` (lines of text).

Audio was decoded once for all schemes: ``data/<corpus>/audit/`` holds digests and fingerprints.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from local import experiment
from local.grid.factors import schemes
from local.splits import copies, digests
from local.splits.data import load, read_folds, span
from local.splits.overlap import (
    audit_fold,
    count_delivery,
    count_test,
    duplicates,
    effective_speakers,
    voices_elsewhere,
)
from utils import stamp
from utils.atomic import atomic_file
from utils.data_dir import read_persons
from utils.errors import run_main
from utils.folds import DIGEST, PARTS
from utils.folds import read_folds as read_lists


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    run(experiment.load(parser.parse_args()))


def run(settings: experiment.Experiment) -> None:
    """Audit every corpus of an experiment, by each of its schemes.

    Raises
    ------
    UserError
        The folds have not been made.
    """
    for name in settings.folded:
        for scheme in schemes(settings):
            beside = [Path("data") / other for other in settings.folded if other != name]
            audit(Path("data") / name, scheme, settings.emotions, beside)


def audit(data_dir: Path, scheme: str, emotions: Iterable[str], beside: Iterable[Path] = ()) -> None:
    """Audit one scheme's folds of one corpus, made for some emotions, unless that is up to date, and print the summary.

    ``beside`` are the data directories of the other corpora, cut by the same scheme.

    Raises
    ------
    UserError
        The folds have not been made.
    """
    emotions, beside = list(emotions), list(beside)
    for folder in (data_dir, *beside):
        digests.ensure(folder)
    path = data_dir / "audit.json"
    done = _stamp(data_dir, scheme, emotions, beside)
    stale = stamp.why_stale(data_dir / "audit" / scheme, done) if path.is_file() else "not made yet"
    if stale is None:
        print(f"{path}: scheme '{scheme}' is up to date")
        return
    rows = digests.read(data_dir / digests.TABLE)
    groups = copies.find([data_dir, *beside])
    schemes = json.loads(path.read_text(encoding="utf-8"))["schemes"] if path.is_file() else {}
    # What was found for other schemes stays as long as it is true.
    schemes = {
        other: found
        for other, found in schemes.items()
        if stamp.why_stale(data_dir / "audit" / other, _stamp(data_dir, other, emotions, beside)) is None
    }
    audio = _audio(rows, copies.near(groups, data_dir))
    made = _scheme(data_dir, scheme, emotions, rows, beside, groups, audio)
    report = {"audio": audio, "schemes": schemes | {scheme: made}}
    with atomic_file(path) as file:
        json.dump(report, file, indent=1, ensure_ascii=False)
        file.write("\n")
    stamp.write(data_dir / "audit" / scheme, done)
    print(f"{path}: scheme '{scheme}' [{stale}]")
    for line in report["schemes"][scheme]["summary"]:
        print(f"  {line}")


def _stamp(data_dir: Path, scheme: str, emotions: list[str], beside: list[Path]) -> dict:
    voices = ("utt2spk", "spk2person", f"folds/{scheme}/{DIGEST}")
    tables = (*voices, "utt2emo", "utt2dur", "utt2sent", "utt2sess", "utt2delivery", "text")
    inputs = [data_dir / name for name in (*tables, digests.TABLE, digests.PRINTS)]
    inputs += [folder / name for folder in beside for name in (*voices, digests.TABLE, digests.PRINTS)]
    config = {"emotions": emotions, "beside": [folder.name for folder in beside]}
    return stamp.make(config, ["local.splits.audit"], inputs)


def _audio(rows: list, near: list[list[str]]) -> dict:
    return {
        "utterances": len(rows),
        "duplicates": duplicates(rows),
        "near_duplicates": near,
        "unreadable": [row.utterance for row in rows if row.problem.startswith("unreadable")],
        "near_silent": [row.utterance for row in rows if row.problem == "near silent"],
        "clipped": [row.utterance for row in rows if row.problem == "clipped"],
    }


def _scheme(
    data_dir: Path, scheme: str, emotions: list[str], rows: list, beside: list[Path], groups: copies.Groups, audio: dict
) -> dict:
    from local.splits.shortcuts import shortcuts

    corpus = load(data_dir, emotions)
    folds = read_folds(corpus, scheme)
    lists = {
        folder: read_lists(folder / "folds" / scheme) if (folder / "folds" / scheme / stamp.NAME).is_file() else []
        for folder in beside
    }
    others = {folder.name: (read_persons(folder), own) for folder, own in lists.items() if own}
    same_audio = {row.utterance: row.samples for row in rows if row.samples}
    near = {utterance: number for number, group in enumerate(audio["near_duplicates"]) for utterance in group}
    report = {
        "emotions": emotions,
        "chance": 1 / len(emotions),
        "one_speaker": len(corpus.speakers) == 1,
        "voices_elsewhere": voices_elsewhere(corpus, folds, others),
        "copies_elsewhere": copies.elsewhere(groups, data_dir, folds, lists),
        "effective_speakers": effective_speakers(corpus, folds),
        "test": count_test(folds),
        "delivery": count_delivery(corpus, folds),
        "folds": [audit_fold(corpus, fold, same_audio, near) for fold in folds],
        "shortcuts": shortcuts(corpus, folds, {row.utterance: float(row.level) for row in rows if row.level}),
    }
    shared = [fold["shared"]["speakers"] for fold in report["folds"]]
    report["speakers_disjoint"] = not any(pair["train_test"] or pair["dev_test"] for pair in shared)
    return report | {"summary": summarise(report, audio)}


def summarise(report: dict, audio: dict) -> list[str]:
    """Say in words, line by line, what an audit found: a scheme's part of ``audit.json``, and its part ``audio``."""
    folds, lines = report["folds"], []
    if report["one_speaker"]:
        lines.append("speakers: the corpus has one, who is in train, dev and test")
    else:
        lines.append(f"speakers: {_speakers(folds)}")
    lines += [
        f"voices: {count} people who are tested are trained on by the same fold of {name}"
        for name, count in report["voices_elsewhere"].items()
    ]
    effective = ", ".join(f"{emotion} {count:.1f}" for emotion, count in report["effective_speakers"].items())
    lines.append(f"effective number of test speakers: {effective}")
    for kind, words in (
        ("sentences", "of the test utterances say a sentence that is also in train"),
        ("sessions", "of the test utterances come from a recording session that is also in train"),
    ):
        seen = [fold["test_seen"][kind] for fold in folds]
        lines.append(f"{kind}: " + ("the corpus does not name them" if None in seen else f"{_range(seen)} {words}"))
    test = report["test"]
    times, rest = divmod(test["slots"], test["distinct"])
    if test["repeated"] == test["distinct"] and not rest:
        again = f"each tested in every one of {times} partitions"
    else:
        again = f"{test['repeated']} of them tested more than once" if test["repeated"] else "each tested once"
    lines.append(f"test lists: {test['slots']} places hold {test['distinct']} utterances, {again}")
    if report["delivery"]:
        share = [
            f"{100 * count / test['slots']:.1f}% of the places in the test lists hold {name} speech"
            for name, count in report["delivery"].items()
        ]
        lines.append(f"delivery: {', '.join(share)}")
    for words, found, kind in (("identical", "duplicates", "audio"), ("nearly identical", "near_duplicates", "near")):
        groups, crossing = audio[found], sum(fold["shared"][kind]["train_test"] for fold in folds)
        number = "1 group" if len(groups) == 1 else f"{len(groups)} groups"
        same = f"{number} of utterances, {crossing} across train and test; first " if groups else "none"
        lines.append(f"{words} audio: {same}{_some(groups[0]) if groups else ''}")
    lines += [
        f"audio elsewhere: {counts['utterances']} utterances are in {name} too, {counts['trained']} of them tested "
        f"while the same fold of {name} trains on them"
        for name, counts in report["copies_elsewhere"].items()
    ]
    for kind in ("unreadable", "near_silent", "clipped"):
        if audio[kind]:
            lines.append(f"{kind.replace('_', ' ')} audio: {len(audio[kind])}: {_some(audio[kind])}")
    reached = [
        f"{name} {found['ua']:.3f}" + (f" (where chance is {found['chance']:.3f})" if "chance" in found else "")
        if found
        else f"{name} unknown"
        for name, found in report["shortcuts"].items()
    ]
    return [*lines, f"UA without hearing the voice (chance {report['chance']:.3f}): {', '.join(reached)}"]


def _some(utterances: list[str]) -> str:
    return ", ".join(utterances[:3]) + (", ..." if len(utterances) > 3 else "")


def _speakers(folds: list[dict]) -> str:
    sizes = ", ".join(f"{part} {span([fold['speakers'][part] for fold in folds])}" for part in PARTS)
    pairs = {"train_test": "train and test", "dev_test": "dev and test", "train_dev": "train and dev"}
    shared = {words: span([fold["shared"]["speakers"][pair] for fold in folds]) for pair, words in pairs.items()}
    words = ", ".join(f"{words} {count}" for words, count in shared.items() if count != "0")
    return f"{sizes} a fold; {f'shared: {words}' if words else 'no two parts share any'}"


def _range(shares: list[float]) -> str:
    low, high = f"{100 * min(shares):.1f}", f"{100 * max(shares):.1f}"
    return f"{low}%" if low == high else f"{low}-{high}%"


if __name__ == "__main__":
    run_main(main)
