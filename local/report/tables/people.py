"""People beside models: tables, sentences, and the utterances on which they disagree most, to be heard."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from math import ceil, isnan
from pathlib import Path

from local.report.listened import Beside, Listened, rank, score
from local.report.scores import Score
from local.report.tables import listeners
from local.report.tables.cells import DASH, Cell, Table, number, p_value, score_cell
from utils import audio
from utils.data_dir import Utterance, read_utterances

LEVEL = 0.05
HARD, EASY = 8, 4  # utterances that models, and that people, find harder


def sentences(found: Listened | None, whole: bool = False) -> list[str]:
    """Answer in short; nothing without people. Several groups and corpora are counted, but for the whole answer."""
    if found is None:
        return []
    lines = [*listeners.sentences(found), *([_rates(found)] if found.rates else [])]
    if len(found.by_people) > 1 and not whole:
        return [*lines, _counted(list(found.by_people.values()))]
    for rows in found.by_people.values():
        best = max(rows, key=rank)
        ahead = "ahead of" if best.difference.ua > 0 else "behind"
        lines.append(
            f"**Models beside people** ({best.people}), same {best.n} utterances of {best.corpus}: "
            f"`{best.system}`{best.mark}, the best of {len(rows)} by test, reaches {best.ours} and is "
            f"{_points(best.difference)} points {ahead} people."
        )
        lines.append(_agreement(found, rows))
    return lines


def _counted(several: Sequence[Sequence[Beside]]) -> str:
    ahead = sum(max(rows, key=rank).difference.ua > 0 for rows in several)
    alike = sum(any(_errs_alike(row) for row in rows) for rows in several)
    return (
        f"**Models beside people**, on the same clips, {len(several)} times a group of listeners and a corpus: the "
        f"best model by test is ahead of people in {ahead or 'none'}; in {alike or 'none'} is any model shown to err"
        " on the clips that people err on."
    )


def _errs_alike(row: Beside) -> bool:
    return row.adjusted < LEVEL and row.within.ua > 0


def _points(difference: Score) -> str:
    return str(-difference if difference.ua < 0 else difference)


def _rates(found: Listened) -> str:
    ours, *others = found.rates
    said = (
        f"**People** ({ours['people']}, rates alone, {ours['choices']} choices): UA {score(ours, 'ua')} on the "
        f"{ours['n']} utterances that models are tested on"
    )
    return said + "".join(
        f"; {score(row, 'ua')} on all {row['n']} that were rated, from which the corpus kept what most recognised"
        for row in others[:1]
    ) + "."  # fmt: skip


def _agreement(found: Listened, rows: Sequence[Beside]) -> str:
    alike = sum(map(_errs_alike, rows))
    heard = [row for row in rows if (row.system, row.train) in found.hearing and not isnan(row.within.ua)]
    if not heard:
        return "**The same clips?** Nothing to rank: all clips of an emotion were recognised alike."
    ends = " to ".join(dict.fromkeys(f"{end(row.within.ua for row in heard):.2f}" for end in (min, max)))
    said = f"**The same clips?** Rank correlation of people's rates and models' posteriors within emotions: {ends}"
    if not isnan(rows[0].ceiling):
        said += f", where about {rows[0].ceiling:.2f} is the most that so few listeners allow"
    highest = [row.within.hi for row in heard if not isnan(row.within.hi)]
    # Rounded up: what is said is no less than what it is about.
    said += f"; no interval reaches above {ceil(100 * max(highest)) / 100:.2f}; " if highest else "; "
    verb = "is" if alike < 2 else "are"
    return f"{said}{alike or 'none'} of {len(rows)} models {verb} shown to err on the clips that people err on."


def blocks(found: Listened) -> Iterator[str | Table]:
    """Everything on people."""
    yield from sentences(found, whole=True)
    yield _by_rates(found)
    yield _beside(found)
    yield _disagreements(found)
    yield from listeners.blocks(found)


def _by_rates(found: Listened) -> Table:
    emotions = [name for name in found.rates[0] if name.startswith("recall_")] if found.rates else []
    rows = [
        [Cell(row["people"]), Cell(row["corpus"]), Cell(row["clips"]), Cell(row["n"]), Cell(row["speakers"]),
         Cell(row["choices"]), score_cell(score(row, "ua")),
         *(number(float(row[name])) if row[name] else DASH for name in emotions)]
        for row in found.rates
    ]  # fmt: skip
    caption = (
        "Percent [95% interval for other speakers; listeners are taken as they are]. The published file has shares of "
        "listeners a recording: no confusions, precision, agreement between listeners or interval for other listeners "
        "can be made of it. People chose from more emotions than models do, so that chance is lower for them."
    )
    header = ["people", "corpus", "clips", "n", "speakers", "choices", "UA"]
    header += [name.removeprefix("recall_") for name in emotions]
    return Table("people-rates", "How people recognise emotions", caption, header, rows, "listen")


def _beside(found: Listened) -> Table:
    rows = []
    for row in sorted(found.beside, key=lambda own: -own.ours.ua):
        kind = f"baseline: {row.baseline}" if row.baseline else "system"
        rows.append([
            Cell(row.system, row.mark), Cell(kind), Cell(row.train), Cell(row.corpus), Cell(row.people),
            score_cell(row.ours), score_cell(row.theirs), Cell(row.difference.signed(), value=row.difference.ua),
            Cell(str(row.n)), Cell(str(row.speakers)), _correlation(row.rho), _correlation(row.within),
            Cell(p_value(row.p), value=row.p) if not isnan(row.p) else DASH,
            Cell(p_value(row.adjusted), best=row.adjusted < LEVEL, value=row.adjusted),
            number(row.ceiling, 2, 1) if not isnan(row.ceiling) else DASH,
        ])  # fmt: skip
    caption = (
        "The same utterances, each in the test part of the fold whose model is asked. UA in percent, "
        "difference in points [95% interval for other speakers, paired]. *rho*: rank correlation over utterances of "
        "the share of people who recognised one and the mean posterior of its emotion; *within*: with the emotions' "
        "means taken away [95% interval, jackknife over speakers]. *p*: permutations among clips of one speaker and "
        f"emotion, two-sided; Holm over the models beside the same people (bold: < {LEVEL:g}). *at most*: what the "
        "truth itself would correlate with the rates of so few listeners."
    )
    header = ["model", "kind", "trained on", "tested on", "who", "UA", "people", "model − people", "n", "speakers"]
    header += ["rho", "within", "p", "p Holm", "at most"]
    return Table("people-models", "Models beside people", caption, header, rows, "listen")


def _correlation(value: Score) -> Cell:
    if isnan(value.ua):
        return DASH
    ends = "–" if isnan(value.lo) else f"{value.lo:+.2f}, {value.hi:+.2f}"
    return Cell(f"{value.ua:+.2f} [{ends}]", value=value.ua)


def _disagreements(found: Listened) -> Table:
    """List the utterances on which people and the mean of all models with ears are furthest apart."""
    by_utt: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in found.items:
        if (row["system"], row["train"]) in found.hearing:
            by_utt.setdefault((row["people"], row["corpus"], row["utt"]), []).append(row)
    apart = []
    for key, rows in by_utt.items():
        models = sum(float(row["model_recognised"]) for row in rows) / len(rows)
        apart.append((float(rows[0]["recognised"]) - models, key, models, rows[0]))
    apart.sort(key=lambda one: (-one[0], one[1]))
    kept = apart[:HARD] + [one for one in apart[HARD:][-EASY:] if one[0] < 0]
    known = {
        (corpus, utterance.id): utterance for corpus in {key[1] for _, key, _, _ in kept}
        for utterance in read_utterances(Path("data", corpus))
    }  # fmt: skip
    rows = [
        [Cell(key[2], audio=_mp3(known[key[1:]]) if key[1:] in known else b""), Cell(row["emotion"]),
         Cell(row["speaker"]), Cell(row["people"]),
         number(float(row["recognised"])), number(models), Cell(f"{100 * gap:+.0f}", value=gap)]
        for gap, key, models, row in kept
    ]  # fmt: skip
    caption = (
        f"The {HARD} utterances that people recognise and models do not, and up to {EASY} the other way round; of "
        f"models, the mean over {len(found.hearing)} with ears and all their seeds, in percent. Chosen because they "
        "are extreme, so that some of the distance is chance. The recordings are part of this page: mind the corpus's "
        "licence before passing it on."
    )
    header = ["utterance", "emotion", "speaker", "who", "people", "models", "people − models"]
    return Table("people-items", "Where people and models disagree most", caption, header, rows, "listen")


def _mp3(utterance: Utterance) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, utterance.load(), audio.SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()
