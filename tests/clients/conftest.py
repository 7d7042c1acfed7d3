"""The fixtures of suites with real clients."""

from harness.client_fixtures import *  # noqa: F401,F403
