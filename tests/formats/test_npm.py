"""npm packages with npm, pnpm, Yarn 1 and Yarn 4: every verb of the clients,
what they are refused, and what a restart leaves."""

import gzip
import hashlib
import json
import os
import re
import threading

import pytest
import requests

from harness import process
from harness.npm import (Home, escaped, large_publish, make_tarball, packument, publish,
                         publish_body, put, write_package)

CLIENTS = ["npm", "pnpm", "yarn 1", "yarn 4", "bower"]  # for tools/support-table

pytestmark = pytest.mark.timeout(300)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def base(make_repository):
    return make_repository("npm")


@pytest.fixture
def home(base, tmp_path):
    return Home(tmp_path / "home", base)


def spool(server):
    return list((server.root / "spool").iterdir())


def fetch_all(document):
    """Bytes of every package that a document advertises, by version."""
    found = {}
    for version, manifest in document["versions"].items():
        got = requests.get(manifest["dist"]["tarball"], timeout=60)
        assert got.status_code == 200, got.url
        assert hashlib.sha1(got.content).hexdigest() == \
            manifest["dist"]["shasum"]
        found[version] = got.content
    return found


# npm

@pytest.mark.parametrize("name", ["greeter", "@acme/greeter"])
def test_npm_publishes_and_installs(base, home, registry, tmp_path, name):
    source = write_package(tmp_path / "source", name, "1.0.0",
                           keywords=["hello", "world"])
    out = tmp_path / "out"
    out.mkdir()
    packed = json.loads(home.run("npm", "pack", "--json", "--pack-destination",
                                 out, cwd=source).stdout)
    [packed] = packed if isinstance(packed, list) else packed.values()
    home.run("npm", "publish", cwd=source)
    registry.restart_daemon()

    document = packument(base, name)
    [data] = fetch_all(document).values()
    local = next(out.iterdir()).read_bytes()
    assert sha256(data) == sha256(local)
    dist = document["versions"]["1.0.0"]["dist"]
    assert dist["integrity"] == packed["integrity"]
    assert dist["shasum"] == packed["shasum"]
    assert dist["fileCount"] == packed["entryCount"]
    assert dist["unpackedSize"] == packed["unpackedSize"]
    assert document["readme"].startswith(f"# {name}")
    assert document["dist-tags"] == {"latest": "1.0.0"}

    fresh = Home(tmp_path / "fresh", base)
    project = fresh.project()
    fresh.run("npm", "install", name, cwd=project)
    said = fresh.run("node", "-p", f"require('{name}')", cwd=project)
    assert said.stdout.strip() == f"{name} 1.0.0"
    lock = json.loads((project / "package-lock.json").read_text())
    assert lock["packages"][f"node_modules/{name}"]["integrity"] == \
        packed["integrity"]
    # A second fresh home, from the lock file alone.
    other = Home(tmp_path / "other", base)
    again = other.project()
    for file in ("package.json", "package-lock.json"):
        (again / file).write_text((project / file).read_text())
    other.run("npm", "ci", cwd=again)
    assert (again / "node_modules" / name / "index.js").exists()


