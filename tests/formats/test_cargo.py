"""Cargo with the real cargo: publish, add, build, search, yank, owners,
private registries, hostile frames."""

import hashlib
import io
import json
import os
import struct
import subprocess
import tarfile

import pytest
import requests

from harness import clients, spool

CLIENTS = ["cargo"]  # for tools/support-table

CARGO = clients.find("cargo")


@pytest.fixture(autouse=True)
def needs_cargo():
    clients.need("cargo")


class Home:
    """A user's home with one registry in its configuration."""

    def __init__(self, folder, base, token="none"):
        self.folder = folder
        (folder / ".cargo").mkdir(parents=True)
        (folder / ".cargo/config.toml").write_text(
            f'[registries.r]\nindex = "sparse+{base}/"\n'
            'credential-provider = "cargo:token"\n'
            '[source.crates-io]\nreplace-with = "r"\n'
            f'[source.r]\nregistry = "sparse+{base}/"\n'
            "[net]\nretry = 0\n")
        (folder / ".cargo/credentials.toml").write_text(
            f'[registries.r]\ntoken = "{token}"\n')

    def cargo(self, *arguments, cwd=None, check=True):
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith("CARGO_")}
        environment.update(HOME=str(self.folder), PATH=clients.path_of(CARGO),
                           CARGO_HOME=str(self.folder / ".cargo"),
                           CARGO_TERM_COLOR="never")
        done = subprocess.run([CARGO, *arguments], cwd=cwd or self.folder,
                              env=environment, capture_output=True, text=True,
                              timeout=300)
        if check:
            assert done.returncode == 0, done.stderr
        return done


def write_crate(folder, name, version="1.0.0", extra="", body=None):
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "{name}"\nversion = "{version}"\n'
        'edition = "2021"\ndescription = "a crate of tests"\n'
        f'license = "MIT"\nkeywords = ["sample"]\n{extra}')
    (folder / "src/lib.rs").write_text(
        body or "pub fn answer() -> u32 { 42 }\n")
    return folder


@pytest.fixture
def base(make_repository):
    return make_repository("cargo")


@pytest.fixture
def home(base, tmp_path):
    return Home(tmp_path / "home", base)


def publish(home, folder, check=True):
    return home.cargo("publish", "--registry", "r", "--allow-dirty",
                      "--no-verify", cwd=folder, check=check)


@pytest.mark.parametrize("name", ["a", "ab", "abc", "abcd", "Long_Name-x"])
def test_names_of_all_lengths(base, home, tmp_path, name):
    publish(home, write_crate(tmp_path / "crate", name))
    low = name.lower()
    path = {1: f"1/{low}", 2: f"2/{low}", 3: f"3/{low[0]}/{low}"}.get(
        len(low), f"{low[:2]}/{low[2:4]}/{low}")
    index = requests.get(f"{base}/{path}", timeout=30)
    line = json.loads(index.text)
    assert line["name"] == name and line["vers"] == "1.0.0"
    config = requests.get(f"{base}/config.json", timeout=30).json()
    crate = requests.get(
        config["dl"].replace("{crate}", name).replace("{version}", "1.0.0"),
        timeout=30)
    assert hashlib.sha256(crate.content).hexdigest() == line["cksum"]
    etag = index.headers["ETag"]
    assert requests.get(f"{base}/{path}", timeout=30, headers={
        "If-None-Match": etag}).status_code == 304


def test_publish_add_build_yank(base, home, tmp_path, registry):
    dependency = write_crate(
        tmp_path / "dep", "dep-one", "0.3.1",
        '[features]\ndefault = []\nfast = []\nwide = ["dep:inner"]\n'
        '[dependencies]\ninner = { version = "1", registry = "r",'
        ' optional = true, package = "inner-crate" }\n')
    publish(home, write_crate(tmp_path / "inner", "inner-crate", "1.2.3"))
    publish(home, dependency)
    again = publish(home, dependency, check=False)
    assert again.returncode != 0
    assert "already" in again.stderr
    other = Home(tmp_path / "other", base)
    app = tmp_path / "app"
    (app / "src").mkdir(parents=True)
    (app / "Cargo.toml").write_text(
        '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n')
    (app / "src/main.rs").write_text(
        'fn main() { println!("{}", dep_one::answer()); }\n')
    other.cargo("add", "dep-one", "--registry", "r", "--features", "wide",
                cwd=app)
    built = other.cargo("run", "--quiet", cwd=app)
    assert built.stdout.strip() == "42"
    lock = (app / "Cargo.lock").read_text()
    assert "inner-crate" in lock
    found = other.cargo("search", "dep", "--registry", "r")
    assert 'dep-one = "0.3.1"' in found.stdout
    registry.restart_daemon()
    home.cargo("yank", "dep-one@0.3.1", "--registry", "r")
    (app / "Cargo.lock").unlink()
    fresh = Home(tmp_path / "fresh", base)
    refused = fresh.cargo("generate-lockfile", cwd=app, check=False)
    assert refused.returncode != 0 and "yanked" in refused.stderr
    # Who has it in a lock file still gets it.
    (app / "Cargo.lock").write_text(lock)
    assert fresh.cargo("run", "--quiet", cwd=app).stdout.strip() == "42"
    home.cargo("yank", "dep-one@0.3.1", "--undo", "--registry", "r")
    (app / "Cargo.lock").unlink()
    Home(tmp_path / "last", base).cargo("generate-lockfile", cwd=app)


