"""A local S3 server, for tests of what lies in an object store: moto's, in this process, which keeps it in memory."""

import contextlib
import logging
import urllib.request

from moto.server import ThreadedMotoServer

BUCKET = "bucket"


class ObjectStore:
    """A server with one empty bucket; `stop` and `start` leave what is in it."""

    def __init__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server, self._port = None, 0
        self.start()
        self._ask("PUT", f"/{BUCKET}")

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self):
        """What a process needs to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing-key-id",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self):
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()

    def stop(self):
        self._server.stop()

    def end(self):
        with contextlib.suppress(Exception):
            self._ask("POST", "/moto-api/reset")
        self.stop()

    def _ask(self, method, path):
        request = urllib.request.Request(self.endpoint + path, data=b"", method=method)
        return urllib.request.urlopen(request, timeout=10).read()
