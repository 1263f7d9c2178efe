"""Linear readers: worked out plainly, balanced, and what is held out for them."""

from __future__ import annotations

import numpy as np

from local.representation.reader import RIDGE, Reader, hold_out


def test_a_reader_is_least_squares_on_what_is_left() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 60, 10)) + 3, np.arange(60) % 4
    x[:, :, 0] += y
    basis = np.linalg.qr(rng.standard_normal((2, 10, 5)))[0]
    found = Reader(x, y)
    found.forget(basis[:, :, :2])
    found.forget(np.concatenate([basis[:, :, 2:], np.zeros((2, 10, 1))], axis=2))
    for layer in range(2):
        left = np.eye(10) - basis[layer] @ basis[layer].T
        centred = x[layer] - x[layer].mean(0)
        ridge = RIDGE * np.trace(centred.T @ centred) / 10
        gram = left @ centred.T @ centred @ left + ridge * np.eye(10)
        expected = np.linalg.solve(gram, left @ centred.T @ (np.eye(4)[y] - 0.25))
        np.testing.assert_allclose(found.weights[layer], expected, atol=1e-8)
        scores = centred @ left @ expected + 0.25
        np.testing.assert_array_equal(found.classify(x)[layer], scores.argmax(1))


def test_balanced_classes_count_alike() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [30, 10])
    x = rng.standard_normal((1, 40, 5)) + y[:, None]
    often = np.concatenate([np.arange(30), np.repeat(np.arange(30, 40), 3)])
    np.testing.assert_allclose(
        Reader(x, y, balanced=True).weights * 1.5, Reader(x[:, often], y[often]).weights * 1.5, atol=1e-8
    )


def test_held_out_utterances_are_of_all_speakers() -> None:
    y = np.repeat([0, 1, 2], [1, 2, 9])
    held = hold_out(y, np.arange(12))
    assert [int(held[y == k].sum()) for k in range(3)] == [0, 1, 3]
