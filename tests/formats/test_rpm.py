"""RPM packages with dnf and zypper, and createrepo_c as the judge of our
indexes. Packages are made by rpmbuild."""

import hashlib
import os

import pytest
import requests

from harness import rpms, spool
from harness.rpms import GOOD, Dnf, Spec, Zypper, build, published, upload

CLIENTS = ["dnf", "zypper"]  # for tools/support-table

TOOL = Spec(
    "tool", "2.1~rc1", "3", "x86_64",
    files={"/usr/bin/tool": "#!/bin/sh", "/etc/tool/": "",
           "/etc/tool/conf": "a=b", "/var/log/tool.log": None,
           "/var/lib/tool/": "", "/usr/share/tool/a b": "blank",
           "/usr/share/tool/<&>": "xml"},
    fields=["Epoch: 2", "URL: https://example.org/?a=1&b=2", "Vendor: V & W",
            "Packager: P <p@example.org>", "Group: Tools",
            "Requires: lib >= 1:1.0-2", "Requires: lib", "Requires: lib",
            "Requires(post): helper", "Requires: helper", "Requires: tool",
            "Requires: /usr/bin/tool", "Requires: (helper or other)",
            "Provides: virtual = 4.5", "Provides: bare", "Provides: bare",
            "Conflicts: old-tool < 2", "Obsoletes: ancient <= 1:3",
            "Recommends: extra", "Suggests: maybe > 1",
            "Supplements: shell", "Enhances: editor = 3-1"],
    scripts="%post -p <lua>\nx = 1\n",
    description="Lines\n  of <text> & more.",
    changes="%changelog\n" + "\n".join(
        f"* {day} 2023 A <a@example.org> - {n}\n- change {n} & <more>\n"
        for n, day in enumerate([
            "Mon Jun 12", "Mon Jun 12", "Mon Jun 12", "Sun Jun 11",
            "Sat Jun 10", "Sat Jun 10", "Thu Jun 08", "Wed Jun 07",
            "Tue Jun 06", "Mon Jun 05", "Sun Jun 04", "Sat Jun 03"], 1)))
LIB = Spec("lib", "1.2^git5", "1", fields=["Epoch: 1"],
           changes="%changelog\n* Mon Jan 02 2023 B <b@example.org> - 1.2\n"
                   "- older\n")
HELPER = Spec("helper", files={"/usr/bin/helper": "x",
                               "/usr/lib/sendmail": "y",
                               "/usr/sbin/helperd": "z"})
EXTRA = Spec("extra")
SHELL = Spec("script", fields=["Requires(pre): lib"],
             scripts="%post\necho > /dev/null\n%postun -p /bin/dash\n")
NEWER = Spec("lib", "1.3", "1", fields=["Epoch: 1"])
OTHER = Spec("lib", "1.2^git5", "1", fields=["Epoch: 1"],
             files={"/usr/share/lib/about": "something else"})
FIRST = (TOOL, LIB, HELPER, EXTRA)

COMPS = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps><group><id>all-tools</id><name>All tools</name>
<description>d</description><default>true</default>
<uservisible>true</uservisible><packagelist>
<packagereq type="mandatory">extra</packagereq>
<packagereq type="mandatory">helper</packagereq>
</packagelist></group></comps>
"""
UPDATES = """<?xml version="1.0" encoding="UTF-8"?>
<updates><update from="a@example.org" status="stable" type="security"
version="1"><id>LS-2023:1</id><title>lib</title><severity>Important</severity>
<issued date="2023-06-01 00:00:00"/><updated date="2023-06-01 00:00:00"/>
<description>A hole in lib.</description><references/>
<pkglist><collection><name>c</name>
<package name="lib" epoch="1" version="1.3" release="1" arch="noarch">
<filename>lib-1.3-1.noarch.rpm</filename></package></collection></pkglist>
</update></updates>
"""
MODULES = """---
document: modulemd
version: 2
data:
  name: kit
  stream: "1.0"
  version: 1
  context: abcd
  arch: noarch
  summary: A kit
  description: A kit of tests.
  license:
    module: [MIT]
  profiles:
    default:
      rpms: [extra]
  artifacts:
    rpms:
    - extra-0:1.0-1.noarch
---
document: modulemd-defaults
version: 1
data:
  module: kit
  stream: "1.0"
  profiles:
    "1.0": [default]
...
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """name → path of a built package."""
    folder = tmp_path_factory.mktemp("rpms")
    paths = build(folder / "a", *FIRST, NEWER, SHELL)
    (other,) = build(folder / "b", OTHER)
    names = ["tool", "lib", "helper", "extra", "newer", "script"]
    return {**dict(zip(names, paths)), "other": other}


@pytest.fixture
def base(make_repository):
    return make_repository("rpm")


