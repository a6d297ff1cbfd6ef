"""Addresses of object stores, such as `s3://bucket/runs?region=eu-west-1`: what is in one, and what may not be."""

import re
from urllib.parse import parse_qsl, urlsplit

from trainables.spelling import nearest

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")  # what pyarrow reads, besides `file`
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_MANGLED = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/(?!/)")  # what `Path("s3://bucket")` makes of it
_SECRET = re.compile(r"key|secret|token|passw|signature|sas|credential", re.IGNORECASE)
_VARIABLES = {
    "s3": "export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...",
    "gs": "export GOOGLE_APPLICATION_CREDENTIALS=/path/to/key.json",
    "gcs": "export GOOGLE_APPLICATION_CREDENTIALS=/path/to/key.json",
    "abfs": "az login, or export AZURE_CLIENT_ID=... AZURE_TENANT_ID=... AZURE_CLIENT_SECRET=...",
    "abfss": "az login, or export AZURE_CLIENT_ID=... AZURE_TENANT_ID=... AZURE_CLIENT_SECRET=...",
}


def is_uri(place: object) -> bool:
    """Whether a place is in an object store, and not a path; `file://` is a path.

    >>> [is_uri(place) for place in ("s3://bucket/runs", "runs", "file:///mnt/runs")]
    [True, False, False]
    """
    found = _SCHEME.match(str(place)) or _MANGLED.match(str(place))
    return found is not None and found[1].lower() != "file"


def scheme_of(uri: str) -> str:
    """The part before `://`, in small letters."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found else ""


def checked(uri: str) -> str:
    """The address without a trailing slash.

    Raises:
        ValueError: its scheme is unknown, it names no bucket, or it holds a secret, which would be written down.
    """
    uri = str(uri)
    if mangled := _MANGLED.match(uri):
        raise ValueError(
            f"the address {_hidden(uri)} has lost a slash, as a Path loses it. Give it as text: "
            f"storage='{mangled[1]}://{_hidden(uri[mangled.end() :])}'"
        )
    scheme = scheme_of(uri)
    if scheme not in SCHEMES:
        raise ValueError(
            f"storage {_hidden(uri)} has the scheme {scheme!r}, which nobody here reads. "
            f"{nearest(scheme, SCHEMES)} A path that all hosts share will do, too: storage: /mnt/runs"
        )
    _refuse_secrets(uri, scheme)
    if re.search(r"[\s#\\]", uri) or {".", ".."} & set(uri.split("?")[0].split("/")):
        raise ValueError(
            f"the address {uri!r} has characters that none has. Write it like this: {scheme}://bucket/runs"
        )
    place, query = _split(uri)
    if not urlsplit(place).netloc:
        raise ValueError(f"the address {uri} names no bucket. Write it like this: {scheme}://bucket/runs")
    bucket, *names = [part for part in place.split("://", 1)[1].split("/") if part]
    return f"{scheme}://{'/'.join([bucket, *names])}{query}"


def child(uri: str, *names: str) -> str:
    """What lies below an address.

    >>> child("s3://bucket/runs?region=eu-west-1", "digits")
    's3://bucket/runs/digits?region=eu-west-1'
    """
    place, query = _split(uri)
    return "/".join([place.rstrip("/"), *names]) + query


def parent(uri: str) -> str:
    """Where it lies."""
    place, query = _split(uri)
    return place.rstrip("/").rsplit("/", 1)[0] + query


def name_of(place: object) -> str:
    """The last part of a path or an address.

    >>> name_of("s3://bucket/runs/digits?region=eu-west-1"), name_of("runs/digits")
    ('digits', 'digits')
    """
    text = _split(str(place))[0] if is_uri(place) else str(place)
    return text.rstrip("/").rsplit("/", 1)[-1]


def _split(uri: str) -> tuple[str, str]:
    """What is before the query, and the query with its question mark."""
    place, mark, query = uri.partition("?")
    return place, mark + query


def _refuse_secrets(uri: str, scheme: str) -> None:
    parts = urlsplit(uri)
    named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if _SECRET.search(name)]
    user = parts.netloc.rpartition("@")[0]
    is_nobody = scheme in ("gs", "gcs") and user == "anonymous"  # pyarrow's word for a bucket that all may use
    with_user = bool(user) and not is_nobody and (":" in user or scheme in ("s3", "gs", "gcs"))
    if with_user or named:
        mend = _VARIABLES.get(scheme, "kinit, or the settings of the host")
        raise ValueError(
            f"the address {_hidden(uri)} holds credentials, and it is written into the study. "
            f"Take them out of it, and give them to the environment of every host: {mend}"
        )


def _hidden(uri: str) -> str:
    """An address as it may be shown: without what may be a secret."""
    place, query = _split(uri)
    shown = re.sub(r"(?<=://)[^/]*@", "•••@", place)
    return shown + ("?•••" if query and _SECRET.search(query) else query)
