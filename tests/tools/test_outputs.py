"""The outputs of code on their way to the model: in order, and of very much the first and the last part."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import matplotlib

matplotlib.use("agg")
import pytest
from matplotlib import pyplot

from claude_magic.kernel.outputs import OutputRecorder, content_of_outputs, open_figures, recording


@pytest.fixture
def shell() -> Iterator[Any]:
    yield SimpleNamespace(display_pub=None)
    pyplot.close("all")


def texts(recorder: OutputRecorder) -> str:
    return "\n".join(block.get("text", "") for block in content_of_outputs(recorder.outputs))


def test_very_much_output_costs_little(shell: Any) -> None:
    """100 MB in a million pieces: the beginning and the end are kept."""
    recorder = OutputRecorder()
    began = time.process_time()
    with recording(shell, recorder):
        sys.stdout.write("first\n")
        for _ in range(1_000_000):
            sys.stdout.write("x" * 100)
        sys.stdout.write("last\n")

    kept = recorder.outputs[0]["text"]
    assert kept.startswith("first\n")
    assert kept.endswith("last\n")
    assert "characters left out" in kept
    assert len(kept) < 3_000_000
    assert time.process_time() - began < 60  # a guard against joining it anew for each piece; a good run takes 2 s


def test_what_is_printed_stays_in_order_and_whole() -> None:
    recorder = OutputRecorder()
    for number in range(1000):
        recorder.write(f"{number}\n", "stderr" if number == 500 else "stdout")

    assert [output["name"] for output in recorder.outputs] == ["stdout", "stderr", "stdout"]
    assert "".join(output["text"] for output in recorder.outputs) == "".join(f"{number}\n" for number in range(1000))


def test_very_many_displays_are_counted() -> None:
    recorder = OutputRecorder()
    for number in range(3000):
        recorder.display({"text/plain": str(number)})

    assert len(recorder.outputs) == 1001
    assert "2,000 more outputs" in recorder.outputs[-1]["text"]
    assert len(texts(recorder)) < 20_000


def test_figures_beyond_the_first_are_closed_and_counted(shell: Any) -> None:
    pyplot.close("all")
    before = open_figures()
    recorder = OutputRecorder(most_figures=2)
    for _ in range(5):
        pyplot.figure()
    recorder.add_figures(before)

    assert open_figures() == before
    assert [output["output_type"] for output in recorder.outputs] == ["display_data", "display_data", "stream"]
    assert "3 more figures" in texts(recorder)


def test_a_stream_that_is_kept_goes_on_to_the_page(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A handler of logging that was made in the scratch pad writes for the rest of the kernel's life."""
    recorder = OutputRecorder()
    with recording(shell, recorder):
        handler = logging.StreamHandler(sys.stdout)
        sys.stdout.close()
        assert sys.stdout.encoding
        assert sys.stdout.isatty() is False
        with pytest.raises(TypeError):
            sys.stdout.write(5)  # type: ignore[arg-type]
        handler.handle(logging.makeLogRecord({"msg": "meanwhile"}))
    handler.handle(logging.makeLogRecord({"msg": "later"}))

    assert texts(recorder) == "meanwhile\n"
    assert capsys.readouterr().out == "later\n"


def test_update_after_clear_is_shown() -> None:
    recorder = OutputRecorder()
    recorder.display({"text/plain": "one"}, transient={"display_id": "d"})
    recorder.clear()
    recorder.display({"text/plain": "two"}, transient={"display_id": "d"}, update=True)

    assert texts(recorder) == "two"
