"""Refusals as RFC 9457 problem documents: one closed list of codes, each with its status and title."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from prakerja_load.errors import PrakerjaLoadError
from prakerja_load.units import Seconds

KINDS: dict[str, tuple[int, str]] = {
    "malformed-json": (400, "The body is not JSON"),
    "malformed-request": (400, "The request is not HTTP"),
    "malformed-query": (400, "The query of the address cannot be read"),
    "idempotency-key-missing": (400, "The header Idempotency-Key is missing"),
    "idempotency-key-invalid": (400, "The header Idempotency-Key has 1 to 64 visible ASCII characters"),
    "unauthenticated": (401, "A valid bearer token is needed"),
    "wrong-credentials": (401, "E-mail and password do not belong together"),
    "email-unconfirmed": (403, "The e-mail address is not confirmed yet"),
    "not-called": (403, "The waiting room has not called the number of the header Waiting-Ticket"),
    "not-found": (404, "Nothing stands at this address"),
    "ticket-unknown": (404, "The ticket is not one of this waiting room, or its time is over: take another"),
    "nothing-sent": (404, "Nothing was sent to this recipient"),
    "method-not-allowed": (405, "The method is not allowed here"),
    "request-timeout": (408, "The request came in too slowly"),
    "email-in-use": (409, "The e-mail address has an account already"),
    "email-already-confirmed": (409, "The e-mail address is confirmed already"),
    "nik-in-use": (409, "The NIK is registered already"),
    "identity-already-checked": (409, "The account's identity is checked already"),
    "family-card-full": (409, "The family card has as many registrants as are allowed"),
    "phone-in-use": (409, "The phone number belongs to another account"),
    "phone-already-confirmed": (409, "The account has a confirmed phone number already"),
    "test-already-submitted": (409, "The account has submitted its test already"),
    "wave-closed": (409, "The wave is not open"),
    "incomplete": (409, "The registration is not complete"),
    "already-joined": (409, "The account has joined this wave already"),
    "quota-full": (409, "The wave's quota is used up"),
    "idempotency-key-in-flight": (409, "A request with this key is still under way"),
    "import-conflict": (409, "The import breaks a uniqueness rule; nothing of it was stored"),
    "code-expired": (410, "The code has expired"),
    "body-too-large": (413, "The body is larger than this address takes"),
    "unsupported-media-type": (415, "The content type is not the one this address takes"),
    "invalid-body": (422, "The body does not fit what this address takes"),
    "idempotency-key-reused": (422, "The key was used with another body"),
    "wrong-code": (422, "The code is not the one that was sent"),
    "under-age": (422, "Applicants are at least 18 years old"),
    "nik-unknown": (422, "The civil registry does not know this NIK"),
    "nik-not-synthetic": (422, "This laboratory takes only NIKs that end in 0000, which no person has"),
    "civil-mismatch": (422, "Family card or birth date differ from the civil registry"),
    "too-many-attempts": (429, "Too many wrong codes"),
    "rate-limited": (429, "Too many requests from this address or account"),
    "headers-too-large": (431, "The header section is too large"),
    "internal-error": (500, "The server failed"),
    "injected-error": (500, "The laboratory injected an error"),
    "overloaded": (503, "More requests are under way than the server takes"),
    "civil-registry-away": (503, "The civil registry does not answer"),
    "store-busy": (503, "The store is busy"),
    "store-unavailable": (503, "The store failed to write"),
    "store-full": (507, "The store has no room left"),
}


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, str]] = []


class RefusalError(PrakerjaLoadError):
    """An answer that is a "no": its code, and what the client should know beside it.

    `retry_after` becomes the header Retry-After; `headers` go out as they are.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[dict[str, str]] = (),
        retry_after: Seconds | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status, self.title = KINDS[code]
        self.detail = detail
        self.errors = list(errors)
        self.retry_after = retry_after
        self.headers = list(headers)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.code, self.detail))

    @property
    def is_saved(self) -> bool:
        """Tell whether an idempotency key keeps this answer: a conflict found while executing, not a refused input."""
        return self.status == 409 and self.code != "idempotency-key-in-flight"

    def body(self) -> bytes:
        """Return the problem document as JSON."""
        document = ProblemDocument(f"/problems/{self.code}", self.title, self.status, self.detail, self.errors)
        return msgspec.json.encode(document)
