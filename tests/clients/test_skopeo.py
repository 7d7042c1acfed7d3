"""skopeo: copy, inspect, list, sync and delete."""

import json

import pytest

from harness import image, oci

PLAIN = "--src-tls-verify=false", "--dest-tls-verify=false"


@pytest.fixture
def skopeo(cli):
    def call(verb, *words, before=(), **keywords):
        return cli("skopeo", "--insecure-policy", *before, verb, *words,
                   **keywords)
    return call


def push(skopeo, registry, layout, name, *more):
    skopeo("copy", *PLAIN, *more, f"oci:{layout}:v1",
           f"docker://{registry.address}/{name}")


def test_copy_there_and_back(skopeo, registry, layout, picture, repo_name,
                             tmp_path):
    push(skopeo, registry, layout, f"{repo_name}:v1")
    repo = oci.Repository(registry, repo_name)
    answer = repo.get_manifest("v1")
    assert answer.body == picture.manifest
    assert answer.headers["Docker-Content-Digest"] == picture.digest
    back = tmp_path / "back"
    skopeo("copy", *PLAIN, f"docker://{registry.address}/{repo_name}:v1",
           f"oci:{back}:v1")
    assert image.layout_blobs(back) == image.layout_blobs(layout)


def test_copy_by_digest(skopeo, registry, layout, picture, repo_name,
                        tmp_path):
    push(skopeo, registry, layout, f"{repo_name}:v1")
    skopeo("copy", *PLAIN,
           f"docker://{registry.address}/{repo_name}@{picture.digest}",
           f"dir:{tmp_path}/back")
    assert (tmp_path / "back/manifest.json").read_bytes() == picture.manifest


def test_copy_again_sends_nothing(skopeo, registry, layout, repo_name):
    push(skopeo, registry, layout, f"{repo_name}:v1")
    done = skopeo("copy", *PLAIN, f"oci:{layout}:v1",
                  f"docker://{registry.address}/{repo_name}:v2",
                  before=["--debug"])
    assert "HEAD http" in done.stdout and "POST http" not in done.stdout
    tags = oci.Repository(registry, repo_name).tags().json()["tags"]
    assert sorted(tags) == ["v1", "v2"]


@pytest.mark.parametrize("form, media_type", (
    ("oci", oci.MANIFEST), ("v2s2", oci.DOCKER_MANIFEST)))
def test_formats(skopeo, registry, layout, repo_name, form, media_type):
    push(skopeo, registry, layout, f"{repo_name}:v1", "--format", form)
    answer = oci.Repository(registry, repo_name).get_manifest("v1")
    assert answer.headers["Content-Type"] == media_type
    assert answer.json()["mediaType"] == media_type


@pytest.mark.parametrize("compression", ("gzip", "zstd"))
def test_compressions(skopeo, registry, layout, repo_name, tmp_path,
                      compression):
    # From an unpacked copy, so that skopeo really compresses while it sends
    # and the size is not known beforehand (chunked transfer).
    skopeo("copy", "--dest-decompress", f"oci:{layout}:v1",
           f"dir:{tmp_path}/open")
    skopeo("copy", *PLAIN, "--dest-compress-format", compression,
           f"dir:{tmp_path}/open",
           f"docker://{registry.address}/{repo_name}:v1", "--format", "oci")
    body = oci.Repository(registry, repo_name).get_manifest("v1").json()
    kinds = {layer["mediaType"].rsplit("+")[-1] for layer in body["layers"]}
    assert kinds == {compression}
    skopeo("copy", *PLAIN, f"docker://{registry.address}/{repo_name}:v1",
           f"oci:{tmp_path}/back:v1")
    image.layout_blobs(tmp_path / "back")


def test_copy_all_architectures(skopeo, registry, family_layout, family,
                                repo_name, tmp_path):
    skopeo("copy", *PLAIN, "--all", f"oci:{family_layout}:v1",
           f"docker://{registry.address}/{repo_name}:v1")
    repo = oci.Repository(registry, repo_name)
    assert repo.get_manifest("v1").body == family[0].manifest
    for member in family[1]:
        assert repo.get_manifest(member.digest).body == member.manifest
    skopeo("copy", *PLAIN, "--all",
           f"docker://{registry.address}/{repo_name}:v1",
           f"oci:{tmp_path}/back:v1")
    assert image.layout_blobs(tmp_path / "back") == image.layout_blobs(
        family_layout)


def test_one_architecture_of_many(skopeo, registry, family_layout, family,
                                  repo_name, tmp_path):
    skopeo("copy", *PLAIN, "--all", f"oci:{family_layout}:v1",
           f"docker://{registry.address}/{repo_name}:v1")
    skopeo("copy", *PLAIN, f"docker://{registry.address}/{repo_name}:v1",
           f"dir:{tmp_path}/back", before=["--override-arch=arm64"])
    assert (tmp_path / "back/manifest.json").read_bytes() == (
        family[1][1].manifest)


def test_copy_between_repositories(skopeo, registry, layout, picture,
                                   repo_name):
    push(skopeo, registry, layout, f"{repo_name}/from:v1")
    skopeo("copy", *PLAIN,
           f"docker://{registry.address}/{repo_name}/from:v1",
           f"docker://{registry.address}/{repo_name}/to:v1")
    there = oci.Repository(registry, f"{repo_name}/to")
    assert there.get_manifest("v1").body == picture.manifest
    for blob in picture.blobs:
        assert there.get_blob(oci.digest(blob)).body == blob


