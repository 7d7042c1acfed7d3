"""Debian packages made for a test, and apt with a root of its own."""

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

CONTROL = """Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: Test <test@example.org>
Section: {section}
Priority: optional
{more}Description: {name} of a test
 It has a longer text,
 .
  with an example.
"""
RULES = """#!/usr/bin/make -f
clean build build-arch build-indep:
binary binary-arch binary-indep:
\tmkdir -p debian/out/DEBIAN debian/out/usr/share/{name}
\tcp data debian/out/usr/share/{name}/
\tdpkg-gencontrol -p{name} -Pdebian/out
\tdpkg-deb --root-owner-group -b debian/out ..
"""


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def run(*words, check=True, timeout=120, **more):
    return subprocess.run([str(word) for word in words], check=check,
                          capture_output=True, text=True, timeout=timeout,
                          **more)


def make_deb(folder, name, version="1.0", architecture="amd64",
             section="utils", files=None, more="", compression="xz"):
    """Builds a package with dpkg-deb; its path."""
    tree = Path(folder) / f"{name}_{version}_{architecture}.tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(CONTROL.format(
        name=name, version=version, architecture=architecture,
        section=section, more=more))
    if files is None:
        files = {f"usr/share/{name}/data": f"{name} {version}\n".encode()}
    for path, body in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(body)
    out = Path(folder) / (f"{name}_{version.split(':')[-1]}"
                          f"_{architecture}.deb")
    run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", tree, out)
    return out


def make_source(folder, name, version="1.0-1", suite="stable",
                section="utils", data=b"data\n"):
    """Builds a source package and its binary one with dpkg-buildpackage; the
    path of the .changes."""
    tree = Path(folder) / f"{name}-{version.split('-')[0]}"
    (tree / "debian" / "source").mkdir(parents=True)
    (tree / "data").write_bytes(data)
    upstream = version.split("-")[0]
    orig = tree.parent / f"{name}_{upstream}.orig.tar.gz"
    if not orig.exists():
        run("tar", "--exclude=debian", "--sort=name", "--mtime=@1000000000",
            "-czf", orig, tree.name, cwd=tree.parent)
    debian = tree / "debian"
    (debian / "source" / "format").write_text("3.0 (quilt)\n")
    (debian / "changelog").write_text(
        f"{name} ({version}) {suite}; urgency=medium\n\n  * A test.\n\n"
        " -- Test <test@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n")
    (debian / "control").write_text(
        f"Source: {name}\nMaintainer: Test <test@example.org>\n"
        f"Section: {section}\nPriority: optional\n"
        "Standards-Version: 4.6.2\nRules-Requires-Root: no\n\n"
        f"Package: {name}\nArchitecture: any\n"
        f"Description: {name} of a test\n It has a longer text.\n")
    (debian / "rules").write_text(RULES.format(name=name))
    (debian / "rules").chmod(0o755)
    run("dpkg-buildpackage", "-us", "-uc", "-d", "-sa", cwd=tree)
    found = list(tree.parent.glob(f"{name}_{version}_*.changes"))
    assert len(found) == 1
    return found[0]


def ar(*members):
    out = b"!<arch>\n"
    for name, body in members:
        out += (f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n"
                .encode() + body + b"\n" * (len(body) % 2))
    return out


def _tar(path, body):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(path)
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def small_deb(name):
    control = (f"Package: {name}\nVersion: 1.0\nArchitecture: amd64\n"
               "Maintainer: T <t@example.org>\nSection: utils\n"
               "Description: one more\n With a text.\n")
    return ar(("debian-binary", b"2.0\n"),
              ("control.tar.gz", _tar("./control", control.encode())),
              ("data.tar.gz", _tar(f"./usr/share/{name}/data", b"x" * 1000)))


class Apt:
    """apt with its own root, which dpkg installs into."""

    def __init__(self, root, base, key, suite="stable", components="main",
                 login=None, architecture="amd64"):
        self.root = Path(root)
        for folder in ("etc/apt/sources.list.d", "etc/apt/preferences.d",
                       "etc/apt/apt.conf.d", "etc/apt/keyrings",
                       "etc/apt/auth.conf.d", "etc/apt/trusted.gpg.d",
                       "var/lib/apt/lists/partial", "var/lib/dpkg/updates",
                       "var/lib/dpkg/info", "var/log/apt",
                       "var/cache/apt/archives/partial", "home"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        ring = self.root / "etc/apt/keyrings/test.asc"
        ring.write_bytes(key)
        (self.root / "etc/apt/sources.list.d/test.sources").write_text(
            f"Types: deb deb-src\nURIs: {base}/\nSuites: {suite}\n"
            f"Components: {components}\nSigned-By: {ring}\n")
        if login:
            (self.root / "etc/apt/auth.conf.d/test.conf").write_text(
                f"machine {base}/ login {login[0]} password {login[1]}\n")
        self.config = self.root / "etc/apt/apt.conf"
        self.config.write_text(
            f'Dir "{self.root}/";\n'
            f'Dir::State::status "{self.root}/var/lib/dpkg/status";\n'
            f'APT::Architecture "{architecture}";\n'
            f'APT::Architectures {{ "{architecture}"; }};\n'
            'APT::Sandbox::User "root";\nAcquire::Languages { "en"; };\n'
            'APT::Get::Assume-Yes "true";\n'
            'Acquire::Retries "0";\n'
            f'DPkg::Options {{ "--root={self.root}"; '
            '"--force-not-root"; "--force-bad-path"; '
            f'"--log={self.root}/var/log/dpkg.log"; }};\n')
        # What the machine's own configuration would add comes first.
        self.env = dict(os.environ, APT_CONFIG=str(self.config),
                        HOME=str(self.root / "home"), LC_ALL="C.UTF-8",
                        DEBIAN_FRONTEND="noninteractive")

    def run(self, *words, check=True, cwd=None):
        return run(*words, env=self.env, check=check, cwd=cwd)

    def get(self, *words, check=True, cwd=None):
        return self.run("apt-get", *words, check=check, cwd=cwd)

    def update(self):
        done = self.get("-o", "APT::Update::Error-Mode=any", "update",
                        check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "W:" not in done.stderr, done.stderr
        return done

    def versions(self, name):
        shown = self.run("apt-cache", "madison", name).stdout
        return {line.split("|")[1].strip() for line in shown.splitlines()
                if "Sources" not in line}
