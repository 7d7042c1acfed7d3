"""Maven repositories with mvn: deploy and resolve of releases and snapshots,
metadata derived at all levels, checksums, plugins by prefix, deletion."""

import hashlib
import io
import os
import subprocess
import threading
import xml.etree.ElementTree as ElementTree
import zipfile

import pytest
import requests

from harness import spool

CLIENTS = ["mvn"]  # for tools/support-table

# What Debian has of Maven's own plugins, so that nothing comes from outside.
LOCAL = "/usr/share/maven-repo"


def jar(files=None):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in (files or {"a.txt": "a"}).items():
            archive.writestr(name, text)
    return out.getvalue()


def pom(group, artifact, version, more=""):
    return (f'<project xmlns="http://maven.apache.org/POM/4.0.0">'
            f"<modelVersion>4.0.0</modelVersion><groupId>{group}</groupId>"
            f"<artifactId>{artifact}</artifactId><version>{version}</version>"
            f"<description>the {artifact} of tests</description>{more}"
            "</project>").encode()


def path_of(group, artifact, version, extension="jar", file_version=None):
    return (f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-"
            f"{file_version or version}.{extension}")


def put(base, path, body, **keywords):
    return requests.put(f"{base}/{path}", data=body, timeout=60, **keywords)


def deploy(base, group, artifact, version, more="", **files):
    for extension, body in {"pom": pom(group, artifact, version, more),
                            "jar": jar(), **files}.items():
        done = put(base, path_of(group, artifact, version, extension), body)
        assert done.status_code == 201, done.text


def metadata(base, path):
    got = requests.get(f"{base}/{path}/maven-metadata.xml", timeout=30)
    assert got.status_code == 200, got.text
    return ElementTree.fromstring(got.content)


def texts(root, path):
    return [element.text for element in root.findall(path)]


class Maven:
    """mvn with a home of its own that knows one repository and Debian's."""

    def __init__(self, program, home, base, token=None):
        self.program, self.home = program, home
        home.mkdir(parents=True, exist_ok=True)
        server = (f"<server><id>ours</id><username>x</username>"
                  f"<password>{token}</password></server>" if token else "")
        plugins = "".join(
            f"<{kind}Repository><id>central</id><url>file://{LOCAL}</url>"
            "<snapshots><enabled>false</enabled></snapshots>"
            f"</{kind}Repository>" for kind in ("plugin",))
        (home / "settings.xml").write_text(
            f"<settings><localRepository>{home}/m2</localRepository>"
            f"<servers>{server}</servers><profiles><profile><id>p</id>"
            "<repositories><repository><id>central</id>"
            f"<url>file://{LOCAL}</url></repository><repository><id>ours</id>"
            f"<url>{base}</url><snapshots><enabled>true</enabled>"
            "<updatePolicy>always</updatePolicy></snapshots></repository>"
            f"</repositories><pluginRepositories>{plugins}"
            f"<pluginRepository><id>ours</id><url>{base}</url>"
            "</pluginRepository></pluginRepositories></profile></profiles>"
            "<activeProfiles><activeProfile>p</activeProfile>"
            "</activeProfiles></settings>")

    def __call__(self, *arguments, check=True, cwd=None):
        done = subprocess.run(
            [self.program, "-B", "-ntp", "-s", self.home / "settings.xml",
             *map(str, arguments)], cwd=cwd or self.home, text=True,
            capture_output=True, timeout=300,
            env={**os.environ, "HOME": str(self.home), "MAVEN_OPTS":
                 f"-Duser.home={self.home} -Xmx256m"})
        if check:
            assert done.returncode == 0, done.stdout[-4000:]
        return done


DEPLOY = "org.apache.maven.plugins:maven-deploy-plugin:3.0.0:deploy-file"
GET = "org.apache.maven.plugins:maven-dependency-plugin:3.5.0:get"


@pytest.fixture
def base(make_repository):
    return make_repository("maven")


@pytest.fixture
def maven(client, base, tmp_path):
    return Maven(client("mvn"), tmp_path / "home", base)


