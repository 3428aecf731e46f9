"""By which rule benchmarks/asgi.py says that a target holds."""
from asgi import Target
from rounds import Figures

MEASURED = {
    ("hello", name): Figures(rate, cpu, memory, 1, 1) for name, rate, cpu, memory in [
        ("girin 1", 80, 12, 50), ("girin 2", 90, 15, 80),
        ("granian 1 asyncio", 70, 16, 70), ("granian 1 rust", 60, 14, 75), ("granian 2 asyncio", 50, 28, 90), ("granian 2 rust", 50, 26, 95)]
}


def test_costs_are_compared_between_settings_of_as_many_workers():
    said = [text for _, text in Target("hello", "memory", "granian", 1).verdicts(MEASURED)]
    assert [text.partition(":")[0] for text in said] == ["hello with 1 worker", "hello with 2 workers"]
    assert ["0.71x, holds" in said[0], "0.89x, holds" in said[1]] == [True, True]


def test_a_cost_must_hold_for_each_number_of_workers():
    assert [holds for holds, _ in Target("hello", "cpu", "granian", 0.6).verdicts(MEASURED)] == [False, True]


def test_rates_are_those_of_the_best_settings():
    [(holds, text)] = Target("hello", "rate", "granian", 1.28).verdicts(MEASURED)
    assert holds and "1.29x" in text


def test_what_was_not_measured_does_not_hold():
    for figure in ("rate", "cpu"):
        assert [holds for holds, _ in Target("hello", figure, "granian", 1).verdicts({})] == [False]
