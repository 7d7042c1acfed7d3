"""Debian packages with apt, dput, curl's like, and apt-ftparchive as the
judge of our indexes."""

import email.utils
import gzip
import hashlib
import lzma
import os
import re
import sqlite3
import subprocess
import time

import pytest
import requests

from harness import process
from harness.debs import (Apt, ar, make_deb, make_source, run, sha256,
                          small_deb)
from harness.many import fill

CLIENTS = ["apt", "dput"]  # for tools/support-table

GOOD = 30
FULL = os.environ.get("LONGSHORE_LOAD") == "full"


@pytest.fixture
def base(make_repository):
    return make_repository("debian")


def put(base, path, suite="stable", component="main", **more):
    return requests.put(f"{base}/pool/{suite}/{component}/upload",
                        data=path.read_bytes(), timeout=GOOD, **more)


def published(base, path, **more):
    got = put(base, path, **more)
    assert got.status_code == 201, got.text
    return got.json()["files"][0]


def key_of(base, **more):
    got = requests.get(f"{base}/key.asc", timeout=GOOD, **more)
    assert got.status_code == 200
    return got.content


def apt_of(base, root, **more):
    return Apt(root, base, key_of(base), **more)


def fetch(base, path):
    got = requests.get(f"{base}/{path}", timeout=GOOD)
    assert got.status_code == 200, path
    return got


def stanzas(text):
    """Fields of each, the lines of a value stripped."""
    out = []
    for block in re.split(r"\n\n+", text.strip()):
        fields, name = {}, ""
        for line in block.splitlines():
            if line[:1] in " \t":
                fields[name] += "\n" + line.strip()
            else:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            out.append(fields)
    return out


def index(base, path, suite="stable"):
    return gzip.decompress(
        fetch(base, f"dists/{suite}/{path}.gz").content).decode()


def spool_is_empty(server):
    # A refused body goes when its answer has left.
    process.wait_until(lambda: not list((server.root / "spool").iterdir()),
                       what="an empty spool")
    return True


def test_publish_and_install(base, registry, tmp_path):
    one = make_deb(tmp_path, "hello", "1.0", compression="zstd")
    two = make_deb(tmp_path, "hello-data", "1:2.0+dfsg~1-1", "all",
                   compression="gzip")
    user = make_deb(tmp_path, "hello-user", "0.1", compression="none",
                    more="Depends: hello (>= 1.0), hello-data\n")
    for path in (one, two, user):
        told = published(base, path)
        assert requests.get(told["url"],
                            timeout=GOOD).content == path.read_bytes()
    apt = apt_of(base, tmp_path / "root")
    apt.update()
    apt.get("install", "hello-user")
    assert (tmp_path / "root/usr/share/hello/data").read_text() == "hello 1.0\n"
    assert (tmp_path / "root/usr/share/hello-data/data").exists()
    shown = apt.run("apt-cache", "show", "hello").stdout
    assert "It has a longer text" in shown
    newer = make_deb(tmp_path, "hello", "1.1")
    published(base, newer)
    apt.update()
    apt.get("upgrade")
    assert (tmp_path / "root/usr/share/hello/data").read_text() == "hello 1.1\n"
    apt.get("download", "hello=1.0", cwd=tmp_path / "root")
    assert (tmp_path / "root/hello_1.0_amd64.deb"
            ).read_bytes() == one.read_bytes()
    assert spool_is_empty(registry)


def test_other_bytes_are_refused_and_the_same_are_not(base, registry,
                                                      tmp_path):
    one = make_deb(tmp_path, "same", "1.0")
    (tmp_path / "x").mkdir()
    other = make_deb(tmp_path / "x", "same", "1.0",
                     files={"usr/other": b"other"})
    told = published(base, one)
    assert published(base, one) == told
    refused = put(base, other)
    assert refused.status_code == 409 and "already" in refused.text
    # In another suite and component it is still the same package.
    for suite, component in (("testing", "main"), ("stable", "contrib")):
        refused = put(base, other, suite=suite, component=component)
        assert refused.status_code == 409
    assert requests.get(told["url"], timeout=GOOD).content == one.read_bytes()
    assert requests.get(f"{base}/dists/testing/Release",
                        timeout=GOOD).status_code == 404
    assert spool_is_empty(registry)


