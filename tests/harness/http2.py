"""An HTTP/2 client that may send what a good one would not.

h2 frames and compresses; its checks of what is sent are off.
"""

import socket
import ssl
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from .http import Headers, Response


@dataclass
class Stream:
    """What came back on one stream so far."""
    answer: Response = None
    reset: int = None  # error code of RST_STREAM
    ended: bool = False
    pieces: list = field(default_factory=list)


class Connection:
    """One TLS connection; streams are named by their numbers."""

    def __init__(self, server, timeout=60.0, window=None):
        """`window`: what the client's streams may receive unasked."""
        context = ssl.create_default_context(cafile=server.tls)
        context.set_alpn_protocols(["h2"])
        self.name = server.address
        self.sock = context.wrap_socket(
            socket.create_connection((server.host, server.port), timeout),
            server_hostname=server.host)
        assert self.sock.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding="latin-1", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        self.streams = {}
        self.goaway = None  # error code
        self.closed = False
        self.h2.initiate_connection()
        if window is not None:
            self.h2.update_settings(
                {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def flush(self):
        """Sends what h2 has ready; a server may have hung up."""
        try:
            self.sock.sendall(self.h2.data_to_send())
        except OSError:
            self.closed = True

    def raw(self, kind, flags=0, stream=0, payload=b""):
        """Sends one frame of the test's own making."""
        self.flush()
        try:
            self.sock.sendall(len(payload).to_bytes(3, "big") + bytes(
                (kind, flags)) + stream.to_bytes(4, "big") + payload)
        except OSError:
            self.closed = True

    def begin(self, method, path, headers=(), end=True, pseudo=None):
        """Opens a stream; `pseudo` replaces the usual four fields."""
        if pseudo is None:
            pseudo = [(":method", method), (":scheme", "https"),
                      (":authority", self.name), (":path", path)]
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = Stream()
        self.h2.send_headers(number, [*pseudo, *headers], end_stream=end)
        self.flush()
        return number

    def data(self, number, body, end=False):
        """Sends a body in frames as large as the server takes them."""
        while body and not self.over(number):
            room = min(self.h2.local_flow_control_window(number),
                       self.h2.max_outbound_frame_size)
            if room == 0:
                self.receive()
                continue
            self.h2.send_data(number, body[:room])
            self.flush()
            body = body[room:]
        if end and not self.over(number):
            self.h2.end_stream(number)
            self.flush()

    def reset(self, number, code=8):  # CANCEL
        self.h2.reset_stream(number, code)
        self.flush()

    def over(self, number):
        stream = self.streams[number]
        return self.closed or stream.ended or stream.reset is not None

    def receive(self):
        """Waits for bytes of the server and works on them."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            # h2 is of the opinion that the connection is over.
            self.closed = True
            return
        for event in events:
            self._handle(event)
        self.flush()

    def _handle(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code)
            self.closed = True
        elif stream is None:
            return
        elif isinstance(event, h2.events.ResponseReceived):
            stream.answer = Response(
                int(dict(event.headers)[":status"]), "",
                Headers([p for p in event.headers if p[0][0] != ":"]))
        elif isinstance(event, h2.events.DataReceived):
            stream.pieces.append(event.data)
            self.h2.acknowledge_received_data(
                event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code)

    def result(self, number):
        """The whole answer of a stream; None if it was reset instead."""
        while not self.over(number):
            self.receive()
        stream = self.streams[number]
        if stream.answer is not None:
            stream.answer.body = b"".join(stream.pieces)
        return stream.answer

    def request(self, method, path, headers=(), body=None, pseudo=None):
        number = self.begin(method, path, headers, body is None, pseudo)
        if body is not None:
            self.data(number, body, end=True)
        return self.result(number)
