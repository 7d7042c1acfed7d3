"""Lines of the index against cargo's own reading of the crates: what `cargo
metadata` says of what `cargo package` made, and that the resolver takes the
same from the index as from the sources."""

import hashlib
import json
import os
import subprocess
import tarfile
import tomllib

import pytest
import requests

from harness import clients
from harness.private import add_repository

CARGO = clients.find("cargo")
CRATES_IO = "https://github.com/rust-lang/crates.io-index"
pytestmark = pytest.mark.timeout(300)

# Name → what follows [package].
CRATES = {
    "leaf": '[features]\ndefault = ["std"]\nstd = []\nextra = []\n',
    "other-leaf": "[features]\nfast = []\n",
    "a": "",
    "Z9": 'links = "zee"\nbuild = "build.rs"\n',
    "x-y": 'rust-version = "1.70"\n',
    "a_B": 'rust-version = "1.56.1"\n[dependencies]\n'
           'leaf = { version = "^1", registry = "r" }\n',
    "abcd": '[dependencies]\nleaf = { version = ">=1, <3", registry = "r",'
            ' default-features = false, features = ["extra"] }\n',
    "Mixed_Case-Name": '[dependencies]\nrenamed = { version = "=1.0.0",'
                       ' registry = "r", package = "other-leaf" }\n',
    "features-one": '[features]\ndefault = ["fast"]\nfast = []\n'
                    'both = ["fast", "leaf/extra"]\n[dependencies]\n'
                    'leaf = { version = "1", registry = "r" }\n',
    "features-two": '[features]\nold = []\nnew = ["dep:leaf"]\n'
                    'weak = ["other-leaf?/fast"]\nmix = ["old", "new"]\n'
                    '[dependencies]\nleaf = { version = "1", registry = "r",'
                    ' optional = true }\nother-leaf = { version = "*",'
                    ' registry = "r", optional = true }\n',
    "optional-old": '[dependencies]\nleaf = { version = "~1.0",'
                    ' registry = "r", optional = true }\n',
    "targets": "[target.'cfg(unix)'.dependencies]\n"
               'leaf = { version = "1", registry = "r" }\n'
               "[target.'cfg(all(windows, target_arch = \"x86_64\"))'"
               '.dependencies]\nother-leaf = { version = "1",'
               ' registry = "r" }\n[target.x86_64-unknown-linux-gnu'
               '.build-dependencies]\nleaf = { version = "1.0.0",'
               ' registry = "r", features = ["extra"] }\n',
    "kinds": '[dependencies]\nleaf = { version = "1", registry = "r" }\n'
             '[dev-dependencies]\nother-leaf = { version = "1",'
             ' registry = "r" }\n[build-dependencies]\nbuilder = {'
             ' version = "1", registry = "r", package = "leaf",'
             ' default-features = false }\n',
    "of-crates-io": '[dependencies]\nleaf = "1"\n',
    "k" * 64: "",
}


def environment(home):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith("CARGO_")}
    return {**clean, "HOME": str(home), "PATH": clients.path_of(CARGO),
            "CARGO_HOME": str(home / ".cargo"), "CARGO_TERM_COLOR": "never"}


@pytest.fixture(scope="module", autouse=True)
def needs_cargo():
    clients.need("cargo")


