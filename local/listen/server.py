"""Serve a listening test: clips of exp/listen -> links for listeners, and their sessions in exp/listen/sessions/.

    cd egs/<recipe> && python3 -m local.listen.server          (./run.sh --stage listen makes the clips first)

Prints a link for each listener and serves until it is interrupted, on 127.0.0.1. Whoever opens a link first keeps it: a
cookie binds it to that browser. Clips go by names that differ between listeners, and what they are labelled never
leaves this machine. An answer is on the disk before the browser is told that it is saved. Nothing logs who asks.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import secrets
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local import experiment
from local.listen import checks, sessions, texts, trials
from local.listen.answers import CLIPS, TASKS, read_clips
from local.listen.clips import AUDIO, PRACTICE
from utils import audio
from utils.errors import UserError, run_main

if TYPE_CHECKING:
    import flask

PAGE = Path(__file__).parent / "page"
MOST_BYTES = 16 * 1024  # of a request
# Requests of one listener: so many at once, and so many a second; a page needs far fewer. All without a link share one.
BURST, A_SECOND = 60, 10
COOKIE_AGE = 90 * 86400  # seconds
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()", "X-Robots-Tag": "noindex",
}  # fmt: skip


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

    def begin(self, who: sessions.Invitation, session: sessions.Session, language: str) -> str:
        """Start a session, or go on with one that was released; give the secret that its browser keeps."""
        key = secrets.token_urlsafe(24)
        if session.start:
            session.add({"event": sessions.RELEASE, "time": sessions.now(), "key": sessions.digest(key)})
            return key
        plan = trials.plan(who.number, self.clips, self.practice, self.listen, self.settings.emotions)
        session.add({
            "event": sessions.START, "time": sessions.now(), "group": who.group, "language": language,
            "consent": texts.consent_version(self.texts[language], language), "simulated": False,
            "key": sessions.digest(key), "plan": plan,
        })  # fmt: skip
        return key

    def state(self, who: sessions.Invitation, session: sessions.Session, status: str) -> dict[str, Any]:
        """Say what a browser needs to know: nothing of what is true."""
        told: dict[str, Any] = {"status": status, "languages": self.listen.languages, "texts": self.texts}
        if status != "open":
            return told
        turn = {task: who.number % len(own) if own else 0 for task, own in self.choices.items()}
        plan = [
            {"key": trial["key"], "kind": trial["kind"], "task": trial["task"], "say": trial["say"],
             "clip": self.opaque(who.token, trial["clip"])}
            for trial in session.start["plan"]
        ]  # fmt: skip
        return told | {
            "language": session.start["language"], "plan": plan, "saved": list(session.saved), "ages": checks.AGES[:-1],
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
        if set(plan) <= set(session.saved):
            session.add({"event": sessions.END, "time": sessions.now()})
        return True


def create_app(test: Served) -> flask.Flask:
    """Make the web application (WSGI)."""
    import flask

    app = flask.Flask("listen", static_folder=str(PAGE / "static"), template_folder=str(PAGE))
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES

    def admit(token: str) -> tuple[sessions.Invitation, sessions.Session]:
        who = test.invited.get(token)
        if not test.may(who.listener if who else ""):
            flask.abort(429)
        if not who:
            flask.abort(404)
        if flask.request.method == "POST" and not (
            flask.request.is_json and flask.request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
        ):
            flask.abort(415)
        return who, test.session(who.listener)

    def known(session: sessions.Session) -> bool:
        key = flask.request.cookies.get("listen", "")
        return session.key is not None and hmac.compare_digest(session.key, sessions.digest(key))

    def status(session: sessions.Session) -> str:
        if session.gone:
            return "gone"
        if session.start is None or session.key is None:
            return "new"
        if not known(session):
            return "taken"
        return "done" if session.ended else "open"

    def body(*names: str) -> list[Any]:
        given = flask.request.get_json(silent=True)
        if not isinstance(given, dict) or set(given) != set(names):
            raise checks.RefusedError(f"expected exactly {', '.join(names)}")
        return [given[name] for name in names]

    @app.get("/t/<token>")
    def page(token: str) -> Any:
        admit(token)
        flask.g.nonce = secrets.token_urlsafe(16)
        return flask.render_template("page.html", nonce=flask.g.nonce, language=test.listen.languages[0])

    @app.get("/t/<token>/state")
    def state(token: str) -> Any:
        who, session = admit(token)
        return test.state(who, session, status(session))

    @app.post("/t/<token>/start")
    def start(token: str) -> Any:
        who, session = admit(token)
        language, agreed = body("language", "agreed")
        if language not in test.listen.languages or agreed is not True:
            raise checks.RefusedError("agreed: expected true, and a language of the test")
        with session.lock:
            reply = flask.jsonify(started=True)
            if status(session) == "new":
                key = test.begin(who, session, language)
                reply.set_cookie("listen", key, COOKIE_AGE, path=f"/t/{token}", httponly=True, samesite="Strict")
            elif not known(session):
                flask.abort(409)
            return reply

    @app.post("/t/<token>/save")
    def save(token: str) -> Any:
        _, session = admit(token)
        key, data = body("key", "data")
        with session.lock:
            if status(session) not in ("open", "done"):
                flask.abort(403)
            return {"saved": key, "new": test.save(session, key, data)}

    @app.post("/t/<token>/withdraw")
    def withdraw(token: str) -> Any:
        _, session = admit(token)
        body()
        with session.lock:
            if status(session) not in ("open", "done"):
                flask.abort(403)
            sessions.remove(session)
        return {"removed": True}

    @app.get("/t/<token>/clip/<name>")
    def clip(token: str, name: str) -> Any:
        who, session = admit(token)
        if status(session) != "open":
            flask.abort(403)
        names = {test.opaque(token, trial["clip"]): trial["clip"] for trial in session.start["plan"]}
        if name not in names:
            flask.abort(404)
        return flask.send_file(test.files[names[name]].resolve(), "audio/wav", conditional=True, etag=False)

    @app.errorhandler(checks.RefusedError)
    def refused(error: checks.RefusedError) -> Any:
        return {"error": str(error)}, 400

    @app.after_request
    def harden(reply: flask.Response) -> flask.Response:
        for name, value in HEADERS.items():
            reply.headers[name] = value
        reply.headers["Content-Security-Policy"] = POLICY.format(nonce=flask.g.get("nonce", "none"))
        reply.headers.pop("Last-Modified", None)
        return reply

    return app


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s, this machine)")
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    if not (settings.listen.corpora or settings.listen.segments):
        raise UserError(f"{arguments.config}: listen.corpora and listen.segments are empty: name corpora to hear")
    try:
        import waitress
    except ImportError:
        raise UserError("waitress and flask are not installed; run: utils/install.sh --extra listen") from None
    folder = settings.exp / "listen"
    with sessions.alone(folder):
        test = Served(folder, settings)
        app, listen = create_app(test), settings.listen
        try:
            server = waitress.create_server(
                app, host=arguments.host, port=listen.port, threads=32, connection_limit=2000, backlog=2048, ident=None,
                max_request_body_size=MOST_BYTES, asyncore_use_poll=True, clear_untrusted_proxy_headers=True,
            )  # fmt: skip
        except OSError as error:
            place = f"{arguments.host}:{listen.port}"
            raise UserError(f"{place}: {error.strerror}; choose another port: --set listen.port=N") from None
        before = listen.address.rstrip("/") or f"http://{arguments.host}:{listen.port}"
        print(f"{len(test.clips)} clips; a link opens once, in one browser; answers go to {folder}/{sessions.SESSIONS}")
        for one in test.invited.values():
            print(f"{one.listener}\t{before}/t/{one.token}")
        print("serving until it is interrupted (Ctrl-C)", flush=True)
        server.run()


if __name__ == "__main__":
    run_main(main)
