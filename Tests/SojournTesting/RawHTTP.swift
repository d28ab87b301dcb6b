import Foundation
import Glibc

/// What went wrong on a raw test connection.
public enum RawHTTPError: Error {
    case connect(Int32)
    case send(Int32)
    case deadline(received: String)
    case closed(received: String)
    case malformed(String)
}

/// One answer as it stood on the wire.
public struct RawResponse: Sendable {
    /// The status code.
    public var status = 0
    /// The whole head, with its line ends.
    public var head = ""
    /// The body, de-chunked.
    public var body: [UInt8] = []
    /// The body as text.
    public var text: String { String(decoding: self.body, as: UTF8.self) }

    /// The first header field of this name, whatever its case.
    public func header(_ name: String) -> String? {
        for line in self.head.components(separatedBy: "\r\n").dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            if line[..<colon].lowercased() == name.lowercased() {
                return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
        }
        return nil
    }
}

/// One event of an event stream.
public struct RawEvent: Sendable, Equatable {
    /// The type; nil when absent.
    public var event: String?
    /// The id; nil when absent.
    public var id: String?
    /// The data lines, joined by line feeds; nil when absent.
    public var data: String?
    /// Comment lines before or in the event.
    public var comments: [String]

    /// An event of these fields.
    public init(event: String? = nil, id: String? = nil, data: String? = nil, comments: [String] = []) {
        self.event = event
        self.id = id
        self.data = data
        self.comments = comments
    }
}

/// A blocking HTTP client on a bare socket, for tests: it sends any bytes and reads what comes. Every read has a
/// deadline.
public final class RawHTTP {
    private var descriptor: CInt
    private var received: [UInt8] = []
    private var chunked = false
    private var decoded: [UInt8] = []
    private let deadlineMilliseconds: Int
    private var tls: RawTLS?

    /// The version of TLS that was agreed on; nil without.
    public var tlsVersion: String? { self.tls?.version }

    /// Connects to a port of 127.0.0.1, over TLS if asked, with whatever certificate.
    public init(port: Int, deadlineMilliseconds: Int = 10_000, receiveBuffer: CInt? = nil, tls: Bool = false) throws {
        self.deadlineMilliseconds = deadlineMilliseconds
        self.descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var on: CInt = 1
        setsockopt(self.descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        if var size = receiveBuffer {
            setsockopt(self.descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw RawHTTPError.connect(errno) }
        if tls { self.tls = try RawTLS(self.descriptor) }
    }

    /// Connects to a unix socket; `name` is the path of a file that this side binds itself to before.
    public init(unix path: String, deadlineMilliseconds: Int = 10_000, name: String? = nil) throws {
        self.deadlineMilliseconds = deadlineMilliseconds
        self.descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        if let name, Self.withAddress(name, { bind(self.descriptor, $0, $1) }) != 0 {
            throw RawHTTPError.connect(errno)
        }
        guard Self.withAddress(path, { Glibc.connect(self.descriptor, $0, $1) }) == 0 else {
            throw RawHTTPError.connect(errno)
        }
    }

    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count)) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    deinit { self.close() }

    // MARK: Sending

    /// Sends text, all of it.
    public func send(_ text: String) throws { try self.send(Array(text.utf8)) }

