"""`npm audit signatures` where the registry signs nothing: it is told that
there are no keys, and not that a package lacks a signature."""

import json

import pytest
import requests

from harness.npm import Home, publish
from harness.process import run

pytestmark = [pytest.mark.timeout(300)]

# npm looks for the keys of a registry in its vendor's list first, which is on
# the internet; this is that list, without our registry in it.
NOT_IN_THE_LIST = """
const Module = require('module')
const load = Module._load
Module._load = function (name, ...rest) {
  if (name !== '@sigstore/tuf') return load.call(this, name, ...rest)
  const lack = () => Promise.reject(Object.assign(
    new Error('no such target'), { code: 'TUF_FIND_TARGET_ERROR' }))
  return { initTUF: () => Promise.resolve({ getTarget: lack }) }
}
"""


@pytest.fixture
def base(make_repository):
    return make_repository("npm")


@pytest.fixture
def home(base, tmp_path):
    made = Home(tmp_path / "home", base)
    vendors_list = tmp_path / "list.js"
    vendors_list.write_text(NOT_IN_THE_LIST)
    made.env["NODE_OPTIONS"] = f"--require={vendors_list}"
    return made


def audit(home, folder):
    return run("npm", "audit", "signatures", cwd=folder, env=home.env,
               check=False)


def test_no_keys(base):
    """404, or npm ends with an error of its own."""
    asked = requests.get(f"{base}/-/npm/v1/keys", timeout=30)
    assert asked.status_code == 404
    assert asked.json()["error"]


def test_npm_is_told_that_there_are_none(base, home):
    publish(base, "lib", "1.0.0")
    folder = home.project(dependencies={"lib": "1.0.0"})
    home.run("npm", "install", cwd=folder)
    done = audit(home, folder)
    assert f"Fetching directly from {base}/" in done.stdout
    assert done.returncode == 1
    assert "found no dependencies to audit that were installed from a " \
        "supported registry" in done.stdout
    for word in ("missing", "invalid", "tampered", "E4", "E5"):
        assert word not in done.stdout


def test_the_same_where_there_are_keys(base, home, tmp_path):
    """The test sees npm ask: with a key it wants a signature."""
    publish(base, "lib", "1.0.0")
    folder = home.project(dependencies={"lib": "1.0.0"})
    home.run("npm", "install", cwd=folder)
    key = {"keyId": "SHA256:x", "publicKey": {"rawBytes": "x",
                                              "validFor": {}}}
    (tmp_path / "list.js").write_text(NOT_IN_THE_LIST.replace(
        "getTarget: lack", "getTarget: () => Promise.resolve("
        f"{json.dumps(json.dumps({'keys': [key]}))})"))
    done = audit(home, folder)
    assert done.returncode == 1 and "missing" in done.stdout
