"""The live view on each version of ipykernel: stream, Allow and stop while the cell runs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from claude_magic.widgets.protocol import REQUEST, VERSION

from .conftest import OTHER_KERNELS, MakeNotebook


def state_after_a_control_message(page: Page) -> str:
    """What the server says of the kernel, to JupyterLab and to what ends idle kernels, after a control message."""
    request = {"msg_type": REQUEST, "content": {"version": VERSION, "run": "", "action": "runs"}}
    state: str = page.evaluate(
        """async ({ msg_type, content }) => {
            const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
            const about = { session: kernel.clientId, username: '', version: '5.3', date: '' };
            const header = { ...about, msg_type, msg_id: 'one' };
            const message = { header, parent_header: {}, channel: 'control', metadata: {}, buffers: [], content };
            const settled = new Promise(resolve => {
                kernel.iopubMessage.connect((_, { header: { msg_type }, parent_header: { msg_id }, content }) => {
                    if (msg_id === 'one' && msg_type === 'status' && content.execution_state === 'idle') resolve();
                });
            });
            await kernel.sendControlMessage(message, true, true).done;
            await settled;
            const address = `${kernel.serverSettings.baseUrl}api/kernels/${kernel.id}`;
            return (await (await fetch(address, { cache: 'no-store' })).json()).execution_state;
        }""",
        request,
    )
    return state


@pytest.mark.parametrize("kernel", ["this", *OTHER_KERNELS])
def test_stream_allow_and_stop(notebook: MakeNotebook, kernel: str) -> None:
    """A running cell shows its answer, takes the answer to its question, and stops when told."""
    nb = notebook(
        "import ipykernel; ipykernel.__version__", "%%claude\nmake a file", "%%claude\na long story", kernel=kernel
    )
    nb.run(1)
    assert kernel == "this" or f"'{kernel}'" in nb.text(1)
    nb.start(2)
    expect(nb.view(2)).to_contain_text("I will make a file.")
    assert state_after_a_control_message(nb.page) == "busy"
    nb.view(2).get_by_role("button", name="Allow", exact=True).click()
    nb.wait(2)
    expect(nb.view(2)).to_contain_text("The tool said: one.")
    nb.start(3)
    expect(nb.view(3)).to_contain_text("And on day 2")
    nb.view(3).get_by_role("button", name="Stop", exact=True).click()
    nb.wait(3)

    assert nb.error(3) == "KeyboardInterrupt"
    expect(nb.view(3)).to_have_attribute("data-outcome", "interrupted")
