"""Every row of the fault table, under the same demands."""

import re
import shutil

import pytest

from tests.faults.promises import PAGE, PARTS, page, proofs
from tests.faults.table import FAULTS
from tests.helpers.program import call_cli
from tests.helpers.scenes import RUN, fingerprint


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(trained, tmp_path, fault):
    folder = tmp_path / "here"
    shutil.copytree(trained, folder)
    resolved = folder / RUN / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace(str(trained), str(folder)))
    if fault.harm is not None:
        fault.harm(folder)
    for name, data in fault.files.items():
        (folder / name).write_bytes(data)
    pipes = [path for path in folder.rglob("*") if path.is_fifo()]
    before = fingerprint(folder / RUN)
    done = call_cli(*fault.command, cwd=folder)
    told = done.stderr
    assert done.exit_code == fault.code, told or done.exception
    assert fault.words in told
    lines = [line for line in told.splitlines() if line.strip()]
    assert len([line for line in lines if line.startswith("error: ")]) == 1
    assert "Traceback" not in told and len(told) < 2000 + len(" ".join(fault.command))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", told + done.stdout)
    assert fingerprint(folder / RUN) == before
    assert [path for path in folder.rglob("*") if path.is_fifo()] == pipes
    assert not list(folder.rglob("canary"))


def test_names_are_unique_and_of_a_promise():
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"t\d\d_[a-z0-9_]+", name) for name in names)


def test_the_page_on_reliability_is_made_of_these_tests():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.faults.promises"


def test_every_promise_is_proved_and_every_proof_is_of_a_promise():
    promised = {number for part in PARTS.values() for number in part}
    rows = {int(fault.name[1:3]) for fault in FAULTS}
    assert set(proofs()) | rows == promised
    assert promised == set(range(1, 45))
    for number, tests in proofs().items():
        assert all(words for _, words in tests), f"a test of T{number} without a sentence"