def test_npm_verbs(base, home, tmp_path):
    source = tmp_path / "source"
    for version, tag in (("1.0.0", "latest"), ("1.1.0", "latest"),
                         ("2.0.0-rc.1", "next")):
        write_package(source, "@acme/tool", version)
        home.run("npm", "publish", "--tag", tag, cwd=source)

    def npm(*words, **keywords):
        return home.run("npm", *words, **keywords).stdout

    seen = json.loads(npm("view", "@acme/tool", "--json"))
    assert seen["version"] == "1.1.0"
    assert seen["versions"] == ["1.0.0", "1.1.0", "2.0.0-rc.1"]
    assert npm("view", "@acme/tool@next", "version").strip() == "2.0.0-rc.1"
    assert npm("view", "@acme/tool", "readme").startswith("# @acme/tool")

    npm("dist-tag", "add", "@acme/tool@1.0.0", "stable")
    assert npm("dist-tag", "ls", "@acme/tool").split("\n")[:3] == [
        "latest: 1.1.0", "next: 2.0.0-rc.1", "stable: 1.0.0"]
    npm("dist-tag", "rm", "@acme/tool", "stable")
    assert "stable" not in npm("dist-tag", "ls", "@acme/tool")
    gone = home.run("npm", "dist-tag", "rm", "@acme/tool", "latest",
                    check=False)
    assert gone.returncode != 0

    npm("deprecate", "@acme/tool@1.0.0", "use 1.1.0")
    assert npm("view", "@acme/tool@1.0.0", "deprecated").strip() == "use 1.1.0"
    short = packument(base, "@acme/tool", headers={
        "Accept": "application/vnd.npm.install-v1+json"})
    assert short["versions"]["1.0.0"]["deprecated"] == "use 1.1.0"
    assert "deprecated" not in short["versions"]["1.1.0"]
    npm("undeprecate", "@acme/tool@1.0.0")
    assert npm("view", "@acme/tool@1.0.0", "deprecated").strip() == ""

    found = json.loads(npm("search", "tool", "--json"))
    assert [(one["name"], one["version"]) for one in found] == [
        ("@acme/tool", "1.1.0")]
    assert "PONG" in npm("ping")
    assert "found 0 vulnerabilities" in npm("audit", cwd=install(
        home, "npm", "@acme/tool"))


def install(home, program, name):
    project = home.project(f"with-{program}")
    home.run(program, "install", name, cwd=project)
    return project


def test_npm_refusals_and_unpublish(base, home, registry, tmp_path):
    source = tmp_path / "source"
    for version in ("1.0.0", "1.1.0"):
        write_package(source, "gone", version)
        home.run("npm", "publish", cwd=source)
    again = home.run("npm", "publish", cwd=source, check=False)
    assert again.returncode != 0
    assert "previously published" in again.stdout
    # What npm itself would stop is refused by the server too.
    told = put(base, "gone", publish_body("gone", "1.1.0"))
    assert told.status_code == 403
    assert "previously published" in told.json()["error"]

    url = packument(base, "gone")["versions"]["1.1.0"]["dist"]["tarball"]
    assert requests.get(url, timeout=30).status_code == 200
    home.run("npm", "unpublish", "gone@1.1.0")
    document = packument(base, "gone")
    assert list(document["versions"]) == ["1.0.0"]
    assert document["dist-tags"] == {"latest": "1.0.0"}
    assert requests.get(url, timeout=30).status_code == 404
    told = put(base, "gone", publish_body("gone", "1.1.0"))
    assert told.status_code == 403, told.text
    assert "deleted" in told.json()["error"]

    home.run("npm", "unpublish", "gone", "--force")
    assert requests.get(f"{base}/gone", timeout=30).status_code == 404
    registry.restart_daemon()
    for version in ("1.0.0", "1.1.0"):
        assert put(base, "gone", publish_body("gone", version)
                   ).status_code == 403
    publish(base, "gone", "1.2.0")
    assert list(packument(base, "gone")["versions"]) == ["1.2.0"]
    assert not spool(registry)


def test_npm_access(base, home):
    publish(base, "@acme/open", "1.0.0")
    status = home.run("npm", "access", "get", "status", "@acme/open").stdout
    assert "public" in status
    listed = home.run("npm", "access", "list", "packages", "acme").stdout
    assert "@acme/open: read-write" in listed
    home.run("npm", "access", "list", "collaborators", "@acme/open")
    home.run("npm", "access", "set", "status=public", "@acme/open")
    refused = home.run("npm", "access", "set", "status=private", "@acme/open",
                       check=False)
    assert refused.returncode != 0 and "grants" in refused.stdout


