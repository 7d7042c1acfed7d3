"""Classes of bugs that registries had, by the advisories of recent years.
The numbers are used by the table; those left out are of features that are
not there yet."""

CLASSES = {
    1: "a sibling route forgot the check",
    2: "the same token in another form of header",
    3: "the wrong action for a method",
    4: "a raw name beside a decoded one",
    5: "a blob or an answer of another repository, by dedupe or cache",
    6: "a mount does not ask for its source",
    7: "a token outlives what it was for",
    8: "a revoked group or right still works",
    9: "the id of somebody else's object",
    10: "privileged fields taken from the request",
    11: "lists that show what may not be seen",
    12: "wildcards and SQL in names",
    13: "filters and pages tell of hidden rows",
    14: "a foreign realm is given the credential",
    18: "a path leaves the root",
    23: "a request without a bound",
    26: "handling of signed tokens",
    27: "secrets where they can be read",
    28: "forwarded headers are believed",
    30: "default credentials, the window of the set-up",
    31: "names that are words of routes",
    34: "what was acknowledged is lost with the power",
    35: "garbage collection takes what is in use",
    36: "what rotted is not found, or is served on",
    37: "a backup that is none, a restore by half",
    38: "retention takes what its rules keep",
    39: "what was thrown away does not come back",
    40: "a fault of the machine makes a lie or a loss",
}

# Of a class of which nothing is there that could have the bug.
NOT_YET = {}
