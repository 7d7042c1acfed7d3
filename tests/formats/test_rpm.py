"""RPM packages with dnf and zypper, and createrepo_c as the judge of our
indexes. Packages are made by rpmbuild."""

import hashlib

import pytest
import requests

from harness import rpms, spool
from harness.rpms import GOOD, Dnf, Spec, Zypper, build, published, upload

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
