"""A small OCI client over the raw HTTP one, and makers of images.

Every call returns the `Response`; the `push_*` helpers assert success.
"""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from . import http

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST))


def digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor(data, media_type, **more):
    return {"mediaType": media_type, "digest": digest(data),
            "size": len(data), **more}


def tar_layer(files, compress=True):
    """A layer with `files` (name → bytes), the same bytes every time."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o755
            tar.addfile(info, io.BytesIO(data))
    data = raw.getvalue()
    return gzip.compress(data, 1, mtime=0) if compress else data


@dataclass
class Image:
    """An image as bytes: what is to be pushed and compared afterwards."""
    manifest: bytes
    media_type: str
    blobs: list

    @property
    def digest(self):
        return digest(self.manifest)

    def descriptor(self, **more):
        return descriptor(self.manifest, self.media_type, **more)


def make_image(layers=(b"layer",), architecture="amd64", config=None,
               **fields):
    """An OCI image of `layers` (bytes each, not unpackable unless tar)."""
    if config is None:
        config = json.dumps({
            "architecture": architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers",
                       "diff_ids": [digest(layer) for layer in layers]},
        }).encode()
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": [descriptor(layer, LAYER) for layer in layers], **fields}
    return Image(json.dumps(manifest).encode(), MANIFEST,
                 [config, *layers])


def make_artifact(payload=b"payload", artifact_type="application/x.test",
                  subject=None, annotations=None):
    """An OCI 1.1 artifact: empty config, one blob, perhaps a subject."""
    fields = {"artifactType": artifact_type}
    if subject is not None:
        fields["subject"] = subject
    if annotations:
        fields["annotations"] = annotations
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor(b"{}", EMPTY),
        "layers": [descriptor(payload, "application/octet-stream")],
        **fields}
    return Image(json.dumps(manifest).encode(), MANIFEST, [b"{}", payload])


def make_index(images, **fields):
    """An index of `images` [(Image, platform dict or None)]."""
    rows = [image.descriptor(**({"platform": platform} if platform else {}))
            for image, platform in images]
    body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows,
            **fields}
    return Image(json.dumps(body).encode(), INDEX, [])


class Repository:
    """One repository of one server; a connection per request."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.base = f"/v2/{name}"

    def call(self, method, path, headers=(), body=b"", pieces=None):
        """`path` is relative to the repository, or absolute with `/v2/`."""
        target = path if path.startswith("/v2/") else self.base + path
        return http.request(self.server, method, target, headers, body,
                            pieces)

    # Blobs

    def start_upload(self, query="", headers=()):
        return self.call("POST", f"/blobs/uploads/{query}", headers)

    def patch(self, location, data, start=None, pieces=None):
        headers = {"Content-Type": "application/octet-stream"}
        if start is not None:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        return self.call("PATCH", target(location), headers, data, pieces)

    def finish(self, location, expected, data=b"", headers=()):
        path = with_query(target(location), f"digest={quote(expected)}")
        pairs = dict(headers)
        if data:
            pairs.setdefault("Content-Type", "application/octet-stream")
        return self.call("PUT", path, pairs, data)

    def upload_status(self, location):
        return self.call("GET", target(location))

    def cancel(self, location):
        return self.call("DELETE", target(location))

    def get_blob(self, name, headers=()):
        return self.call("GET", f"/blobs/{name}", headers)

    def head_blob(self, name):
        return self.call("HEAD", f"/blobs/{name}")

    def push_blob(self, data, algorithm="sha256"):
        """POST then one PUT; the digest."""
        name = digest(data, algorithm)
        first = self.start_upload()
        assert first.status == 202, (first.status, first.body)
        last = self.finish(first.headers["Location"], name, data)
        assert last.status == 201, (last.status, last.body)
        return name

    def push_blob_chunked(self, data, size):
        """POST, PATCHes of `size` bytes with Content-Range, PUT."""
        answer = self.start_upload()
        assert answer.status == 202, (answer.status, answer.body)
        for start in range(0, len(data), size):
            piece = data[start:start + size]
            answer = self.patch(answer.headers["Location"], piece, start)
            assert answer.status == 202, (answer.status, answer.body)
        answer = self.finish(answer.headers["Location"], digest(data))
        assert answer.status == 201, (answer.status, answer.body)
        return digest(data)

    # Manifests

    def put_manifest(self, reference, body, media_type=MANIFEST, headers=()):
        return self.call("PUT", f"/manifests/{reference}",
                         {"Content-Type": media_type, **dict(headers)}, body)

    def get_manifest(self, reference, accept=ACCEPT):
        return self.call("GET", f"/manifests/{reference}",
                         {"Accept": accept})

    def head_manifest(self, reference, accept=ACCEPT):
        return self.call("HEAD", f"/manifests/{reference}",
                         {"Accept": accept})

    def delete_manifest(self, reference):
        return self.call("DELETE", f"/manifests/{reference}")

    def push(self, image, reference=None):
        """Blobs, then the manifest under `reference` (or its digest)."""
        for blob in image.blobs:
            if self.head_blob(digest(blob)).status != 200:
                self.push_blob(blob)
        answer = self.put_manifest(reference or image.digest,
                                   image.manifest, image.media_type)
        assert answer.status == 201, (answer.status, answer.body)
        return image.digest

    def push_index(self, images, reference=None):
        """The images by digest, then an index of them; the index."""
        for image, _ in images:
            self.push(image)
        index = make_index(images)
        self.push(index, reference)
        return index

    # Lists

    def tags(self, query=""):
        return self.call("GET", f"/tags/list{query}")

    def referrers(self, name, query=""):
        return self.call("GET", f"/referrers/{name}{query}")


def target(location):
    """The request target of a Location, relative or absolute."""
    parts = urlsplit(location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def with_query(path, query):
    return path + ("&" if "?" in path else "?") + query


def catalog(server, query=""):
    return http.request(server, "GET", f"/v2/_catalog{query}")
