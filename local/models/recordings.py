"""A model over recordings of the command line, in the order in which they were given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from utils import audio
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

Found = TypeVar("Found")


def each(paths: Sequence[str], find: Callable[[str, np.ndarray], Found], title: str) -> Iterator[Found]:
    """Yield what ``find`` makes of each recording's path and samples (16 kHz mono), with a progress bar on a terminal.

    Raises
    ------
    UserError
        A recording cannot be read, or ``find`` says so of it.
    """
    from tqdm import tqdm

    seconds = [audio.info(path).duration for path in paths]
    # disable=None: on a terminal only.
    with tqdm(total=round(sum(seconds), 1), unit="s", desc=title, disable=None) as bar:
        for path, duration in zip(paths, seconds, strict=True):
            samples = audio.load(path)
            try:
                yield find(path, samples)
            except UserError as error:
                raise UserError(f"{path}: {error}") from error
            bar.update(duration)
