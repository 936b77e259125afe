"""What users are told, and the exit codes that go with it."""

import pytest

from engine.errors import ExitCode, OutOfMemory, exit_code, is_foreseen, message_of


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"
        ),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
)
def test_memory_that_runs_out_is_one_sentence_with_its_own_code(error: BaseException) -> None:
    said = message_of(error)
    assert said.startswith("memory ran out; fill fewer gaps at once")
    assert "\n" not in said
    assert exit_code(error) is ExitCode.OUT_OF_MEMORY
    assert is_foreseen(error)


def test_memory_of_a_device_keeps_the_sentence_that_it_has() -> None:
    error = OutOfMemory("the network needs 9 GB more; make it smaller.")
    assert message_of(error) == str(error)
    assert exit_code(error) is ExitCode.OUT_OF_MEMORY


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), OSError(2, "No such file or directory"), KeyError("a")]
)
def test_other_errors_are_not_taken_for_a_lack_of_memory(error: BaseException) -> None:
    assert "memory" not in message_of(error)
    assert exit_code(error) is ExitCode.FAILED
