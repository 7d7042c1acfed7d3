"""A plain HTTP client for filling the servers and for checking answers
before they are timed. Not for timing."""

import hashlib
import http.client

from .content import MANIFEST_TYPE


class Wrong(Exception):
    """An answer is not the right one; the text says how."""


def request(port, method, target, body=None, headers=None, timeout=60):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port,
                                            timeout=timeout)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Wrong(f"{method} {target}: {error!r}") from error
    finally:
        connection.close()


def want(status, expected, what):
    if status != expected:
        raise Wrong(f"{what}: expected status {expected}, found {status}")


def push_blob(port, repository, blob, login=None):
    """`login`: header fields that say who pushes."""
    status, headers, _ = request(
        port, "POST", f"/v2/{repository}/blobs/uploads/", headers=login)
    want(status, 202, "POST of an upload")
    location = headers["Location"]
    if "://" in location:
        location = "/" + location.split("://", 1)[1].partition("/")[2]
    join = "&" if "?" in location else "?"
    status, _, _ = request(
        port, "PUT", f"{location}{join}digest={blob.digest}", blob.data(),
        {"Content-Type": "application/octet-stream", **(login or {})})
    want(status, 201, f"PUT of a blob of {blob.size} bytes")


def push_manifest(port, content, login=None):
    status, _, _ = request(
        port, "PUT",
        f"/v2/{content.repository}/manifests/{content.tag}",
        content.manifest, {"Content-Type": MANIFEST_TYPE, **(login or {})})
    want(status, 201, "PUT of the manifest")


def check_get(port, target, digest, size, headers=None, timeout=60):
    """Reads an answer to its end, in pieces: it may be 1 GiB."""
    connection = http.client.HTTPConnection("127.0.0.1", port,
                                            timeout=timeout)
    running, length = hashlib.sha256(), 0
    try:
        connection.request("GET", target, headers=headers or {})
        answer = connection.getresponse()
        want(answer.status, 200, f"GET {target}")
        while data := answer.read(1 << 20):
            running.update(data)
            length += len(data)
    except (OSError, http.client.HTTPException) as error:
        raise Wrong(f"GET {target}: {error!r}") from error
    finally:
        connection.close()
    found = "sha256:" + running.hexdigest()
    if (length, found) != (size, digest):
        raise Wrong(f"GET {target}: {length} bytes of {found}, "
                    f"expected {size} of {digest}")


def check_head(port, target, size, headers=None):
    status, answer, body = request(port, "HEAD", target, headers=headers)
    want(status, 200, f"HEAD {target}")
    if answer.get("Content-Length") != str(size) or body:
        raise Wrong(f"HEAD {target}: Content-Length "
                    f"{answer.get('Content-Length')}, expected {size}")


def check_ranges(port, target, data, ranges):
    """Checks one range or many and returns the length of the whole answer.

    `ranges` is a list of (first, last), `data` the whole blob.
    """
    asked = "bytes=" + ",".join(f"{a}-{b}" for a, b in ranges)
    status, headers, body = request(port, "GET", target,
                                    headers={"Range": asked})
    want(status, 206, f"GET {target} with {len(ranges)} ranges")
    kind = headers.get("Content-Type", "")
    if len(ranges) == 1:
        first, last = ranges[0]
        if body != data[first:last + 1]:
            raise Wrong(f"GET {target}: the range has wrong bytes")
        return len(body)
    if not kind.startswith("multipart/byteranges"):
        raise Wrong(f"GET {target}: {len(ranges)} ranges gave '{kind}'")
    _check_parts(body, kind.partition("boundary=")[2].strip('"'), data,
                 ranges)
    return len(body)


def _check_parts(body, boundary, data, ranges):
    mark, at = b"--" + boundary.encode(), 0
    for first, last in ranges:
        start = body.find(mark, at)
        blank = body.find(b"\r\n\r\n", start)
        if start < 0 or blank < 0:
            raise Wrong("a part of the multipart answer is missing")
        named = f"bytes {first}-{last}/{len(data)}".encode()
        if named not in body[start:blank]:
            raise Wrong(f"a part is not '{named.decode()}'")
        at = blank + 4 + last - first + 1
        if body[blank + 4:at] != data[first:last + 1]:
            raise Wrong(f"part '{named.decode()}' has wrong bytes")
    if body[at:].strip() != mark + b"--":
        raise Wrong("the multipart answer does not end with its parts")
