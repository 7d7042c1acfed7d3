"""From runs to a results document, and from that to tables.

A ratio is the median of the rounds' ratios, each of two runs of one round. It
is shown only if the rounds agree: where the largest and the smallest differ by
more than 15 % of the median, the cell says by how much they disagree instead.
Rounds in which other processes disturbed a run are left out where at least two
undisturbed ones remain, of ratios and of a server's own numbers; that choice
never looks at the result.
"""

import statistics

from . import protocols

MAX_SPREAD = 0.15
# Cores taken by processes that are neither server nor client, above which a
# run counts as disturbed.
FOREIGN_CORES = 0.15
PAIRS = (("ours", "static"), ("ours", "plain"), ("ours", "registry"),
         ("ours", "open"), ("ours", "floor"), ("registry", "static"))
RATES = {"requests": "units_per_s", "bytes": "mb_per_s", "rss": "rss_bytes",
         "seconds": "start_s"}
COSTS = {"10k": "cpu_per_10k", "GiB": "cpu_per_gib"}
# Numbers that some rows have besides: (field, title, form).
FIELDS = (
    ("pss_bytes", "PSS", lambda v: f"{v / 1e6:.1f} MB"),
    ("added_bytes", "RSS above that before",
     lambda v: f"{v / 1e6:+.1f} MB"),
    ("written_per_byte", "bytes towards the disk per byte pushed",
     lambda v: f"{v:.3f}"),
    ("warm_p50_us", "p50, the same manifest again and again",
     lambda v: f"{v / 1e3:.3f} ms"),
    ("idle_p99_us", "p99 without them", lambda v: f"{v / 1e3:.3f} ms"),
    ("crowd_p99", "p99 with them to that", lambda v: f"{v:.2f} ×"),
    ("questions", "questions to registryd, also to get warm",
     lambda v: f"{v:.0f}"),
    ("added_us", "p50 above that", lambda v: f"{v / 1e3:+.3f} ms"),
)


def measures(row):
    """The names of the numbers of a row: of a run and of its ratios."""
    out = {"rate": RATES[row["scale"]]}
    if row["per"]:
        out["cpu"] = COSTS[row["per"]]
        out["p99"] = "p99_us"
    return out


def summary(values):
    """Median and spread of numbers."""
    if not values:
        return {"median": None, "spread": None}
    middle = statistics.median(values)
    spread = (max(values) - min(values)) / middle if middle else None
    return {"median": middle, "spread": spread}


def is_disturbed(run):
    return run.get("foreign_cores", 0) > FOREIGN_CORES


def counted(rounds):
    """Of tuples of runs those that count: the undisturbed ones, if there are
    two at least."""
    quiet = [runs for runs in rounds if not any(map(is_disturbed, runs))]
    return quiet if len(quiet) >= 2 else rounds


def numbers(runs, field):
    """A field of one server's runs, of those that count and have it."""
    return [run[field] for run, in counted(
        [(run,) for run in runs if run.get(field) is not None])]


def ratio(above, below, name):
    """Median, spread and state of the ratio of two servers' runs."""
    theirs = {run["round"]: run for run in below if run.get(name)}
    pairs = [(run, theirs[run["round"]]) for run in above
             if run.get(name) is not None and run["round"] in theirs]
    each = [one[name] / other[name] for one, other in counted(pairs)]
    out = {"runs": each, "left_out": len(pairs) - len(each), **summary(each)}
    if not each:
        out["state"] = "none"
    elif len(each) == 1:
        out["state"] = "one run"
    elif out["spread"] > MAX_SPREAD:
        out["state"] = "disagree"
    else:
        out["state"] = "ok"
    if out["state"] != "ok":
        out["median"] = None
    return out


def row_document(row, bench, names):
    """One row with all runs, summaries and ratios."""
    out = {"key": row.key, "title": row.title, "scale": row.scale,
           "per": row.per, "connections": row.connections,
           "place": row.place, "versus": list(row.versus), "servers": {},
           "ratios": {}}
    wanted = measures(out)
    for name in names:
        where = row.key, name
        if where in bench.skipped:
            out["servers"][name] = {"state": "skipped",
                                    "why": bench.skipped[where]}
        elif where in bench.failed:
            out["servers"][name] = {"state": "failed",
                                    "why": bench.failed[where]}
        elif where in bench.runs:
            runs = bench.runs[where]
            fields = [*wanted.values(), "p50_us",
                      *(field for field, _, _ in FIELDS)]
            out["servers"][name] = {
                "state": "ok", "runs": runs,
                **{field: summary(numbers(runs, field))
                   for field in fields if field in runs[0]}}
    for above, below in PAIRS:
        sides = [out["servers"].get(name, {}) for name in (above, below)]
        if all(side.get("state") == "ok" for side in sides):
            out["ratios"][f"{above}/{below}"] = {
                label: ratio(sides[0]["runs"], sides[1]["runs"], field)
                for label, field in wanted.items()}
    if row.versus:
        other, key = row.versus
        for name in names:
            above, below = bench.runs.get((row.key, name)), \
                bench.runs.get((key, name))
            if above and below and out["servers"][name]["state"] == "ok":
                out["ratios"][f"{name}/{other}"] = {
                    "rate": ratio(above, below, wanted["rate"])}
    return out


