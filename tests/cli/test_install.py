"""make install below a DESTDIR: complete, repeatable, and nginx accepts it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import clients
from harness.process import run
from harness.server import BUILD, NGINX, TREE

MODULE = "usr/lib/nginx/modules/ngx_http_registry_module.so"
SNIPPET = "etc/nginx/snippets/registry.conf"
SHARED = "etc/nginx/conf.d/registry.conf"
UNIT = "usr/lib/systemd/system/registryd.service"


@pytest.fixture
def dest(tmp_path):
    if os.environ.get("LONGSHORE_NGINX"):
        pytest.skip("LONGSHORE_NGINX names an nginx that is not Debian's")
    return tmp_path / "dest"


def make(target, dest, **environment):
    """`make install` or `make uninstall`; what it said."""
    return run("make", "-s", "-C", TREE, target, f"DESTDIR={dest}",
               f"BUILD={BUILD}", env={**os.environ, **environment}).stdout


def tree(folder):
    """Every path below with its content."""
    out = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            out[name] = os.readlink(path)
        elif path.is_file():
            out[name] = (path.stat().st_mode, path.read_bytes())
    return out


def nginx_test(dest, location):
    """`nginx -t` of a server made of the installed files."""
    work = dest.parent / "nginx"
    work.mkdir(exist_ok=True)
    data = work / "data"
    data.mkdir(exist_ok=True)
    # nginx's prefix as in Debian, where `modules` is a link.
    (dest / "usr/share/nginx").mkdir(parents=True, exist_ok=True)
    if not (dest / "usr/share/nginx/modules").exists():
        os.symlink("../../lib/nginx/modules", dest / "usr/share/nginx/modules")
    shared = ""
    if (dest / SHARED).exists():
        text = (dest / SHARED).read_text()
        assert "/var/lib/registryd" in text
        shared = text.replace("/var/lib/registryd", str(data))
    conf = work / "nginx.conf"
    conf.write_text(f"""\
include {dest}/etc/nginx/modules-enabled/*.conf;
pid {work}/nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    {shared}
    server {{
        listen 127.0.0.1:8999;
        {location}
    }}
}}
""")
    return run(NGINX, "-t", "-e", "stderr", "-p", dest / "usr/share/nginx",
               "-c", conf, check=False)


def test_nginx_accepts_the_installed_tree(dest):
    make("install", dest)
    enabled = dest / "etc/nginx/modules-enabled/50-mod-http-registry.conf"
    target = os.readlink(enabled)
    assert target == "/usr/share/nginx/modules-available/mod-http-registry.conf"
    # Below a DESTDIR the absolute link leads nowhere; follow it there.
    enabled.unlink()
    shutil.copy(str(dest) + target, enabled)
    done = nginx_test(dest, f"include {dest}/{SNIPPET};")
    assert done.returncode == 0, done.stdout
    assert "test is successful" in done.stdout


def test_programs_run_from_where_they_are(dest):
    make("install", dest)
    assert run(dest / "usr/sbin/registryd", "--help").returncode == 0
    ctl = dest / "usr/bin/registryctl"
    assert ctl.exists() == (BUILD / "registryctl").exists()
    assert not ctl.exists() or run(ctl, "--help").returncode == 0
    if ctl.exists():
        page = dest / "usr/share/man/man1/registryctl.1"
        assert page.read_text().startswith(".TH REGISTRYCTL 1")
        run("bash", "-n",
            dest / "usr/share/bash-completion/completions/registryctl")


def test_no_token_of_a_template_is_left(dest):
    make("install", dest)
    for name, value in tree(dest).items():
        if isinstance(value, tuple) and not name.startswith("usr/share/doc") \
                and not name.endswith(".so") and b"\0" not in value[1]:
            for token in (b"@statedir@", b"@sbindir@", b"@docdir@", b"@load@"):
                assert token not in value[1], name


def test_twice_is_once(dest):
    make("install", dest)
    first = tree(dest)
    assert "kept" not in make("install", dest)
    assert tree(dest) == first
    assert not [name for name in first if name.endswith((".new", ".dist"))]


def test_an_edited_file_is_kept(dest):
    make("install", dest)
    path = dest / SHARED
    path.write_text(path.read_text() + "# mine\n")
    said = make("install", dest)
    assert "kept your /etc/nginx/conf.d/registry.conf" in said
    assert path.read_text().endswith("# mine\n")
    assert "# mine" not in Path(str(path) + ".dist").read_text()


def test_files_that_do_not_say_who_may_are_named(dest):
    assert "earlier version" not in make("install", dest)
    for name, line in ((SNIPPET, "registry_auth on;"),
                       ("etc/registryd/registryd.conf", 'auth = "on"')):
        path = dest / name
        text = path.read_text()
        assert f"{line}\n" in text
        path.write_text(text.replace(line, ""))
    text = (dest / SNIPPET).read_text().replace("# Pull of what", "# What")
    (dest / SNIPPET).write_text(text)
    said = make("install", dest)
    for name in ("/etc/nginx/snippets/registry.conf",
                 "/etc/registryd/registryd.conf"):
        assert f"{name} is of an earlier version: " in said
    assert "registryctl setup" in said


def test_uninstall_leaves_only_what_was_named(dest):
    make("install", dest)
    assert (dest / MODULE).exists() and (dest / UNIT).exists()
    said = make("uninstall", dest)
    left = [name for name in tree(dest) if not name.startswith(
        ("etc/registryd/", "usr/share/nginx/modules"))]
    assert left == [SHARED + ".removed", SNIPPET]
    assert "registry.conf.removed" in said
    done = nginx_test(dest, "location / { return 204; }")
    assert done.returncode == 0, done.stdout
    make("uninstall", dest)  # again: nothing to do, no failure


def test_what_was_set_aside_comes_back(dest):
    make("install", dest)
    path = dest / SHARED
    path.write_text(path.read_text() + "# mine\n")
    daemon = dest / "etc/registryd/registryd.conf"
    daemon.write_text("# mine too\n")
    make("install", dest)
    make("uninstall", dest)
    assert not path.exists()
    assert not [name for name in tree(dest) if name.endswith(".dist")]
    assert "kept your /etc/nginx/conf.d/registry.conf" in make(
        "install", dest)
    assert path.read_text().endswith("# mine\n")
    assert daemon.read_text() == "# mine too\n"
    assert SHARED + ".removed" not in tree(dest)


def test_prefix(dest):
    run("make", "-s", "-C", TREE, "install", f"DESTDIR={dest}",
        "PREFIX=/usr/local", f"BUILD={BUILD}")
    unit = dest / "usr/local/lib/systemd/system/registryd.service"
    assert "ExecStart=/usr/local/sbin/registryd " in unit.read_text()
    assert os.access(dest / "usr/local/sbin/registryd", os.X_OK)


def test_what_is_not_built_is_said_in_one_line(dest, tmp_path):
    done = run("make", "-s", "-C", TREE, "install", f"DESTDIR={dest}",
               f"BUILD={tmp_path}/none", check=False)
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines()
             if not re.match(r"make(\[\d+\])?: ", line)]
    assert len(lines) == 1 and "first: make build" in lines[0], done.stdout
    assert not dest.exists()


def test_unit_is_confined(dest):
    analyze = clients.need("systemd-analyze")
    make("install", dest)
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager",
         "--threshold=12", dest / UNIT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
