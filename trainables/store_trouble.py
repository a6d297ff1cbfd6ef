"""What object stores answer when they refuse, in two sentences: what was seen, and the mend."""

import re

from trainables.secrets import redact
from trainables.uri import scheme_of

_KEYS = {
    "s3": "aws configure, or export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... (AWS_SESSION_TOKEN too, where "
    "they are temporary), on every host; a role of the instance does as well",
    "gs": "gcloud auth application-default login, on every host; a service account of the instance does as well",
    "abfs": "az login, on every host; a managed identity of the instance does as well",
    "hdfs": "kinit",
}
_BUCKETS = {
    "s3": "aws s3 mb s3://{bucket}",
    "gs": "gcloud storage buckets create gs://{bucket}",
    "abfs": "az storage container create --name CONTAINER --account-name ACCOUNT",
    "hdfs": "hdfs dfs -mkdir -p PATH",
}
_SIGNS = (
    (
        "bucket",
        r"NO_SUCH_BUCKET|NoSuchBucket|Bucket '.*' not found|bucket does not exist|ContainerNotFound|"
        r"NOT_FOUND.*function=(CreateResumableUpload|InsertObject)",
    ),
    ("region", r"PermanentRedirect|PERMANENT_REDIRECT|AuthorizationHeaderMalformed|wrong region|HTTP status 301"),
    (
        "keys",
        r"ACCESS_DENIED|AccessDenied|INVALID_ACCESS_KEY|InvalidAccessKeyId|SIGNATURE_DOES_NOT_MATCH|FORBIDDEN|"
        r"INVALID_CLIENT_TOKEN|EXPIRED_TOKEN|ExpiredToken|MISSING_AUTHENTICATION|No response body|HTTP status 40[13]|"
        r"PERMISSION_DENIED|UNAUTHENTICATED|OAuth2|DefaultAzureCredential|AuthenticationException|Kerberos",
    ),
    ("network", r"NETWORK_CONNECTION|curlCode|CURL e|resolve host|timed? ?out|TIMEOUT|UNAVAILABLE|Connection refused"),
    ("query", r"[Uu]nexpected query parameter|Invalid boolean|Invalid query"),
    ("library", r"without .* support|not built with|No module named|libjvm|libhdfs|Unrecognized filesystem"),
)


class ClosedError(OSError):
    """A store that cannot be opened; its message has the mend already."""


def told(uri: str, error: BaseException) -> str:
    """Why a store cannot be used, and what to do about it."""
    if isinstance(error, ClosedError):
        return str(error)
    scheme = {"gcs": "gs", "abfss": "abfs", "viewfs": "hdfs"}.get(scheme_of(uri), scheme_of(uri))
    bucket = uri.split("://", 1)[-1].split("/")[0].split("?")[0].removeprefix("anonymous@")
    said = _short(error)
    match next((name for name, sign in _SIGNS if re.search(sign, f"{type(error).__name__}: {error}")), ""):
        case "bucket":
            return f"there is no bucket {bucket} for {uri}. Make it: {_BUCKETS[scheme].format(bucket=bucket)}"
        case "region":
            return f"{bucket} lies in another region than was asked ({said}). Name it: {_with(uri, 'region=eu-west-1')}"
        case "keys":
            return f"{uri} refuses these credentials ({said}). Give others: {_KEYS[scheme]}"
        case "network":
            return f"{uri} cannot be reached ({said}). {_reach(scheme)}"
        case "query":
            return f"{uri} has a setting that pyarrow does not know ({said}). Leave it out."
        case "library":
            return f"this pyarrow cannot read {scheme}:// ({said}). {_library(scheme)}"
    return (
        f"{uri} cannot be used ({said}). Look at it with the store's own tools, or choose another: storage: /mnt/runs"
    )


def is_lasting(error: BaseException) -> bool:
    """Whether trying again is of no use: what is missing or refused, and not a network that is away."""
    if isinstance(error, FileNotFoundError | ValueError | NotImplementedError | ImportError):
        return True
    found = {name for name, sign in _SIGNS if re.search(sign, str(error))}
    return bool(found) and "network" not in found  # a network that is away keeps one from tokens, too


def _reach(scheme: str) -> str:
    if scheme == "s3":
        return "See that this host reaches it, and of a store of your own say where it is: export AWS_ENDPOINT_URL=..."
    return "See that this host reaches it: the network, a proxy, a firewall."


def _library(scheme: str) -> str:
    if scheme == "hdfs":
        return "Install Java and Hadoop's client, then: export JAVA_HOME=... CLASSPATH=$(hadoop classpath --glob)"
    return "Install one that can: pip install --upgrade --only-binary :all: pyarrow"


def _with(uri: str, setting: str) -> str:
    return f"{uri}{'&' if '?' in uri else '?'}{setting}"


def _short(error: BaseException) -> str:
    """Its own words, without what changes from request to request."""
    text = re.sub(
        r"\(Request ID: [^)]*\)|\[errno \d+\]|Detail: .*", "", " ".join(str(error).split()), flags=re.IGNORECASE
    )
    return redact(text.strip(" .:") or type(error).__name__)[:240]
