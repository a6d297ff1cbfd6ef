"""Secrets stay out of the record: what looks like one is blotted out of reasons, notes and tracebacks."""

import os
import re
from collections.abc import Mapping

NAMES = re.compile(r"(_KEY|_TOKEN|_SECRET|PASSWORD|PASSWD|CREDENTIALS)", re.IGNORECASE)
CREDENTIALS = re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)")
ASSIGNED = re.compile(r"(?i)\b(\w*(?:_key|_token|_secret|password)\w*)(\s*[=:]\s*['\"]?)([^\s'\",;]{4,})")
SHORTEST = 6  # a shorter value would blot out ordinary words


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` without the values of secret-looking variables and without credentials in addresses.

    >>> redact("cannot reach s3://me:hunter2@host/x with API_KEY=abcdefg", {})
    'cannot reach s3://•••@host/x with API_KEY=•••'
    """
    for name, value in environment.items():
        if len(value) >= SHORTEST and NAMES.search(name) and not value.startswith("/"):
            text = text.replace(value, "•••")
    text = CREDENTIALS.sub("•••", text)
    return ASSIGNED.sub(r"\1\2•••", text)
