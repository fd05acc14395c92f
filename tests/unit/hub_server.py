"""A stand-in for the Hugging Face hub: a local server that answers what ``huggingface_hub`` asks."""

import contextlib
import hashlib
import http.server
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

LARGE = (".parquet", ".safetensors", ".bin")  # what the hub keeps by its SHA-256, and sends from another address


class Hub(http.server.ThreadingHTTPServer):
    """Serves ``repositories``, ``{(kind, name, commit): {path: content}}``.

    Faults, by a file's path: for each time that it is in ``cut``, one answer ends in the middle; for each time that it is
    in ``busy``, one answer is the status ``busy_status``; ``spoiled``: what is sent in its place, one after the other, the
    last for ever. ``refusal``: a status for every request. moved: whether small files lie
    at the hub's other address, where HEAD has no size. ``hostile``: is called with the handler and the address of each
    request, and returns whether it has answered.

    asked: what was asked for, ``(method, path without the query, status)``; sent: how many bytes of a file each answer had.
    """

    daemon_threads = True

    def __init__(self, repositories: dict, cut=(), busy=()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories, self.cut, self.busy = repositories, list(cut), list(busy)
        self.busy_status, self.refusal, self.moved = 503, None, False
        self.hostile: Callable[[http.server.BaseHTTPRequestHandler, str], object] = lambda handler, place: False
        self.spoiled: dict[str, list[bytes]] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.sent: list[int] = []
        self.tokens: set[str | None] = set()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.storage = f"http://localhost:{self.server_port}/storage"  # another host, as redirects go by that

    @contextlib.contextmanager
    def running(self) -> Iterator["Hub"]:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """Return the variables by which a program sees this hub and no other machine, with its cache in ``home``."""
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "HUGGING")) and not name.lower().endswith("_proxy")
        }
        return others | {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"} | more


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        place = unquote(re.sub(r"^http://[^/]*|\?.*", "", self.path))  # a proxy is asked for a whole address
        if self.server.hostile(self, place):
            return None
        if place.endswith("/api/agent-harnesses"):  # the library asks this once in a process, for its own ends
            return self.reply(404, listed=False)
        if self.server.refusal:
            return self.reply(self.server.refusal)
        for (kind, name, commit), files in self.server.repositories.items():
            prefix = "" if kind == "models" else f"/{kind}"
            if place == f"/api/{kind}/{name}/tree/{commit}":
                return self.reply(200, json.dumps([_entry(*file) for file in files.items()]).encode())
            if place == f"/api/{kind}/{name}/revision/{commit}":
                siblings = [{"rfilename": path} for path in files]
                return self.reply(200, json.dumps({"id": name, "sha": commit, "siblings": siblings}).encode())
            moved = f"/api/resolve-cache/{kind}/{name}/{commit}/"
            if (path := place.removeprefix(moved)) != place:
                return self.send(path, files[path], {"X-Repo-Commit": commit})
            path = place.removeprefix(f"{prefix}/{name}/resolve/{commit}/")
            if path != place:
                if self.server.moved and path in files and not path.endswith(LARGE):
                    named = {"X-Repo-Commit": commit, "X-Linked-ETag": f'"{digest_of(path, files[path])}"'}
                    return self.reply(307, headers=named | {"Location": moved + path})
                self.server.tokens.add(self.headers["Authorization"])
                if path in files:
                    return self.resolve(path, files[path], commit)
                return self.reply(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            if place.startswith("/storage/"):
                for path, content in files.items():
                    if path.endswith(LARGE) and place == f"/storage/{digest_of(path, content)}":
                        return self.send(path, content)
        return self.reply(404, headers={"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815 (http.server's names)

    def resolve(self, path: str, content: bytes, commit: str):
        digest, named = digest_of(path, content), {"X-Repo-Commit": commit}
        if not path.endswith(LARGE):
            return self.send(path, content, named | {"ETag": f'"{digest}"'})
        named |= {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        return self.reply(302, headers=named | {"Location": f"{self.server.storage}/{digest}"})

    def send(self, path: str, content: bytes, headers: dict | None = None):
        server, gets, cut = self.server, self.command == "GET", None
        if gets and path in server.busy:
            server.busy.remove(path)
            return self.reply(server.busy_status)
        headers = {"ETag": f'"{digest_of(path, content)}"', **(headers or {})}
        if gets and (others := server.spoiled.get(path)):
            content = others.pop(0) if len(others) > 1 else others[0]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start, status = 0, 200
        if asked and int(asked[1]) < len(content):
            start, status = int(asked[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if gets and path in server.cut:
            server.cut.remove(path)
            cut = (len(content) - start) // 2
        if gets:
            server.sent.append(len(content[start:][:cut]))
        return self.reply(status, content[start:], headers, cut)

    def reply(self, status: int, body: bytes = b"", headers: dict | None = None, cut: int | None = None, listed=True):
        if listed:
            self.server.asked.append((self.command, self.path.split("?")[0], status))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            if not (self.command == "HEAD" and "resolve-cache" in self.path and name == "Content-Length"):
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])

    def log_message(self, *args):
        pass


def digest_of(path: str, content: bytes) -> str:
    """Return what the hub calls a content: its SHA-256 where it is large, else git's own digest."""
    if path.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(path: str, content: bytes) -> dict:
    entry = {"type": "file", "path": path, "size": len(content), "oid": digest_of(path, content)}
    if path.endswith(LARGE):
        entry |= {"lfs": {"oid": entry["oid"], "size": len(content), "pointerSize": 130}, "oid": "0" * 40}
    return entry
