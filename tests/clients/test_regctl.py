"""regctl (regclient): chunked uploads, copies with referrers, tags."""

import json
import os

import pytest

from harness import image, oci
from harness.process import run


@pytest.fixture
def regctl(client, registry, home, tmp_path):
    """Set up for plain HTTP, with blobs of more than 64 KiB in chunks."""
    program = client("regctl")
    env = {**home, "REGCTL_CONFIG": str(tmp_path / "regctl.json")}

    def call(*words, **keywords):
        return run(program, *words, env=env, cwd=tmp_path, **keywords)
    call("registry", "set", registry.address, "--tls", "disabled",
         "--blob-chunk", "65536", "--blob-max", "65536", "--req-per-sec",
         "1000", "--skip-check")
    return call


@pytest.fixture
def pushed(regctl, registry, layout, repo_name):
    """`picture` under v1; the full name without a tag."""
    name = f"{registry.address}/{repo_name}"
    regctl("image", "copy", f"ocidir://{layout}:v1", f"{name}:v1")
    return name


@pytest.mark.parametrize("size", (0, 1, 65535, 65536, 65537, 1_000_000))
def test_blob_in_chunks(regctl, registry, repo_name, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "blob").write_bytes(data)
    with open(tmp_path / "blob", "rb") as file:
        done = regctl("blob", "put", f"{registry.address}/{repo_name}",
                      stdin=file)
    assert done.stdout.strip() == oci.digest(data)
    got = regctl("blob", "get", f"{registry.address}/{repo_name}",
                 oci.digest(data), text=False).stdout
    assert got == data
    kept = oci.Repository(registry, repo_name).get_blob(oci.digest(data))
    assert kept.body == data


def test_chunks_are_really_sent(regctl, registry, repo_name, tmp_path):
    (tmp_path / "blob").write_bytes(os.urandom(300_000))
    with open(tmp_path / "blob", "rb") as file:
        done = regctl("blob", "put", f"{registry.address}/{repo_name}",
                      "-v", "trace", stdin=file)
    assert done.stdout.count("PATCH") >= 5


def test_blob_with_a_wrong_digest(regctl, registry, repo_name, tmp_path):
    (tmp_path / "blob").write_bytes(b"these")
    with open(tmp_path / "blob", "rb") as file:
        done = regctl("blob", "put", f"{registry.address}/{repo_name}",
                      "--digest", oci.digest(b"others"), stdin=file,
                      check=False)
    assert done.returncode != 0
    repo = oci.Repository(registry, repo_name)
    assert repo.head_blob(oci.digest(b"others")).status == 404


def test_blob_head_and_delete(regctl, registry, repo_name):
    data = os.urandom(1000)
    name = oci.Repository(registry, repo_name).push_blob(data)
    where = f"{registry.address}/{repo_name}"
    head = regctl("blob", "head", where, name).stdout
    assert "1000" in head
    regctl("blob", "delete", where, name)
    assert regctl("blob", "head", where, name, check=False).returncode != 0


def test_blob_copy(regctl, registry, repo_name):
    data = os.urandom(5000)
    name = oci.Repository(registry, f"{repo_name}/a").push_blob(data)
    regctl("blob", "copy", f"{registry.address}/{repo_name}/a",
           f"{registry.address}/{repo_name}/b", name)
    there = oci.Repository(registry, f"{repo_name}/b")
    assert there.get_blob(name).body == data


def test_image_there_and_back(regctl, pushed, registry, layout, picture,
                              repo_name, tmp_path):
    repo = oci.Repository(registry, repo_name)
    assert repo.get_manifest("v1").body == picture.manifest
    regctl("image", "copy", f"{pushed}:v1", f"ocidir://{tmp_path}/back:v1")
    assert image.layout_blobs(tmp_path / "back") == image.layout_blobs(
        layout)


def test_image_of_many_architectures(regctl, registry, family_layout,
                                     family, repo_name):
    name = f"{registry.address}/{repo_name}:v1"
    regctl("image", "copy", f"ocidir://{family_layout}:v1", name)
    got = regctl("manifest", "get", "--format", "raw-body", name).stdout
    assert got.encode() == family[0].manifest
    one = regctl("image", "digest", "--platform", "linux/s390x", name)
    assert one.stdout.strip() == family[1][2].digest
    checked = regctl("image", "check-base", name, check=False)
    assert "panic" not in checked.stdout


def test_image_export_and_import(regctl, pushed, registry, picture,
                                 repo_name, tmp_path):
    regctl("image", "export", f"{pushed}:v1", tmp_path / "image.tar")
    regctl("image", "import", f"{pushed}/again:v1", tmp_path / "image.tar")
    again = oci.Repository(registry, f"{repo_name}/again")
    assert again.get_manifest("v1").body == picture.manifest


