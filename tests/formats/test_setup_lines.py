"""Every line that `registryctl setup` writes or prints is used by its client:
on a machine of the test's own, with a private repository, and with nothing
else that would tell the client who it is. Then --undo, and what that prints:
the machine's files are what they were."""

import re
from pathlib import Path

import pytest
import requests

from harness import clients, debs, rpms, samples
from harness.client_fixtures import docker
from harness.machine import HOME, PATH, Machine
from harness.npm import write_package
from harness.private import Private
from harness.server import BUILD

__all__ = ("docker",)
pytestmark = [pytest.mark.timeout(600)]

CTL = BUILD / "registryctl"
USER = "writer"
GOS = {"1.19": lambda: Path("/usr/lib/go-1.19/bin"),
       "newest": clients.newest_go}
MAVEN_PLUGINS = "org.apache.maven.plugins:maven-"
# A settings file of the machine: where Maven has its own plugins from.
MAVEN_CENTRAL = """<settings><profiles><profile><id>debian</id>
<pluginRepositories><pluginRepository><id>central</id>
<url>file:///usr/share/maven-repo</url></pluginRepository></pluginRepositories>
<repositories><repository><id>central</id>
<url>file:///usr/share/maven-repo</url></repository></repositories>
</profile></profiles>
<activeProfiles><activeProfile>debian</activeProfile></activeProfiles>
</settings>
"""


@pytest.fixture(scope="module")
def servers():
    """{scheme: a registry}; each answers below /below too."""
    below = ("location /below/ { registry on; registry_auth on; "
             "registry_prefix /below; }")
    with Private(locations=below) as plain, \
            Private(tls=True, locations=below) as tls:
        yield {"http": plain, "https": tls}


class Setup:
    """A machine, a private repository, and registryctl setup on it."""

    def __init__(self, folder, server, format, below, *shared):
        self.shared = folder / "shared"
        self.shared.mkdir()
        self.server, self.format = server, format
        self.registry = server.url + below
        self.key = server.repository(format).rsplit("/", 1)[1]
        self.base = f"{self.registry}/{format}/{self.key}"
        self.token = server.tokens[USER]
        if format in ("debian", "rpm"):
            # Made at the first read otherwise, which may take a busy machine
            # longer than nginx waits.
            server.ctl("key", "create", "--repository", self.key)
        self.machine = Machine(folder / "machine", self.shared,
                               *shared)
        if server.tls:
            self.machine.trust(server.tls)
        closed = requests.get(
            f"{server.url}/api/v1/repositories/{self.key}/packages",
            timeout=30, verify=server.tls or True)
        assert closed.status_code in (401, 403, 404), closed.text

    def ctl(self, *words):
        done = self.machine(
            CTL, "setup", self.format, "--repository", self.key, "--url",
            self.registry, *words, given=self.token + "\n")
        return done.stdout.splitlines()

    def write(self):
        """Writes the files; the commands that are printed."""
        self.before = self.machine.files("/etc", HOME)
        said = self.ctl("--user", USER, "--token-stdin", "--write")
        assert self.token not in "\n".join(said)
        return [line for line in said if not line.endswith(" written")]

    def filled(self, line, **words):
        """What a person would put for the words in capitals."""
        for name, text in {"TOKEN": self.token, **words}.items():
            line = re.sub(rf"\b{name}\b", str(text), line)
        return line

    def undo(self, *state):
        """Takes all back; `state` is what clients keep for themselves."""
        said = self.ctl("--undo")
        for line in said:
            if not line.endswith(" undone"):
                self.machine(self.filled(line))

        def kept(files):
            return {path: file for path, file in files.items()
                    if not path.startswith(state)}
        after = kept(self.machine.files("/etc", HOME))
        assert kept(self.before) == after
        assert not [path for path, (body, _) in after.items()
                    if self.token in str(body)]