def test_suites_components_architectures(base, tmp_path):
    debs = {a: make_deb(tmp_path, "multi", "1.0", a)
            for a in ("amd64", "arm64")}
    shared = make_deb(tmp_path, "shared", "1.0", "all")
    free = make_deb(tmp_path, "extra", "1.0", section="contrib/utils")
    for path in (*debs.values(), shared):
        published(base, path)
    published(base, free, component="contrib")
    first = published(base, debs["amd64"], suite="testing")
    assert first == published(base, debs["amd64"])
    for architecture, names in (
            ("amd64", {"multi", "shared"}), ("arm64", {"multi", "shared"}),
            ("all", {"shared"})):
        found = stanzas(index(base, f"main/binary-{architecture}/Packages"))
        assert {one["Package"] for one in found} == names
        assert {one["Architecture"] for one in found} <= {architecture, "all"}
    assert [one["Package"] for one in stanzas(
        index(base, "contrib/binary-amd64/Packages"))] == ["extra"]
    assert not stanzas(index(base, "contrib/binary-arm64/Packages"))
    assert [one["Package"] for one in stanzas(
        index(base, "main/binary-amd64/Packages", "testing"))] == ["multi"]
    release = stanzas(fetch(base, "dists/stable/Release").text)[0]
    assert release["Architectures"] == "all amd64 arm64"
    assert release["Components"] == "contrib main"
    assert release["No-Support-for-Architecture-all"] == "Packages"
    for architecture in ("amd64", "arm64"):
        apt = apt_of(base, tmp_path / architecture,
                     architecture=architecture, components="main contrib")
        apt.update()
        apt.get("install", "--download-only", "multi", "shared")
        archives = tmp_path / architecture / "var/cache/apt/archives"
        assert (archives / f"multi_1.0_{architecture}.deb").exists()
    apt = apt_of(base, tmp_path / "testing", suite="testing")
    apt.update()
    assert apt.versions("multi") == {"1.0"}
    assert apt.versions("shared") == set()


def test_only_packages_for_all(base, tmp_path):
    published(base, make_deb(tmp_path, "doc", "1.0", "all"))
    apt = apt_of(base, tmp_path / "root")
    apt.update()
    apt.get("install", "doc")
    assert (tmp_path / "root/usr/share/doc/data").exists()


def test_release_and_what_it_lists(base, tmp_path):
    published(base, make_deb(tmp_path, "rel", "1.0"))
    release = fetch(base, "dists/stable/Release").text
    fields = stanzas(release)[0]
    assert fields["Suite"] == fields["Codename"] == "stable"
    assert fields["Acquire-By-Hash"] == "yes"
    made = email.utils.parsedate_to_datetime(fields["Date"]).timestamp()
    until = email.utils.parsedate_to_datetime(fields["Valid-Until"])
    assert abs(made - time.time()) < 120
    assert until.timestamp() - made == 14 * 86400
    listed = {}
    for line in fields["SHA256"].split("\n")[1:]:
        digest, size, path = line.split()
        listed[path] = digest
        got = fetch(base, f"dists/stable/{path}")
        assert (sha256(got.content), len(got.content)) == (digest, int(size))
        folder = path.rsplit("/", 1)[0]
        hashed = fetch(base, f"dists/stable/{folder}/by-hash/SHA256/{digest}")
        assert hashed.content == got.content
        assert "Content-Encoding" not in got.headers
    for name in ("main/binary-amd64/Packages", "main/source/Sources",
                 "main/Contents-amd64", "main/i18n/Translation-en"):
        plain = fetch(base, f"dists/stable/{name}").content
        assert gzip.decompress(
            fetch(base, f"dists/stable/{name}.gz").content) == plain
        assert lzma.decompress(
            fetch(base, f"dists/stable/{name}.xz").content) == plain
        packed = tmp_path / "packed.zst"
        packed.write_bytes(fetch(base, f"dists/stable/{name}.zst").content)
        assert subprocess.run(["zstd", "-dcq", packed], check=True,
                              capture_output=True).stdout == plain
        assert {name, name + ".gz", name + ".xz", name + ".zst"} <= set(listed)
    got = fetch(base, "dists/stable/Release")
    for header, value in (("If-None-Match", got.headers["ETag"]),
                          ("If-Modified-Since",
                           got.headers["Last-Modified"])):
        again = requests.get(f"{base}/dists/stable/Release", timeout=GOOD,
                             headers={header: value})
        assert again.status_code == 304
    # What is replaced can still be had by its digest.
    old = listed["main/binary-amd64/Packages.xz"]
    published(base, make_deb(tmp_path, "rel2", "1.0"))
    fetch(base, f"dists/stable/main/binary-amd64/by-hash/SHA256/{old}")


