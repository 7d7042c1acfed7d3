"""Arch packages with pacman and makepkg's repo-add: upload, sync, install
into a folder, search by file, signatures, the same database as repo-add's."""

import hashlib
import io
import os
import subprocess
import tarfile

import pytest
import requests

from harness import spool

CLIENTS = ["pacman", "repo-add"]  # for tools/support-table


def pkginfo(name, version, arch, **more):
    fields = {"pkgname": [name], "pkgbase": [name], "pkgver": [version],
              "pkgdesc": [f"the {name} of tests"], "url": ["https://a.b/c"],
              "builddate": ["1700000000"], "packager": ["A B <a@b.c>"],
              "size": ["4096"], "arch": [arch], "license": ["MIT"], **more}
    return "".join(f"{key} = {value}\n" for key, values in fields.items()
                   for value in values)


def build(folder, name, version="1.0-1", arch="x86_64", suffix="zst",
          files=None, **more):
    """A package file as makepkg lays it out."""
    files = files or {f"usr/share/{name}/about": b"about " + name.encode()}
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        def add(path, body=None):
            info = tarfile.TarInfo(path)
            if body is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            else:
                info.size = len(body)
            tar.addfile(info, io.BytesIO(body or b""))
        add(".PKGINFO", pkginfo(name, version, arch, **more).encode())
        seen = set()
        for path, body in files.items():
            parts = path.split("/")[:-1]
            for i in range(len(parts)):
                parent = "/".join(parts[:i + 1])
                if parent not in seen:
                    seen.add(parent)
                    add(parent)
            add(path, body)
    leaf = f"{name}-{version}-{arch}.pkg.tar.{suffix}".replace("/", "_")
    path = folder / leaf
    pack = {"zst": ["zstd", "-q", "-c"], "xz": ["xz", "-c"],
            "gz": ["gzip", "-nc"]}[suffix]
    path.write_bytes(subprocess.run(pack, input=plain.getvalue(), check=True,
                                    capture_output=True).stdout)
    return path


def put(base, path, body=None, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.put(f"{base}/{path.name}", headers=headers, timeout=30,
                        data=path.read_bytes() if body is None else body)


class Pacman:
    """pacman in a folder of its own, with one repository."""

    def __init__(self, program, folder, base, level="Never"):
        self.program, self.root = program, folder / "root"
        for name in ("root/var/lib/pacman", "cache", "gnupg"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.conf = folder / "pacman.conf"
        self.conf.write_text(
            f"[options]\nRootDir = {self.root}\n"
            f"DBPath = {self.root}/var/lib/pacman\n"
            f"CacheDir = {folder}/cache\nLogFile = {folder}/log\n"
            f"GPGDir = {folder}/gnupg\nArchitecture = x86_64\n"
            f"SigLevel = {level}\n[ours]\nServer = {base}/$arch\n")
        self.environment = {**os.environ, "HOME": str(folder)}

    def __call__(self, *arguments, check=True):
        done = subprocess.run(
            [self.program, "--config", self.conf, "--noconfirm",
             "--disable-download-timeout", *arguments],
            capture_output=True, text=True, timeout=120,
            env=self.environment)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture
def base(make_repository):
    return make_repository("arch")


@pytest.fixture
def pacman(client, base, tmp_path):
    return Pacman(client("pacman"), tmp_path / "pacman", base)


def read_database(data):
    """{folder: {heading: values}} of a database."""
    entries = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            if member.isdir():
                continue
            folder = member.name.split("/")[0]
            text = tar.extractfile(member).read().decode()
            for part in text.strip().split("\n\n"):
                head, *values = part.strip().split("\n")
                entries.setdefault(folder, {})[head.strip("%")] = values
    return entries


def test_sync_and_install(base, pacman, registry, tmp_path):
    tool = build(tmp_path, "tool", depend=["lib>=1", "docs"])
    lib = build(tmp_path, "lib", "1:1.2-3", suffix="xz")
    docs = build(tmp_path, "docs", arch="any", suffix="gz")
    for path in (tool, lib, docs):
        assert put(base, path).status_code == 201
    registry.restart_daemon()
    pacman("-Sy")
    pacman("-S", "tool")
    about = pacman.root / "usr/share/lib/about"
    assert about.read_bytes() == b"about lib"
    assert pacman("-Q").stdout.split() == [
        "docs", "1.0-1", "lib", "1:1.2-3", "tool", "1.0-1"]
    pacman("-Fy")
    assert "tool" in pacman("-F", "usr/share/tool/about").stdout
    assert "tool" in pacman("-Ss", "the tool of").stdout
    newer = build(tmp_path, "tool", "1.1-1")
    assert put(base, newer).status_code == 201
    pacman("-Syu")
    assert "tool 1.1-1" in pacman("-Q").stdout
    got = requests.get(f"{base}/x86_64/{newer.name}", timeout=30)
    assert hashlib.sha256(got.content).digest() == hashlib.sha256(
        newer.read_bytes()).digest()
    assert requests.delete(f"{base}/{newer.name}",
                           timeout=30).status_code == 204
    entries = read_database(requests.get(f"{base}/x86_64/ours.db",
                                         timeout=30).content)
    assert "tool-1.0-1" in entries and "tool-1.1-1" not in entries


def test_the_same_database_as_repo_add(base, client, tmp_path):
    paths = [build(tmp_path, "plain"), build(tmp_path, "newer", "1.0-1"),
             build(tmp_path, "newer", "1.0-2"),
             build(tmp_path, "rich", "2:3.4rc1-5", suffix="xz",
                   group=["base"], license=["MIT", "GPL"],
                   depend=["a>1", "b"], optdepend=["c: for d"],
                   provides=["e=1"], conflict=["f"], replaces=["g"],
                   makedepend=["h"], checkdepend=["i"])]
    for path in paths:
        assert put(base, path).status_code == 201
    subprocess.run([client("repo-add"), "-q", tmp_path / "ours.db.tar.gz",
                    *paths], check=True, capture_output=True, timeout=120)
    for kind in ("db", "files"):
        ours = read_database(requests.get(f"{base}/x86_64/ours.{kind}",
                                          timeout=30).content)
        theirs = read_database(
            (tmp_path / f"ours.{kind}.tar.gz").read_bytes())
        assert sorted(ours) == sorted(theirs)
        for folder, entry in theirs.items():
            for heading, values in entry.items():
                mine = ours[folder][heading]
                assert sorted(mine) == sorted(values), (folder, heading)
            assert set(ours[folder]) == set(entry)


def test_signed_databases_and_packages(base, client, tmp_path):
    package = build(tmp_path, "signed")
    assert put(base, package).status_code == 201
    pacman = Pacman(client("pacman"), tmp_path / "keys", base,
                    "PackageOptional DatabaseRequired")
    refused = pacman("-Sy", check=False)
    assert refused.returncode != 0
    key = requests.get(f"{base}/key.asc", timeout=30).content
    gpg = ["gpg", "--homedir", tmp_path / "keys/gnupg", "--batch"]
    subprocess.run([*gpg, "--import"], input=key, check=True,
                   capture_output=True)
    prints = subprocess.run([*gpg, "--with-colons", "--fingerprint"],
                            check=True, capture_output=True, text=True).stdout
    owner = [line.split(":")[9] for line in prints.splitlines()
             if line.startswith("fpr")][0]
    subprocess.run([*gpg, "--import-ownertrust"], check=True,
                   input=f"{owner}:6:\n".encode(), capture_output=True)
    pacman("-Sy")
    pacman("-S", "signed")
    subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key",
                    "P <p@a.b>", "ed25519", "sign"], check=True,
                   capture_output=True)
    signature = tmp_path / (package.name + ".sig")
    subprocess.run([*gpg, "--passphrase", "", "-u", "p@a.b", "--output",
                    signature, "--detach-sign", package], check=True,
                   capture_output=True)
    assert put(base, signature).status_code == 201
    strict = Pacman(client("pacman"), tmp_path / "keys", base, "Required")
    strict("-Syyw", "signed")
    got = requests.get(f"{base}/x86_64/{signature.name}", timeout=30)
    assert got.content == signature.read_bytes()


