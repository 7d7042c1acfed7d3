"""The fixtures of suites with real clients."""

from harness.client_fixtures import (
    cli, docker, family, family_layout, hello, home, layout, note, picture)

__all__ = ("cli", "docker", "family", "family_layout", "hello", "home",
           "layout", "note", "picture")