def test_npm_installs_what_depends(base, home, tmp_path):
    publish(base, "leaf", "1.2.3")
    publish(base, "leaf", "2.0.0")
    manifest = {"name": "branch", "version": "1.0.0",
                "dependencies": {"leaf": "^1.0.0"},
                "bin": "cli.js", "engines": {"node": ">=10"}}
    data = make_tarball(manifest, {
        "cli.js": "#!/usr/bin/env node\nconsole.log('ran')\n"})
    publish(base, "branch", "1.0.0", data=data, manifest=manifest)
    project = install(home, "npm", "branch")
    leaf = json.loads(
        (project / "node_modules/leaf/package.json").read_text())
    assert leaf["version"] == "1.2.3"
    ran = home.run("npx", "--no-install", "branch", cwd=project)
    assert ran.stdout.strip() == "ran"


# pnpm and Yarn

def test_pnpm(base, home, client, tmp_path):
    pnpm = client("pnpm")
    source = write_package(tmp_path / "source", "@acme/pn", "1.0.0")
    home.run(pnpm, "publish", "--no-git-checks", cwd=source)
    fresh = Home(tmp_path / "fresh", base)
    project = fresh.project()
    fresh.run(pnpm, "add", "@acme/pn", cwd=project)
    said = fresh.run("node", "-p", "require('@acme/pn')", cwd=project)
    assert said.stdout.strip() == "@acme/pn 1.0.0"
    assert "1.0.0" in fresh.run(pnpm, "view", "@acme/pn", "version").stdout
    again = home.run(pnpm, "publish", "--no-git-checks", "--force",
                     cwd=source, check=False)
    assert again.returncode != 0
    audit = fresh.run(pnpm, "audit", cwd=project).stdout
    assert "No known vulnerabilities" in audit
    home.run(pnpm, "deprecate", "@acme/pn@1.0.0", "old")
    assert packument(base, "@acme/pn")["versions"]["1.0.0"][
        "deprecated"] == "old"


def test_yarn_1(base, home, client, tmp_path):
    yarn = client("yarn")
    source = write_package(tmp_path / "source", "@acme/y1", "1.0.0")
    home.run(yarn, "publish", "--non-interactive", "--new-version", "1.0.0",
             cwd=source)
    [data] = fetch_all(packument(base, "@acme/y1")).values()
    fresh = Home(tmp_path / "fresh", base)
    project = fresh.project()
    fresh.run(yarn, "add", "@acme/y1", cwd=project)
    said = fresh.run("node", "-p", "require('@acme/y1')", cwd=project)
    assert said.stdout.strip() == "@acme/y1 1.0.0"
    assert hashlib.sha1(data).hexdigest() in (
        project / "yarn.lock").read_text()
    assert "1.0.0" in fresh.run(yarn, "info", "@acme/y1", "version").stdout
    home.run(yarn, "tag", "add", "@acme/y1@1.0.0", "stable")
    assert "stable" in home.run(yarn, "tag", "list", "@acme/y1").stdout
    home.run(yarn, "tag", "remove", "@acme/y1", "stable")
    again = home.run(yarn, "publish", "--non-interactive", "--new-version",
                     "1.0.0", cwd=source, check=False)
    assert again.returncode != 0


def test_yarn_4(base, home, client, tmp_path):
    yarn = client("yarn4")
    source = write_package(tmp_path / "source", "@acme/y4", "1.0.0")
    (source / "yarn.lock").write_text("")
    home.run(yarn, "install", cwd=source)
    home.run(yarn, "npm", "publish", cwd=source)
    fetch_all(packument(base, "@acme/y4"))
    fresh = Home(tmp_path / "fresh", base)
    project = fresh.project()
    fresh.run(yarn, "add", "@acme/y4", cwd=project)
    said = fresh.run("node", "-p", "require('@acme/y4')", cwd=project)
    assert said.stdout.strip() == "@acme/y4 1.0.0"
    info = fresh.run(yarn, "npm", "info", "@acme/y4", "--json",
                     cwd=project).stdout
    assert json.loads(info)["version"] == "1.0.0"
    home.run(yarn, "npm", "tag", "add", "@acme/y4@1.0.0", "stable",
             cwd=source)
    listed = home.run(yarn, "npm", "tag", "list", "@acme/y4", cwd=source)
    assert "stable" in listed.stdout
    home.run(yarn, "npm", "tag", "remove", "@acme/y4", "stable", cwd=source)
    again = home.run(yarn, "npm", "publish", cwd=source, check=False)
    assert again.returncode != 0
    audit = fresh.run(yarn, "npm", "audit", cwd=project)
    assert "No audit suggestions" in audit.stdout


