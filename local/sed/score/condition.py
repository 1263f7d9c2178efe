"""Score one condition: hypotheses -> hyp.rttm, eder.csv, eder.json.

A recording's rate is its mean over seeds; a condition's is the mean over recordings, as published, with an interval
over speakers, since recordings of one speaker resemble each other, and over seeds where there are several.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from local import encoders
from local.experiment import Experiment
from local.grid.conditions import Condition
from local.results import eder, heard
from local.results.eder import Eder
from local.results.eder_names import PARTS
from local.results.languages import setting
from local.sed.conditions import BASELINES, PUBLISHED, PUBLISHED_ON, how, settings
from local.sed.data.sets import NEUTRAL, SedSet
from local.sed.score import recipe
from local.sed.score.baselines import Hypothesis
from utils import csv_file, intervals, stamp, uncertain
from utils.atomic import atomic_dir
from utils.intervals import Blocks
from utils.rttm import write_rttm
from utils.uncertain import Figure

COLUMNS = ("utterance", "speaker", "emotion", "fold", "seed", "duration", *PARTS, "eder", "frames")


@dataclass(frozen=True)
class Rates:
    """Rates of a set's recordings, and whose they are."""

    test: str  # the set
    utterances: list[str]  # sorted
    runs: np.ndarray  # (seeds, recordings)
    block: np.ndarray  # (recordings,), number of the speaker, or of the recording where there is one speaker
    group: np.ndarray  # (recordings,), index into `emotions`
    emotions: list[str]  # the recordings' (dominant) emotions
    blocks: Blocks  # the same for all systems on this set, so that differences are paired

    @property
    def rate(self) -> np.ndarray:
        """Mean over seeds, shape (recordings,)."""
        return self.runs.mean(axis=0)

    def speakers(self, chosen: np.ndarray) -> int:
        """How many speakers some recordings are of."""
        return len(set(self.block[chosen].tolist())) if self.blocks.unit == "speaker" else 1

    def figure(self, chosen: np.ndarray, scores: np.ndarray | None = None) -> Figure:
        """Mean rate of some recordings or, with scores of shape (seeds, recordings), mean difference of two systems."""
        runs, block = (self.runs if scores is None else scores)[:, chosen], self.block[chosen]
        one_class = np.zeros(len(block), dtype=int)
        return uncertain.figure(self.test, self.blocks, block, one_class, runs, 1, share=scores is None)

    def mean(self, chosen: np.ndarray, confidence: float) -> dict:
        """Mean of some recordings with its interval, n and speakers; None for what is not known."""
        figures = [self.figure(chosen)]
        found = uncertain.combine(figures, None, confidence)
        values = {"mean": found.value, "lo": found.low, "hi": found.high, "se": found.se, "df": found.df}
        values["seed_sd"] = uncertain.seed_sd(figures)
        known = {key: None if np.isnan(value) else float(value) for key, value in values.items()}
        return {"n": int(chosen.sum()), "speakers": self.speakers(chosen), "no_interval": found.reason} | known


def rates(rows: Sequence[Mapping[str, str]], test: str, experiment: Experiment) -> Rates:
    """Prepare the rates of one condition, from rows as of ``eder.csv``; all systems on a set share replicates."""
    by_utterance: dict[str, list[Mapping[str, str]]] = {}
    for row in sorted(rows, key=lambda row: (row["utterance"], int(row["seed"]))):
        by_utterance.setdefault(row["utterance"], []).append(row)
    first = {utterance: own[0] for utterance, own in by_utterance.items()}
    emotions = sorted({row["emotion"] for row in first.values()}, key=lambda emotion: (emotion == NEUTRAL, emotion))
    group = {utterance: emotions.index(row["emotion"]) for utterance, row in first.items()}
    score = experiment.score
    rng = np.random.default_rng(score.seed)
    speaker = {utterance: row["speaker"] for utterance, row in first.items()}
    blocks = intervals.make_blocks(speaker, group, score.resamples if score.interval == "bootstrap" else 0, rng)
    runs = np.array([[float(row["eder"]) for row in own] for own in by_utterance.values()]).T
    block, group = (np.array([number[utterance] for utterance in first]) for number in (blocks.of, group))
    return Rates(test, list(first), runs, block, group, emotions, blocks)


