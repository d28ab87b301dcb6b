import Foundation
public import SojournLoop

/// A reply as tests like to compare it.
public indirect enum RawReply: Equatable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    /// Nothing.
    case null
    /// An integer.
    case int(Int)
    /// A simple or bulk string.
    case text(String)
    /// An error, with its code word.
    case error(String)
    /// Several replies.
    case array([RawReply])

    /// A string.
    public init(stringLiteral value: String) { self = .text(value) }
    /// An integer.
    public init(integerLiteral value: Int) { self = .int(value) }

    /// The text of a string or integer.
    public var string: String? {
        switch self {
        case .text(let text): text
        case .int(let number): "\(number)"
        default: nil
        }
    }

    /// The elements of an array.
    public var array: [RawReply] { if case .array(let all) = self { all } else { [] } }
}

/// A blocking RESP2 client, to look into a server from a test.
public final class RawRedis {
    private struct Ended: Error {}
    private let fd: CInt
    private var buffer: [UInt8] = []
    private var position = 0
    /// Takes everything, where this stands for a whole cluster.
    var cluster: RawCluster?

    /// Connects, to a numeric address or a Unix socket.
    public init(_ endpoint: Endpoint) throws {
        guard let fd = TestListener.connect(to: endpoint) else {
            throw NotInTime(description: "no connection to \(endpoint)")
        }
        self.fd = fd
    }

    deinit { close(self.fd) }

    /// Sends one command and waits for its reply.
    @discardableResult
    public func send(_ arguments: String...) throws -> RawReply { try self.send(arguments) }

    /// Sends one command and waits for its reply.
    @discardableResult
    public func send(_ arguments: [String]) throws -> RawReply {
        if let cluster { return try cluster.send(arguments) }
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments { bytes += Array("$\(argument.utf8.count)\r\n\(argument)\r\n".utf8) }
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(self.fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count <= 0 { throw Ended() }
            sent += count
        }
        return try self.read()
    }

    /// Waits for the next reply or push.
    public func read() throws -> RawReply {
        if let cluster { return try cluster.read() }
        let line = try self.line()
        let rest = String(line.dropFirst())
        switch line.first {
        case "+": return .text(rest)
        case "-": return .error(rest)
        case ":": return .int(Int(rest) ?? 0)
        case "$":
            guard let count = Int(rest), count >= 0 else { return .null }
            while self.buffer.count - self.position < count + 2 { try self.fill() }
            defer { self.position += count + 2 }
            return .text(String(decoding: self.buffer[self.position..<self.position + count], as: UTF8.self))
        case "*":
            guard let count = Int(rest), count >= 0 else { return .null }
            return .array(try (0..<count).map { _ in try self.read() })
        default: throw Ended()
        }
    }

    private func line() throws -> String {
        while true {
            if let end = self.buffer[self.position...].firstIndex(of: 13), end + 1 < self.buffer.count {
                defer { self.position = end + 2 }
                return String(decoding: self.buffer[self.position..<end], as: UTF8.self)
            }
            try self.fill()
        }
    }

    private func fill() throws {
        if self.position == self.buffer.count {
            self.buffer = []
            self.position = 0
        }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(self.fd, &chunk, chunk.count)
        if count <= 0 { throw Ended() }
        self.buffer += chunk[..<count]
    }
}