def test_bower_looks_up(make_repository, client, tmp_path):
    npm = make_repository("npm")
    base = npm.replace("/npm/", "/bower/")
    manifest = {"name": "widget", "version": "1.4.0"}
    data = make_tarball(manifest, {"widget.js": "widget\n",
                                   "bower.json": json.dumps(
                                       {"name": "widget", "main": "widget.js"})})
    publish(npm, "widget", "1.4.0", data=data, manifest=manifest)
    home = Home(tmp_path / "home", npm)
    project = home.project()
    (project / ".bowerrc").write_text(json.dumps(
        {"registry": base, "analytics": False}))
    bower = [client("bower"), "--allow-root", "--config.interactive=false"]
    said = home.run(*bower, "lookup", "widget", cwd=project).stdout
    assert f"{base}/widget/-/widget-1.4.0.tgz" in said
    assert "widget" in home.run(*bower, "search", "wid", cwd=project).stdout
    home.run(*bower, "install", "widget", cwd=project)
    assert (project / "bower_components/widget/widget.js").read_text() == \
        "widget\n"
    unknown = home.run(*bower, "install", "no-such", cwd=project, check=False)
    assert unknown.returncode != 0


# The protocol

def test_documents(base):
    publish(base, "doc", "1.0.0")
    publish(base, "doc", "1.0.10")
    publish(base, "doc", "1.0.9", tag="old")
    full = requests.get(f"{base}/doc", timeout=30)
    assert full.headers["Content-Type"].startswith("application/json")
    assert full.headers["Vary"] == "Accept, Accept-Encoding"
    document = full.json()
    assert list(document["versions"]) == ["1.0.0", "1.0.9", "1.0.10"]
    assert document["dist-tags"] == {"latest": "1.0.10", "old": "1.0.9"}
    assert set(document["time"]) == {"created", "modified", "1.0.0", "1.0.9",
                                     "1.0.10"}
    wanted = {"Accept": "application/vnd.npm.install-v1+json; q=1.0,"
              " application/json; q=0.8, */*"}
    short = requests.get(f"{base}/doc", headers=wanted, timeout=30)
    assert short.headers["Content-Type"].startswith(
        "application/vnd.npm.install-v1+json")
    assert set(short.json()) == {"name", "modified", "dist-tags", "versions"}
    again = requests.get(f"{base}/doc", timeout=30, headers={
        **wanted, "If-None-Match": short.headers["ETag"]})
    assert again.status_code == 304
    assert requests.get(f"{base}/doc", headers=wanted,
                        timeout=30).json() == short.json()
    for path in ("doc/1.0.9", "doc/old"):
        one = requests.get(f"{base}/{path}", timeout=30).json()
        assert one == document["versions"]["1.0.9"]
    assert requests.get(f"{base}/doc/9.9.9", timeout=30).status_code == 404
    assert requests.get(f"{base}/none", timeout=30).status_code == 404
    tags = requests.get(f"{base}/-/package/doc/dist-tags", timeout=30).json()
    assert tags == {"latest": "1.0.10", "old": "1.0.9"}


def test_both_spellings_of_a_scope(base):
    publish(base, "@s/p", "1.0.0")
    for path in ("@s%2fp", "@s%2Fp", "@s/p", "%40s%2fp"):
        assert requests.get(f"{base}/{path}", timeout=30).json()[
            "name"] == "@s/p"
    for path in ("@s/p/-/p-1.0.0.tgz", "@s%2fp/-/p-1.0.0.tgz",
                 "@s/p/-/@s/p-1.0.0.tgz"):
        assert requests.get(f"{base}/{path}", timeout=30).status_code == 200
    for path in ("-/package/@s%2fp/dist-tags", "-/package/@s/p/dist-tags"):
        assert requests.get(f"{base}/{path}", timeout=30).json() == {
            "latest": "1.0.0"}


