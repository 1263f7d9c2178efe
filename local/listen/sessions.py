"""Sessions of listeners: exp/listen/tokens.csv and exp/listen/sessions/<listener>.jsonl, which only ever grow.

A line is an event, written and on the disk (fsync) before anybody is told that it is saved: ``start`` with the plan of
trials and the consent, ``save`` with what one page of the test gave, ``release``. The first ``save`` of a key counts;
what comes again is known. A line that a power cut left half written is taken away when the file is next opened.
Nothing says who a listener is: no address, no name, no e-mail.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from utils import csv_file, lock
from utils.errors import UserError

TOKENS, SESSIONS = "tokens.csv", "sessions"
START, SAVE, RELEASE, GONE = ("start", "save", "release", "gone")


@dataclass(frozen=True)
class Invitation:
    """A link that lets one listener in."""

    listener: str
    group: str
    number: int  # of all listeners, from 0
    token: str


@dataclass
class Session:
    """What a listener's file says, and a lock for who adds to it."""

    path: Path
    events: list[dict] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def start(self) -> dict | None:
        """The event that began it."""
        return next((event for event in self.events if event["event"] == START), None)

    @property
    def saved(self) -> dict[str, dict]:
        """What was saved, by key; of each, what came first."""
        found: dict[str, dict] = {}
        for event in self.events:
            if event["event"] == SAVE:
                found.setdefault(event["key"], event)
        return found

    @property
    def ended(self) -> bool:
        """Whether every clip was answered."""
        return self.start is not None and self.saved.keys() >= {trial["key"] for trial in self.start["plan"]}

    @property
    def gone(self) -> bool:
        """Whether the listener took everything back."""
        return any(event["event"] == GONE for event in self.events)

    @property
    def key(self) -> str | None:
        """Digest of what the one browser knows that may go on; None where any may."""
        for event in reversed(self.events):
            if event["event"] in (START, RELEASE):
                return event.get("key")
        return None

    def add(self, event: dict) -> None:
        """Append an event, and return when it is on the disk; the caller holds the lock."""
        _append(self.path, event)
        self.events.append(event)


def now() -> str:
    """Tell the time, UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(secret: str) -> str:
    """Digest a secret, so that a file need not hold it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def invite(folder: Path, groups: Sequence[str], each: int) -> list[Invitation]:
    """Read the invitations, and add what is missing: so many to each group; the file is for its owner's eyes alone."""
    known = read_invitations(folder)
    wanted = [f"{group}{number:02d}" for group in groups for number in range(1, each + 1)]
    names = {one.listener for one in known}
    for name in wanted:
        if name not in names:
            group = next(group for group in groups if name[: len(group)] == group and name[len(group) :].isdecimal())
            known.append(Invitation(name, group, len(known), secrets.token_hex(16)))
    if len(known) > len(names):
        path = folder / TOKENS
        rows = [vars(one) for one in known]
        csv_file.write(path, tuple(rows[0]), rows)
        os.chmod(path, 0o600)
    return known


def read_invitations(folder: Path) -> list[Invitation]:
    """Read the invitations; none where nobody was invited."""
    path = folder / TOKENS
    rows = csv_file.read(path) if path.is_file() else []
    return [Invitation(row["listener"], row["group"], int(row["number"]), row["token"]) for row in rows]


def read(folder: Path, listener: str, mend: bool = False) -> Session:
    """Read a listener's session; empty where there is none. ``mend`` takes a half-written last line away."""
    path = folder / SESSIONS / f"{listener}.jsonl"
    if not path.is_file():
        return Session(path)
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if mend and len(whole) < len(content):
        os.truncate(path, len(whole))
    try:
        events = [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise UserError(f"{path}: a line is no JSON ({error}); restore the file") from None
    return Session(path, events)


def read_all(folder: Path) -> list[Session]:
    """Read all sessions that were begun and not taken back, by name."""
    found = [read(folder, path.stem) for path in sorted((folder / SESSIONS).glob("*.jsonl"))]
    return [session for session in found if session.start and not session.gone]


def remove(session: Session) -> None:
    """Remove all that a listener gave; that the link is spent stays known. The caller holds the lock."""
    temporary = session.path.with_suffix(".tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    event = {"event": GONE, "time": now()}
    _append(temporary, event)
    os.replace(temporary, session.path)
    _sync(session.path.parent)
    session.events[:] = [event]


def alone(folder: Path) -> AbstractContextManager[None]:
    """Let nobody else write sessions meanwhile.

    Raises
    ------
    UserError
        Somebody does.
    """
    return lock.alone(folder / ".lock", f"{folder}/.lock: a listening test is being served from here; stop it first")


def _append(path: Path, event: dict) -> None:
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        written = os.write(descriptor, line)
        if written < len(line):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(28, "No space left on device", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
