"""What the tests of a run will compare, on whose speech: known before it has been run.

Families of tests are those that stages 5 and 6 make (local/score/families.py, local/sed/conditions.py).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local import encoders
from local.experiment import Experiment
from local.finetune.conditions import STAGE as FINETUNE
from local.grid.conditions import Condition
from local.probe.conditions import STAGE as PROBE
from local.results import languages
from local.results.read import Described
from local.score import families
from local.score.tabulate import Names
from local.sed import conditions as sed
from local.sed.data.sets import path_of
from utils.data_dir import read_utt2
from utils.folds import read_folds
from utils.intervals import number_blocks

Sample = tuple[str, str]  # a tested corpus or set, and its split scheme


@dataclass(frozen=True)
class Basis:
    """What a comparison rests on: comparisons with the same basis can show the same.

    Attributes
    ----------
    samples : tuple of (Sample, float)
        Test corpora, and how much each counts in a mean over them.
    seeds : int
        Trained models that are averaged.
    diarization : bool
        Whether error rates are compared, not UA.
    """

    samples: tuple[tuple[Sample, float], ...]
    seeds: int
    diarization: bool = False

    @property
    def where(self) -> str:
        """Name the test corpora, or say how many they are."""
        names = sorted({name for (name, _), _ in self.samples})
        listed = f" ({', '.join(names)})" if len(names) < 4 else ""
        return names[0] if len(names) == 1 else f"mean over {len(names)} corpora{listed}"


@dataclass(frozen=True)
class _Asked(Described):
    """A condition that has not been run."""

    condition: Condition


def planned(settings: Experiment) -> dict[str, list[Basis]]:
    """List what will be compared: of each family of tests, the basis of every test."""
    found: dict[str, list[Basis]] = {}
    asked = [
        _Asked(one.directory, _meta(one), one) for stage in (PROBE, FINETUNE) for one in stage.conditions(settings)
    ]
    if asked:
        asked = families.in_order(asked)
        names = Names.of(asked, "")
        plain = [one for one in asked if not one.factors.get(families.SHOTS)]
        compared = (families.systems, asked), (families.languages, plain), (families.shots, asked)
        for made, own in (*compared, (families.ablation, plain)):
            for one in made(own, names):
                basis = _basis(own[a].condition for a, _ in one.pairs)
                found.setdefault(one.labels["family"], []).append(basis)
    return found | _diarized(settings)


def _meta(condition: Condition) -> dict:
    """Say as much of a condition's ``meta.json`` as families of tests follow from."""
    heard = dict.fromkeys([*condition.source, *condition.train])
    spoken = languages.describe(
        encoders.spec(condition.encoder).languages, map(_languages, heard), "+".join(_languages(condition.test))
    )
    return {"stage": condition.stage, "factors": condition.identity} | spoken


@functools.cache
def _languages(corpus: str) -> list[str]:
    return sorted(set(read_utt2(Path("data", corpus), "lang").values()))


def _basis(conditions: Iterable[Condition]) -> Basis:
    conditions = list(conditions)
    counts = Counter((one.test, one.experiment.split.scheme) for one in conditions)
    section = getattr(conditions[0].experiment, conditions[0].stage)
    seeds = range(section.draws) if conditions[0].factors.get(families.SHOTS) else section.seeds
    return Basis(tuple((sample, count / counts.total()) for sample, count in counts.items()), len(set(seeds)))


def _diarized(settings: Experiment) -> dict[str, list[Basis]]:
    """List the comparisons of stage 6; recordings of all corpora together are one sample, as there."""
    asked = sed.STAGE.conditions(settings)
    # What differs in more than corpora is another system.
    systems = [str([value for factor, value in one.values if factor.name not in ("train", "test")]) for one in asked]
    results = [(system, sed.how(one), one.test) for system, one in zip(systems, asked, strict=True)]
    baseline = [one.method in sed.BASELINES for one in asked]
    for key, places in sed.pooled(results).items():
        results.append(key)
        baseline.append(baseline[places[0]])
    found = {}
    for test in dict.fromkeys(own for _, _, own in results):
        on_test = [own for own, (_, _, other) in zip(baseline, results, strict=True) if other == test]
        sample = test, settings.split.scheme
        basis = Basis(((sample, 1.0),), len(set(settings.sed.seeds)), diarization=True)
        pairs = sed.compared(on_test)
        if pairs:
            found[sed.family(test)] = [basis] * len(pairs)
    return found


def utterances(sample: Sample, emotions: list[str]) -> np.ndarray:
    """Count who is tested on what.

    Parameters
    ----------
    sample : (str, str)
        Corpus and split scheme.
    emotions : list of str
        The classes.

    Returns
    -------
    ndarray of float, shape (speakers, emotions)
        Places in the test lists; of a corpus of one speaker, utterances take the place of speakers, as in tests. Lists
        that were made for other emotions, which stage 1 will make again, count with what is asked for.
    """
    folder = Path("data", sample[0])
    emotion, speaker = (read_utt2(folder, what) for what in ("emo", "spk"))
    lists = read_folds(folder / "folds" / sample[1])
    tested = [utterance for fold in lists for utterance in fold["test"] if emotion[utterance] in emotions]
    _, number = number_blocks({utterance: speaker[utterance] for utterance in tested})
    found = np.zeros((len(set(number.values())), len(emotions)))
    for utterance in tested:
        found[number[utterance], emotions.index(emotion[utterance])] += 1
    return found


def recordings(sample: Sample, settings: Experiment) -> np.ndarray:
    """Count the recordings of a set by speaker, shape (speakers, 1).

    Of a set that has not been made, its corpus's tested speakers count alike.
    """
    corpus, _, kind = sample[0].partition(".")
    if corpus == "*":
        return np.concatenate([recordings((f"{name}.{kind}", sample[1]), settings) for name in settings.sed.corpora])
    folder = path_of(sample[0])
    if not (folder / "utt2spk").is_file():
        return np.ones((len(utterances((corpus, sample[1]), settings.emotions)), 1))
    _, number = number_blocks(read_utt2(folder, "spk"))
    return np.bincount(list(number.values())).astype(float)[:, None]
