"""The audio of clips as people hear it: 16 kHz, as models do, and equally loud where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils import audio, stamp
from utils.atomic import atomic_dir
from utils.data_dir import read_utterances
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from local.listen.answers import Clip

AUDIO = "audio"  # in exp/listen


def write(target: Path, clips: Sequence[Clip], level: float | None) -> str:
    """Write the clips' audio into a folder, unless it is there, and say so.

    Parameters
    ----------
    target : Path
        The folder, replaced as a whole.
    clips : sequence of Clip
        A file each, called after the clip.
    level : float or None
        Loudness that all are brought to, in LUFS.

    Raises
    ------
    UserError
        A clip is silent, or would be cut off at this level.
    """
    config = {"loudness": level, "clips": {clip.clip: [clip.corpus, clip.utt] for clip in clips}}
    inputs = [Path("data", name, stamp.NAME) for name in sorted({clip.corpus for clip in clips})]
    done = stamp.make(config, ["local.listen.sound"], inputs)
    stale = stamp.why_stale(target, done)
    if stale is None:
        return "up to date"
    import soundfile

    known = {(name, own.id): own for name in {clip.corpus for clip in clips}
             for own in read_utterances(Path("data", name))}  # fmt: skip
    with atomic_dir(target) as temporary:
        for clip in clips:
            samples = known[clip.corpus, clip.utt].load()
            if level is not None:
                samples = _matched(samples, level, clip)
            soundfile.write(temporary / f"{clip.clip}.wav", samples, audio.SAMPLE_RATE, subtype="PCM_16")
    stamp.write(target, done)
    return f"audio written [{stale}]"


def _matched(samples: np.ndarray, level: float, clip: Clip) -> np.ndarray:
    import numpy as np

    from utils.loudness import loudness

    now = loudness(samples, audio.SAMPLE_RATE)
    if not np.isfinite(now):
        raise UserError(f"{clip.corpus}: {clip.utt} is silent: it has no loudness; leave it out")
    gain = 10 ** ((level - now) / 20)
    peak = float(np.abs(samples).max()) * gain
    if peak > 1:
        at_most = level - 20 * np.log10(peak)
        raise UserError(
            f"listen.loudness={level:g}: {clip.utt} of {clip.corpus} would be cut off; it can have {at_most - 0.05:.1f}"
        )
    return samples * np.float32(gain)
