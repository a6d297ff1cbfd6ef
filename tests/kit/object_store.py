"""Local object stores, for tests of what lies in one; they keep it in memory."""

import contextlib
import logging
import socket
import subprocess
import sys
import time
import urllib.request

from moto.server import ThreadedMotoServer

from cluster.tunnel import free_port

BUCKET = "bucket"


class ObjectStore:
    """An S3 server, moto's, with one empty bucket; `stop` and `start` leave what is in it."""

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


class GoogleStore:
    """A server of Google Cloud Storage with one empty bucket; in this process it and pyarrow wait for each other."""

    def __init__(self):
        self._port = free_port()
        options = f"'127.0.0.1', {self._port}, in_memory=True, default_bucket='{BUCKET}'"
        code = f"from gcp_storage_emulator.server import create_server; create_server({options}).run()"
        self._server = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            assert self._server.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)

    def address(self, folder):
        """Of a folder in the bucket."""
        where = f"endpoint_override=127.0.0.1:{self._port}&scheme=http"
        return f"gs://anonymous@{BUCKET}/{folder}?{where}"

    def end(self):
        self._server.kill()
        self._server.wait()
