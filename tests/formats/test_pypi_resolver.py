"""pip takes the same file from our index as from a plain folder with the same
files (--find-links): its finder, not our idea of it, says which is best."""

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harness.private import add_repository

pytestmark = [pytest.mark.timeout(300)]

PYTHON = "/usr/bin/python3"
HERE = sys.version_info
THIS = f"cp{HERE.major}{HERE.minor}"
ANY = "py3-none-any"
# Runs pip once for each line of words; a line of JSON each: the file that it
# would install, or null.
DRIVER = """
import contextlib, io, json, sys, tempfile
from pip._internal.cli.main import main
for line in sys.stdin:
    with tempfile.NamedTemporaryFile("r") as report, \\
            contextlib.redirect_stdout(io.StringIO()) as said:
        code = main(["install", "--dry-run", "--ignore-installed", "--quiet",
                     "--no-deps", "--no-cache-dir", "--report", report.name,
                     *json.loads(line)])
        text = report.read()
    found = None
    if code == 0:
        one, = json.loads(text)["install"]
        found = one["download_info"]["url"].rsplit("/", 1)[1].split("#")[0]
    print(json.dumps(found), flush=True)
"""
# A build system of one file, so that pip reads an sdist's metadata offline.
BACKEND = """
import pathlib
def prepare_metadata_for_build_wheel(folder, settings=None):
    text = pathlib.Path("PKG-INFO").read_text()
    fields = dict(line.split(": ") for line in text.splitlines() if line)
    name = fields["Name"] + "-" + fields["Version"] + ".dist-info"
    (pathlib.Path(folder) / name).mkdir()
    (pathlib.Path(folder) / name / "METADATA").write_text(text)
    return name
def build_wheel(*_):
    raise NotImplementedError
"""
PROJECT = ('[build-system]\nrequires = []\nbuild-backend = "backend"\n'
           'backend-path = ["."]\n')

WHEEL, SDIST = "wheel", "sdist"
# Project → (version, kind or tag of the wheel, Requires-Python).
FILES = {
    "plain": [(version, ANY, "") for version in (
        "0.9", "1.0.dev1", "1.0a1", "1.0a2.post1", "1.0b1", "1.0rc1", "1.0",
        "1.0.post1", "1.0.post2.dev1", "1.1.dev1", "1.9", "1.10", "1.10.0.1",
        "2.0.dev3", "2.0a1", "2.0rc1", "2.0rc2.post1", "3.0.dev1")],
    "epoch": [(version, ANY, "") for version in (
        "2020.1", "2021.2", "1!0.5", "1!1.0rc1", "1!1.0", "2!0.1a1")],
    "local": [(version, ANY, "") for version in (
        "1.0", "1.0+abc", "1.0+abc.5", "1.0+5", "1.0+10", "1.0+abc.def",
        "1.1", "0.9+zzz")],
    "early": [(version, ANY, "") for version in (
        "0.1.dev1", "0.1a1", "0.1a2", "0.1b1.dev1")],
    "tags": [("1.0", tag, "") for tag in (
        ANY, "py2-none-any", "py2.py3-none-any", f"{THIS}-none-any",
        f"py3-none-linux_{os.uname().machine}", "cp27-cp27m-win32",
        f"{THIS}-{THIS}-manylinux_2_5_{os.uname().machine}",
        f"{THIS}-abi3-manylinux_2_17_{os.uname().machine}",
        f"1-{ANY}", f"2b-{ANY}", SDIST)] + [
        ("1.1", "cp39-cp39-macosx_11_0_arm64", ""), ("1.1", SDIST, ""),
        ("1.2", "cp27-cp27mu-manylinux1_x86_64", ""),
        ("1.3rc1", ANY, ""), ("0.8", SDIST, ""), ("0.8", "py2-none-any", "")],
    "pythons": [
        ("1.0", ANY, ""), ("1.1", ANY, ">=3.6"), ("1.2", ANY, ">=3.99"),
        ("1.3", SDIST, ">=3.99,<4"), ("1.4", ANY, "<3"),
        ("1.5", ANY, f"!={HERE.major}.{HERE.minor}.*"),
        ("1.1.1", ANY, f"=={HERE.major}.{HERE.minor}.*"),
        ("1.1.2", SDIST, "~=3.6")],
    "Odd.Name_x": [("1.0", ANY, ""), ("1.1", SDIST, "")],
}
WISHES = [[wish] for wish in (
    "plain", "plain==1.0", "plain==1.0.*", "plain>=1.0,<1.0.post1",
    "plain>1.0", "plain>=1.0.post1", "plain<1.0", "plain<=1.0rc1",
    "plain==1.0a2.post1", "plain~=1.1", "plain~=1.9.0", "plain!=1.10.*",
    "plain!=1.10.0.1,<2", "plain===1.10", "plain==1.10.0", "plain>=2.0a1",
    "plain>=2.0.dev1,<2.0", "plain>2", "plain==4", "plain>=3.0.dev1",
    "plain<0.9", "epoch", "epoch>=2020", "epoch<1!0", "epoch==0!2021.2",
    "epoch>=1!0.5,<1!1.0", "epoch==1!1.*", "epoch~=1!0.1", "epoch>1!1.0",
    "epoch>=2!0.1a1", "local", "local==1.0", "local==1.0+abc",
    "local==1.0+ABC-5", "local<1.1", "local<=1.0", "local>1.0",
    "local===1.0+10", "local!=1.1", "local~=0.9.0", "early", "early>0.1a1",
    "early<0.1", "early>=0.1", "early==0.1a1", "tags", "tags==1.0",
    "tags<1.0", "tags==1.1", "tags==1.2", "tags>=1.2", "pythons",
    "pythons==1.2", "pythons>=1.3", "pythons<1.1", "pythons==1.1.*",
    "pythons>=1.1.1,<1.2", "odd-name.X", "ODD_NAME-x==1.0", "none-such")]
