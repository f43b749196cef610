"""Passwords as argon2id hashes (RFC 9106), cheap ones on the loop and dear ones in threads."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from argon2 import exceptions
from argon2.low_level import Type, hash_secret, verify_secret

_INLINE_KIB_PASSES = 64  # 8 KiB and one pass take 26 µs; a thread costs more than that
_SALT_SIZE = 16
_HASH_SIZE = 16


class PasswordHasher:
    """Hashes and verifies under one cost; a hash made under another cost still verifies."""

    def __init__(self, memory_kib: int, passes: int, threads: int = 2) -> None:
        self.memory_kib = memory_kib
        self.passes = passes
        is_cheap = memory_kib * passes <= _INLINE_KIB_PASSES
        self._threads = None if is_cheap else ThreadPoolExecutor(threads, thread_name_prefix="password")
        self._dummy = self._hash(os.urandom(16))  # of a password that nobody has

    def __str__(self) -> str:
        return f"argon2id m={self.memory_kib}KiB t={self.passes} p=1"

    async def hash(self, password: str) -> str:
        """Return the encoded hash of a password, with a random salt."""
        secret = password.encode()
        if self._threads is None:
            return self._hash(secret)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hash, secret)

    async def is_right(self, encoded: str | None, password: str) -> bool:
        """Tell whether the password made the hash; without one the same work is done and the answer is no."""
        secret = password.encode()
        stored = encoded if encoded is not None else self._dummy
        if self._threads is None:
            return _matches(stored, secret)
        return await asyncio.get_running_loop().run_in_executor(self._threads, _matches, stored, secret)

    def _hash(self, secret: bytes) -> str:
        salt = os.urandom(_SALT_SIZE)
        return hash_secret(secret, salt, self.passes, self.memory_kib, 1, _HASH_SIZE, Type.ID).decode("ascii")


def _matches(encoded: str, secret: bytes) -> bool:
    try:
        return verify_secret(encoded.encode("ascii"), secret, Type.ID)
    except exceptions.VerifyMismatchError:
        return False
