"""The motivation and basic ability test: four sets of 18 questions, nine of each kind, made by arithmetic."""

from __future__ import annotations

import msgspec

from prakerja_load.registrar.messages import CHOICES, QUESTIONS, TESTS, Question, TestPaper

MINUTES = 15  # in 2020; 25 from January 2021

_LIKERT = ["Sangat tidak setuju", "Tidak setuju", "Setuju", "Sangat setuju"]
_STATEMENTS = [
    "Saya menyelesaikan tugas tepat waktu.",
    "Saya mencari cara baru ketika cara lama tidak berhasil.",
    "Saya senang belajar keterampilan baru.",
    "Saya meminta bantuan bila tidak mengerti.",
    "Saya tetap tenang ketika pekerjaan menumpuk.",
    "Saya membuat rencana sebelum mulai bekerja.",
    "Saya menerima kritik dengan baik.",
    "Saya bekerja dengan baik bersama orang lain.",
    "Saya memeriksa kembali hasil pekerjaan saya.",
]


def _statement(test: int, number: int) -> Question:
    return Question(number, _STATEMENTS[(number + test) % len(_STATEMENTS)], _LIKERT)


def _sum(test: int, number: int) -> Question:
    left, right = 7 * test + number, 3 * number + test
    return Question(number, f"{left} + {right} = …", [str(left + right + offset) for offset in range(CHOICES)])


def paper(test: int) -> TestPaper:
    """Return the question set with this number, 1 to TESTS."""
    if not 1 <= test <= TESTS:
        raise ValueError(f"there are {TESTS} sets of questions, got number {test}")
    half = QUESTIONS // 2
    questions = [(_statement if number <= half else _sum)(test, number) for number in range(1, QUESTIONS + 1)]
    return TestPaper(test, MINUTES, questions)


PAPERS: tuple[bytes, ...] = tuple(msgspec.json.encode(paper(test)) for test in range(1, TESTS + 1))


def paper_for(account: int) -> bytes:
    """Return, as JSON, the set of questions an account is given."""
    return PAPERS[account % TESTS]