class World:
    """All of CRATES, published into one repository."""

    def __init__(self, folder, base):
        self.folder, self.base = folder, base
        self.env = environment(folder)
        (folder / ".cargo").mkdir()
        (folder / ".cargo/config.toml").write_text(
            f'[registries.r]\nindex = "sparse+{base}/"\n'
            'credential-provider = "cargo:token"\n'
            '[source.crates-io]\nreplace-with = "r"\n'
            f'[source.r]\nregistry = "sparse+{base}/"\n[net]\nretry = 0\n')
        (folder / ".cargo/credentials.toml").write_text(
            '[registries.r]\ntoken = "none"\n')
        for name, more in CRATES.items():
            self.write(name, more)
            for verb in ("package", "publish"):
                self.cargo(verb, "--registry", "r", "--allow-dirty",
                           "--no-verify", cwd=folder / name)

    def write(self, name, more):
        folder = self.folder / name
        (folder / "src").mkdir(parents=True)
        (folder / "Cargo.toml").write_text(
            f'[package]\nname = "{name}"\nversion = "1.0.0"\n'
            'edition = "2021"\ndescription = "a crate"\nlicense = "MIT"\n'
            + more)
        (folder / "src/lib.rs").write_text("")
        (folder / "build.rs").write_text("fn main() {}\n")

    def cargo(self, *words, cwd):
        done = subprocess.run([CARGO, *words], cwd=cwd, env=self.env,
                              capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def line(self, name):
        low = name.lower()
        path = {1: f"1/{low}", 2: f"2/{low}", 3: f"3/{low[0]}/{low}"}.get(
            len(low), f"{low[:2]}/{low[2:4]}/{low}")
        return json.loads(requests.get(f"{self.base}/{path}",
                                       timeout=30).text)


@pytest.fixture(scope="module")
def world(registry, tmp_path_factory):
    base = add_repository(registry, "cargo-index", "cargo")
    return World(tmp_path_factory.mktemp("crates"), base)


def expected_dependency(base, one):
    """The Cargo Book, "Registry Index", of what `cargo metadata` says."""
    ours = one["registry"] == f"sparse+{base}/"
    out = {"name": one["rename"] or one["name"], "req": one["req"],
           "features": one["features"], "optional": one["optional"],
           "default_features": one["uses_default_features"],
           "target": one["target"], "kind": one["kind"] or "normal",
           "registry": None if ours else one["registry"] or CRATES_IO}
    if one["rename"]:
        out["package"] = one["name"]
    return out


def is_modern(values):
    return any(value.startswith("dep:") or "?/" in value for value in values)


def in_order(dependencies):
    return sorted(dependencies, key=lambda one: json.dumps(
        one, sort_keys=True))


@pytest.mark.parametrize("name", CRATES)
def test_a_line_is_what_cargo_reads(world, name, tmp_path):
    made = world.folder / name / f"target/package/{name}-1.0.0.crate"
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path)
    unpacked = tmp_path / f"{name}-1.0.0"
    said, = json.loads(world.cargo(
        "metadata", "--no-deps", "--format-version", "1",
        cwd=unpacked))["packages"]
    manifest = tomllib.loads((unpacked / "Cargo.toml").read_text())
    features = manifest.get("features", {})
    modern = {key: values for key, values in features.items()
              if is_modern(values)}
    expected = {
        "name": said["name"], "vers": said["version"],
        "deps": in_order(expected_dependency(world.base, one)
                         for one in said["dependencies"]),
        "features": {key: values for key, values in features.items()
                     if key not in modern},
        "cksum": hashlib.sha256(made.read_bytes()).hexdigest(),
        "links": said["links"], "yanked": False}
    if modern:
        expected.update(features2=modern, v=2)
    if said["rust_version"]:
        expected["rust_version"] = said["rust_version"]
    line = world.line(name)
    line["deps"] = in_order(line["deps"])
    assert line == expected


WISHES = {"features-one": ["", "both", "fast"],
          "features-two": ["", "new", "weak", "mix", "other-leaf",
                           "weak,other-leaf"],
          "optional-old": ["", "leaf"], "targets": [""], "kinds": [""],
          "Mixed_Case-Name": [""], "abcd": [""], "of-crates-io": [""]}


@pytest.mark.parametrize("name, features", [
    (name, features) for name, all_of in WISHES.items()
    for features in all_of])
def test_the_resolver_takes_the_same_from_the_index(world, name, features,
                                                    tmp_path):
    trees = []
    for where in (f'path = "{world.folder / name}"',
                  'version = "1", registry = "r"'):
        app = tmp_path / str(len(trees))
        (app / "src").mkdir(parents=True)
        (app / "src/lib.rs").write_text("")
        (app / "Cargo.toml").write_text(
            '[package]\nname = "app"\nversion = "0.0.0"\nedition = "2021"\n'
            f'[dependencies]\n"{name}" = {{ {where}, features = '
            f"{json.dumps([one for one in features.split(',') if one])} }}\n")
        tree = world.cargo("tree", "--target", "all", "--edges",
                           "normal,build,features", "--prefix", "depth",
                           "--format", "{p} {f}", cwd=app)
        # What follows the version is where it came from.
        trees.append([line.split(" (")[0] + line[line.rfind(")") + 1:]
                      for line in tree.splitlines()])
    assert trees[0] == trees[1] and len(trees[0]) > 1