@pytest.fixture
def set_up(servers, tmp_path, request):
    """set_up("npm", "https", "/below") → Setup."""
    made = []

    def make(format, scheme, below, *shared):
        made.append(Setup(tmp_path, servers[scheme], format, below, *shared))
        return made[-1]
    yield make
    for one in made:
        one.machine.close()


PLACES = pytest.mark.parametrize("place", [("http", ""), ("https", "/below")],
                                 ids=["http", "https below"])


@PLACES
def test_generic(set_up, place):
    setup = set_up("generic", *place)
    send, fetch = setup.write()
    setup.machine.write(f"{HOME}/tool.bin", "bytes\n")
    words = {"FILE": "tool.bin", "NAME": "tool", "VERSION": "1.0"}
    setup.machine(setup.filled(send, **words))
    setup.machine.path(f"{HOME}/tool.bin").unlink()
    setup.machine(setup.filled(fetch, **words))
    tool = setup.machine.path(f"{HOME}/tool.bin")
    assert tool.read_text() == "bytes\n"
    tool.unlink()
    setup.undo()


@PLACES
def test_npm(set_up, place):
    setup = set_up("npm", *place)
    assert setup.write() == []
    write_package(setup.shared / "lib", "@ours/lib", "1.0.0")
    (setup.shared / "project").mkdir()
    (setup.shared / "project/package.json").write_text('{"name": "project"}')
    setup.machine("npm", "publish", cwd=setup.shared / "lib")
    setup.machine("npm", "install", "@ours/lib", cwd=setup.shared / "project")
    assert (setup.shared / "project/node_modules/@ours/lib").exists()
    assert setup.machine("npm", "whoami").stdout.strip() == USER
    setup.undo(f"{HOME}/.npm/")


def test_yarn(set_up, client):
    """Yarn 4 takes https alone."""
    yarn = client("yarn4")
    setup = set_up("npm", "https", "/below")
    assert setup.write() == []
    write_package(setup.shared / "lib", "lib", "1.0.0")
    setup.machine("npm", "publish", cwd=setup.shared / "lib")
    project = setup.shared / "project"
    project.mkdir()
    (project / "package.json").write_text('{"name": "project"}')
    (project / "yarn.lock").write_text("")
    setup.machine.env.update(YARN_ENABLE_TELEMETRY="0",
                             YARN_NODE_LINKER="node-modules",
                             YARN_NPM_MINIMAL_AGE_GATE="0",
                             NODE_OPTIONS="--use-openssl-ca")
    setup.machine(yarn, "add", "lib", cwd=project)
    assert (project / "node_modules/lib").exists()
    setup.undo(f"{HOME}/.npm/", f"{HOME}/.yarn/")


@PLACES
def test_pypi(set_up, place):
    setup = set_up("pypi", *place)
    assert setup.write() == []
    made = samples.wheel(setup.shared, "ours")
    setup.machine("twine", "upload", "-r", setup.key, made)
    setup.machine("/usr/bin/python3", "-m", "pip", "install", "--target",
                  setup.shared / "site", "ours")
    assert (setup.shared / "site/ours.py").read_text() == "answer = 42\n"
    setup.undo(f"{HOME}/.cache/")


@PLACES
def test_cargo(set_up, place):
    setup = set_up("cargo", *place)
    assert setup.write() == []
    clients.need("cargo")
    made = samples.crate(setup.shared, "ours")
    setup.machine("cargo", "publish", "--registry", setup.key, "--allow-dirty",
                  cwd=made)
    app = samples.crate(setup.shared, "app")
    setup.machine("cargo", "add", "ours", "--registry", setup.key, cwd=app)
    setup.machine("cargo", "check", cwd=app)
    setup.machine("cargo", "yank", "ours@1.0.0", "--registry", setup.key)
    setup.undo(f"{HOME}/.cargo/registry/", f"{HOME}/.cargo/.")


