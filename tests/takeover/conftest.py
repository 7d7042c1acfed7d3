"""The fixtures of suites with real clients."""

from harness.client_fixtures import (
    certificates, cli, docker, family, family_layout, hello, home, layout,
    note, picture)

__all__ = ("certificates", "cli", "docker", "family", "family_layout",
           "hello", "home", "layout", "note", "picture")
