"""Accounts, grants and tokens, written into the database of a running daemon
as another process would: docs/auth.md, daemon/db/schema/0002_accounts.sql."""

import hashlib
import secrets
import sqlite3
import string
import time
import zlib
from pathlib import Path

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ACTIONS = {"pull": 1, "push": 2, "delete": 4, "admin": 8}
ANONYMOUS, AUTHENTICATED = 1, 2
# sha-crypt with the fewest rounds there may be: tests log in often. Made by
# `openssl passwd -5`, see `password_hash`.
PASSWORD = "a password of tests"


def password_hash(password):
    """sha-crypt of the C library with 1000 rounds."""
    import ctypes
    import ctypes.util
    library = ctypes.CDLL(ctypes.util.find_library("crypt"))
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(),
                         b"$5$rounds=1000$abcdefgh$").decode()


def random_text(size):
    return "".join(secrets.choice(ALPHABET) for _ in range(size))


def make_token(prefix="lsr_", public=""):
    """(public part, text)"""
    public = public or random_text(8)
    text = f"{prefix}{public}_{random_text(32)}"
    rest, check = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, len(ALPHABET))
        check = ALPHABET[digit] + check
    return public, text + check


def bits(actions):
    return sum(ACTIONS[action] for action in set(actions.split(",")))


class Accounts:
    """Each call is one transaction, and raises the policy's version."""

    def __init__(self, root):
        self.file = Path(root) / "db" / "longshore.sqlite"

    def change(self, work, whose=0):
        database = sqlite3.connect(self.file, timeout=20,
                                   isolation_level=None)
        try:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("BEGIN IMMEDIATE")
            result = work(database)
            database.execute("UPDATE policy SET version = version + 1")
            database.execute(
                "INSERT INTO policy_changes SELECT version, ?, ? FROM policy",
                (whose, int(time.time() * 1000)))
            database.execute("COMMIT")
            return result
        finally:
            database.close()

    def user(self, name, kind="user", password=PASSWORD):
        """Returns the principal's id."""
        hashed = password_hash(password) if password else ""
        return self.change(lambda db: db.execute(
            "INSERT INTO principals (kind, name, source, password_hash,"
            " disabled, generation, created_at_ms, changed_at_ms)"
            " VALUES (?, ?, 'local', ?, 0, 1, 1, 1)",
            (kind, name, hashed)).lastrowid)

    def group(self, name, *members):
        group = self.user(name, "group", "")
        for member in members:
            self.change(lambda db, one=member: db.execute(
                "INSERT INTO memberships VALUES (?, ?)", (one, group)))
        return group

    def leave(self, group, member):
        self.change(lambda db: db.execute(
            "DELETE FROM memberships WHERE member_id = ? AND group_id = ?",
            (member, group)), member)

    def grant(self, who, pattern, actions):
        self.change(lambda db: db.execute(
            "INSERT OR REPLACE INTO grants VALUES (?, ?, ?, 1)",
            (who, pattern, bits(actions))))

    def revoke(self, who, pattern):
        self.change(lambda db: db.execute(
            "DELETE FROM grants WHERE principal_id = ? AND pattern = ?",
            (who, pattern)))

    def visibility(self, pattern, value):
        self.change(lambda db: db.execute(
            "INSERT OR REPLACE INTO visibility VALUES (?, ?)",
            (pattern, value)))

    def set_password(self, who, password):
        self.change(lambda db: db.execute(
            "UPDATE principals SET password_hash = ?,"
            " generation = generation + 1 WHERE id = ?",
            (password_hash(password), who)), who)

    def disable(self, who, disabled=1):
        self.change(lambda db: db.execute(
            "UPDATE principals SET disabled = ?, generation = generation + 1"
            " WHERE id = ?", (disabled, who)), who)

    def token(self, who, actions, patterns="", expires_at_ms=0):
        public, text = make_token()
        self.change(lambda db: db.execute(
            "INSERT INTO api_tokens VALUES (?, ?, ?, '', ?, ?, 1, ?, 0, 0)",
            (public, who, hashlib.sha256(text.encode()).hexdigest(),
             bits(actions), patterns, expires_at_ms)))
        return text

    def revoke_token(self, who, text):
        self.change(lambda db: db.execute(
            "UPDATE api_tokens SET revoked_at_ms = 1 WHERE id = ?",
            (text[4:12],)), who)

    def certificate(self, who, fingerprint):
        self.change(lambda db: db.execute(
            "INSERT INTO client_certificates VALUES (?, ?, 1)",
            (fingerprint, who)))

    def failures(self, name):
        return self.all_failures().get(name, 0)

    def all_failures(self):
        """Wrong passwords in a row, by name or what stands for one."""
        database = sqlite3.connect(self.file, timeout=20)
        try:
            return dict(database.execute(
                "SELECT name, failures FROM login_failures"))
        finally:
            database.close()