    /// Sends bytes, all of them.
    public func send(_ bytes: [UInt8]) throws {
        if let tls = self.tls {
            guard tls.send(bytes) else { throw RawHTTPError.send(EPIPE) }
            return
        }
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(self.descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw RawHTTPError.send(errno) }
            sent += count
        }
    }

    /// Ends the sending side only.
    public func finishSending() { shutdown(self.descriptor, CInt(SHUT_WR)) }

    /// Closes the connection.
    public func close() {
        guard self.descriptor >= 0 else { return }
        Glibc.close(self.descriptor)
        self.descriptor = -1
    }

    /// Closes with a reset instead of an orderly end.
    public func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        self.close()
    }

    // MARK: Receiving

    /// Reads once; false at the end of the connection (a reset counts).
    private func fill(until deadline: ContinuousClock.Instant) throws -> Bool {
        let left = ContinuousClock.now.duration(to: deadline)
        let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
        var polled = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        guard self.tls?.pending == true || (milliseconds > 0 && poll(&polled, 1, CInt(milliseconds)) > 0) else {
            throw RawHTTPError.deadline(received: String(decoding: self.received, as: UTF8.self))
        }
        if let tls = self.tls {
            guard let bytes = tls.receive() else { return false }
            self.received += bytes
            return true
        }
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(self.descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        self.received += buffer[..<count]
        return true
    }

    private var deadline: ContinuousClock.Instant { .now + .milliseconds(self.deadlineMilliseconds) }

    private func take(through end: [UInt8]) throws -> [UInt8] {
        let deadline = self.deadline
        while true {
            if let range = self.received.firstRange(of: end) {
                defer { self.received.removeSubrange(..<range.upperBound) }
                return Array(self.received[..<range.upperBound])
            }
            guard try self.fill(until: deadline) else {
                throw RawHTTPError.closed(received: String(decoding: self.received, as: UTF8.self))
            }
        }
    }

    /// Reads this many bytes.
    public func take(count: Int) throws -> [UInt8] {
        let deadline = self.deadline
        while self.received.count < count {
            guard try self.fill(until: deadline) else {
                throw RawHTTPError.closed(received: String(decoding: self.received, as: UTF8.self))
            }
        }
        defer { self.received.removeSubrange(..<count) }
        return Array(self.received[..<count])
    }

    /// Reads the head of an answer.
    public func readHead() throws -> RawResponse {
        var response = RawResponse()
        response.head = String(decoding: try self.take(through: Array("\r\n\r\n".utf8)), as: UTF8.self)
        let words = response.head.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, let status = Int(words[1].prefix(3)) else {
            throw RawHTTPError.malformed(response.head)
        }
        response.status = status
        self.chunked = response.header("Transfer-Encoding")?.lowercased() == "chunked"
        self.decoded = []
        return response
    }

    /// Reads one complete answer: by Content-Length, by chunks, or (with neither) to the end of the connection.
    public func readResponse(toHEAD: Bool = false) throws -> RawResponse {
        var response = try self.readHead()
        if toHEAD || response.status == 204 || response.status == 304 { return response }
        if self.chunked {
            while let chunk = try self.readChunk() { response.body += chunk }
        } else if let length = response.header("Content-Length").flatMap(Int.init) {
            response.body = try self.take(count: length)
        } else {
            response.body = try self.readToEnd()
        }
        return response
    }

    /// The next chunk's bytes; nil for the last one.
    public func readChunk() throws -> [UInt8]? {
        let line = String(decoding: try self.take(through: Array("\r\n".utf8)).dropLast(2), as: UTF8.self)
        guard let size = Int(line, radix: 16) else { throw RawHTTPError.malformed("chunk size '\(line)'") }
        let bytes = try self.take(count: size)
        guard try self.take(count: 2) == Array("\r\n".utf8) else { throw RawHTTPError.malformed("chunk end") }
        return size == 0 ? nil : bytes
    }

    /// The next event of an event stream whose head was read; nil when the stream ends.
    public func readEvent() throws -> RawEvent? {
        let deadline = self.deadline
        while true {
            if let range = self.decoded.firstRange(of: Array("\n\n".utf8)) {
                let block = String(decoding: self.decoded[..<range.lowerBound], as: UTF8.self)
                self.decoded.removeSubrange(..<range.upperBound)
                return Self.event(block)
            }
            if self.chunked {
                guard let chunk = try self.readChunk() else { return nil }
                self.decoded += chunk
            } else {
                if self.received.isEmpty, try !self.fill(until: deadline) { return nil }
                self.decoded += self.received
                self.received = []
            }
        }
    }

    private static func event(_ block: String) -> RawEvent {
        var event = RawEvent()
        for line in block.split(separator: "\n") {
            if line.hasPrefix(":") {
                event.comments.append(line.dropFirst().trimmingCharacters(in: .whitespaces))
            } else if line.hasPrefix("event: ") {
                event.event = String(line.dropFirst(7))
            } else if line.hasPrefix("id: ") {
                event.id = String(line.dropFirst(4))
            } else if line.hasPrefix("data: ") {
                event.data = (event.data.map { $0 + "\n" } ?? "") + line.dropFirst(6)
            }
        }
        return event
    }

    /// All bytes up to the end of the connection; a reset counts as the end.
    public func readToEnd() throws -> [UInt8] {
        let deadline = self.deadline
        while try self.fill(until: deadline) {}
        defer { self.received = [] }
        return self.received
    }

    /// Reads some bytes and throws them away; false at the end of the connection.
    public func discardSome() throws -> Bool {
        defer { self.received = [] }
        return try self.fill(until: self.deadline)
    }
}
