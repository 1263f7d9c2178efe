"""EDER as the published recipe reports it: frames instead of segments.

The recipe of Wang et al. (2023) in SpeechBrain labels frames of 20 ms. Its references have a frame wherever there is
sound, encoders give one less (windows of 25 ms), so it repeats a recording's last frame once where a frame is lacking,
and gives what it has to ``speechbrain.utils.EDER``. There, frame t stands for the time from 0.02 t on, and time without
a frame is wrong. That function stops where a recording has no emotional span, or two; this one takes any number, and
tells labels apart by the whole word. docs/eder.md says what the differences amount to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from local.sed.data.sets import CENTRE, HOP, NEUTRAL
from utils.audio import SAMPLE_RATE
from utils.rttm import Segment

# Of the encoders' convolutions, in samples: what a frame sees.
_FIELD = 400
_ROUNDING = 1e-9


def rate(reference: Sequence[Segment], hypothesis: Sequence[Segment], duration: float) -> float:
    """Give the recipe's error rate of one recording.

    Parameters
    ----------
    reference, hypothesis : sequence of Segment
        Without overlaps; what none covers is neutral. Frames take the label at their centre, which for what
        :func:`local.sed.model.decode.decode` gives is the label that it gave them.
    duration : float
        Of the recording, in seconds.

    Returns
    -------
    float
        Share of the time that is wrong.

    Examples
    --------
    >>> whole = [Segment("u", 0.0, 1.0, "sad")]
    >>> rate(whole, whole, 1.0), round(rate(whole, [Segment("u", 0.0, 0.5, "sad")], 1.0), 4)
    (0.0, 0.5)
    """
    labels = frames(hypothesis, duration)
    spans = [segment for segment in reference if segment.label != NEUTRAL]
    right = 0.0
    for number, label in enumerate(labels):
        begin, end = HOP * number, min(HOP * (number + 1), duration)
        heard = [(span.label, max(0.0, min(end, span.end) - max(begin, span.start))) for span in spans]
        if label == NEUTRAL:
            right += max(0.0, end - begin - sum(time for _, time in heard))
        else:
            right += sum(time for name, time in heard if name == label)
    return max(0.0, 1 - right / duration)


def frames(hypothesis: Sequence[Segment], duration: float) -> list[str]:
    """Label the frames of a recording as the recipe has them, the last one repeated where the recipe repeats it."""
    given = max(1, (round(duration * SAMPLE_RATE) - _FIELD) // round(HOP * SAMPLE_RATE) + 1)
    wanted = math.ceil(duration / HOP - _ROUNDING)
    ordered = sorted(hypothesis, key=lambda segment: segment.start)
    labels, place = [], 0
    for number in range(given):
        centre = HOP * number + CENTRE
        while place < len(ordered) and ordered[place].end <= centre:
            place += 1
        inside = place < len(ordered) and ordered[place].start <= centre
        labels.append(ordered[place].label if inside else NEUTRAL)
    return labels + labels[-1:] * (given < wanted)
