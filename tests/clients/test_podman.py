"""podman: build, push, pull, run, search, and zstd:chunked layers."""

import json
import os

import pytest

from harness import image, oci
from harness.engines import Podman
from harness.process import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

PLAIN = "--tls-verify=false"


@pytest.fixture
def make_podman(client, registry, home, tmp_path):
    program, made = client("podman"), []

    def make(name="podman", **arguments):
        made.append(Podman(program, home, tmp_path / name,
                           registry.address, **arguments))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def podman(make_podman):
    return make_podman()


@pytest.fixture
def build(podman, hello, note, tmp_path):
    """`build(tag)` makes a local image from a Dockerfile."""
    def make(tag, filler=300_000):
        root = image.root_tree(tmp_path / "context", hello, note, filler)
        (root / "Dockerfile").write_text(
            "FROM scratch\nCOPY hello note /\nCOPY filler /\n"
            'ENTRYPOINT ["/hello"]\n')
        podman("build", "--network", "host", "--isolation", "chroot", "-t",
               tag, root)
        return tag
    return make


def push(podman, what, name, *more):
    return podman("push", PLAIN, *more, what, name)


def pull(podman, name, *more):
    return podman("pull", PLAIN, *more, name)


def say(podman, name):
    """What the image prints when run without network.

    Not attached: 4.3 then looks for conmon, which ends at once here, for
    20 seconds.
    """
    box = podman("run", "--detach", "--network", "none", "--log-driver",
                 "k8s-file", name).stdout.split()[-1]
    wait_until(lambda: podman("inspect", "--format", "{{.State.Running}}",
                              box).stdout.strip() == "false",
               what="container ends")
    said = podman("logs", box).stdout
    podman("rm", box)
    return said


def test_build_push_remove_pull_run(podman, build, registry, note,
                                    repo_name):
    name = f"{registry.address}/{repo_name}:v1"
    build(name)
    push(podman, name, name)
    podman("rmi", "--all", "--force")
    pull(podman, name)
    assert f"{image.GREETING} {note}" in say(podman, name)
    digest = podman("image", "inspect", "--format", "{{.Digest}}",
                    name).stdout.strip()
    answer = oci.Repository(registry, repo_name).head_manifest("v1")
    assert answer.headers["Docker-Content-Digest"] == digest


@pytest.mark.parametrize("form, media_type", (
    ("oci", oci.MANIFEST), ("v2s2", oci.DOCKER_MANIFEST)))
def test_formats(podman, build, registry, note, repo_name, form,
                 media_type):
    name = f"{registry.address}/{repo_name}:v1"
    build("local")
    push(podman, "local", name, "--format", form)
    answer = oci.Repository(registry, repo_name).get_manifest("v1")
    assert answer.headers["Content-Type"] == media_type
    podman("rmi", "--all", "--force")
    pull(podman, name)
    assert note in say(podman, name)


def test_pull_by_digest_and_again(podman, registry, picture, note,
                                  repo_name):
    oci.Repository(registry, repo_name).push(picture, "v1")
    name = f"{registry.address}/{repo_name}@{picture.digest}"
    first = pull(podman, name, "--quiet").stdout
    assert pull(podman, name, "--quiet").stdout == first
    assert note in say(podman, name)


def test_pull_of_all_tags(podman, registry, picture, repo_name):
    repo = oci.Repository(registry, repo_name)
    for tag in ("a", "b", "c"):
        repo.push(picture, tag)
    pull(podman, f"{registry.address}/{repo_name}", "--all-tags")
    seen = podman("images", "--format", "{{.Tag}}").stdout.split()
    assert sorted(seen) == ["a", "b", "c"]


def test_manifest_list(podman, build, registry, note, repo_name):
    name = f"{registry.address}/{repo_name}:v1"
    build("local")
    podman("manifest", "create", "all", "containers-storage:localhost/local")
    podman("manifest", "push", PLAIN, "--all", "all", f"docker://{name}")
    podman("manifest", "rm", "all")
    podman("rmi", "--all", "--force")
    pull(podman, name)
    assert note in say(podman, name)


