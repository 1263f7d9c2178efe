"""People beside models on the same clips: how often each is right, and whether both find the same clips hard.

Models' rows are over the utterances that people heard, all of them in the test part of a fold. Intervals are for other
speakers; those of UA are for other listeners too, but where there are rates alone. Agreement is the rank correlation of
the share of people who recognised a clip with the model's mean posterior of the right emotion, over all clips and with
the emotions' means taken away (an emotion may be easy for both); its test exchanges clips of one speaker and emotion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from local.listen.models import Model
from utils.association import ceiling, permutation_test, rank_correlation
from utils.estimates import Estimate, count, estimate, influence, ua_weights
from utils.significance import holm

PERMUTATIONS = 9999
SEED = 0  # of the permutations
BESIDE = (
    "people", "corpus", "stage", "encoder", "heard", "system", "train", "n", "speakers", "runs", "ua", "ua_lo", "ua_hi",
    "people_ua", "people_lo", "people_hi", "difference", "difference_lo", "difference_hi", "rho", "rho_lo", "rho_hi",
    "within", "within_lo", "within_hi", "within_p", "within_p_holm", "ceiling",
)  # fmt: skip
ITEMS = (
    "people", "corpus", "utt", "speaker", "emotion", "recognised", "listeners", "stage", "encoder", "system",
    "train", "model_recognised", "model_posterior",
)  # fmt: skip


@dataclass(frozen=True)
class People:
    """How people heard the clips of a corpus.

    Attributes
    ----------
    name : str
        Who they are.
    corpus : str
    recognised : dict of str to float
        Utterance to the share of people who said its emotion.
    listeners : dict of str to int
        Utterance to the number of people who heard it.
    variance : float
        What other people would add to the variance of their UA; 0 where single answers are not known.
    persons : int
        Of so many that is known.
    """

    name: str
    corpus: str
    recognised: Mapping[str, float]
    listeners: Mapping[str, int]
    variance: float = 0.0
    persons: int = 1


def compare(people: People, models: Sequence[Model], speakers: Mapping[str, str]) -> tuple[list[dict], list[dict]]:
    """Compare people with every model that was tested on their corpus.

    Parameters
    ----------
    people : People
        Of one corpus.
    models : sequence of Model
        Those that were tested on another corpus are passed over.
    speakers : mapping of str to str
        Utterance to speaker.

    Returns
    -------
    tuple of (list of dict, list of dict)
        Rows of :data:`BESIDE`, Holm's p over the models; and rows of :data:`ITEMS`.
    """
    beside, items = [], []
    for model in models:
        chosen = [index for index, utt in enumerate(model.utts) if utt in people.recognised]
        if model.test != people.corpus or not chosen:
            continue
        utts = [model.utts[index] for index in chosen]
        share = np.array([people.recognised[utt] for utt in utts])
        about = {"people": people.name, "corpus": people.corpus}
        about |= {name: getattr(model, name) for name in ("stage", "encoder", "system", "train")}
        listeners, voices = ([table[utt] for utt in utts] for table in (people.listeners, speakers))
        own = {"heard": model.heard} | _row(model, chosen, share, listeners, voices, (people.variance, people.persons))
        beside.append(about | own)
        items += [
            about | {
                "utt": utt, "speaker": speakers[utt], "emotion": model.emotions[model.reference[index]],
                "recognised": f"{people.recognised[utt]:.6g}", "listeners": people.listeners[utt],
                "model_recognised": f"{model.right[index]:.6g}", "model_posterior": f"{model.belief_right[index]:.6g}",
            } for index, utt in zip(chosen, utts, strict=True)
        ]  # fmt: skip
    adjusted = holm(np.array([1.0 if row["within_p"] == "" else float(row["within_p"]) for row in beside]))
    return [row | {"within_p_holm": text(p)} for row, p in zip(beside, adjusted, strict=True)], items


def _row(
    model: Model, chosen: list[int], share: np.ndarray, listeners: list[int], speakers: list[str],
    extra: tuple[float, int],
) -> dict:  # fmt: skip
    reference, right, belief = model.reference[chosen], model.right[chosen], model.belief_right[chosen]
    block = np.unique(speakers, return_inverse=True)[1]
    ours = unweighted(reference, right, block, len(model.emotions))
    theirs = unweighted(reference, share, block, len(model.emotions), extra=extra)
    apart = unweighted(reference, right - share, block, len(model.emotions), share=False, extra=extra)
    over = rank_correlation(share, belief, block)
    within = rank_correlation(share, belief, block, reference)
    cell = reference * (block.max() + 1) + block
    numbers = {
        "ua": ours.value, "ua_lo": ours.low, "ua_hi": ours.high,
        "people_ua": theirs.value, "people_lo": theirs.low, "people_hi": theirs.high,
        "difference": apart.value, "difference_lo": apart.low, "difference_hi": apart.high,
        "rho": over.value, "rho_lo": over.low, "rho_hi": over.high,
        "within": within.value, "within_lo": within.low, "within_hi": within.high,
        "within_p": permutation_test(share, belief, reference, PERMUTATIONS, SEED, cell),
        "ceiling": ceiling(share, np.array(listeners), reference),
    }  # fmt: skip
    counted = {"n": len(chosen), "speakers": block.max() + 1, "runs": model.runs}
    return counted | {name: text(value) for name, value in numbers.items()}


def unweighted(
    reference: np.ndarray, scores: np.ndarray, block: np.ndarray, classes: int, share: bool = True,
    extra: tuple[float, int] = (0.0, 1),
) -> Estimate:  # fmt: skip
    """UA of scores between 0 and 1, or their difference, with an interval for other speakers (utterances, of one).

    ``extra`` is a variance over so many people that is added to that over speakers.
    """
    unit = "speaker"
    if block.max() == 0:
        unit, block = "utterance", np.arange(len(block))
    tally = count(block, reference, scores, (block.max() + 1, classes))
    found = influence(tally, ua_weights(tally.totals), unit, share)
    return estimate(replace(found, run_variance=extra[0], runs=extra[1]))


def text(value: float) -> str:
    """Write a number for a table; nothing where it is NaN."""
    return "" if np.isnan(value) else f"{value:.6g}"
