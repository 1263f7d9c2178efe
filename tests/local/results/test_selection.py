"""The layer that dev chooses: best UA, then lowest loss, then a rule that favours neither end of the encoder."""

from __future__ import annotations

import random

from local.results.selection import choose


def test_of_equal_ua_the_lowest_loss_is_chosen() -> None:
    assert choose([0.9, 0.9, 0.9, 0.2], [0.5, 0.7, 0.4, 0.1]) == (2, 3)
    assert choose([0.9, 0.8], [5.0, 0.1]) == (0, 1)


def test_the_file_has_as_many_digits_as_the_choice() -> None:
    # Ahead by less than scores.csv shows: equal, so that who reads the file chooses the same.
    assert choose([0.9, 0.9 + 1e-9, 0.1], [0.3, 0.4, 0.1]) == (0, 2)


def test_of_what_is_equal_in_both_the_middle_is_chosen_whichever_way_layers_are_counted() -> None:
    assert choose([0.5] * 13, [1.0] * 13) == (6, 13)
    rng = random.Random(0)
    for _ in range(200):
        number = rng.randint(2, 13)
        ua = [rng.choice([0.5, 0.75]) for _ in range(number)]
        forward, _ = choose(ua, [1.0] * number)
        backward, _ = choose(ua[::-1], [1.0] * number)
        tied = [place for place, value in enumerate(ua) if value == max(ua)]
        middle = (tied[0] + tied[-1]) / 2
        assert abs(forward - middle) == abs(number - 1 - backward - middle) == min(abs(t - middle) for t in tied)
