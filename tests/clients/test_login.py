"""Real clients log in: what is private needs it, a token that may only pull
cannot push and the client says why, what is public is for everybody."""

import re

import pytest

from harness.authorized import Authorized
from harness.engines import Containerd, Podman
from harness.issuer import AUDIENCE, IssuerServer
from harness.other_token import OtherToken, ended, pull_only
from harness.process import end, run, wait_until

pytestmark = [pytest.mark.ours, pytest.mark.heavy,
              pytest.mark.timeout(300)]

# Docker says to whoever is not logged in that he is denied.
NOT_LOGGED_IN = re.compile(
    "unauthori[sz]ed|authentication required|401"
    "|denied: requested access|invalid username/password"
    "|authorization failed", re.IGNORECASE)
DENIED = re.compile("denied|forbidden|403", re.IGNORECASE)


@pytest.fixture(scope="module")
def guarded():
    server = Authorized()
    server.access_log = server.dir / "access.log"
    with server:
        yield server


class Client:
    """What every client below can do; it works in a folder of its own."""

    checks_login = True  # a wrong password is noticed when it is given

    def __init__(self, address, cli, layout, folder):
        self.address = address
        self.cli = cli
        self.layout = layout
        self.folder = folder
        self.pulls = 0
        self.prepare()

    def prepare(self):
        pass

    def name(self, repository):
        return f"{self.address}/{repository}:v1"

    def out(self):
        self.pulls += 1
        return self.folder / f"out{self.pulls}"


class Skopeo(Client):
    def login(self, user, secret):
        return self.cli("skopeo", "login", "--tls-verify=false", "-u", user,
                        "--password-stdin", self.address, input=secret,
                        check=False)

    def logout(self):
        self.cli("skopeo", "logout", "--tls-verify=false", self.address)

    def push(self, repository):
        return self.cli("skopeo", "copy", "--dest-tls-verify=false",
                        f"oci:{self.layout}:v1",
                        f"docker://{self.name(repository)}", check=False)

    def pull(self, repository):
        return self.cli("skopeo", "copy", "--src-tls-verify=false",
                        f"docker://{self.name(repository)}",
                        f"dir:{self.out()}", check=False)


class Crane(Client):
    checks_login = False

    def login(self, user, secret):
        return self.cli("crane", "auth", "login", self.address, "-u", user,
                        "--password-stdin", input=secret, check=False)

    def logout(self):
        self.cli("crane", "auth", "logout", self.address)

    def push(self, repository):
        return self.cli("crane", "push", "--insecure", self.layout,
                        self.name(repository), check=False)

    def pull(self, repository):
        return self.cli("crane", "pull", "--insecure", "--format=oci",
                        self.name(repository), self.out(), check=False)


class Regctl(Client):
    def prepare(self):
        self.cli("regctl", "registry", "set", self.address, "--tls",
                 "disabled", "--skip-check")

    def login(self, user, secret):
        return self.cli("regctl", "registry", "login", self.address, "-u",
                        user, "--pass-stdin", input=secret, check=False)

    def logout(self):
        self.cli("regctl", "registry", "logout", self.address)

    def push(self, repository):
        return self.cli("regctl", "image", "copy",
                        f"ocidir://{self.layout}:v1", self.name(repository),
                        check=False)

    def pull(self, repository):
        return self.cli("regctl", "image", "copy", self.name(repository),
                        f"ocidir://{self.out()}:v1", check=False)


class Oras(Client):
    def login(self, user, secret):
        return self.cli("oras", "login", "--plain-http", "-u", user,
                        "--password-stdin", self.address, input=secret,
                        check=False)

    def logout(self):
        self.cli("oras", "logout", self.address)

    def push(self, repository):
        return self.cli("oras", "copy", "--from-oci-layout",
                        "--to-plain-http", f"{self.layout}:v1",
                        self.name(repository), check=False)

    def pull(self, repository):
        return self.cli("oras", "copy", "--from-plain-http",
                        "--to-oci-layout", self.name(repository),
                        f"{self.out()}:v1", check=False)


class Helm(Client):
    """The last part of the repository is the chart's name."""

    def prepare(self):
        chart = self.folder / "greeter"
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text(
            "apiVersion: v2\nname: greeter\nversion: 1.2.3\n")
        self.cli("helm", "package", chart)

    def login(self, user, secret):
        return self.cli("helm", "registry", "login", "--plain-http", "-u",
                        user, "--password-stdin", self.address,
                        input=secret, check=False)

    def logout(self):
        self.cli("helm", "registry", "logout", self.address)

    def push(self, repository):
        return self.cli("helm", "push", "--plain-http",
                        self.folder / "greeter-1.2.3.tgz",
                        f"oci://{self.address}/{repository}", check=False)

    def pull(self, repository):
        return self.cli("helm", "pull", "--plain-http", "--version",
                        "1.2.3", "--destination", self.folder,
                        f"oci://{self.address}/{repository}/greeter",
                        check=False)