def test_the_first_version_is_the_latest(base):
    publish(base, "first", "1.0.0-beta.1", tag="beta")
    assert packument(base, "first")["dist-tags"] == {
        "beta": "1.0.0-beta.1", "latest": "1.0.0-beta.1"}
    publish(base, "first", "1.0.0-beta.2", tag="beta")
    assert packument(base, "first")["dist-tags"] == {
        "beta": "1.0.0-beta.2", "latest": "1.0.0-beta.1"}


def test_what_is_installed_is_what_the_package_says(base):
    inside = {"name": "honest", "version": "1.0.0",
              "dependencies": {"a": "^1.0.0"}, "bin": "x.js",
              "bundledDependencies": True,
              "scripts": {"postinstall": "node x"}}
    said = {"name": "honest", "version": "1.0.0", "dependencies": {},
            "hasInstallScript": False, "optionalDependencies": {"b": "*"}}
    publish(base, "honest", "1.0.0", manifest=said,
            data=make_tarball(inside, {"npm-shrinkwrap.json": "{}"}))
    for accept in ("application/json", "application/vnd.npm.install-v1+json"):
        one = packument(base, "honest",
                        headers={"Accept": accept})["versions"]["1.0.0"]
        assert one["dependencies"] == {"a": "^1.0.0"}
        assert "optionalDependencies" not in one
        assert one["bundleDependencies"] == ["a"]
        assert one["bin"] == {"honest": "x.js"}
        assert one["hasInstallScript"] is True
        assert one["_hasShrinkwrap"] is True
    gyp = {"name": "gyp", "version": "1.0.0"}
    publish(base, "gyp", "1.0.0", manifest=gyp,
            data=make_tarball(gyp, {"binding.gyp": "{}"}))
    one = packument(base, "gyp")["versions"]["1.0.0"]
    assert one["hasInstallScript"] and one["gypfile"]


def test_somebody_else_was_faster(base):
    publish(base, "race", "1.0.0")
    mine, theirs = packument(base, "race"), packument(base, "race")
    mine["versions"]["1.0.0"]["deprecated"] = "mine"
    theirs["versions"]["1.0.0"]["deprecated"] = "theirs"
    assert put(base, "race", mine).status_code == 200
    late = put(base, "race", theirs)
    assert late.status_code == 409 and "changed meanwhile" in late.text
    assert packument(base, "race")["versions"]["1.0.0"][
        "deprecated"] == "mine"
    stale = requests.delete(f"{base}/race/-rev/{theirs['_rev']}", timeout=30)
    assert stale.status_code == 409
    fresh = packument(base, "race")["_rev"]
    assert requests.delete(f"{base}/race/-rev/{fresh}",
                           timeout=30).status_code == 200