def test_refused_again(base, tmp_path):
    package = build(tmp_path, "twice")
    assert put(base, package).status_code == 201
    assert put(base, package).status_code == 201
    (tmp_path / "b").mkdir()
    other = build(tmp_path / "b", "twice", files={"usr/x": b"other"})
    refused = put(base, other)
    assert refused.status_code == 409 and "already" in refused.json()["error"]
    assert requests.get(f"{base}/x86_64/{package.name}",
                        timeout=30).content == package.read_bytes()


def test_a_private_repository(private, tmp_path):
    base = private.repository("arch")
    package = build(tmp_path, "hidden")
    assert put(base, package).status_code == 401
    for who in ("reader", "readonly", "stranger"):
        assert put(base, package,
                   token=private.tokens[who]).status_code == 403
    assert put(base, package,
               token=private.tokens["writer"]).status_code == 201
    url = f"{base}/x86_64/ours.db"
    assert requests.get(url, timeout=30).status_code == 401
    assert requests.get(url, timeout=30, auth=(
        "reader", private.tokens["reader"])).status_code == 200


def test_reads_go_on_without_the_daemon(base, registry, tmp_path):
    put(base, build(tmp_path, "there"))
    urls = [f"{base}/x86_64/ours.db",
            f"{base}/x86_64/there-1.0-1-x86_64.pkg.tar.zst"]
    before = [requests.get(url, timeout=30).content for url in urls]
    registry.pause_daemon()
    try:
        assert [requests.get(url, timeout=30).content
                for url in urls] == before
    finally:
        registry.resume_daemon()


HOSTILE = {
    "empty": ("x-1-1-any.pkg.tar.zst", b""),
    "no archive": ("x-1-1-any.pkg.tar.zst", b"this is none"),
    "another name": ("y-1-1-any.pkg.tar.gz", None),
    "another suffix": ("x-1-1-any.tar.gz", None),
    "no release": ("x-1-any.pkg.tar.gz", {"version": "1"}),
    "climbing": ("x-1-1-any.pkg.tar.gz", {"files": {"../up": b"x"}}),
    "a path as name": ("x-1-1-any.pkg.tar.gz", {"pkgname": ["../x"]}),
    "no arch": ("x-1-1-any.pkg.tar.gz", {"arch": "a/b"}),
    "signature of nothing": ("none-1-1-any.pkg.tar.gz.sig", b"sig"),
}


@pytest.mark.parametrize("name, what", HOSTILE.values(), ids=HOSTILE)
def test_hostile_packages(base, registry, tmp_path, name, what):
    if not isinstance(what, bytes):
        made = {"version": "1-1", "arch": "any", **(what or {})}
        path = build(tmp_path, "x", made.pop("version"), made.pop("arch"),
                     "gz", made.pop("files", None), **made)
        what = path.read_bytes()
    got = requests.put(f"{base}/{name}", data=what, timeout=30)
    assert 400 <= got.status_code < 500 and got.json()["error"]
    spool.wait_empty(registry)