# Text

def cell_rate(row, name):
    side = row["servers"].get(name)
    if side is None:
        return "–"
    if side["state"] != "ok":
        return side["state"] if side["state"] == "failed" else "n/a"
    value = side[RATES[row["scale"]]]["median"]
    if row["scale"] == "requests":
        return f"{value:,.0f}/s"
    if row["scale"] == "bytes":
        return f"{value / 1e3:.2f} GB/s"
    if row["scale"] == "seconds":
        return f"{value:.2f} s"
    return f"{value / 1e6:.1f} MB"


def cell_ratio(row, pair, label="rate"):
    one = row["ratios"].get(pair, {}).get(label)
    if one is None or one["state"] == "none":
        return "–"
    if one["state"] == "one run":
        return "one run only"
    if one["state"] == "disagree":
        return f"runs disagree by {one['spread']:.0%}"
    return f"{_digits(one['median'])} ±{one['spread'] / 2:.0%}"


def _digits(value):
    if value >= 10:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def cell_field(row, name, field, form):
    side = row["servers"].get(name)
    if side is None or side["state"] != "ok":
        return "–"
    value = side.get(field, {}).get("median")
    return "–" if value is None else form(value)


def _micro(value):
    return f"{value / 1e3:.2f}" if value < 1e5 else f"{value / 1e3:.0f}"


def _columns(lines):
    widths = [max(len(line[i]) for line in lines)
              for i in range(len(lines[0]))]
    return "\n".join("  ".join(
        text.ljust(width) if i == 0 else text.rjust(width)
        for i, (text, width) in enumerate(zip(line, widths))).rstrip()
        for line in lines)


def text(document):
    """The tables that bench/run prints."""
    # `plain` is asked of two rows only: it has its ratio, but no columns.
    names = [name for name in document["servers"] if name != "plain"]
    rows = document["rows"]
    pairs = [f"{a}/{b}" for a, b in PAIRS
             if any(f"{a}/{b}" in row["ratios"] for row in rows)]
    parts = ["Rate (median) and ratios of the rounds (median, ± half the "
             "spread)"]
    parts.append(_columns(
        [["", *names, "floor", *pairs]] +
        [[row["title"], *(cell_rate(row, n) for n in [*names, "floor"]),
          *(cell_ratio(row, p) for p in pairs)] for row in rows]))
    timed = [row for row in rows if row["per"]]
    parts.append("Latency in ms, p50 / p99, and ratios of p99")
    parts.append(_columns(
        [["", *names, *pairs]] +
        [[row["title"],
          *(cell_field(row, n, "p50_us", _micro) + " / " +
            cell_field(row, n, "p99_us", _micro) for n in names),
          *(cell_ratio(row, p, "p99") for p in pairs)] for row in timed]))
    parts.append("CPU seconds of the server, and ratios")
    parts.append(_columns(
        [["", "per", *names, "floor", *pairs]] +
        [[row["title"], row["per"],
          *(cell_field(row, n, COSTS[row["per"]], lambda v: f"{v:.3f}")
            for n in [*names, "floor"]),
          *(cell_ratio(row, p, "cpu") for p in pairs)] for row in timed]))
    parts += _also(rows, names)
    parts += _versus(rows, names)
    parts += _callgrind(document)
    parts += _protocols(document)
    parts += _targets(document)
    parts.append("\n".join(notes(document)))
    return "\n\n".join(parts) + "\n"


def _also(rows, names):
    """The numbers of FIELDS, of the rows that have them."""
    lines = []
    for row in rows:
        for field, title, form in FIELDS:
            cells = [cell_field(row, name, field, form) for name in names]
            if set(cells) != {"–"}:
                lines.append([f"{row['title']}: {title}", *cells])
    return ["Other numbers (median)",
            _columns([["", *names], *lines])] if lines else []


def _versus(rows, names):
    """Rows that are compared with another row of the same server: its rate,
    theirs, and the ratio."""
    lines = []
    by_key = {row["key"]: row for row in rows}
    names = [*names, "floor"]
    for row in rows:
        label, key = row["versus"] or ("", "")
        if key not in by_key:
            continue
        other = by_key[key]
        cells = [
            f"{cell_rate(other, name)} → {cell_rate(row, name)}: "
            f"{cell_ratio(row, f'{name}/{label}')}"
            if f"{name}/{label}" in row["ratios"] else "–" for name in names]
        lines.append([f"{other['title']} → {row['title']}", *cells])
    return ["Each server against itself: what fsync and the disk cost, and "
            "chunks", _columns([["", *names], *lines])] if lines else []


def _callgrind(document):
    found = document.get("callgrind")
    if not found:
        return []
    if "counts" not in found:
        return [f"Instructions (bench/callgrind): {found['why']}"]
    return ["Instructions per request (bench/callgrind)",
            _columns([[name, f"{count:,.0f}"]
                      for name, count in found["counts"].items()])]