@pytest.fixture
def full(base, made):
    published(base, *[made[spec.name] for spec in FIRST])
    return base


def fetch(base, path):
    got = requests.get(f"{base}/{path}", timeout=GOOD)
    assert got.status_code == 200, f"{path}: {got.status_code}"
    return got.content


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def listed(base, group=""):
    """type → text of all that repomd.xml lists, each checked against it."""
    out = {}
    for type, entry in rpms.repomd(fetch(
            base, group + "repodata/repomd.xml")).items():
        data = fetch(base, group + entry["location"])
        assert sha256(data) == entry["checksum"], type
        assert len(data) == int(entry["size"])
        assert entry["location"].split("/")[1].split("-")[0] in (
            entry["checksum"], entry.get("open-checksum"))
        text = rpms.plain(data)
        if "open-checksum" in entry:
            assert sha256(text) == entry["open-checksum"], type
            assert len(text) == int(entry["open-size"])
        out[type] = text
    return out


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_dnf(make_repository, made, registry, tmp_path, form):
    base = make_repository("rpm", settings=f'{{"compression": "{form}"}}')
    dnf = Dnf(tmp_path, base)
    dnf("makecache")  # of an empty one
    published(base, *[made[spec.name] for spec in FIRST])
    registry.restart_daemon()
    dnf("install", "tool")
    assert dnf.installed() == [
        "extra-1.0-1.noarch", "helper-1.0-1.noarch", "lib-1.2^git5-1.noarch",
        "tool-2.1~rc1-3.x86_64"]
    assert dnf.read("usr/share/lib/about") == "about lib"
    found = dnf("provides", "/usr/share/lib/about").stdout
    assert "lib-1:1.2^git5-1.noarch" in found
    assert "tool-2:2.1~rc1-3" in dnf("provides", "virtual").stdout
    told = dnf("repoquery", "--changelogs", "tool").stdout
    assert "change 1 & <more>" in told and "change 10 " in told
    assert dnf("repoquery", "-l", "helper").stdout.split() == [
        "/usr/bin/helper", "/usr/lib/sendmail", "/usr/sbin/helperd"]
    published(base, made["newer"])
    dnf("upgrade")
    assert "lib-1.3-1.noarch" in dnf.installed()
    assert sha256(fetch(base, f"Packages/{NEWER.file}")) == sha256(
        made["newer"].read_bytes())
    got = requests.delete(f"{base}/Packages/{NEWER.file}", timeout=GOOD)
    assert got.status_code == 204
    assert "1.3" not in dnf("repoquery", "lib").stdout
    suffix = {"gzip": ".gz", "zstd": ".zst"}[form]
    md = rpms.repomd(fetch(base, "repodata/repomd.xml"))
    assert sorted(md) == ["filelists", "other", "primary"]
    assert all(one["location"].endswith(".xml" + suffix)
               for one in md.values())


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_zypper(make_repository, made, tmp_path, form):
    base = make_repository("rpm", settings=f'{{"compression": "{form}"}}')
    published(base, *[made[spec.name] for spec in FIRST])
    zypper = Zypper(tmp_path)
    config = tmp_path / "config.repo"
    config.write_bytes(fetch(base, "config.repo"))
    zypper("addrepo", config)
    zypper("refresh")
    zypper("install", "lib", "helper")
    assert zypper.read("usr/share/lib/about") == "about lib"
    assert "tool" in zypper("search", "--provides", "virtual").stdout
    published(base, made["newer"])
    zypper("refresh")
    zypper("update")
    assert "lib-1.3-1.noarch" in zypper.installed()


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_the_same_as_createrepo(make_repository, made, tmp_path, form):
    base = make_repository("rpm", settings=f'{{"compression": "{form}"}}')
    names = [*(spec.name for spec in FIRST), "newer", "script"]
    published(base, *[made[name] for name in names])
    for name in names:
        (tmp_path / made[name].name).symlink_to(made[name])
    rpms.run(["createrepo_c", "--quiet", tmp_path])
    theirs = {
        type: rpms.plain((tmp_path / entry["location"]).read_bytes())
        for type, entry in rpms.repomd(
            (tmp_path / "repodata/repomd.xml").read_bytes()).items()}
    ours = listed(base)
    for type in ("primary", "filelists", "other"):
        mine, count = rpms.packages(ours[type])
        wanted, n = rpms.packages(theirs[type])
        assert count == n == len(names) and sorted(mine) == sorted(wanted)
        for key, package in wanted.items():
            assert mine[key] == package, type


