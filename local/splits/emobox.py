"""EmoBox's folds: its lists of train and test, from which we cut dev.

``<emobox_dir>/data/<dataset>/fold_<n>/<dataset>_{train,test}_fold_<n>.jsonl`` hold a JSON object a line, an utterance:
``key``, ``dataset``, ``wav`` (a path, whose last parts name the file), ``emo`` (the corpus's own word, which
``label_map.json`` beside the folds translates), ``length`` and others; of a recording with many utterances,
``start_time`` too. There is no speaker, and keys alter names: what joins is the file.

- What ``emotions`` does not ask for is left out. That EmoBox and our utt2emo differ about the others is an error.
- A file that is not here is an error: a fold with holes is not EmoBox's, and what it published is then of other data.
  But where nothing at all is here of the folder (or long recording) that it is in, the corpus at hand is a part of
  EmoBox's (of ESD one language, for instance), and a note counts what is left out; so it does with files that
  excluded.tsv names.
- EmoBox has no validation lists. Dev is about a fifth of train, of speakers who are in no other part of it: a group of
  those into which partition.py cuts train's speakers, the one that holds most evenly of every emotion. Where fewer than
  two speakers have an emotion, it is a fifth of each emotion at random, and a note says so. Speakers whom EmoBox has in
  train and in test are so with us; the audit counts them.

Source: Z. Ma et al., "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark", Interspeech
2024, and the lists at https://github.com/emo-box/EmoBox.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local import labels
from local.corpora.writer import clean_name, name_in
from local.experiment import Split
from local.splits.data import Corpus, Fold
from local.splits.partition import key, partition
from utils.data_dir import read_utt2
from utils.errors import UserError
from utils.table import read_json, read_table, read_text

DEV = 5  # dev is one of so many parts of train


@dataclass(frozen=True)
class Row:
    """An utterance of one of EmoBox's lists."""

    wav: PurePosixPath
    start: str  # in seconds with two decimals; empty where the file holds this utterance alone
    emotion: str  # ours, or EmoBox's own word where we have none

    @property
    def unit(self) -> PurePosixPath:
        """What is here or not as a whole: the folder it is in, or the long recording."""
        return self.wav if self.start else self.wav.parent


def files(emobox_dir: str | None, dataset: str) -> list[Path]:
    """List all of a dataset's files that are read; none where there are none."""
    folder = Path(emobox_dir or "", "data", dataset)
    return [*sorted(folder.glob(f"fold_*/{dataset}_*_fold_*.jsonl")), *folder.glob("label_map.json")]


def read_emobox(corpus: Corpus, split: Split, dataset: str) -> tuple[list[Fold], list[str]]:
    """Turn EmoBox's lists into folds of a prepared corpus, with notes for a person, a line each.

    Parameters
    ----------
    corpus : Corpus
        Its utterances of the emotions asked for.
    split : Split
        ``emobox_dir`` holds EmoBox's folder ``data``; ``seed`` decides between equals where dev is cut.
    dataset : str
        What EmoBox calls the corpus, its folder in ``data``.

    Returns
    -------
    (list of Fold, list of str)
        As many folds as EmoBox has.

    Raises
    ------
    UserError
        The lists are not there or malformed, name files that are not here, or label them otherwise.
    """
    if not split.emobox_dir:
        raise UserError("split.scheme is emobox: say in split.emobox_dir where EmoBox is, the folder that holds data/")
    if not dataset:
        raise UserError(f"{corpus.folder}: EmoBox does not have it; name its folder there in `emobox` of its entry")
    folder = Path(split.emobox_dir, "data", dataset)
    words, here = _words(folder), _Here(corpus)
    folds, notes = [], []
    for number in _numbers(folder):
        parts = {}
        for part in ("train", "test"):
            path = folder / f"fold_{number}" / f"{dataset}_{part}_fold_{number}.jsonl"
            parts[part], said = here.find(path, _rows(path, words))
            notes += said
        if shared := parts["train"] & parts["test"]:
            raise UserError(f"{folder}: fold {number}: {len(shared)} utterances are in train and in test, first "
                            f"{min(shared)}")  # fmt: skip
        if not parts["test"] or not parts["train"]:
            notes.append(f"{folder}: fold {number} is left out: nothing of its lists is asked for and here")
            continue
        dev, apart = cut_dev(corpus, parts["train"], split.seed)
        if not apart:
            notes.append(f"{folder}: fold {number}: too few speakers: dev is cut at random, and shares them with train")
        lists = {"train": parts["train"] - dev, "dev": dev, "test": parts["test"]}
        folds.append(Fold(**{part: tuple(sorted(own)) for part, own in lists.items()}))
    if not folds:
        raise UserError(f"{folder}: nothing of its lists is asked for and in {corpus.folder}")
    return folds, notes


