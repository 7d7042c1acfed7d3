"""oras: artifacts, attached artifacts, discovery, blobs, manifests."""

import json
import os

import pytest

from harness import image, oci

SBOM = "application/vnd.example.sbom"


@pytest.fixture
def oras(cli):
    def call(*words, **keywords):
        return cli("oras", *words, **keywords)
    return call


@pytest.fixture
def pushed(oras, registry, repo_name, tmp_path, note):
    """An artifact of two files under v1; the full name without a tag."""
    name = f"{registry.address}/{repo_name}"
    (tmp_path / "a.txt").write_text(f"a {note}")
    (tmp_path / "b.bin").write_bytes(os.urandom(2 << 20))
    oras("push", "--plain-http", "--artifact-type",
         "application/vnd.example.thing", f"{name}:v1",
         "a.txt:text/plain", "b.bin")
    return name


def digest_of(registry, repo_name, tag="v1"):
    repo = oci.Repository(registry, repo_name)
    return repo.head_manifest(tag).headers["Docker-Content-Digest"]


def attach(oras, name, tmp_path, kind, text, *more):
    (tmp_path / "attached").write_text(text)
    done = oras("attach", "--plain-http", "--artifact-type", kind,
                "--format", "json", *more, name, "attached:text/plain")
    return json.loads(done.stdout[done.stdout.index("{"):])["digest"]


def discover(oras, name, *more):
    done = oras("discover", "--plain-http", "--format", "json", *more, name)
    seen = json.loads(done.stdout)
    return seen.get("referrers", seen.get("manifests")) or []


def test_push_and_pull(oras, pushed, tmp_path):
    oras("pull", "--plain-http", "-o", tmp_path / "out", f"{pushed}:v1")
    for name in ("a.txt", "b.bin"):
        assert (tmp_path / "out" / name).read_bytes() == (
            tmp_path / name).read_bytes()


def test_several_tags_at_once(oras, registry, repo_name, tmp_path):
    name = f"{registry.address}/{repo_name}"
    (tmp_path / "f").write_text("x")
    oras("push", "--plain-http", f"{name}:a,b,c", "f")
    tags = oras("repo", "tags", "--plain-http", name).stdout.split()
    assert sorted(tags) == ["a", "b", "c"]
    oras("tag", "--plain-http", f"{name}:a", "d", "e")
    tags = oras("repo", "tags", "--plain-http", name).stdout.split()
    assert sorted(tags) == ["a", "b", "c", "d", "e"]


def test_catalog(oras, pushed, registry, repo_name):
    seen = oras("repo", "ls", "--plain-http", registry.address).stdout
    assert repo_name in seen.split()


def test_empty_file(oras, registry, repo_name, tmp_path):
    name = f"{registry.address}/{repo_name}:v1"
    (tmp_path / "empty").write_bytes(b"")
    oras("push", "--plain-http", name, "empty")
    oras("pull", "--plain-http", "-o", tmp_path / "out", name)
    assert (tmp_path / "out/empty").read_bytes() == b""


def test_attach_and_discover(oras, pushed, registry, repo_name, tmp_path):
    """Also the fallback tag of servers without the referrers API."""
    first = attach(oras, f"{pushed}:v1", tmp_path, SBOM, "one")
    second = attach(oras, f"{pushed}:v1", tmp_path, "text/sig", "two")
    seen = discover(oras, f"{pushed}:v1")
    assert {row["digest"] for row in seen} == {first, second}
    only = discover(oras, f"{pushed}:v1", "--artifact-type", SBOM)
    assert [row["digest"] for row in only] == [first]


@pytest.mark.ours
def test_attached_is_in_the_api(oras, pushed, registry, repo_name, tmp_path):
    first = attach(oras, f"{pushed}:v1", tmp_path, SBOM, "one",
                   "--annotation", "org.example.k=v")
    repo = oci.Repository(registry, repo_name)
    answer = repo.referrers(digest_of(registry, repo_name))
    assert answer.status == 200
    rows = answer.json()["manifests"]
    assert [(row["digest"], row["artifactType"]) for row in rows] == [
        (first, SBOM)]
    assert rows[0]["annotations"]["org.example.k"] == "v"
    # A server with the API is not asked to keep a fallback tag.
    assert repo.tags().json()["tags"] == ["v1"]


@pytest.mark.ours
def test_discover_asks_for_the_api(oras, pushed, tmp_path):
    attach(oras, f"{pushed}:v1", tmp_path, SBOM, "one")
    seen = discover(oras, f"{pushed}:v1", "--distribution-spec",
                    "v1.1-referrers-api")
    assert len(seen) == 1


def test_a_tree_of_attached(oras, pushed, tmp_path):
    base = attach(oras, f"{pushed}:v1", tmp_path, SBOM, "sbom")
    attach(oras, f"{pushed}@{base}", tmp_path, "text/sig", "signed sbom")
    shown = oras("discover", "--plain-http", "--format", "tree",
                 f"{pushed}:v1").stdout
    assert SBOM in shown and "text/sig" in shown


