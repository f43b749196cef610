"""uvicorn's HTTP protocol with a limit on headers and problem documents for requests it cannot read."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from prakerja_load.registrar.problems import RefusalError

LARGEST_HEAD = 16 * 1024  # bytes of address and headers


class _HeadersTooLargeError(Exception):
    pass


class BoundedProtocol(HttpToolsProtocol):
    """Refuses what is not HTTP with 400 and an oversized head with 431, and closes the connection."""

    _head_size = 0
    _refusal_code = "malformed-request"

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def send_400_response(self, _msg: str) -> None:
        refusal = RefusalError(self._refusal_code)
        body = refusal.body()
        head: list[bytes] = [
            STATUS_LINE[refusal.status],
            b"content-type: application/problem+json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"connection: close\r\n\r\n",
        ]
        self.transport.write(b"".join([*head, body]))
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > LARGEST_HEAD:
            self._refusal_code = "headers-too-large"
            raise _HeadersTooLargeError
