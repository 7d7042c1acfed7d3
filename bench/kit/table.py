"""Every row of the table, in order."""

from .cold import ColdGet, Start
from .content import KIB, MIB
from .memory import (AtRestAfter, Memory, OpenConnections, SlowPulls,
                     Uploads)
from .rows import ALL, REGISTRIES, CrowdedGet, Get, GuardedGet, Push

RANGE_COUNT = 64
RANGE_BYTES = 64 * KIB


def _ranges(blob_size):
    step = blob_size // RANGE_COUNT
    return tuple((i * step, i * step + RANGE_BYTES - 1)
                 for i in range(RANGE_COUNT))


def _memory_rows():
    return [
        Memory("rss-idle", "memory at rest, just started", 0),
        OpenConnections("rss-1000", "memory, 1,000 open connections", 1000),
        SlowPulls("rss-pulls", "memory, 200 slow pulls of 100 MiB", 200),
        Uploads("rss-uploads", "memory, 200 pushes of 10 MiB at once", 200),
    ]


def _get_rows():
    whole = {"scale": "bytes", "per": "GiB"}
    with_plain = {"servers": (*ALL, "plain")}
    rows = [
        Get("get-1k", "GET blob 1 KiB", 64, blob="1 KiB", **with_plain),
        Get("get-100k", "GET blob 100 KiB", 64, blob="100 KiB"),
        Get("get-1m", "GET blob 1 MiB", 16, blob="1 MiB", **whole),
        Get("get-10m", "GET blob 10 MiB", 8, blob="10 MiB", **whole),
        Get("get-100m", "GET blob 100 MiB", 4, blob="100 MiB", **whole),
        Get("head-1k", "HEAD blob 1 KiB", 64, method="HEAD", blob="1 KiB",
            **with_plain),
        Get("head-100m", "HEAD blob 100 MiB", 64, method="HEAD",
            blob="100 MiB"),
    ]
    rows += [
        Get(f"{method.lower()}-manifest-{reference}",
            f"{method} manifest by {reference}", 64, method=method,
            reference=reference)
        for method in ("GET", "HEAD") for reference in ("tag", "digest")]
    return rows + [
        Get("range-1m", "GET 1 MiB range of 100 MiB", 16, blob="100 MiB",
            ranges=((50 * MIB + 1, 51 * MIB),), **whole),
        Get("ranges-64", "GET 64 ranges of 64 KiB in one request", 16,
            blob="100 MiB", ranges=_ranges(100 * MIB), **whole),
        AtRestAfter("rss-after", "memory at rest, after all of these GET", 0),
        CrowdedGet("get-1k-crowd", "GET blob 1 KiB beside 2,000 slow pulls",
                   1, blob="1 KiB", servers=("ours", "static"))]


LOGINS = {"access": "access token", "bearer": "API token, Bearer",
          "basic": "API token, Basic"}


def _guarded_rows():
    return [GuardedGet(f"auth-{key}-{name}", f"GET {what}, {form}", 64,
                       login=form, **of)
            for key, what, of in (
                ("manifest", "manifest by tag", {"reference": "tag"}),
                ("1k", "blob 1 KiB", {"blob": "1 KiB"}))
            for name, form in LOGINS.items()]


def _push_rows():
    small = {"blob": "1 KiB", "count": 800, "scale": "requests", "per": "10k"}
    mega = {"blob": "1 MiB", "count": 100}
    large = {"blob": "1 GiB", "servers": REGISTRIES, "floor": True}
    here = {"place": "memory", "servers": REGISTRIES}
    return [
        Push("push-1k", "push 1 KiB × 800, 8 at a time", 8, **small),
        Push("push-1m", "push 1 MiB × 100, 8 at a time", 8, **mega),
        Push("push-100m", "push 100 MiB, POST + PUT", 1, blob="100 MiB",
             count=5, floor=True),
        Push("push-100m-chunked", "push 100 MiB in 5 MiB chunks", 1,
             blob="100 MiB", style="chunked", count=5, floor=True,
             versus=("one stream", "push-100m")),
        Push("push-1g", "push 1 GiB, one stream", 1, **large),
        Push("push-1g-2", "push 1 GiB, two streams at once", 2, count=2,
             **large),
        Push("push-1k-memory", "push 1 KiB × 800 without fsync", 8, **small,
             **here, versus=("on disk", "push-1k")),
        Push("push-1m-memory", "push 1 MiB × 100 without fsync", 8, **mega,
             **here, versus=("on disk", "push-1m")),
        Push("push-100m-memory", "push 100 MiB, POST + PUT, without fsync", 1,
             blob="100 MiB", count=5, **here),
        Push("push-100m-chunked-memory",
             "push 100 MiB in 5 MiB chunks without fsync", 1, blob="100 MiB",
             style="chunked", count=5, **here,
             versus=("one stream", "push-100m-memory")),
        Push("push-1g-memory", "push 1 GiB, one stream, without fsync", 1,
             **{**large, **here}, versus=("on disk", "push-1g")),
        Push("push-1g-2-memory", "push 1 GiB, two streams, without fsync", 2,
             count=2, **{**large, **here}, versus=("on disk", "push-1g-2")),
    ]


def _catalog_rows():
    return [
        Start("start", "start to first answer, a large catalog", 0),
        ColdGet("cold-manifest", "GET manifest, another one each time", 64),
        ColdGet("cold-manifest-one",
                "GET manifest, another one each time, one by one", 1),
    ]


def all_rows():
    return [*_memory_rows(), *_get_rows(), *_guarded_rows(), *_push_rows(), *_catalog_rows()]