def test_signatures(base, tmp_path):
    published(base, make_deb(tmp_path, "sig", "1.0"))
    ring = tmp_path / "key.gpg"
    ring.write_bytes(fetch(base, "key.gpg").content)
    for name in ("Release", "Release.gpg", "InRelease"):
        (tmp_path / name).write_bytes(
            fetch(base, f"dists/stable/{name}").content)
    for words in (["Release.gpg", "Release"], ["InRelease"]):
        run("gpgv", "--keyring", ring, *words, cwd=tmp_path)
    clear = run("gpgv", "--keyring", ring, "-o", "-", "InRelease",
                cwd=tmp_path).stdout
    assert clear.strip() == (tmp_path / "Release").read_text().strip()


def test_settings(make_repository, tmp_path):
    base = make_repository(
        "debian", settings='{"origin": "Acme", "label": "Tools", '
        '"description": "Tools of Acme", "valid_for_days": 0, '
        '"architectures": ["riscv64"]}')
    published(base, make_deb(tmp_path, "set", "1.0", "all"))
    fields = stanzas(fetch(base, "dists/stable/Release").text)[0]
    assert fields["Origin"] == "Acme" and fields["Label"] == "Tools"
    assert fields["Description"] == "Tools of Acme"
    assert "Valid-Until" not in fields
    assert fields["Architectures"] == "all riscv64"
    assert len(stanzas(index(base, "main/binary-riscv64/Packages"))) == 1


def test_a_release_is_renewed_before_it_ends(base, registry, tmp_path):
    published(base, make_deb(tmp_path, "renewed", "1.0"))
    before = fetch(base, "dists/stable/Release").text
    age(registry, base, 8)
    requests.put(f"{base}/incoming/drops-the-cache", data=b"1", timeout=GOOD)
    process.wait_until(
        lambda: fetch(base, "dists/stable/InRelease").text.count("Date:") and
        fetch(base, "dists/stable/Release").text != before,
        what="a Release of today")


def age(server, base, days):
    path = server.root / "db" / "longshore.sqlite"
    database = sqlite3.connect(path, timeout=30)
    with database:
        database.execute(
            "UPDATE documents SET modified_at_ms = modified_at_ms - ? WHERE"
            " repository_id = (SELECT id FROM repositories WHERE key = ?)",
            (days * 86_400_000, base.rsplit("/", 1)[1]))
    database.close()


def ours(base, path, drop=()):
    return sorted(
        (tuple(sorted((name.lower(), value) for name, value in one.items()
                      if name not in drop)))
        for one in stanzas(index(base, path)))


def test_indexes_are_those_of_apt_ftparchive(base, tmp_path):
    for number, (name, version, architecture) in enumerate((
            ("aa", "1.0", "amd64"), ("aa", "1.1-1", "amd64"),
            ("bb", "2:0.9+x~rc1-3", "amd64"), ("libcc1", "3", "all"))):
        files = {f"usr/share/common/{i}": b"x" for i in range(number)}
        files[f"usr/bin/{name} {version.split(':')[-1]}"] = b"y"
        path = make_deb(tmp_path, name, version, architecture, files=files,
                        more="Homepage: https://example.org/\n"
                             "Depends: libc6 (>= 2.36),\n debconf\n"
                             "Tag: role::program,\n interface::x11\n")
        told = published(base, path)
        pool = tmp_path / "tree" / told["path"]
        pool.parent.mkdir(parents=True, exist_ok=True)
        pool.write_bytes(path.read_bytes())
    options = ["-o", "APT::FTPArchive::SHA512=false",
               "-o", "APT::FTPArchive::LongDescription=false"]
    made = run("apt-ftparchive", *options, "packages", "pool",
               cwd=tmp_path / "tree").stdout
    theirs = sorted(tuple(sorted((name.lower(), value)
                                 for name, value in one.items()))
                    for one in stanzas(made))
    assert ours(base, "main/binary-amd64/Packages") == theirs
    made = run("apt-ftparchive", "contents", "pool",
               cwd=tmp_path / "tree").stdout

    # It leaves out the section that stands before the name in Debian's.
    def pairs(text):
        return {(path, package.rsplit("/", 1)[-1])
                for line in text.splitlines()
                for path, packages in [line.rsplit(None, 1)]
                for package in packages.split(",")}
    assert pairs(index(base, "main/Contents-amd64")) | pairs(
        index(base, "main/Contents-all")) == pairs(made)
    translated = stanzas(index(base, "main/i18n/Translation-en"))
    assert {one["Description-md5"] for one in translated} == {
        one["Description-md5"] for one in stanzas(
            index(base, "main/binary-amd64/Packages"))}


