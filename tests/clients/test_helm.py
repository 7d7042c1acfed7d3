"""helm: charts as OCI artifacts."""

import pytest

from harness import oci
from harness.process import run

CONFIG = "application/vnd.cncf.helm.config.v1+json"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@pytest.fixture
def helm(client, home, tmp_path):
    program = client("helm")
    env = {**home, "HELM_CACHE_HOME": str(tmp_path / "cache"),
           "HELM_CONFIG_HOME": str(tmp_path / "config"),
           "HELM_DATA_HOME": str(tmp_path / "data")}

    def call(*words, **keywords):
        return run(program, *words, env=env, cwd=tmp_path, **keywords)
    return call


def package(helm, tmp_path, name, version, depends=""):
    """A chart made and packed; the path of the archive."""
    chart = tmp_path / name
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text(
        f"apiVersion: v2\nname: {name}\nversion: {version}\n"
        f"description: says {name}\n{depends}")
    (chart / "values.yaml").write_text("greeting: hello\n")
    (chart / "templates/map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n"
        "data:\n  text: {{ .Values.greeting }}\n")
    helm("package", chart)
    return tmp_path / f"{name}-{version}.tgz"


@pytest.fixture
def place(registry, repo_name):
    """The oci:// address charts are pushed to."""
    return f"oci://{registry.address}/{repo_name}"


def push(helm, tmp_path, place, version, name="greeter"):
    archive = package(helm, tmp_path, name, version)
    return helm("push", "--plain-http", archive, place).stdout


def test_push_and_pull(helm, place, registry, repo_name, tmp_path):
    said = push(helm, tmp_path, place, "1.2.3")
    assert "Digest: sha256:" in said
    (tmp_path / "out").mkdir()
    helm("pull", "--plain-http", f"{place}/greeter", "--version", "1.2.3",
         "-d", "out")
    assert (tmp_path / "out/greeter-1.2.3.tgz").read_bytes() == (
        tmp_path / "greeter-1.2.3.tgz").read_bytes()
    answer = oci.Repository(
        registry, f"{repo_name}/greeter").get_manifest("1.2.3")
    body = answer.json()
    assert body["config"]["mediaType"] == CONFIG
    assert [layer["mediaType"] for layer in body["layers"]] == [CHART]
    digest = said.split("Digest: ")[1].split()[0]
    assert answer.headers["Docker-Content-Digest"] == digest


def test_pull_by_digest(helm, place, tmp_path):
    digest = push(helm, tmp_path, place, "1.0.0").split("Digest: ")[1]
    (tmp_path / "out").mkdir()
    helm("pull", "--plain-http", f"{place}/greeter@{digest.split()[0]}",
         "-d", "out")
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_show_and_template(helm, place, tmp_path):
    push(helm, tmp_path, place, "2.0.0")
    chart = helm("show", "chart", "--plain-http", f"{place}/greeter",
                 "--version", "2.0.0").stdout
    assert "says greeter" in chart
    text = helm("template", "--plain-http", "r", f"{place}/greeter",
                "--version", "2.0.0", "--set", "greeting=moin").stdout
    assert "text: moin" in text


def test_newest_of_a_range(helm, place, tmp_path):
    for version in ("1.0.0", "1.9.0", "1.10.0", "2.0.0", "3.0.0-rc.1"):
        push(helm, tmp_path, place, version)
    chart = helm("show", "chart", "--plain-http", f"{place}/greeter",
                 "--version", "^1.0.0").stdout
    assert "version: 1.10.0" in chart
    newest = helm("show", "chart", "--plain-http", f"{place}/greeter").stdout
    assert "version: 2.0.0" in newest
    rc = helm("show", "chart", "--plain-http", f"{place}/greeter", "--devel")
    assert "version: 3.0.0-rc.1" in rc.stdout


def test_plus_in_a_version(helm, place, registry, repo_name, tmp_path):
    push(helm, tmp_path, place, "1.0.0+build.5")
    tags = oci.Repository(
        registry, f"{repo_name}/greeter").tags().json()["tags"]
    assert tags == ["1.0.0_build.5"]
    chart = helm("show", "chart", "--plain-http", f"{place}/greeter",
                 "--version", "1.0.0+build.5").stdout
    assert "version: 1.0.0+build.5" in chart


def test_dependency(helm, registry_tls, repo_name, tmp_path):
    """By TLS: helm knows no plain HTTP for dependencies."""
    place = f"oci://{registry_tls.address}/{repo_name}"
    archive = package(helm, tmp_path, "base", "1.1.0")
    helm("push", "--ca-file", registry_tls.tls, archive, place)
    package_of = tmp_path / "app"
    package_of.mkdir()
    (package_of / "Chart.yaml").write_text(
        "apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n"
        f"- name: base\n  version: ^1.0.0\n  repository: {place}\n")
    helm("dependency", "update", "--ca-file", registry_tls.tls, package_of)
    assert (package_of / "charts/base-1.1.0.tgz").read_bytes() == (
        archive.read_bytes())


def test_login_without_users(helm, registry, tmp_path):
    said = helm("registry", "login", "--plain-http", "-u", "anyone", "-p",
                "any", registry.address).stdout
    assert "Login Succeeded" in said


def test_missing_chart(helm, place):
    done = helm("show", "chart", "--plain-http", f"{place}/none",
                "--version", "1.0.0", check=False)
    assert done.returncode != 0 and "not found" in done.stdout
