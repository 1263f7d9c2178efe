"""Who and what a system fails on: rows of exp/breakdown.csv, of what the layers that dev chose say (the headlines).

``by`` says what utterances are told apart by, ``what`` what ``value`` is:

- ``gender``: UA of the women (``f``) and of the men (``m``), and the difference ``f - m``;
- ``sentence``: UA on sentences that the fold's train list holds (``seen``) and on others (``unseen``), and ``seen -
  unseen``;
- ``speaker``: UA of each speaker over the emotions that they show; ``lowest``, the least of them; ``sd``, the standard
  deviation between speakers. ``chance`` is what lowest and sd would be if all speakers were alike, ``p`` how often
  chance gives as low or as large a one (utils/spread.py);
- ``language``: UA by the language of the test corpus, means over corpora; where there are several.

Two halves are compared on the emotions that both of them hold (``emotions``). Women and men are other speakers, so
their variances add (Welch); seen and unseen sentences are said by the same ones, who are a pair each. Rows with
``train`` and ``test`` ``*`` are means over all ``within``, ``across`` or ``joint`` conditions.

A family of tests is what one table shows: ``gender means``, ``gender``, ``sentence means``, ``sentence`` and, of
lowest and sd, ``speakers``. Languages are not tested against each other: they differ in corpus, room and sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from local.experiment import Score
from local.score import compare
from local.score.facts import Facts
from local.score.tabulate import GROUPS, Names, Scored, number
from utils import significance, uncertain
from utils.estimates import FEWEST, Estimate
from utils.intervals import Blocks
from utils.spread import DRAWS, Deal
from utils.uncertain import Figure

HALVES = {"gender": ("f", "m"), "sentence": ("seen", "unseen")}


def columns(names: Names) -> list[str]:
    """Header of exp/breakdown.csv."""
    return [
        *("recipe", "stage", "train", "test", "setting", "system", "by", "what", "group", "emotions"),
        *("value", "lo", "hi", "se", "df", "no_interval", "n", "speakers", "resampled", "chance"),
        *compare.FAMILY,
        *names.header,
    ]


def rows(
    scored: Sequence[Scored], facts: Facts, blocks: Mapping[str, Blocks], names: Names, score: Score
) -> list[dict]:
    """Break all headlines down.

    Parameters
    ----------
    scored : sequence of Scored
        All conditions.
    facts : Facts
        What data directories say of utterances.
    blocks : mapping of str to Blocks
        By test corpus.
    names : Names
        How tables call systems.
    score : Score
        Confidence and seed.

    Returns
    -------
    list of dict
        Conditions in their order, then means.
    """
    found: list[dict] = []
    means: dict[tuple, list[tuple[Scored, tuple[Half, Half]]]] = {}
    deals: dict[tuple, Deal] = {}
    for one in scored:
        condition = one.condition
        labels = _labels(one, names) | {"train": condition.train, "test": condition.test}
        labels["setting"] = condition.meta["setting"]
        for by in HALVES:
            halves = _halves(one, by, facts, blocks[condition.test])
            if halves:
                found += _half_rows(labels | {"by": by}, [halves], score)
                means.setdefault((condition.stage, condition.system, condition.group, by), []).append((one, halves))
        found += _speaker_rows(labels | {"by": "speaker"}, one, facts.speaker(condition.test), deals, score)
    for (*_, group, by), members in means.items():
        if len(members) > 1:
            labels = _labels(members[0][0], names) | {"train": "*", "test": "*", "setting": group, "by": by}
            found += _half_rows(labels, [halves for _, halves in members], score)
    found += _language_rows(scored, names, score)
    tested = [row for row in found if "family" in row]
    for row in tested:
        row["diff"] = float(row["value"])
    for row in compare.corrected(tested, score):
        del row["diff"]  # which is its value
    return found


def _labels(one: Scored, names: Names) -> dict[str, str]:
    system = {"stage": one.condition.stage, "system": names.system(one.condition)}
    return {"recipe": names.recipe} | system | names.values(one.condition)


@dataclass(frozen=True)
class Half:
    """A part of a condition's test utterances."""

    figure: Figure
    tested: frozenset[str]  # utterances
    speakers: frozenset[tuple[str, int]]
    emotions: tuple[str, ...]


def _halves(one: Scored, by: str, facts: Facts, blocks: Blocks) -> tuple[Half, Half] | None:
    """Split a condition in two; None where the corpus does not say, or where a half is empty."""
    condition, utts = one.condition, one.condition.utts.tolist()
    if by == "gender":
        gender = facts.gender(condition.test)
        member = np.array([gender.get(utt, "") for utt in utts])
    else:
        seen = facts.seen(condition)
        if seen is None:
            return None
        member = np.where(seen, *HALVES[by])
    parts = [member == name for name in HALVES[by]]
    shared = np.intersect1d(*(condition.reference[part] for part in parts))
    if not len(shared):
        return None
    kept = np.isin(condition.reference, shared)
    emotions = tuple(condition.emotions[index] for index in shared)
    halves = []
    for name, part in zip(HALVES[by], parts, strict=True):
        own = part & kept
        # Women and men are samples of their own; a speaker who says both kinds of sentences is in one.
        sample = f"{condition.test} {name}" if by == "gender" else condition.test
        figure = uncertain.figure(
            sample, blocks, one.blocks[own], condition.reference[own], one.correct[:, own].astype(int),
            len(condition.emotions),
        )  # fmt: skip
        speakers = frozenset((condition.test, block if one.unit == "speaker" else 0) for block in one.blocks[own])
        halves.append(Half(figure, frozenset(np.array(utts)[own].tolist()), speakers, emotions))
    return halves[0], halves[1]


