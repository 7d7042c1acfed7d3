"""cosign: signing and verifying with a local key, nothing sent elsewhere."""

import json

import pytest

from harness import oci
from harness.process import run


@pytest.fixture
def cosign(client, home, tmp_path):
    program = client("cosign")
    env = {**home, "COSIGN_PASSWORD": "secret", "COSIGN_YES": "true"}

    def call(*words, more=None, **keywords):
        return run(program, *words, env={**env, **(more or {})},
                   cwd=tmp_path, **keywords)
    call("generate-key-pair")
    return call


@pytest.fixture
def pushed(registry, picture, repo_name):
    """`picture` under v1; its name by digest."""
    oci.Repository(registry, repo_name).push(picture, "v1")
    return f"{registry.address}/{repo_name}@{picture.digest}"


SIGN = "--key", "cosign.key", "--tlog-upload=false"
VERIFY = "--key", "cosign.pub", "--insecure-ignore-tlog=true"


def test_sign_and_verify(cosign, pushed, registry, picture, repo_name):
    cosign("sign", *SIGN, pushed)
    said = cosign("verify", *VERIFY, "--output", "json", pushed).stdout
    line = next(x for x in said.splitlines() if x.startswith("[{"))
    claim = json.loads(line)[0]["critical"]
    assert claim["image"]["docker-manifest-digest"] == picture.digest
    legacy = picture.digest.replace(":", "-") + ".sig"
    tags = oci.Repository(registry, repo_name).tags().json()["tags"]
    assert legacy in tags and "v1" in tags


def test_another_key_is_refused(cosign, pushed):
    cosign("sign", *SIGN, pushed)
    cosign("generate-key-pair", "--output-key-prefix", "other")
    done = cosign("verify", "--key", "other.pub",
                  "--insecure-ignore-tlog=true", pushed, check=False)
    assert done.returncode != 0


def test_unsigned_is_refused(cosign, pushed):
    done = cosign("verify", *VERIFY, pushed, check=False)
    assert done.returncode != 0 and "no signatures found" in done.stdout


def test_several_signatures(cosign, pushed):
    cosign("sign", *SIGN, "-a", "round=1", pushed)
    cosign("sign", *SIGN, "-a", "round=2", pushed)
    for number in ("1", "2"):
        cosign("verify", *VERIFY, "-a", f"round={number}", pushed)
    done = cosign("verify", *VERIFY, "-a", "round=3", pushed, check=False)
    assert done.returncode != 0


def test_attestation(cosign, pushed, tmp_path):
    (tmp_path / "predicate.json").write_text('{"built": "here"}')
    cosign("attest", *SIGN, "--predicate", "predicate.json", "--type",
           "custom", pushed)
    cosign("verify-attestation", *VERIFY, "--type", "custom", pushed)


def test_copy_with_signatures(cosign, pushed, registry, picture, repo_name):
    cosign("sign", *SIGN, pushed)
    target = f"{registry.address}/{repo_name}/copy"
    cosign("copy", pushed, f"{target}:v1")
    cosign("verify", *VERIFY, f"{target}@{picture.digest}")
    cosign("verify", *VERIFY, f"{target}:v1")


def test_attached_file(cosign, pushed, tmp_path):
    (tmp_path / "sbom.json").write_text('{"packages": []}')
    cosign("attach", "sbom", "--sbom", "sbom.json", "--type", "spdx",
           pushed)
    seen = cosign("tree", pushed).stdout
    assert ".sbom" in seen


def test_clean(cosign, pushed, registry, picture, repo_name):
    cosign("sign", *SIGN, pushed)
    cosign("clean", "--force", "--type", "signature", pushed)
    done = cosign("verify", *VERIFY, pushed, check=False)
    assert done.returncode != 0
    repo = oci.Repository(registry, repo_name)
    assert repo.get_manifest("v1").body == picture.manifest


@pytest.mark.ours
def test_signature_as_a_referrer(cosign, pushed, registry, picture,
                                 repo_name):
    more = {"COSIGN_EXPERIMENTAL": "1"}
    cosign("sign", *SIGN, "--registry-referrers-mode=oci-1-1", pushed,
           more=more)
    repo = oci.Repository(registry, repo_name)
    rows = repo.referrers(picture.digest).json()["manifests"]
    assert len(rows) == 1
    cosign("verify", *VERIFY, "--experimental-oci11", pushed, more=more)
    assert repo.tags().json()["tags"] == ["v1"]


@pytest.mark.ours
def test_bundle_as_a_referrer(cosign, pushed, registry, picture, repo_name,
                              tmp_path):
    (tmp_path / "predicate.json").write_text('{"built": "here"}')
    cosign("attest", *SIGN, "--new-bundle-format", "--predicate",
           "predicate.json", "--type", "custom", pushed)
    rows = oci.Repository(registry, repo_name).referrers(
        picture.digest).json()["manifests"]
    assert len(rows) == 1
    assert rows[0]["artifactType"].startswith(
        "application/vnd.dev.sigstore.bundle")
    # An empty root of trust, lest cosign fetch one.
    cosign("trusted-root", "create", "--out", "root.json")
    cosign("verify-attestation", *VERIFY, "--new-bundle-format",
           "--trusted-root", "root.json", "--type", "custom", pushed)


def test_index_and_its_members(cosign, registry, family, repo_name):
    repo = oci.Repository(registry, repo_name)
    index = repo.push_index([(one, None) for one in family[1]], "v1")
    name = f"{registry.address}/{repo_name}@{index.digest}"
    cosign("sign", *SIGN, "--recursive", name)
    cosign("verify", *VERIFY, name)
    for member in family[1]:
        cosign("verify", *VERIFY,
               f"{registry.address}/{repo_name}@{member.digest}")
