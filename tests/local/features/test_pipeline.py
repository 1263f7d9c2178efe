"""Batches and the pipeline that runs them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.features import pipeline
from local.features.work import group
from utils.data_dir import Utterance
from utils.errors import UserError


def utterance(name: str, seconds: float | None = 1.0) -> Utterance:
    return Utterance(name, "s", name, f"{name}.wav", 0.0, None, seconds)


@given(st.lists(st.floats(0.01, 30), max_size=40), st.floats(0.1, 20))
def test_batches_hold_everything_once_sorted_and_within_the_limit(seconds: list[float], limit: float) -> None:
    utterances = [utterance(f"u{i:02d}", length) for i, length in enumerate(seconds)]
    batches = group(reversed(utterances), limit, Path("data/x"))
    flat = [one for batch in batches for one in batch]
    assert sorted(one.id for one in flat) == [one.id for one in utterances]
    assert [one.duration for one in flat] == sorted(seconds, reverse=True)
    assert all(len(batch) == 1 or sum(one.duration for one in batch) <= limit + 1e-6 for batch in batches)
    assert batches == group(utterances, limit, Path("data/x"))


def test_a_length_that_is_not_known_is_an_error() -> None:
    with pytest.raises(UserError, match="data/x/utt2dur"):
        group([utterance("a"), utterance("b", None)], 5.0, Path("data/x"))


class Fake:
    """An encoder that gives the sum of its input, and knows how many batches it had at once."""

    min_samples = 2

    def __init__(self, seconds: float = 0.0):
        self.seconds, self.now, self.most, self._lock = seconds, 0, 0, threading.Lock()

    def pooled(self, waves: list[np.ndarray]) -> np.ndarray:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
        return np.array([wave.sum() for wave in waves], dtype=np.float32).reshape(-1, 1, 1)


def decode(batch: list[Utterance]) -> list[np.ndarray]:
    return [np.full(int(one.id), 1.0) for one in batch]


def test_results_come_in_order_and_the_short_are_marked() -> None:
    batches = [[utterance("3"), utterance("1")], [utterance("1")], [utterance("5"), utterance("2")]]
    results = list(pipeline.run(Fake(), batches, threads=2, decode=decode))
    plain = [[(name, None if row is None else row.item()) for name, row in batch] for batch in results]
    assert plain == [[("3", 3.0), ("1", None)], [("1", None)], [("5", 5.0), ("2", 2.0)]]


def test_batches_run_side_by_side_and_few_are_decoded_ahead() -> None:
    encoder, decoded, done = Fake(0.02), [], 0

    def counting(batch: list[Utterance]) -> list[np.ndarray]:
        decoded.append(batch)
        assert len(decoded) - done <= 3 + 2 + 1
        return decode(batch)

    for _ in pipeline.run(encoder, [[utterance("4")]] * 40, threads=3, workers=2, decode=counting):
        done += 1
    assert done == 40 and encoder.most == 3


def test_an_error_while_decoding_reaches_the_caller_and_stops_the_rest() -> None:
    decoded = []

    def failing(batch: list[Utterance]) -> list[np.ndarray]:
        decoded.append(batch)
        if len(decoded) == 3:
            raise UserError("unreadable")
        return decode(batch)

    with pytest.raises(UserError, match="unreadable"):
        list(pipeline.run(Fake(), [[utterance("4")]] * 100, threads=2, workers=2, decode=failing))
    assert len(decoded) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_unreadable_audio_names_the_utterance(tmp_path: Path) -> None:
    lost = Utterance("spk-a", "spk", "spk-a", str(tmp_path / "a.wav"), 0.0, None, 1.0)
    with pytest.raises(UserError, match="utterance spk-a: .*a.wav: no such audio file"):
        pipeline.load([lost])
