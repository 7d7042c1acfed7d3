"""registryctl: repositories and packages, beside a daemon that runs: what it
changes is in force in nginx soon; a rebuild keeps packages; verify knows
their blobs."""

import hashlib
import json
import subprocess

import pytest

from harness import http
from harness.process import wait_until
from harness.server import BUILD, Registry

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server():
    with Registry(workers=1) as one:
        yield one


def run(server, *words, status=0):
    done = subprocess.run(
        [BUILD / "registryctl", "--root", server.root, *words],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, (words, done)
    return done


def ask(server, *words):
    return json.loads(run(server, *words, "--json").stdout)


def put(server, path, body=b"bytes"):
    answer = http.request(server, "PUT", f"/generic/{path}", {}, body)
    assert answer.status == 201, answer.body


def get(server, path):
    return http.request(server, "GET", f"/generic/{path}")


def gone(server, path):
    wait_until(lambda: get(server, path).status == 404, what=f"{path} gone")


def test_life_of_a_repository(server):
    made = ask(server, "repository", "create", "life", "--format", "generic",
               "--description", "ours", "--settings", '{"overwrite":true}')
    assert made["done"] == "made" and made["settings"] == {"overwrite": True}
    assert run(server, "repository", "create", "life", "--format", "generic",
               status=1).stderr.count("there is a repository") == 1
    for words in (("bad/name", "generic"), ("x", "none"), ("X", "generic")):
        run(server, "repository", "create", words[0], "--format", words[1],
            status=2)
    for body in (b"one", b"two"):
        put(server, "life/a/1/f", body)
    shown = ask(server, "repository", "show", "life")
    assert shown == {k: v for k, v in made.items() if k != "done"}
    assert "life  generic  local" in run(server, "repository", "list").stdout
    changed = ask(server, "repository", "change", "life", "--settings", "{}")
    assert (changed["description"], changed["settings"]) == ("ours", {})
    assert get(server, "life/a/1/f").status == 200
    refused = run(server, "repository", "delete", "life", status=1)
    assert "--with-packages" in refused.stderr
    run(server, "repository", "delete", "life", "--with-packages")
    gone(server, "life/a/1/f")
    run(server, "repository", "show", "life", status=1)


def test_a_change_beside_the_daemon_reaches_nginx(server):
    run(server, "repository", "create", "beside", "--format", "generic")
    for version in ("1", "2", "3"):
        put(server, f"beside/tool/{version}/f")
        assert get(server, f"beside/tool/{version}/f").status == 200
    assert [one["key"] for one in ask(
        server, "package", "list", "beside")["packages"]] == ["tool"]
    run(server, "package", "yank", "beside", "tool", "2", "--reason", "bad")
    shown = ask(server, "package", "show", "beside", "tool")
    assert [one["state"] for one in shown["versions"]] == [
        "active", "yanked", "active"]
    assert "yanked" in run(server, "package", "show", "beside", "tool").stdout
    run(server, "package", "unyank", "beside", "tool", "2")
    run(server, "package", "deprecate", "beside", "tool", "3")
    assert [one["state"] for one in ask(
        server, "package", "show", "beside", "tool")["versions"]] == [
            "active", "active", "deprecated"]
    run(server, "package", "delete", "beside", "tool", "2")
    gone(server, "beside/tool/2/f")
    assert get(server, "beside/tool/1/f").status == 200
    run(server, "package", "delete", "beside", "tool", "2", status=1)
    run(server, "package", "delete", "beside", "tool")
    gone(server, "beside/tool/1/f")
    run(server, "package", "show", "beside", "tool", status=1)


def test_lists_search_and_properties(server):
    run(server, "repository", "create", "lists", "--format", "generic")
    for name in ("alpha", "beta", "alps"):
        put(server, f"lists/{name}/1/f")
    names = [one["name"] for one in ask(
        server, "package", "list", "lists", "--prefix", "al")["packages"]]
    assert names == ["alpha", "alps"]
    rest = ask(server, "package", "list", "lists", "--limit", "1", "--last",
               "alpha")["packages"]
    assert [one["name"] for one in rest] == ["alps"]
    files = ask(server, "file", "list", "lists", "--prefix", "beta/")["files"]
    assert [one["path"] for one in files] == ["beta/1/f"]
    assert files[0]["sha256"] == hashlib.sha256(b"bytes").hexdigest()
    found = ask(server, "package", "search", "alp")
    assert found["total"] == 2
    assert {one["repository"] for one in found["packages"]} == {"lists"}
    run(server, "property", "set", "lists", "--package", "beta", "a=1",
        "b=x=y")
    assert run(server, "property", "get", "lists", "--package",
               "beta").stdout == "a=1\nb=x=y\n"
    run(server, "property", "set", "lists", "--file", "alps/1/f", "a=2")
    for value, name in (("1", "beta"), ("2", "alps")):
        assert [one["name"] for one in ask(
            server, "package", "list", "lists", "--property",
            f"a={value}")["packages"]] == [name]
    run(server, "property", "get", "lists", status=2)
    run(server, "property", "set", "lists", "--package", "beta", "a", status=2)
    assert "generic" in run(server, "formats").stdout


def test_rebuild_keeps_packages_and_verify_knows_their_blobs(tmp_path):
    with Registry(root=tmp_path, workers=1) as server:
        run(server, "repository", "create", "kept", "--format", "generic")
        run(server, "repository", "create", "empty", "--format", "generic")
        for number in range(30):
            put(server, f"kept/p{number % 7}/{number}/f", b"%d" % number)
        run(server, "property", "set", "kept", "--package", "p1", "a=b")
        run(server, "package", "yank", "kept", "p1", "1", "--reason", "why")

        def all_of_it():
            packages = ask(server, "package", "list", "kept")["packages"]
            return [ask(server, "repository", "list"), packages,
                    [ask(server, "package", "show", "kept", one["key"])
                     for one in packages],
                    ask(server, "file", "list", "kept"),
                    ask(server, "property", "get", "kept", "--package", "p1"),
                    ask(server, "package", "search", "p3")]
        before = all_of_it()
        assert len(before[1]) == 7 and before[5]["total"] == 1
        server.stop_daemon()
        run(server, "rebuild")
        assert all_of_it() == before
        report = ask(server, "verify")
        assert report["clean"] and report["files"] == 30
        server.start_daemon()
        assert get(server, "kept/p1/8/f").body == b"8"
        put(server, "kept/p1/new/f")
        assert get(server, "kept/p1/new/f").status == 200
        hexed = hashlib.sha256(b"8").hexdigest()
        blob = next(server.root.rglob(f"*/{hexed}/data"))
        blob.rename(blob.with_name("away"))
        report = json.loads(run(server, "verify", "--json", status=1).stdout)
        assert [(one["problem"], one["repository"], one["reference"])
                for one in report["differences"]] == [
                    ("file has no blob", "kept", "p1/8/f")]
