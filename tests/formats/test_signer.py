"""What repositories are signed with is what apt, gpg, rpm and openssl take,
and what gpg signed is what is taken from uploads."""

import json
import shutil
import sqlite3
import subprocess
import time

import pytest

from harness.server import BUILD

PROBE = BUILD / "sign_probe"
RELEASE = "Origin: test\nSuite: stable\nSHA256:\n 0123 4 main/Packages\n"
TEXTS = [
    RELEASE, "no line end", "- dash\n-----BEGIN PGP SIGNATURE-----\n--\n-\n",
    "blanks at the end  \t\nof lines \n", "carriage\r\nreturns\r\n",
    "\n\nempty lines\n\n\n", "From here\n", "\u00e4\u20ac\n", "x" * 5000 + "\n",
    "a\n" * 5000]


def run(*command, data=b"", status=0, **more):
    done = subprocess.run([str(part) for part in command], input=data,
                          capture_output=True, timeout=120, **more)
    if status is not None:
        assert done.returncode == status, (command, done.stdout, done.stderr)
    return done


class Root:
    """A data folder with the repository `debian`."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "db").mkdir()
        run(PROBE, folder, "debian", "clear", status=1)  # makes the database
        database = sqlite3.connect(folder / "db/longshore.sqlite")
        with database:
            database.execute("INSERT INTO repositories (id, key, format, kind)"
                             " VALUES (2, 'debian', 'deb', 'local')")
        database.close()

    def sign(self, how, data, repository="debian"):
        return run(PROBE, self.folder, repository, how, data=data).stdout

    def ctl(self, *words, data=b"", status=0):
        return run(BUILD / "registryctl", "key", *words, "--repository",
                   "debian", "--root", self.folder, data=data, status=status)

    def json(self, *words, **more):
        return json.loads(self.ctl(*words, "--json", **more).stdout)

    def keys(self, name="keys.gpg"):
        file = self.folder / name
        words = ["--binary"] if name.endswith(".gpg") else []
        file.write_bytes(self.ctl("export", *words).stdout)
        return file

    def rows(self):
        database = sqlite3.connect(self.folder / "db/longshore.sqlite")
        try:
            return "\n".join(database.iterdump())
        finally:
            database.close()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return Root(folder)


@pytest.fixture
def gpg(tmp_path):
    """gpg with a home of its own; its agent ends with the test."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)

    def call(*words, **more):
        return run("gpg", "--homedir", home, "--batch", "--pinentry-mode",
                   "loopback", *words, **more)

    yield call
    run("gpgconf", "--homedir", home, "--kill", "all", status=None)


def status_of(keyring, *files, status=0):
    return run("gpgv", "--status-fd", "1", "--keyring", keyring, *files,
               status=status).stdout.decode()


@pytest.mark.parametrize("algorithm", ["rsa3072", "ed25519"])
def test_gpgv_takes_every_form(root, tmp_path, algorithm):
    made = root.json("create", "--algorithm", algorithm)
    assert made["algorithm"] == algorithm
    keyring = root.keys()
    data = tmp_path / "data"
    for text in (b"", b"bytes \0\r\n -", RELEASE.encode()):
        data.write_bytes(text)
        for how, name in (("armored", "data.asc"), ("binary", "data.sig")):
            beside = tmp_path / name
            beside.write_bytes(root.sign(how, text))
            seen = status_of(keyring, beside, data)
            assert f"VALIDSIG {made['fingerprint']}" in seen
        data.write_bytes(text + b"x")
        status_of(keyring, tmp_path / "data.sig", data, status=1)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_cleartext_is_whole(root, gpg, tmp_path, text):
    root.ctl("create", "--algorithm", "ed25519")
    message = tmp_path / "InRelease"
    message.write_bytes(root.sign("clear", text.encode()))
    assert "GOODSIG" in status_of(root.keys(), message)
    gpg("--import", root.keys())
    back = gpg("--decrypt", message).stdout.decode()
    lines = [line.rstrip(" \t\r") for line in
             text.removesuffix("\n").split("\n")]
    assert back.rstrip("\n") == "\n".join(lines).rstrip("\n")


