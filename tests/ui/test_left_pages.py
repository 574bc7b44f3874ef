"""Requests of a page that was left neither run nor undo the click that left it."""

from streamlit.runtime.scriptrunner import RerunData
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

from dr_transformer.ui.streamlit_requests import PageRequests


def test_a_request_of_the_page_that_is_left_does_not_undo_the_click() -> None:
    requests = PageRequests()
    requests.request_rerun(RerunData(page_script_hash="new"))
    assert requests.request_rerun(RerunData(page_script_hash="left", fragment_id="f"))
    request = requests.on_scriptrunner_ready()
    assert request.type == ScriptRequestType.RERUN
    assert (request.rerun_data.page_script_hash, request.rerun_data.fragment_id_queue) == ("new", [])
    assert requests.on_scriptrunner_ready().type == ScriptRequestType.STOP


def test_fragments_of_the_page_itself_are_run() -> None:
    requests = PageRequests()
    requests.request_rerun(RerunData())  # the first run goes by the address, and does not know its page
    assert requests.on_scriptrunner_ready().type == ScriptRequestType.RERUN
    for name in ("f", "g"):
        requests.request_rerun(RerunData(page_script_hash="here", fragment_id=name))
    assert requests.on_scriptrunner_ready().rerun_data.fragment_id_queue == ["f", "g"]
    requests.request_rerun(RerunData(page_script_hash="there"))  # another page takes over
    requests.request_rerun(RerunData(page_script_hash="here", fragment_id="f"))
    requests.request_rerun(RerunData(page_script_hash="there", fragment_id="h"))
    request = requests.on_scriptrunner_ready()
    assert (request.rerun_data.page_script_hash, request.rerun_data.fragment_id_queue) == ("there", [])
