"""registryctl setup FORMAT --repository: the text of every format is written
between marks, and taken out again so that the files are what they were. What
the clients make of it: formats/test_setup_lines.py."""

import json
import re
import subprocess

import pytest

from harness.machine import HOME, Machine
from harness.server import BUILD

URL = "https://registry.example.com:8443/below"
URLS = [URL, "https://registry.example.com", "http://[::1]:8080",
        "http://registry.example.com/a/b"]
TOKEN = "lsr_Ab12Cd34_secret"


def ctl(*words, given="", status=0):
    done = subprocess.run([BUILD / "registryctl", *words], input=given,
                          capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == status, (words, done)
    return done


FORMATS = json.loads(ctl("formats", "--json").stdout)["formats"]
KEYS = [one["key"] for one in FORMATS]


def set_up(format, home, *more, given="", status=0):
    return ctl("setup", format, "--repository", "internal", "--home", home,
               *more, given=given, status=status)


def files(home):
    return {path.relative_to(home): (path.read_bytes(),
                                     path.stat().st_mode & 0o777)
            for path in home.rglob("*") if path.is_file()}


def filled(format, home, url=URL):
    """Path and text of each file, as the format's own text says."""
    scheme, address = f"{url}/{format['mounts'][0]}/internal".split("://")
    host, path = address.split("/", 1)
    values = {"url": f"{scheme}://{address}", "address": address,
              "scheme": scheme, "host": host, "path": f"/{path}",
              "name": re.sub(r":[0-9]+$", "", host).strip("[]"),
              "user": "alice", "repository": "internal", "token": TOKEN,
              "home": str(home)}
    out = []
    for file in format["setup"]:
        texts = [file["path"], file["text"]]
        for name, value in values.items():
            texts = [text.replace("{" + name + "}", value) for text in texts]
        path, lines = texts[0], texts[1].splitlines(keepends=True)
        once = [line for before, line in zip([None, *lines], lines)
                if line != before]
        out.append((path, "".join(once), file["comment"]))
    return out


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("format", FORMATS, ids=KEYS)
def test_printed(format, url, tmp_path):
    said = set_up(format["key"], tmp_path, "--url", url, "--user", "alice",
                  "--token-stdin", given=TOKEN)
    for path, text, _ in filled(format, tmp_path, url):
        assert text in said.stdout
        assert not re.search(r"\{[a-z]+\}", path + text), text
        for found in re.findall(r"https?://[^\s\"'<>]+", text):
            assert found.startswith(url), found
    assert not files(tmp_path)


@pytest.mark.parametrize("format", FORMATS, ids=KEYS)
def test_no_text_knows_where_the_registry_is(format):
    for file in format["setup"]:
        for text in (file["text"], file["undo"]):
            assert "http" not in text
            assert f"/{format['mounts'][0]}/" not in text


class Home:
    """A folder that is somebody's home."""

    def __init__(self, folder):
        self.home = folder

    def __call__(self, format, *more, given="", status=0):
        return set_up(format, self.home, *more, given=given, status=status)

    def path(self, name):
        return self.home / name

    def files(self):
        return files(self.home)


class Whole(Home):
    """A machine of the test's own, for formats that write below /etc."""

    def __init__(self, folder):
        super().__init__(HOME)
        self.machine = Machine(folder / "machine")

    def __call__(self, format, *more, given="", status=0):
        done = self.machine(
            BUILD / "registryctl", "setup", format, "--repository",
            "internal", "--home", HOME, *more, given=given, check=False)
        assert done.returncode == status, (more, done)
        return done

    def path(self, name):
        return self.machine.path(name)

    def files(self):
        return self.machine.files("/etc", HOME)


@pytest.fixture
def place(format, tmp_path):
    """Where the files of `format` are written."""
    if not any(file["path"].startswith("/") for file in format["setup"]):
        yield Home(tmp_path)
        return
    whole = Whole(tmp_path)
    yield whole
    whole.machine.close()


def write(place, format, url=URL, status=0):
    return place(format["key"], "--url", url, "--user", "alice",
                 "--token-stdin", "--write", given=TOKEN + "\n",
                 status=status)


def those(formats):
    return pytest.mark.parametrize("format", formats,
                                   ids=[one["key"] for one in formats])


@pytest.mark.parametrize("before", [None, b"", b"mine\n", b"no line end"])
@those(FORMATS)
def test_written_and_undone(format, before, place):
    wanted = [one for one in filled(format, place.home) if one[0]]
    for path in [path for path, _, comment in wanted if comment
                 and before is not None]:
        place.path(path).parent.mkdir(parents=True, exist_ok=True)
        place.path(path).write_bytes(before)
        place.path(path).chmod(0o640)
    start = place.files()
    was = {path: place.path(path).read_bytes() if place.path(path).exists()
           else b"" for path, _, _ in wanted}
    shown = place(format["key"], "--url", URL, "--dry-run").stdout
    assert place.files() == start
    for _ in range(2):  # the second time in place of the first
        write(place, format)
        for path, text, comment in wanted:
            now = place.path(path).read_text()
            assert now.count(text) == 1 and f"+++ {path}" in shown
            if comment:
                assert now.startswith(was[path].decode())
                lines = now.split(text)
                assert lines[0].splitlines()[-1].startswith(
                    f"{comment} longshore {format['key']} internal begin [")
                assert lines[1].splitlines()[0].startswith(
                    f"{comment} longshore {format['key']} internal end")
            if TOKEN in text:
                assert place.path(path).stat().st_mode & 0o777 == 0o600
    undone = place(format["key"], "--undo", "--dry-run")
    assert TOKEN not in undone.stdout
    place(format["key"], "--undo")
    assert place.files() == start
    place(format["key"], "--undo")
    assert place.files() == start


MARKED = [one for one in FORMATS
          if any(file["path"] and file["comment"] for file in one["setup"])]
WHOLE = [one for one in FORMATS
         if any(file["path"] and not file["comment"] for file in one["setup"])]


@those(MARKED)
def test_what_was_added_behind_stays(format, place):
    start = place.files()
    write(place, format)
    marked = [path for path, _, comment in filled(format, place.home)
              if path and comment]
    for path in marked:
        with open(place.path(path), "a", encoding="utf-8") as file:
            file.write("added later\n")
    place(format["key"], "--undo")
    for path in marked:
        text = place.path(path).read_text()
        assert text.endswith("added later\n")
        place.path(path).write_text(text.removesuffix("added later\n"))
        if path not in start and not place.path(path).read_text():
            place.path(path).unlink()
    assert place.files() == start


@those(WHOLE)
def test_a_file_of_somebody_else_stays(format, place):
    path = next(path for path, _, comment in filled(format, place.home)
                if path and not comment)
    place.path(path).parent.mkdir(parents=True, exist_ok=True)
    place.path(path).write_text("mine\n")
    start = place.files()
    write(place, format, status=1)
    assert place.files() == start
    place(format["key"], "--undo", status=1)
    assert place.files() == start


# What a client would not read twice, or take the first or last of.
HEADINGS = {"npm": (".yarnrc.yml", "npmRegistryServer: \"https://a.b\"\n"),
            "pypi": (".config/pip/pip.conf", "[global]\ntimeout = 60\n"),
            "cargo": (".cargo/config.toml", "[registries.internal]\n"),
            "debian": (".dput.cf", "[internal]\nfqdn = a.b\n"),
            "arch": ("/etc/pacman.conf", "[internal]\n")}


@those([one for one in FORMATS if one["key"] in HEADINGS])
def test_a_heading_that_is_there_already(format, place):
    name, text = HEADINGS[format["key"]]
    path = name if name.startswith("/") else f"{place.home}/{name}"
    place.path(path).parent.mkdir(parents=True, exist_ok=True)
    place.path(path).write_text(text)
    start = place.files()
    refused = write(place, format, status=1)
    assert path in refused.stderr and "already" in refused.stderr
    assert place.files() == start


@those([one for one in FORMATS if one["key"] in ("cargo", "maven")])
def test_of_two_repositories(format, place):
    """What a second repository has of its own stands beside the first's."""
    write(place, format)
    start = place.files()
    second = ["setup", format["key"], "--repository", "other", "--home",
              place.home, "--url", URL]
    refused = format["key"] == "maven"  # a file that is one repository's
    ctl(*second, "--user", "alice", "--token-stdin", "--write",
        given=TOKEN, status=int(refused))
    assert (place.files() == start) == refused
    if not refused:
        ctl(*second, "--undo")
        assert place.files() == start


def test_undo_says_what_takes_commands_back(tmp_path):
    said = set_up("oci", tmp_path, "--url", URL, "--undo").stdout
    assert said == "docker logout registry.example.com:8443\n"
    assert set_up("helm", tmp_path, "--undo").stdout == \
        "helm repo remove internal\n"
    assert not set_up("npm", tmp_path, "--undo", "--dry-run").stdout


def test_wrong_lines(tmp_path):
    for words in (("setup", "none", "--repository", "x"),
                  ("setup", "generic", "--repository", "../x"),
                  ("setup", "generic", "--repository", "x", "--url", "host"),
                  ("setup", "generic", "--repository", "x", "--write",
                   "--undo"),
                  ("setup", "generic", "--write"),
                  ("setup", "admin", "--url", URL),
                  ("setup", "generic", "--repository", "x", "--link")):
        ctl(*words, "--root", tmp_path, status=2)
