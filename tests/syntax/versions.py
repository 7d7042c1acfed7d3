"""Versions by the thousand, and what registryd makes of them.

Random ones are put together from pieces of an ecosystem; of each pair every
second is a changed copy of the first, so that most of it is compared. The
seed is fixed: a failure can be looked at again."""

import random
import subprocess
from dataclasses import dataclass

from harness.server import BUILD

NUMBERS = ["0", "1", "2", "9", "10", "00", "01", "007", "20", "99", "123",
           "20240101", "1234567890123"]
SEMVER = NUMBERS + ["1.2.3", "0.0.0", "1.0.0", ".", ".", ".", "-", "-", "+",
                    "alpha", "beta", "rc", "a", "b", "x-y", "--", "Z"]
PIECES = {
    "npm": SEMVER + ["v", "=", " "],
    "semver": SEMVER,
    "helm": SEMVER + ["v"],
    "go": SEMVER + ["v", "v1", "v2.0.0", "+incompatible", "-0.",
                    "20191109021931-daa7c04131f5"],
    "pep440": NUMBERS + [".", ".", ".", "-", "_", "+", "!", "v", "V", "a",
                         "b", "c", "rc", "alpha", "BETA", "pre", "preview",
                         "post", "rev", "r", "dev", "Dev", ".post1", ".dev2",
                         "rc1", "-1", "ubuntu", "1.0", " "],
    "maven": NUMBERS + [".", ".", ".", "-", "-", "alpha", "a", "beta", "b",
                        "milestone", "m", "rc", "cr", "RC1", "snapshot",
                        "-SNAPSHOT", "ga", "Final", "release", "sp", "x",
                        "xyz", "jre", "_", "+", "1.0"],
    "debian": NUMBERS + [".", ".", ".", "-", "-", "+", "~", "~", ":", "1:",
                         "a", "b", "Z", "rc", "dfsg", "+deb12u1", "~bpo12+1",
                         "ubuntu"],
    "rpm": NUMBERS + [".", ".", ".", "-", "~", "~", "^", "^", "_", "+", "1:",
                      "a", "b", "Z", "rc", "el9", ".fc40", "git", "..", "-1"],
    "pacman": NUMBERS + [".", ".", ".", "..", "_", "+", "~", "1:", "a", "b",
                         "rc", "Z", "r12", "-1", "-2", "-1.1", "beta"],
}
MOST = 8


def text(rng, pieces):
    # Most of what is put together at random is no version: more often than
    # not it begins like one.
    start = rng.choice(["", "1.2.3", "1.2", "v1.2.3", "1"])
    return start + "".join(
        rng.choice(pieces) for _ in range(rng.randint(0 if start else 1,
                                                      MOST)))


def changed(rng, version, pieces):
    place = rng.randint(0, len(version))
    kind = rng.randrange(4)
    if kind == 0:
        return version[:place] + rng.choice(pieces) + version[place:]
    if kind == 1 and len(version) > 1:
        return version[:place] + version[place + 1:] or "1"
    if kind == 2:
        return version[:place] or "1"
    return version[:place] + rng.choice(pieces) + version[place + 1:]


def pairs(scheme, count, seed=1):
    """`count` pairs of texts, most of them versions of the scheme."""
    rng = random.Random(f"{scheme} {seed}")
    pieces, found = PIECES[scheme], []
    while len(found) < count:
        a = text(rng, pieces)
        b = changed(rng, a, pieces) if rng.randrange(2) else text(rng, pieces)
        found.append((a, b))
    return found


@dataclass
class Ours:
    """What compare_versions says of a pair."""
    order: int
    texts: tuple  # canonical, None for what is no version
    keys: tuple
    prereleases: tuple

    def is_valid(self):
        return None not in self.texts


def ours(scheme, some_pairs):
    """An Ours for each pair, from one process."""
    lines = "".join(f"{scheme}\t{a}\t{b}\n" for a, b in some_pairs)
    output = subprocess.run([BUILD / "compare_versions"], input=lines,
                            check=True, text=True, timeout=60,
                            stdout=subprocess.PIPE).stdout
    found = []
    for line in output.splitlines():
        order, *rest = line.split("\t")
        texts = tuple(None if value == "!" else value for value in rest[::3])
        found.append(Ours(int(order), texts, tuple(rest[1::3]),
                          tuple(value == "1" for value in rest[2::3])))
    assert len(found) == len(some_pairs)
    return found


def valid_pairs(scheme, count, seed=1):
    """Pairs of what registryd takes for versions, and what it says."""
    found, batch = [], 0
    while len(found) < count:
        batch += 1
        some = pairs(scheme, 2 * count, f"{seed} {batch}")
        found += [(pair, said) for pair, said in zip(some, ours(scheme, some))
                  if said.is_valid()]
        assert batch < 50, "hardly anything is a version"
    return found[:count]
