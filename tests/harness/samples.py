"""One small package of a format, for tests that look at something else."""

import os
import subprocess
import zipfile
from pathlib import Path


def _write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def wheel(folder, name, version="1.0"):
    info = f"{name}-{version}.dist-info"
    files = {f"{name}.py": "answer = 42\n",
             f"{info}/METADATA": "Metadata-Version: 2.1\n"
                                 f"Name: {name}\nVersion: {version}\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\n"
                              "Root-Is-Purelib: true\nTag: py3-none-any\n"}
    files[f"{info}/RECORD"] = "".join(f"{one},,\n" for one in files)
    return _zip(folder / f"{name}-{version}-py3-none-any.whl", files)


def crate(folder, name, version="1.0.0", more=""):
    return _write(folder / name, {
        "Cargo.toml": f'[package]\nname = "{name}"\nversion = "{version}"\n'
                      'edition = "2021"\ndescription = "a crate"\n'
                      f'license = "MIT"\n{more}',
        "src/lib.rs": "pub fn answer() -> u32 { 42 }\n"})


def go_module(folder, path, version="v1.0.0"):
    top = f"{path}@{version}/"
    package = path.rsplit("/", 1)[1]
    return _zip(folder / f"{package}.zip", {
        top + "go.mod": f"module {path}\n\ngo 1.19\n",
        top + "a.go": f"package {package}\n\nconst Answer = 42\n"})


def chart(folder, name, version="1.0.0"):
    """Packed as `helm package` does it."""
    _write(folder / name, {
        "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n",
        "templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\n"
                                 "metadata:\n  name: sample\n"})
    path = folder / f"{name}-{version}.tgz"
    subprocess.run(["tar", "-C", folder, "-czf", path, name], check=True)
    return path


def arch(folder, name, version="1.0-1"):
    machine = subprocess.run(["uname", "-m"], check=True, text=True,
                             capture_output=True).stdout.strip()
    _write(folder / "tree", {
        ".PKGINFO": f"pkgname = {name}\npkgver = {version}\n"
                    f"pkgdesc = a sample\narch = {machine}\nsize = 10\n"
                    "builddate = 1700000000\n",
        f"usr/share/{name}/about": f"about {name}\n",
        # libalpm gives up where an answer, even one that asks for a login,
        # is longer than the package.
        f"usr/share/{name}/filler": os.urandom(2048).hex()})
    path = Path(folder) / f"{name}-{version}-{machine}.pkg.tar.gz"
    subprocess.run(["tar", "-C", folder / "tree", "-czf", path, ".PKGINFO",
                    "usr"], check=True)
    return path