def test_copy_with_all_attached(oras, pushed, registry, repo_name, tmp_path):
    attached = attach(oras, f"{pushed}:v1", tmp_path, SBOM, "sbom")
    attach(oras, f"{pushed}@{attached}", tmp_path, "text/sig", "signature")
    oras("copy", "-r", "--from-plain-http", "--to-plain-http",
         f"{pushed}:v1", f"{pushed}/copy:v1")
    seen = discover(oras, f"{pushed}/copy:v1")
    assert [row["digest"] for row in seen] == [attached]
    deeper = discover(oras, f"{pushed}/copy@{attached}")
    assert len(deeper) == 1


def test_many_attached(oras, pushed, registry, repo_name, tmp_path):
    wanted = {attach(oras, f"{pushed}:v1", tmp_path, SBOM, f"text {number}")
              for number in range(12)}
    seen = discover(oras, f"{pushed}:v1")
    assert {row["digest"] for row in seen} == wanted


def test_delete_of_an_attached(oras, pushed, tmp_path):
    attached = attach(oras, f"{pushed}:v1", tmp_path, SBOM, "sbom")
    oras("manifest", "delete", "--plain-http", "-f", f"{pushed}@{attached}")
    assert discover(oras, f"{pushed}:v1") == []


def test_copy_to_a_layout_and_back(oras, pushed, tmp_path):
    oras("copy", "--from-plain-http", "--to-oci-layout", f"{pushed}:v1",
         f"{tmp_path}/kept:v1")
    oras("copy", "--from-oci-layout", "--to-plain-http",
         f"{tmp_path}/kept:v1", f"{pushed}/back:v9")
    one = oras("manifest", "fetch", "--plain-http", f"{pushed}:v1").stdout
    two = oras("manifest", "fetch", "--plain-http",
               f"{pushed}/back:v9").stdout
    assert one == two


def test_copy_of_an_index(oras, registry, family_layout, family, repo_name):
    name = f"{registry.address}/{repo_name}:v1"
    oras("copy", "--from-oci-layout", "--to-plain-http",
         f"{family_layout}:v1", name)
    seen = oras("manifest", "fetch", "--plain-http", name).stdout
    assert seen.encode() == family[0].manifest
    one = json.loads(oras("manifest", "fetch", "--plain-http",
                          "--platform", "linux/arm64", "--descriptor",
                          name).stdout)
    assert one["digest"] == family[1][1].digest


def test_blobs(oras, registry, repo_name, tmp_path):
    name = f"{registry.address}/{repo_name}"
    data = os.urandom(3 << 20)
    (tmp_path / "blob").write_bytes(data)
    where = f"{name}@{oci.digest(data)}"
    oras("blob", "push", "--plain-http", name, tmp_path / "blob")
    oras("blob", "fetch", "--plain-http", "-o", tmp_path / "back", where)
    assert (tmp_path / "back").read_bytes() == data
    size = json.loads(oras("blob", "fetch", "--plain-http", "--descriptor",
                           where).stdout)["size"]
    assert size == len(data)
    oras("blob", "delete", "--plain-http", "-f", where)
    gone = oras("blob", "fetch", "--plain-http", "--descriptor", where,
                check=False)
    assert gone.returncode != 0


def test_manifests(oras, pushed, registry, repo_name, tmp_path):
    text = oras("manifest", "fetch", "--plain-http", f"{pushed}:v1").stdout
    (tmp_path / "m.json").write_text(text)
    oras("manifest", "push", "--plain-http", f"{pushed}:v2",
         tmp_path / "m.json")
    one, two = (digest_of(registry, repo_name, t) for t in ("v1", "v2"))
    assert one == two
    oras("manifest", "delete", "--plain-http", "-f", f"{pushed}@{one}")
    repo = oci.Repository(registry, repo_name)
    assert repo.get_manifest("v2").status == 404


def test_over_tls(oras, registry_tls, repo_name, tmp_path):
    name = f"{registry_tls.address}/{repo_name}:v1"
    (tmp_path / "f").write_bytes(os.urandom(5 << 20))
    oras("push", "--ca-file", registry_tls.tls, name, "f")
    oras("pull", "--ca-file", registry_tls.tls, "-o", tmp_path / "out", name)
    assert (tmp_path / "out/f").read_bytes() == (tmp_path / "f").read_bytes()


def test_image_layouts_are_the_same(oras, registry, layout, picture,
                                    repo_name, tmp_path):
    name = f"{registry.address}/{repo_name}:v1"
    oras("copy", "--from-oci-layout", "--to-plain-http", f"{layout}:v1",
         name)
    oras("copy", "--from-plain-http", "--to-oci-layout", name,
         f"{tmp_path}/back:v1")
    assert image.layout_blobs(tmp_path / "back") == image.layout_blobs(
        layout)
