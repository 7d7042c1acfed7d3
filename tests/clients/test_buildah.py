"""buildah: images from scratch, Dockerfiles, manifest lists."""

import pytest

from harness import image, oci
from harness.process import run

pytestmark = pytest.mark.heavy

PLAIN = "--tls-verify=false"


@pytest.fixture
def buildah(client, home, tmp_path):
    """`buildah` with a storage of this test's own."""
    program = client("buildah")
    env = {**home, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(tmp_path),
           "CONTAINERS_STORAGE_CONF": str(tmp_path / "storage.conf")}
    (tmp_path / "storage.conf").write_text(
        '[storage]\ndriver = "overlay"\n'
        f'runroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/storage"\n')

    def call(*words, **keywords):
        return run(program, *words, env=env, cwd=tmp_path, **keywords)
    yield call
    call("rm", "--all", check=False)
    call("rmi", "--all", "--force", check=False)
    run("umount", tmp_path / "storage/overlay", check=False)


@pytest.fixture
def build(buildah, hello, note, tmp_path):
    """`build(tag)` makes a local image from a Dockerfile."""
    def make(tag, *more):
        root = image.root_tree(tmp_path / "context", hello, note, 100_000)
        (root / "Dockerfile").write_text(
            "FROM scratch\nCOPY hello note filler /\n"
            'ENTRYPOINT ["/hello"]\n')
        buildah("bud", "--network", "host",
                "-t", tag, *more, root)
        return tag
    return make


def push(buildah, what, name, *more):
    return buildah("push", PLAIN, *more, what,
                   f"docker://{name}")


def test_build_push_and_pull(buildah, build, registry, repo_name,
                             tmp_path):
    name = f"{registry.address}/{repo_name}:v1"
    build("local")
    push(buildah, "local", name, "--digestfile",
         tmp_path / "digest")
    digest = (tmp_path / "digest").read_text()
    answer = oci.Repository(registry, repo_name).get_manifest("v1")
    assert answer.headers["Docker-Content-Digest"] == digest
    buildah("rmi", "--all", "--force")
    buildah("pull", PLAIN, name)
    box = buildah("from", PLAIN, name).stdout.split()[-1]
    said = buildah("run", box, "/hello").stdout
    assert image.GREETING in said


def test_commit_to_the_registry(buildah, registry, hello, note,
                                repo_name):
    box = buildah("from", "scratch").stdout.strip()
    buildah("copy", box, hello, "/hello")
    buildah("config", "--entrypoint", '["/hello"]', "--label",
            f"note={note}", box)
    buildah("commit", PLAIN, box,
            f"docker://{registry.address}/{repo_name}:v1")
    repo = oci.Repository(registry, repo_name)
    manifest = repo.get_manifest("v1").json()
    config = repo.get_blob(manifest["config"]["digest"]).json()
    assert config["config"]["Labels"]["note"] == note


@pytest.mark.parametrize("form, media_type", (
    ("oci", oci.MANIFEST), ("docker", oci.DOCKER_MANIFEST)))
def test_formats(buildah, build, registry, repo_name, form,
                 media_type):
    build("local", "--format", form)
    push(buildah, "local", f"{registry.address}/{repo_name}:v1",
         "--format", {"oci": "oci", "docker": "v2s2"}[form])
    answer = oci.Repository(registry, repo_name).get_manifest("v1")
    assert answer.headers["Content-Type"] == media_type


def test_build_upon_a_pushed_base(buildah, build, registry,
                                  repo_name, tmp_path):
    base = f"{registry.address}/{repo_name}/base:v1"
    build("local")
    push(buildah, "local", base)
    buildah("rmi", "--all", "--force")
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / "Dockerfile").write_text(f"FROM {base}\nLABEL upper=yes\n")
    buildah("bud", PLAIN, "--network", "host",
            "-t", "upper", upper)
    push(buildah, "upper", f"{registry.address}/{repo_name}/up:v1")
    one, two = (oci.Repository(registry, f"{repo_name}/{part}").get_manifest(
        "v1").json()["layers"][0]["digest"] for part in ("base", "up"))
    assert one == two


def test_list_of_architectures(buildah, build, registry, repo_name):
    name = f"{registry.address}/{repo_name}:v1"
    for architecture in ("amd64", "arm64"):
        build(f"local-{architecture}", "--arch", architecture)
    buildah("manifest", "create", "all", "local-amd64", "local-arm64")
    buildah("manifest", "push", PLAIN, "--all",
            "all", f"docker://{name}")
    answer = oci.Repository(registry, repo_name).get_manifest("v1")
    assert answer.headers["Content-Type"] in (oci.INDEX, oci.DOCKER_LIST)
    assert sorted(row["platform"]["architecture"]
                  for row in answer.json()["manifests"]) == [
        "amd64", "arm64"]
