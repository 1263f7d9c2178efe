"""What a listening test's requests share: clips, texts, invitations and sessions, and what may be said of them."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from pathlib import Path
from typing import Any

from local import experiment
from local.listen import checks, sessions, texts, trials
from local.listen.answers import ANSWERS, CLIPS, TASKS, read_clips
from local.listen.clips import PRACTICE
from local.listen.collect import collect
from local.listen.sound import AUDIO
from utils import audio
from utils.errors import UserError

# Requests of one listener: so many at once, and so many a second; a page needs far fewer. All without a link share one.
BURST, A_SECOND = 60, 10


class Served:
    """All that requests share: clips, texts, invitations and sessions."""

    def __init__(self, folder: Path, settings: experiment.Experiment) -> None:
        """Read what is served; the clips must be chosen."""
        self.folder, self.settings, self.listen = folder, settings, settings.listen
        if not (folder / CLIPS).is_file():
            raise UserError(f"{folder}/{CLIPS}: no such file; choose clips first (python3 -m local.listen.clips)")
        self.clips, self.practice = read_clips(folder / CLIPS), read_clips(folder / PRACTICE)
        self.choices = {task: trials.choices(task, self.clips, settings.emotions) for task in TASKS}
        self.texts = texts.read(self.listen.languages, sorted({own for all in self.choices.values() for own in all}))
        files = {clip.clip: folder / AUDIO / f"{clip.clip}.wav" for clip in [*self.clips, *self.practice]}
        self.seconds = {clip: audio.info(path).duration for clip, path in files.items()}
        self.files = files
        self.invited = {
            one.token: one for one in sessions.invite(folder, self.listen.groups, self.listen.listeners)
        }  # fmt: skip
        self._sessions: dict[str, sessions.Session] = {}
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def session(self, listener: str) -> sessions.Session:
        """Give a listener's session, read once."""
        with self._lock:
            if listener not in self._sessions:
                self._sessions[listener] = sessions.read(self.folder, listener, mend=True)
            return self._sessions[listener]

    def may(self, who: str) -> bool:
        """Count a request, and tell whether it is not one too many."""
        with self._lock:
            left, then = self._buckets.get(who, (BURST, time.monotonic()))
            now = time.monotonic()
            left = min(BURST, left + (now - then) * A_SECOND)
            self._buckets[who] = (left - 1 if left >= 1 else left, now)
            return left >= 1

    def opaque(self, token: str, clip: str) -> str:
        """Name a clip as nobody but this listener knows it."""
        return hmac.new(token.encode(), clip.encode(), hashlib.sha256).hexdigest()[:20]

    def begin(self, who: sessions.Invitation, session: sessions.Session, language: str, key: str) -> None:
        """Start a session, or go on with one that was released, in the browser that keeps this secret."""
        if session.start:
            session.add({"event": sessions.RELEASE, "time": sessions.now(), "key": sessions.digest(key)})
            return
        plan = trials.plan(who.number, self.clips, self.practice, self.listen, self.settings.emotions)
        session.add({
            "event": sessions.START, "time": sessions.now(), "group": who.group, "language": language,
            "consent": texts.consent_version(self.texts[language], language), "simulated": False,
            "key": sessions.digest(key), "plan": plan,
        })  # fmt: skip

    def state(self, who: sessions.Invitation, session: sessions.Session, status: str) -> dict[str, Any]:
        """Say what a browser needs to know: nothing of what is true."""
        told: dict[str, Any] = {"status": status, "languages": self.listen.languages, "texts": self.texts}
        if status in ("open", "done"):
            told["language"] = session.start["language"]
        if status != "open":
            return told
        turn = {task: who.number % len(own) if own else 0 for task, own in self.choices.items()}
        plan = [
            {"key": trial["key"], "kind": trial["kind"], "task": trial["task"], "say": trial["say"],
             "clip": self.opaque(who.token, trial["clip"])}
            for trial in session.start["plan"]
        ]  # fmt: skip
        return told | {
            "plan": plan, "saved": list(session.saved), "ages": checks.AGES[:-1],
            "choices": {task: own[turn[task] :] + own[: turn[task]] for task, own in self.choices.items()},
            "questions": self.listen.questions, "headphones": self.listen.headphones, "rest": self.listen.rest,
            "plays": self.listen.plays,
        }  # fmt: skip

    def save(self, session: sessions.Session, key: Any, data: Any) -> bool:
        """Keep what one page gave; tell whether it was new. The caller holds the session's lock."""
        plan = {trial["key"]: trial for trial in session.start["plan"]}
        if not isinstance(key, str) or key not in {"q", "h", *plan}:
            raise checks.RefusedError("key: not of this test")
        if key in session.saved:
            return False
        if key == "q":
            data = checks.questionnaire(data, self.listen.questions)
        elif key == "h":
            data = checks.headphones(data, self.listen.headphones)
        else:
            trial = plan[key]
            data = checks.answer(data, trial["task"], self.choices[trial["task"]], self.seconds[trial["clip"]])
        session.add({"event": sessions.SAVE, "key": key, "time": sessions.now(), "data": data})
        return True

    def withdraw(self, session: sessions.Session) -> None:
        """Remove all that a listener gave, from the tables too if it was collected. The caller holds its lock."""
        sessions.remove(session)
        if (self.folder / ANSWERS).is_file():
            with self._lock:
                collect(self.folder)