WISHES += [[*more, wish] for more, wish in (
    (["--pre"], "plain"), (["--pre"], "plain<2"), (["--pre"], "plain==1.0.*"),
    (["--pre"], "epoch"), (["--pre"], "early"), (["--pre"], "tags"),
    (["--no-binary=:all:"], "tags"), (["--no-binary=:all:"], "plain"),
    (["--no-binary=:all:"], "pythons"), (["--only-binary=:all:"], "tags"),
    (["--only-binary=:all:"], "tags<1.0"), (["--prefer-binary"], "tags"),
    (["--prefer-binary"], "odd.name.x"), (["--only-binary=:all:"],
                                          "Odd_Name_X"))]


def metadata(name, version, python):
    wanted = f"Requires-Python: {python}\n" if python else ""
    return (f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            f"{wanted}\n")


def make(folder, name, version, tag, python):
    stem = f"{name.replace('.', '_')}-{version}"
    text = metadata(name, version, python)
    if tag == SDIST:
        path = folder / f"{stem}.tar.gz"
        with tarfile.open(path, "w:gz") as out:
            for leaf, body in (("PKG-INFO", text), ("backend.py", BACKEND),
                               ("pyproject.toml", PROJECT)):
                info = tarfile.TarInfo(f"{stem}/{leaf}")
                info.size = len(body)
                out.addfile(info, io.BytesIO(body.encode()))
        return path
    path = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as out:
        info = f"{stem}.dist-info"
        out.writestr(f"{info}/METADATA", text)
        out.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test"
                     "\nRoot-Is-Purelib: true\n"
                     f"Tag: {'-'.join(tag.split('-')[-3:])}\n")
        out.writestr(f"{info}/RECORD", "")
    return path


def choose(folder, wishes, *where):
    """What pip takes for each wish."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("PIP_")}
    env.update(HOME=str(folder), PIP_CONFIG_FILE=os.devnull, PIP_NO_INPUT="1",
               PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_RETRIES="0",
               PIP_BREAK_SYSTEM_PACKAGES="1", PIP_ROOT_USER_ACTION="ignore")
    done = subprocess.run(
        [PYTHON, "-c", DRIVER], env=env, text=True, capture_output=True,
        timeout=280, check=False,
        input="".join(json.dumps([*map(str, where), *one]) + "\n" for one in wishes))
    assert done.returncode == 0, done.stderr
    return dict(zip([" ".join(one) for one in wishes],
                    map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, all_of in FILES.items():
        for version, tag, python in all_of:
            make(folder, name, version, tag, python)
    return folder


@pytest.fixture(scope="module")
def base(registry, files):
    made = add_repository(registry, "pypi-resolver", "pypi")
    for path in sorted(files.iterdir()):
        name, version = path.name.removesuffix(".tar.gz").split("-")[:2]
        told = requests.post(f"{made}/", timeout=60, data={
            ":action": "file_upload", "protocol_version": "1", "name": name,
            "version": version, "metadata_version": "2.1",
            "filetype": "bdist_wheel" if path.suffix == ".whl" else "sdist",
            "pyversion": "py3"},
            files={"content": (path.name, path.read_bytes())})
        assert told.status_code == 200, (path.name, told.text)
    return made


def test_pip_takes_the_same(base, files, tmp_path):
    with ThreadPoolExecutor(2) as two:
        ours, plain = two.map(lambda where: choose(tmp_path, WISHES, *where), (
            ("--index-url", f"{base}/simple/"),
            ("--no-index", "--find-links", files)))
    assert ours == plain
    found = [file for file in plain.values() if file]
    # It is no comparison of nothing with nothing.
    assert len(found) >= 55 and len(set(found)) >= 28, plain


def test_yanked_only_for_who_names_it(base, files, tmp_path, registry):
    """PEP 592: as if it were not there, but for == and ===."""
    wishes = [["plain"], ["plain>=1.9,<1.10.1"], ["plain==1.10.0.1"],
              ["plain===1.10.0.1"], ["plain==1.10.*"], ["plain~=1.9"]]
    place = "/api/v1/repositories/pypi-resolver/packages/plain/versions/"
    for state in ("yanked", "active"):
        told = requests.patch(f"{registry.url}{place}1.10.0.1", timeout=30,
                              json={"state": state, "reason": "a test"})
        assert told.status_code < 300, told.text
        ours = choose(tmp_path, wishes, "--index-url", f"{base}/simple/")
        rest = tmp_path / state
        rest.mkdir()
        for path in files.glob("plain-*"):
            if state == "active" or "1.10.0.1" not in path.name:
                (rest / path.name).symlink_to(path)
        plain = choose(tmp_path, wishes, "--no-index", "--find-links", rest)
        if state == "yanked":
            for exact in ("plain==1.10.0.1", "plain===1.10.0.1"):
                assert plain[exact] is None
                plain[exact] = f"plain-1.10.0.1-{ANY}.whl"
        assert ours == plain, state
