"""Helm charts with helm and its push plugin: push, index, install from,
provenance, delete, charts that are OCI artifacts."""

import hashlib
import io
import json
import os
import subprocess
import tarfile

import pytest
import requests
import yaml

from harness import process, spool

CLIENTS = ["helm", "helm-cm-push"]  # for tools/support-table


class Home:
    def __init__(self, helm, folder):
        self.helm, self.folder = helm, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **os.environ, "HOME": str(folder), "HELM_CACHE_HOME":
            str(folder / "cache"), "HELM_CONFIG_HOME": str(folder / "config"),
            "HELM_DATA_HOME": str(folder / "data"),
            "HELM_REPOSITORY_CONFIG": str(folder / "repositories.yaml"),
            "HELM_REPOSITORY_CACHE": str(folder / "cache/repository"),
            "HELM_BIN": str(helm), "GNUPGHOME": str(folder / "gnupg")}

    def __call__(self, *arguments, check=True, program=None):
        done = subprocess.run(
            [program or self.helm, *map(str, arguments)], cwd=self.folder,
            env=self.environment, capture_output=True, text=True, timeout=120)
        if check:
            assert done.returncode == 0, done.stderr
        return done


def write_chart(folder, name, version="1.0.0", **more):
    (folder / name / "templates").mkdir(parents=True, exist_ok=True)
    chart = {"apiVersion": "v2", "name": name, "version": version,
             "appVersion": "1.10", "description": "a chart of tests",
             "keywords": ["sample"], "annotations": {"on": "yes"}, **more}
    (folder / name / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (folder / name / "templates/config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
        "  name: {{ .Release.Name }}\n")
    return folder / name


@pytest.fixture
def helm(client, tmp_path):
    return Home(client("helm"), tmp_path / "home")


@pytest.fixture
def base(make_repository):
    return make_repository("helm")


def push(base, path, headers=None):
    return requests.post(f"{base}/api/charts", data=path.read_bytes(),
                         headers=headers, timeout=30)


def package(helm, chart, folder):
    helm("package", chart, "-d", folder)
    return next(iter(sorted(folder.glob(f"{chart.name}-[0-9]*.tgz"),
                            key=lambda p: p.stat().st_mtime, reverse=True)))


def test_push_search_pull_template(base, helm, registry, tmp_path):
    bytes_of = {}
    for version in ("0.9.0", "0.10.0", "0.10.1-rc.1"):
        path = package(helm, write_chart(tmp_path / version, "app", version),
                       tmp_path)
        bytes_of[version] = path.read_bytes()
        assert push(base, path).status_code == 201
    helm("repo", "add", "r", base)
    found = json.loads(helm("search", "repo", "r/app", "-l", "--devel", "-o",
                            "json").stdout)
    assert [one["version"] for one in found] == ["0.10.1-rc.1", "0.10.0",
                                                 "0.9.0"]
    assert found[0]["app_version"] == "1.10"
    rendered = helm("template", "name", "r/app").stdout
    assert "kind: ConfigMap" in rendered
    registry.restart_daemon()
    fresh = Home(helm.helm, tmp_path / "fresh")
    fresh("repo", "add", "r", base)
    fresh("pull", "r/app", "--version", "0.9.0")
    assert (fresh.folder / "app-0.9.0.tgz").read_bytes() == bytes_of["0.9.0"]
    # Every address of the index, as it is given there.
    index = yaml.safe_load(requests.get(f"{base}/index.yaml",
                                        timeout=30).content)
    for entry in index["entries"]["app"]:
        got = requests.get(f"{base}/{entry['urls'][0]}", timeout=30).content
        assert hashlib.sha256(got).hexdigest() == entry["digest"]
        assert got == bytes_of[entry["version"]]


def test_an_empty_repository_can_be_added(base, helm):
    helm("repo", "add", "r", base)


def test_the_same_index_as_helms_own(base, helm, tmp_path):
    charts = tmp_path / "charts"
    charts.mkdir()
    for name, more in {
            "plain": {}, "deps": {"dependencies": [
                {"name": "plain", "version": "^1.0", "repository": base,
                 "condition": "plain.enabled"}]},
            "library": {"type": "library", "deprecated": True},
            "odd": {"appVersion": "010", "home": "https://example.org/?a=b",
                    "maintainers": [{"name": "Änne", "email": "a@b.c"}],
                    "kubeVersion": ">=1.20.0-0", "icon": "data:,x"}}.items():
        chart = write_chart(tmp_path / "src", name, **more)
        if name == "deps":
            (chart / "charts").mkdir(exist_ok=True)
            (chart / "charts/plain-1.0.0.tgz").write_bytes(
                (charts / "plain-1.0.0.tgz").read_bytes())
        assert push(base, package(helm, chart, charts)).status_code == 201
    old = tmp_path / "src/old"
    (old / "templates").mkdir(parents=True)
    (old / "Chart.yaml").write_text(
        "apiVersion: v1\nname: old\nversion: 2.0.0\n")
    (old / "requirements.yaml").write_text("dependencies: []\n")
    assert push(base, package(helm, old, charts)).status_code == 201
    helm("repo", "index", charts)
    theirs = yaml.safe_load((charts / "index.yaml").read_text())["entries"]
    ours = yaml.safe_load(requests.get(f"{base}/index.yaml",
                                       timeout=30).content)["entries"]
    assert sorted(ours) == sorted(theirs)
    for name, entries in theirs.items():
        for mine, other in zip(ours[name], entries, strict=True):
            for entry in (mine, other):
                entry.pop("created")
            if not other.get("dependencies"):
                mine.pop("dependencies", None)
            assert mine == other


def test_push_plugin(base, helm, client, tmp_path):
    plugin = client("helm-cm-push")
    chart = write_chart(tmp_path, "pushed")
    helm("repo", "add", "r", base)
    done = helm(chart, "r", program=plugin)
    assert "Done" in done.stdout
    again = helm(chart, "r", program=plugin, check=False)
    assert again.returncode != 0 and "already" in again.stderr
    entries = requests.get(f"{base}/api/charts/pushed", timeout=30).json()
    assert [one["version"] for one in entries] == ["1.0.0"]


def test_refused_again_and_forced(base, helm, make_repository, tmp_path):
    path = package(helm, write_chart(tmp_path / "a", "twice"), tmp_path)
    assert push(base, path).status_code == 201
    refused = push(base, path)
    assert refused.status_code == 409 and "already" in refused.json()["error"]
    other = package(helm, write_chart(tmp_path / "b", "twice", icon="x"),
                    tmp_path)
    forced = requests.post(f"{base}/api/charts?force", timeout=30,
                           data=other.read_bytes())
    assert forced.status_code == 409
    free = make_repository("helm", settings='{"overwrite": true}')
    assert push(free, path).status_code == 201
    forced = requests.post(f"{free}/api/charts?force", timeout=30,
                           data=other.read_bytes())
    assert forced.status_code == 201
    assert requests.get(f"{free}/twice-1.0.0.tgz",
                        timeout=30).content == other.read_bytes()


def test_provenance(base, helm, tmp_path):
    gnupg = helm.folder / "gnupg"
    gnupg.mkdir(mode=0o700)
    helm("--batch", "--passphrase", "", "--quick-gen-key",
         "Chart Tests <charts@example.org>", "rsa2048", "sign",
         program="gpg")
    for option in ("--export", "--export-secret-keys"):
        keys = subprocess.run(["gpg", option], env=helm.environment,
                              capture_output=True, check=True).stdout
        (tmp_path / option).write_bytes(keys)
    chart = write_chart(tmp_path, "signed")
    helm("package", "--sign", "--key", "Chart Tests", "--keyring",
         tmp_path / "--export-secret-keys", "-d", tmp_path, chart)
    archive = tmp_path / "signed-1.0.0.tgz"
    signature = tmp_path / "signed-1.0.0.tgz.prov"
    done = requests.post(f"{base}/api/charts", timeout=30, files={
        "chart": archive.read_bytes(), "prov": signature.read_bytes()})
    assert done.status_code == 201, done.text
    helm("repo", "add", "r", base)
    helm("pull", "r/signed", "--verify", "--keyring", tmp_path / "--export")
    assert requests.post(f"{base}/api/prov", timeout=30,
                         data=signature.read_bytes()).status_code == 201
    unsigned = requests.post(f"{base}/api/prov", data=b"name: signed\n",
                             timeout=30)
    assert unsigned.status_code == 400


def test_delete(base, helm, tmp_path):
    for version in ("1.0.0", "2.0.0"):
        push(base, package(helm, write_chart(tmp_path / version, "gone",
                                             version), tmp_path))
    assert requests.delete(f"{base}/api/charts/gone/2.0.0",
                           timeout=30).status_code == 200
    assert requests.get(f"{base}/gone-2.0.0.tgz",
                        timeout=30).status_code == 404
    index = yaml.safe_load(requests.get(f"{base}/index.yaml",
                                        timeout=30).content)
    assert [e["version"] for e in index["entries"]["gone"]] == ["1.0.0"]
    assert requests.delete(f"{base}/api/charts/gone/2.0.0",
                           timeout=30).status_code == 404


def test_a_private_repository(private, helm, tmp_path):
    base = private.repository("helm")
    path = package(helm, write_chart(tmp_path, "hidden"), tmp_path)
    assert push(base, path).status_code == 401
    for who in ("reader", "readonly", "stranger"):
        refused = push(base, path, {
            "Authorization": "Bearer " + private.tokens[who]})
        assert refused.status_code == 403, who
    assert push(base, path, {"Authorization": "Bearer "
                             + private.tokens["writer"]}).status_code == 201
    assert helm("repo", "add", "r", base, check=False).returncode != 0
    helm("repo", "add", "r", base, "--username", "reader", "--password",
         private.tokens["reader"])
    helm("pull", "r/hidden")


def test_charts_that_are_oci_artifacts(base, helm, registry, tmp_path):
    path = package(helm, write_chart(tmp_path, "remote", "3.1.4"), tmp_path)
    helm("push", path, f"oci://{registry.address}/charts", "--plain-http")

    def listed():
        charts = requests.get(f"{base}/api/charts?oci", timeout=30).json()
        return "charts/remote" in charts and charts
    charts = process.wait_until(listed, what="the chart is listed") or listed()
    assert charts["charts/remote"][0]["tag"] == "3.1.4"
    assert charts["charts/remote"][0]["name"] == "remote"


def archive(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


GOOD = b"apiVersion: v2\nname: x\nversion: 1.0.0\n"
HOSTILE = {
    "empty": b"",
    "no archive": b"this is none",
    "no chart": archive({"x/values.yaml": b"a: 1\n"}),
    "another folder": archive({"y/Chart.yaml": GOOD}),
    "climbing": archive({"../x/Chart.yaml": GOOD}),
    "twice": archive({"x/Chart.yaml": GOOD}) + archive(
        {"x/Chart.yaml": GOOD}),
    "no version": archive({"x/Chart.yaml": b"apiVersion: v2\nname: x\n"}),
    "bad version": archive({"x/Chart.yaml": GOOD.replace(b"1.0.0", b"a/b")}),
    "bad name": archive({"x/Chart.yaml": GOOD.replace(b"x\n", b"../x\n")}),
    "no api": archive({"x/Chart.yaml": b"name: x\nversion: 1.0.0\n"}),
    "bad yaml": archive({"x/Chart.yaml": b"a: [\n"}),
    "aliases": archive({"x/Chart.yaml": GOOD + b"a: &a [x]\n" + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c]\n" % (
            c + 1, c + 1, c, c, c, c, c, c) for c in b"abcdefghijk")}),
    "cut short": archive({"x/Chart.yaml": GOOD})[:-30],
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_charts(base, registry, body):
    got = requests.post(f"{base}/api/charts", data=body, timeout=30)
    assert 400 <= got.status_code < 500, got.text
    assert got.json()["error"]
    spool.wait_empty(registry)
