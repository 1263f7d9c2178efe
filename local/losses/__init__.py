"""What is trained beside the cross entropy of emotions, or what that counts, for stages 3 and 4.

The factor ``loss`` names them, joined by ``+``: those of :data:`LOSSES`, in that order; ``ce`` is the cross entropy
alone, of all utterances alike. Study C is ``supcon+grl``. This module is import-light, for the planning of conditions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from local.experiment import Losses
from utils.errors import UserError
from utils.registry import hint

PLAIN = "ce"
ALIGNED = "aligned"  # stage 3's head that is trained so
MIXUP = "mixup"  # for it alone
FOCAL, WEIGHTED = "focal", "weighted"  # of the cross entropy itself
LOSSES = {
    FOCAL: "a focal loss",
    WEIGHTED: "cross entropy weighted by class",
    "supcon": "supervised contrast across languages",
    "grl": "a speaker adversary",
    "dann": "a language adversary",
    MIXUP: "mixed pairs of utterances",
}
CHOSEN = ("supcon", "temperature", "grl", "dann", "gamma")  # columns of scores.csv: strengths that dev chose


@dataclass(frozen=True)
class Strength:
    """How much each loss weighs; 0 is as if it were not there.

    Attributes
    ----------
    supcon, temperature : float
        Weight of the contrast, and by what similarities are divided.
    grl, dann : float
        By how much the adversaries' gradients are reversed, at the end of the ramp.
    mixup : float
        Parameter of the beta distribution of which shares are drawn.
    gamma : float
        How little the focal loss cares for utterances that are told well.
    """

    supcon: float = 0.0
    temperature: float = 1.0
    grl: float = 0.0
    dann: float = 0.0
    mixup: float = 0.0
    gamma: float = 0.0


def parse(loss: str) -> list[str]:
    """Split a loss into its parts, in the order of the registry; none of ``ce``.

    Raises
    ------
    UserError
        A part is unknown, or there twice.
    """
    parts = [part for part in loss.split("+") if part != PLAIN]
    for part in parts:
        if part not in LOSSES:
            raise UserError(f"losses.loss: '{part}' is no loss; {hint(part, [PLAIN, *LOSSES])}")
    if len(set(parts)) < len(parts):
        raise UserError(f"losses.loss: '{loss}' names something twice")
    return [name for name in LOSSES if name in parts]


def beside(loss: str) -> list[str]:
    """List the parts of a loss that stand beside the cross entropy, and train something of their own."""
    return [name for name in parse(loss) if name not in (FOCAL, WEIGHTED, MIXUP)]


def candidates(settings: Losses) -> list[Strength]:
    """List the strengths that training chooses among: every combination of what the loss's parts may weigh."""
    parts = parse(settings.loss)
    choices: dict[str, Sequence[float]] = {
        "supcon": settings.weights if "supcon" in parts else [0.0],
        "temperature": settings.temperatures if "supcon" in parts else [1.0],
        "grl": settings.reversals if "grl" in parts else [0.0],
        "dann": settings.reversals if "dann" in parts else [0.0],
        "mixup": [settings.mixup] if "mixup" in parts else [0.0],
        "gamma": settings.gammas if FOCAL in parts else [0.0],
    }
    return [Strength(*chosen) for chosen in itertools.product(*choices.values())]