def test_newest_first_and_order_of_lines(base, home, tmp_path):
    for version in ("0.9.0", "0.10.0", "0.10.1-rc.1"):
        publish(home, write_crate(tmp_path / version, "order", version))
    lines = [json.loads(line)["vers"] for line in requests.get(
        f"{base}/or/de/order", timeout=30).text.splitlines()]
    assert lines == ["0.9.0", "0.10.0", "0.10.1-rc.1"]


def test_owners(base, home, tmp_path):
    publish(home, write_crate(tmp_path / "crate", "owned"))
    home.cargo("owner", "--add", "alice", "--registry", "r", "owned")
    listed = home.cargo("owner", "--list", "--registry", "r", "owned")
    assert "alice" in listed.stdout
    home.cargo("owner", "--remove", "alice", "--registry", "r", "owned")
    listed = home.cargo("owner", "--list", "--registry", "r", "owned")
    assert "alice" not in listed.stdout


def test_one_spelling_of_a_name(base, home, tmp_path):
    publish(home, write_crate(tmp_path / "one", "same-name"))
    refused = publish(home, write_crate(tmp_path / "two", "Same_Name"),
                      check=False)
    assert refused.returncode != 0 and "same-name" in refused.stderr


def test_a_private_registry(tmp_path, private):
    base = private.repository("cargo")
    crate = write_crate(tmp_path / "crate", "secret-crate")
    assert requests.get(f"{base}/config.json", timeout=30).status_code == 401
    for who in ("wrong", "stranger", "reader", "readonly"):
        token = private.tokens.get(who, "wrong-token")
        refused = publish(Home(tmp_path / who, base, token), crate,
                          check=False)
        assert refused.returncode != 0, who
    writer = private.tokens["writer"]
    publish(Home(tmp_path / "writer", base, writer), crate)
    app = tmp_path / "app"
    (app / "src").mkdir(parents=True)
    (app / "Cargo.toml").write_text(
        '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
        '[dependencies]\nsecret-crate = { version = "1", registry = "r" }\n')
    (app / "src/main.rs").write_text("fn main() {}\n")
    for who in ("reader", "readonly"):
        Home(tmp_path / f"{who}2", base, private.tokens[who]).cargo(
            "fetch", cwd=app)
    for who in ("wrong", "stranger"):
        (app / "Cargo.lock").unlink(missing_ok=True)
        token = private.tokens.get(who, "wrong-token")
        refused = Home(tmp_path / f"{who}2", base, token).cargo(
            "fetch", cwd=app, check=False)
        assert refused.returncode != 0, who


def archive(name, version, manifest=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        text = (manifest or f'[package]\nname = "{name}"\n'
                f'version = "{version}"\n').encode()
        info = tarfile.TarInfo(f"{name}-{version}/Cargo.toml")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


def frame(meta, crate):
    text = meta if isinstance(meta, bytes) else json.dumps(meta).encode()
    return (struct.pack("<I", len(text)) + text
            + struct.pack("<I", len(crate)) + crate)


GOOD = {"name": "hostile", "vers": "1.0.0", "deps": [], "features": {}}
CRATE = archive("hostile", "1.0.0")
HOSTILE = {
    "empty": b"",
    "short length": b"\x01\x02",
    "length past the end": struct.pack("<I", 1 << 31) + b"{}",
    "no json": frame(b"not json", CRATE),
    "a list": frame(b"[]", CRATE),
    "no name": frame({"vers": "1.0.0"}, CRATE),
    "a path as name": frame({**GOOD, "name": "../x"}, CRATE),
    "a long name": frame({**GOOD, "name": "a" * 65}, CRATE),
    "a reserved name": frame({**GOOD, "name": "nul"}, CRATE),
    "no version": frame({**GOOD, "vers": "1"}, CRATE),
    "another version": frame({**GOOD, "vers": "2.0.0"}, CRATE),
    "another name inside": frame(GOOD, archive(
        "hostile", "1.0.0", '[package]\nname = "x"\nversion = "1.0.0"\n')),
    "no archive": frame(GOOD, b"this is no archive"),
    "cut short": frame(GOOD, CRATE[:-20]),
    "bytes behind": frame(GOOD, CRATE) + b"x",
    "bad toml": frame(GOOD, archive("hostile", "1.0.0", "[package\n")),
    "bad dependency": frame({**GOOD, "deps": [{"name": 3}]}, CRATE),
    "bad features": frame({**GOOD, "features": []}, CRATE),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies(base, registry, body):
    got = requests.put(f"{base}/api/v1/crates/new", data=body, timeout=30)
    assert got.status_code == 400, got.text
    assert got.json()["errors"][0]["detail"]
    assert requests.get(f"{base}/ho/st/hostile",
                        timeout=30).status_code == 404
    spool.wait_empty(registry)
