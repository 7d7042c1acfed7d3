"""Packages of npm, the clients that publish and install them, and a publish
without a client."""

import base64
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import requests

from .process import run


def write_package(folder, name, version, files=None, **more):
    """A folder that a client can publish; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"name": name, "version": version, "license": "MIT",
                "description": f"what {name} does", "main": "index.js",
                **more}
    texts = {"package.json": json.dumps(manifest, indent=2),
             "index.js": f"module.exports = '{name} {version}'\n",
             "README.md": f"# {name}\n\nRead me.\n", **(files or {})}
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def make_tarball(manifest, files=None, top="package"):
    """A package as bytes."""
    out = io.BytesIO()
    texts = {"package.json": json.dumps(manifest), **(files or {})}
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, text in texts.items():
            data = text if isinstance(text, bytes) else text.encode()
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def integrity(data):
    digest = hashlib.sha512(data).digest()
    return "sha512-" + base64.b64encode(digest).decode()


def publish_body(name, version, data=None, manifest=None, tag="latest",
                 **more):
    """What a client sends for a package, as an object."""
    manifest = manifest or {"name": name, "version": version}
    data = make_tarball(manifest) if data is None else data
    return {
        "_id": name, "name": name, "dist-tags": {tag: version},
        "versions": {version: {
            **manifest, "_id": f"{name}@{version}",
            "dist": {"integrity": integrity(data),
                     "shasum": hashlib.sha1(data).hexdigest(),
                     "tarball": f"http://x/{name}/-/{name}-{version}.tgz"}}},
        "access": None,
        "_attachments": {f"{name}-{version}.tgz": {
            "content_type": "application/octet-stream",
            "data": base64.b64encode(data).decode(), "length": len(data)}},
        **more}


def large_publish(folder, name, version, size):
    """A package with `size` random bytes, and a body that sends it without
    holding it: (its file, what yields the body). The package comes first, so
    that nobody may rely on knowing the version before it."""
    path = folder / "large.tgz"
    manifest = json.dumps({"name": name, "version": version}).encode()

    class Random:
        def read(self, wanted):
            return os.urandom(wanted)
    with tarfile.open(path, "w:gz", compresslevel=0) as archive:
        for inner, length, source in (
                ("package.json", len(manifest), io.BytesIO(manifest)),
                ("random", size, Random())):
            entry = tarfile.TarInfo(f"package/{inner}")
            entry.size = length
            archive.addfile(entry, source)

    def pieces():
        yield f'{{"_attachments":{{"{name}-{version}.tgz":{{"data":"'.encode()
        with open(path, "rb") as source:
            while piece := source.read(3 << 18):
                yield base64.b64encode(piece)
        rest = publish_body(name, version, data=b"")
        del rest["versions"][version]["dist"]
        yield (f'","length":{path.stat().st_size}}}}},'.encode()
               + json.dumps({key: value for key, value in rest.items()
                             if key != "_attachments"}).encode()[1:])
    return path, pieces()


def escaped(name):
    return name.replace("/", "%2f")


def put(base, name, body, seconds=120, **keywords):
    data = json.dumps(body) if isinstance(body, dict) else body
    return requests.put(f"{base}/{escaped(name)}", data=data, timeout=seconds,
                        headers={"Content-Type": "application/json"},
                        **keywords)


def publish(base, name, version, **more):
    done = put(base, name, publish_body(name, version, **more))
    assert done.status_code == 201, done.text
    return done


def packument(base, name, **keywords):
    got = requests.get(f"{base}/{escaped(name)}", timeout=60, **keywords)
    assert got.status_code == 200, got.text
    return got.json()


class Home:
    """A home in which the clients know one registry and nothing else."""

    def __init__(self, folder, url, token="no-token"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url = url
        self.env = {
            name: value for name, value in os.environ.items()
            if not name.lower().startswith(("npm_config_", "yarn_"))
            and not name.lower().endswith("_proxy")}
        self.env.update(HOME=str(self.folder), NO_COLOR="1", CI="1",
                        npm_config_update_notifier="false",
                        npm_config_fund="false",
                        npm_config_cache=str(self.folder / "npm-cache"),
                        XDG_CACHE_HOME=str(self.folder / "cache"),
                        XDG_DATA_HOME=str(self.folder / "data"),
                        XDG_CONFIG_HOME=str(self.folder / "config"),
                        YARN_ENABLE_TELEMETRY="0",
                        YARN_ENABLE_GLOBAL_CACHE="1",
                        YARN_NODE_LINKER="node-modules",
                        YARN_ENABLE_IMMUTABLE_INSTALLS="0")
        self.log_in_as(token)

    def log_in_as(self, token):
        """Writes what the clients read; no line for a token that is ""."""
        place = self.url.split(":", 1)[1]
        lines = [f"registry={self.url}/"]
        yarn = [f'npmRegistryServer: "{self.url}"',
                "unsafeHttpWhitelist:", "  - 127.0.0.1",
                "npmMinimalAgeGate: 0", "npmAlwaysAuth: true"]
        if token:
            lines.append(f"{place}/:_authToken={token}")
            yarn.append(f'npmAuthToken: "{token}"')
        (self.folder / ".npmrc").write_text("\n".join(lines) + "\n")
        (self.folder / ".yarnrc.yml").write_text("\n".join(yarn) + "\n")

    def project(self, name="project", **more):
        """A folder to install into."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps(
            {"name": "project", "version": "1.0.0", "private": True, **more}))
        # Yarn 4 takes a folder for a project of its own by this.
        (folder / "yarn.lock").write_text("")
        # Yarn 1 sends a token for scoped packages only otherwise, and reads
        # this from here; npm warns of it.
        if "yarn1" in name:
            (folder / ".npmrc").write_text("always-auth=true\n")
        return folder

    def run(self, program, *words, cwd=None, **keywords):
        return run(program, *words, cwd=cwd or self.folder, env=self.env,
                   **keywords)
