"""/api/v1 as its own document says it: requests made of the examples, answers
held against the schemas."""

import json
import re

import jsonschema

from . import http, oci
from .authorized import Authorized, basic, bearer
from .process import wait_until

MOUNT = "/api/v1"
JSON = {"Content-Type": "application/json"}
REPOSITORY = "team/a"
MANIFEST = oci.make_index([], annotations={"x": "api"})


class ApiServer(Authorized):
    """An administrator `root`, and `stranger`, who may do nothing."""

    def make_accounts(self):
        self.ctl("setup", "root", "--password-stdin",
                 given=self.password("root"))
        for who in ("stranger", "doomed"):
            self.ctl("user", "add", who, "--password-stdin",
                     given=self.password(who))

    def fill(self):
        answer = http.request(
            self, "PUT", f"/v2/{REPOSITORY}/manifests/v1",
            {**self.root_basic(), "Content-Type": oci.INDEX},
            MANIFEST.manifest)
        assert answer.status == 201, answer.body

    def who(self, name):
        return basic(name, self.password(name))

    def call(self, method, path, who="root", body=None, **headers):
        """`who`: a name, headers, or nothing; `body`: a document or bytes."""
        more = self.who(who) if isinstance(who, str) else dict(who or {})
        if body is not None and "Content-Type" not in headers:
            more.update(JSON)
        more.update(headers)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return http.request(self, method, MOUNT + path, more, body or b"")

    def done(self, method, path, who="root", body=None, status=204, **more):
        answer = self.call(method, path, who, body, **more)
        assert answer.status == status, (method, path, answer.status,
                                         answer.body)
        return answer.json() if answer.body else None

    def pull(self, who):
        return http.request(self, "GET", f"/v2/{REPOSITORY}/manifests/v1",
                            who).status

    def token(self, who="root", **wish):
        return self.done("POST", "/me/tokens", who,
                         {"actions": ["admin"], **wish}, 201)

    def access_token(self, who):
        answer = http.request(
            self, "GET", "/-/token?service=registry&scope=repository:"
            f"{REPOSITORY}:pull,push", self.who(who))
        assert answer.status == 200, answer.body
        return bearer(answer.json()["token"])

    def description(self):
        return Description(self.done("GET", "/openapi.json", None,
                                     status=200))


class Operation:
    def __init__(self, description, method, path, data):
        self.description = description
        self.method = method.upper()
        self.path = path
        self.data = data
        self.right = data["x-right"]
        self.name = f"{self.method} {path}"

    def example(self):
        content = self.data.get("requestBody", {}).get("content")
        return content and content["application/json"]["example"]

    def target(self, **values):
        """With a name that nobody has in each place that takes one."""
        target = re.sub(r"\{(\w+)\}",
                        lambda hit: values.get(hit[1], "nobody-here"),
                        self.path)
        wanted = [f"{one['name']}={one['example']}".replace("*", "%2A")
                  for one in self.data.get("parameters", ())
                  if one["in"] == "query" and one["required"]]
        return target + ("?" + "&".join(wanted) if wanted else "")

    def check(self, answer):
        """The status is one that the document knows, and the body fits."""
        responses = self.data["responses"]
        known = responses.get(str(answer.status))
        assert known or answer.status in (404, 409, 429, 503), (
            self.name, answer.status, answer.body)
        known = known or responses["default"]
        if "content" not in known:
            assert not answer.body, (self.name, answer.body)
            return
        (kind, content), = known["content"].items()
        assert answer.headers["Content-Type"] == kind, self.name
        self.description.check(answer.json(), content["schema"])


class Description:
    def __init__(self, document):
        self.document = document
        self.operations = [
            Operation(self, method, path, data)
            for path, methods in document["paths"].items()
            for method, data in methods.items()]

    def check(self, value, schema):
        jsonschema.Draft202012Validator(
            {**schema, "components": self.document["components"]},
            format_checker=jsonschema.FormatChecker()).validate(value)

    def operation(self, method, path):
        return next(one for one in self.operations
                    if (one.method, one.path) == (method, path))


def soon(condition, what):
    wait_until(condition, 20, what=what)