def test_image_mod(regctl, pushed, registry, repo_name):
    regctl("image", "mod", f"{pushed}:v1", "--create", f"{pushed}:v2",
           "--annotation", "org.example.k=v")
    body = oci.Repository(registry, repo_name).get_manifest("v2").json()
    assert body["annotations"]["org.example.k"] == "v"


def test_tags(regctl, pushed, registry, repo_name):
    for tag in ("v2", "v3", "other"):
        regctl("image", "copy", f"{pushed}:v1", f"{pushed}:{tag}")
    seen = regctl("tag", "ls", pushed).stdout.split()
    assert sorted(seen) == ["other", "v1", "v2", "v3"]
    some = regctl("tag", "ls", "--include", "v.*", pushed).stdout.split()
    assert sorted(some) == ["v1", "v2", "v3"]


def test_delete_of_a_tag(regctl, pushed, registry, picture, repo_name):
    """Also on servers that know no delete of tags; regctl works around."""
    regctl("image", "copy", f"{pushed}:v1", f"{pushed}:v2")
    regctl("tag", "delete", f"{pushed}:v2")
    repo = oci.Repository(registry, repo_name)
    assert repo.get_manifest("v2").status == 404
    assert repo.get_manifest("v1").body == picture.manifest


def test_delete_of_a_manifest(regctl, pushed, registry, picture, repo_name):
    regctl("manifest", "delete", f"{pushed}@{picture.digest}")
    assert oci.Repository(registry, repo_name).get_manifest(
        "v1").status == 404


def test_repositories(regctl, pushed, registry, repo_name):
    seen = regctl("repo", "ls", registry.address).stdout.split()
    assert repo_name in seen


def put_artifact(regctl, subject, kind, text, *more):
    return regctl("artifact", "put", "--subject", subject,
                  "--artifact-type", kind, "--format",
                  "{{.Manifest.GetDescriptor.Digest}}", *more,
                  input=text).stdout.strip()


def test_artifacts(regctl, pushed, registry):
    """Also by the fallback tag of servers without the referrers API."""
    one = put_artifact(regctl, f"{pushed}:v1", "application/x.one", "1",
                       "--annotation", "k=v")
    put_artifact(regctl, f"{pushed}:v1", "application/x.two", "2")
    seen = json.loads(regctl("artifact", "list", f"{pushed}:v1",
                             "--format", "{{json .}}").stdout)
    rows = seen["descriptors"]
    assert sorted(row["artifactType"] for row in rows) == [
        "application/x.one", "application/x.two"]
    only = json.loads(regctl(
        "artifact", "list", f"{pushed}:v1", "--filter-artifact-type",
        "application/x.one", "--format", "{{json .}}").stdout)
    assert [row["digest"] for row in only["descriptors"]] == [one]
    got = regctl("artifact", "get", "--subject", f"{pushed}:v1",
                 "--filter-artifact-type", "application/x.two").stdout
    assert got == "2"
    tree = regctl("artifact", "tree", f"{pushed}:v1").stdout
    assert one in tree


def test_copy_with_referrers(regctl, pushed, registry, repo_name):
    one = put_artifact(regctl, f"{pushed}:v1", "application/x.one", "1")
    regctl("image", "copy", "--referrers", f"{pushed}:v1",
           f"{pushed}/copy:v1")
    seen = json.loads(regctl("artifact", "list", f"{pushed}/copy:v1",
                             "--format", "{{json .}}").stdout)
    assert [row["digest"] for row in seen["descriptors"]] == [one]
    copy = oci.Repository(registry, f"{repo_name}/copy")
    assert copy.get_manifest(one).status == 200


@pytest.mark.ours
def test_no_fallback_tag_is_made(regctl, pushed):
    put_artifact(regctl, f"{pushed}:v1", "application/x.one", "1")
    assert regctl("tag", "ls", pushed).stdout.split() == ["v1"]


@pytest.mark.ours
def test_copy_by_sha512(regctl, registry, repo_name):
    """An image that is named by sha512 throughout."""
    repo = oci.Repository(registry, repo_name)
    config, layer = b"{}", os.urandom(100_000)
    for blob in (config, layer):
        repo.push_blob(blob, "sha512")
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": oci.MANIFEST,
        "config": {"mediaType": oci.CONFIG, "size": len(config),
                   "digest": oci.digest(config, "sha512")},
        "layers": [{"mediaType": oci.LAYER, "size": len(layer),
                    "digest": oci.digest(layer, "sha512")}]}).encode()
    name = oci.digest(manifest, "sha512")
    assert repo.put_manifest(name, manifest).status == 201
    regctl("image", "copy", f"{registry.address}/{repo_name}@{name}",
           f"{registry.address}/{repo_name}/copy@{name}")
    copy = oci.Repository(registry, f"{repo_name}/copy")
    assert copy.get_manifest(name).body == manifest
