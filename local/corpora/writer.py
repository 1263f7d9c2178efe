"""From what a corpus module yields to a data directory: ids, emotions, audio headers, exclusions."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import LANGUAGE, CorpusSpec
from local.corpora.sources import short_names
from local.labels import LEFT_OUT
from utils import audio
from utils.data_dir import seconds, write_data_dir
from utils.errors import UserError

# Reading headers waits for disks and file servers far more than it computes.
THREADS = 8
# As utils.audio.load: an end past the end of the file by less is taken as the end.
TOLERANCE = 0.05
# Below '-' in the C locale, or '-' itself: in a speaker's id they would make utterances sort otherwise than speakers.
_NOT_IN_SPEAKER = re.compile(r"[\x00-\x2d\s/\\]")
_NOT_IN_NAME = re.compile(r"[\x00-\x20\s/\\]")
_OPTIONAL = ("spk2gender", "utt2sent", "utt2sess", "utt2delivery")


@dataclass
class Prepared:
    """The content of a data directory."""

    tables: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))  # by file name
    rttm: dict[str, list[str]] = field(default_factory=dict)  # lines of ref.rttm by utterance, if labels have times
    excluded: list[Excluded] = field(default_factory=list)  # in the order in which they were found
    notes: list[str] = field(default_factory=list)  # what else a person should know, a line each

    @property
    def hours(self) -> float:
        """Sum of the utterances' durations."""
        return sum(map(float, self.tables["utt2dur"].values())) / 3600

    def write(self, data_dir: Path) -> None:
        """Write the data directory, whole or not at all."""
        rows = "".join(f"{_one_line(row.item)}\t{_one_line(row.reason)}\n" for row in self.excluded)
        files = {"excluded.tsv": f"item\treason\n{rows}"}
        if self.rttm:
            files["ref.rttm"] = "".join(f"{line}\n" for _, lines in sorted(self.rttm.items()) for line in lines)
        write_data_dir(data_dir, self.tables, files)


def name_in(utterance: str, speaker: str) -> str:
    """Take the corpus's own name of an utterance out of its id.

    Examples
    --------
    >>> name_in("emodb_03-03a01Fa", "emodb_03")
    '03a01Fa'
    """
    return utterance.removeprefix(f"{speaker}-")


def clean_name(name: str) -> str:
    """Make a corpus's name of an utterance fit for an id: white space and slashes become ``_``."""
    return _NOT_IN_NAME.sub("_", name)


def verify(paths: Iterable[Path]) -> dict[Path, float | str]:
    """Check audio files in parallel, each once: the duration in seconds, or why the file is of no use."""
    from tqdm import tqdm

    def one(path: Path) -> float | str:
        try:
            str(path).encode()
            return audio.verify(path).duration
        except UserError as error:
            return str(error).removeprefix(f"{path}: ").replace(" (", ": ", 1).removesuffix(")")
        except UnicodeEncodeError:
            return "path is not UTF-8"

    unique = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(unique, tqdm(pool.map(one, unique), "audio headers", len(unique), False, disable=None)))  # noqa: B905


def build(items: Iterable[Utterance | Excluded], spec: CorpusSpec, words: Mapping[str, str], root: Path) -> Prepared:
    """Turn what a corpus module's ``scan`` yields into the content of a data directory.

    ``words`` are the corpus's own for emotions, in lower case, to harmonised ones; ``excluded.tsv`` names files from
    the root.

    Raises
    ------
    UserError
        Two speakers or recordings would get one id, or nothing is left.
    """
    items = list(items)
    utterances = [item for item in items if isinstance(item, Utterance)]
    checked = verify(utterance.path for utterance in utterances)
    builder = _Builder(spec, words, checked, root, utterances)
    for item in items:
        builder.add(item)
    return builder.finish()


