"""Put all diarization scores together: exp/sed/<condition>/ -> exp/sed/results.csv, exp/sed/significance.csv.

    python3 -m local.sed.collect [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder, after ``local.sed.train``.

- ``results.csv``: a row a condition and group of recordings (``all``, or those of one dominant emotion): mean EDER with
  its interval, n, the rate that weights each second alike, the mean as the published recipe counts
  (local/sed/score/recipe.py), and the errors by kind.
- ``significance.csv``: on every set, each model against each baseline and against the other models, on the same
  recordings: the difference with its interval, and a two-sided test that flips signs speaker by speaker. A family of
  tests is all that is compared on one set. A negative difference is in favour of ``a``.

``how`` says what a model was trained on: ``all`` corpora of ``sed.corpora``, or the ``others`` than the tested one.
Beside the sets there are ``*.single``, ``*.double`` and ``*.noisy``: the recordings of all corpora together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local import experiment
from local.experiment import Experiment
from local.grid import manifest
from local.grid.factors import SED, freeze, show
from local.results.eder_names import PARTS
from local.sed import conditions
from utils import csv_file, stamp
from utils.errors import UserError, run_main

if TYPE_CHECKING:
    from local.sed.score import condition as score

RESULTS = [
    *("recipe", "system", "baseline", "how", "setting", "train", "test", "emotion", "n", "speakers"),
    *("eder", "eder_lo", "eder_hi", "weighted", "frames", *PARTS, "seeds", "contaminated", "voices_seen", "resampled"),
    *("se", "df", "seed_sd", "no_interval", "labels", "split"),
]
SIGNIFICANCE = [
    *("recipe", "test", "a", "a_how", "b", "b_how", "eder_a", "eder_b", "diff", "lo", "hi", "se", "df", "no_interval"),
    *("n", "speakers", "resampled", "p", "family", "family_size", "p_holm", "q", "p_smallest", "p_holm_smallest"),
    *("detectable", "detectable_family", "margin", "p_equivalent", "p_equivalent_holm", "equivalent"),
    *("labels", "split", "contaminated_a", "contaminated_b"),
]


@dataclass(frozen=True)
class Entry:
    """What one system did on one set, or on the recordings of all corpora together."""

    fields: dict[str, str | int]  # columns of `results.csv` that say what it is
    rows: list[dict[str, str]]  # as of `eder.csv`
    rates: score.Rates


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    settings = experiment.load(parser.parse_args())
    folder = settings.exp / SED
    asked = manifest.read(folder)
    if not asked:
        return
    outputs = [folder / "results.csv", folder / "significance.csv"]
    inputs = [entry.path / stamp.NAME for entry in asked] + outputs
    config = {"score": vars(settings.score), "recipe": Path.cwd().name}
    reason = stamp.why_stale(folder / "tables", stamp.make(config, ["local.sed.collect"], inputs))
    if reason is None:
        print(f"{outputs[0]}: up to date")
        return
    print(f"{outputs[0]}: writing ({reason})")
    found = entries(asked, settings, Path.cwd().name)
    tables = (RESULTS, [row for entry in found for row in result_rows(entry, settings)]), (
        SIGNIFICANCE, compare(found, settings)
    )  # fmt: skip
    for path, (columns, rows) in zip(outputs, tables, strict=True):
        print(f"{path}: {csv_file.write(path, columns, rows)} rows")
    stamp.write(folder / "tables", stamp.make(config, ["local.sed.collect"], inputs))


def entries(asked: Sequence[manifest.Entry], settings: Experiment, recipe: str) -> list[Entry]:
    """Read all conditions that are asked for, and put those of one system on one kind of set together.

    Raises
    ------
    UserError
        A condition is not finished.
    """
    from local.sed.score import condition as score

    varied = manifest.varied(one.factors for one in asked)
    found = []
    for one in asked:
        reason = one.why_unfinished()
        if reason:
            raise UserError(f"{one.path}: {reason}; run the sed stage again")
        meta, report = (json.loads((one.path / f"{name}.json").read_text("utf-8")) for name in ("meta", "eder"))
        factors, test = one.factors, one.factors["test"]
        system = manifest.system_name(SED, factors, varied)
        fields = {"recipe": recipe, "baseline": int(meta["baseline"]), "system": system, "test": test}
        fields |= {"how": meta["how"], "setting": meta["setting"], "seeds": report["seeds"]}
        fields |= {"train": "+".join(factors["train"]), "contaminated": "+".join(meta["contaminated"])}
        fields |= {"labels": show(freeze(factors["labels"])), "split": settings.split.scheme}
        fields["voices_seen"] = meta["voices_seen"]
        rows = csv_file.read(one.path / "eder.csv")
        found.append(Entry(fields, rows, score.rates(rows, test, settings)))
    places = conditions.pooled([(entry.fields["system"], entry.fields["how"], entry.fields["test"]) for entry in found])
    for (_, _, test), together in places.items():
        members = [found[place] for place in together]
        rows = [row for member in members for row in member.rows]
        fields = members[0].fields | {"test": test, "train": "", "setting": ""}
        fields["contaminated"] = "+".join(sorted({str(m.fields["contaminated"]) for m in members} - {""}))
        fields["voices_seen"] = sum(int(m.fields["voices_seen"]) for m in members)
        found.append(Entry(fields, rows, score.rates(rows, test, settings)))
    return found


def result_rows(entry: Entry, settings: Experiment) -> list[dict]:
    """Make an entry's rows of ``results.csv``."""
    import numpy as np

    total = sum(float(row["duration"]) for row in entry.rows)
    errors = {part: sum(float(row[part]) for row in entry.rows) / total for part in PARTS}
    whole = {part: _number(value) for part, value in errors.items()} | {"weighted": _number(sum(errors.values()))}
    whole["frames"] = _number(np.mean([float(row["frames"]) for row in entry.rows]))
    rates, confidence = entry.rates, settings.score.confidence
    common = entry.fields | {"resampled": rates.blocks.unit}
    rows = [common | whole | _mean("all", rates.mean(np.ones(len(rates.rate), dtype=bool), confidence))]
    for number, emotion in enumerate(rates.emotions):
        rows.append(common | _mean(emotion, rates.mean(rates.group == number, confidence)))
    return rows


