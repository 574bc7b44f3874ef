"""A visitor of the app without a browser: what its page would send and take in, over the same WebSocket.

Elements are kept as a page keeps them, by their place. Where a page would ask again by itself (`ui/poll.py`), so does
the visitor.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.BidiComponent_pb2 import BidiComponent
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

_VALUES = {  # by element: which field of its state holds the value, and where the element has it
    "slider": ("double_array_value", "value", "default"),
    "number_input": ("double_value", "value", "default"),
    "checkbox": ("bool_value", "value", "default"),
    "selectbox": ("string_value", "raw_value", "default"),
}
_LARGEST = 2**28  # bytes of a message


class Visitor:
    """One session; `problems` are sentences on what a visitor must never see: an exception, a page without elements."""

    def __init__(self, url: str, query: dict[str, str]) -> None:
        self._url = url.replace("http", "ws", 1) + "/_stcore/stream"
        self.query = query  # what the visitor wants to see
        self.address = urlencode(query)  # in the address bar, which the app keeps
        self.pages: dict[str, str] = {}
        self.problems: list[str] = []
        self.errors: list[str] = []
        self.page = ""
        self.n_elements = 0
        self._line: ClientConnection | None = None
        self._components: dict[str, BidiComponent] = {}
        self._polls: dict[str, tuple[str, float]] = {}  # by component: the fragment to run again, and in how long
        self._listening: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._run_ended = asyncio.Event()
        self._kept: dict[str, bytes] = {}  # messages that the server may name by their hash
        self._states: dict[str, WidgetState] = {}  # of the page's widgets, which are sent with every question
        self._asking: set[asyncio.Task[None]] = set()

    async def enter(self, page: str = "") -> None:
        """Open the app at a page by its address, as a link does; returns when the page has been drawn once."""
        self._line = await connect(self._url, subprotocols=["streamlit"], max_size=_LARGEST, open_timeout=60)
        self._listening = asyncio.create_task(self._listen())
        await self._run(page_name=page)

    async def leave(self) -> None:
        """Close the tab."""
        assert self._line is not None
        assert self._listening is not None
        self._listening.cancel()
        await self._line.close()

    async def go_to(self, page: str) -> None:
        """Follow a link of the sidebar."""
        self._components.clear()
        self._states.clear()
        await self._run(page_script_hash=self.pages[page])

    async def report(self, component: str, state: dict[str, Any]) -> None:
        """Send what a component of the page reports, as a slider on the canvas that was moved."""
        name = self._components[component].id
        self._states[name] = WidgetState(id=name, json_value=json.dumps(state))
        await self._run(page_script_hash=self.page)

    async def until(self, condition: Callable[[], Any], seconds: float) -> Any:
        """Return what the condition is once it is true; raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while not (found := condition()):
                self._news.clear()
                await self._news.wait()
        return found

    def shown(self, component: str) -> bytes | None:
        """Return the bytes that a component of the page has, None if it is not there."""
        found = self._components.get(component)
        return None if found is None else found.bytes

    async def _run(self, **about: str) -> None:
        """Have the page drawn, and wait until it has been."""
        assert self._line is not None
        self._run_ended.clear()
        self.n_elements = 0
        self._polls.clear()
        for task in self._asking:
            task.cancel()
        await self._ask(**about)
        async with asyncio.timeout(300):
            await self._run_ended.wait()
        if not self.n_elements:
            self.problems.append(f"{self.page}: the page is blank.")

    async def _ask_again(self, fragment: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._ask(page_script_hash=self.page, fragment_id=fragment)

    async def _ask(self, **about: str) -> None:
        assert self._line is not None
        message = BackMsg()
        message.rerun_script.query_string = self.address
        for name, value in about.items():
            setattr(message.rerun_script, name, value)
        message.rerun_script.widget_states.widgets.extend(self._states.values())
        await self._line.send(message.SerializeToString())

    async def _listen(self) -> None:
        assert self._line is not None
        try:
            async for content in self._line:
                message = ForwardMsg()
                message.ParseFromString(content)  # type: ignore[arg-type]
                self._take(message)
                if message.WhichOneof("type") == "script_finished":
                    for component, (fragment, seconds) in list(self._polls.items()):
                        del self._polls[component]
                        task = asyncio.create_task(self._ask_again(fragment, seconds))
                        self._asking.add(task)
                        task.add_done_callback(self._asking.discard)
                self._news.set()
        finally:
            for task in self._asking:
                task.cancel()

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":  # as one that came before, at another place perhaps
            metadata = message.metadata
            message = ForwardMsg.FromString(self._kept[message.ref_hash])
            message.metadata.CopyFrom(metadata)
            kind = message.WhichOneof("type")
        elif message.metadata.cacheable:
            self._kept[message.hash] = message.SerializeToString()
        if kind == "new_session":
            self.page = message.new_session.page_script_hash
        elif kind == "script_finished":
            if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self._run_ended.set()
        elif kind == "page_info_changed":
            self.address = message.page_info_changed.query_string
        elif kind == "session_event" and message.session_event.HasField("script_compilation_exception"):
            self.problems.append(message.session_event.script_compilation_exception.message)
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._draw(message)

    def _draw(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        self.n_elements += 1
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.problems.append(f"{element.exception.type}: {element.exception.message}")
        elif kind in _VALUES:
            field, value, default = _VALUES[kind]
            widget = getattr(element, kind)
            if widget.set_value or widget.id not in self._states:
                state = WidgetState(id=widget.id)
                given = getattr(widget, value if widget.set_value else default)
                if field == "double_array_value" and widget.options:  # one of several words
                    chosen = widget.raw_value if widget.set_value else [widget.options[int(place)] for place in given]
                    state.string_array_value.data.extend(chosen)
                elif field == "double_array_value":
                    state.double_array_value.data.extend(given)
                elif field == "string_value" and not widget.set_value:
                    state.string_value = widget.options[given]
                else:
                    setattr(state, field, given)
                self._states[widget.id] = state
        elif kind == "page_link":
            self.pages[element.page_link.label] = element.page_link.page_script_hash
        elif kind == "alert" and element.alert.format == element.alert.ERROR:
            self.errors.append(element.alert.body)
        elif kind == "bidi_component":
            component = element.bidi_component
            self._components[component.component_name] = component
            if component.component_name == "poll":
                self._to_ask_again(component, message.delta.fragment_id)

    def _to_ask_again(self, component: BidiComponent, fragment: str) -> None:
        data = json.loads(component.json)
        if data.get("pending") and fragment:
            self._polls[component.id] = (fragment, data["milliseconds"] / 1000)
        else:
            self._polls.pop(component.id, None)