def repository(folder, root):
    """The smallest that apt takes."""
    dist = folder / "dists/stable"
    (dist / "main/binary-amd64").mkdir(parents=True, exist_ok=True)
    (dist / "main/binary-amd64/Packages").write_bytes(b"")
    empty = run("sha256sum", dist / "main/binary-amd64/Packages").stdout
    release = ("Origin: test\nSuite: stable\nCodename: stable\nArchitectures: "
               "amd64\nComponents: main\nDate: " +
               time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()) +
               f"\nSHA256:\n {empty.split()[0].decode()} 0 "
               "main/binary-amd64/Packages\n")
    (dist / "InRelease").write_bytes(root.sign("clear", release.encode()))


def apt_update(folder, tmp_path, key, status=0):
    state = tmp_path / "apt"
    shutil.rmtree(state, ignore_errors=True)
    for name in ("state/lists/partial", "cache/archives/partial", "etc"):
        (state / name).mkdir(parents=True)
    (state / "status").write_text("")
    sources = state / "etc/sources.list"
    sources.write_text(f"deb [arch=amd64 signed-by={key}] file:{folder} "
                       "stable main\n")
    return run("apt-get", "update", "--error-on=any",
               "-o", f"Dir::State={state}/state",
               "-o", f"Dir::State::status={state}/status",
               "-o", f"Dir::Cache={state}/cache",
               "-o", f"Dir::Etc::sourcelist={sources}",
               "-o", "Dir::Etc::sourceparts=/dev/null",
               "-o", "APT::Sandbox::User=", status=status)


@pytest.mark.parametrize("algorithm", ["rsa3072", "ed25519"])
def test_apt_goes_on_over_a_rotation(root, tmp_path, algorithm):
    """A client that has only the key of before is served until the overlap
    ends; one that has the document of today in either form too."""
    root.ctl("create", "--algorithm", algorithm)
    first = root.json("list")["keys"][0]["fingerprint"]
    old = root.keys("old.asc")
    folder = tmp_path / "deb"
    repository(folder, root)
    apt_update(folder, tmp_path, old)
    root.ctl("rotate", "--algorithm", algorithm)
    repository(folder, root)
    for key in (old, root.keys("now.asc"), root.keys("now.gpg")):
        apt_update(folder, tmp_path, key)
    root.ctl("remove", first)
    repository(folder, root)
    apt_update(folder, tmp_path, root.keys("then.asc"))
    refused = apt_update(folder, tmp_path, old, status=100)
    assert b"NO_PUBKEY" in refused.stderr


@pytest.mark.parametrize("algorithm", ["rsa3072", "ed25519"])
def test_rpm_takes_the_document(root, tmp_path, algorithm):
    root.ctl("create", "--algorithm", algorithm)
    root.ctl("rotate", "--algorithm", algorithm)
    home = tmp_path / "rpm"
    home.mkdir()
    run("rpmkeys", "--dbpath", home, "--import", root.keys("keys.asc"))
    known = run("rpm", "--dbpath", home, "-q", "gpg-pubkey").stdout.split()
    ids = {key["key_id"][-8:].lower() for key in root.json("list")["keys"]}
    assert {name.decode().split("-")[2] for name in known} == ids


def test_an_operators_key_signs(root, gpg, tmp_path):
    """With a passphrase, and a subkey that signs while the primary key is
    elsewhere, as careful people have it."""
    gpg("--passphrase", "canary-passphrase", "--quick-gen-key",
        "Ops <ops@example.org>", "rsa3072", "cert", "never")
    listed = gpg("--list-keys", "--with-colons").stdout.decode()
    primary = listed.split("fpr:::::::::")[1].split(":")[0]
    gpg("--passphrase", "canary-passphrase", "--quick-add-key", primary,
        "ed25519", "sign", "never")
    file = tmp_path / "secret.asc"
    for command in ("--export-secret-keys", "--export-secret-subkeys"):
        file.write_bytes(gpg("--passphrase", "canary-passphrase", "--armor",
                             command).stdout)
        wrong = root.ctl("import", file, "--password-stdin", data=b"wrong\n",
                         status=1)
        assert b"passphrase" in wrong.stderr
        root.ctl("import", file, status=1)
        made = root.json("import", file, "--password-stdin",
                         data=b"canary-passphrase\n")
        assert (made["fingerprint"], made["origin"]) == (primary, "imported")
        message = tmp_path / "InRelease"
        message.write_bytes(root.sign("clear", RELEASE.encode()))
        seen = status_of(root.keys(), message)
        assert "GOODSIG" in seen and seen.rstrip().endswith(primary)
        assert "canary" not in root.rows()
        root.ctl("remove", primary)


