"""Secrets that stand in the file: it travels to every node, into logs, and often into a repository."""

import re

from cluster.lint.finding import Finding

_SECRETS = (
    (re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), "an access key of AWS"),
    (re.compile(r"(?i)aws_?secret_?access_?key['\"]?\s*[:=]\s*['\"]?[A-Za-z0-9/+]{30,}"), "a secret key of AWS"),
    (re.compile(r"\b(ghp|gho|ghs|github_pat)_\w{20,}"), "a token of GitHub"),
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), "a token of Hugging Face"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"), "an API key"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\bRAY_AUTH_TOKEN=['\"]?[0-9A-Za-z]{16,}"), "Ray's token"),
    (
        re.compile(r"(?i)\b(\w*password|\w*passwd|\w*_token|\w*api_?key)['\"]?\s*[:=]\s*['\"]?[^\s'\"{$<&]{8,}"),
        "a password",
    ),
)
_NAMES_A_FILE = re.compile(r"[:=]\s*['\"]?(~|/|\$|\w+/)|valueFrom|secretKeyRef")


def check(text: str) -> list[Finding]:
    """Lines that look like secrets; the secret itself is never repeated."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        kinds = [kind for pattern, kind in _SECRETS if pattern.search(line)]
        if kinds == ["a password"] and _NAMES_A_FILE.search(line):
            continue
        if kinds and not line.lstrip().startswith("#"):
            mend = "Take it out, make a new one, and give nodes a role or a mounted file instead."
            found.append(Finding(number, "", "error", f"{kinds[0]} stands in this line", mend))
    return found