def test_inspect(skopeo, registry, layout, picture, repo_name):
    push(skopeo, registry, layout, f"{repo_name}:v1")
    where = f"docker://{registry.address}/{repo_name}:v1"
    seen = json.loads(skopeo("inspect", "--tls-verify=false", where).stdout)
    assert seen["Name"] == f"{registry.address}/{repo_name}"
    assert seen["Digest"] == picture.digest
    assert seen["RepoTags"] == ["v1"]
    assert seen["Layers"] == [oci.digest(b) for b in picture.blobs[1:]]
    raw = skopeo("inspect", "--tls-verify=false", "--raw", where)
    assert raw.stdout.encode() == picture.manifest
    config = skopeo("inspect", "--tls-verify=false", "--config", "--raw",
                    where)
    assert config.stdout.encode() == picture.blobs[0]


def test_list_tags(skopeo, registry, layout, repo_name):
    names = ["1.0", "1.1_rc-1", "Latest", "v1"]
    for name in names:
        push(skopeo, registry, layout, f"{repo_name}:{name}")
    seen = json.loads(skopeo(
        "list-tags", "--tls-verify=false",
        f"docker://{registry.address}/{repo_name}").stdout)
    assert sorted(seen["Tags"]) == names


@pytest.mark.ours
def test_many_tags_are_paged(skopeo, registry, picture, repo_name):
    repo = oci.Repository(registry, repo_name)
    repo.push(picture, "t-000")
    names = [f"t-{number:03}" for number in range(230)]
    for name in names[1:]:
        repo.put_manifest(name, picture.manifest)
    page = repo.tags("?n=100")
    assert page.json()["tags"] == names[:100]
    assert 'rel="next"' in page.headers["Link"]
    seen = json.loads(skopeo(
        "list-tags", "--tls-verify=false",
        f"docker://{registry.address}/{repo_name}").stdout)
    assert seen["Tags"] == names


def test_delete(skopeo, registry, layout, picture, repo_name):
    push(skopeo, registry, layout, f"{repo_name}:v1")
    skopeo("delete", "--tls-verify=false",
           f"docker://{registry.address}/{repo_name}:v1")
    repo = oci.Repository(registry, repo_name)
    assert repo.get_manifest("v1").status == 404
    assert repo.get_manifest(picture.digest).status == 404
    gone = skopeo("inspect", "--tls-verify=false", check=False,
                  *[f"docker://{registry.address}/{repo_name}:v1"])
    assert gone.returncode != 0
    assert "unknown" in gone.stdout.lower()


def test_sync_to_and_from_a_folder(skopeo, registry, layout, picture,
                                   repo_name, tmp_path):
    for tag in ("a", "b"):
        push(skopeo, registry, layout, f"{repo_name}/x:{tag}")
    folder = tmp_path / "sync"
    folder.mkdir()
    skopeo("sync", "--src-tls-verify=false", "--src", "docker", "--dest",
           "dir", f"{registry.address}/{repo_name}/x", folder)
    assert len(list(folder.iterdir())) == 2
    skopeo("sync", "--dest-tls-verify=false", "--src", "dir", "--dest",
           "docker", folder, f"{registry.address}/{repo_name}/back")
    copy = oci.Repository(registry, f"{repo_name}/back/x")
    assert sorted(copy.tags().json()["tags"]) == ["a", "b"]
    assert copy.get_manifest("a").body == picture.manifest


def test_sync_between_repositories(skopeo, registry, layout, picture,
                                   repo_name):
    push(skopeo, registry, layout, f"{repo_name}/y:v1")
    skopeo("sync", *PLAIN, "--src", "docker", "--dest", "docker",
           f"{registry.address}/{repo_name}/y",
           f"{registry.address}/{repo_name}/mirror")
    mirror = oci.Repository(registry, f"{repo_name}/mirror/y")
    assert mirror.get_manifest("v1").body == picture.manifest


def test_tls_and_http2(skopeo, registry_tls, certificates, layout, picture,
                       repo_name, tmp_path):
    where = f"docker://{registry_tls.address}/{repo_name}:v1"
    skopeo("copy", "--dest-cert-dir", certificates, f"oci:{layout}:v1",
           where)
    skopeo("copy", "--src-cert-dir", certificates, where,
           f"oci:{tmp_path}/back:v1")
    assert image.layout_blobs(tmp_path / "back") == image.layout_blobs(layout)


def test_large_layers_in_parallel(skopeo, registry, hello, note, repo_name,
                                  tmp_path):
    layers = [oci.tar_layer({"hello": hello.read_bytes()})] + [
        oci.tar_layer({f"big{n}": bytes([n]) * (12 << 20)}, compress=False)
        for n in range(6)]
    big = oci.make_image(layers)
    folder = image.write_layout(tmp_path / "big", big, "v1")
    push(skopeo, registry, folder, f"{repo_name}:v1", "--preserve-digests")
    skopeo("copy", *PLAIN, "--preserve-digests",
           f"docker://{registry.address}/{repo_name}:v1",
           f"oci:{tmp_path}/back:v1")
    assert image.layout_blobs(tmp_path / "back") == image.layout_blobs(folder)