def test_comps_updateinfo_and_modules(full, made, tmp_path):
    for name, text in (("comps.xml", COMPS), ("updateinfo.xml", UPDATES),
                       ("modules.yaml", MODULES)):
        url = f"{full}/repodata/{name}"
        assert requests.put(url, data=text.encode(),
                            timeout=GOOD).status_code == 201
        assert fetch(full, f"repodata/{name}") == text.encode()
    published(full, made["newer"])
    found = listed(full)
    assert found["group"] == found["group_gz"] == COMPS.encode()
    assert found["updateinfo"] == UPDATES.encode()
    assert found["modules"] == MODULES.encode()
    dnf = Dnf(tmp_path / "dnf", full)
    assert "All tools" in dnf("group", "list").stdout
    assert "kit" in dnf("module", "list").stdout
    dnf("install", "lib-1:1.2^git5", "helper")
    assert "LS-2023:1" in dnf("updateinfo", "list").stdout
    dnf("module", "enable", "kit:1.0")
    dnf("group", "install", "all-tools")
    assert "extra-1.0-1.noarch" in dnf.installed()
    dnf("upgrade", "--security")
    assert "lib-1.3-1.noarch" in dnf.installed()
    got = requests.delete(f"{full}/repodata/updateinfo.xml", timeout=GOOD)
    assert got.status_code == 204
    assert "updateinfo" not in listed(full)
    assert requests.get(f"{full}/repodata/updateinfo.xml",
                        timeout=GOOD).status_code == 404


BAD_LOOSE = {
    "no XML": ("comps.xml", "<comps>"),
    "another root": ("comps.xml", "<updates/>"),
    "entities": ("updateinfo.xml", '<!DOCTYPE a [<!ENTITY b "c">]>'
                                   "<updates>&b;</updates>"),
    "no YAML": ("modules.yaml", "a: ["),
    "another document": ("modules.yaml", "document: pod\nversion: 1\n"),
    "nothing": ("modules.yaml", ""),
    "made by us": ("repomd.xml", "<repomd/>"),
    "depth": ("comps.xml", "<comps>" * 5000),
}


@pytest.mark.parametrize("name, text", BAD_LOOSE.values(), ids=BAD_LOOSE)
def test_bad_metadata(base, registry, name, text):
    got = requests.put(f"{base}/repodata/{name}", data=text.encode(),
                       timeout=GOOD)
    assert got.status_code == 400 and got.json()["error"], got.text
    spool.wait_empty(registry)


def test_groups(base, made, tmp_path):
    published(base, made["lib"], made["helper"], to="el9/x86_64/upload")
    published(base, made["lib"], to=f"el8/Packages/{LIB.file}")
    published(base, made["extra"], to=f"Packages/{EXTRA.file}")
    for group, names in (("el9/x86_64/", {"lib", "helper"}), ("el8/", {"lib"}),
                         ("", {"extra"})):
        found, count = rpms.packages(listed(base, group)["primary"])
        assert count == len(names)
        assert {package[3][0][2] for package in found.values()} == names
    config = tmp_path / "ours.repo"
    text = fetch(base, "el9/x86_64/config.repo").decode()
    assert f"baseurl={base}/el9/x86_64\n" in text
    config.write_text(text)
    dnf = Dnf(tmp_path / "dnf", repo=text)
    dnf("install", "helper")
    assert dnf.installed() == ["helper-1.0-1.noarch"]
    key = base.rsplit("/", 1)[1]
    assert fetch(base, key + ".repo") == fetch(base, "config.repo")
    # The last package leaves an empty index, a group that never was has none.
    assert requests.delete(f"{base}/el8/Packages/{LIB.file}",
                           timeout=GOOD).status_code == 204
    assert rpms.packages(listed(base, "el8/")["primary"]) == ({}, 0)
    for path in ("el7/repodata/repomd.xml", "other.repo",
                 f"el8/Packages/{LIB.file}"):
        assert requests.get(f"{base}/{path}", timeout=GOOD).status_code == 404


def test_refused_again(full, made):
    before = fetch(full, "repodata/repomd.xml")
    assert upload(full, made["lib"]).status_code == 201
    for to in ("upload", f"Packages/{LIB.file}"):
        refused = upload(full, made["other"], to)
        assert refused.status_code == 409
        assert "already" in refused.json()["error"]
    assert fetch(full, f"Packages/{LIB.file}") == made["lib"].read_bytes()
    primary = rpms.repomd(before)["primary"]
    assert rpms.repomd(fetch(full, "repodata/repomd.xml"))[
        "primary"] == primary


def test_old_generations_stay_for_a_while(base, made):
    published(base, made["lib"])
    old = rpms.repomd(fetch(base, "repodata/repomd.xml"))
    published(base, made["helper"])
    new = rpms.repomd(fetch(base, "repodata/repomd.xml"))
    for type, entry in old.items():
        assert new[type]["location"] != entry["location"]
        assert sha256(fetch(base, entry["location"])) == entry["checksum"]


