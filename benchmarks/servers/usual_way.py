"""Creating an account the usual way: FastAPI, pydantic, SQLAlchemy, uvicorn, a commit a request. To compare with.

Same address, validation, constraints, idempotency keys, password hash and durability as the registrar's step.
"""

import argparse
import hashlib
import secrets
import time
from collections.abc import Iterator
from typing import Annotated, Any

import uvicorn
from argon2 import PasswordHasher
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import LargeBinary, UniqueConstraint, create_engine, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=16)
CODE_LIFETIME = 900
EMAIL = r"^[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,4}$"


class Base(DeclarativeBase):
    """The root of the tables."""


class Account(Base):
    """A person's account and the code that its address will be confirmed with."""

    __tablename__ = "accounts"
    account: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str]
    password: Mapped[str]
    code: Mapped[int]
    code_expires: Mapped[int]


class Kept(Base):
    """The first answer given under an idempotency key."""

    __tablename__ = "replies"
    __table_args__ = (UniqueConstraint("scope", "key", "operation"),)
    reply: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[int]
    key: Mapped[str]
    operation: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    body: Mapped[str]


class NewAccount(BaseModel):
    """The body of the request."""

    model_config = ConfigDict(extra="forbid")
    full_name: str = Field(min_length=1, max_length=100)
    email: str = Field(max_length=254, pattern=EMAIL)
    password: str = Field(min_length=8, max_length=128)


class Created(BaseModel):
    """The body of the answer."""

    account: int
    email: str


def make_app(path: str) -> FastAPI:
    """Return the application on a SQLite file."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)

    def session() -> Iterator[Session]:
        with sessions() as opened:
            yield opened

    app = FastAPI()

    @app.post("/api/v1/accounts", status_code=201)
    def create_account(
        new: NewAccount,
        idempotency_key: Annotated[str, Header(max_length=64)],
        db: Annotated[Session, Depends(session)],
    ) -> Response:
        digest = hashlib.blake2b(new.model_dump_json().encode(), digest_size=8).digest()
        kept = db.scalar(select(Kept).where(Kept.scope == 0, Kept.key == idempotency_key, Kept.operation == 1))
        if kept is not None:
            if kept.digest != digest:
                raise HTTPException(422, "the key was used with another body")
            return Response(kept.body, kept.status, media_type="application/json")
        account = Account(
            email=new.email.lower(),
            full_name=new.full_name,
            password=HASHER.hash(new.password),
            code=secrets.randbelow(1_000_000),
            code_expires=int(time.time()) + CODE_LIFETIME,
        )
        db.add(account)
        try:
            db.flush()
        except IntegrityError as error:
            raise HTTPException(409, "the address is in use") from error
        body = Created(account=account.account, email=account.email).model_dump_json()
        db.add(Kept(scope=0, key=idempotency_key, operation=1, digest=digest, status=201, body=body))
        db.commit()
        return Response(body, 201, media_type="application/json")

    return app


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--database", required=True)
    chosen = options.parse_args()
    uvicorn.run(make_app(chosen.database), port=chosen.port, log_level="error", access_log=False)
