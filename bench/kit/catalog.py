"""A directory with many manifests, in the layout that ours and docker-registry
share: both serve the same tree, ours with a database that `registryctl
rebuild` makes from it. Filling by pushes would take minutes and end in the
same files.
"""

import hashlib
import json
import os
import sqlite3
import subprocess
from contextlib import closing

from . import client
from .content import MANIFEST_BYTES, MANIFEST_TYPE, digest_of

PREFIX = "/v2/bench/cold-"
REPOSITORIES = 100
# Layers of an image's own, and those it shares with as many other images.
OWN_LAYERS = 2
BASE_LAYERS = 7
SHARE_BASE = 50


def repository(number):
    return f"bench/cold-{number % REPOSITORIES}"


def _named(*what):
    """A digest of a blob that is nowhere: nobody asks for it."""
    return "sha256:" + hashlib.sha256(repr(what).encode()).hexdigest()


def manifest(number):
    """An image manifest of MANIFEST_BYTES, another one for each number."""
    layers = [_named("base", number // SHARE_BASE, i)
              for i in range(BASE_LAYERS)]
    layers += [_named("layer", number, i) for i in range(OWN_LAYERS)]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": _named("config", number), "size": 1469},
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
             "digest": digest, "size": 1 << 20} for digest in layers],
        "annotations": {"org.opencontainers.image.description": ""},
    }
    bare = len(json.dumps(document))
    document["annotations"]["org.opencontainers.image.description"] = \
        "x" * (MANIFEST_BYTES - bare)
    return json.dumps(document).encode()


def _write(folder, name, data):
    os.mkdir(folder)
    descriptor = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(descriptor, data)
    os.close(descriptor)


def make_tree(root, count):
    """Writes `count` manifests below `root`; their URL paths, in order."""
    top = f"{root}/docker/registry/v2"
    blobs = f"{top}/blobs/sha256"
    for byte in range(256):
        os.makedirs(f"{blobs}/{byte:02x}")
    revisions = []
    for number in range(REPOSITORIES):
        folder = f"{top}/repositories/{repository(number)}"
        revisions.append(f"{folder}/_manifests/revisions/sha256")
        os.makedirs(revisions[-1])
    targets = []
    for number in range(count):
        data = manifest(number)
        digest = digest_of(data)
        name = digest.partition(":")[2]
        _write(f"{blobs}/{name[:2]}/{name}", "data", data)
        _write(f"{revisions[number % REPOSITORIES]}/{name}", "link",
               digest.encode())
        targets.append(f"/v2/{repository(number)}/manifests/{digest}")
    return targets


def make_database(registryctl, root, folder, count):
    """The database of a tree, as an operator makes it."""
    done = subprocess.run(
        [registryctl, "rebuild", "--root", root, "--database", folder],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise client.Wrong("registryctl rebuild: " +
                           (done.stderr + done.stdout).strip())
    with closing(sqlite3.connect(
            f"file:{folder}/longshore.sqlite?mode=ro", uri=True)) as database:
        found = database.execute("SELECT count(*) FROM manifests").fetchone()
    if found != (count,):
        raise client.Wrong(f"the database has {found[0]} manifests of {count}")
