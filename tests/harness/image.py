"""Runnable images for the real clients: a static program on no base."""

import json
import os
import subprocess
from pathlib import Path

from . import oci

# What the program in every image prints.
GREETING = "longshore says hello"
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    FILE *file = fopen("/note", "r");
    char note[100] = "";
    if (file != NULL && fgets(note, sizeof note, file) == NULL) return 1;
    printf("longshore says hello %s\n", note);
    return 0;
}
"""


def compile_hello(folder):
    """Compiles the static program; its path."""
    source, program = Path(folder) / "hello.c", Path(folder) / "hello"
    source.write_text(SOURCE)
    subprocess.run([os.environ.get("CC", "gcc"), "-static", "-Os", "-s",
                    "-o", program, source], check=True)
    return program


def root_tree(folder, program, note, filler=0):
    """A root file system with the program, a note, some random bytes."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    (root / "hello").write_bytes(Path(program).read_bytes())
    (root / "hello").chmod(0o755)
    (root / "note").write_text(note)
    if filler:
        (root / "filler").write_bytes(os.urandom(filler))
    return root


def runnable(program, note, filler=200_000, architecture="amd64"):
    """An `oci.Image` that prints GREETING and its note when run."""
    # No layer is like another image's: clients remember what they saw where.
    layers = [{"hello": Path(program).read_bytes(), "id": os.urandom(16)},
              {"note": note.encode(), "filler": os.urandom(filler)}]
    raw = [oci.tar_layer(files, compress=False) for files in layers]
    packed = [oci.tar_layer(files) for files in layers]
    # A layer's name in the config is that of the unpacked tar.
    config = json.dumps({
        "architecture": architecture, "os": "linux",
        "config": {"Entrypoint": ["/hello"]},
        "rootfs": {"type": "layers",
                   "diff_ids": [oci.digest(data) for data in raw]},
        "history": [{"created_by": "test"}] * len(raw)}).encode()
    return oci.make_image(packed, config=config)


def write_layout(folder, image, tag, members=()):
    """An OCI layout with `image` (and what an index names) under `tag`."""
    root = Path(folder)
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for one in (image, *members):
        for data in (one.manifest, *one.blobs):
            (blobs / oci.digest(data).split(":")[1]).write_bytes(data)
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    row = image.descriptor(
        annotations={"org.opencontainers.image.ref.name": tag})
    (root / "index.json").write_text(json.dumps(
        {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [row]}))
    return root


def layout_blobs(folder):
    """name → bytes of all blobs of an OCI layout, each checked."""
    out = {}
    for path in (Path(folder) / "blobs" / "sha256").iterdir():
        data = path.read_bytes()
        name = f"sha256:{path.name}"
        assert oci.digest(data) == name, f"{name} holds other bytes"
        out[name] = data
    return out