def write(
    condition: Condition, data: SedSet, fold_of: Mapping[str, int], hypotheses: Mapping[int, Hypothesis],
    made_from: dict, voices_seen: int = 0,
) -> None:  # fmt: skip
    """Score a condition and write its directory, whole or not at all.

    ``fold_of`` says which fold tests each recording; ``hypotheses``, by seed, hold all of these recordings;
    ``voices_seen`` counts the tested people whose voice trained the model that tests them.
    """
    import yaml

    reference = {utterance: data.reference[utterance] for utterance in fold_of}
    durations = {utterance: data.duration[utterance] for utterance in fold_of}
    rows, scores = [], {}
    for seed, hypothesis in hypotheses.items():
        scores[seed] = eder.score_all(reference, hypothesis, durations)
        for utterance, found in scores[seed].items():
            published = recipe.rate(reference[utterance], hypothesis[utterance], durations[utterance])
            rows.append(_row(data, fold_of, seed, utterance, found) | {"frames": f"{published:.6f}"})
    report = summarise(rows, list(scores.values()), condition.test, condition.experiment)
    with atomic_dir(condition.directory) as folder:
        write_rttm(folder / "hyp.rttm", [s for segments in hypotheses[min(hypotheses)].values() for s in segments])
        csv_file.write(folder / "eder.csv", COLUMNS, rows)
        for name, content in (("meta", describe(condition, data) | {"voices_seen": voices_seen}), ("eder", report)):
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
        config = yaml.safe_dump(settings(condition) | {"condition": condition.identity}, sort_keys=False)
        (folder / "config.yaml").write_text(config, encoding="utf-8")
        stamp.write(folder, made_from, keep=True)
    overall = report["all"]
    ends = [overall[key] for key in ("lo", "hi")]
    interval = overall["no_interval"] or ", ".join(f"{100 * end:.1f}" for end in ends)
    print(
        f"{condition.directory}: EDER {100 * overall['mean']:.1f}% [{interval}], {overall['n']} recordings of "
        f"{overall['speakers']} speakers",
        flush=True,
    )


def describe(condition: Condition, data: SedSet) -> dict:
    """Say what a condition is: its ``meta.json``."""
    languages = sorted(set(data.language.values()))
    corpus = condition.test.partition(".")[0]
    found = {
        "stage": condition.stage, "factors": condition.identity, "how": how(condition), "test_languages": languages,
        "setting": "", "baseline": condition.method in BASELINES, "contaminated": [],
    }  # fmt: skip
    if condition.encoder:
        from local.corpora import spec

        encoder = encoders.spec(condition.encoder)
        trained = sorted({spec(name).language for name in condition.train})
        if len(languages) == 1:
            found["setting"] = setting(encoder.languages, trained, languages[0])
        found["contaminated"] = heard.say(encoder, [corpus])
    elif condition.method == PUBLISHED:
        found["contaminated"] = [f"{corpus}:{heard.LABELS}"] if corpus in PUBLISHED_ON else []
    return found


def summarise(rows: Sequence[Mapping], scores: Sequence[Mapping[str, Eder]], test: str, experiment: Experiment) -> dict:
    """Give a condition's means: over all recordings and by dominant emotion, with intervals, and its errors by kind.

    ``rows`` are those of ``eder.csv``, and ``scores`` the same, a mapping a seed.

    Returns
    -------
    dict
        ``all`` (as :meth:`Rates.mean`), ``by_emotion``, ``weighted`` (each second alike), ``frames`` (as the published
        recipe counts, local/sed/score/recipe.py) and the share of time of each kind of error, ``resampled``.
    """
    found = rates(rows, test, experiment)
    everything = np.ones(len(found.rate), dtype=bool)
    confidence = experiment.score.confidence
    total = eder.summarise([one for scored in scores for one in scored.values()]).total
    return {
        "all": _finite(found.mean(everything, confidence)),
        "by_emotion": {
            emotion: _finite(found.mean(found.group == number, confidence))
            for number, emotion in enumerate(found.emotions)
        },
        "weighted": total.rate,
        "frames": float(np.mean([float(row["frames"]) for row in rows])),
        "errors": {part: getattr(total, part) / total.duration for part in PARTS},
        "seeds": len(scores),
        "resampled": found.blocks.unit,
    }


def _finite(mean: dict) -> dict:
    """Degrees of freedom without end (no sign that speakers differ) are null in JSON, which has no infinity."""
    return mean | {"df": None if mean["df"] == np.inf else mean["df"]}


def _row(data: SedSet, fold_of: Mapping[str, int], seed: int, utterance: str, found: Eder) -> dict[str, str]:
    emotion = eder.dominant(data.reference[utterance])
    values = {part: f"{getattr(found, part):.4f}" for part in PARTS}
    return values | {
        "utterance": utterance, "speaker": data.speaker[utterance], "emotion": emotion, "fold": str(fold_of[utterance]),
        "seed": str(seed), "duration": f"{found.duration:.4f}", "eder": f"{found.rate:.6f}",
    }  # fmt: skip
