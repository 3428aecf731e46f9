"""girin beside the installed gunicorn, case by case: what app, client and operator see is the same,
or docs/SETTINGS.md says why it is not."""
from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

import accepted_cases
import config_cases
import ending_cases
import follow_cases
import idiom_cases
import paste_cases
import process_cases
import public_cases
import quit_cases
import reload_cases
import reported_cases
import servers
import sidebyside
import start_cases
import term_cases
import upgrade_cases

CASES = [*process_cases.CASES, *config_cases.CASES, *idiom_cases.CASES, *start_cases.CASES, *paste_cases.CASES, *reported_cases.CASES,
         *ending_cases.CASES, *reload_cases.CASES, *follow_cases.CASES, *upgrade_cases.CASES, *public_cases.CASES, *accepted_cases.CASES, *quit_cases.CASES,
         *term_cases.CASES]


def variants():
    for case in CASES:
        for cls in case.classes:
            yield pytest.param(case, cls, id=f"{case.name}-{cls}")


@pytest.mark.parametrize("case, cls", list(variants()))
def test_case(case: sidebyside.Case, cls: str, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        girin = pool.submit(sidebyside.see, "girin", case, cls, tmp_path / "girin")
        gunicorn = pool.submit(sidebyside.see, "gunicorn", case, cls, tmp_path / "gunicorn")
    right = gunicorn.result()
    if case.right is not None:
        assert right == case.right, "this is what gunicorn itself was said to do"
    assert girin.result() == (case.girin if case.because else right)


def test_each_accepted_difference_has_its_reason():
    settings = re.sub(r"\s+", " ", (servers.ROOT / "docs" / "SETTINGS.md").read_text())
    missing = [case.name for case in CASES if case.because and case.because not in settings]
    assert not missing


def test_names_are_unique():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
