"""By which rules benchmarks/asgi.py says that a target holds, and benchmarks/tune.py that a choice is good enough."""
import math

import pytest
from asgi import Target
from rounds import Figures
from tune import beside, enough, judge, sentence, t_quantile, Table

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


def test_quantiles_are_students():
    for p, freedom, want in [(0.975, 2, 4.3027), (0.975, 8, 2.3060), (0.995, 5, 4.0321), (0.95, 1, 6.3138)]:
        assert t_quantile(p, freedom) == pytest.approx(want, rel=1e-3)


BEST = [100.0, 110, 90, 105, 95, 100, 102, 98, 101]


@pytest.mark.parametrize("share, noise, want", [(1, 0.001, True), (0.9, 0.001, False), (1, 0.2, None), (0.96, 0.001, True)])
def test_a_choice_is_judged_block_by_block(share, noise, want):
    """What the machine does to a block falls on both; what differs within blocks decides whether anything is certain."""
    ours = [share * v * math.exp(noise * (-1) ** (i + 1)) for i, v in enumerate(BEST)]
    held = {"best": [max(share, 1) * 1.0001 * v for v in BEST], "ours": ours}
    low, high = beside(held, "ours")
    assert enough(held, "ours") is want and low < share < high


def test_words_for_choices_and_their_sentence():
    def answer(n):
        return {"answer": {"best": {"setting": {"class": "sync", "workers": n, "threads": 1}}}, "took_ns": 10e9}

    def candidates(**rates):
        return [{"setting": {"class": "auto"} if n == "auto" else {"class": "sync", "workers": int(n[1:]), "threads": 1}, "rates": r,
                 "runs": [{"took_ns": 8e9, "rate": 100}] * 3} for n, r in rates.items()]

    known = {"seeds": [1, 2, 3], "sweep": {"answer": 1, "candidates": candidates(auto=[90], w1=[100], w2=[80])}, "found": [answer(1), answer(2), answer(3)],
             "last": [{"answer": 1, "candidates": candidates(auto=[90, 91, 92], w1=[100, 100.1, 99.9], w2=[80, 80.1, 80], w3=[90, 96, 102])}]}
    table = Table()
    words = judge("light", known, table)
    assert words == ["certain", "short", "likely"]
    assert "2 hold 95 %" in sentence(words) and "for 1 of them" in sentence(words) and len(table.rows) == 5
    known["found"][0]["took_ns"] = 60e9
    assert judge("light", known, table)[0] == "late"
