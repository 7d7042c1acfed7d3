"""What SQL a program of ours runs: a library that is loaded before SQLite and
writes a line for each statement that begins to run. The program is the one
that is shipped; it knows nothing of this."""

import contextlib
import os
import subprocess
from pathlib import Path
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct sqlite3_stmt sqlite3_stmt;

static void *find(const char *name) { return dlsym(RTLD_NEXT, name); }

int sqlite3_step(sqlite3_stmt *statement) {
    static int (*step)(sqlite3_stmt *);
    static int (*busy)(sqlite3_stmt *);
    static const char *(*text)(sqlite3_stmt *);
    static __thread int depth;  // SQLite's own of its full-text index
    if (step == NULL) {
        busy = (int (*)(sqlite3_stmt *))find("sqlite3_stmt_busy");
        text = (const char *(*)(sqlite3_stmt *))find("sqlite3_sql");
        step = (int (*)(sqlite3_stmt *))find("sqlite3_step");
    }
    const char *path = getenv("LONGSHORE_TEST_STATEMENTS");
    if (path != NULL && depth == 0 && !busy(statement)) {
        char line[512];
        const char *sql = text(statement);
        size_t size = 0;
        for (; sql != NULL && sql[size] != 0 && size < sizeof line - 1; ++size)
            line[size] = sql[size] == '\n' ? ' ' : sql[size];
        line[size++] = '\n';
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd >= 0) {
            if (write(fd, line, size) < 0) abort();
            close(fd);
        }
    }
    ++depth;
    int code = step(statement);
    --depth;
    return code;
}
"""


class Statements:
    """`environment` is that of a program that is to be looked at."""

    def __init__(self, folder):
        source, library = folder / "statements.c", folder / "statements.so"
        source.write_text(SOURCE)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror",
                        "-o", library, source, "-ldl"], check=True)
        self.log = Path(folder) / "statements.log"
        self.log.touch()
        self.environment = {"LD_PRELOAD": str(library),
                            "LONGSHORE_TEST_STATEMENTS": str(self.log)}

    @contextlib.contextmanager
    def watched(self):
        """Programs that are started here are looked at."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def of(self, work):
        """Texts of what ran while `work` did."""
        start = self.log.stat().st_size
        work()
        with open(self.log, encoding="utf-8", errors="replace") as file:
            file.seek(start)
            return file.read().splitlines()

    def fewest(self, work, rounds=5):
        """The same of the round with the fewest: what a daemon does beside
        can only add to it."""
        return min((self.of(work) for _ in range(rounds)), key=len)