class _Builder:
    def __init__(self, spec: CorpusSpec, words: Mapping[str, str], checked: Mapping[Path, float | str], root: Path,
                 utterances: list[Utterance]):  # fmt: skip
        self.spec, self.words, self.checked = spec, words, checked
        self.root = root if root.is_dir() else root.parent
        self.result = Prepared()
        self.cut = any(utterance.start or utterance.end is not None for utterance in utterances)
        names = short_names(utterance.path for utterance in utterances) if self.cut else {}
        self.recordings = {path: f"{spec.name}_{clean_name(name)}" for path, name in names.items()}
        if len(set(self.recordings.values())) < len(names):
            repeated, _ = Counter(self.recordings.values()).most_common(1)[0]
            raise UserError(f"{root}: several recordings would be called {repeated}; rename all but one")
        self.speakers: dict[str, str] = {}  # id to the corpus's own word
        self.genders: dict[str, str] = {}
        self.persons: dict[str, str] = {}
        self.items: dict[str, str] = {}  # id of an utterance to the file it came from

    def add(self, item: Utterance | Excluded) -> None:
        if isinstance(item, Excluded):
            self.result.excluded.append(item)
            return
        speaker = f"{self.spec.name}_{_NOT_IN_SPEAKER.sub('_', item.speaker)}"
        utterance = f"{speaker}-{clean_name(item.name)}"
        place = self._place(item)
        reason = self._unfit(item)
        if not reason and self.speakers.setdefault(speaker, item.speaker) != item.speaker:
            raise UserError(
                f"{place}: the speakers '{self.speakers[speaker]}' and '{item.speaker}' would both be called "
                f"{speaker}; rename one in letters, digits and '_'"
            )
        person = self._person(item, speaker)
        reason = reason or self._clash(item, speaker, utterance, person)
        if reason:
            self.result.excluded.append(Excluded(place, reason))
            return
        self.items[utterance] = place
        self.genders[speaker] = self.genders.get(speaker) or item.gender
        self.persons[speaker] = person
        self._record(item, speaker, utterance)

    def _unfit(self, item: Utterance) -> str:
        """Say why an utterance cannot be used; empty if it can."""
        language = item.language or self.spec.language
        emotions = (item.emotion, *(span.emotion for span in item.spans))
        unknown = [word for word in emotions if word.casefold() not in self.words]
        duration = self.checked[item.path]
        if not item.name or not item.speaker:
            return "no name or no speaker"
        if unknown:
            return f"unknown emotion '{unknown[0]}': say in conf/emotions.yaml what it means"
        if any(self.words[word.casefold()] == LEFT_OUT for word in emotions):
            return f"left out by a variant of the labels: {item.emotion}"
        if not LANGUAGE.fullmatch(language) or language == "mul":
            return f"language is not an ISO 639-1 code: '{language}'"
        if isinstance(duration, str):
            return duration
        if str(item.path).strip() != str(item.path) or str(item.path).endswith("|") or "\n" in str(item.path):
            return "path cannot stand in wav.scp: rename the file"
        end = duration if item.end is None else item.end
        if not item.start < end <= duration + TOLERANCE:
            return f"times outside the recording: {item.start:g}-{end:g} s of {duration:g} s"
        length = min(end, duration) - item.start
        if any(not 0 <= span.start < span.start + span.duration <= length + TOLERANCE for span in item.spans):
            return "emotional spans outside the utterance"
        return ""

    def _person(self, item: Utterance, speaker: str) -> str:
        """Name who speaks in all corpora; nobody of another corpus has a speaker's own id."""
        said = item.person or (self.spec.persons and f"{self.spec.persons}_{item.speaker}")
        return _NOT_IN_NAME.sub("_", said) or speaker

    def _clash(self, item: Utterance, speaker: str, utterance: str, person: str) -> str:
        if utterance in self.items:
            return f"duplicate: {self.items[utterance]} has the same name"
        known = self.genders.get(speaker)
        if known and item.gender and known != item.gender:
            return f"gender differs from the speaker's other utterances: '{item.gender}'"
        if self.persons.get(speaker, person) != person:
            return f"person differs from the speaker's other utterances: '{person}'"
        return ""

    def _record(self, item: Utterance, speaker: str, utterance: str) -> None:
        duration = self.checked[item.path]
        end = duration if item.end is None else min(item.end, duration)
        recording = self.recordings[str(item.path)] if self.cut else utterance
        values = {
            "wav.scp": str(item.path.absolute()),
            "utt2spk": speaker,
            "utt2emo": self.words[item.emotion.casefold()],
            "utt2emo_raw": _one_line(item.emotion),
            "utt2lang": item.language or self.spec.language,
            "utt2dur": seconds(end - item.start),
            "text": _one_line(item.text),
            # With the corpus's name, so that combined directories do not mix up two corpora's sentences.
            "utt2sent": item.sentence and f"{self.spec.name}_{clean_name(item.sentence)}",
            "utt2sess": item.session and f"{self.spec.name}_{clean_name(item.session)}",
            "utt2delivery": item.delivery,
        }
        if self.cut:
            values["segments"] = f"{recording} {seconds(item.start)} {seconds(end)}"
        for name, value in values.items():
            self.result.tables[name][recording if name == "wav.scp" else utterance] = value
        if item.spans:
            self.result.rttm[utterance] = [
                f"SPEAKER {utterance} 1 {seconds(span.start)} {seconds(span.duration)} <NA> <NA> "
                f"{self.words[span.emotion.casefold()]} <NA> <NA>"
                for span in sorted(item.spans, key=lambda span: span.start)
            ]

    def finish(self) -> Prepared:
        tables = self.result.tables
        if not self.items:
            found = "; ".join(count_kinds(self.result.excluded)) or "no audio files"
            raise UserError(f"{self.root}: no usable utterance of '{self.spec.name}': {found}")
        tables["spk2gender"] = {speaker: self.genders[speaker] for speaker in self.speakers}
        if any(person != speaker for speaker, person in self.persons.items()):
            tables["spk2person"] = dict(self.persons)
        if not any(tables["text"].values()):
            del tables["text"]
        for name in _OPTIONAL:
            missing = sum(not value for value in tables[name].values())
            if 0 < missing < len(tables[name]):
                self.result.notes.append(f"{name} is not written: {missing} of {len(tables[name])} have no value")
            if missing:
                del tables[name]
        return self.result

    def _place(self, item: Utterance) -> str:
        path = item.path
        name = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        return f"{name} {item.name}" if self.cut else name


def count_kinds(excluded: Iterable[Excluded]) -> list[str]:
    """Count exclusions by kind, the most frequent first.

    Examples
    --------
    >>> count_kinds([Excluded("a", "truncated: 3 of 5"), Excluded("b", "truncated: 1 of 9"), Excluded("c", "empty")])
    ['2 truncated', '1 empty']
    """
    return [f"{count} {kind}" for kind, count in Counter(row.kind for row in excluded).most_common()]


def _one_line(text: str) -> str:
    # Names of files may hold bytes that are no UTF-8; a table may not.
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
