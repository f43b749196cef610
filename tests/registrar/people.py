"""Synthetic people for the registrar's tests, and how far one of them is led."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asgi import Answer, Lab

RUN = "k0testr1"
STEPS = (
    "create-account",
    "confirm-email",
    "identity",
    "personal-data",
    "ktp-photo",
    "selfie",
    "confirm-phone",
    "submit-test",
    "join-wave",
)


@dataclass(frozen=True)
class Person:
    """A grown-up whom the civil registry knows; every number of `index` is another one."""

    index: int
    birth_date: str = "1990-05-17"
    password: str = "rahasia-negara"

    @property
    def nik(self) -> str:
        day, month, year = self.birth_date[8:10], self.birth_date[5:7], self.birth_date[2:4]
        return f"{320101 + self.index:06d}{day}{month}{year}0000"

    @property
    def kk(self) -> str:
        return f"3201010101{self.index:06d}"

    @property
    def email(self) -> str:
        return f"siti.{self.index}@example.com"

    @property
    def phone(self) -> str:
        return f"08990{self.index:07d}"

    @property
    def account(self) -> dict[str, str]:
        return {"full_name": "Siti Rahayu", "email": self.email, "password": self.password}

    @property
    def identity(self) -> dict[str, str]:
        return {"nik": self.nik, "kk": self.kk, "birth_date": self.birth_date}

    @property
    def profile(self) -> dict[str, str]:
        return {
            "full_name": "Siti Rahayu",
            "sex": "P",
            "province": "Jawa Barat",
            "regency": "Kabupaten Bogor",
            "district": "Cibinong",
            "address": "Jl. Mawar 1, RT 02/RW 03",
            "education": "SMA",
            "employment": "unemployed",
        }

    @property
    def import_line(self) -> dict[str, Any]:
        return {"person": self.index, "email": self.email, "phone": self.phone, **self.identity, **self.profile}

    def key(self, step: str) -> str:
        """Return the idempotency key of one step."""
        return f"{RUN}-{self.index}-{STEPS.index(step) + 1}"


def picture(kind: str, person: Person) -> bytes:
    """Return something that begins as a JPEG does."""
    return b"\xff\xd8" + f"{kind} of {person.index}".encode() * 20


class Visit:
    """One person's way through the registrar."""

    def __init__(self, lab: Lab, person: Person) -> None:
        self.lab = lab
        self.person = person
        self.token = ""

    async def create(self) -> Answer:
        return await self._write("create-account", "POST", "accounts", self.person.account)

    async def confirm_email(self) -> Answer:
        code = await self._code(self.person.email)
        return await self._write(
            "confirm-email", "POST", "email-confirmations", {"email": self.person.email, "code": code}
        )

    async def log_in(self) -> Answer:
        credentials = {"email": self.person.email, "password": self.person.password}
        answer = await self.lab.send("POST", "/api/v1/sessions", credentials)
        if answer.status == 201:
            self.token = answer.json()["token"]
        return answer

    async def identify(self) -> Answer:
        await self.lab.lines("civil", [self.person.identity])
        return await self._write("identity", "POST", "identity", self.person.identity)

    async def fill_in(self) -> Answer:
        return await self._write("personal-data", "PUT", "profile", self.person.profile)

    async def photograph(self, kind: str) -> Answer:
        step = "ktp-photo" if kind == "ktp" else "selfie"
        body = picture(kind, self.person)
        return await self._write(step, "PUT", f"photos/{kind}", body, content_type="image/jpeg")

    async def ask_for_code(self) -> Answer:
        key = f"{RUN}-{self.person.index}-phone"
        return await self.lab.send(
            "POST", "/api/v1/phone-codes", {"phone": self.person.phone}, key=key, token=self.token
        )

    async def confirm_phone(self) -> Answer:
        code = await self._code(self.person.phone)
        return await self._write(
            "confirm-phone", "POST", "phone-confirmations", {"phone": self.person.phone, "code": code}
        )

    async def submit_test(self) -> Answer:
        return await self._write("submit-test", "POST", "test-answers", {"test": 1, "answers": [0, 1, 2] * 6})

    async def join(self, wave: int = 1) -> Answer:
        return await self._write("join-wave", "POST", f"waves/{wave}/joins", {"declaration": True})

    async def up_to_login(self) -> Visit:
        for move in (self.create, self.confirm_email, self.log_in):
            assert (await move()).status < 300
        return self

    async def complete(self) -> Visit:
        await self.up_to_login()
        answers = [await self.identify(), await self.fill_in()]
        answers += [await self.photograph("ktp"), await self.photograph("selfie"), await self.ask_for_code()]
        answers += [await self.confirm_phone(), await self.submit_test()]
        assert [answer.status for answer in answers] == [201, 200, 201, 201, 202, 200, 201]
        return self

    async def _code(self, recipient: str) -> str:
        return str((await self.lab.lab("GET", f"outbox?to={recipient}")).json()["code"])

    async def _write(self, step: str, method: str, path: str, value: Any, **headers: str) -> Answer:
        key = self.person.key(step)
        return await self.lab.send(method, f"/api/v1/{path}", value, key=key, token=self.token, **headers)
