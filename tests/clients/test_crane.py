"""crane (go-containerregistry): the library of ko, kaniko, cosign."""

import json
import os
import re

import pytest

from harness import image, oci
from harness.process import run


@pytest.fixture
def crane(cli):
    def call(*words, **keywords):
        return cli("crane", *words, **keywords)
    return call


@pytest.fixture
def pushed(crane, registry, layout, repo_name):
    """`picture` under v1, pushed by crane; the full name without a tag."""
    name = f"{registry.address}/{repo_name}"
    crane("push", "--insecure", layout, f"{name}:v1")
    return name


def test_push_and_pull(crane, pushed, registry, picture, repo_name,
                       tmp_path):
    answer = oci.Repository(registry, repo_name).get_manifest("v1")
    assert answer.body == picture.manifest
    crane("pull", "--format=oci", f"{pushed}:v1", tmp_path / "back")
    blobs = image.layout_blobs(tmp_path / "back")
    assert blobs[picture.digest] == picture.manifest
    for blob in picture.blobs:
        assert blobs[oci.digest(blob)] == blob


def test_pull_as_a_tarball(crane, pushed, note, tmp_path):
    crane("pull", f"{pushed}:v1", tmp_path / "image.tar")
    crane("validate", "--tarball", tmp_path / "image.tar")
    done = crane("export", f"{pushed}:v1", tmp_path / "root.tar")
    assert done.returncode == 0
    said = run("tar", "-xOf", tmp_path / "root.tar", "note").stdout
    assert said == note


def test_push_of_a_tarball(crane, registry, hello, note, repo_name,
                           tmp_path):
    name = f"{registry.address}/{repo_name}:v1"
    run("tar", "-cf", tmp_path / "layer.tar", "-C", hello.parent,
        hello.name)
    crane("append", "--oci-empty-base", "-f", tmp_path / "layer.tar", "-t",
          name, "--insecure")
    crane("validate", "--remote", name)


def test_validate(crane, pushed):
    assert "PASS" in crane("validate", "--remote", f"{pushed}:v1").stdout


def test_index(crane, registry, family_layout, family, repo_name):
    name = f"{registry.address}/{repo_name}:v1"
    crane("push", "--index", family_layout, name)
    crane("validate", "--remote", name)
    seen = json.loads(crane("manifest", name).stdout)
    kinds = {row["mediaType"] for row in seen["manifests"]}
    assert kinds <= {oci.INDEX, oci.MANIFEST}
    for member in family[1]:
        got = crane("manifest",
                    f"{registry.address}/{repo_name}@{member.digest}")
        assert got.stdout.encode() == member.manifest


def test_platform(crane, registry, family, repo_name):
    oci.Repository(registry, repo_name).push_index(
        [(one, {"os": "linux", "architecture": arch}) for one, arch in zip(
            family[1], ("amd64", "arm64", "s390x"))], "v1")
    name = f"{registry.address}/{repo_name}:v1"
    got = crane("digest", "--platform", "linux/arm64", name).stdout.strip()
    assert got == family[1][1].digest


def test_copy_mounts(crane, pushed, registry, picture, repo_name):
    crane("copy", f"{pushed}:v1", f"{pushed}/other:v2")
    there = oci.Repository(registry, f"{repo_name}/other")
    assert there.get_manifest("v2").body == picture.manifest
    for blob in picture.blobs:
        assert there.get_blob(oci.digest(blob)).body == blob


def test_copy_all_tags(crane, pushed, registry, picture, repo_name):
    crane("tag", f"{pushed}:v1", "v2")
    crane("copy", "--all-tags", pushed, f"{pushed}/all")
    there = oci.Repository(registry, f"{repo_name}/all")
    assert sorted(there.tags().json()["tags"]) == ["v1", "v2"]


def test_digest_config_blob(crane, pushed, picture):
    assert crane("digest", f"{pushed}:v1").stdout.strip() == picture.digest
    config = crane("config", f"{pushed}:v1").stdout
    assert config.encode() == picture.blobs[0]
    layer = oci.digest(picture.blobs[1])
    got = crane("blob", f"{pushed}@{layer}", text=False).stdout
    assert got == picture.blobs[1]


def test_list_and_catalog(crane, pushed, registry, repo_name):
    for tag in ("v2", "v3"):
        crane("tag", f"{pushed}:v1", tag)
    assert sorted(crane("ls", pushed).stdout.split()) == ["v1", "v2", "v3"]
    assert repo_name in crane("catalog", registry.address).stdout.split()


def test_mutate(crane, pushed, registry, repo_name):
    crane("mutate", "-a", "org.example.key=value", "-t", f"{pushed}:v2",
          f"{pushed}:v1")
    body = oci.Repository(registry, repo_name).get_manifest("v2").json()
    assert body["annotations"] == {"org.example.key": "value"}
    crane("validate", "--remote", f"{pushed}:v2")


def test_flatten_and_rebase_of_layers(crane, pushed):
    crane("flatten", "-t", f"{pushed}:flat", f"{pushed}:v1")
    crane("validate", "--remote", f"{pushed}:flat")
    seen = json.loads(crane("manifest", f"{pushed}:flat").stdout)
    assert len(seen["layers"]) == 1


def test_delete_by_digest(crane, pushed, registry, picture, repo_name):
    crane("delete", f"{pushed}@{picture.digest}")
    repo = oci.Repository(registry, repo_name)
    assert repo.get_manifest("v1").status == 404
    gone = crane("digest", f"{pushed}:v1", check=False)
    assert gone.returncode != 0
    assert re.search("MANIFEST_UNKNOWN|404", gone.stdout)


@pytest.mark.ours
def test_delete_of_a_tag(crane, pushed, registry, picture, repo_name):
    crane("tag", f"{pushed}:v1", "v2")
    crane("delete", f"{pushed}:v2")
    repo = oci.Repository(registry, repo_name)
    assert repo.get_manifest("v2").status == 404
    assert repo.get_manifest("v1").body == picture.manifest
    assert repo.tags().json()["tags"] == ["v1"]


def test_over_http2(crane, registry_tls, layout, picture, repo_name, home,
                    tmp_path):
    name = f"{registry_tls.address}/{repo_name}:v1"
    env = {**home, "SSL_CERT_FILE": registry_tls.tls}
    crane("push", layout, name, env=env)
    seen = crane("--verbose", "validate", "--remote", name, env=env).stdout
    assert "HTTP/2.0 200" in seen and "PASS" in seen


def test_large_layer_over_http2(crane, registry_tls, repo_name, home,
                                tmp_path):
    big = oci.make_image([oci.tar_layer(
        {"big": os.urandom(40 << 20)}, compress=False)])
    folder = image.write_layout(tmp_path / "big", big, "v1")
    name = f"{registry_tls.address}/{repo_name}:v1"
    env = {**home, "SSL_CERT_FILE": registry_tls.tls}
    crane("push", folder, name, env=env)
    got = crane("blob", f"{registry_tls.address}/{repo_name}@"
                + oci.digest(big.blobs[1]), env=env, text=False).stdout
    assert got == big.blobs[1]
