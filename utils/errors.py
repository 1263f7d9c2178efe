"""Errors that a user can mend, and the one way in which commands report them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable


class UserError(Exception):
    """Bad input: the message is one line that names the file, the value and the mend."""


def run_main(main: Callable[[], int | None]) -> None:
    """Run a command's ``main`` and exit with its status.

    A :class:`UserError` becomes one line on standard error and exit status 1; a closed output pipe
    (``command | head``) and an interrupt end quietly with the status that a shell expects.

    Parameters
    ----------
    main : callable
        Takes nothing, returns an exit status or None for success.
    """
    try:
        status = main() or 0
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    sys.exit(status)
