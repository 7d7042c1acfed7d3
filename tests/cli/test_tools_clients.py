"""tools/clients without a network: no error, and the reason is kept."""

import os

import pytest

from harness.process import run
from harness.server import TREE


@pytest.mark.parametrize("strict", [[], ["--strict"]])
def test_what_cannot_be_had_has_its_reason(tmp_path, strict):
    done = run(TREE / "tools" / "clients", *strict, "crane", "oras",
               check=False, env={
                   **os.environ, "LONGSHORE_CACHE": str(tmp_path),
                   "GOPROXY": "off", "GOFLAGS": "-mod=mod"})
    assert done.returncode == (1 if strict else 0), done.stdout
    failed = tmp_path / "clients" / "failed"
    assert sorted(path.name for path in failed.iterdir()) == ["crane", "oras"]
    for path in failed.iterdir():
        assert path.read_text().strip()
    assert not list((tmp_path / "clients" / "bin").iterdir())
