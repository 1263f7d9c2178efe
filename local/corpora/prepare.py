"""Turn corpora into Kaldi data directories: corpus roots -> data/<corpus>/.

    cd egs/<recipe> && python3 -m local.corpora.prepare --db-root DIR

prepares every corpus that ``conf/experiment.yaml`` names (in ``corpora``, ``pretrain`` and ``sed``). A corpus is at
``DIR/<corpus>``, or where ``root`` of its entry in ``conf/corpora.yaml`` says. What could not be used is in
``data/<corpus>/excluded.tsv``. A corpus whose files and annotations have not changed since is skipped; one that is
made anew loses its folds and audit, which depend on it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from local import experiment
from local.corpora import registry
from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec, Expected
from utils import stamp
from utils.errors import run_main


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    parser.add_argument("--db-root", type=Path, metavar="DIR", help="where the corpora are: corpus c at DIR/c")
    arguments = parser.parse_args()
    run(experiment.load(arguments), arguments.db_root)


def run(settings: experiment.Experiment, db_root: Path | None = None) -> None:
    """Prepare every corpus of an experiment; ``db_root`` is where those are that say no root of their own.

    Raises
    ------
    UserError
        A root is missing or another corpus's, or nothing in it can be used.
    """
    specs = [registry.spec(name) for name in settings.prepared]
    # All roots are looked at before the first corpus is prepared, so that a typing error shows at once.
    roots = [registry.root_of(spec, db_root) for spec in specs]
    for spec, root in zip(specs, roots, strict=True):
        registry.module(spec).check(root, spec)
    for spec, root in zip(specs, roots, strict=True):
        prepare(spec, root, Path("data") / spec.name, settings.labels)


def prepare(spec: CorpusSpec, root: Path, data_dir: Path, variants: Iterable[str] = ()) -> None:
    """Prepare one corpus, unless it is up to date, and say so in one line.

    ``variants`` are choices on emotions, by their names in ``conf/emotions.yaml``.

    Raises
    ------
    UserError
        The root is not this corpus, or nothing in it can be used.
    """
    module, words = registry.module(spec), registry.emotion_words(spec, variants)
    items = list(module.scan(root, spec))
    done = stamp.make(
        {
            "root": str(root), "language": spec.language, "options": spec.options, "persons": spec.persons,
            "emotions": words,
            "files and annotations": fingerprint(items),
        },
        ["local.corpora.writer", module.__name__],
        [],
    )  # fmt: skip
    stale = stamp.why_stale(data_dir, done)
    if stale is None:
        print(f"{data_dir}: up to date")
        return
    from local.corpora import writer

    prepared = writer.build(items, spec, words, root)
    prepared.write(data_dir)
    stamp.write(data_dir, done)
    tables = prepared.tables
    speakers, emotions = set(tables["utt2spk"].values()), Counter(tables["utt2emo"].values())
    excluded = writer.count_kinds(prepared.excluded)
    print(
        f"{data_dir}: {len(speakers)} speakers, {len(tables['utt2spk'])} utterances, {prepared.hours:.2f} h ("
        + ", ".join(f"{emotion} {count}" for emotion, count in sorted(emotions.items()))
        + f"); {len(prepared.excluded)} excluded"
        + (f" ({', '.join(excluded)}; see {data_dir}/excluded.tsv)" if excluded else "")
        + f" [{stale}]"
    )
    own = Counter(word.casefold() for word in tables["utt2emo_raw"].values())
    for note in [*prepared.notes, *differences(spec.expected, len(speakers), own)]:
        print(f"{data_dir}: {note}")


def fingerprint(items: Iterable[Utterance | Excluded]) -> str:
    """Hash what a scan found, and the size and modification time of every audio file: no file is opened."""
    digest = hashlib.sha256()
    statuses: dict[str, str] = {}
    for item in items:
        values = [str(getattr(item, name)) for name in item.__slots__]
        if isinstance(item, Utterance):
            path = str(item.path)
            if path not in statuses:
                try:
                    status = os.stat(path)
                    statuses[path] = f"{status.st_size} {status.st_mtime_ns}"
                except (OSError, ValueError):  # a name that no file can have
                    statuses[path] = "missing"
            values.append(statuses[path])
        digest.update("\t".join([*values, "\n"]).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:16]


def differences(expected: Expected, speakers: int, emotions: Counter[str]) -> list[str]:
    """Say in a line what differs from the whole corpus; nothing when nothing does.

    Examples
    --------
    >>> differences(Expected(speakers=2, utterances=5, emotions={"joy": 3}), 2, Counter(joy=1, rage=2))
    ['differs from the whole corpus: 3 of 5 utterances; joy 1 of 3']
    """
    found = []
    if expected.speakers and speakers != expected.speakers:
        found.append(f"{speakers} of {expected.speakers} speakers")
    if expected.utterances and emotions.total() != expected.utterances:
        found.append(f"{emotions.total()} of {expected.utterances} utterances")
    for word, count in expected.emotions.items():
        if emotions[word] != count:
            found.append(f"{word} {emotions[word]} of {count}")
    return [f"differs from the whole corpus: {'; '.join(found)}"] if found else []


if __name__ == "__main__":
    run_main(main)
