"""Fixtures of all suites with real clients: images, settings, programs."""

import itertools
import json
import os
import shutil

import pytest

from . import image, oci
from .docker import Engine
from .process import run

_numbers = itertools.count()

ARCHITECTURES = ("amd64", "arm64", "s390x")


@pytest.fixture(scope="session")
def hello(tmp_path_factory):
    """The path of the static program that images hold."""
    return image.compile_hello(tmp_path_factory.mktemp("hello"))


@pytest.fixture
def note(request):
    """A text that no other test's image holds."""
    return f"{request.node.name}-{next(_numbers)}"


@pytest.fixture
def picture(hello, note):
    """An image (`oci.Image`) which, when run, prints `note`."""
    return image.runnable(hello, note)


@pytest.fixture
def layout(tmp_path, picture):
    """`picture` as an OCI layout with the tag v1."""
    return image.write_layout(tmp_path / "layout", picture, "v1")


@pytest.fixture
def family(hello, note):
    """An index of several architectures: (index, [image])."""
    members = [image.runnable(hello, f"{note}-{name}", architecture=name)
               for name in ARCHITECTURES]
    rows = [(one, {"os": "linux", "architecture": name})
            for one, name in zip(members, ARCHITECTURES)]
    return oci.make_index(rows), members


@pytest.fixture
def family_layout(tmp_path, family):
    """`family` as an OCI layout with the tag v1."""
    return image.write_layout(tmp_path / "family", family[0], "v1",
                              family[1])


@pytest.fixture
def home(tmp_path):
    """An environment in which a client finds nobody's settings."""
    env = {name: value for name, value in os.environ.items()
           if not name.lower().endswith("_proxy")}
    env.update(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path),
               DOCKER_CONFIG=str(tmp_path / "docker"),
               REGISTRY_AUTH_FILE=str(tmp_path / "auth.json"))
    (tmp_path / "auth.json").write_text("{}")
    # The signature policy of podman, buildah and skopeo: accept all.
    settings = tmp_path / ".config/containers"
    settings.mkdir(parents=True)
    (settings / "policy.json").write_text(json.dumps(
        {"default": [{"type": "insecureAcceptAnything"}]}))
    return env


@pytest.fixture
def certificates(registry_tls, tmp_path):
    """A folder with the authority of `registry_tls`, as podman wants it."""
    folder = tmp_path / "certs"
    folder.mkdir()
    shutil.copy(registry_tls.tls, folder / "ca.crt")
    return folder


@pytest.fixture
def cli(client, home, tmp_path):
    """`cli("crane", words…)` runs a client in `home`; its output."""
    def call(name, *words, **keywords):
        keywords.setdefault("env", home)
        keywords.setdefault("cwd", tmp_path)
        return run(client(name), *words, **keywords)
    return call


@pytest.fixture(scope="module")
def docker(client, tmp_path_factory):
    """A Docker Engine of this file's own (`harness.docker.Engine`)."""
    program, daemon = client("docker"), client("dockerd")
    engine = Engine(tmp_path_factory.mktemp("docker") / "engine", program,
                    daemon)
    yield engine
    engine.stop()
