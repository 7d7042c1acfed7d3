"""RPM packages by rpmbuild, dnf and zypper with an installation root of their
own, and the documents of repodata/ as values."""

import gzip
import os
import struct
import subprocess
import xml.etree.ElementTree as ET

import requests

GOOD = 30
RPM = "{http://linux.duke.edu/metadata/rpm}"
NEEDS = {"AutoReqProv": "no", "License": "MIT"}


def run(command, check=True, **more):
    done = subprocess.run([str(word) for word in command],
                          capture_output=True, text=True, timeout=180, **more)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


class Spec:
    """What rpmbuild makes a package of. `files`: path → text; a path with a
    slash at its end is a folder, text None makes a ghost."""

    def __init__(self, name, version="1.0", release="1", arch="noarch",
                 files=None, fields=(), changes="", scripts="",
                 description=None):
        self.name, self.version = name, version
        self.release, self.arch = release, arch
        self.files = files or {f"/usr/share/{name}/about": f"about {name}"}
        self.fields, self.changes, self.scripts = fields, changes, scripts
        self.description = description or f"The {name} of tests."

    @property
    def file(self):
        return f"{self.name}-{self.version}-{self.release}.{self.arch}.rpm"

    def text(self):
        lines = [f"Name: {self.name}", f"Version: {self.version}",
                 f"Release: {self.release}", f"Summary: the {self.name} & co",
                 *[f"{key}: {value}" for key, value in NEEDS.items()],
                 *self.fields]
        lines += ["BuildArch: noarch"] if self.arch == "noarch" else []
        install, listed = [], []
        for path, body in self.files.items():
            root = f"'%{{buildroot}}{path}'"
            if path.endswith("/"):
                install.append(f"mkdir -p {root}")
                listed.append(f"%dir {path.rstrip('/')}")
                continue
            install.append(f'mkdir -p "$(dirname {root})"\n'
                           f"printf %%s '{body or ''}' > {root}")
            listed.append(("%ghost " if body is None else "")
                          + f'"{path}"')
        return "\n".join([*lines, "%description", self.description,
                          "%install", *install, "%files", *listed,
                          self.scripts, self.changes, ""])


def build(folder, *specs):
    """Builds all in one go; paths in their order."""
    (folder / "SPECS").mkdir(parents=True, exist_ok=True)
    paths = []
    for number, spec in enumerate(specs):
        path = folder / "SPECS" / f"{number}.spec"
        path.write_text(spec.text())
        paths.append(path)
    run(["rpmbuild", "-bb", "--quiet", "--target", "x86_64",
         "--define", f"_topdir {folder}", "--define", "debug_package %{nil}",
         "--define", "__os_install_post %{nil}", *paths],
        env={**os.environ, "HOME": str(folder), "SOURCE_DATE_EPOCH": ""})
    return [folder / "RPMS" / spec.arch / spec.file for spec in specs]


def _header(entries):
    """A header of rpm: `entries` are (tag, type, count, bytes), by tag."""
    index, store = b"", b""
    for tag, kind, count, data in entries:
        store += b"\0" * (-len(store) % {3: 2, 4: 4}.get(kind, 1))
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += data
    return (b"\x8e\xad\xe8\x01\0\0\0\0"
            + struct.pack(">II", len(entries), len(store)) + index + store)


def small_rpm(name):
    """The bytes of a package of one file, without rpmbuild: its name is what
    tells it from another. Nothing could install it."""
    def texts(tag, *values, kind=6):
        return (tag, kind, len(values),
                b"".join(value.encode() + b"\0" for value in values))

    def number(tag, value):
        return (tag, 4, 1, struct.pack(">I", value))
    header = _header([
        texts(1000, name), texts(1001, "1.0"), texts(1002, "1"),
        texts(1004, "one more", kind=9), texts(1005, "With a text.", kind=9),
        number(1006, 1_700_000_000), number(1009, 1000), texts(1014, "MIT"),
        texts(1022, "x86_64"), (1030, 3, 1, struct.pack(">H", 0o100644)),
        texts(1044, f"{name}-1.0-1.src.rpm"), texts(1047, name, kind=8),
        number(1080, 1_700_000_000),
        texts(1081, "Test <t@example.org>", kind=8),
        texts(1082, "- one more", kind=8), number(1112, 8),
        texts(1113, "1.0-1", kind=8), number(1116, 0),
        texts(1117, "data", kind=8), texts(1118, f"/usr/share/{name}/",
                                           kind=8)])
    payload = b"x" * 1000
    signature = _header([number(1000, len(header) + len(payload))])
    signature += b"\0" * (-len(signature) % 8)
    lead = b"\xed\xab\xee\xdb\x03\0\0\0\0\x01" + name.encode()[:65].ljust(
        66, b"\0") + b"\0\x01\0\x05"
    return lead.ljust(96, b"\0") + signature + header + payload


