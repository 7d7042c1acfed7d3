"""The module against a vanilla nginx tree: builds, loads, serves a blob.

NGINX_SRC names the tree; it is only read. NGINX_SBIN may name a finished
program of the same tree, else one is built; NGINX_BUILD a build directory of
the module for it, else build-vanilla is used.
"""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from harness import server as harness
from harness.http import request
from harness.process import run

MODULE = "ngx_http_registry_module.so"

pytestmark = [
    pytest.mark.heavy, pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("NGINX_SRC"),
        reason="NGINX_SRC names no vanilla nginx source tree")]


@pytest.fixture(scope="module")
def vanilla(tmp_path_factory):
    """(nginx, folder with registryd and the module for that nginx)."""
    source = os.path.realpath(os.environ["NGINX_SRC"])
    work = tmp_path_factory.mktemp("vanilla")
    build = Path(os.environ.get("NGINX_BUILD", harness.TREE / "build-vanilla"))
    run(harness.TREE / "tools" / "build", "release", build, MODULE[:-3],
        seconds=800, env={**os.environ, "NGINX_SRC": source})
    pair = work / "pair"
    pair.mkdir()
    (pair / MODULE).symlink_to(build.absolute() / MODULE)
    (pair / "registryd").symlink_to(harness.BUILD / "registryd")
    program = os.environ.get("NGINX_SBIN")
    if not program:
        copy = work / "nginx"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("objs"))
        configure = "./configure" if (copy / "configure").exists() \
            else "auto/configure"
        run(configure, f"--prefix={work}/inst", "--with-compat",
            "--with-threads", "--with-http_ssl_module",
            "--with-http_v2_module", cwd=copy)
        run("make", "-j2", cwd=copy, seconds=800)
        program = str(copy / "objs" / "nginx")
    return program, pair


@pytest.fixture
def registry(vanilla, monkeypatch):
    program, pair = vanilla
    monkeypatch.setattr(harness, "NGINX", program)
    monkeypatch.setattr(harness, "BUILD", pair)
    with harness.Registry() as server:
        yield server


def test_it_loads_and_serves_a_blob(registry):
    code, said = registry.test_conf()
    assert code == 0, said
    content = os.urandom(1 << 20)
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    pushed = request(registry, "POST",
                     f"/v2/hello/blobs/uploads/?digest={digest}", body=content)
    assert pushed.status == 201, pushed
    pulled = request(registry, "GET", f"/v2/hello/blobs/{digest}")
    assert pulled.status == 200 and pulled.body == content


def test_debian_s_module_is_refused_by_it(vanilla):
    """The reason for building against the tree at all."""
    program, pair = vanilla
    debian = harness.BUILD / MODULE
    version = run(program, "-v").stdout
    if version == run("/usr/sbin/nginx", "-v").stdout:
        pytest.skip("the tree is Debian's version")
    conf = pair / "refused.conf"
    conf.write_text(f"load_module {debian};\nevents {{ }}\n")
    done = run(program, "-t", "-p", pair, "-c", conf, "-e", "stderr",
               check=False)
    assert done.returncode != 0 and "version" in done.stdout
