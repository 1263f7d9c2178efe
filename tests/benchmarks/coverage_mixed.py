"""How often intervals of mixed models hold the truth: two systems' differences with known crossed effects.

    . ./path.sh; python3 -m tests.benchmarks.coverage_mixed [--experiments 400]

An utterance's difference is 1, 0 or -1; its mean is 5 points, plus what its speaker, its sentence and its corpus add
(normal, with the standard deviations of the row); half of the utterances differ. Everybody says every sentence with
four emotions. Beside the interval of utils/mixed.py: the same standard error with a normal distribution, which is what
statsmodels' MixedLM gives; and the t-interval over speakers, which knows of no sentence. Minutes; the same numbers
every time; docs/statistics.md holds them.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from utils import mixed

DESIGNS = {  # corpora, speakers and sentences of each
    (1, 10, 10): [(0, 0, 0), (0.1, 0.1, 0), (0.15, 0.05, 0)],
    (1, 4, 15): [(0.1, 0.1, 0)],
    (3, 6, 8): [(0, 0, 0), (0.1, 0.1, 0.05), (0.1, 0.1, 0.1)],
    (5, 6, 8): [(0, 0, 0), (0.05, 0.05, 0), (0.1, 0.1, 0.05), (0.1, 0.1, 0.1)],
}
MEAN, EMOTIONS, DIFFERING = 0.05, 4, 0.5


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=400, help="simulated ones a row (default: %(default)s)")
    experiments = parser.parse_args().experiments
    print("| corpora × speakers × sentences | SD of speakers, sentences, corpora | mixed | normal | speakers alone |")
    print("| --- | --- | ---: | ---: | ---: |")
    for design, spreads in DESIGNS.items():
        for spread in spreads:
            rng = np.random.default_rng([*design, *(round(100 * sd) for sd in spread)])
            held = 100 * np.mean([experiment(rng, design, spread) for _ in range(experiments)], axis=0)
            points = ", ".join(f"{100 * sd:.0f}" for sd in spread)
            shown = " | ".join(f"{one:.0f}" for one in held)
            print(f"| {' × '.join(map(str, design))} | {points} | {shown} |", flush=True)


def experiment(rng: np.random.Generator, design: tuple[int, ...], spread: tuple[float, ...]) -> list[bool]:
    """Draw one experiment; tell which of the intervals hold the mean."""
    corpora, speakers, sentences = design
    corpus, speaker, sentence, emotion = (axis.ravel() for axis in np.indices((*design, EMOTIONS)))
    speaker, sentence = corpus * speakers + speaker, corpus * sentences + sentence
    mean = MEAN + spread[0] * rng.normal(size=corpora * speakers)[speaker]
    mean += spread[1] * rng.normal(size=corpora * sentences)[sentence] + spread[2] * rng.normal(size=corpora)[corpus]
    up, down = np.clip((DIFFERING + mean) / 2, 0, 1), np.clip((DIFFERING - mean) / 2, 0, 1)
    drawn = rng.random(len(mean))
    y = (drawn < up).astype(float) - ((drawn >= up) & (drawn < up + down))
    shown = (emotion[:, None] == np.arange(EMOTIONS)).astype(float)
    matrix = np.hstack([np.ones((len(y), 1)), shown[:, :-1] - shown[:, -1:]])
    random = [speaker, sentence] + ([corpus] if corpora >= 3 else [])
    value, se, df = mixed.fit(y, matrix, random).contrast(np.eye(EMOTIONS)[0])
    plain = np.bincount(speaker, y) / np.bincount(speaker)
    off = abs(value - MEAN)
    return [
        off <= stats.t.ppf(0.975, df) * se, off <= stats.norm.ppf(0.975) * se,
        abs(plain.mean() - MEAN) <= stats.t.ppf(0.975, len(plain) - 1) * stats.sem(plain),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
