"""Docker Engine: build, push, remove, pull, run, indexes."""

import json
import os

import pytest

from harness import image, oci

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]


@pytest.fixture
def build(docker, hello, note, tmp_path):
    """`build(name)` makes an image from a local root file system."""
    def make(name, extra="", filler=300_000):
        root = image.root_tree(tmp_path / "context", hello, note, filler)
        (root / "Dockerfile").write_text(
            "FROM scratch\nCOPY hello note /\nCOPY filler /\n" + extra
            + 'ENTRYPOINT ["/hello"]\n')
        docker("build", "--network", "none", "-t", name, root)
        return name
    return make


def forget(docker, *names):
    docker("rmi", "-f", *names)
    left = docker("images", "-q", *names[:1]).stdout.strip()
    assert left == ""


def test_build_push_remove_pull_run(docker, registry, build, note,
                                    repo_name):
    name = build(f"{registry.address}/{repo_name}:0.1")
    pushed = docker("push", name).stdout
    assert "digest: sha256:" in pushed
    digest = "sha256:" + pushed.split("digest: sha256:")[1].split()[0]
    forget(docker, name)

    pulled = docker("pull", name).stdout
    assert f"Digest: {digest}" in pulled and "Downloaded newer" in pulled
    said = docker("run", "--rm", "--network", "none", name).stdout
    assert f"{image.GREETING} {note}" in said

    repo = oci.Repository(registry, repo_name)
    answer = repo.get_manifest("0.1")
    assert answer.headers["Docker-Content-Digest"] == digest
    assert oci.digest(answer.body) == digest
    assert docker("pull", name).stdout.count("up to date") == 1


def test_pull_by_digest(docker, registry, build, repo_name):
    name = build(f"{registry.address}/{repo_name}:v1")
    pushed = docker("push", name).stdout
    digest = "sha256:" + pushed.split("digest: sha256:")[1].split()[0]
    forget(docker, name)
    exact = f"{registry.address}/{repo_name}@{digest}"
    docker("pull", exact)
    seen = json.loads(docker("image", "inspect", exact).stdout)[0]
    assert seen["RepoDigests"] == [exact]


def test_name_without_a_library(docker, registry, build, note):
    name = build(f"{registry.address}/john/busybox:0.1")
    docker("push", name)
    forget(docker, name)
    docker("pull", name)
    assert note in docker("run", "--rm", "--network", "none", name).stdout


def test_push_again_finds_all_layers(docker, registry, build, repo_name):
    name = build(f"{registry.address}/{repo_name}:v1")
    docker("push", name)
    again = f"{registry.address}/{repo_name}:v2"
    docker("tag", name, again)
    pushed = docker("push", again).stdout
    assert "Layer already exists" in pushed and "Pushed" not in pushed


def test_push_mounts_from_another_repository(docker, registry, build,
                                             repo_name):
    name = build(f"{registry.address}/{repo_name}/one:v1")
    docker("push", name)
    other = f"{registry.address}/{repo_name}/two:v1"
    docker("tag", name, other)
    assert "Mounted from" in docker("push", other).stdout
    forget(docker, name, other)
    docker("pull", other)


def test_all_tags(docker, registry, build, repo_name):
    name = build(f"{registry.address}/{repo_name}:a")
    docker("tag", name, f"{registry.address}/{repo_name}:b")
    docker("push", "--all-tags", f"{registry.address}/{repo_name}")
    forget(docker, name, f"{registry.address}/{repo_name}:b")
    docker("pull", "--all-tags", f"{registry.address}/{repo_name}")
    tags = docker("images", "--format", "{{.Tag}}",
                  f"{registry.address}/{repo_name}").stdout.split()
    assert sorted(tags) == ["a", "b"]


def test_tag_moves(docker, registry, build, hello, repo_name, tmp_path):
    name = build(f"{registry.address}/{repo_name}:latest")
    docker("push", name)
    old = docker("image", "inspect", "-f", "{{.Id}}", name).stdout
    (tmp_path / "context" / "note").write_text("moved")
    docker("build", "--network", "none", "-t", name, tmp_path / "context")
    docker("push", name)
    forget(docker, name)
    docker("pull", name)
    assert docker("image", "inspect", "-f", "{{.Id}}", name).stdout != old
    assert "moved" in docker("run", "--rm", "--network", "none", name).stdout


def test_many_large_layers(docker, registry, build, repo_name, tmp_path):
    context = tmp_path / "context"
    context.mkdir()
    extra = ""
    for number in range(7):
        (context / f"big{number}").write_bytes(os.urandom(9 << 20))
        extra += f"COPY big{number} /\n"
    name = build(f"{registry.address}/{repo_name}:v1", extra)
    docker("push", name)
    before = docker("image", "inspect", "-f", "{{.RootFS}}", name).stdout
    forget(docker, name)
    docker("pull", name)
    after = docker("image", "inspect", "-f", "{{.RootFS}}", name).stdout
    assert before == after


def test_missing_image(docker, registry, repo_name):
    done = docker("pull", f"{registry.address}/{repo_name}:none",
                  check=False)
    assert done.returncode != 0
    assert "manifest unknown" in done.stdout or "not found" in done.stdout


def test_index_of_architectures(docker, registry, build, hello, note,
                                repo_name):
    base = f"{registry.address}/{repo_name}"
    names = {}
    for architecture in ("amd64", "arm64"):
        names[architecture] = build(
            f"{base}:{architecture}", f"LABEL arch={architecture}\n")
        docker("push", names[architecture])
    docker("manifest", "create", "--insecure", f"{base}:all",
           *names.values())
    docker("manifest", "annotate", f"{base}:all", names["arm64"], "--os",
           "linux", "--arch", "arm64")
    digest = docker("manifest", "push", "--insecure",
                    f"{base}:all").stdout.strip().splitlines()[-1]
    answer = oci.Repository(registry, repo_name).get_manifest("all")
    assert answer.headers["Content-Type"] == oci.DOCKER_LIST
    assert answer.headers["Docker-Content-Digest"] == digest
    rows = answer.json()["manifests"]
    assert [row["platform"]["architecture"] for row in rows] == [
        "amd64", "arm64"]
    seen = json.loads(docker("manifest", "inspect", "--insecure",
                             f"{base}:all").stdout)
    assert seen["manifests"] == rows
    forget(docker, *names.values())
    docker("pull", f"{base}:all")
    assert note in docker("run", "--rm", "--network", "none",
                          f"{base}:all").stdout


def test_pulls_what_skopeo_pushed(docker, registry, cli, layout, note,
                                  repo_name):
    name = f"{registry.address}/{repo_name}:v1"
    cli("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false",
        f"oci:{layout}:v1", f"docker://{name}")
    docker("pull", name)
    assert note in docker("run", "--rm", "--network", "none", name).stdout
