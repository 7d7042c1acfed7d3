"""registryctl setup FORMAT --repository: the text of every format is written
between marks, and taken out again so that the files are what they were."""

import json
import subprocess

import pytest

from harness.server import BUILD

URL = "https://registry.example.com:8443/below"
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


def write(format, home):
    return set_up(format, home, "--url", URL, "--user", "alice",
                 "--token-stdin", "--write", given=TOKEN + "\n")


def files(home):
    return {path.relative_to(home): (path.read_bytes(),
                                     path.stat().st_mode & 0o777)
            for path in home.rglob("*") if path.is_file()}


def filled(format, home):
    """Path and text of each file, as the format's own text says."""
    base = f"{URL}/{format['mounts'][0]}/internal"
    out = []
    for file in format["setup"]:
        texts = [file["path"], file["text"]]
        for name, value in (
                ("url", base), ("address", base.split("//", 1)[1]),
                ("host", "registry.example.com:8443"), ("user", "alice"),
                ("repository", "internal"), ("token", TOKEN),
                ("home", str(home))):
            texts = [text.replace("{" + name + "}", value) for text in texts]
        out.append((*texts, file["comment"]))
    return out


@pytest.mark.parametrize("format", FORMATS, ids=KEYS)
def test_printed(format, tmp_path):
    said = set_up(format["key"], tmp_path, "--url", URL, "--user", "alice",
                 "--token-stdin", given=TOKEN)
    for _, text, _ in filled(format, tmp_path):
        assert text in said.stdout
    assert not files(tmp_path)


# Those that write into a home alone; the others' files are the machine's, and
# no test writes there.
AT_HOME = [one for one in FORMATS
           if not any(file["path"].startswith("/") for file in one["setup"])]


@pytest.mark.parametrize("before", [None, b"", b"mine\n", b"no line end"])
@pytest.mark.parametrize("format", AT_HOME,
                         ids=[one["key"] for one in AT_HOME])
def test_written_and_undone(format, before, tmp_path):
    wanted = [one for one in filled(format, tmp_path) if one[0]]
    shared = [path for path, _, comment in wanted if comment]
    for path in shared if before is not None else ():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(before)
        (tmp_path / path).chmod(0o640)
    start = files(tmp_path)
    shown = set_up(format["key"], tmp_path, "--url", URL, "--dry-run").stdout
    assert files(tmp_path) == start
    for _ in range(2):  # the second time in place of the first
        write(format["key"], tmp_path)
        for path, text, comment in wanted:
            now = (tmp_path / path).read_text()
            assert now.count(text) == 1 and f"+++ {path}" in shown
            if comment:
                assert now.startswith((before or b"").decode())
                lines = now.split(text)
                assert lines[0].splitlines()[-1].startswith(
                    f"{comment} longshore {format['key']} internal begin [")
                assert lines[1].splitlines()[0].startswith(
                    f"{comment} longshore {format['key']} internal end")
            if TOKEN in text:
                assert (tmp_path / path).stat().st_mode & 0o777 == 0o600
    undone = set_up(format["key"], tmp_path, "--undo", "--dry-run")
    assert TOKEN not in undone.stdout
    set_up(format["key"], tmp_path, "--undo")
    assert files(tmp_path) == start
    set_up(format["key"], tmp_path, "--undo")
    assert files(tmp_path) == start


MARKED = [one for one in AT_HOME
          if any(file["path"] and file["comment"] for file in one["setup"])]
WHOLE = [one for one in AT_HOME
         if any(file["path"] and not file["comment"] for file in one["setup"])]


@pytest.mark.parametrize("format", MARKED,
                         ids=[one["key"] for one in MARKED])
def test_what_was_added_behind_stays(format, tmp_path):
    write(format["key"], tmp_path)
    for path, _, comment in filled(format, tmp_path):
        if path and comment:
            with open(path, "a", encoding="utf-8") as file:
                file.write("added later\n")
    set_up(format["key"], tmp_path, "--undo")
    for path, _, comment in filled(format, tmp_path):
        if path and comment:
            assert (tmp_path / path).read_text() == "added later\n"


@pytest.mark.parametrize("format", WHOLE, ids=[one["key"] for one in WHOLE])
def test_a_file_of_somebody_else_stays(format, tmp_path):
    path = next(path for path, _, comment in filled(format, tmp_path)
                if path and not comment)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("mine\n")
    set_up(format["key"], tmp_path, "--url", URL, "--user", "alice",
          "--token-stdin", "--write", given=TOKEN, status=1)
    set_up(format["key"], tmp_path, "--undo", status=1)
    assert (tmp_path / path).read_text() == "mine\n"


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
