"""The target's memory on disk: what is whole of it, in order, counted from the epoch."""

from __future__ import annotations

from pathlib import Path

from prakerja_load.evidence.memory import memory_line, read_memory


def test_samples_come_back_in_order_counted_from_the_epoch(tmp_path: Path) -> None:
    (tmp_path / "m").write_text(memory_line(30, 7) + memory_line(20, 6))

    assert read_memory(tmp_path / "m", 10).tolist() == [[10, 6], [20, 7]]


def test_a_torn_end_and_what_is_no_sample_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(
        memory_line(30, 7).encode() + b'[]\n{"at": 3}\n\xff\n{"at": null, "rss": 1}\n{"at": 40, "r'
    )

    assert read_memory(tmp_path / "m", 0).tolist() == [[30, 7]]


def test_no_file_is_no_samples(tmp_path: Path) -> None:
    assert read_memory(tmp_path / "m", 0).shape == (0, 2)
