"""A system without ears sees an utterance's duration, level or words, and nothing of the voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from local import encoders
from local.encoders import needs
from utils.errors import UserError

RATE = 16000


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def pooled(name: str, given: list) -> np.ndarray:
    encoder = encoders.load(encoders.spec(name))
    made = encoder.pooled(given)
    assert made.dtype == np.float32 and made.shape == (len(given), 1, encoder.spec.dim)
    return made[:, 0]


def test_duration_and_level_worked_example() -> None:
    one, loud, longer = pooled("duration_level", [noise(1), 2 * noise(1), noise(2)])
    # 1 s is the 7th of knots that lie a third of an octave apart from 0.25 s on.
    assert one[0] == 0 and one[1:23].tolist() == np.eye(22)[6].tolist()
    assert longer[0] == 1 and longer[1:23].tolist() == np.eye(22)[9].tolist()
    assert one[:23].tolist() == loud[:23].tolist() == pooled("duration", [noise(1)])[0].tolist()
    # -20 dB lies a third of the way between knots at -21 and -18; twice the amplitude is 6.02 dB more.
    assert loud[23] - one[23] == pytest.approx(20 * np.log10(2), abs=1e-5)
    level = -20 + (one[23] + 20)
    assert one[24:] @ np.arange(-60, 1, 3) == pytest.approx(level, abs=1e-4) and one[24:].sum() == pytest.approx(1)
    assert pooled("level", [noise(1)])[0].tolist() == one[23:].tolist()


def test_what_the_voice_does_is_not_seen() -> None:
    wave = noise(1.3)
    assert (pooled("duration_level", [wave]) == pooled("duration_level", [wave[::-1].copy()])).all()
    assert np.isfinite(pooled("duration_level", [np.zeros(RATE, np.float32), noise(99), wave[:1]])).all()
    assert pooled("duration", []).shape == pooled("text", []).shape[:1] + (23,) == (0, 23)


def test_text_is_the_same_whoever_says_it_and_other_words_are_others() -> None:
    one, same, other, empty = pooled("text", ["Der Lappen liegt.", "Der Lappen liegt.", "Das will sie.", ""])
    assert (one == same).all() and one @ other < 0.5 and not empty.any()
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)


def test_the_stages_ask_and_are_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "utt2spk").write_text("a-1 a\na-2 a\n")
    text, level = encoders.spec("text"), encoders.spec("level")
    assert encoders.unavailable(text) is needs.unavailable(level, data) is None
    assert needs.unavailable(text, data) == f"{data} has no text or utt2sent, of which text is made"
    assert needs.unavailable(text, tmp_path / "later") is None  # nobody knows before the data stage
    (data / "text").write_text("a-1\na-2\n")  # as beside segments, of what has no transcripts
    assert needs.table(text, data) is None
    (data / "utt2sent").write_text("a-1 s1\na-2 s2\n")
    assert needs.table(text, data) == data / "utt2sent" and needs.unavailable(text, data) is None
    (data / "text").write_text("a-1 Ja.\na-2\n")
    assert needs.table(text, data) == data / "text" and needs.table(level, data) is None
    assert encoders.untunable(level) == "kind shortcut has no transformer blocks"
    assert (level.languages, level.pretrained_on, level.files()) == ([], [], [])
    assert text.identity() != level.identity()
    assert needs.hears("logmel") and needs.hears("nobody_knows") and not needs.hears("duration")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{kind: shortcut, layers: 1, dim: 23}", r"odd: kind shortcut needs 'sees': \[duration\], \[level\],"),
        ("{kind: shortcut, sees: [pitch], layers: 1, dim: 23}", "needs 'sees'"),
        ("{kind: shortcut, sees: [text, level], layers: 1, dim: 23}", "needs 'sees'"),
        ("{kind: shortcut, sees: [level, level], layers: 1, dim: 44}", "needs 'sees'"),
        ("{kind: shortcut, sees: [level], layers: 1, dim: 23}", "odd: what sees level has layers: 1, dim: 22"),
        ("{kind: shortcut, sees: [text], layers: 2, dim: 99}", "odd: what sees text has layers: 1, dim: 99"),
        ("{kind: logmel, sees: [level], layers: 1, dim: 160}", "odd: kind logmel has no 'sees'"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/encoders.yaml").write_text(f"odd: {entry}\n")
    with pytest.raises(UserError, match=message):
        encoders.spec("odd", tmp_path)
