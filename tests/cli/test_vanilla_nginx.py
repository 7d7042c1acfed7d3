"""The module against a vanilla nginx tree: builds, loads, serves a blob.

NGINX_SRC names the tree; it is only read. NGINX_SBIN may name a finished
program of the same tree, else one is built.
"""

import hashlib
import os
import shutil

import pytest

from harness import server as harness
from harness.http import request
from harness.process import run

pytestmark = [
    pytest.mark.heavy, pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("NGINX_SRC"),
        reason="NGINX_SRC names no vanilla nginx source tree")]


@pytest.fixture(scope="module")
def vanilla(tmp_path_factory):
    """(nginx, build directory with the module for it)."""
    source = os.path.realpath(os.environ["NGINX_SRC"])
    work = tmp_path_factory.mktemp("vanilla")
    build = work / "build"
    run(harness.TREE / "tools" / "build", "release", build, "programs",
        seconds=800, env={**os.environ, "NGINX_SRC": source})
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
    return program, build


@pytest.fixture
def registry(vanilla, monkeypatch):
    program, build = vanilla
    monkeypatch.setattr(harness, "NGINX", program)
    monkeypatch.setattr(harness, "BUILD", build)
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
    program, build = vanilla
    debian = harness.BUILD / "ngx_http_registry_module.so"
    version = run(program, "-v").stdout
    if version == run("/usr/sbin/nginx", "-v").stdout:
        pytest.skip("the tree is Debian's version")
    conf = build / "refused.conf"
    conf.write_text(f"load_module {debian};\nevents {{ }}\n")
    done = run(program, "-t", "-p", build, "-c", conf, "-e", "stderr",
               check=False)
    assert done.returncode != 0 and "version" in done.stdout