def dput(base, folder, changes, login="nobody", password=None):
    host, _, rest = base.removeprefix("http://").partition("/")
    config = folder / "dput.cf"
    config.write_text(
        "[test]\nmethod = http\n"
        f"fqdn = {host}\nincoming = /{rest}/incoming\nlogin = {login}\n"
        "allow_unsigned_uploads = 1\nallow_dcut = 0\n"
        "run_dinstall = 0\npost_upload_command =\n")
    return run("dput", "-c", config, "-u", "-f", "test", changes, cwd=folder,
               check=False, input=password)


def test_dput_and_apt_source(base, registry, tmp_path):
    changes = make_source(tmp_path, "src", "1.0-1")
    sent = dput(base, tmp_path, changes)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    apt = apt_of(base, tmp_path / "root")
    apt.update()
    apt.get("install", "src")
    assert (tmp_path / "root/usr/share/src/data").read_text() == "data\n"
    (tmp_path / "got").mkdir()
    apt.get("source", "src", cwd=tmp_path / "got")
    assert (tmp_path / "got/src-1.0/data").read_text() == "data\n"
    assert (tmp_path / "got/src-1.0/debian/rules").exists()
    # The pool is what dpkg-source made.
    for path in tmp_path.glob("src_1.0*.tar.*"):
        got = fetch(base, f"pool/s/src/1.0-1/{path.name}")
        assert got.content == path.read_bytes()
    tree = tmp_path / "tree/pool/s/src/1.0-1"
    tree.mkdir(parents=True)
    for path in [*tmp_path.glob("src_1.0*.tar.*"), *tmp_path.glob("*.dsc")]:
        (tree / path.name).write_bytes(path.read_bytes())
    made = run("apt-ftparchive", "-o", "APT::FTPArchive::SHA512=false",
               "sources", "pool", cwd=tmp_path / "tree").stdout
    theirs, mine = stanzas(made), stanzas(index(base, "main/source/Sources"))
    assert len(theirs) == len(mine) == 1
    for name, value in theirs[0].items():
        if name.startswith(("Files", "Checksums")):
            assert set(mine[0][name].split("\n")) == set(
                value.split("\n")), name
        elif name != "Priority":
            assert mine[0][name] == value, name
    # A new revision with the same .orig.tar, which is sent but once.
    (tmp_path / "src-1.0").rename(tmp_path / "old")
    newer = make_source(tmp_path, "src", "1.0-2")
    text = newer.read_text()
    text = "\n".join(line for line in text.split("\n")
                     if "orig.tar" not in line)
    newer.write_text(text)
    sent = dput(base, tmp_path, newer)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    apt.update()
    apt.get("source", "--download-only", "src=1.0-2", cwd=tmp_path / "got")
    # The other bytes of a version are refused as a whole.
    (tmp_path / "src-1.0").rename(tmp_path / "older")
    (tmp_path / "again").mkdir()
    other = make_source(tmp_path / "again", "src", "1.0-2", data=b"other\n")
    sent = dput(base, tmp_path / "again", other)
    assert sent.returncode != 0 and "409" in sent.stdout + sent.stderr
    # Take the source away, the package stays.
    gone = requests.delete(f"{base}/pool/stable/main/src/1.0-2/source",
                           timeout=GOOD)
    assert gone.status_code == 204
    mine = stanzas(index(base, "main/source/Sources"))
    assert [one["Version"] for one in mine] == ["1.0-1"]
    assert requests.get(f"{base}/pool/s/src/1.0-2/src_1.0.orig.tar.gz",
                        timeout=GOOD).status_code == 404
    apt.update()
    assert apt.versions("src") == {"1.0-1", "1.0-2"}
    assert spool_is_empty(registry)