def compare(found: Sequence[Entry], settings: Experiment) -> list[dict]:
    """Make the rows of ``significance.csv``."""
    import numpy as np

    from utils import significance

    rows, score = [], settings.score
    for test in dict.fromkeys(entry.fields["test"] for entry in found):
        on_test = [entry for entry in found if entry.fields["test"] == test]
        baseline = [bool(entry.fields["baseline"]) for entry in on_test]
        family = [_pair(on_test[a], on_test[b], settings) for a, b in conditions.compared(baseline)]
        if not family:  # baselines alone
            continue
        values = (np.array([row[key] for row in family], dtype=float) for key in significance.CORRECTED)
        every = significance.correct_rows(*values, margin=score.margin / 100, level=1 - score.confidence)
        for row, own in zip(family, every, strict=True):
            written = {key: _number(row[key]) for key in ("se", "df")} | {"p": f"{row['p']:.6g}"}
            rows.append(row | written | own)
    return rows


def _pair(a: Entry, b: Entry, settings: Experiment) -> dict:
    import numpy as np

    from utils import uncertain

    one, other = a.rates, b.rates
    if one.utterances != other.utterances:
        raise UserError(
            f"{a.fields['test']}: {a.fields['system']} and {b.fields['system']} were tested on other recordings; "
            f"remove both from {settings.exp / SED} and run the sed stage again"
        )
    everything = np.ones(len(one.rate), dtype=bool)
    figures = [one.figure(everything, uncertain.minus(one.runs, other.runs))]
    found = uncertain.combine(figures, None, settings.score.confidence)
    rng = np.random.default_rng(settings.score.seed)
    p, smallest = uncertain.p_values(figures, None, settings.score.permutations, rng)
    return {
        "recipe": a.fields["recipe"], "test": a.fields["test"], "a": a.fields["system"], "a_how": a.fields["how"],
        "b": b.fields["system"], "b_how": b.fields["how"], "eder_a": _number(one.rate.mean()),
        "eder_b": _number(other.rate.mean()), "diff": _number(found.value), "lo": _number(found.low),
        "hi": _number(found.high), "se": float(found.se), "df": float(found.df), "no_interval": found.reason,
        "n": len(one.rate), "speakers": one.speakers(everything), "resampled": found.unit, "p": p,
        "p_smallest": smallest, "family": conditions.family(a.fields["test"]),
        "labels": a.fields["labels"], "split": a.fields["split"],
        "contaminated_a": a.fields["contaminated"], "contaminated_b": b.fields["contaminated"],
    }  # fmt: skip


def _mean(emotion: str, mean: dict) -> dict:
    numbers = {"eder": mean["mean"], "eder_lo": mean["lo"], "eder_hi": mean["hi"]}
    numbers |= {key: mean[key] for key in ("se", "df", "seed_sd")}
    return {"emotion": emotion, **{key: mean[key] for key in ("n", "speakers", "no_interval")}} | {
        key: _number(value) for key, value in numbers.items()
    }


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.6f}"


if __name__ == "__main__":
    run_main(main)