class Docker(Client):
    """`cli` is the engine."""

    def prepare(self):
        (self.folder / "note").write_text(str(self.folder))
        run("tar", "-cf", self.folder / "root.tar", "-C", self.folder,
            "note")

    def login(self, user, secret):
        return self.cli("login", "-u", user, "--password-stdin",
                        self.address, input=secret, check=False)

    def logout(self):
        self.cli("logout", self.address)

    def push(self, repository):
        self.cli("import", self.folder / "root.tar", self.name(repository))
        return self.cli("push", self.name(repository), check=False)

    def pull(self, repository):
        self.cli("rmi", self.name(repository), check=False)
        return self.cli("pull", self.name(repository), check=False)


class FromStorage(Client):
    """Pulls into a storage and pushes from there; `cli` is the program."""

    plain = "--tls-verify=false"

    def prepare(self):
        said = self.cli("pull", f"oci:{self.layout}:v1").stdout
        self.image = said.split()[-1]

    def login(self, user, secret):
        return self.cli("login", self.plain, "-u", user, "--password-stdin",
                        self.address, input=secret, check=False)

    def logout(self):
        self.cli("logout", self.address)

    def push(self, repository):
        return self.cli("push", self.plain, self.image,
                        f"docker://{self.name(repository)}", check=False)

    def pull(self, repository):
        self.cli("rmi", "--force", self.name(repository), check=False)
        return self.cli("pull", self.plain, self.name(repository),
                        check=False)


class Buildah(FromStorage):
    pass


class PodmanClient(FromStorage):
    pass


class Ctr(Client):
    """`cli` is a containerd; whoever it is says so with each command."""

    checks_login = False
    user = ()

    def prepare(self):
        run("tar", "-cf", self.folder / "layout.tar", "-C", self.layout, ".")
        self.cli("images", "import", "--base-name", "local",
                 "--all-platforms", self.folder / "layout.tar")

    def login(self, user, secret):
        self.user = ("--user", f"{user}:{secret}")

    def logout(self):
        self.user = ()

    def push(self, repository):
        return self.cli("images", "push", "--plain-http", *self.user,
                        self.name(repository), "local:v1", check=False)

    def pull(self, repository):
        # Where nothing of it is yet.
        return self.cli("--namespace", self.out().name, "content", "fetch",
                        "--plain-http", "--all-platforms", *self.user,
                        self.name(repository), check=False)


def good(done):
    assert done.returncode == 0, done.stdout


def bad(done, why):
    assert done.returncode != 0 and why.search(done.stdout), done.stdout


def log_in(one, who, secret):
    done = one.login(who, secret)
    if done is not None:
        good(done)


def log_in_push_and_pull(guarded, one):
    who, secret = "writer", guarded.password("writer")
    private, public = (f"{place}/{type(one).__name__.lower()}"
                       for place in ("team", "team/open"))
    bad(one.push(private), NOT_LOGGED_IN)
    if one.checks_login:
        bad(one.login(who, "not the password 1"), NOT_LOGGED_IN)
    else:
        one.login(who, "not the password 1")
        bad(one.push(private), NOT_LOGGED_IN)
    log_in(one, who, secret)
    good(one.push(private))
    good(one.push(public))
    good(one.pull(private))
    one.logout()
    bad(one.pull(private), NOT_LOGGED_IN)
    good(one.pull(public))
    bad(one.push(f"{public}/more"), NOT_LOGGED_IN)
    log_in(one, who, guarded.tokens[who, "readonly"])
    good(one.pull(private))
    bad(one.push(f"{private}/more"), DENIED)
    one.logout()


@pytest.fixture
def podman(client, guarded, home, tmp_path):
    one = Podman(client("podman"), home, tmp_path / "podman",
                 guarded.address)
    yield one
    one.close()


@pytest.fixture
def buildah(client, home, tmp_path):
    program, folder = client("buildah"), tmp_path / "buildah"
    folder.mkdir()
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\n'
        f'graphroot = "{folder}/storage"\n')
    env = {**home, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(folder),
           "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf")}

    def call(*words, **keywords):
        return run(program, *words, env=env, cwd=folder, **keywords)
    yield call
    call("rmi", "--all", "--force", check=False)


@pytest.fixture(scope="module")
def containerd(client, tmp_path_factory):
    one = Containerd(tmp_path_factory.mktemp("containerd"),
                     client("containerd"), client("ctr"))
    yield one
    end(one.process, seconds=20)


@pytest.fixture
def made(cli, layout, tmp_path, request):
    """`made(kind, address)` is a client of that kind."""
    engines = {Docker: "docker", PodmanClient: "podman",
               Buildah: "buildah", Ctr: "containerd"}

    def make(kind, address):
        own = engines.get(kind)
        return kind(address, request.getfixturevalue(own) if own else cli,
                    layout, tmp_path)
    return make


KINDS = (Skopeo, Crane, Regctl, Oras, Helm, Docker, PodmanClient, Buildah,
         Ctr)
# podman takes no path with capitals for an image.
each_kind = pytest.mark.parametrize("kind", KINDS,
                                    ids=lambda kind: kind.__name__.lower())