def _protocols(document):
    found = document.get("protocols")
    if not found:
        return []
    return ["HTTP/1.1 against HTTP/2 (bench/protocols)",
            protocols.table(found) if found["state"] == "ok"
            else found["why"]]


def _targets(document):
    """What is to be reached, and whether it is."""
    lines = [[one["title"], one["target"], _value(one["value"]),
              one["verdict"] + _elsewhere(one)]
             for one in document.get("targets", ())]
    if not lines:
        return []
    return ["Targets: " + tally(document["targets"]),
            _columns([["", "target", "found", ""], *lines])]


def _elsewhere(target):
    """What the same bound would be in the place where it is not judged."""
    return "".join(
        f" (in place {place}: {_value(one['value'])} {one['verdict']})"
        for place, one in target.get("elsewhere", {}).items()
        if one["verdict"] != "no number")


def tally(targets):
    """`31 met, 4 not met, 2 refused`."""
    count = {}
    for one in targets:
        word = one["verdict"].partition(":")[0]
        count[word] = count.get(word, 0) + 1
    return ", ".join(f"{number} {word}" for word, number in count.items())


def _value(value):
    return "" if value is None else _digits(value)


def notes(document):
    """What the reader must know: failures, disturbances, the generator."""
    lines = []
    for name, server in document["servers"].items():
        if server["state"] != "ok":
            lines.append(f"{name} {server['state']}")
    for row in document["rows"]:
        for name, side in row["servers"].items():
            if side["state"] != "ok":
                lines.append(f"{row['title']}: {name} {side['state']}: "
                             f"{side['why']}")
    if "static" in document["servers"]:
        lines.append("static nginx pushes by WebDAV PUT: it neither hashes "
                     "nor syncs. `floor` is one thread that does both.")
    lines.append("docker-registry syncs files but not folders; where a title "
                 "says `without fsync`, the data of all is in memory.")
    total, bad = disturbed(document)
    lines.append(f"{bad} of {total} measurements had more than 0.15 core "
                 "taken by other processes of the machine.")
    check = document["generator_check"]
    if check.get("wrk_per_s"):
        lines.append(
            f"Generator against wrk, GET 1 KiB from static nginx: "
            f"{check['bench_load_per_s']:,.0f}/s against "
            f"{check['wrk_per_s']:,.0f}/s.")
    if document["quick"]:
        lines.append("A quick run shows that everything works; its numbers "
                     "mean nothing, and it has fewer and smaller pushes.")
    return lines


def disturbed(document):
    """(measurements, those with others busy beside them)."""
    runs = [run for row in document["rows"]
            for side in row["servers"].values()
            for run in side.get("runs", ()) if "foreign_cores" in run]
    return len(runs), sum(map(is_disturbed, runs))


def _in_memory(target):
    return target.get("place") == "memory"


README_ROWS = ("get-1k", "get-100k", "get-100m", "get-manifest-tag",
               "cold-manifest", "ranges-64", "push-1m", "push-1g",
               "push-1g-2", "push-100m-chunked", "rss-pulls")


def markdown(document):
    """The short table of the README."""
    lines = ["| | ours | against nginx itself | against docker-registry | "
             "CPU against docker-registry | targets |",
             "|---|---|---|---|---|---|"]
    noted = dav = in_memory = False
    for row in document["rows"]:
        if row["key"] not in README_ROWS:
            continue
        limit = cell_ratio(row, "ours/static")
        if "ours/floor" in row["ratios"]:
            limit = cell_ratio(row, "ours/floor") + " ¹"
            noted = True
        elif row["key"].startswith("push-") and "ours/static" in \
                row["ratios"]:
            limit += " ²"
            dav = True
        said = [one for one in document.get("targets", ())
                if one["row"] == row["key"]]
        lines.append(
            f"| {row['title']} | {cell_rate(row, 'ours')} | {limit} | "
            f"{cell_ratio(row, 'ours/registry')} | "
            f"{cell_ratio(row, 'ours/registry', 'cpu')} | "
            f"{tally(said) or '–'}"
            f"{' ³' if any(map(_in_memory, said)) else ''} |")
        in_memory = in_memory or any(map(_in_memory, said))
    machine = document["machine"]
    if noted:
        lines += ["", "¹ one thread that reads, hashes, writes and syncs the "
                  "same bytes."]
    if dav:
        lines += ["", "² WebDAV PUT, which neither hashes nor syncs."]
    if in_memory:
        lines += ["", "³ rates are judged where data are in memory, so that "
                  "no disk makes rounds disagree."]
    lines += ["", (
        f"{machine['cpu']}, {machine['cores']} cores shared by server and "
        f"client, loopback, {machine['file_system']}, Linux "
        f"{machine['kernel']}; {document['versions']['nginx']}, "
        f"{document['versions']['docker-registry']}; "
        f"{document['rounds']} rounds on "
        f"{document['made'][:10]}; all targets: "
        f"{tally(document.get('targets', ()))}; made by `bench/run --table` "
        "from its results file.")]
    return "\n".join(lines) + "\n"