def test_signatures(full, tmp_path):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch"]
    for name in ("repomd.xml", "repomd.xml.asc", "repomd.xml.key"):
        (tmp_path / name).write_bytes(fetch(full, f"repodata/{name}"))
    rpms.run([*gpg, "--import", tmp_path / "repomd.xml.key"])
    verify = [*gpg, "--verify", tmp_path / "repomd.xml.asc",
              tmp_path / "repomd.xml"]
    rpms.run(verify)
    with open(tmp_path / "repomd.xml", "ab") as file:
        file.write(b"\n")
    assert rpms.run(verify, check=False).returncode != 0


def test_a_private_repository(private, made, tmp_path):
    base = private.repository("rpm")
    assert upload(base, made["lib"]).status_code == 401
    for who in ("reader", "readonly", "stranger"):
        headers = {"Authorization": f"Bearer {private.tokens[who]}"}
        assert upload(base, made["lib"],
                      headers=headers).status_code == 403
    headers = {"Authorization": f"Bearer {private.tokens['writer']}"}
    assert upload(base, made["lib"], headers=headers).status_code == 201
    repo = ("[ours]\nname=ours\nbaseurl={0}\ngpgcheck=0\nrepo_gpgcheck=1\n"
            "gpgkey={0}/repodata/repomd.xml.key\nusername=reader\n"
            "password={1}\n")
    nobody = Dnf(tmp_path / "nobody", repo=repo.format(base, "wrong"))
    assert nobody("install", "lib", check=False).returncode != 0
    dnf = Dnf(tmp_path / "reader",
              repo=repo.format(base, private.tokens["reader"]))
    dnf("install", "lib")
    assert "lib-1.2^git5-1.noarch" in dnf.installed()


def test_reads_go_on_without_the_daemon(full, registry):
    paths = ["repodata/repomd.xml", "repodata/repomd.xml.asc",
             f"Packages/{LIB.file}",
             *(entry["location"] for entry in rpms.repomd(
                 fetch(full, "repodata/repomd.xml")).values())]
    before = [fetch(full, path) for path in paths]
    registry.pause_daemon()
    try:
        assert [fetch(full, path) for path in paths] == before
    finally:
        registry.resume_daemon()


HOSTILE = {
    "empty": lambda data: b"",
    "no package": lambda data: b"this is none" * 100,
    "lead only": lambda data: data[:96],
    "half a header": lambda data: data[:1500],
    "cut short": lambda data: data[:-1],
    "more behind": lambda data: data + b"x",
    "another header": lambda data: data.replace(b"about lib", b"about bil")
    .replace(b"the lib & co", b"the bil & co"),
    "huge header": lambda data: data[:104] + b"\xff" * 8 + data[112:],
    "another format": lambda data: data[:4] + b"\x09" + data[5:],
}


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE)
def test_hostile_packages(base, made, registry, spoil):
    body = spoil(made["lib"].read_bytes())
    got = requests.put(f"{base}/upload", data=body, timeout=GOOD)
    assert got.status_code in (400, 413) and got.json()["error"], got.text
    spool.wait_empty(registry)


@pytest.mark.parametrize("to", [
    "Packages/other.rpm", "repodata/Packages/upload", "a/.b/upload",
    "a/-b/upload", "Packages/x/upload", "upload/upload"])
def test_wrong_places(base, made, registry, to):
    got = upload(base, made["lib"], to)
    assert got.status_code == 400 and got.json()["error"]
    spool.wait_empty(registry)


def resident(server):
    total = 0
    for pid in (server.daemon.pid, *server.worker_pids()):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            total += next(int(line.split()[1]) for line in status
                          if line.startswith("VmRSS"))
    return total << 10


@pytest.mark.heavy
def test_memory_is_bounded(make_repository, fresh_registry, made):
    """256 MiB, or 5 GiB with LONGSHORE_LOAD=full."""
    base = make_repository("rpm", server=fresh_registry)
    published(base, made["helper"])
    full = os.environ.get("LONGSHORE_LOAD") == "full"
    size = (5 << 30 if full else 256 << 20) + 1
    head = rpms.without_size(made["lib"])
    digest = hashlib.sha256(head)

    def body():
        yield head
        left = size - len(head)
        while left:
            piece = bytes(min(left, 1 << 20))
            left -= len(piece)
            digest.update(piece)
            yield piece
    before = resident(fresh_registry)
    got = requests.put(f"{base}/upload", data=body(), timeout=600)
    assert got.status_code == 201, got.text
    assert resident(fresh_registry) - before <= 64 << 20
    assert got.json()["sha256"] == digest.hexdigest()
    primary = listed(base)["primary"].decode()
    assert f'package="{size}"' in primary
