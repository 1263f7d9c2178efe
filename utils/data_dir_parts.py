"""Parts of data directories: subset and split (utils/data_dir_tools.py has the commands)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from utils import stamp
from utils.atomic import atomic_dir
from utils.data_dir import format_data_dir, invert, table_names, write_data_dir
from utils.data_dir_ops import Say, Tables, check_target, durations, read_tables, restrict
from utils.errors import UserError


def spread(items: Sequence[str], number: int) -> list[str]:
    """Take ``number`` of the items, evenly from throughout, as Kaldi's subset_scp.pl does.

    Examples
    --------
    >>> spread("abcdefgh", 3)
    ['d', 'f', 'h']
    """
    if number == 0:
        return []
    if len(items) == 1:
        return list(items)
    half = len(items) // 2
    return spread(items[:half], number // 2) + spread(items[half:], number - number // 2)


def choose(tables: Tables, data_dir: Path, how: str, number: int) -> list[str]:
    """Choose utterances by number, in Kaldi's ways.

    Parameters
    ----------
    tables, data_dir : dict of str to table, Path
        Of one data directory, and where it is.
    how : str
        ``spread`` evenly over the utterances, the ``first``, the ``last``, the ``shortest`` (by ``utt2dur`` or
        else ``segments``); ``per-spk``: so many of each speaker, evenly spread, or all if there are fewer;
        ``speakers``: all of enough speakers, in an order given by a hash of their names, to reach the number.
    number : int
        How many utterances.

    Raises
    ------
    UserError
        There are not so many utterances, or ``shortest`` and no durations.
    """
    utt2spk = tables["utt2spk"]
    utterances, speakers = sorted(utt2spk), invert(utt2spk)
    if how == "per-spk":
        steps = {speaker: max(1, len(group) // number) for speaker, group in speakers.items()}
        return [utt for speaker, group in speakers.items() for utt in group[:: steps[speaker]][:number]]
    if number > len(utterances):
        raise UserError(f"{data_dir}: cannot subset to {number} utterances, there are only {len(utterances)}")
    if how == "speakers":
        chosen: list[str] = []
        for speaker in sorted(speakers, key=lambda name: hashlib.sha256(name.encode()).digest()):
            chosen += speakers[speaker] if len(chosen) < number else []
        return chosen
    if how == "shortest":
        duration = durations(tables, data_dir)
        return sorted(utterances, key=lambda utterance: (duration[utterance], utterance))[:number]
    return {"first": utterances[:number], "last": utterances[-number:]}.get(how) or spread(utterances, number)


def subset(source: Path, target: Path, tables: Tables, utterances: Iterable[str], say: Say) -> None:
    """Write a data directory with some of another's utterances, whose tables are given; ``say`` is told how many."""
    check_target(target, [source])
    chosen = restrict(tables, utterances)
    write_data_dir(target, chosen)
    say(f"reducing #utt from {len(tables['utt2spk'])} to {len(chosen['utt2spk'])}")


def partition(data_dir: Path, utt2spk: Mapping[str, str], parts: int, per_utt: bool) -> list[list[str]]:
    """Cut utterances into consecutive parts of about the same size, none empty, as Kaldi's split_scp.pl does.

    A speaker's utterances stay in one part unless ``per_utt`` is set. ``utt2spk`` is sorted; ``data_dir``, where it is
    from, is for messages.

    Raises
    ------
    UserError
        There are fewer utterances, or speakers, than parts.
    """
    units = [[utterance] for utterance in utt2spk] if per_utt else list(invert(utt2spk).values())
    if parts > len(units):
        raise UserError(
            f"{data_dir}: cannot split {len(units)} {'utterances' if per_utt else 'speakers'} into {parts} parts; "
            f"ask for fewer{'' if per_utt else ', or use --per-utt'}"
        )
    if per_utt:
        size, rest = divmod(len(units), parts)
        bounds = [part * size + min(part, rest) for part in range(parts + 1)]
    else:
        bounds = _balance([len(unit) for unit in units], [-(-part * len(units) // parts) for part in range(parts + 1)])
    return [[utt for unit in units[first:last] for utt in unit] for first, last in pairwise(bounds)]


def _balance(sizes: list[int], bounds: list[int]) -> list[int]:
    # Move a boundary by one speaker as long as that brings the two parts beside it closer in size. The sum
    # of squared sizes falls with every move, so this ends; the order of the moves is Kaldi's.
    parts = len(bounds) - 1
    changed = True
    while changed:
        changed = False
        for part in range(parts):
            for bound, step in ((part + 1, -1), (part, 1)):
                if not 0 < bound < parts:
                    continue
                left = sum(sizes[bounds[bound - 1] : bounds[bound]])
                right = sum(sizes[bounds[bound] : bounds[bound + 1]])
                moved = sizes[bounds[bound] - 1] if step < 0 else -sizes[bounds[bound]]
                if abs(right - left + 2 * moved) < abs(right - left):
                    bounds[bound] += step
                    changed = True
    return bounds


def split(data_dir: Path, parts: int, per_utt: bool, say: Say) -> None:
    """Split a data directory into ``split<parts>[utt]/1`` to ``/<parts>`` under it, as :func:`partition` does.

    A split of just these tables is left as it is, whatever the clock says; ``say`` is told what was made or skipped.
    """
    target = data_dir / f"split{parts}{'utt' if per_utt else ''}"
    made_from = stamp.make({}, [], [data_dir / name for name in table_names(data_dir) if name != "spk2utt"])
    if stamp.why_stale(target, made_from) is None:
        say(f"{target} is up to date, skipping it")
        return
    tables = read_tables(data_dir)
    utt2spk = dict(sorted(tables["utt2spk"].items()))
    with atomic_dir(target) as temporary:
        for number, utterances in enumerate(partition(data_dir, utt2spk, parts, per_utt), 1):
            (temporary / str(number)).mkdir()
            for name, text in format_data_dir(target / str(number), restrict(tables, utterances)).items():
                (temporary / str(number) / name).write_bytes(text.encode())
        stamp.write(temporary, made_from)
    say(f"split {len(utt2spk)} utterances of {data_dir} into {target}/1 to {target}/{parts}")
