"""The content that every server is filled with, and the blobs that are
pushed. Pseudo-random with a fixed seed, so every run serves the same bytes."""

import hashlib
import json
import mmap
import random
import secrets
from dataclasses import dataclass
from pathlib import Path

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
BLOB_SIZES = {"1 KiB": KIB, "100 KiB": 100 * KIB, "1 MiB": MIB,
              "10 MiB": 10 * MIB, "100 MiB": 100 * MIB}
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST_BYTES = 2000
PIECE = 64 * MIB


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Blob:
    path: Path
    size: int
    digest: str

    def data(self):
        return self.path.read_bytes()


class Content:
    """Blobs by the name of their size, one manifest, plans for pushes.

    The blob "1 GiB" (of `large_bytes`) is for pushes only: no server is
    filled with it, and it is made when it is first asked for.
    """

    repository = "bench/app"
    tag = "latest"

    def __init__(self, folder, large_bytes=GIB):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.large_bytes = large_bytes
        self.large = None
        self.blobs = {name: self._make(name, size)
                      for name, size in BLOB_SIZES.items()}
        self.manifest = self._make_manifest()
        self.manifest_digest = digest_of(self.manifest)
        self._plans = 0

    def body(self, name):
        """The blob of a size's name, of those for pushes too."""
        if name in self.blobs:
            return self.blobs[name]
        if name != "1 GiB":
            raise KeyError(name)
        if self.large is None:
            self.large = self._make(name, self.large_bytes)
        return self.large

    def _make(self, name, size):
        source, running = random.Random(size), hashlib.sha256()
        path = self.folder / name.replace(" ", "")
        with open(path, "wb") as file:
            for at in range(0, size, PIECE):
                data = source.randbytes(min(PIECE, size - at))
                running.update(data)
                file.write(data)
        return Blob(path, size, "sha256:" + running.hexdigest())

    def _make_manifest(self):
        """An image manifest that names all blobs, padded by an annotation to
        the size a usual manifest has."""
        config = self.blobs["1 KiB"]
        layers = [b for b in self.blobs.values() if b is not config]
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config.digest, "size": config.size},
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": b.digest, "size": b.size} for b in layers],
            "annotations": {"org.opencontainers.image.description": ""},
        }
        bare = len(json.dumps(document))
        document["annotations"]["org.opencontainers.image.description"] = \
            "x" * (MANIFEST_BYTES - bare)
        return json.dumps(document).encode()

    def plan(self, size_name, count):
        """A file with `count` new blobs for `bench_load push`, each the body
        file with its first bytes replaced, and their digests."""
        lines, digests = [], []
        with open(self.body(size_name).path, "rb") as file, \
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as all_, \
                memoryview(all_) as body:
            for _ in range(count):
                prefix = secrets.token_hex(8)
                running = hashlib.sha256(prefix.encode())
                with body[len(prefix):] as rest:
                    running.update(rest)
                digests.append("sha256:" + running.hexdigest())
                lines.append(f"{digests[-1]} {prefix}\n")
        self._plans += 1
        path = self.folder / f"plan-{self._plans}"
        path.write_text("".join(lines), encoding="ascii")
        return path, digests
