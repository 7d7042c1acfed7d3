"""A package of each of ten formats: what is sent to publish it, where it is
read afterwards, what of the index names it."""

import gzip
import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import requests
from harness import debs, npm, rpms, samples

with warnings.catch_warnings():
    # One of them makes an archive that names a file twice.
    warnings.simplefilter("ignore")
    from formats import (test_arch, test_cargo, test_go, test_maven,
                         test_pypi)

FORMATS = ("generic", "npm", "pypi", "debian", "maven", "helm", "cargo", "go",
           "rpm", "arch")


@dataclass
class Package:
    """Paths are relative to the repository. `data` is what is read at
    `read`; `index` is a document, of which `named` has to be a part."""
    format: str
    method: str
    path: str
    body: bytes
    headers: dict
    data: bytes
    read: str
    index: str
    named: str

    @property
    def digest(self):
        return "sha256:" + hashlib.sha256(self.data).hexdigest()


def _plain(format, method, path, body, read, index, named, data=None,
           headers=()):
    return Package(format, method, path, body, dict(headers), data or body,
                   read, index, named)


def generic(_, name, rng):
    path = f"{name}/1.0/file"
    return _plain("generic", "PUT", path, rng.randbytes(rng.randrange(9000)),
                  path, f"{name}/1.0/", "file")


def npm_package(_, name, rng):
    data = npm.make_tarball({"name": name, "version": "1.0.0"},
                            {"a.js": rng.randbytes(500)})
    body = json.dumps(npm.publish_body(name, "1.0.0", data)).encode()
    return _plain("npm", "PUT", name, body, f"{name}/-/{name}-1.0.0.tgz",
                  name, f"{name}-1.0.0.tgz", data,
                  {"Content-Type": "application/json"})


def pypi(folder, name, rng):
    path = test_pypi.wheel(folder, name, body=rng.randbytes(300).hex())
    form = {":action": "file_upload", "protocol_version": "1", "name": name,
            "metadata_version": "2.1", "version": "1.0", "pyversion": "py3",
            "filetype": "bdist_wheel"}
    sent = requests.Request("POST", "http://localhost/", data=form, files={
        "content": (path.name, path.read_bytes())}).prepare()
    return _plain("pypi", "POST", "", sent.body,
                  f"packages/{name}/1.0/{path.name}", f"simple/{name}/",
                  path.name, path.read_bytes(),
                  {"Content-Type": sent.headers["Content-Type"]})


def debian(folder, name, rng):
    body = debs.make_deb(folder, name, compression="gzip", files={
        f"usr/share/{name}/data": rng.randbytes(900)}).read_bytes()
    pool = f"pool/{name[0]}/{name}/{name}_1.0_amd64.deb"
    return _plain("debian", "PUT", "pool/stable/main/upload", body, pool,
                  "dists/stable/main/binary-amd64/Packages", pool)


def maven(_, name, rng):
    body = test_maven.jar({"a.txt": rng.randbytes(400).hex()})
    path = test_maven.path_of("org.crash", name, "1.0")
    return _plain("maven", "PUT", path, body, path,
                  f"org/crash/{name}/maven-metadata.xml", "1.0")


def helm(folder, name, rng):
    path = samples.chart(folder, name, f"1.{rng.randrange(1000)}.0")
    return _plain("helm", "POST", "api/charts", path.read_bytes(),
                  f"charts/{path.name}", "index.yaml", path.name)


def cargo(_, name, rng):
    data = test_cargo.archive(
        name, "1.0.0", f'[package]\nname = "{name}"\nversion = "1.0.0"\n'
        f"# {rng.randbytes(200).hex()}\n")
    body = test_cargo.frame({"name": name, "vers": "1.0.0", "deps": [],
                             "features": {}}, data)
    return _plain("cargo", "PUT", "api/v1/crates/new", body,
                  f"crates/{name}/1.0.0/download",
                  f"{name[:2]}/{name[2:4]}/{name}", '"1.0.0"', data)


def go(_, name, rng):
    path = f"example.com/{name}"
    body = test_go.module_zip(path, "v1.0.0", files={
        "LICENSE": rng.randbytes(200).hex()})
    return _plain("go", "PUT", f"{path}/@v/v1.0.0.zip", body,
                  f"{path}/@v/v1.0.0.zip", f"{path}/@v/list", "v1.0.0")


def rpm(_, name, __):
    file = f"Packages/{name}-1.0-1.x86_64.rpm"
    return _plain("rpm", "PUT", "upload", rpms.small_rpm(name), file,
                  "repodata/repomd.xml", file)


def arch(folder, name, rng):
    path = test_arch.build(Path(folder), name, suffix="gz", files={
        f"usr/share/{name}/a": rng.randbytes(300)})
    return _plain("arch", "PUT", path.name, path.read_bytes(),
                  f"x86_64/{path.name}", "x86_64/packages.db", name)


MAKERS = {"generic": generic, "npm": npm_package, "pypi": pypi,
          "debian": debian, "maven": maven, "helm": helm, "cargo": cargo,
          "go": go, "rpm": rpm, "arch": arch}


def make(format, folder, number, rng):
    """The package of this number, which no other has."""
    folder = Path(folder) / f"{format}{number}"
    folder.mkdir(parents=True)
    return MAKERS[format](folder, f"pkg{format}{number}", rng)


def index_of(package, get):
    """The text of the document that names it; `get` reads a path of the
    repository."""
    body = get(package.index)
    if package.format == "rpm":
        primary = re.search(rb'href="([^"]*primary.xml.gz)"', body)[1]
        body = get(primary.decode())
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    return body
