"""Make-believe listeners, whose groups know languages better or worse; marked as simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from local.listen.answers import Answer, Clip

EMOTIONS = ["angry", "happy", "neutral", "sad"]


def clips(languages: Sequence[str], each: int = 12, speakers: int = 4) -> list[Clip]:
    """So many clips an emotion and language, of a corpus of the language's name."""
    return [
        Clip(f"c{language}{place:03d}", f"{language}_s{place % speakers}-{place:03d}", language, language,
             f"{language}_s{place % speakers}", "", EMOTIONS[place % 4])
        for language in languages for place in range(each * 4)
    ]  # fmt: skip


def answer(
    heard: Sequence[Clip], skill: Mapping[tuple[str, str], float], people: int = 6, seed: int = 0, spread: float = 0.3
) -> list[Answer]:
    """Let listeners of each (group, language) be right with log odds of ``skill``, more or less."""
    rng = np.random.default_rng(seed)
    ease = {clip.utt: rng.normal(0, 0.7) for clip in heard}
    made = []
    for group in dict.fromkeys(group for group, _ in skill):
        for number in range(people):
            own = rng.normal(0, spread)
            mine = [clip for clip in heard if (group, clip.language) in skill]
            for trial, clip in enumerate(mine, 1):
                odds = skill[group, clip.language] + own + ease[clip.utt]
                wrong = [emotion for emotion in EMOTIONS if emotion != clip.emotion]
                said = clip.emotion if rng.random() < 1 / (1 + np.exp(-odds)) else str(rng.choice(wrong))
                made.append(Answer(f"{group}{number}", group, "choice", trial, clip.utt, clip.language, clip.emotion,
                                   said, 1, 1000.0, simulated=True))  # fmt: skip
    return made