def cut_dev(corpus: Corpus, train: set[str], seed: int) -> tuple[set[str], bool]:
    """Take about a fifth out of a training list, by what utterances hold and by no name.

    Returns
    -------
    (set of str, bool)
        The utterances, and whether their speakers are apart from the rest.
    """
    of_person: dict[str, list[str]] = defaultdict(list)
    for utterance in train:
        of_person[corpus.person[utterance]].append(utterance)
    members = {key(*sorted(corpus.content[utterance] for utterance in own)): own for own in of_person.values()}
    counts = {unit: list(corpus.count(own).values()) for unit, own in members.items()}
    total = list(corpus.count(train).values())
    for number in range(min(DEV, *(sum(map(bool, own)) for own in zip(*counts.values(), strict=True))), 1, -1):
        fit = []
        for units in partition(counts, {unit: [] for unit in members}, number, seed):
            own = [sum(column) for column in zip(*(counts[unit] for unit in units), strict=True)]
            if all(0 < n < whole for n, whole in zip(own, total, strict=True)):
                uneven = sum((n / whole - 1 / number) ** 2 for n, whole in zip(own, total, strict=True))
                fit.append((round(uneven, 9), units))
        if fit:
            return {utterance for unit in min(fit)[1] for utterance in members[unit]}, True
    dev = set()
    for emotion in corpus.emotions:
        own = sorted((key(seed, "dev", corpus.content[u]), u) for u in train if corpus.emotion[u] == emotion)
        dev |= {utterance for _, utterance in own[: max(1, round(len(own) / DEV))]}
    return dev, False


def _words(folder: Path) -> dict[str, str]:
    """Read what a dataset's own words mean, in our words where we have one."""
    path = folder / "label_map.json"
    if not path.is_file():
        raise UserError(f"{path}: no such file; correct split.emobox_dir, or `emobox` of the corpus's entry")
    try:
        found = read_json(path).items()
        ours = labels.words(("common",))
        return {raw: ours.get(word.casefold(), word.casefold()) for raw, word in found}
    except AttributeError as error:
        raise UserError(f"{path}: expected a JSON object of words and what each means ({error})") from error


def _numbers(folder: Path) -> range:
    """Number the folds, from 1."""
    found = sorted(path.name for path in folder.glob("fold_*") if path.is_dir())
    numbers = range(1, len(found) + 1)
    if not found or {f"fold_{number}" for number in numbers} != set(found):
        raise UserError(f"{folder}: expected fold_1, fold_2 and so on, found {', '.join(found) or 'none'}")
    return numbers


def _rows(path: Path, words: dict[str, str]) -> list[Row]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; get EmoBox's lists again")
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            start = f"{item['start_time']:.2f}" if "start_time" in item else ""
            rows.append(Row(PurePosixPath(item["wav"]), start, words[item["emo"]]))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise UserError(
                f"{path}:{number}: expected a JSON object with `wav`, and an `emo` that label_map.json translates "
                f"({type(error).__name__}: {error})"
            ) from error
    return rows


