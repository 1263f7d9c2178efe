"""Cut prepared corpora into folds, as often as ``split.repeats`` says: the data stage's command.

    cd egs/<recipe> && python3 -m local.splits.repeat --set split.repeats=5

Once, it is what local/splits/make.py does. Several times, ``data/<corpus>/folds/<scheme>/`` holds the folds of one
partition after another: fold k belongs to partition k // split.folds, and the first partition is that of a single one.
Of the others each is drawn with a seed of its own. To balance emotions as well as can be would cut a corpus of few
speakers in the same way whatever the seed, so their speakers count for more or less at random: partitions then are
other ones, and a little less even. Speakers whom ``split.reserve`` keeps for training are the same in all.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
from collections.abc import Iterable
from pathlib import Path

from local import experiment
from local.corpora import spec
from local.experiment import Split
from local.grid.factors import schemes
from local.splits import digests, make
from local.splits.data import Corpus, Fold, load, span
from local.splits.partition import key
from local.splits.schemes import make_folds
from utils import stamp
from utils.atomic import atomic_dir
from utils.errors import UserError, run_main
from utils.folds import PARTS, write_folds

_SPREAD = 0.4  # standard deviation of the logarithm of what a speaker counts for
_TABLES = ("utt2spk", "spk2person", "utt2emo", "spk2gender", "utt2sess", "utt2sent", "utt2digest")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    settings = experiment.load(parser.parse_args())
    for scheme in schemes(settings):
        try:
            split = dataclasses.replace(settings.split, scheme=scheme)
        except ValueError as error:
            raise UserError(f"vary: {error}") from error
        for name in settings.folded:
            cut = make.make if split.repeats == 1 else repeat
            cut(Path("data") / name, split, settings.emotions, spec(name).published)


def repeat(data_dir: Path, split: Split, emotions: Iterable[str], published: str) -> None:
    """Make one corpus's folds of several partitions, unless they are up to date; as ``make.make`` makes those of one.

    Raises
    ------
    UserError
        The corpus is not prepared, or cannot be cut so.
    """
    folder = data_dir / "folds" / split.scheme
    if (data_dir / stamp.NAME).is_file():
        digests.ensure(data_dir)
    config = {"emotions": list(emotions), "split": dataclasses.asdict(split)}
    done = stamp.make(config, ["local.splits.repeat"], [data_dir / name for name in _TABLES])
    stale = stamp.why_stale(folder, done)
    if stale is None:
        print(f"{folder}: up to date")
        return
    folds, notes = partitions(load(data_dir, emotions), split, published)
    with atomic_dir(folder) as temporary:
        write_folds(temporary, (fold.parts() for fold in folds))
        if split.reserve:
            make._write_reserved(temporary / "reserved", data_dir, folds)
    stamp.write(folder, done)
    sizes = ", ".join(f"{part} {span([len(getattr(fold, part)) for fold in folds])}" for part in PARTS)
    print(f"{folder}: {split.repeats} x {split.folds} folds: {sizes} utterances [{stale}]")
    for note in notes:
        print(f"{folder}: {note}")


def partitions(corpus: Corpus, split: Split, published: str = "") -> tuple[list[Fold], list[str]]:
    """Cut a corpus several times: the folds of all partitions, one after another, and notes for a person.

    Raises
    ------
    UserError
        The corpus cannot be cut so.
    """
    if split.reserve and split.cap.train:
        raise UserError("split.repeats, reserve and cap.train do not go together; leave one out")
    first, notes = make_folds(corpus, split, published)
    rest, kept = corpus, ()
    if split.reserve:
        # Whoever is in no dev or test list; encoders have heard them, and must not hear others.
        others = {corpus.person[utterance] for fold in first for utterance in fold.dev + fold.test}
        kept = tuple(utterance for utterance, person in corpus.person.items() if person not in others)
        rest = _without(corpus, {*kept})
    folds = list(first)
    for number in range(1, split.repeats):
        own = dataclasses.replace(split, seed=split.seed + number, reserve=0)
        more, said = make_folds(_weighed(rest, own.seed), own, published)
        folds += (dataclasses.replace(fold, train=tuple(sorted(fold.train + kept))) for fold in more)
        notes += (note for note in said if note not in notes)
    return folds, notes


class _Weighed(Corpus):
    """A corpus in which people count for more or less than their utterances."""

    weights: dict[str, float]

    def count(self, utterances: Iterable[str]) -> dict[str, float]:
        """Add up what utterances count for, by emotion."""
        counts = dict.fromkeys(self.emotions, 0.0)
        for utterance in utterances:
            counts[self.emotion[utterance]] += self.weights[self.person[utterance]]
        return counts


def _weighed(corpus: Corpus, seed: int) -> Corpus:
    """Draw what each person counts for, by what their utterances hold and not by their name."""
    weighed = _Weighed(**{item.name: getattr(corpus, item.name) for item in dataclasses.fields(Corpus)})
    content: dict[str, str] = {}
    for utterance, person in corpus.person.items():
        content[person] = min(content.get(person, corpus.content[utterance]), corpus.content[utterance])
    draws = {person: random.Random(key("weight", seed, own)) for person, own in content.items()}
    object.__setattr__(weighed, "weights", {who: draw.lognormvariate(0, _SPREAD) for who, draw in draws.items()})
    return weighed


def _without(corpus: Corpus, utterances: set[str]) -> Corpus:
    """Leave out some utterances; all tables but ``gender`` go by utterance."""
    every = {item.name: getattr(corpus, item.name) for item in dataclasses.fields(Corpus) if item.name != "gender"}
    tables = {name: table for name, table in every.items() if isinstance(table, dict)}
    left = {name: {one: table[one] for one in table if one not in utterances} for name, table in tables.items()}
    return dataclasses.replace(corpus, **left)


if __name__ == "__main__":
    run_main(main)
