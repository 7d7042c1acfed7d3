"""One version of a package in each format, as its client would send it; with
another `salt` the same version has other bytes."""

import gzip
import hashlib
import io
import json
import struct
import tarfile
import zipfile
from dataclasses import dataclass

from . import debs, http, npm, rpms
from .private import add_repository
from .process import wait_until

_BOUNDARY = "a-boundary-of-the-tests"


@dataclass
class Publication:
    format: str
    method: str
    target: str
    headers: dict
    body: bytes


def _archive(files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 1, mtime=0)


def _zip(files):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return raw.getvalue()


def _cargo(name, salt):
    crate = _archive({
        f"{name}-1.0.0/Cargo.toml": f'[package]\nname = "{name}"\n'
        'version = "1.0.0"\n'.encode(), f"{name}-1.0.0/salt": salt})
    meta = json.dumps({"name": name, "vers": "1.0.0", "deps": [],
                       "features": {}}).encode()
    return "PUT", "/api/v1/crates/new", {}, (
        struct.pack("<I", len(meta)) + meta
        + struct.pack("<I", len(crate)) + crate)


def _pypi(name, salt):
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": salt, f"{info}/METADATA": "Metadata-Version: 2.1\n"
        f"Name: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n"}
    files[f"{info}/RECORD"] = "".join(f"{one},,\n" for one in files)
    wheel = _zip(files)
    fields = {":action": "file_upload", "protocol_version": "1",
              "metadata_version": "2.1", "name": name, "version": "1.0",
              "filetype": "bdist_wheel", "pyversion": "py3",
              "sha256_digest": hashlib.sha256(wheel).hexdigest()}
    body = b"".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"'
        f"\r\n\r\n{value}\r\n".encode() for key, value in fields.items())
    body += (f'--{_BOUNDARY}\r\nContent-Disposition: form-data; '
             f'name="content"; filename="{name}-1.0-py3-none-any.whl"'
             "\r\n\r\n").encode() + wheel
    return "POST", "/legacy/", {
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}, (
        body + f"\r\n--{_BOUNDARY}--\r\n".encode())


def _npm(name, salt):
    data = npm.make_tarball({"name": name, "version": "1.0.0"},
                            {"salt": salt.decode()})
    return "PUT", f"/{name}", {"Content-Type": "application/json"}, json.dumps(
        npm.publish_body(name, "1.0.0", data)).encode()


def _helm(name, salt):
    return "POST", "/api/charts", {}, _archive({
        f"{name}/Chart.yaml": f"apiVersion: v2\nname: {name}\n"
        "version: 1.0.0\n".encode(), f"{name}/values.yaml":
        b"salt: " + salt + b"\n"})


def _go(name, salt):
    top = f"example.com/{name}@v1.0.0/"
    return "PUT", "/upload", {}, _zip({
        top + "go.mod": f"module example.com/{name}\n\ngo 1.19\n",
        top + "a.go": f"package a\n\n// {salt.decode()}\n"})


def _arch(name, salt):
    return "PUT", f"/{name}-1.0-1-any.pkg.tar.gz", {}, _archive({
        ".PKGINFO": f"pkgname = {name}\npkgver = 1.0-1\npkgdesc = t\n"
        "arch = any\nsize = 10\nbuilddate = 1700000000\n".encode(),
        "usr/share/salt": salt})


def _deb(name, salt):
    deb = debs.ar(
        ("debian-binary", b"2.0\n"), ("control.tar.gz", _archive({
            "./control": f"Package: {name}\nVersion: 1.0\n"
            "Architecture: amd64\nMaintainer: T <t@example.org>\n"
            "Description: one more\n".encode()})),
        ("data.tar.gz", _archive({"./usr/share/salt": salt})))
    return "PUT", "/pool/stable/main/upload", {}, deb


_MADE = {
    "generic": lambda name, salt: ("PUT", f"/{name}/1/file", {}, salt),
    "maven": lambda name, salt: (
        "PUT", f"/org/t/{name}/1.0/{name}-1.0.jar", {}, salt),
    "npm": _npm, "cargo": _cargo, "pypi": _pypi, "helm": _helm, "go": _go,
    "arch": _arch, "debian": _deb,
    "rpm": lambda name, salt: ("PUT", "/upload", {},
                               rpms.small_rpm(name)[:-64] + salt[:64].ljust(
                                   64))}
FORMATS = sorted(_MADE)


def add_repositories(server):
    """One of each, with a package: the first may have to wait for a key that
    signs."""
    def published(package):
        return send(server, package).status in (200, 201, 403, 409)
    for format in FORMATS:
        add_repository(server, f"p-{format}", format)
        wait_until(lambda: published(publication(format, "first")),
                   what=f"the first package of {format}")


def send(server, package):
    return http.request(server, package.method, package.target,
                        package.headers, package.body)


def publication(format, name, salt=b"salt"):
    """Into the repository `p-<format>`. An rpm says in its header how long it
    is, so other bytes of one are as long."""
    method, path, headers, body = _MADE[format](name, salt)
    return Publication(format, method, f"/{format}/p-{format}{path}",
                       headers, body)
