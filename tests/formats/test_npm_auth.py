"""npm's clients where not everybody may do everything: login, whoami, logout,
and what who lacks a right is told."""

import pytest
import requests

from harness import terminal
from harness.npm import Home, packument, publish_body, put, write_package

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture
def base(private):
    return private.repository("npm")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def answer(home, words, answers, cwd=None):
    """Runs a program on a terminal and types what it asks for."""
    env = {name: value for name, value in home.env.items() if name != "CI"}
    return terminal.answer(words, answers, env, cwd or home.folder)


def publish_as(home, folder, name, version, check=True):
    write_package(folder, name, version)
    return home.run("npm", "publish", cwd=folder, check=check)


@pytest.mark.parametrize("words", [["--auth-type=legacy"], []])
def test_npm_logs_in_and_out(base, private, tmp_path, words):
    home = Home(tmp_path / "home", base, token="")
    before = home.run("npm", "whoami", check=False)
    assert before.returncode != 0
    code, said = answer(
        home, ["npm", "login", *words],
        [("Username:", "writer"), ("Password:", private.password("writer"))])
    assert code == 0, said
    npmrc = (home.folder / ".npmrc").read_text()
    assert ":_authToken=" in npmrc
    token = npmrc.split(":_authToken=")[1].split()[0]
    assert home.run("npm", "whoami").stdout.strip() == "writer"
    publish_as(home, tmp_path / "source", "mine", "1.0.0")
    document = packument(base, "mine", headers=bearer(token))
    assert document["maintainers"] == [{"name": "writer"}]
    listed = home.run("npm", "access", "list", "collaborators", "mine").stdout
    assert "writer: read-write" in listed
    assert "private" in home.run("npm", "access", "get", "status",
                                 "mine").stdout
    home.run("npm", "logout")
    assert "_authToken" not in (home.folder / ".npmrc").read_text()
    assert requests.get(f"{base}/-/whoami", headers=bearer(token),
                        timeout=30).status_code == 401


def test_a_wrong_password(base, tmp_path):
    home = Home(tmp_path / "home", base, token="")
    code, said = answer(
        home, ["npm", "login", "--auth-type=legacy"],
        [("Username:", "stranger"), ("Password:", "not the password")])
    assert code != 0
    assert "401" in said or "E401" in said, said


def test_yarn_4_logs_in(base, private, client, tmp_path):
    yarn = client("yarn4")
    home = Home(tmp_path / "home", base, token="")
    project = home.project()
    code, said = answer(
        home, [yarn, "npm", "login"], cwd=project, answers=[
            ("Username:", "writer"), ("Password:", private.password("writer"))])
    assert code == 0, said
    said = home.run(yarn, "npm", "whoami", cwd=project).stdout
    assert "writer" in said
    home.run(yarn, "npm", "logout", cwd=project)
    assert home.run(yarn, "npm", "whoami", cwd=project,
                    check=False).returncode != 0


def test_who_may_what(base, private, client, tmp_path):
    tokens = {**private.tokens, "anonymous": "", "wrong": "lsr_AAAAAAAA_no",
              "writer": private.new_token("writer", "pull,push"),
              "deleter": private.tokens["writer"]}
    homes = {who: Home(tmp_path / who, base, token)
             for who, token in tokens.items()}
    source = tmp_path / "source"
    publish_as(homes["writer"], source, "kept", "1.0.0")
    publish_as(homes["writer"], source, "kept", "1.1.0")
    for who in ("reader", "readonly", "anonymous", "wrong"):
        refused = publish_as(homes[who], source, "kept", "2.0.0", check=False)
        assert refused.returncode != 0, who
    body = publish_body("kept", "2.0.0")
    for who, status in (("reader", 403), ("readonly", 403), ("wrong", 401),
                        ("stranger", 403)):
        told = requests.put(f"{base}/kept", json=body, timeout=30,
                            headers=bearer(tokens[who]))
        assert told.status_code == status, (who, told.text)
    assert put(base, "kept", body).status_code == 401
    for who in ("reader", "readonly", "writer"):
        home = homes[who]
        home.run("npm", "install", "kept", cwd=home.project())
    for who in ("anonymous", "wrong"):
        home = homes[who]
        failed = home.run("npm", "install", "kept", cwd=home.project(),
                          check=False)
        assert failed.returncode != 0
        assert "401" in failed.stdout, failed.stdout
    # Who may push may not take away.
    kept = homes["writer"].run("npm", "unpublish", "kept@1.1.0", check=False)
    assert kept.returncode != 0
    homes["deleter"].run("npm", "unpublish", "kept@1.1.0")
    assert list(packument(base, "kept", headers=bearer(tokens["reader"]))[
        "versions"]) == ["1.0.0"]
    for program, name in (("pnpm", "pnpm"), ("yarn", "yarn1"),
                          ("yarn4", "yarn4")):
        refused = homes["anonymous"].run(
            client(program), "add", "kept", check=False,
            cwd=homes["anonymous"].project(name))
        assert refused.returncode != 0, program
        homes["reader"].run(client(program), "add", "kept",
                            cwd=homes["reader"].project(name))


def test_what_npm_asks_about_rights(base, private, tmp_path):
    home = Home(tmp_path / "home", base,
                private.tokens["writer"])
    publish_as(home, tmp_path / "source", "@acme/x", "1.0.0")
    packages = home.run("npm", "access", "list", "packages", "writer").stdout
    assert "@acme/x: read-write" in packages
    reader = Home(tmp_path / "reader", base,
                  private.tokens["reader"])
    packages = reader.run("npm", "access", "list", "packages", "@acme").stdout
    assert "@acme/x: read-only" in packages
    granted = home.run("npm", "access", "grant", "read-only", "acme:team",
                       "@acme/x", check=False)
    assert granted.returncode != 0 and "grants" in granted.stdout
    profile = requests.get(f"{base}/-/npm/v1/user", timeout=30, headers=bearer(
        private.tokens["writer"])).json()
    assert profile["name"] == "writer"