@PLACES
def test_maven(set_up, place):
    setup = set_up("maven", *place)
    assert setup.write() == []
    setup.machine.write("/etc/maven/settings.xml", MAVEN_CENTRAL)
    setup.before = {**setup.before, **setup.machine.files("/etc/maven")}
    if setup.server.tls:
        setup.machine(
            "keytool", "-importcert", "-noprompt", "-cacerts", "-storepass",
            "changeit", "-file", "/usr/local/share/test-authority.pem")
    made = setup.shared / "lib-1.0.jar"
    samples.wheel(setup.shared, "any").rename(made)  # a zip file
    mvn = ("mvn", "-B", "-ntp", "-gs", "/etc/maven/settings.xml")
    setup.machine.env["MAVEN_OPTS"] = f"-Duser.home={HOME} -Xmx256m"
    setup.machine(*mvn, f"{MAVEN_PLUGINS}deploy-plugin:3.0.0:deploy-file",
                  f"-Durl={setup.base}", f"-DrepositoryId={setup.key}",
                  f"-Dfile={made}", "-DgroupId=org.ours", "-DartifactId=lib",
                  "-Dversion=1.0", "-Dpackaging=jar")
    setup.machine(*mvn, f"{MAVEN_PLUGINS}dependency-plugin:3.5.0:get",
                  "-Dartifact=org.ours:lib:1.0", "-Dtransitive=false")
    kept = setup.machine.path(f"{HOME}/.m2/repository/org/ours/lib/1.0/")
    assert (kept / "lib-1.0.jar").read_bytes() == made.read_bytes()
    setup.undo(f"{HOME}/.m2/repository/", "/etc/ssl/certs/java/")


@pytest.mark.parametrize("go", GOS)
@pytest.mark.parametrize("below", ["", "/below"])
def test_go(set_up, go, below):
    """The go command sends what it knows over TLS alone."""
    folder = GOS[go]()
    setup = set_up("go", "https", below)
    setup.machine.env.update(PATH=f"{folder}:{PATH}", GOTOOLCHAIN="local",
                             GOFLAGS="-modcacherw")
    made = samples.go_module(setup.shared, "example.com/ours")
    for line in setup.write():
        setup.machine(setup.filled(line, FILE=made))
    app = setup.shared / "app"
    app.mkdir()
    (app / "go.mod").write_text("module example.com/app\n\ngo 1.19\n")
    setup.machine("go", "get", "example.com/ours@latest", cwd=app)
    assert "example.com/ours v1.0.0 h1:" in (app / "go.sum").read_text()
    setup.undo(f"{HOME}/go/", f"{HOME}/.cache/", f"{HOME}/.config/go/")
    env = setup.machine.path(f"{HOME}/.config/go/env")
    assert env.read_text() == ""


@PLACES
def test_debian(set_up, place):
    setup = set_up("debian", *place)
    for folder in ("sources.list.d", "apt.conf.d"):
        setup.machine(f"rm -f /etc/apt/{folder}/*")
    setup.machine("rm -f /etc/apt/sources.list")
    made = debs.make_source(setup.shared, "ours")
    get_key, send = setup.write()
    setup.machine(get_key)
    setup.machine.answer(setup.filled(send, FILE=made),
                         [("assword", setup.token)])
    update = setup.machine("apt-get", "-o", "APT::Update::Error-Mode=any",
                           "update")
    assert "W:" not in update.stderr, update.stderr
    setup.machine("apt-get", "install", "-y", "ours")
    assert setup.machine.path("/usr/share/ours/data").read_text() == "data\n"
    sources = setup.shared / "sources"
    sources.mkdir()
    setup.machine("apt-get", "source", "--download-only", "ours", cwd=sources)
    assert (sources / "ours_1.0-1.dsc").exists()
    setup.machine("dpkg", "--purge", "ours")
    setup.undo("/etc/ld.so.cache")


def rpm_machine(set_up, place):
    setup = set_up("rpm", *place)
    made, = rpms.build(setup.shared / "rpms", rpms.Spec("ours"))
    for line in setup.write():
        setup.machine(setup.filled(line, FILE=made))
    return setup


