"""registryctl: rebuild and verify, their exit codes and JSON."""

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from harness.process import end, run, wait_until
from harness.server import BUILD, TREE


def ctl(*arguments):
    return subprocess.run([str(BUILD / "registryctl"), *map(str, arguments)],
                          capture_output=True, text=True, timeout=60)


def lay(root, name, tag):
    """A repository as docker-registry writes it: one manifest, one tag."""
    v2 = root / "docker/registry/v2"
    layer, config = b"layer of " + name.encode(), b"{}"

    def blob(data):
        hexed = hashlib.sha256(data).hexdigest()
        folder = v2 / "blobs/sha256" / hexed[:2] / hexed
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "data").write_bytes(data)
        return hexed

    def link(path, hexed):
        folder = v2 / "repositories" / name / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "link").write_text(f"sha256:{hexed}")

    for data in (layer, config):
        link(f"_layers/sha256/{blob(data)}", blob(data))

    def descriptor(data, kind):
        return {"mediaType": f"application/vnd.oci.image.{kind}",
                "digest": f"sha256:{blob(data)}", "size": len(data)}

    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(config, "config.v1+json"),
        "layers": [descriptor(layer, "layer.v1.tar")]}).encode()
    hexed = blob(manifest)
    link(f"_manifests/revisions/sha256/{hexed}", hexed)
    link(f"_manifests/tags/{tag}/index/sha256/{hexed}", hexed)
    link(f"_manifests/tags/{tag}/current", hexed)
    return v2 / "repositories" / name / "_manifests/tags" / tag


@pytest.fixture
def root(tmp_path):
    lay(tmp_path, "john/busybox", "latest")
    lay(tmp_path, "alpine", "3.20")
    return tmp_path


def test_rebuild_then_verify_is_clean(root):
    made = ctl("rebuild", "--root", root)
    assert made.returncode == 0, made.stderr
    seen = ctl("verify", "--root", root, "-o", "json")
    assert seen.returncode == 0, seen.stdout
    report = json.loads(seen.stdout)
    assert report["clean"] and report["indexed"]
    assert (report["repositories"], report["manifests"], report["layers"],
            report["tags"]) == (2, 2, 4, 2)


def test_rebuild_keeps_the_accounts(root):
    """They are nowhere but in the database."""
    ctl("rebuild", "--root", root)
    for line in ("service add ci", "group add devs", "group member-add devs ci",
                 "grant add devs team/** push", "visibility set p public"):
        done = ctl(*line.split(), "--root", root)
        assert done.returncode == 0, (line, done.stderr)
    token = ctl("token", "create", "ci", "--root", root).stdout.strip()
    listed = ctl("token", "list", "ci", "--json", "--root", root).stdout
    assert token[4:12] in listed
    for _ in range(2):
        assert ctl("rebuild", "--root", root).returncode == 0
        assert ctl("token", "list", "ci", "--json",
                   "--root", root).stdout == listed
        for who, action, name in (("ci", "push", "team/a"),
                                  ("anonymous", "pull", "p")):
            can = ctl("can", who, action, name, "--root", root)
            assert can.returncode == 0, can.stderr


