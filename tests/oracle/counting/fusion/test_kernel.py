from __future__ import annotations

from typing import Any

from oracle.counting.fusion.kernel import assemble, live_rows, producer_rows


def test_a_kernel_reads_from_outside_once_and_writes_what_is_needed_outside(graph: Any) -> None:
    x = graph.given("input", 10)
    a = graph.row("elementwise", [x], 10)
    b = graph.row("elementwise", [x, a], 10)  # reads x again, and a inside
    c = graph.row("conv", [b], 10)
    d = graph.row("elementwise", [a, c], 10)  # reads a from another kernel
    first, second, third = assemble(graph.table(d), [[0, 1], [2], [3]])

    assert first.rows == (0, 1)
    assert first.reads == ((0, x),)
    assert first.writes == ((0, a), (1, b))
    assert (second.reads, second.writes) == (((2, b),), ((2, c),))
    assert (third.reads, third.writes) == (((3, a), (3, c)), ((3, d),))


def test_a_kernel_is_named_after_its_contraction(graph: Any) -> None:
    x = graph.given("input", 10)
    a = graph.row("copy", [x], 10)
    b = graph.row("conv", [a], 10)
    c = graph.row("activation", [b], 10)
    (kernel,) = assemble(graph.table(c), [[0, 1, 2]])
    assert kernel.main == 1


def test_views_of_a_whole_tensor_are_read_once(graph: Any) -> None:
    x = graph.given("input", 12)
    square = x._replace(shape=(3, 4), stride=(4, 1))
    a = graph.row("elementwise", [x], 12)
    b = graph.row("elementwise", [square, a], 12)
    (kernel,) = assemble(graph.table(b), [[0, 1]])
    assert kernel.reads == ((0, x),)


def test_parts_of_a_tensor_are_read_each(graph: Any) -> None:
    x = graph.given("input", 12)
    left, right = x._replace(shape=(6,)), x._replace(shape=(6,), offset=6)
    a = graph.row("elementwise", [left], 6)
    b = graph.row("elementwise", [right, a], 6)
    (kernel,) = assemble(graph.table(b), [[0, 1]])
    assert kernel.reads == ((0, left), (1, right))


def test_kernels_run_in_the_order_of_the_data(graph: Any) -> None:
    x = graph.given("input", 4)
    a = graph.row("conv", [x], 4)
    b = graph.row("conv", [x], 4)
    c = graph.row("elementwise", [a, b], 4)  # runs in a's epilogue, so a's kernel waits for b's
    order = assemble(graph.table(c), [[0, 2], [1]])
    assert [kernel.rows for kernel in order] == [(1,), (0, 2)]


def test_what_nobody_uses_is_dead(graph: Any) -> None:
    x = graph.given("input", 4)
    a = graph.row("conv", [x], 4)
    graph.row("elementwise", [a], 4)
    b = graph.row("elementwise", [a], 4)
    assert live_rows(graph.table(b)) == {0, 2}
    assert live_rows(graph.table()) == set()


def test_what_outlives_the_call_is_alive(graph: Any) -> None:
    x, buffer = graph.given("input", 4), graph.given("buffer", 4)
    graph.in_place("elementwise", [buffer, x], buffer, 4)
    assert live_rows(graph.table()) == {0}


def test_memory_that_outlives_the_call_is_written_once(graph: Any) -> None:
    momentum, gradient = graph.given("state", 4), graph.given("gradient", 4)
    half = graph.in_place("elementwise", [momentum], momentum, 4)
    whole = graph.in_place("elementwise", [half, gradient], momentum, 4)
    (kernel,) = assemble(graph.table(), [[0, 1]])
    assert kernel.reads == ((0, momentum), (1, gradient))
    assert kernel.writes == ((1, whole),)


def test_a_part_that_is_overwritten_leaves_the_rest(graph: Any) -> None:
    x = graph.given("input", 4)
    made = graph.row("conv", [x], 4)
    patched = graph.in_place("copy", [], made, 1)  # x[:1] = 0
    out = graph.row("activation", [patched], 4)
    table = graph.table(out)

    assert producer_rows(table, 2) == [0, 1]
    assert live_rows(table) == {0, 1, 2}
    conv, rest = assemble(table, [[0], [1, 2]])
    assert conv.writes == ((0, made),)
    assert rest.reads == ((2, made),)  # the rest is still read from memory
    assert rest.writes == ((2, out),)


def test_an_output_that_was_overwritten_in_part_is_all_written(graph: Any) -> None:
    x = graph.given("input", 4)
    made = graph.row("conv", [x], 4)
    patched = graph.in_place("copy", [], made, 1)
    conv, patch = assemble(graph.table(patched), [[0], [1]])
    assert [use.value for _, use in conv.writes] == [made.value]
    assert [use.shape for _, use in patch.writes] == [(1,)]


def test_a_wholly_overwritten_tensor_needs_nothing_of_what_it_was(graph: Any) -> None:
    x = graph.given("input", 4)
    made = graph.row("conv", [x], 4)
    zeros = graph.in_place("copy", [], made, 4)
    assert live_rows(graph.table(zeros)) == {1}