def test_what_is_no_key_is_refused(root, gpg, tmp_path):
    file = tmp_path / "key"
    for data in (b"", b"no key", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n"):
        file.write_bytes(data)
        root.ctl("import", file, status=2)
    gpg("--passphrase", "", "--quick-gen-key", "Ops", "ed25519", "sign")
    file.write_bytes(gpg("--export").stdout)
    refused = root.ctl("import", file, status=2)
    assert b"no secret OpenPGP key" in refused.stderr
    assert root.json("list")["keys"] == []


def test_what_gpg_signed_is_read(gpg, tmp_path):
    """As an upload's .changes is."""
    gpg("--passphrase", "", "--quick-gen-key", "Developer", "rsa3072", "sign",
        "1d")
    listed = gpg("--list-keys", "--with-colons").stdout.decode()
    name = listed.split("fpr:::::::::")[1].split(":")[0]
    keys, data = tmp_path / "keys.gpg", tmp_path / "data"
    keys.write_bytes(gpg("--export").stdout)
    for text in TEXTS:
        data.write_bytes(text.encode())
        clear = gpg("--clear-sign", "--output", "-", data).stdout
        assert run(PROBE, "verify", keys, data=clear).stdout.decode() == (
            name + "\n")
        beside = tmp_path / "sig"
        for form in ("--armor", "--no-armor"):
            beside.write_bytes(gpg(form, "--detach-sign", "--output", "-",
                                   data).stdout)
            run(PROBE, "verify", keys, beside, data=text.encode())
            run(PROBE, "verify", keys, beside, data=text.encode() + b"x",
                status=1)
    revoked = (tmp_path / "gnupg/openpgp-revocs.d" / f"{name}.rev").read_text()
    gpg("--import", data=revoked.replace(":-----", "-----").encode())
    keys.write_bytes(gpg("--export").stdout)
    refused = run(PROBE, "verify", keys, data=clear, status=1)
    assert b"by no key that is known and usable" in refused.stderr


def test_raw_keys_are_those_of_openssl(root, tmp_path):
    data, sig, pem = (tmp_path / name for name in ("data", "sig", "pem"))
    data.write_bytes(b"bytes")
    for kind, command in (
            ("rsa", ("dgst", "-sha256", "-verify", pem, "-signature", sig,
                     data)),
            ("ed25519", ("pkeyutl", "-verify", "-pubin", "-inkey", pem,
                         "-rawin", "-in", data, "-sigfile", sig))):
        root.ctl("create", "--kind", kind)
        sig.write_bytes(root.sign(kind, b"bytes"))
        pem.write_bytes(root.ctl("export", "--kind", kind).stdout)
        run("openssl", *command)


def test_what_is_printed_and_kept_has_no_secret(root):
    """The file's key is nowhere else; without it the database is no use."""
    said = b""
    for words in (("create",), ("rotate",), ("list",), ("export",),
                  ("list", "--json"), ("export", "--json")):
        done = root.ctl(*words)
        said += done.stdout + done.stderr
    file = root.folder / "keys/signing.key"
    assert file.stat().st_mode & 0o777 == 0o600
    key = file.read_text().split()[1]
    assert b"PRIVATE" not in said and b"sealed" not in said
    for place in (said.decode(), root.rows()):
        assert key not in place and "PRIVATE" not in place
    file.rename(root.folder / "elsewhere")
    for words in (("rotate",), ("create", "--kind", "rsa")):
        refused = root.ctl(*words, status=3)
        assert b"signing.key is gone" in refused.stderr
    assert not file.exists()


def test_what_was_done_is_in_the_audit_log(root):
    root.ctl("create")
    first = root.json("rotate")["fingerprint"]
    root.ctl("remove", first.lower())
    root.ctl("remove", first, status=1)
    found = json.loads(run(BUILD / "registryctl", "audit", "list", "--json",
                           "--action", "signing-key", "--root",
                           root.folder).stdout)["audit"]
    assert [row["action"] for row in found] == [
        "signing-key.create", "signing-key.rotate", "signing-key.remove"]
    assert {row["repository"] for row in found} == {"debian"}
    assert found[-1]["target"] == first
    assert found[0]["detail"] == "openpgp rsa3072"


def test_a_signature_is_quick(root):
    """100 KiB in less than 10 ms of processor time, the key in memory."""
    text = b"line of a release\n" * 5690
    done = run(PROBE, root.folder, "debian", "clear", data=text)
    assert int(done.stderr.split()[1]) < 10_000, done.stderr