def test_no_change_is_lost_in_a_rebuild(root):
    """Of a command that has the old file open while it is replaced."""
    ctl("rebuild", "--root", root)
    assert ctl("service", "add", "ci", "--root", root).returncode == 0
    waiting = subprocess.Popen(
        [str(BUILD / "registryctl"), "service", "password", "ci",
         "--password-stdin", "--root", str(root)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    files = Path(f"/proc/{waiting.pid}/maps")
    assert wait_until(
        lambda: "longshore.sqlite-shm" in files.read_text(), 20)
    assert ctl("rebuild", "--root", root).returncode == 0
    said = waiting.communicate("correct horse 9", 60)
    shown = json.loads(ctl("service", "show", "ci", "--json",
                           "--root", root).stdout)
    assert (waiting.returncode, shown["password"]) == (3, False), said
    assert "do it again" in said[1]


def test_verify_names_the_difference(root):
    ctl("rebuild", "--root", root)
    (root / "docker/registry/v2/repositories/alpine/_manifests/tags/3.20"
     / "current/link").unlink()
    seen = ctl("verify", "--root", root, "-o", "json")
    assert seen.returncode == 1
    [difference] = json.loads(seen.stdout)["differences"]
    assert difference["problem"] == "tag is not on disk"
    assert (difference["repository"], difference["reference"]) == (
        "alpine", "3.20")
    text = ctl("verify", "--root", root)
    assert text.returncode == 1
    assert "tag is not on disk: alpine 3.20" in text.stdout
    # The disk is the truth: after a rebuild the tag is gone on both sides.
    assert ctl("rebuild", "--root", root).returncode == 0
    assert ctl("verify", "--root", root).returncode == 0


def test_rebuild_is_refused_while_the_daemon_runs(root):
    socket = root / "s"
    daemon = subprocess.Popen(
        [str(BUILD / "registryd"), "--root", str(root), "--listen",
         f"ipc://{socket}"], stderr=subprocess.DEVNULL)
    try:
        assert wait_until(socket.exists)
        refused = ctl("rebuild", "--root", root)
        assert refused.returncode == 3
        assert "in use" in refused.stderr and refused.stderr.count("\n") == 1
        assert wait_until(lambda: ctl("verify", "--root", root).returncode
                          == 0)
    finally:
        end(daemon)


@pytest.mark.parametrize("arguments", [
    (), ("nothing",), ("rebuild", "--root"), ("verify", "-o", "xml")])
def test_wrong_command_line(arguments):
    assert ctl(*arguments).returncode == 2


def test_what_is_not_there_is_said_in_one_line(tmp_path):
    for verb in ("rebuild", "verify"):
        failed = ctl(verb, "--root", tmp_path / "none")
        assert failed.returncode == 3
        assert failed.stderr.startswith("registryctl: ")
        assert failed.stderr.count("\n") == 1
    assert ctl("verify", "--root", tmp_path).returncode == 3


def test_version():
    assert ctl("version").stdout.startswith("registryctl ")


def test_rebuild_leaves_a_newer_database_alone(root):
    assert ctl("rebuild", "--root", root).returncode == 0
    path = root / "db/longshore.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    done = ctl("rebuild", "--root", root)
    assert done.returncode != 0
    assert "newer version" in done.stderr
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (99,)
    database.close()


def test_the_reference_is_that_of_the_program():
    """docs/registryctl.md holds `registryctl page reference`."""
    page = (TREE / "docs/registryctl.md").read_text()
    assert ctl("page", "reference").stdout in page


def test_every_command_is_in_help_man_page_and_completion():
    rows = re.findall(r"^\| `([^`]*)`", ctl("page", "reference").stdout, re.M)
    commands = [re.match(r"[a-z -]*[a-z]", row).group(0) for row in rows]
    assert len(commands) > 35 and "token create" in commands
    man = ctl("page", "man").stdout
    for command in commands:
        assert ctl(*command.split(), "--help").returncode == 0
        assert f"\n.B {command}".replace("-", "\\-") in man, command
    shown = run("groff", "-man", "-Tutf8", "-ww", "-z",
                input=man) if shutil.which("groff") else None
    assert shown is None or shown.stdout == "", shown.stdout


@pytest.mark.parametrize("typed, words", [
    ("", {"user", "token", "can", "rebuild", "--json"}),
    ("us", {"user"}), ("user ", {"add", "list", "unlock", "--help"}),
    ("user a", {"add"}), ("user add -", {"--password-stdin", "--root"}),
    ("--root /tmp user a", {"add"}), ("--root user group m",
                                      {"member-add", "member-remove"}),
    ("visibility set x ", {"public", "private"}),
    ("can alice ", {"pull", "push", "delete", "admin"}),
    ("can user pull x -", {"--json"}), ("user list -o ", {"text", "json"}),
    ("user list --root /et", {"/etc"}), ("page ", {"man", "completion"})])
def test_completion(tmp_path, typed, words):
    script = tmp_path / "script"
    script.write_text(ctl("page", "completion").stdout)
    given = ["registryctl", *typed.split(" ")]
    done = run("bash", "-c", f"""
. {script}
COMP_WORDS=({" ".join(f"'{word}'" for word in given)})
COMP_CWORD={len(given) - 1}
_registryctl
printf '%s\\n' "${{COMPREPLY[@]}}" """)
    assert words <= set(done.stdout.split("\n")), done.stdout
    assert all(word.startswith(given[-1]) for word in done.stdout.split())
