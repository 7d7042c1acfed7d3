"""The rounds: what a workload does, in which order."""

from . import packages

# Of the formats whose first index waits for a new RSA key only one.
FEW = ("debian", "generic", "npm", "pypi", "maven", "helm", "cargo", "go")


def images(load, count):
    """Pushes, an index, a referrer, moves and deletes of tags."""
    for number in range(count):
        name = f"app{number % 3}"
        load.push_image(name, f"v{number}")
        if number % 3 == 2:
            load.move_tag()
        if number % 4 == 3:
            load.more_of_upload()
    name, _, image = load.pushed[0]
    load.push_index(name, "multi")
    load.push_referrer(name, image)
    gone = load.push_image("gone", "one", mounts=False)
    load.put_manifest("gone", gone, "two")
    load.delete_tag("gone", "two")
    load.put_manifest("gone", gone, "three")
    load.delete_image("gone", gone, ["one", "three"])
    load.collect(*(("gone", blob) for blob in gone.blobs))
    load.undelete("gone", gone, "back")


def publishes(load, formats, each):
    """One of each format in turn, now and then an index is read."""
    for number in range(each):
        for format in formats:
            package = packages.make(format, load.scratch, number, load.rng)
            if format == "debian" and number == 0:
                load.publish_watched(package)
                continue
            load.publish(package)
            if number % 2 == 0:
                load.read_index(package)
            if format in ("generic", "maven") and number % 4 == 1:
                load.delete_package(package)


def garbage(load):
    """What nobody refers to goes; the same bytes come again."""
    unused = [("unused", load.bytes(9000)) for _ in range(3)]
    for name, data in unused:
        load.push_blob(name, data)
    load.collect(*unused[:2])
    load.delete_blob(*unused[2])
    load.push_blob(*unused[0])


def round_of(count, each, formats):
    """A plan: `count` images, `each` packages of each format.

    Packages and images each have a sweep of registryd for themselves: the
    one for documents makes link files durable too, and the other way round.
    """
    def plan(load):
        publishes(load, formats, each)
        load.publish_in_pieces(1)
        load.wait_for_sweep("stale_scopes")
        load.publish(packages.make("maven", load.scratch, 999, load.rng))
        load.checkpoint()
        load.open_upload("open", [load.bytes(5000), load.bytes(5000)])
        load.open_upload("open", [load.bytes(40_000)])
        images(load, count)
        load.push_blob("digests", load.bytes(3000), "sha512")
        load.push_after_failure("again")
        load.beside("beside", lambda: load.large_uploads("large", 4))
        garbage(load)
        load.checkpoint()
        load.wait_for_sweep("disk_intents")
        # What only the sweep made durable has nothing else to do it.
        load.move_tag()
        load.more_of_upload()
        load.put_manifest("app0", load.pushed[0][2], "last")
    return plan
