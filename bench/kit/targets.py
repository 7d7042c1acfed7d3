"""What each row is to reach, and whether it does.

A target is about a ratio of two servers' runs ("ours/static") or about a
number of ours alone. Ratios that are refused because the rounds disagree have
no verdict but that; it then says on which side of the bound the rounds lie.

Each bound is judged once. Where a row is asked on the disk and in memory, the
rate is judged in memory, if there is one: both sides do the same work there,
and no disk makes the rounds disagree. All else is judged on the disk. The
number of the other place is kept beside it.
"""

import statistics
from dataclasses import dataclass

from .report import MAX_SPREAD, numbers

# A number of ours: (field of a run, divided by, unit).
NUMBERS = {
    "rss": ("rss_bytes", 1e6, "MB"),
    "added": ("added_bytes", 1e6, "MB more"),
    "cpu": ("cpu_per_gib", 1, "CPU s/GiB"),
    "written": ("written_per_byte", 1, "bytes to disk per byte"),
    "start": ("start_s", 1, "s"),
    "crowd": ("crowd_p99", 1, "× its p99 without them"),
    "wait": ("added_us", 1e3, "ms above warm, p50"),
}
GUARDED_ROWS = tuple(f"auth-{what}-{form}" for what in ("manifest", "1k")
                     for form in ("access", "bearer", "basic"))
NAMES = {"open": "the same without authorization",
         "static": "static nginx", "plain": "plain static nginx",
         "registry": "docker-registry", "floor": "one thread",
         "one stream": "one stream"}
LABELS = {"rate": "", "cpu": "CPU of ", "p99": "p99 of "}


@dataclass(frozen=True)
class Target:
    """`what` is "ours/static" with a `label` (rate, cpu, p99), or a name of
    NUMBERS; `bound` a floor if `at_least`."""

    row: str
    what: str
    bound: float
    at_least: bool = True
    label: str = "rate"

    def text(self):
        sign = "≥" if self.at_least else "≤"
        if self.what in NUMBERS:
            return f"{sign} {self.bound:g} {NUMBERS[self.what][2]}"
        _, _, other = self.what.partition("/")
        memory = "the memory of " if self.row.startswith("rss-") else ""
        return f"{sign} {self.bound:g} × {LABELS[self.label]}{memory}" + \
            NAMES[other]

    def reached(self, value):
        # 1.00 is met by what is written as 1.00.
        value = round(value, 2) if self.what == "written" else value
        return value >= self.bound if self.at_least else value <= self.bound

    def values(self, row):
        """The number of each round that counts."""
        if self.what not in NUMBERS:
            one = row["ratios"].get(self.what, {}).get(self.label)
            return one["runs"] if one else []
        field, unit, _ = NUMBERS[self.what]
        runs = row["servers"].get("ours", {}).get("runs", ())
        return [value / unit for value in numbers(runs, field)]


def _better(row, other, bound, label="rate", less=False):
    return Target(row, f"ours/{other}", bound, not less, label)


def _less(row, what, bound):
    return Target(row, what, bound, False)


MEMORY = "-memory"  # behind a row's key: the same where data are in memory
MANIFEST_ROWS = tuple(f"{method}-manifest-{reference}"
                      for method in ("get", "head")
                      for reference in ("tag", "digest"))
TARGETS = (
    *(target for row in ("get-1k", "head-1k") for target in (
        _better(row, "static", 0.93), _better(row, "plain", 1.0),
        _better(row, "static", 1.25, "p99", less=True),
        _better(row, "registry", 45))),
    _better("get-100k", "static", 0.97), _better("get-100k", "registry", 18),
    _better("get-1m", "static", 0.97), _better("get-1m", "registry", 3),
    _better("get-100m", "static", 0.97),
    _better("get-100m", "static", 1.05, "cpu", less=True),
    _better("get-100m", "registry", 0.6, "cpu", less=True),
    _better("range-1m", "static", 0.95), _better("ranges-64", "static", 0.95),
    *(target for row in MANIFEST_ROWS for target in (
        _better(row, "static", 0.93), _better(row, "registry", 40))),
    *(_better(row, "open", 0.85) for row in GUARDED_ROWS),
    _less("get-1k-crowd", "crowd", 1.5),
    _less("cold-manifest-one", "wait", 0.2),
    _better("cold-manifest", "static", 0.25),
    _better("cold-manifest", "registry", 8),
    _better("push-1g", "floor", 0.9), _less("push-1g", "cpu", 1.3),
    _better("push-1g", "registry", 2.7),
    _better("push-1g-2", "floor", 0.9), _less("push-1g-2", "cpu", 1.3),
    _better("push-1g-2", "registry", 1.7),
    _better("push-100m-chunked", "one stream", 0.85),
    _better("push-100m-chunked", "registry", 2.5),
    # Equal terms: docker-registry does not sync folders, so where fsync
    # costs nothing.
    _better("push-1k-memory", "registry", 3),
    _better("push-1m-memory", "registry", 3),
    _less("push-1g", "written", 1.0),
    _less("push-100m-chunked", "written", 1.0),
    _less("rss-idle", "rss", 40), _less("rss-pulls", "rss", 50),
    _better("rss-pulls", "registry", 0.15, less=True),
    _less("rss-1000", "added", 10), _less("rss-uploads", "rss", 160),
    _less("start", "start", 1.0),
)


def verdict(target, values):
    """One of: met, not met, refused (with why), no number."""
    if not values:
        return "no number"
    sides = {target.reached(value) for value in values}
    middle = statistics.median(values)
    if len(values) == 1:
        return "one run only"
    spread = (max(values) - min(values)) / middle if middle else 0
    # A number of ours alone needs no partner: only where the bound is in the
    # middle of the noise there is nothing to say.
    noisy = spread > MAX_SPREAD and (target.what not in NUMBERS or
                                     len(sides) == 2)
    if not noisy:
        return "met" if target.reached(middle) else "not met"
    where = ("the rounds lie on both sides" if len(sides) == 2 else
             "each round meets it" if sides == {True} else
             "no round meets it")
    return f"refused: runs disagree by {spread:.0%}; {where}"


def judge(rows):
    """The targets of the rows that were measured, for the results file. A
    ratio that is refused has no value there either."""
    by_key = {row["key"]: row for row in rows}
    out = []
    for target in TARGETS:
        found = {}
        for key in (target.row, target.row + MEMORY):
            row = by_key.get(key)
            if row is not None:
                found[row["place"]] = _judged(target, row)
        if not found:
            continue
        if target.label == "rate" and target.what not in NUMBERS:
            order = ("memory", "disk")
        else:
            order = ("disk", "memory")
        places = sorted(found, key=lambda place: (
            found[place]["verdict"] == "no number", place in order
            and order.index(place)))
        out.append({"row": target.row, "target": target.text(),
                    "place": places[0], **found[places[0]],
                    "elsewhere": {place: found[place]
                                  for place in places[1:]}})
    return out


def _judged(target, row):
    values = target.values(row)
    said = verdict(target, values)
    return {"title": row["title"], "verdict": said,
            "value": (statistics.median(values) if said in ("met", "not met")
                      else None)}