@each_kind
def test_log_in_push_and_pull(guarded, made, kind):
    log_in_push_and_pull(guarded, made(kind, guarded.address))


def test_containerd_posts_its_password(guarded, made):
    """To the token service, as OAuth 2 has it, before it would try GET."""
    before = guarded.access_log.read_text()
    one = made(Ctr, guarded.address)
    one.login("writer", guarded.password("writer"))
    good(one.push("team/posted"))
    new = guarded.access_log.read_text()[len(before):]
    assert '"POST /-/token HTTP/1.1" 200' in new
    assert '"GET /-/token' not in new


@pytest.mark.parametrize("status", (400, 401, 404, 405))
def test_containerd_asks_by_get_where_there_is_no_post(guarded, made, status):
    """As at a token service of the older kind: it is told no, and goes on."""
    with OtherToken(guarded, post_is=status) as proxy:
        one = made(Ctr, proxy.address)
        one.login("writer", guarded.password("writer"))
        before = guarded.access_log.read_text()
        good(one.push(f"team/got{status}"))
        good(one.pull(f"team/got{status}"))
        assert proxy.asked[:2] == ["POST", "GET"]
        assert proxy.asked.count("GET") == proxy.asked.count("POST")
        new = guarded.access_log.read_text()[len(before):]
        assert "POST /-/token" not in new
        assert re.search(r'"GET /-/token\S* HTTP/1\.1" 200', new)
        one.login("writer", "not the password 1")
        bad(one.pull(f"team/got{status}"), NOT_LOGGED_IN)


# Who goes on when a token has ended in the middle. The others go by their own
# clock, which asks for a new one before; they say why they stop, and the next
# try is good. For regctl and Docker it depends on which blob of a pull it was.
GO_ON_PULLING = {Crane, Oras, Helm, Ctr}
EITHER = {Regctl, Docker}
GO_ON_PUSHING = {Crane, Regctl, Oras, Helm, Ctr}
# Docker's engine never asks again for more; where it only wanted to mount a
# layer, it uploads that in place of it.
MAY_STOP = {Docker}
PULLS_A_BLOB = "GET /v2/[^ ]+/blobs/sha256:"
BEGINS_AN_UPLOAD = "POST /v2/[^ ]+/blobs/uploads/"


@each_kind
def test_a_token_that_ends_or_is_too_narrow(guarded, made, kind):
    with OtherToken(guarded) as proxy:
        one = made(kind, proxy.address)
        log_in(one, "writer", guarded.password("writer"))

        def does(work, name, pattern, change, goes_on):
            proxy.arm(pattern, change)
            done = work(f"team/{name}/{kind.__name__.lower()}")
            assert not proxy.armed, done.stdout
            if goes_on:
                good(done)
            elif goes_on is False:
                assert done.returncode != 0 and (
                    NOT_LOGGED_IN.search(done.stdout)
                    or DENIED.search(done.stdout)), done.stdout
            good(work(f"team/{name}/{kind.__name__.lower()}"))
        does(one.push, "ends", BEGINS_AN_UPLOAD, ended, kind in GO_ON_PUSHING)
        does(one.pull, "ends", PULLS_A_BLOB, ended,
             None if kind in EITHER else kind in GO_ON_PULLING)
        does(one.push, "narrow", BEGINS_AN_UPLOAD, pull_only,
             None if kind in MAY_STOP else True)


@pytest.fixture(scope="module")
def issuer(guarded):
    """An issuer of tokens that may push below ci/, by their claims."""
    with IssuerServer() as issuers:
        one = issuers.issuer("/ci")
        guarded.ctl("issuer", "add", "ci", "--url", one.url, "--audience",
                    AUDIENCE, "--ca-file", str(issuers.ca_file))
        guarded.ctl("issuer", "rule", "add", "ci", "--when",
                    "repository=acme/*", "--actions", "pull,push",
                    "--repository", "ci/{**repository}/**")
        wait_until(lambda: guarded.ctl("issuer", "list")["issuers"][0][
            "keys"], 20, 0.1, what="keys of the issuer")
        yield one


def log_in_by_a_token_of(issuer, one):
    """As a CI job does: no secret of ours anywhere."""
    mine = f"ci/acme/app/{type(one).__name__.lower()}"
    good(one.login("ci", issuer.token(repository="acme/app")))
    good(one.push(mine))
    good(one.pull(mine))
    bad(one.push("ci/acme/other/x"), DENIED)
    one.logout()
    if one.checks_login:
        bad(one.login("ci", issuer.token(repository="evil/app")),
            NOT_LOGGED_IN)


@pytest.mark.parametrize("kind", (Skopeo, Crane))
def test_a_token_of_an_issuer(guarded, issuer, cli, layout, tmp_path, kind):
    log_in_by_a_token_of(issuer, kind(guarded.address, cli, layout, tmp_path))


def test_docker_with_a_token_of_an_issuer(guarded, issuer, docker, tmp_path):
    log_in_by_a_token_of(issuer, Docker(guarded.address, docker, None,
                                        tmp_path))