def bad_bodies():
    good = publish_body("bad", "1.0.0")

    def changed(**more):
        return {**json.loads(json.dumps(good)), **more}

    def version(**more):
        body = changed()
        body["versions"]["1.0.0"].update(more)
        return body

    def packed(data):
        body = publish_body("bad", "1.0.0", data=data)
        return body

    attachment = good["_attachments"]["bad-1.0.0.tgz"]
    yield "another name", changed(name="other")
    yield "two versions", changed(versions={
        **good["versions"], "2.0.0": good["versions"]["1.0.0"]})
    yield "no version", changed(versions={})
    yield "another version", version(version="1.0.1")
    yield "promised shasum", version(dist={"shasum": "0" * 40})
    yield "promised integrity", version(dist={"integrity": "sha512-AAAA"})
    yield "length", changed(_attachments={"x.tgz": {**attachment,
                                                    "length": 3}})
    yield "two packages", changed(_attachments={
        "a.tgz": attachment, "b.tgz": attachment})
    yield "no base64", changed(_attachments={
        "a.tgz": {**attachment, "data": "%%%%"}})
    yield "cut base64", changed(_attachments={
        "a.tgz": {**attachment, "data": attachment["data"][:-3]}})
    yield "tag that is a range", changed(**{"dist-tags": {"1.x": "1.0.0"}})
    yield "tag of nothing", changed(**{"dist-tags": {"latest": "3.0.0"}})
    yield "cut JSON", json.dumps(good)[:-20]
    yield "twice", '{"name":"bad","name":"bad"}'
    yield "no JSON", b"\x00\x01"
    yield "no object", "[]"
    yield "deep", "[" * 5000
    yield "no archive", packed(b"not an archive")
    yield "no manifest", packed(make_tarball({}, top="a/b"))
    yield "its name", packed(make_tarball({"name": "x", "version": "1.0.0"}))
    yield "its version", packed(
        make_tarball({"name": "bad", "version": "9.9.9"}))
    yield "climbing", packed(make_tarball(
        {"name": "bad", "version": "1.0.0"}, {"../../x": "x"}))
    yield "two manifests", packed(make_tarball(
        {"name": "bad", "version": "1.0.0"}, {"../other/package.json": "{}"}))
    yield "cut archive", packed(
        make_tarball({"name": "bad", "version": "1.0.0"})[:-30])
    yield "bomb", packed(make_tarball(
        {"name": "bad", "version": "1.0.0"}, {"zeros": b"\0" * 80_000_000}))


@pytest.mark.parametrize("what,body", [
    pytest.param(what, body, id=what) for what, body in bad_bodies()])
def test_bad_publishes(base, registry, what, body):
    refused = put(base, "bad", body)
    assert 400 <= refused.status_code < 500, (what, refused.text)
    assert refused.json()["error"]
    assert requests.get(f"{base}/bad", timeout=30).status_code == 404
    assert not spool(registry)


@pytest.mark.parametrize("name", [
    ".hidden", "_x", "a b", "@s", "@/x", "@s/_x", "node_modules", "a%00b",
    "x" * 215, "sp%C3%A4t"])
def test_bad_names(base, name):
    refused = put(base, name, publish_body("bad", "1.0.0"))
    assert 400 <= refused.status_code < 500


def test_provenance_is_kept(base):
    import base64
    manifest = {"name": "@acme/built", "version": "1.0.0"}
    data = make_tarball(manifest)

    def bundle(digest):
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "pkg:npm/%40acme/built@1.0.0",
                         "digest": {"sha512": digest}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {"buildDefinition": {}}}
        return {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "dsseEnvelope": {"payload": base64.b64encode(json.dumps(
                    statement).encode()).decode(), "signatures": []}}

    def with_bundle(digest):
        body = publish_body("@acme/built", "1.0.0", data=data,
                            manifest=manifest)
        text = json.dumps(bundle(digest))
        body["_attachments"]["@acme/built-1.0.0.sigstore"] = {
            "content_type": bundle(digest)["mediaType"], "data": text,
            "length": len(text)}
        return body

    refused = put(base, "@acme/built", with_bundle("00" * 64))
    assert refused.status_code == 400 and "provenance" in refused.text
    digest = hashlib.sha512(data).hexdigest()
    assert put(base, "@acme/built", with_bundle(digest)).status_code == 201
    for accept in ("application/json", "application/vnd.npm.install-v1+json"):
        dist = packument(base, "@acme/built", headers={"Accept": accept})[
            "versions"]["1.0.0"]["dist"]
        told = dist["attestations"]
        assert told["provenance"] == {
            "predicateType": "https://slsa.dev/provenance/v1"}
        got = requests.get(told["url"], timeout=30).json()
        assert got["attestations"] == [{
            "predicateType": "https://slsa.dev/provenance/v1",
            "bundle": bundle(digest)}]