@PLACES
def test_dnf(set_up, place):
    setup = rpm_machine(set_up, place)
    setup.machine("dnf", "-y", "install", "ours")
    about = setup.machine.path("/usr/share/ours/about")
    assert about.read_text() == "about ours"
    setup.undo(f"{HOME}/.rpmdb/")


@PLACES
def test_zypper(set_up, place):
    setup = rpm_machine(set_up, place)
    zypper = ("zypper", "--non-interactive", "--gpg-auto-import-keys")
    setup.machine(*zypper, "refresh")
    setup.machine(*zypper, "install", "ours")
    about = setup.machine.path("/usr/share/ours/about")
    assert about.read_text() == "about ours"
    setup.undo()


@PLACES
def test_helm(set_up, place, client):
    helm = Path(client("helm"))
    setup = set_up("helm", *place)
    setup.machine.env["PATH"] = f"{helm.parent}:{PATH}"
    made = samples.chart(setup.shared, "ours")
    for line in setup.write():
        setup.machine(setup.filled(line, FILE=made))
    setup.machine("helm", "repo", "update")
    (setup.shared / "pulled").mkdir()
    setup.machine("helm", "pull", f"{setup.key}/ours", "--version", "1.0.0",
                  "-d", setup.shared / "pulled")
    pulled = setup.shared / "pulled/ours-1.0.0.tgz"
    assert pulled.read_bytes() == made.read_bytes()
    setup.undo(f"{HOME}/.cache/", f"{HOME}/.config/helm/repositories.lock",
               f"{HOME}/.config/helm/repositories.yaml")
    left = setup.machine("helm", "repo", "list", check=False)
    assert setup.key not in left.stdout


@PLACES
def test_arch(set_up, place):
    setup = set_up("arch", *place)
    setup.machine("pacman-key", "--init")  # as on every machine with pacman
    trusted = setup.machine("pacman-key", "--list-keys").stdout
    made = samples.arch(setup.shared, "ours")
    for line in setup.write():
        setup.machine(setup.filled(line, FILE=made))
    # Everybody may read what everybody's pacman reads.
    conf = setup.machine.path("/etc/pacman.conf")
    assert conf.stat().st_mode & 0o777 == 0o644
    setup.machine("pacman", "-Sy", "--noconfirm", "ours")
    about = setup.machine.path("/usr/share/ours/about")
    assert about.read_text() == "about ours\n"
    setup.undo("/etc/pacman.d/gnupg/")
    assert setup.machine("pacman-key", "--list-keys").stdout == trusted


def test_oci(set_up, docker):
    """docker finds a registry at the root of a host alone."""
    setup = set_up("oci", "http", "", docker.folder)
    setup.machine.env.update(DOCKER_HOST=docker.socket,
                             PATH=f"/usr/local/bin:{PATH}")
    setup.machine.write(f"{HOME}/about", "an image\n")
    setup.machine("tar -c about | docker import - ours:1")
    setup.machine.path(f"{HOME}/about").unlink()
    log_in, tag, push, pull = setup.write()
    assert "Login Succeeded" in setup.machine.answer(
        setup.filled(log_in), [("assword", setup.token)])
    words = {"IMAGE": "ours:1", "TAG": "1.0"}
    for line in (tag, push):
        setup.machine(setup.filled(line, **words))
    name = f"{setup.server.address}/{setup.key}:1.0"
    setup.machine("docker", "rmi", name, "ours:1")
    setup.machine(setup.filled(pull, **words))
    assert name in setup.machine("docker", "image", "ls", "--format",
                                 "{{.Repository}}:{{.Tag}}").stdout
    setup.machine("docker", "rmi", name)
    setup.undo(f"{HOME}/.docker/config.json")
    assert setup.server.address not in setup.machine.path(
        f"{HOME}/.docker/config.json").read_text()
