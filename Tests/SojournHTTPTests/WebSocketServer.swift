import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

/// The sockets a handler accepted, kept on the loop.
final class Sockets: @unchecked Sendable {
    // Why unchecked: touched on the server's loop only, as `Confined` checks for what comes from elsewhere.
    var open: [WebSocket] = []
}

/// A server that echoes every message and tells `seen` of each and of the end.
func withEcho(
    limits: WebSocketLimits = WebSocketLimits(), origins: [String] = [],
    _ body: (TestServer, Sockets, Seen) async throws -> Void
) async throws {
    let sockets = Sockets()
    let seen = Seen()
    var http = HTTPLimits()
    http.tunnelEndMilliseconds = 500
    try await withServer(
        limits: http,
        onLoop: { exchange, loop in
            do throws(WebSocketRefusal) {
                let socket = try WebSocket.accept(
                    exchange, loop: loop, origins: WebSocketOrigins(origins), limits: limits)
                sockets.open.append(socket)
                socket.onEnd { seen.add("end \($0.number)") }
                socket.onMessage { [unowned socket] message in
                    switch message {
                    case .text(let bytes):
                        seen.add("text \(bytes.count)")
                        socket.reply(.text(bytes))
                    case .binary(let bytes):
                        seen.add("binary \(bytes.count)")
                        socket.reply(.binary(bytes))
                    }
                }
            } catch {
                exchange.respond(status: error.status, headers: error.headers, body: Array(error.message.utf8))
            }
        },
        test: { server in
            try await body(server, sockets, seen)
            try await server.onLoop { _ in sockets.open = [] }
        })
}

extension TestServer {
    /// A WebSocket to this server.
    func webSocket(headers: [String: String] = [:], receiveBuffer: CInt? = nil) throws -> RawWebSocket {
        try RawWebSocket(try self.connect(receiveBuffer: receiveBuffer), target: "/echo", headers: headers)
    }
}
