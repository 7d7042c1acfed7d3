"""Which operation comes to which point (common/probe.hpp). Every point that
the programs' files name has a row; tests/probes looks whether that is so."""

import os
import time

import pytest

from . import operations as o
from . import operations_at_start as s

# Of nginx's worker.
WORKER = {
    "answer.arrived": [o.Push, o.PutManifest, o.PublishNpm],
    "answer.dropped": [o.PutManifest, o.PublishNpm, o.DeleteTag],
    "blob.confirmed": [o.PushWithoutDaemon],
    "blob.folder_made": [o.Push, o.PushInPieces],
    "blob.folder_synced": [o.Push, o.PushInPieces, o.PushAtOnce],
    "blob.note_empty": [o.PushInPieces, o.Push],
    "blob.note_renamed": [o.PushInPieces, o.Push],
    "blob.noted": [o.PushInPieces, o.Push],
    "blob.renamed": [o.Push, o.PushInPieces, o.PushAtOnce, o.PushAgain],
    "blob.synced": [o.PushInPieces, o.Push],
    "lease.touched": [o.HeadOfOld],
    "received.told": [o.Push, o.PutFile, o.PutManifest],
    "spool.opened": [o.PutFile, o.PublishNpm],
    "spool.synced": [o.PutFile, o.PublishNpm],
    "spool.written": [o.PutFile],
    "upload.cut": [o.PushTooLong],
    "upload.forgotten": [o.Cancel],
    "upload.handed_over": [o.PutFileInPieces],
    "upload.state_overwritten": [o.PushInPieces],
    "upload.state_renamed": [o.PushInPieces, o.PutFileInPieces],
    "upload.state_wanted": [o.PushInPieces],
    "upload.state_written": [o.PushInPieces],
    "upload.synced": [o.PushInPieces],
    "upload.unnamed": [o.PushWrong, o.Cancel, o.Push],
    "upload.written": [o.PushInPieces, o.Push, o.PutFileInPieces],
}
# Of registryd while it serves.
DAEMON = {
    "answer.made": [o.PutManifest, o.Mount],
    "answer.sent": [o.PutManifest],
    "database.begun": [o.PutManifest, o.PublishNpm],
    "database.committed": [o.PutManifest, o.PublishNpm, o.DeleteManifest],
    "database.filled": [o.PutManifest, o.PublishNpm, o.DeleteManifest],
    "document.renamed": [o.InstallNpm, o.TagNpm],
    "drops.published": [o.Drop],
    "edit.committed": [o.TagNpm],
    "file.folder_synced": [o.PutManifest],
    "file.known": [o.PutAgain],
    "file.renamed": [o.PutManifest],
    "file.synced": [o.PutManifest],
    "file.written": [o.Push, o.PutManifest],
    "folder.aside": [o.DeleteTag],
    "folder.cleared": [o.DeleteTag],
    "folder.made": [o.Push, o.PutManifest],
    "gc.all_aside": [o.Collect, o.CollectData, o.CollectUnknown],
    "gc.begun": [o.Collect],
    "gc.committed": [o.Collect, o.CollectData, o.CollectUnknown],
    "gc.discarded": [o.Collect, o.CollectData, o.CollectUnknown],
    "gc.intended": [o.Collect, o.CollectData],
    "gc.linked": [o.Collect],
    "gc.one_aside": [o.Collect, o.CollectData, o.CollectUnknown],
    "gc.swept": [o.Collect],
    "gc.told": [o.Collect],
    "index.committed": [o.InstallNpm, o.TagNpm],
    "index.made": [o.InstallNpm, o.TagNpm],
    "key_file.linked": [o.FirstSigningKey],
    "layer.committed": [o.Push, o.Mount],
    "layer.linked": [o.Push, o.Mount],
    "layer.touched": [o.PushAgain],
    "link.decided": [o.PutManifest, o.MoveTag, o.DeleteManifest],
    "link.removed": [o.DeleteManifest, o.DeleteBlob],
    "link.written": [o.PutManifest, o.MoveTag],
    "loose.committed": [o.PutLoose],
    "manifest.stored": [o.PutManifest],
    "names.committed": [o.PutManifest, o.MoveTag, o.DeleteTag,
                        o.DeleteManifest],
    "names.linked": [o.PutManifest, o.MoveTag, o.DeleteTag,
                     o.DeleteManifest],
    "package.folder_synced": [o.PutFile, o.PutFileInPieces, o.PublishNpm],
    "package.renamed": [o.PutFile, o.PutFileInPieces, o.PublishNpm],
    "publish.adopted": [o.PutFile, o.PublishNpm],
    "publish.committed": [o.PutFile, o.PublishNpm],
    "publish.indexed": [o.PublishNpm, o.TagNpm],
    "sealing_key.written": [o.FirstSigningKey],
    "session.started": [o.Push],
    "session.wanted": [o.Push],
    "signing_key.committed": [o.FirstSigningKey],
    "signing_key.sealed": [o.FirstSigningKey],
    "stage.synced": [o.PublishNpm],
    "tag.indexed": [o.PutManifest, o.MoveTag],
    "trash.filled": [o.CollectData],
    "trash.taken_back": [o.Undelete],
    "unlink.committed": [o.DeleteBlob],
    "unlink.linked": [o.DeleteBlob],
}
# Of registryd while it starts.
START = {
    "audit.pruned": [s.AfterPush],
    "document.removed": [s.WithLeftovers],
    "events.swept": [s.AfterPush],
    "index.settled": [s.AfterPublish],
    "index.synced": [s.AfterPublish],
    "leftovers.found": [s.WithUnknownDocument],
    "leftovers.removed": [s.WithLeftovers],
    "links.forgotten": [s.AfterPush],
    "links.replayed": [s.AfterPush],
    "links.synced": [s.AfterPush],
    "session.purged": [s.WithOldSession],
}
# The same, where the database is gone; without packages, which only it has.
FIRST_START = {
    "documents.begun": [s.WithoutTables],
    "migration.committed": [s.WithoutTables],
    "takeover.completed": [s.WithoutTables],
    "takeover.indexed": [s.WithoutTables],
    "takeover.layers": [s.WithoutTables],
    "takeover.manifests": [s.WithoutTables],
    "takeover.named": [s.WithoutTables],
    "takeover.tags": [s.WithoutTables],
}
# The same with accounts.
FIRST_KEYS = {
    "key_file.renamed": [s.WithoutKeys],
    "key_file.written": [s.WithoutKeys],
    "token_key.made": [s.WithoutKeys],
    "token_key.published": [s.WithoutKeys],
}
# Of registryd with accounts.
GUARDED = {
    "audit.written": [o.RefusedLogin],
}
# Of registryctl.
REBUILD = ("rebuild.filled", "rebuild.moved", "rebuild.renamed")
SETUP = ("setup.committed",)

TABLES = (WORKER, DAEMON, START, FIRST_START, FIRST_KEYS, GUARDED)

FULL = os.environ.get("LONGSHORE_CRASH", "") == "full"
SLICES = 4  # as many days until each row had its turn


def all_names():
    return {name for table in TABLES for name in table} | {*REBUILD, *SETUP}


def rows(table):
    """(point, operation) of today, or all of them (LONGSHORE_CRASH=full)."""
    every = [(name, kind) for name, kinds in sorted(table.items())
             for kind in kinds]
    today = int(time.time()) // 86_400
    slices = min(SLICES, len(every))  # of a short table one each day
    return [row for number, row in enumerate(every)
            if FULL or (number + today) % slices == 0]


def cases(table):
    """rows() as parameters of a test."""
    return [pytest.param(name, kind, id=f"{name}-{kind.__name__}")
            for name, kind in rows(table)]
