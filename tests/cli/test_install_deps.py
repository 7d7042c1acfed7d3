"""tools/install-deps: what it finds missing and what it leaves off."""

import os
import shutil

import pytest

from harness.process import run
from harness.server import TREE

SCRIPT = TREE / "tools" / "install-deps"


def with_list(tmp_path, text):
    """The script beside a package list of the test's own."""
    folder = tmp_path / "tools"
    folder.mkdir()
    shutil.copy(SCRIPT, folder)
    (folder / "packages.txt").write_text(text)
    tmp_path.chmod(0o755)
    return folder / "install-deps"


def test_nothing_missing_is_silent_and_asks_no_apt(tmp_path):
    """That is what makes it quick: every `make` begins with it."""
    for name in ("apt-get", "apt"):
        (tmp_path / name).write_text("#!/bin/sh\necho asked\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    done = run(SCRIPT, "run", "build", "test", env={
        **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.stdout == ""


def test_no_service_stays_enabled(tmp_path):
    """Those of the packages that were installed, no others."""
    wanted = tmp_path / "multi-user.target.wants"
    sockets = tmp_path / "sockets.target.wants"
    for folder in (wanted, sockets):
        folder.mkdir()
    for name in ("nginx", "docker", "containerd", "docker-registry", "ssh"):
        (wanted / f"{name}.service").symlink_to("/lib/nowhere")
    (sockets / "docker.socket").symlink_to("/lib/nowhere")
    run("bash", "-c", 'source <(sed "/^main /d" "$1"); units=$2; shift 2;'
        ' disable_services "$@"', "-", SCRIPT, tmp_path, "docker.io",
        "containerd", "nginx", "skopeo")
    left = sorted(path.name for path in tmp_path.glob("*/*"))
    assert left == ["docker-registry.service", "ssh.service"]


def test_list_names_what_is_missing(tmp_path):
    script = with_list(tmp_path, "[a]\n# not a package\nbash\n"
                       "no-such-package-1\n\n[b]\nno-such-package-2\n")
    assert run(script, "--list", "a").stdout == "no-such-package-1\n"
    assert run(script, "--list", "a", "b").stdout.split() == [
        "no-such-package-1", "no-such-package-2"]


@pytest.mark.parametrize("arguments, text", [
    (["nonsense"], "no purpose 'nonsense'; there are: a"),
    ([], "usage:")])
def test_wrong_use_is_one_line(tmp_path, arguments, text):
    done = run(with_list(tmp_path, "[a]\nbash\n"), *arguments, check=False)
    assert done.returncode != 0
    assert len(done.stdout.splitlines()) == 1 and text in done.stdout


def test_without_root_the_command_is_named(tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody else")
    # pytest's folders are closed to others.
    script = with_list(tmp_path, "[a]\nbash\nno-such-package-1\n")
    text = script.read_text()
    lists = script.with_name("packages.txt").read_text()
    done = run("setpriv", "--reuid", "65534", "--regid", "65534",
               "--clear-groups", "bash", "-c",
               'd=$(mktemp -d) && cd $d && printf %s "$1" > install-deps &&'
               ' printf %s "$2" > packages.txt && bash install-deps a;'
               ' code=$?; rm -r "$d"; exit $code', "-", text, lists,
               check=False)
    assert done.returncode == 1
    assert done.stdout == (
        "install-deps: missing; as root: apt-get install"
        " --no-install-recommends no-such-package-1\n")


def test_every_purpose_of_the_makefile_has_a_list():
    lists = (TREE / "tools" / "packages.txt").read_text()
    for line in (TREE / "Makefile").read_text().splitlines():
        if "tools/install-deps" in line and line.startswith("\t"):
            words = line.split("tools/install-deps", 1)[1].split("||")[0]
            for purpose in words.split():
                assert f"[{purpose}]" in lists
