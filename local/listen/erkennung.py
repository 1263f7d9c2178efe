"""EmoDB's own perception test, ``erkennung.txt``: what share of its listeners recognised each recording.

Of 816 recordings by ten actors, 20 or 21 listeners chose one of seven emotions and said whether it was acted
convincingly. The corpus keeps recordings that at least 80% recognised (and, by its authors, that 60% found natural; 18
of the 339 of four emotions have less in this file): of the utterances that models are tested on, none is hard for
people. The file has rates alone, no listener's answers and not what was heard instead.

Source: F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss, "A database of German emotional speech",
Interspeech 2005.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.errors import UserError

NAME = "erkennung.txt"
CHOICES = 7  # emotions that listeners chose from
_HEADER = ["Nr.", "Satz", "erkannt", "natuerlich"]
_LISTENERS = (20, 21)  # as the rates say: multiples of 5%, some of 100/21%


@dataclass(frozen=True)
class Rated:
    """How a recording was heard: the shares of ``listeners`` who recognised it and who found it natural."""

    recognised: float
    natural: float
    listeners: int


def read(path: str | Path) -> dict[str, Rated]:
    """Read the file.

    Parameters
    ----------
    path : path
        Latin-1, tabulators, decimal commas, a hard space behind most fields.

    Returns
    -------
    dict of str to Rated
        By the recording's name without ``.wav``.

    Raises
    ------
    UserError
        There is no such file, or a line is not as expected.
    """
    try:
        lines = Path(path).read_text(encoding="latin-1").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    if not lines or lines[0].split("\t") != _HEADER:
        raise UserError(f"{path}:1: expected the header {' '.join(_HEADER)} (tabulators between)")
    found: dict[str, Rated] = {}
    for number, line in enumerate(lines[1:], 2):
        fields = [field.replace("\xa0", " ").strip() for field in line.split("\t")]
        try:
            _, name, *rates = fields
            recognised, natural = (float(rate.replace(",", ".")) / 100 for rate in rates)
        except ValueError:
            raise UserError(f"{path}:{number}: expected number, name and two rates in percent, got '{line}'") from None
        listeners = next((n for n in _LISTENERS if _whole(recognised, n) and _whole(natural, n)), 0)
        if not (listeners and name.endswith(".wav") and 0 <= recognised <= 1 and 0 <= natural <= 1):
            raise UserError(f"{path}:{number}: '{line}': not a .wav with rates of {_LISTENERS} listeners")
        if name[:-4] in found:
            raise UserError(f"{path}:{number}: {name} is there twice")
        found[name[:-4]] = Rated(round(recognised * listeners) / listeners, natural, listeners)
    return found


def _whole(share: float, listeners: int) -> bool:
    """Whether a share, rounded to a hundredth of a percent, is one of so many listeners."""
    return abs(share * listeners - round(share * listeners)) < 6e-5 * listeners
