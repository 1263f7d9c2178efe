"""Analyse what people heard, beside models: answers, imports and published rates -> exp/listen/*.csv.

Run in a recipe folder::

    python3 -m local.listen.analyse [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Of ``exp/listen/{answers,clips}.csv`` it writes, into the same folder (docs/listeners.md):

- ``scores.csv``: UA of every group on the clips of every language, and of models on the same clips;
- ``confusions.csv``: row-normalised, of both;
- ``by_listener.csv``: every listener's precision, recall and F1;
- ``contrasts.csv``: tests between groups and between languages, listeners as units;
- ``logistic.csv``: the same by a mixed model, listeners and clips crossed;
- ``reliability.csv``: whether listeners agree;
- ``segments.csv``: the diarization error rate of the segments that listeners marked.

Of rates that corpora bring along it writes ``rates.csv``: UA of people on what models are tested on, and on all that
people rated. Of either it writes

- ``beside.csv``: people and each model on the same utterances (local/listen/items.py);
- ``items.csv``: those utterances, one by one.

Of a study's published figures (``study.listeners``) it writes ``study_tests.csv`` and ``study_figures.csv``: what can
be checked of them. A table of nothing is removed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local import experiment
from local.listen.tables import write
from utils import stamp
from utils.errors import run_main
from utils.rttm import read_rttm
from utils.table import read_table

if TYPE_CHECKING:
    from local.listen.answers import Answer, Clip
    from local.listen.models import Model

NAMES = (
    "scores", "confusions", "by_listener", "contrasts", "logistic", "reliability", "segments", "rates", "beside",
    "items", "study_tests", "study_figures",
)  # fmt: skip
_DATA = ("utt2emo", "utt2spk", "utt2dur", "ref.rttm")  # of a corpus, what is read beside conditions


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.listen.analyse", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    experiment.add_arguments(parser)
    run(experiment.load(parser.parse_args(argv)))


def run(config: experiment.Experiment) -> None:
    """Write the tables of what there is; say so where there is nothing."""
    from local.listen import answers, models, rates, study

    folder = config.exp / "listen"
    if (folder / stamp.NAME).is_file() and stamp.why_stale(folder, _stamp(config)) is None:
        print(f"{folder}: up to date")
        return
    given = folder / answers.ANSWERS
    heard = answers.read_answers(given) if given.is_file() else []
    clips = answers.read_clips(folder / answers.CLIPS) if heard else []
    published, figures = rates.find(config), study.file(config)
    found = models.load(config.exp) if heard or published else []
    tables = _of_answers(config.exp, heard, clips, found, config.emotions) if heard else {}
    _add(tables, _of_rates(published, found, config.emotions))
    if figures:
        ours = tables["scores"][1] if "scores" in tables else []
        tables |= {"study_tests": (study.TESTS, study.tests(figures))}
        tables |= {"study_figures": (study.FIGURES, list(study.figures(figures, ours, config.corpora)))}
    tables = {name: (columns, rows) for name, (columns, rows) in tables.items() if rows}
    for name in NAMES:
        if name not in tables:
            (folder / f"{name}.csv").unlink(missing_ok=True)
    if not tables:
        print(f"{folder}: no answers and no published rates of people: nothing to analyse")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, (columns, rows) in tables.items():
        print(f"{folder}/{name}.csv: {write(folder / f'{name}.csv', columns, rows)} rows")
    stamp.write(folder, _stamp(config))


def _stamp(config: experiment.Experiment) -> dict:
    from local.grid import manifest
    from local.listen import answers, rates, study
    from local.results import read

    folder = config.exp / "listen"
    # The tables are among the fingerprints, so that one which was removed or edited is made again.
    inputs = [folder / name for name in (answers.ANSWERS, answers.CLIPS, *(f"{name}.csv" for name in NAMES))]
    inputs += [path / stamp.NAME for path in read.finished(config.exp)[0]]
    inputs += [entry.path / "eder.csv" for entry in manifest.read(config.exp / "sed")]
    inputs += [Path("data", corpus, name) for corpus in config.corpora for name in _DATA]
    inputs += [*rates.files(config).values(), *filter(None, [study.file(config)])]
    settings = {"emotions": config.emotions, "corpora": config.corpora, "listeners": config.study.listeners}
    return stamp.make(settings, ["local.listen.analyse"], inputs)


Tables = dict[str, tuple[Sequence[str], list[dict]]]


def _of_answers(
    exp: Path, heard: Sequence[Answer], clips: Iterable[Clip], models: Sequence[Model], emotions: list[str]
) -> Tables:
    """Everything that single answers give."""
    from local.listen import contrasts, gather, items, logistic, recognition, segments

    clips = list(clips)
    corpus, speaker = ({clip.utt: getattr(clip, name) for clip in clips} for name in ("corpus", "speaker"))
    groups = gather.gather(heard, emotions)
    scores = [row for own in groups for row in recognition.scores(own, models, corpus)]
    matrices = [row for own in groups for row in recognition.confusions(own, models, corpus)]
    single = [row for own in groups for row in recognition.by_listener(own)]
    made: Tables = {
        "scores": ((*recognition.SCORES, *_recalls(emotions)), _once(scores)),
        "confusions": (recognition.CONFUSIONS, _once(matrices)),
        "by_listener": (recognition.BY_LISTENER, single),
        "contrasts": (contrasts.COLUMNS, contrasts.table(single)),
        "logistic": (logistic.COLUMNS, logistic.table(groups)),
        "reliability": (recognition.RELIABILITY, [recognition.reliability(own) for own in groups]),
        "segments": (segments.COLUMNS, [*segments.table(heard, *_segments(clips)), *segments.models(exp, heard)]),
    }
    for own in groups:
        for people in recognition.people(own, corpus):
            beside, rows = items.compare(people, models, speaker)
            _add(made, {"beside": (items.BESIDE, beside), "items": (items.ITEMS, rows)})
    return made


def _of_rates(published: Iterable, models: Sequence[Model], emotions: Iterable[str]) -> Tables:
    """Everything that shares of people give."""
    from local.listen import items, rates

    made: Tables = {}
    for own in published:
        beside, single = items.compare(own.people, models, own.speakers)
        _add(made, {
            "rates": ((*rates.COLUMNS, *_recalls(emotions)), own.rows), "beside": (items.BESIDE, beside),
            "items": (items.ITEMS, single),
        })  # fmt: skip
    return made


def _add(tables: Tables, more: Tables) -> None:
    for name, (columns, rows) in more.items():
        tables[name] = columns, [*tables.get(name, (columns, []))[1], *rows]


def _recalls(emotions: Iterable[str]) -> list[str]:
    return [f"recall_{emotion}" for emotion in emotions]


def _once(rows: Sequence[dict]) -> list[dict]:
    """Leave rows out that are there already: models on clips that several groups heard."""
    return [row for place, row in enumerate(rows) if row not in rows[:place]]


def _segments(clips: Iterable[Clip]) -> tuple[Mapping, Mapping]:
    """Read what corpora say of segments, and durations, of the clips' corpora that are there."""
    references, durations = {}, {}
    for data in sorted({Path("data", clip.corpus) for clip in clips}):
        if (data / "ref.rttm").is_file():
            references |= read_rttm(data / "ref.rttm")
        if (data / "utt2dur").is_file():
            durations |= {utt: float(seconds) for utt, seconds in read_table(data / "utt2dur").items()}
    return references, durations


if __name__ == "__main__":
    run_main(main)
