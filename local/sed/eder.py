"""Emotion diarization error rate (EDER) of one RTTM file against another.

Command: ``python3 -m local.sed.eder data/zed/ref.rttm hyp.rttm --durations data/zed/utt2dur``

local/results/eder.py says what the rate counts.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace

from local.results.eder import (
    HYPOTHESIS,
    REFERENCE,
    ROUNDING,
    SegmentError,
    Summary,
    by_emotion,
    score_all,
    summarise,
)
from local.results.eder_names import PARTS
from utils.errors import UserError, run_main
from utils.rttm import Segment, read_rttm
from utils.table import positive, read_table


def main() -> None:
    """Score the hypothesis named on the command line."""
    parser = argparse.ArgumentParser(
        description="Score an RTTM file of emotions by the emotion diarization error rate (EDER), in percent. "
        "Time that no segment covers is neutral. An emotion's row holds the utterances of which it takes most of the "
        "time; 'mean' weights utterances alike (as published), 'weighted' and the kinds of error weight them by time.",
    )
    parser.add_argument("reference", help="RTTM file; every utterance has at least one segment, neutral or not")
    parser.add_argument("hypothesis", help="RTTM file of the same utterances; segments may overlap")
    parser.add_argument(
        "--durations", metavar="UTT2DUR", help="lines '<utterance> <seconds>'; without it, utterances end with their "
        "last segment of the reference, and what is later is not scored",
    )  # fmt: skip
    parser.add_argument("--collar", type=float, default=0.0, metavar="S", help="leave out S seconds on each side of "
                        "every change of the reference's label (default: 0)")  # fmt: skip
    parser.add_argument("--missing", choices=("error", "neutral"), default="error", help="what an utterance without "
                        "a segment in the hypothesis is (default: error)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON, with every utterance; rates from 0 to 1")
    args = parser.parse_args()
    lines: dict[str, dict[Segment, int]] = {REFERENCE: {}, HYPOTHESIS: {}}
    reference = read_rttm(args.reference, lines[REFERENCE])
    hypothesis = read_rttm(args.hypothesis, lines[HYPOTHESIS])
    if not reference:
        raise UserError(f"{args.reference}: no segments; give the reference of the utterances that are to be scored")
    _same_utterances(args, reference, hypothesis, lines[HYPOTHESIS])
    durations, cut = _read_durations(args, reference, hypothesis)
    try:
        scores = score_all(reference, hypothesis, durations, args.collar)
    except SegmentError as bad:
        place = f"{getattr(args, bad.side)}:{lines[bad.side][bad.segment]}"
        raise UserError(f"{place}: {bad.segment.utterance}: {bad.reason}; correct the line") from None
    rows = by_emotion(scores, reference) | {"all": summarise(list(scores.values()))}
    settings = {"collar": args.collar, "durations": args.durations, "cut": cut}
    if args.json:
        utterances = {name: {"eder": _finite(score.rate)} | score._asdict() for name, score in scores.items()}
        emotions = {name: _as_dict(row) for name, row in rows.items()}
        json.dump(settings | emotions.pop("all") | {"emotions": emotions, "by_utterance": utterances}, sys.stdout,
                  indent=1)  # fmt: skip
        print()
    else:
        _print(rows, settings, len(scores))


def _same_utterances(
    args: argparse.Namespace, reference: dict[str, list[Segment]], hypothesis: dict[str, list[Segment]],
    lines: dict[Segment, int],
) -> None:  # fmt: skip
    for utterance in sorted(hypothesis.keys() - reference.keys()):
        line = min(lines[segment] for segment in hypothesis[utterance])
        raise UserError(
            f"{args.hypothesis}:{line}: the utterance {utterance} is not in {args.reference}; remove it, or add a "
            "segment to the reference (neutral where there is no emotion)"
        )
    missing = [utterance for utterance in reference if utterance not in hypothesis]
    if missing and args.missing == "error":
        raise UserError(
            f"{args.hypothesis}: no segment of the utterance {missing[0]} ({len(missing)} of {len(reference)} are "
            "missing); complete the file, or give --missing neutral if they are neutral throughout"
        )
    hypothesis.update((utterance, []) for utterance in missing)


def _read_durations(
    args: argparse.Namespace, reference: dict[str, list[Segment]], hypothesis: dict[str, list[Segment]]
) -> tuple[dict[str, float], int]:
    """Read or guess durations; when guessed, cut the hypothesis there and count the segments that it concerns."""
    if args.durations:
        table = enumerate(read_table(args.durations).items(), 1)
        durations = {utterance: positive(args.durations, number, value) for number, (utterance, value) in table}
        for utterance in sorted(reference.keys() - durations.keys()):
            raise UserError(f"{args.durations}: the utterance {utterance} of {args.reference} is missing; add it")
        return durations, 0
    durations = {utterance: max(segment.end for segment in group) for utterance, group in reference.items()}
    cut = 0
    for utterance, group in hypothesis.items():
        end = durations[utterance]
        cut += sum(segment.end > end + ROUNDING for segment in group)
        hypothesis[utterance] = [replace(s, end=min(s.end, end)) for s in group if s.start < end]
    return durations, cut


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _as_dict(row: Summary) -> dict:
    rates = {"mean": _finite(row.mean), "weighted": _finite(row.total.rate)}
    return {"utterances": row.utterances} | rates | {"seconds": row.total._asdict()}


def _print(rows: Mapping[str, Summary], settings: Mapping, number: int) -> None:
    print("EDER in %;", f"{settings['collar']:g} s on each side of the reference's changes are left out" if
          settings["collar"] else "no collar")  # fmt: skip
    print(f"durations: {settings['durations'] or 'to the end of the last segment of the reference'}")
    if settings["cut"]:
        print(f"not scored: what {settings['cut']} segments of the hypothesis say later; give --durations")
    if number > rows["all"].utterances:
        print(f"not scored: {number - rows['all'].utterances} utterances, of which the collar leaves nothing")
    names = ("mean", "weighted", "missed", "false alarm", "confusion", "overlap")
    width = max(map(len, ("emotion", *rows))) + 2
    print("\n" + f"{'emotion':{width}}{'utterances':>10}{'seconds':>10}" + "".join(f"{name:>13}" for name in names))
    for name, row in rows.items():
        time = row.total.duration or math.nan
        values = [row.mean, row.total.rate, *(getattr(row.total, part) / time for part in PARTS)]
        cells = "".join(f"{100 * value:13.2f}" if math.isfinite(value) else f"{'-':>13}" for value in values)
        print(f"{name:{width}}{row.utterances:10}{row.total.duration:10.1f}{cells}")


if __name__ == "__main__":
    run_main(main)