def test_a_changes_without_its_files(base, registry, tmp_path):
    changes = make_source(tmp_path, "part", "1.0-1")
    deb = next(tmp_path.glob("part_1.0-1_*.deb"))
    refused = requests.put(f"{base}/incoming/{changes.name}",
                           data=changes.read_bytes(), timeout=GOOD)
    assert refused.status_code == 400 and "not sent" in refused.text
    for path in tmp_path.glob("part_1.0*"):
        body = b"other" if path == deb else path.read_bytes()
        if path != changes:
            assert requests.put(f"{base}/incoming/{path.name}", data=body,
                                timeout=GOOD).status_code == 201
    refused = requests.put(f"{base}/incoming/{changes.name}",
                           data=changes.read_bytes(), timeout=GOOD)
    assert refused.status_code == 400 and deb.name in refused.text
    assert requests.get(f"{base}/dists/stable/Release",
                        timeout=GOOD).status_code == 404
    assert requests.get(f"{base}/incoming/{deb.name}",
                        timeout=GOOD).status_code in (404, 405)
    assert spool_is_empty(registry)


def test_delete(base, tmp_path):
    debs = [make_deb(tmp_path, "gone", version, architecture)
            for version in ("1.0", "2:2.0") for architecture in
            ("amd64", "arm64")]
    urls = [published(base, path)["url"] for path in debs]
    published(base, debs[0], suite="testing")
    place = f"{base}/pool/stable/main/gone"
    assert requests.delete(f"{place}/1.0/amd64",
                           timeout=GOOD).status_code == 204
    assert requests.delete(f"{place}/1.0/amd64",
                           timeout=GOOD).status_code == 404
    # It is in testing still.
    assert requests.get(urls[0], timeout=GOOD).status_code == 200
    assert requests.delete(f"{place}/2:2.0", timeout=GOOD).status_code == 204
    assert [requests.get(url, timeout=GOOD).status_code for url in urls] == [
        200, 200, 404, 404]
    assert requests.delete(f"{place}/1.0/arm64",
                           timeout=GOOD).status_code == 204
    assert requests.delete(f"{base}/pool/testing/main/gone/1.0/amd64",
                           timeout=GOOD).status_code == 204
    assert requests.get(urls[0], timeout=GOOD).status_code == 404
    # Empty, and still what apt can read.
    apt = apt_of(base, tmp_path / "root")
    apt.update()
    assert apt.versions("gone") == set()
    # A name that was deleted may come back.
    published(base, debs[0])
    apt.update()
    assert apt.versions("gone") == {"1.0"}


@pytest.mark.parametrize("body", [
    b"", b"!<arch>\n", b"not a package", b"Format: 3.0\n",
    ar(("debian-binary", b"2.0\n")),
    ar(("debian-binary", b"3.0\n"), ("control.tar", b"")),
    ar(("control.tar", b""), ("debian-binary", b"2.0\n")),
    ar(("debian-binary", b"2.0\n"), ("control.tar.gz", b"\x1f\x8b")),
    ar(("debian-binary", b"2.0\n"),
       ("control.tar.gz", gzip.compress(b"\0" * 10240)),
       ("data.tar.gz", gzip.compress(b"\0" * 10240))),
], ids=range(9))
def test_what_is_no_package(base, registry, body):
    got = requests.put(f"{base}/pool/stable/main/upload", data=body,
                       timeout=GOOD)
    assert got.status_code == 400, got.text
    assert spool_is_empty(registry)
    assert requests.get(f"{base}/dists/stable/Release",
                        timeout=GOOD).status_code == 404


