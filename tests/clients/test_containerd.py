"""containerd: what Kubernetes nodes pull with, by its own `ctr`."""

import os

import pytest

from harness import oci
from harness.engines import Containerd
from harness.process import end

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def ctr(client, tmp_path_factory):
    one = Containerd(tmp_path_factory.mktemp("containerd"),
                     client("containerd"), client("ctr"))
    yield one
    end(one.process)


def test_pull_and_push(ctr, registry, picture, repo_name):
    repo = oci.Repository(registry, repo_name)
    repo.push(picture, "v1")
    name = f"{registry.address}/{repo_name}"
    ctr("images", "pull", "--plain-http", "--snapshotter", "native",
        f"{name}:v1")
    wanted = {picture.digest, *(oci.digest(b) for b in picture.blobs)}
    assert wanted <= ctr.content()
    ctr("images", "tag", f"{name}:v1", f"{name}/pushed:v2")
    ctr("images", "push", "--plain-http", f"{name}/pushed:v2")
    there = oci.Repository(registry, f"{repo_name}/pushed")
    assert there.get_manifest("v2").body == picture.manifest
    for blob in picture.blobs:
        assert there.get_blob(oci.digest(blob)).body == blob


def test_pull_by_digest(ctr, registry, picture, repo_name):
    oci.Repository(registry, repo_name).push(picture)
    ctr("images", "pull", "--plain-http", "--snapshotter", "native",
        f"{registry.address}/{repo_name}@{picture.digest}")
    assert picture.digest in ctr.content()


def test_all_architectures(ctr, registry, family, repo_name):
    repo = oci.Repository(registry, repo_name)
    for member in family[1]:
        repo.push(member)
    repo.push(family[0], "v1")
    name = f"{registry.address}/{repo_name}:v1"
    ctr("content", "fetch", "--plain-http", "--all-platforms", name)
    wanted = {one.digest for one in (family[0], *family[1])}
    wanted |= {oci.digest(b) for one in family[1] for b in one.blobs}
    assert wanted <= ctr.content()
    ctr("images", "push", "--plain-http", name.replace(":v1", "/again:v1"),
        name)
    again = oci.Repository(registry, f"{repo_name}/again")
    assert again.get_manifest("v1").body == family[0].manifest


def test_large_layers(ctr, registry, repo_name):
    big = oci.make_image([oci.tar_layer({f"f{n}": os.urandom(20 << 20)},
                                        compress=False) for n in range(4)])
    repo = oci.Repository(registry, repo_name)
    repo.push(big, "v1")
    ctr("content", "fetch", "--plain-http",
        f"{registry.address}/{repo_name}:v1")
    assert {oci.digest(b) for b in big.blobs} <= ctr.content()


def test_missing_image(ctr, registry, repo_name):
    done = ctr("images", "pull", "--plain-http",
               f"{registry.address}/{repo_name}:none", check=False)
    assert done.returncode != 0 and "not found" in done.stdout
