"""The listening test's requests (Flask): who may ask, what is asked and answered; nothing else is served."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from typing import Any

import flask

from local.listen import checks, sessions
from local.listen.served import Served

PAGE = Path(__file__).parent / "page"
MOST_BYTES = 16 * 1024  # of a request
COOKIE, COOKIE_AGE = "listen", 90 * 86400  # seconds
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()", "X-Robots-Tag": "noindex",
}  # fmt: skip


def create_app(test: Served) -> flask.Flask:
    """Make the web application (WSGI)."""
    app = flask.Flask("listen", static_folder=str(PAGE / "static"), template_folder=str(PAGE))
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    views = Views(test)
    app.add_url_rule("/t/<token>", view_func=views.page)
    app.add_url_rule("/t/<token>/state", view_func=views.state)
    app.add_url_rule("/t/<token>/clip/<name>", view_func=views.clip)
    for view in (views.start, views.save, views.withdraw):
        app.add_url_rule(f"/t/<token>/{view.__name__}", view_func=view, methods=["POST"])
    app.register_error_handler(checks.RefusedError, lambda error: ({"error": str(error)}, 400))
    app.after_request(_harden)
    return app


class Views:
    """What answers requests; the first part of an address is the token of a link."""

    def __init__(self, test: Served) -> None:
        """Answer for this test."""
        self.test = test

    def page(self, token: str) -> Any:
        """Give the page, which asks for all else."""
        self._admit(token)
        flask.g.nonce = secrets.token_urlsafe(16)
        return flask.render_template("page.html", nonce=flask.g.nonce, language=self.test.listen.languages[0])

    def state(self, token: str) -> Any:
        """Say where the listener is, and what is left."""
        who, session = self._admit(token)
        status = _status(session)
        reply = flask.jsonify(self.test.state(who, session, status))
        if status == "new" and not flask.request.cookies.get(COOKIE):
            # Before there is anything to lose: a browser that keeps no cookies must not spend the link, nor may one
            # that never hears that it has begun.
            reply.set_cookie(
                COOKIE, secrets.token_urlsafe(24), COOKIE_AGE, path=f"/t/{token}", httponly=True, samesite="Strict",
                secure=self.test.listen.address.startswith("https:"),
            )  # fmt: skip
        return reply

    def start(self, token: str) -> Any:
        """Begin, agreed; or go on in another browser after a release."""
        who, session = self._admit(token)
        language, agreed = _body("language", "agreed")
        if language not in self.test.listen.languages or agreed is not True:
            raise checks.RefusedError("agreed: expected true, and a language of the test")
        with session.lock:
            if _status(session) == "new":
                if not (key := flask.request.cookies.get(COOKIE)):
                    raise checks.RefusedError("cookie: expected the one that the state came with")
                self.test.begin(who, session, language, key)
            elif not _known(session):
                flask.abort(409)
            return {"started": True}

    def save(self, token: str) -> Any:
        """Keep what one screen gave."""
        _, session = self._admit(token)
        key, data = _body("key", "data")
        with session.lock:
            if _status(session) not in ("open", "done"):
                flask.abort(403)
            return {"saved": key, "new": self.test.save(session, key, data)}

    def withdraw(self, token: str) -> Any:
        """Remove all that the listener gave."""
        _, session = self._admit(token)
        _body()
        with session.lock:
            if _status(session) not in ("open", "done"):
                flask.abort(403)
            self.test.withdraw(session)
        return {"removed": True}

    def clip(self, token: str, name: str) -> Any:
        """Give the audio of a clip of the listener's."""
        who, session = self._admit(token)
        if _status(session) != "open":
            flask.abort(403)
        names = {self.test.opaque(token, trial["clip"]): trial["clip"] for trial in session.start["plan"]}
        if name not in names:
            flask.abort(404)
        # Without a name of its own the reply would tell the file's, which is the same for everybody.
        path, said = self.test.files[names[name]].resolve(), f"{name}.wav"
        return flask.send_file(path, "audio/wav", download_name=said, conditional=True, etag=False)

    def _admit(self, token: str) -> tuple[sessions.Invitation, sessions.Session]:
        who = self.test.invited.get(token)
        if not self.test.may(who.listener if who else ""):
            flask.abort(429)
        if not who:
            flask.abort(404)
        request = flask.request
        own = request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
        if request.method == "POST" and not (request.is_json and own):
            flask.abort(415)
        return who, self.test.session(who.listener)


def _known(session: sessions.Session) -> bool:
    """Tell whether it is the browser that began."""
    key = flask.request.cookies.get(COOKIE, "")
    return session.key is not None and hmac.compare_digest(session.key, sessions.digest(key))


def _status(session: sessions.Session) -> str:
    if session.gone:
        return "gone"
    if session.start is None or session.key is None:
        return "new"
    if not _known(session):
        return "taken"
    return "done" if session.ended else "open"


def _body(*names: str) -> list[Any]:
    try:
        given = flask.request.get_json(silent=True)
    except RecursionError:  # of thousands of brackets
        given = None
    if not isinstance(given, dict) or set(given) != set(names):
        raise checks.RefusedError(f"expected exactly {', '.join(names)}")
    return [given[name] for name in names]


def _harden(reply: flask.Response) -> flask.Response:
    for name, value in HEADERS.items():
        reply.headers[name] = value
    reply.headers["Content-Security-Policy"] = POLICY.format(nonce=flask.g.get("nonce", "none"))
    reply.headers.pop("Last-Modified", None)
    return reply
