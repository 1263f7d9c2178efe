"""Cut prepared corpora into folds: data/<corpus>/ -> data/<corpus>/folds/<scheme>/<k>/{train,dev,test}.

    cd egs/<recipe> && python3 -m local.splits.make --set split.scheme=speaker --set split.folds=5

``split`` of ``conf/experiment.yaml`` says how. Schemes: ``speaker`` (no speaker in two parts of a fold),
``speaker+sentence`` (nor a sentence of test in another; about half of the utterances are tested, and half are left to
train on), ``speaker+matched`` (its control: the same tests, as much to train on, of all sentences), ``speaker+mixed``
(the control of ``speaker``: as many of each emotion, but the tested speakers are trained on), ``session`` (no recording
session in two parts), ``published`` (lists of files, see local/splits/published.py), ``emobox`` (those of EmoBox, see
local/splits/emobox.py) and ``random`` (stratified by emotion; speakers are shared, and the audit says so). The same
settings give the same folds of the same recordings everywhere, whatever the corpus, its speakers and its files are
called: what is drawn depends on the audio alone.
With ``split.repeats``, folds of several partitions follow one another (local/splits/repeat.py). With
``split.reserve``, ``folds/<scheme>/reserved`` is a data directory of the speakers who are in no dev or test list.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable
from pathlib import Path

from local import experiment
from local.corpora import spec
from local.grid.factors import schemes
from local.splits import digests
from local.splits.data import Fold, load, span
from utils import stamp
from utils.atomic import atomic_dir
from utils.data_dir import write_data_dir
from utils.data_dir_ops import read_tables, restrict
from utils.errors import UserError, run_main
from utils.folds import PARTS, write_folds


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    run(experiment.load(parser.parse_args()))


def run(settings: experiment.Experiment) -> None:
    """Cut every corpus of an experiment, by each of its schemes.

    Raises
    ------
    UserError
        A corpus is not prepared, or cannot be cut so.
    """
    for scheme in schemes(settings):
        try:
            split = dataclasses.replace(settings.split, scheme=scheme)
        except ValueError as error:
            raise UserError(f"vary: {error}") from error
        for name in settings.folded:
            own = spec(name)
            folder = own.emobox if scheme == "emobox" else own.published
            make(Path("data") / name, split, settings.emotions, folder)


def make(data_dir: Path, split: experiment.Split, emotions: Iterable[str], published: str) -> None:
    """Make one corpus's folds, unless they are up to date, and say so in one line.

    Utterances with other emotions are in no fold; ``published`` is the corpus's folder in ``split.published_dir``, or
    its name in EmoBox.

    Raises
    ------
    UserError
        The corpus is not prepared, or cannot be cut so.
    """
    folder = data_dir / "folds" / split.scheme
    if (data_dir / stamp.NAME).is_file():
        digests.ensure(data_dir)
    tables = ("utt2spk", "spk2person", "utt2emo", "spk2gender", "utt2sess", "utt2sent", "utt2digest")
    inputs = [data_dir / name for name in tables]
    if split.scheme == "published":
        inputs += sorted(Path(split.published_dir or "", published).glob("*/*.csv"))
    if split.scheme == "emobox":
        from local.splits import emobox

        inputs += emobox.files(split.emobox_dir, published)
        inputs += [data_dir / name for name in ("wav.scp", "segments", "utt2emo_raw", "excluded.tsv")]
    config = {"emotions": list(emotions), "split": dataclasses.asdict(split)}
    done = stamp.make(config, ["local.splits.make"], inputs)
    stale = stamp.why_stale(folder, done)
    if stale is None:
        print(f"{folder}: up to date")
        return
    from local.splits.repeat import partitions

    folds, notes = partitions(load(data_dir, emotions), split, published)
    with atomic_dir(folder) as temporary:
        write_folds(temporary, (fold.parts() for fold in folds))
        if split.reserve:
            _write_reserved(temporary / "reserved", data_dir, folds)
    stamp.write(folder, done)
    sizes = ", ".join(f"{part} {span([len(getattr(fold, part)) for fold in folds])}" for part in PARTS)
    number = f"{split.repeats} x {split.folds}" if split.repeats > 1 else f"{len(folds)}"
    print(f"{folder}: {number} folds: {sizes} utterances [{stale}]")
    for note in notes:
        print(f"{folder}: {note}")


def _write_reserved(target: Path, data_dir: Path, folds: list[Fold]) -> None:
    """Write the data directory of the speakers that no fold develops or tests on, with all of their emotions."""
    tables = read_tables(data_dir)
    speaker = tables["utt2spk"]
    others = {speaker[utterance] for fold in folds for utterance in fold.dev + fold.test}
    write_data_dir(target, restrict(tables, [utterance for utterance in speaker if speaker[utterance] not in others]))


if __name__ == "__main__":
    run_main(main)
