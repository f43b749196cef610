"""A registration system in memory that follows the contract's rules, written by hand to test journeys against."""

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.journey.step import Request, Response

PASSWORD = "kata-sandi-bersama"
PERSONAL = ("full_name", "sex", "province", "regency", "district", "address", "education", "employment")

Fault = Callable[[Request, int], Response | None]
Reply = tuple[int, dict[str, Any]]


class RefusedError(Exception):
    """A problem document on its way out."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class FakeSystem:
    """Call it with a request; `fault(request, n)` may answer the n-th request of a step (from 0) in its place."""

    def __init__(
        self,
        civil: Iterable[ApplicantProfile],
        *,
        today: datetime.date,
        prefilled: Iterable[ApplicantProfile] = (),
        quota: int = 1_000_000,
        is_open: bool = True,
        fault: Fault | None = None,
    ) -> None:
        prefilled = list(prefilled)
        people = [*civil, *prefilled]
        self.civil = {person.nik: (person.kk, person.birth_date.isoformat()) for person in people}
        self.today, self.quota, self.is_open, self.fault = today, quota, is_open, fault
        self.accounts: dict[str, dict[str, Any]] = {}  # by e-mail
        self.niks: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self.joins: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.seen: Counter[str] = Counter()
        self.answered: dict[tuple[str, str, str], tuple[bytes, Response]] = {}
        self.effects = 0  # how often a write was carried out and not replayed
        for person in prefilled:
            self.accounts[person.email] = {"password": PASSWORD, "email_confirmed": True, "complete": True}
            self.niks[person.nik] = person.email

    def __call__(self, request: Request) -> Response:
        count = self.seen[request.step.name]
        self.seen[request.step.name] += 1
        if self.fault is not None and (instead := self.fault(request, count)) is not None:
            return instead
        if request.method == "GET" or request.path == "/api/v1/sessions":
            return self._answer(request)
        return self._once(request)

    def stored(self, kind: str) -> list[dict[str, Any]]:
        """Return the stored effects of one kind, keys included."""
        return [row for row in self.rows if row["kind"] == kind]

    def _once(self, request: Request) -> Response:
        if not request.key or len(request.key) > 64:
            return problem(400, "idempotency-key-missing")
        place = (request.token, f"{request.method} {request.path}", request.key)
        if place in self.answered:
            body, response = self.answered[place]
            return response if body == request.body else problem(422, "idempotency-key-reused")
        response = self._answer(request)
        self.effects += 1
        if response.status < 300 or response.status == 409:
            self.answered[place] = (request.body, response)
        return response

    def _answer(self, request: Request) -> Response:
        try:
            status, reply = self._route(request)
        except RefusedError as refused:
            return problem(refused.status, refused.code)
        return Response(status, json.dumps(reply).encode())

    def _route(self, request: Request) -> Reply:
        url = urlsplit(request.path)
        match (request.method, *url.path.strip("/").split("/")):
            case ("GET", "api", "v1", "waves", "current"):
                return 200, {
                    "wave": 1,
                    "name": "Gelombang 1",
                    "quota": self.quota,
                    "joined": 0,
                    "is_open": self.is_open,
                }
            case ("POST", "api", "v1", "accounts"):
                return self._create(request, json.loads(request.body))
            case ("GET", "lab", "outbox"):
                return self._outbox(request, parse_qs(url.query)["to"][0])
            case ("POST", "api", "v1", "email-confirmations"):
                return self._confirm_email(request, json.loads(request.body))
            case ("POST", "api", "v1", "sessions"):
                return self._log_in(json.loads(request.body))
            case ("POST", "api", "v1", "identity"):
                return self._identify(request, json.loads(request.body))
            case ("PUT", "api", "v1", "profile"):
                return self._fill_in(request, json.loads(request.body))
            case ("PUT", "api", "v1", "photos", kind):
                return self._upload(request, kind)
            case ("POST", "api", "v1", "phone-codes"):
                return self._send_code(request, json.loads(request.body)["phone"])
            case ("POST", "api", "v1", "phone-confirmations"):
                return self._confirm_phone(request, json.loads(request.body))
            case ("GET", "api", "v1", "test"):
                self._whose(request)
                questions = [{"number": n, "text": "?", "choices": list("abcd")} for n in range(1, 19)]
                return 200, {"test": 3, "minutes": 15, "questions": questions}
            case ("POST", "api", "v1", "test-answers"):
                return self._score(request, json.loads(request.body))
            case ("POST", "api", "v1", "waves", "1", "joins"):
                return self._join(request, json.loads(request.body))
            case ("GET", "api", "v1", "status"):
                return self._status(self._whose(request))
        raise RefusedError(404, "not-found")

    def _whose(self, request: Request) -> str:
        email = request.token.removeprefix("token-of-")
        if email not in self.accounts:
            raise RefusedError(401, "unauthenticated")
        return email

    def _number(self, email: str) -> int:
        return list(self.accounts).index(email) + 1

    def _store(self, kind: str, request: Request, owner: str, **fields: Any) -> None:
        self.rows.append({"kind": kind, "key": request.key, "owner": owner, **fields})

    def _create(self, request: Request, body: dict[str, Any]) -> Reply:
        email = body["email"]
        if email in self.accounts:
            raise RefusedError(409, "email-in-use")
        self.accounts[email] = {"password": body["password"], "email_confirmed": False, "complete": False}
        self.codes[email] = f"{len(self.codes):06d}"
        self._store("create-account", request, email, full_name=body["full_name"], email=email)
        return 201, {"account": self._number(email), "email": email}

    def _outbox(self, request: Request, address: str) -> Reply:
        if not request.is_lab:
            raise RefusedError(404, "not-found")
        if address not in self.codes:
            raise RefusedError(404, "nothing-sent")
        return 200, {"code": self.codes[address]}

    def _confirm_email(self, request: Request, body: dict[str, Any]) -> Reply:
        email = body["email"]
        if self.codes.get(email) != body["code"]:
            raise RefusedError(422, "wrong-code")
        self.accounts[email]["email_confirmed"] = True
        self._store("confirm-email", request, email, email=email)
        return 200, {"account": self._number(email), "email_confirmed": True}

    def _log_in(self, body: dict[str, Any]) -> Reply:
        account = self.accounts.get(body["email"])
        if account is None or account["password"] != body["password"]:
            raise RefusedError(401, "wrong-credentials")
        if not account["email_confirmed"]:
            raise RefusedError(403, "email-unconfirmed")
        number = self._number(body["email"])
        return 201, {"token": f"token-of-{body['email']}", "expires_in": 3600, "account": number}

    def _identify(self, request: Request, body: dict[str, Any]) -> Reply:
        email, nik = self._whose(request), body["nik"]
        assert nik.endswith("0000")
        if (self.today - datetime.date.fromisoformat(body["birth_date"])).days < 18 * 365.2425:
            raise RefusedError(422, "under-age")
        if nik in self.niks:
            raise RefusedError(409, "nik-in-use")
        if nik not in self.civil:
            raise RefusedError(422, "nik-unknown")
        if self.civil[nik] != (body["kk"], body["birth_date"]):
            raise RefusedError(422, "civil-mismatch")
        self.niks[nik] = email
        self._store("identity", request, email, **body)
        return 201, {"account": self._number(email), "nik_checked": True}

    def _fill_in(self, request: Request, body: dict[str, Any]) -> Reply:
        email = self._whose(request)
        assert sorted(body) == sorted(PERSONAL)
        self._store("personal-data", request, email, **body)
        return 200, {"account": self._number(email)}

    def _upload(self, request: Request, kind: str) -> Reply:
        email = self._whose(request)
        assert request.content_type == "image/jpeg"
        seen = {"size": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()}
        self._store("ktp-photo" if kind == "ktp" else kind, request, email, **seen)
        return 201, {"photo": kind, **seen}

    def _send_code(self, request: Request, phone: str) -> Reply:
        self._whose(request)
        self.codes[phone] = f"{900_000 + len(self.codes)}"
        return 202, {"phone": phone, "expires_in": 300}

    def _confirm_phone(self, request: Request, body: dict[str, Any]) -> Reply:
        email = self._whose(request)
        if self.codes.get(body["phone"]) != body["code"]:
            raise RefusedError(422, "wrong-code")
        self._store("confirm-phone", request, email, phone=body["phone"])
        return 200, {"account": self._number(email), "phone_confirmed": True}

    def _score(self, request: Request, body: dict[str, Any]) -> Reply:
        email, answers = self._whose(request), body["answers"]
        assert body["test"] == 3
        assert len(answers) == 18
        assert set(answers) <= {0, 1, 2, 3}
        self.accounts[email]["complete"] = True
        self._store("submit-test", request, email, answers=answers)
        return 201, {"account": self._number(email), "passed": True, "score": sum(answers)}

    def _join(self, request: Request, body: dict[str, Any]) -> Reply:
        email = self._whose(request)
        assert body == {"declaration": True}
        if not self.is_open:
            raise RefusedError(409, "wave-closed")
        if not self.accounts[email]["complete"]:
            raise RefusedError(409, "incomplete")
        if email in self.joins:
            raise RefusedError(409, "already-joined")
        if len(self.joins) >= self.quota:
            raise RefusedError(409, "quota-full")
        self.joins.append(email)
        self._store("join-wave", request, email, wave=1)
        return 201, {"wave": 1, "account": self._number(email), "joined_at": "2020-04-12T12:00:00Z"}

    def _status(self, email: str) -> Reply:
        done = dict.fromkeys(("email_confirmed", "nik_checked", "profile_complete", "phone_confirmed"), True)
        joined = [1] if email in self.joins else []
        photos = ["ktp", "selfie"]
        return 200, {"account": self._number(email), **done, "photos": photos, "test_passed": True, "joined": joined}


def problem(status: int, code: str, retry_after: float | None = None) -> Response:
    """Return a problem document."""
    body = {"type": f"/problems/{code}", "title": code, "status": status}
    return Response(status, json.dumps(body).encode(), retry_after)
