"""docs/auth.md once more, in Python and in few words, for tests to compare
with. Nothing here is read from the product."""

import re
from dataclasses import dataclass, field

OK = "ok"  # may do it: the route's own answer


def matches(pattern, name):
    """`*` is any text without a slash, `**` any text."""
    words = (".*" if word == "**" else "[^/]*" if word == "*"
             else re.escape(word) for word in re.split(r"(\*\*|\*)", pattern))
    return re.fullmatch("".join(words), name) is not None


@dataclass
class World:
    """What an operator has said."""
    grants: dict = field(default_factory=dict)  # subject: [(pattern, words)]
    groups: dict = field(default_factory=dict)  # name: groups it is in
    visibility: dict = field(default_factory=dict)  # pattern: public/private
    disabled: set = field(default_factory=set)

    def is_public(self, name):
        def rank(pattern):
            star = pattern.find("*")
            before = len(pattern) if star < 0 else star
            return (star < 0, before, len(pattern),
                    self.visibility[pattern] == "private")
        rules = [one for one in self.visibility if matches(one, name)]
        return bool(rules) and \
            self.visibility[max(rules, key=rank)] == "public"

    def granted(self, subjects, name, action):
        return any(matches(pattern, name) and
                   {action, "admin"} & set(actions.split(","))
                   for subject in subjects
                   for pattern, actions in self.grants.get(subject, ()))

    def everybody_may(self, name, action):
        return (action == "pull" and self.is_public(name)) or \
            self.granted(["anonymous"], name, action)


@dataclass
class Credential:
    """What a request shows. `limits`: of an API token, its actions and
    patterns; `scope`: of an access token, {name: actions}."""
    who: str = "anonymous"
    bad: bool = False
    shown: bool = True
    limits: tuple = None
    scope: dict = None


def may_at_all(world, credential, name, action):
    """Without regard to what an access token is for: OK, 401 or 403."""
    who = credential.who
    if credential.bad or who in world.disabled:
        return 401
    if world.everybody_may(name, action):
        return OK
    if who == "anonymous":
        return 401
    groups = [group for group in world.groups.get(who, ())
              if group not in world.disabled]
    if not world.granted([who, *groups, "authenticated"], name, action):
        return 403
    if credential.limits is not None:
        actions, patterns = credential.limits
        if actions != "*" and action not in actions.split(","):
            return 403
        if patterns and not any(matches(one, name) for one in patterns):
            return 403
    return OK


def verdict(world, credential, name, action):
    """OK, 401 or 403. `action` is one of the four, or `registry` (a route
    that belongs to no repository) or `catalog`."""
    scope = credential.scope
    if action in ("registry", "catalog"):
        if credential.bad or credential.who in world.disabled or \
                not credential.shown:
            return 401
        bare = action == "catalog" and scope is not None and \
            "*" not in scope.get("catalog", ())
        return 401 if bare else OK
    found = may_at_all(world, credential, name, action)
    if found == OK and scope is not None and \
            not world.everybody_may(name, action) and \
            action not in scope.get(name, ()):
        return 401
    return found


def issued(world, credential, asked):
    """The scope of an access token that was asked for with a credential."""
    return {name: {action for action in actions
                   if name == "catalog" or may_at_all(
                       world, credential, name, action) == OK}
            for name, actions in asked.items()}
