"""The ecosystems' own programs, each asked once for all pairs: what they say
is a list of (valid a, valid b, order) or of orders. Order as -1, 0 or 1."""

import ctypes
import json
import os
import shutil
import subprocess
from pathlib import Path

from harness import clients

HERE = Path(__file__).parent
JARS = ("/usr/share/java/maven3-artifact.jar",
        "/usr/share/java/commons-lang3.jar")
GO_SOURCES = "/usr/share/gocode"
MOST_ARGUMENTS = 12000  # of java, well below the kernel's 2 MiB


def talk(command, lines, **keywords):
    """What a program answers to lines, which are given to it at once."""
    done = subprocess.run(
        [str(word) for word in command], input="".join(lines), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=150,
        **keywords)
    assert done.returncode == 0, f"{command[0]}: {done.stderr[-2000:]}"
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines), f"{command[0]}: {done.stderr[-2000:]}"
    return answers


def tabbed(pairs):
    return [f"{a}\t{b}\n" for a, b in pairs]


def orders(answers):
    return [(int(answer) > 0) - (int(answer) < 0) for answer in answers]


def dpkg(pairs):
    """dpkg itself, for a few: a process for each question."""
    program = clients.need("dpkg")
    script = """while IFS=$'\\t' read -r a b; do
        if "$0" --compare-versions "$a" lt "$b" 2>/dev/null; then echo -1
        elif "$0" --compare-versions "$a" gt "$b" 2>/dev/null; then echo 1
        else echo 0; fi; done"""
    return orders(talk(["bash", "-c", script, program], tabbed(pairs)))


def dpkg_valid(texts):
    script = """while IFS= read -r a; do
        "$0" --validate-version -- "$a" 2>/dev/null; echo $?; done"""
    return [answer == "0" for answer in talk(
        ["bash", "-c", script, clients.need("dpkg")],
        [f"{text}\n" for text in texts])]


def dpkg_perl(pairs):
    """Dpkg::Version of libdpkg-perl."""
    script = r"""use Dpkg::Version; while (<STDIN>) { chomp;
        my ($a, $b) = split /\t/; print version_compare($a, $b), "\n"; }"""
    return orders(talk([clients.need("perl"), "-e", script], tabbed(pairs)))


def rpm(pairs, folder):
    """rpm.vercmp() in the Lua of RPM."""
    path = folder / "pairs"
    path.write_text("".join(tabbed(pairs)))
    script = ("%{lua: for line in io.lines('" + str(path) + "') do "
              "local tab = string.find(line, '\\t', 1, true) "
              "print(rpm.vercmp(string.sub(line, 1, tab - 1), "
              "string.sub(line, tab + 1)) .. '\\n') end}")
    output = subprocess.run(
        [clients.need("rpm"), "--eval", script], check=True, text=True,
        stdout=subprocess.PIPE, timeout=150).stdout
    answers = output.split()
    assert len(answers) == len(pairs)
    return orders(answers)


def alpm(pairs):
    """alpm_pkg_vercmp() of libalpm, which vercmp prints."""
    name = "libalpm.so.13"
    try:
        order = ctypes.CDLL(name).alpm_pkg_vercmp
    except OSError:
        raise AssertionError(f"no {name}: tools/install-deps test") from None
    return orders(order(a.encode(), b.encode()) for a, b in pairs)


def semver_modules():
    """Folders of the semver module: npm's own, and Debian's."""
    found = [Path("/usr/share/nodejs/semver")]
    if shutil.which("npm"):
        root = subprocess.run(["npm", "root", "-g"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()
        found.append(Path(root) / "npm" / "node_modules" / "semver")
    return [path for path in found if path.exists()]


def node(pairs, module):
    """[canonical a, canonical b, order] of each pair; no order where one is
    None."""
    return [json.loads(answer) for answer in talk(
        [clients.need("node"), HERE / "semver.js", module], tabbed(pairs))]


def go(kind, pairs, program):
    """[canonical a, canonical b, order, extra a, extra b], as below."""
    return [json.loads(answer) for answer in talk(
        [program, kind], tabbed(pairs))]


def build_go(folder):
    """The program of oracle.go, with the sources that Debian has packed."""
    program = folder / "oracle"
    source = folder / "oracle.go"
    shutil.copy(HERE / "oracle.go", source)
    done = subprocess.run(
        [clients.need("go"), "build", "-p", "2", "-o", program, source],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=500, cwd=folder, env={
            **os.environ, "GO111MODULE": "off", "GOPATH": GO_SOURCES,
            "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0",
            "GOCACHE": str(clients.cache() / "go-build")})
    assert done.returncode == 0, done.stdout[-3000:]
    return program


def maven(pairs):
    """The main() of ComparableVersion: it compares neighbours."""
    java, found = clients.need("java"), []
    for jar in JARS:
        assert Path(jar).exists(), f"{jar}: tools/install-deps test"
    texts = [text for pair in pairs for text in pair]
    for first in range(0, len(texts), MOST_ARGUMENTS):
        output = subprocess.run(
            [java, "-XX:TieredStopAtLevel=1", "-cp", ":".join(JARS),
             "org.apache.maven.artifact.versioning.ComparableVersion",
             *texts[first:first + MOST_ARGUMENTS]], check=True, text=True,
            stdout=subprocess.PIPE, timeout=150).stdout
        signs = [line.split()[1] for line in output.splitlines()
                 if line.startswith("   ")]
        found += [{"<": -1, "==": 0, ">": 1}[sign] for sign in signs[::2]]
    assert len(found) == len(pairs)
    return found