def test_deploy_and_resolve(maven, base, client, registry, tmp_path):
    (tmp_path / "lib.jar").write_bytes(jar({"x.txt": "the library"}))
    (tmp_path / "lib-sources.jar").write_bytes(jar({"x.java": "x"}))
    for version in ("1.0", "1.10"):
        maven(DEPLOY, f"-Durl={base}", "-DrepositoryId=ours",
              f"-Dfile={tmp_path}/lib.jar", "-DgroupId=org.example",
              "-DartifactId=lib", f"-Dversion={version}",
              f"-Dsources={tmp_path}/lib-sources.jar")
    refused = maven(DEPLOY, f"-Durl={base}", "-DrepositoryId=ours",
                    f"-Dfile={tmp_path}/lib-sources.jar",
                    "-DgroupId=org.example", "-DartifactId=lib",
                    "-Dversion=1.0", check=False)
    assert refused.returncode != 0 and "409" in refused.stdout
    registry.restart_daemon()
    fresh = Maven(client("mvn"), tmp_path / "fresh", base)
    fresh(GET, "-Dartifact=org.example:lib:1.10", "-Dtransitive=false")
    got = fresh.home / "m2/org/example/lib/1.10/lib-1.10.jar"
    assert got.read_bytes() == (tmp_path / "lib.jar").read_bytes()
    root = metadata(base, "org/example/lib")
    assert texts(root, "versioning/versions/version") == ["1.0", "1.10"]
    assert root.findtext("versioning/release") == "1.10"
    assert root.findtext("versioning/latest") == "1.10"


def test_snapshots(maven, base, client, tmp_path):
    for text in ("one", "two"):
        (tmp_path / "s.jar").write_bytes(jar({"x.txt": text}))
        maven(DEPLOY, f"-Durl={base}", "-DrepositoryId=ours",
              f"-Dfile={tmp_path}/s.jar", "-DgroupId=org.example",
              "-DartifactId=snap", "-Dversion=2.0-SNAPSHOT")
    root = metadata(base, "org/example/snap/2.0-SNAPSHOT")
    assert root.findtext("versioning/snapshot/buildNumber") == "2"
    values = set(texts(root, "versioning/snapshotVersions/"
                             "snapshotVersion/value"))
    assert len(values) == 1 and values.pop().endswith("-2")
    fresh = Maven(client("mvn"), tmp_path / "fresh", base)
    fresh(GET, "-Dartifact=org.example:snap:2.0-SNAPSHOT",
          "-Dtransitive=false")
    got = next((fresh.home / "m2/org/example/snap/2.0-SNAPSHOT").glob(
        "snap-2.0-SNAPSHOT.jar"))
    assert zipfile.ZipFile(got).read("x.txt") == b"two"


def test_every_checksum(base):
    deploy(base, "org.sums", "s", "1")
    path = path_of("org.sums", "s", "1")
    body = requests.get(f"{base}/{path}", timeout=30)
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, body.content).hexdigest()
        assert requests.get(f"{base}/{path}.{name}",
                            timeout=30).text == digest
        assert put(base, f"{path}.{name}", digest).status_code == 201
        wrong = put(base, f"{path}.{name}", "0" * len(digest))
        assert wrong.status_code == 400
        document = requests.get(f"{base}/org/sums/s/maven-metadata.xml",
                                timeout=30).content
        assert requests.get(
            f"{base}/org/sums/s/maven-metadata.xml.{name}",
            timeout=30).text == hashlib.new(name, document).hexdigest()
    assert body.headers["X-Checksum-Sha1"] == hashlib.sha1(
        body.content).hexdigest()
    assert put(base, f"{path}.asc", b"a signature").status_code == 201
    assert requests.get(f"{base}/{path}.asc",
                        timeout=30).content == b"a signature"
    assert requests.get(f"{base}/{path}.asc.sha1", timeout=30).text == (
        hashlib.sha1(b"a signature").hexdigest())


def test_gradle_module_metadata_and_misses(base):
    deploy(base, "org.gradle.ours", "g", "1", module=b'{"a": 1}')
    path = path_of("org.gradle.ours", "g", "1", "module")
    got = requests.get(f"{base}/{path}", timeout=30)
    assert got.json() == {"a": 1}
    for missing in (path_of("org.gradle.ours", "g", "2", "module"),
                    path_of("org.gradle.ours", "g", "1", "xyz"),
                    "org/nothing/maven-metadata.xml"):
        assert requests.get(f"{base}/{missing}", timeout=30).status_code == (
            404), missing


