import CWslay

/// Where the parser stands in what it was given, so that it can be put away between messages.
struct FrameTrack {
    /// Bytes given to the parser that belong to no complete frame yet; negative never.
    var unparsed = 0
    /// The length of the frame under way, header included.
    var frame = 0
    var opcode: UInt8 = 0
    /// Frames of the message under way; 0 between messages.
    var fragments = 0
    var isFinal = true
    var hasFailed = false

    /// Whether nothing is half-read.
    var isIdle: Bool { self.unparsed == 0 && self.fragments == 0 }

    /// Whether the last frame is a close without a code.
    var isBareClose: Bool { self.opcode == 8 && self.frame == 6 }

    mutating func started(_ frame: wslay_event_on_frame_recv_start_arg) {
        let length = Int(clamping: frame.payload_length)
        // Two bytes, the extended length, the mask.
        self.frame = 2 + (length < 126 ? 0 : length < 65_536 ? 2 : 8) + 4 + min(length, 1 << 52)
        self.opcode = frame.opcode
        self.isFinal = frame.fin != 0
        if self.opcode < 8 { self.fragments += 1 }
    }

    mutating func finished() {
        self.unparsed -= self.frame
        if self.opcode < 8, self.isFinal { self.fragments = 0 }
    }
}

/// The parser, a wslay event context. All of it runs inside ``runFrames()``.
extension WebSocket {
    /// What the parser made of the bytes.
    enum Verdict {
        case more
        /// Closes were exchanged, or the peer broke a rule and was told so; this is the code.
        case closed(WebSocketCloseCode)
        case failed
    }

    func runFrames() -> Verdict {
        guard let context = unsafe self.context ?? self.makeContext() else { return .failed }
        unsafe self.context = context
        // After a broken rule, too, there is a close to send.
        let isWhole = unsafe wslay_event_recv(context) == 0
        if self.track.hasFailed {
            let reason = Array("too many fragments".utf8)
            unsafe wslay_event_queue_close(
                context, UInt16(WSLAY_CODE_MESSAGE_TOO_BIG.rawValue), reason, reason.count)
        }
        guard unsafe wslay_event_send(context) == 0 else { return .failed }
        if unsafe wslay_event_get_close_received(context) != 0 {
            return unsafe .closed(WebSocketCloseCode(wslay_event_get_status_code_received(context)))
        }
        if unsafe wslay_event_get_close_sent(context) != 0 {
            let code = unsafe wslay_event_get_status_code_sent(context)
            return .closed(code == 0 ? .protocolError : WebSocketCloseCode(code))
        }
        guard isWhole else { return .failed }
        if self.track.isIdle { self.freeContext() }
        return .more
    }

    func freeContext() {
        guard let context = unsafe self.context else { return }
        unsafe self.context = nil
        unsafe wslay_event_context_free(context)
    }

    private func makeContext() -> wslay_event_context_ptr? {
        var callbacks = Self.callbacks
        var context: wslay_event_context_ptr?
        guard
            unsafe wslay_event_context_server_init(&context, &callbacks, Unmanaged.passUnretained(self).toOpaque()) == 0
        else { return nil }
        unsafe wslay_event_config_set_max_recv_msg_length(context, UInt64(self.limits.messageBytes))
        return unsafe context
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> WebSocket? {
        unsafe context.map { unsafe Unmanaged<WebSocket>.fromOpaque($0).takeUnretainedValue() }
    }

    private static var callbacks: wslay_event_callbacks {
        unsafe wslay_event_callbacks(
            recv_callback: { context, buffer, length, _, user in
                if let socket = unsafe WebSocket.from(user), !socket.track.hasFailed,
                    let count = unsafe socket.take(into: UnsafeMutableRawBufferPointer(start: buffer, count: length))
                {
                    socket.track.unparsed += count
                    return count
                }
                unsafe wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK.rawValue)
                return -1
            },
            send_callback: { _, bytes, length, _, user in
                unsafe WebSocket.from(user)?.emit(UnsafeBufferPointer(start: bytes, count: length).span)
                return length
            },
            genmask_callback: nil,
            on_frame_recv_start_callback: { _, frame, user in
                guard let frame = unsafe frame, let socket = unsafe WebSocket.from(user) else { return }
                unsafe socket.track.started(frame.pointee)
                if socket.track.fragments > socket.limits.fragments { socket.track.hasFailed = true }
            },
            on_frame_recv_chunk_callback: nil,
            on_frame_recv_end_callback: { _, user in unsafe WebSocket.from(user)?.track.finished() },
            on_msg_recv_callback: { context, message, user in
                // A pong that is due leaves before the answer to what came after its ping.
                _ = unsafe wslay_event_send(context)
                guard let message = unsafe message, let socket = unsafe WebSocket.from(user) else { return }
                let bytes = unsafe UnsafeBufferPointer(start: message.pointee.msg, count: message.pointee.msg_length)
                switch unsafe wslay_opcode(UInt32(message.pointee.opcode)) {
                case WSLAY_TEXT_FRAME: unsafe socket.received(.text(Array(bytes)))
                case WSLAY_BINARY_FRAME: unsafe socket.received(.binary(Array(bytes)))
                case WSLAY_PONG: socket.receivedPong()
                default: break
                }
            })
    }
}
