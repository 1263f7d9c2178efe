"""What an encoder needs of a corpus beside its audio, and whether it is given the voice at all."""

from __future__ import annotations

from pathlib import Path

from local import encoders
from local.encoders import fusion, kinds
from local.encoders.registry import EncoderSpec, names, spec
from utils.table import read_table


def unavailable(encoder: EncoderSpec, data_dir: Path) -> str | None:
    """Tell why an encoder cannot represent a corpus here; None if it can.

    For want of an optional package, with the mend; or because it reads a table that the data directory does not have.
    """
    for part in encoder.parts:
        tables = kinds.of(part.kind).tables(part)
        if tables and (data_dir / "utt2spk").is_file() and table(part, data_dir) is None:
            return f"{data_dir} has no {' or '.join(tables)}, of which {part.name} is made"
    return encoders.unavailable(encoder)


def table(encoder: EncoderSpec, data_dir: Path) -> Path | None:
    """Find the table of a data directory that an encoder is given in place of audio; None if it is given audio."""
    for path in (data_dir / name for name in kinds.of(encoder.kind).tables(encoder)):
        # Beside segments, a text of empty transcripts stands for none.
        if path.is_file() and any(read_table(path).values()):
            return path
    return None


def hears(name: str) -> bool:
    """Tell whether an encoder, or a part of it, is given the voice; one no longer in the registry counts as any."""
    known = names()
    return any(part not in known or kinds.of(spec(part).kind).hears for part in fusion.parts(name))