def test_search_lists_tags(podman, registry, picture, repo_name):
    repo = oci.Repository(registry, repo_name)
    for tag in ("a", "b"):
        repo.push(picture, tag)
    lines = podman("search", PLAIN, "--list-tags",
                   f"{registry.address}/{repo_name}").stdout.splitlines()
    assert sorted(line.split()[-1] for line in lines[1:]) == ["a", "b"]


def test_search_reads_the_catalog(podman, registry, picture, repo_name):
    oci.Repository(registry, repo_name).push(picture, "v1")
    seen = podman("search", PLAIN, "--format", "{{.Name}}",
                  f"{registry.address}/{repo_name}").stdout.split()
    assert f"{registry.address}/{repo_name}" in seen


def test_login_without_users(podman, registry):
    said = podman("login", PLAIN, "-u", "anyone", "-p", "any",
                  registry.address).stdout
    assert "Login Succeeded" in said


@pytest.mark.parametrize("compression", ("gzip", "zstd"))
def test_compressions(podman, build, registry, note, repo_name,
                      compression):
    name = f"{registry.address}/{repo_name}:v1"
    build("local")
    push(podman, "local", name, "--format", "oci",
         "--compression-format", compression)
    body = oci.Repository(registry, repo_name).get_manifest("v1").json()
    assert {layer["mediaType"].rsplit("+")[-1]
            for layer in body["layers"]} == {compression}
    podman("rmi", "--all", "--force")
    pull(podman, name)
    assert note in say(podman, name)


def push_chunked(podman, build, registry, repo_name, filler):
    name = f"{registry.address}/{repo_name}:v1"
    build("local", filler)
    push(podman, "local", name, "--format", "oci",
         "--compression-format", "zstd:chunked")
    body = oci.Repository(registry, repo_name).get_manifest("v1").json()
    marks = [layer.get("annotations", {}) for layer in body["layers"]]
    assert all(any(name.endswith("zstd-chunked.manifest-position")
                   for name in mark) for mark in marks), body
    return name, body


def test_zstd_chunked_as_a_whole(make_podman, podman, build, registry,
                                 note, repo_name):
    name, _ = push_chunked(podman, build, registry, repo_name,
                           400_000)
    other = make_podman("other")
    pull(other, name)
    assert note in say(other, name)


def test_zstd_chunked_in_ranges(make_podman, podman, build, registry,
                                note, repo_name):
    """The puller asks for ranges: the table of contents, then files."""
    name, _ = push_chunked(podman, build, registry, repo_name,
                           400_000)
    other = make_podman("partial", partial=True)
    said = other("--log-level", "debug", "pull", PLAIN,
                 name).stdout
    assert note in say(other, name)
    if "Retrieved partial blob" not in said:
        version = other("--version").stdout.split()[-1]
        pytest.skip(f"podman {version} does not pull partially here: "
                    + _partial_reason(said))


def _partial_reason(said):
    lines = [line for line in said.splitlines() if "artial" in line]
    return lines[-1][-160:] if lines else "it never tried"


def test_tls(podman, build, registry_tls, certificates, note, repo_name):
    name = f"{registry_tls.address}/{repo_name}:v1"
    build(name)
    podman("push", "--cert-dir", certificates, name)
    podman("rmi", "--all", "--force")
    podman("pull", "--cert-dir", certificates, name)
    assert note in say(podman, name)


def test_many_large_layers(podman, registry, hello, repo_name,
                           tmp_path):
    """Six parallel transfers each way, and nothing is mixed up."""
    layers = [{f"big{number}": os.urandom(8 << 20)} for number in range(8)]
    raw = [oci.tar_layer(files, compress=False) for files in layers]
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers",
                   "diff_ids": [oci.digest(data) for data in raw]}}).encode()
    picture = oci.make_image([oci.tar_layer(files) for files in layers],
                             config=config)
    folder = image.write_layout(tmp_path / "big", picture, "v1")
    podman("pull", f"oci:{folder}:v1")
    identity = podman("images", "--quiet", "--no-trunc").stdout.strip()
    name = f"{registry.address}/{repo_name}:v1"
    push(podman, identity, name)
    podman("rmi", "--all", "--force")
    pull(podman, name)
    assert podman("images", "--quiet", "--no-trunc").stdout.strip() == (
        identity)
