"""Versions are read and ordered as the ecosystems' own programs do it:
thousands of random pairs each. daemon/syntax, tests/unit/daemon_version_*."""

import re
import sys
from pathlib import Path

import pytest
from packaging.version import InvalidVersion, Version

sys.path.insert(0, str(Path(__file__).parent))

import oracles  # noqa: E402
from versions import ours, pairs, valid_pairs  # noqa: E402

MANY = 4000
# Programs that are started for each pair.
FEW = 400


def assert_same(found, wanted, what):
    """`found` and `wanted` hold (input, answer)."""
    bad = [f"{what} {given!r}: {got!r}, not {want!r}"
           for (given, got), (_, want) in zip(found, wanted) if got != want]
    assert not bad, f"{len(bad)} of {len(found)}\n" + "\n".join(bad[:20])


def assert_orders(said, answers, what):
    assert set(answers) == {-1, 0, 1}, "the pairs do not show much"
    assert_same([(pair, mine.order) for pair, mine in said],
                [(pair, answer) for (pair, _), answer in zip(said, answers)],
                what)


def texts_of(some_pairs, said):
    """(text, canonical) of both of each pair."""
    return [(text, canonical) for pair, mine in zip(some_pairs, said)
            for text, canonical in zip(pair, mine.texts)]


def has_number(pair, digits):
    """One of so many digits, that a program may not be able to count."""
    return re.search(r"\d{%d}" % digits, "\t".join(pair)) is not None


def test_debian():
    said = valid_pairs("debian", MANY)
    few = said[:FEW]
    assert_orders(few, oracles.dpkg([pair for pair, _ in few]), "dpkg")
    # Perl counts in floating point.
    said = [(pair, mine) for pair, mine in said if not has_number(pair, 16)]
    assert_orders(said, oracles.dpkg_perl([pair for pair, _ in said]),
                  "Dpkg::Version")


def test_debian_validity():
    some = pairs("debian", FEW)
    mine = [(text, canonical is not None)
            for text, canonical in texts_of(some, ours("debian", some))]
    theirs = oracles.dpkg_valid([text for text, _ in mine])
    assert {True, False} == set(theirs)
    assert_same(mine, [(None, valid) for valid in theirs], "dpkg")


def test_rpm(tmp_path):
    said = valid_pairs("rpm", MANY)
    assert_orders(said, oracles.rpm([pair for pair, _ in said], tmp_path),
                  "rpm")


# libalpm takes 1-1 and 1 for equal, and goes in circles where a pkgver ends
# in a separator.
PACMAN_TRAILING = re.compile(r"[^0-9A-Za-z](-|$)")


def test_pacman():
    said = [(pair, mine) for pair, mine in valid_pairs("pacman", MANY)
            if ("-" in pair[0]) == ("-" in pair[1])
            and not any(map(PACMAN_TRAILING.search, pair))]
    assert len(said) > MANY / 2
    assert_orders(said, oracles.alpm([pair for pair, _ in said]), "alpm")


@pytest.mark.parametrize("module", oracles.semver_modules(), ids=str)
def test_npm(module):
    some = pairs("npm", MANY)
    if "nodejs" in str(module):  # Debian's 7.3 does not trim
        some = [(a.rstrip() or "1", b.rstrip() or "1") for a, b in some]
    said = ours("npm", some)
    theirs = oracles.node(some, module)
    assert_same(texts_of(some, said),
                [(None, text) for answer in theirs for text in answer[:2]],
                "semver.valid")
    both = [(pair, mine, answer[2])
            for pair, mine, answer in zip(some, said, theirs)
            if mine.is_valid()]
    assert_orders([(pair, mine) for pair, mine, _ in both],
                  [order for _, _, order in both], "semver.compare")


def test_there_is_a_semver_module():
    assert oracles.semver_modules(), "tools/install-deps test"


@pytest.fixture(scope="module")
def go_program(tmp_path_factory):
    return oracles.build_go(tmp_path_factory.mktemp("go"))


