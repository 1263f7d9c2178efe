"""The copy of the repository that pages are run in."""

from tests.integration.conftest import checkout

__all__ = ["checkout"]
