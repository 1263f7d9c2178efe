"""In which order a listener hears the clips: balanced between listeners, drawn for each, and then kept (sessions).

A task's clips come in blocks, one a language, whose order turns with the listener's number, as in a Latin square;
within a block chance decides, but seldom does a speaker follow itself, or an emotion twice.
Practice is before a task, checks of attention are between its clips.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from local.experiment import Listen
from local.listen.answers import TASKS, Clip

_SHUFFLES = 100
KINDS = TRIAL, PRACTICE, ATTENTION = ("trial", "practice", "attention")


@dataclass(frozen=True)
class Trial:
    """One clip to be answered."""

    key: str  # t1, t2 ... for what counts; p and a for practice and attention
    kind: str
    task: str
    clip: str
    say: str = ""  # of a check of attention: the emotion that the page asks for


def plan(
    number: int, clips: Sequence[Clip], practice: Sequence[Clip], settings: Listen, emotions: Sequence[str]
) -> list[dict[str, str]]:
    """Draw a listener's trials.

    Parameters
    ----------
    number : int
        The listener's, from 0.
    clips, practice : sequence of Clip
        Of both tasks; a clip's name begins with its task's letter.
    settings : Listen
        Its ``seed``, ``practice`` and ``attention`` count.
    emotions : sequence of str
        All that may be answered.

    Returns
    -------
    list of dict
        A :class:`Trial` each, in order.
    """
    rng = random.Random(f"{settings.seed} {number}")
    trials: list[Trial] = []
    counts = dict.fromkeys(KINDS, 0)

    def add(kind: str, task: str, clip: Clip, say: str = "") -> Trial:
        counts[kind] += 1
        return Trial(f"{kind[0]}{counts[kind]}", kind, task, clip.clip, say)

    for task in TASKS:
        own = [clip for clip in clips if clip.clip[0] == task[0]]
        extra = [clip for clip in practice if clip.clip[0] == task[0]]
        languages = sorted({clip.language for clip in own})
        turn = number % len(languages) if languages else 0
        blocks = [_shuffled([clip for clip in own if clip.language == language], rng)
                  for language in languages[turn:] + languages[:turn]]  # fmt: skip
        order = [add(TRIAL, task, clip) for block in blocks for clip in block]
        checks = [add(ATTENTION, task, clip, rng.choice(choices(task, clips, emotions)))
                  for clip in extra[settings.practice :][: settings.attention]]  # fmt: skip
        for place, check in enumerate(checks, 1):
            # In the middle of equal parts, a little earlier or later.
            middle = len(order) * place / (len(checks) + 1)
            order.insert(max(1, round(middle + rng.uniform(-1, 1))), check)
        trials += [add(PRACTICE, task, clip) for clip in extra[: settings.practice]] + order
    return [asdict(trial) for trial in trials]


def choices(task: str, clips: Sequence[Clip], emotions: Sequence[str]) -> list[str]:
    """List what can be answered in a task: the emotions that its clips have, in the experiment's order."""
    found = {clip.emotion for clip in clips if clip.clip[0] == task[0]}
    return [emotion for emotion in emotions if emotion in found]


def _shuffled(clips: Sequence[Clip], rng: random.Random) -> list[Clip]:
    """Of many shuffles, give the one in which fewest clips follow one of their speaker, or two of their emotion."""

    def clashes(order: list[Clip]) -> int:
        speakers = sum(one.speaker == next_.speaker for one, next_ in zip(order, order[1:], strict=False))
        triples = zip(order, order[1:], order[2:], strict=False)
        return speakers + 2 * sum(a.emotion == b.emotion == c.emotion for a, b, c in triples)

    return min((rng.sample(list(clips), len(clips)) for _ in range(_SHUFFLES)), key=clashes)