@pytest.mark.timeout(600)  # Go compiles its own library once
def test_go(go_program):
    some = pairs("go", MANY)
    said = ours("go", some)
    theirs = oracles.go("go", some, go_program)
    assert_same(texts_of(some, said),
                [(None, text) for answer in theirs for text in answer[:2]],
                "CanonicalVersion")
    # Both put what is no version first, we in the order of its bytes.
    assert_orders(
        [(pair, mine) for pair, mine in zip(some, said) if any(mine.texts)],
        [answer[2] for answer in theirs if answer[0] or answer[1]],
        "semver.Compare")


@pytest.mark.timeout(600)
def test_helm(go_program):
    some = pairs("helm", MANY)
    said = ours("helm", some)
    theirs = oracles.go("helm", some, go_program)
    assert_same(texts_of(some, said),
                [(None, text) for answer in theirs for text in answer[:2]],
                "NewVersion")
    both = [(pair, mine, answer[2])
            for pair, mine, answer in zip(some, said, theirs)
            if mine.is_valid() and not has_number(pair, 20)]
    assert_orders([(pair, mine) for pair, mine, _ in both],
                  [order for _, _, order in both], "Compare")


# Strict with numbers below 2^64, and without a limit.
@pytest.mark.parametrize("scheme", ["cargo", "semver"])
@pytest.mark.timeout(600)
def test_strict(go_program, scheme):
    some = [pair for pair in pairs("semver", MANY)
            if scheme == "cargo" or not has_number(pair, 20)]
    mine = [(text, canonical is not None)
            for text, canonical in texts_of(some, ours(scheme, some))]
    # StrictNewVersion lets empty identifiers pass, NewVersion does not.
    theirs = [(None, strict and canonical is not None)
              for answer in oracles.go("helm", some, go_program)
              for canonical, strict in zip(answer[:2], answer[3:])]
    assert {strict for _, strict in theirs} == {True, False}
    assert_same(mine, theirs, "StrictNewVersion")


def pep440(text):
    try:
        return Version(text)
    except InvalidVersion:
        return None


def test_pep440():
    some = pairs("pep440", MANY)
    said = ours("pep440", some)
    theirs = [tuple(map(pep440, pair)) for pair in some]
    assert_same(texts_of(some, said),
                [(None, None if version is None else str(version))
                 for both in theirs for version in both], "packaging")
    valid = [(pair, mine, both)
             for pair, mine, both in zip(some, said, theirs)
             if mine.is_valid()]
    assert len(valid) > MANY / 10
    assert_orders([(pair, mine) for pair, mine, _ in valid],
                  [(a > b) - (a < b) for _, _, (a, b) in valid], "packaging")
    assert_same([(pair, mine.prereleases) for pair, mine, _ in valid],
                [(None, (a.is_prerelease, b.is_prerelease))
                 for _, _, (a, b) in valid], "is_prerelease")


def test_maven():
    """Where we differ, ComparableVersion contradicts itself: it has a third
    version that stands between the two the other way round."""
    said = valid_pairs("maven", MANY)
    theirs = oracles.maven([pair for pair, _ in said])
    differ = [(pair, mine.order)
              for (pair, mine), order in zip(said, theirs)
              if mine.order != order]
    assert len(differ) < MANY / 20, f"{len(differ)}: {differ[:20]}"
    questions, owners = [], []
    for place, ((a, b), _) in enumerate(differ):
        middles = {text[:size].rstrip(".-") for text in (a, b)
                   for size in range(1, len(text) + 1)} - {""} | {"0"}
        for middle in sorted(middles):
            questions += [(a, middle), (middle, b)]
            owners.append(place)
    answers = oracles.maven(questions)
    explained = set()
    for place, first, second in zip(owners, answers[::2], answers[1::2]):
        order = differ[place][1]
        if {first, second} <= {order, 0} and (order == 0) == (
                first == second == 0):
            explained.add(place)
    bad = [differ[place] for place in range(len(differ))
           if place not in explained]
    assert not bad, f"{len(bad)} of {len(said)}: {bad[:20]}"