def _half_rows(labels: dict, members: Sequence[tuple[Half, Half]], score: Score) -> Iterator[dict]:
    """UA of either half, mean over conditions, and the difference of the two."""
    names = HALVES[labels["by"]]
    firsts, seconds = zip(*members, strict=True)
    emotions = dict.fromkeys(emotion for one in firsts for emotion in one.emotions)
    labels = labels | {"emotions": "+".join(emotions)}
    for name, own in zip(names, (firsts, seconds), strict=True):
        estimate = uncertain.combine([half.figure for half in own], None, score.confidence)
        yield labels | {"what": "ua", "group": name} | _numbers(estimate) | _size(own)
    shares = [sign / len(members) for sign in (1, -1) for _ in members]
    estimate = uncertain.combine([half.figure for half in (*firsts, *seconds)], shares, score.confidence)
    row = labels | {"what": "difference", "group": " - ".join(names)} | _numbers(estimate) | _size((*firsts, *seconds))
    if not estimate.reason:
        row["family"] = labels["by"] + " means" * (labels["test"] == "*")
        row["p"] = float(significance.t_test(estimate.value, estimate.se, estimate.df))
        row |= {"se": float(estimate.se), "df": float(estimate.df), "p_smallest": np.nan}
    yield row


def _numbers(estimate: Estimate) -> dict:
    values = {"value": estimate.value, "lo": estimate.low, "hi": estimate.high, "se": estimate.se, "df": estimate.df}
    return {key: number(float(value)) for key, value in values.items()} | {
        "no_interval": estimate.reason, "resampled": estimate.unit,
    }  # fmt: skip


def _size(halves: Iterable[Half]) -> dict:
    """Distinct utterances and speakers."""
    halves = list(halves)
    tested = frozenset().union(*(half.tested for half in halves))
    return {"n": len(tested), "speakers": len(frozenset().union(*(half.speakers for half in halves)))}


def _speaker_rows(
    labels: dict, one: Scored, speaker: Mapping[str, str], deals: dict[tuple, Deal], score: Score
) -> Iterator[dict]:
    """UA of each speaker, the lowest, and the spread; nothing of fewer than three."""
    condition = one.condition
    if one.unit != "speaker" or one.speakers < FEWEST:
        return
    key = condition.test, hash(condition.tested.tobytes())
    if key not in deals:
        deals[key] = Deal(one.blocks, condition.reference, np.random.default_rng(score.seed))
    spread = deals[key].spread(one.correct.mean(axis=0))
    names = {block: speaker[utt] for utt, block in zip(condition.utts.tolist(), one.blocks.tolist(), strict=True)}
    for block, value, size in zip(spread.blocks.tolist(), spread.scores, spread.sizes.tolist(), strict=True):
        shown = np.unique(condition.reference[one.blocks == block])
        emotions = "+".join(condition.emotions[index] for index in shown)
        yield labels | {
            "what": "ua", "group": names[block], "emotions": emotions, "value": number(value), "n": size,
            "speakers": 1, "no_interval": "1 speaker",
        }  # fmt: skip
    lowest = spread.lowest
    common = {"speakers": len(spread.blocks), "family": "speakers"}
    common |= {"p_smallest": 1 / (1 + DRAWS), "se": np.nan, "df": np.nan}
    yield labels | common | {
        "what": "lowest", "group": names[int(spread.blocks[lowest])], "value": number(spread.scores[lowest]),
        "n": int(spread.sizes[lowest]), "chance": number(spread.lowest_by_chance), "p": spread.p_lowest,
    }  # fmt: skip
    yield labels | common | {
        "what": "sd", "value": number(spread.sd), "n": int(spread.sizes.sum()), "chance": number(spread.sd_by_chance),
        "p": spread.p_sd,
    }  # fmt: skip


def _language_rows(scored: Sequence[Scored], names: Names, score: Score) -> Iterator[dict]:
    """UA by language of the test, mean over conditions of one group, where the recipe tests several."""
    if len({one.condition.meta["test_language"] for one in scored}) < 2:
        return
    members: dict[tuple, list[Scored]] = {}
    for one in scored:
        condition = one.condition
        key = condition.stage, condition.system, GROUPS.index(condition.group), condition.meta["test_language"]
        members.setdefault(key, []).append(one)
    for (*_, group, language), own in members.items():
        estimate = uncertain.combine([one.figure for one in own], None, score.confidence)[-1]
        tested = {utt for one in own for utt in one.condition.utts.tolist()}
        speakers = {(one.condition.test, block) for one in own for block in one.blocks.tolist()}
        yield _labels(own[0], names) | {
            "train": "*", "test": "*", "setting": GROUPS[group], "by": "language", "what": "ua", "group": language,
            "emotions": "+".join(own[0].condition.emotions), "n": len(tested), "speakers": len(speakers),
        } | _numbers(estimate)  # fmt: skip