def without_size(path):
    """The bytes of a package whose signature says nothing of its size, so
    that anything may follow its payload."""
    data = bytearray(path.read_bytes())
    (entries,) = struct.unpack(">I", data[104:108])
    for at in range(112, 112 + 16 * entries, 16):
        if data[at:at + 4] == struct.pack(">I", 1000):
            data[at:at + 4] = struct.pack(">I", 1099)  # no such tag
    return bytes(data)


def upload(base, path, to="upload", **more):
    return requests.put(f"{base}/{to}", data=path.read_bytes(), timeout=GOOD,
                        **more)


def published(base, *paths, to="upload"):
    for path in paths:
        got = upload(base, path, to)
        assert got.status_code == 201, got.text


def plain(data):
    """A document of repodata/ without its compression."""
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=data, check=True,
                              capture_output=True).stdout
    return data


def local(tag):
    return tag.split("}")[-1]


def repomd(text):
    """type → {location, checksum, open-checksum, size, open-size}."""
    out = {}
    for data in ET.fromstring(text):
        if local(data.tag) == "data":
            values = {local(one.tag): one.text for one in data}
            values["location"] = [one.get("href") for one in data
                                  if local(one.tag) == "location"][0]
            out[data.get("type")] = values
    return out


def tree(element):
    """An element as values that can be compared; of lists whose order says
    nothing, in order."""
    children = [tree(one) for one in element]
    name = local(element.tag)
    if element.tag.startswith(RPM) or name == "format":
        children.sort(key=repr)
    text = element.text or ""
    return (name, sorted(element.attrib.items()),
            "" if children else text, children)


def packages(text):
    """pkgid → element as values, and what the root says of their number."""
    root = ET.fromstring(text)
    out = {}
    for package in root:
        key = package.get("pkgid")
        for one in package:
            if local(one.tag) == "checksum":
                key = one.text
            if local(one.tag) == "time":
                del one.attrib["file"]  # that of the file
            if local(one.tag) == "location":
                one.set("href", one.get("href").split("/")[-1])
        assert key not in out
        out[key] = tree(package)
    return out, int(root.get("packages"))


class Installed:
    """A root that packages are installed into, and its rpm database, where
    rpm has it outside of Debian."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        (folder / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
        self.environment = {**os.environ, "HOME": str(folder), "LANG": "C"}

    def installed(self):
        return sorted(run(["rpm", "--root", self.root, "-qa"],
                          env=self.environment).stdout.split())

    def read(self, path):
        return (self.root / path).read_text()


class Dnf(Installed):
    """dnf with one repository in a folder of its own."""

    def __init__(self, folder, base="", gpg=True, repo=None):
        super().__init__(folder)
        repos = folder / "repos"
        repos.mkdir()
        self.config = folder / "dnf.conf"
        self.config.write_text(
            f"[main]\nreposdir={repos}\ncachedir={folder}/cache\n"
            f"logdir={folder}\npersistdir={folder}/persist\nplugins=0\n"
            "metadata_expire=0\nretries=1\nmodule_platform_id=platform:t9\n")
        (repos / "ours.repo").write_text(repo or (
            f"[ours]\nname=ours\nbaseurl={base}\ngpgcheck=0\n"
            f"repo_gpgcheck={int(gpg)}\n"
            f"gpgkey={base}/repodata/repomd.xml.key\n"))

    def __call__(self, *words, check=True):
        return run(["dnf", "-y", "--refresh", "-c", self.config,
                    "--releasever=9", "--forcearch=x86_64",
                    f"--installroot={self.root}", *words], check,
                   env=self.environment)


class Zypper(Installed):
    def __init__(self, folder):
        super().__init__(folder)
        self.environment["ZYPP_LOCKFILE_ROOT"] = str(folder)

    def __call__(self, *words, check=True):
        return run(["zypper", "--non-interactive", "--root", self.root,
                    "--gpg-auto-import-keys", *words], check,
                   env=self.environment)