def test_parallel_deploys_lose_no_version(base):
    threads = [threading.Thread(target=deploy, args=(
        base, "org.par", "p", f"1.{n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts(metadata(base, "org/par/p"),
                 "versioning/versions/version") == [
        f"1.{n}" for n in range(12)]


def test_plugins_by_prefix(base):
    plugin = jar({"META-INF/maven/plugin.xml":
                  "<plugin><goalPrefix>hello</goalPrefix></plugin>"})
    deploy(base, "org.plug", "hello-maven-plugin", "1", jar=plugin)
    deploy(base, "org.plug", "no-plugin", "1")
    root = metadata(base, "org/plug")
    assert texts(root, "plugins/plugin/prefix") == ["hello"]
    assert texts(root, "plugins/plugin/artifactId") == ["hello-maven-plugin"]
    prefixes = requests.get(f"{base}/.meta/prefixes.txt", timeout=30).text
    assert prefixes.splitlines() == ["## repository-prefixes/2.0",
                                     "/org/plug"]


def test_lists_and_delete(base):
    for version in ("1", "2"):
        deploy(base, "org.del", "d", version)
    html = requests.get(f"{base}/org/del/d/", timeout=30)
    assert '<a href="1/">' in html.text
    assert requests.delete(f"{base}/org/del/d/2/",
                           timeout=30).status_code == 204
    assert requests.get(f"{base}/{path_of('org.del', 'd', '2')}",
                        timeout=30).status_code == 404
    assert texts(metadata(base, "org/del/d"),
                 "versioning/versions/version") == ["1"]
    gone = path_of("org.del", "d", "1")
    assert requests.delete(f"{base}/{gone}", timeout=30).status_code == 204
    assert requests.get(f"{base}/{gone}", timeout=30).status_code == 404
    assert requests.delete(f"{base}/{gone}", timeout=30).status_code == 404
    assert requests.delete(f"{base}/org/del/d/1/",
                           timeout=30).status_code == 204
    assert requests.get(f"{base}/org/del/d/maven-metadata.xml",
                        timeout=30).status_code == 404


def test_versions_are_in_mavens_order(base):
    versions = ["1.0-alpha-1", "1.0-SNAPSHOT", "1.0", "1.0.1", "1.9", "1.10"]
    for version in reversed(versions):
        put(base, path_of("org.ord", "o", version, "pom"),
            pom("org.ord", "o", version))
    root = metadata(base, "org/ord/o")
    assert texts(root, "versioning/versions/version") == versions


def test_a_private_repository(private, client, tmp_path):
    base = private.repository("maven")
    path = path_of("org.priv", "p", "1")
    assert put(base, path, jar()).status_code == 401
    (tmp_path / "p.jar").write_bytes(jar())
    words = (DEPLOY, f"-Durl={base}", "-DrepositoryId=ours",
             f"-Dfile={tmp_path}/p.jar", "-DgroupId=org.priv",
             "-DartifactId=p", "-Dversion=1")
    for who in ("reader", "readonly", "stranger"):
        refused = put(base, path, jar(), auth=("x", private.tokens[who]))
        assert refused.status_code == 403
    Maven(client("mvn"), tmp_path / "writer", base,
          private.tokens["writer"])(*words)
    reader = Maven(client("mvn"), tmp_path / "reader", base,
                   private.tokens["reader"])
    reader(GET, "-Dartifact=org.priv:p:1", "-Dtransitive=false")
    assert requests.get(f"{base}/{path}", timeout=30).status_code == 401


def test_reads_go_on_without_the_daemon(base, registry):
    deploy(base, "org.there", "t", "1")
    urls = [f"{base}/org/there/t/maven-metadata.xml",
            f"{base}/{path_of('org.there', 't', '1')}"]
    before = [requests.get(url, timeout=30).content for url in urls]
    registry.pause_daemon()
    try:
        assert [requests.get(url, timeout=30).content
                for url in urls] == before
    finally:
        registry.resume_daemon()


@pytest.mark.parametrize("path", [
    "a.jar", "g/a.jar", "g/a/1/b-1.jar", "g/a/1/a-2.jar", "g/a/1/a.jar",
    "g/a/../1/a-1.jar", "g/a/1/a-1.jar%00", "g//a/1/a-1.jar"])
def test_hostile_paths(base, registry, path):
    code = subprocess.run(
        ["curl", "-sS", "--path-as-is", "-o", "/dev/null", "-w",
         "%{http_code}", "-X", "PUT", "--data-binary", "x",
         f"{base}/{path}"], capture_output=True, text=True, check=True).stdout
    assert code in ("400", "404")
    spool.wait_empty(registry)
