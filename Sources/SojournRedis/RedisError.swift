public import SojournLoop

/// Why a command has no answer.
public struct RedisError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is; new ones may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind { case unavailable, outcomeUnknown, timedOut, server, refused, protocolError }
        private let kind: Kind

        /// The command was never executed: no usable connection within its deadline. It may be repeated.
        public static let unavailable = Code(kind: .unavailable)
        /// A write was sent and not answered: nobody knows whether it was executed.
        public static let outcomeUnknown = Code(kind: .outcomeUnknown)
        /// A read was not answered within its deadline. It may be repeated.
        public static let timedOut = Code(kind: .timedOut)
        /// The server answered with an error; see ``RedisError/serverCode``.
        public static let server = Code(kind: .server)
        /// This server cannot be used: wrong password, version or settings. Nothing was executed.
        public static let refused = Code(kind: .refused)
        /// The server's bytes are not the protocol; the connection is dropped.
        public static let protocolError = Code(kind: .protocolError)

        /// The name of the code.
        public var description: String { "\(self.kind)" }
    }

    /// What kind of failure it is.
    public let code: Code
    /// What happened, as a sentence, or the server's own words with its code word first.
    public let message: String
    /// The server.
    public let endpoint: Endpoint
    /// The file that asked.
    public let file: String
    /// The line that asked.
    public let line: UInt

    /// For ``Code/server``: the server's own code word, such as `OOM`, `READONLY` or `ERR`.
    public var serverCode: String? { self.code == .server ? RESPErrorReply(message: self.message).code : nil }

    /// All of it in one line.
    public var description: String {
        "\(self.code): \(self.message) (\(self.endpoint), asked at \(self.file):\(self.line))"
    }
}