class _Here:
    """The utterances of a data directory, by file."""

    def __init__(self, corpus: Corpus):
        self.corpus, folder = corpus, corpus.folder
        self.emotion = read_utt2(folder, "emo")
        raw, words = {}, labels.words(("common", folder.name))
        if (folder / "utt2emo_raw").is_file():
            raw = read_utt2(folder, "emo_raw")
        self.before = {one: words.get(raw.get(one, "").casefold(), "") for one in self.emotion}  # any variant
        speaker, paths = read_utt2(folder, "spk"), read_table(folder / "wav.scp")
        segments = read_table(folder / "segments") if (folder / "segments").is_file() else {}
        self.path, self.known = {}, defaultdict(set)
        for utterance in self.emotion:
            recording, start, *_ = [*segments.get(utterance, utterance).split(), ""]
            self.path[utterance] = PurePosixPath(paths[recording])
            stem = clean_name(self.path[utterance].stem)
            if start:
                self.known[stem, f"{float(start):.2f}"].add(utterance)
            else:
                for name in {stem, name_in(utterance, speaker[utterance])}:
                    self.known[name, ""].add(utterance)
        excluded = folder / "excluded.tsv"
        lines = read_text(excluded).splitlines()[1:] if excluded.is_file() else []
        self.excluded = {clean_name(PurePosixPath(line.split("\t")[0]).stem) for line in lines}

    def find(self, path: Path, rows: list[Row]) -> tuple[set[str], list[str]]:
        """Find the utterances of a list that are asked for, with notes on what is left out."""
        asked, found, wrong, missing = self.corpus.emotions, set(), [], []
        units = {row.unit for row in rows if self._one(row)}
        for row in rows:
            utterance = self._one(row)
            if utterance is None:
                missing += [row] if row.emotion in asked else []
            elif self.emotion[utterance] in asked or row.emotion in asked:
                found.add(utterance)
                if row.emotion not in (self.emotion[utterance], self.before[utterance]):
                    wrong.append((utterance, row.emotion))
        if wrong:
            raise UserError(
                f"{path}: labels {len(wrong)} of {len(rows)} utterances otherwise than {self.corpus.folder}/utt2emo, "
                f"first {wrong[0][0]}: {wrong[0][1]} and {self.emotion[wrong[0][0]]}; name a variant in "
                f"`labels`, or mend conf/emotions.yaml"
            )
        out, lacking = [], []
        for row in missing:
            known = row.unit not in units or clean_name(row.wav.stem) in self.excluded
            (out if known else lacking).append(row)
        if lacking:
            raise UserError(
                f"{path}: names {len(lacking)} of {len(rows)} files that {self.corpus.folder} does not have, first "
                f"{lacking[0].wav}; complete the corpus and prepare it again"
            )
        said = f"{path}: {len(out)} of {len(rows)} files are left out, which are not here"
        return found & self.corpus.emotion.keys(), [f"{said}, first {out[0].wav}"] if out else []

    def _one(self, row: Row) -> str | None:
        """Find one; of several of this name, that whose path ends alike in most parts."""
        own = self.known.get((clean_name(row.wav.stem), row.start), set())
        if len(own) < 2:
            return next(iter(own), None)
        alike = {one: _alike(self.path[one].with_suffix(""), row.wav.with_suffix("")) for one in own}
        best = [one for one in sorted(own) if alike[one] == max(alike.values())]
        if len(best) > 1:
            raise UserError(f"{self.corpus.folder}: {best[0]} and {best[1]} may both be EmoBox's {row.wav}")
        return best[0]


def _alike(one: PurePosixPath, other: PurePosixPath) -> int:
    """Count the last parts that two paths share."""
    count = 0
    for a, b in zip(reversed(one.parts), reversed(other.parts), strict=False):
        if a.casefold() != b.casefold():
            break
        count += 1
    return count