def test_hostile_packages(base, registry, tmp_path):
    good = make_deb(tmp_path, "good", "1.0").read_bytes()
    for cut in (100, len(good) // 2, len(good) - 2):
        got = requests.put(f"{base}/pool/stable/main/upload",
                           data=good[:cut], timeout=GOOD)
        assert got.status_code == 400, got.text
    for number, control in enumerate((
            "Package: ../up\nVersion: 1\nArchitecture: all\n",
            "Package: up\nVersion: 1/../2\nArchitecture: all\n",
            "Package: up\nVersion: 1\nArchitecture: ../all\n",
            "Package: up\nPackage: up\nVersion: 1\nArchitecture: all\n",
            "Package: up\nVersion: 1\nArchitecture: all\n\nPackage: x\n")):
        tree = tmp_path / str(number)
        tree.mkdir()
        (tree / "control").write_text(control)
        run("tar", "-cf", "control.tar", "control", cwd=tree)
        body = ar(("debian-binary", b"2.0\n"),
                  ("control.tar", (tree / "control.tar").read_bytes()),
                  ("data.tar", b"\0" * 10240))
        got = requests.put(f"{base}/pool/stable/main/upload", data=body,
                           timeout=GOOD)
        assert got.status_code == 400, (control, got.text)
    bomb = lzma.compress(b"\0" * (300 << 20))
    body = ar(("debian-binary", b"2.0\n"), ("control.tar.xz", bomb),
              ("data.tar", b"\0" * 10240))
    got = requests.put(f"{base}/pool/stable/main/upload", data=body,
                       timeout=GOOD)
    assert got.status_code in (400, 413), got.text
    for suite, component in (("..", "main"), ("a%2fb", "main"),
                             ("stable", "%2e%2e"), ("-x", "main")):
        got = requests.put(f"{base}/pool/{suite}/{component}/upload",
                           data=good, timeout=GOOD)
        assert got.status_code in (400, 404, 405), got.text
    assert spool_is_empty(registry)


def test_a_private_repository(private, tmp_path):
    base = private.repository("debian")
    deb = make_deb(tmp_path, "secret", "1.0")
    tokens = private.tokens
    for auth in (None, ("x", "wrong"), ("x", tokens["reader"]),
                 ("x", tokens["readonly"]), ("x", tokens["stranger"])):
        assert put(base, deb, auth=auth).status_code in (401, 403), auth
        assert requests.put(f"{base}/incoming/x", data=b"x", auth=auth,
                            timeout=GOOD).status_code in (401, 403)
    writer = ("x", tokens["writer"])
    told = put(base, deb, auth=writer)
    assert told.status_code == 201, told.text
    for auth in (None, ("x", "wrong"), ("x", tokens["stranger"])):
        for path in ("dists/stable/InRelease", "key.asc",
                     told.json()["files"][0]["path"]):
            assert requests.get(f"{base}/{path}", auth=auth, timeout=GOOD
                                ).status_code in (401, 403, 404)
    reader = ("x", tokens["reader"])
    assert requests.delete(f"{base}/pool/stable/main/secret/1.0", auth=reader,
                           timeout=GOOD).status_code == 403
    key = key_of(base, auth=reader)
    apt = Apt(tmp_path / "in", base, key, login=reader)
    apt.update()
    apt.get("install", "secret")
    assert (tmp_path / "in/usr/share/secret/data").exists()
    apt = Apt(tmp_path / "out", base, key)
    done = apt.get("update", check=False)
    assert "401" in done.stdout + done.stderr


def test_a_restart_in_the_middle(make_repository, fresh_registry, tmp_path):
    base = make_repository("debian", server=fresh_registry)
    published(base, make_deb(tmp_path, "first", "1.0"))
    apt = apt_of(base, tmp_path / "root")
    apt.update()
    fresh_registry.restart_daemon()
    apt.get("install", "first")
    published(base, make_deb(tmp_path, "second", "1.0"))
    apt.update()
    apt.get("install", "second")
    url = f"{base}/pool/s/second/second_1.0_amd64.deb"
    names = ["InRelease", "main/binary-amd64/Packages.xz"]
    before = [fetch(base, f"dists/stable/{name}").content for name in names]
    body = requests.get(url, timeout=GOOD).content
    fresh_registry.pause_daemon()
    try:
        assert [fetch(base, f"dists/stable/{name}").content
                for name in names] == before
        assert requests.get(url, timeout=GOOD).content == body
    finally:
        fresh_registry.resume_daemon()


def test_the_pool_can_be_looked_through(base, tmp_path):
    published(base, make_deb(tmp_path, "looked", "1.0"))
    page = requests.get(f"{base}/pool/l/looked/", timeout=GOOD)
    assert "looked_1.0_amd64.deb" in page.text
    moved = requests.get(f"{base}/pool/l", timeout=GOOD)
    assert moved.url.endswith("/pool/l/") and "looked/" in moved.text


def test_apt_file(base, tmp_path):
    published(base, make_deb(tmp_path, "held", "1.0",
                             files={"usr/bin/held-tool": b"1"}))
    published(base, make_deb(tmp_path, "heldall", "1.0", "all",
                             files={"usr/share/held-doc": b"1"}))
    apt = apt_of(base, tmp_path / "root")
    with apt.config.open("a") as config:
        for name in ("deb",):
            config.write(f"""
Acquire::IndexTargets::{name}::Contents-{name} {{
  MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)";
  ShortDescription "Contents-$(ARCHITECTURE)";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents ({name})";
  flatMetaKey "Contents-$(ARCHITECTURE)";
  flatDescription "$(RELEASE) Contents ({name})";
  PDiffs "false"; KeepCompressed "true"; }};
""")
    apt.update()
    for name, path in (("held", "held-tool"), ("heldall", "held-doc")):
        found = apt.run("apt-file", "search", path).stdout
        assert found.startswith(f"{name}: "), found


def peak(pids):
    """Bytes of memory that processes have had at most, in all."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            total += int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])
    return total << 10


@pytest.mark.parametrize("form", ["gz", "xz", "zst"])
def test_apt_reads_indexes_of_many_parts(make_repository, fresh_registry,
                                         tmp_path, form):
    base = make_repository("debian", server=fresh_registry)
    fill(fresh_registry, base, 1100)
    got = requests.put(f"{base}/pool/stable/main/upload",
                       data=small_deb("last"), timeout=GOOD)
    assert got.status_code == 201, got.text
    apt = apt_of(base, tmp_path / "root")
    with apt.config.open("a") as config:
        config.write(f'Acquire::CompressionTypes::Order {{ "{form}"; }};\n')
    done = apt.update()
    assert "Packages" in done.stdout
    log = fresh_registry.access_log.read_text()
    packed = fetch(base, f"dists/stable/main/binary-amd64/Packages.{form}")
    assert f"by-hash/SHA256/{sha256(packed.content)}" in log
    names = apt.run("apt-cache", "pkgnames").stdout.split()
    assert sum(name.startswith("pkg0") for name in names) == 1100
    assert "last" in names
    assert "With a text" in apt.run("apt-cache", "show", "last").stdout


@pytest.mark.heavy
@pytest.mark.timeout(3600 if FULL else 180)
def test_a_large_package(make_repository, fresh_registry, tmp_path):
    base = make_repository("debian", server=fresh_registry)
    published(base, make_deb(tmp_path, "small", "1.0"))
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr").mkdir()
    run("dd", "if=/dev/urandom", f"of={tree}/usr/blob", "bs=1M",
        f"count={5120 if FULL else 256}", timeout=1800)
    (tree / "DEBIAN/control").write_text(
        "Package: large\nVersion: 1\nArchitecture: all\n"
        "Maintainer: T <t@example.org>\nDescription: large\n")
    deb = tmp_path / "large_1_all.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, deb,
        timeout=1800)
    pids = [fresh_registry.daemon_pid, *fresh_registry.worker_pids()]
    before = peak(pids)
    run("curl", "-sSf", "-T", deb, f"{base}/pool/stable/main/upload",
        timeout=1800)
    after = peak(pids)
    print(f"memory: {before >> 20} MiB before, {after >> 20} MiB after")
    assert after - before <= 64 << 20
    with deb.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    got = hashlib.sha256()
    with requests.get(f"{base}/pool/l/large/large_1_all.deb", stream=True,
                      timeout=GOOD) as answer:
        for part in answer.iter_content(1 << 20):
            got.update(part)
    assert got.hexdigest() == digest