def test_search(base):
    for i in range(30):
        publish(base, f"searched-{i}", "1.0.0", manifest={
            "name": f"searched-{i}", "version": "1.0.0",
            "description": f"finds number{i}", "keywords": ["kw", f"k{i}"]})

    def names(**query):
        got = requests.get(f"{base}/-/v1/search", params=query, timeout=30)
        answer = got.json()
        return answer["total"], [one["package"]["name"]
                                 for one in answer["objects"]]
    assert names(text="number7") == (1, ["searched-7"])
    assert names(text="keywords:k12") == (1, ["searched-12"])
    total, first = names(text="searched", size=20)
    _, second = names(text="searched", size=20, **{"from": 20})
    assert total == 30 and len(first) == 20 and len(second) == 10
    assert not set(first) & set(second)
    assert names(text="nothing-at-all") == (0, [])


def test_reads_go_on_without_the_daemon(make_repository, fresh_registry,
                                        tmp_path):
    base = make_repository("npm", server=fresh_registry)
    publish(base, "still", "1.0.0")
    home = Home(tmp_path / "home", base)
    home.run("npm", "install", "still", cwd=home.project())
    full = requests.get(f"{base}/still", timeout=30).content
    fresh_registry.pause_daemon()
    try:
        assert requests.get(f"{base}/still", timeout=30).content == full
        other = Home(tmp_path / "other", base)
        project = other.project()
        other.run("npm", "install", "still", cwd=project)
        assert (project / "node_modules/still/package.json").exists()
    finally:
        fresh_registry.resume_daemon()


def test_audit_knows_of_nothing(base):
    """Yarn 1 asks its own registry always; older npm and pnpm do so here."""
    for path in ("security/audits", "security/audits/quick"):
        got = requests.post(f"{base}/-/npm/v1/{path}", timeout=30,
                            data=gzip.compress(b'{"requires": {}}'),
                            headers={"Content-Encoding": "gzip"})
        told = got.json()
        assert told["advisories"] == {} and told["actions"] == []
        assert set(told["metadata"]["vulnerabilities"].values()) == {0}
    bulk = requests.post(f"{base}/-/npm/v1/security/advisories/bulk",
                         json={"left-pad": ["1.0.0"]}, timeout=30)
    assert bulk.status_code == 200 and bulk.json() == {}


def test_routes_of_nothing(base):
    assert requests.get(f"{base}/-/nothing", timeout=30).status_code == 404
    login = requests.post(f"{base}/-/v1/login", json={}, timeout=30)
    assert 400 <= login.status_code < 500
    assert requests.get(f"{base}/-/whoami", timeout=30).status_code == 401
    text = requests.get(f"{base}/none", timeout=30).json()["error"]
    assert re.search("none", text)
    assert escaped("@a/b") == "@a%2fb"


MI = 1 << 20


def rss(server):
    """Bytes that nginx's workers and the daemon hold."""
    total = 0
    for pid in [*server.worker_pids(), server.daemon_pid]:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            total += int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    return total


@pytest.mark.heavy
def test_a_large_package_is_never_in_memory(make_repository, fresh_registry,
                                            tmp_path):
    base = make_repository("npm", server=fresh_registry)
    publish(base, "small", "1.0.0")
    size = (5 << 30) if os.environ.get("LONGSHORE_LOAD") == "full" \
        else 256 * MI
    file, body = large_publish(tmp_path, "large", "1.0.0", size)
    before, peak, done = rss(fresh_registry), [0], []

    def send():
        done.append(put(base, "large", body, seconds=1800).status_code)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()

    def ended():
        peak[0] = max(peak[0], rss(fresh_registry))
        return not sender.is_alive()
    process.wait_until(ended, 1800, pause=0.01, what="published")
    assert done == [201]
    assert peak[0] - before <= 64 * MI
    dist = packument(base, "large")["versions"]["1.0.0"]["dist"]
    hashed, sent = hashlib.sha256(), hashlib.sha256()
    with requests.get(dist["tarball"], stream=True, timeout=600) as got:
        for piece in got.iter_content(MI):
            hashed.update(piece)
    with open(file, "rb") as source:
        while piece := source.read(MI):
            sent.update(piece)
    assert hashed.hexdigest() == sent.hexdigest()
    assert not spool(fresh_registry)
