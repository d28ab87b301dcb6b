/// Reads the raw bytes of a request's head before the parser does, and refuses what the parser would misread.
///
/// evhttp hands out C strings, forgives signs and duplicates in Content-Length, ignores a Transfer-Encoding it
/// does not know and spaces before a colon, and reads no body for HEAD and TRACE. Each of these lets two readers
/// of one connection disagree on where a request ends (request smuggling), so they must be caught on the bytes.
struct HeadGuard {
    /// What is known after some bytes.
    enum Verdict: Equatable {
        /// The head goes on.
        case more
        /// The head is complete and sound.
        case complete
        /// The request must be answered with this status and the connection closed.
        case refuse(status: Int, message: String)
    }

    /// What the head said; valid once complete.
    private(set) var method = HTTPMethod.get
    /// 0 or 1, of HTTP/1.x.
    private(set) var minorVersion = 1
    /// Header fields seen.
    private(set) var headerCount = 0
    /// Bytes of the body, when it was declared so.
    private(set) var contentLength: Int?
    /// Whether the body is chunked.
    private(set) var isChunked = false
    /// Bytes taken so far.
    private(set) var bytes = 0

    private let headerBytesLimit: Int
    private let headerCountLimit: Int
    private let bodyBytesLimit: Int
    private var hosts = 0
    private var hasRequestLine = false
    /// The start of a line whose end has not come yet.
    private var partial: [UInt8] = []

    init(limits: HTTPLimits) {
        self.headerBytesLimit = limits.headerBytes
        self.headerCountLimit = limits.headerCount
        self.bodyBytesLimit = limits.bodyBytes
    }

    /// Takes the next bytes of the connection; those behind the head's end are not looked at.
    mutating func feed(_ bytes: Span<UInt8>) -> Verdict {
        var start = 0
        for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") {
            self.bytes += index + 1 - start
            let verdict: Verdict
            if self.partial.isEmpty {
                verdict = self.take(line: bytes.extracting(start..<index))
            } else {
                for position in start..<index { self.partial.append(bytes[position]) }
                let line = self.partial
                self.partial.removeAll(keepingCapacity: true)
                verdict = self.take(line: line.span)
            }
            guard verdict == .more else { return verdict }
            start = index + 1
        }
        for position in start..<bytes.count { self.partial.append(bytes[position]) }
        self.bytes += bytes.count - start
        return self.bytes > self.headerBytesLimit ? Self.tooLarge : .more
    }

    private mutating func take(line: Span<UInt8>) -> Verdict {
        if self.bytes > self.headerBytesLimit { return Self.tooLarge }
        let ending = line.count > 0 && line[line.count - 1] == UInt8(ascii: "\r")
        let line = line.extracting(0..<line.count - (ending ? 1 : 0))
        if !self.hasRequestLine {
            self.hasRequestLine = true
            return self.take(requestLine: line)
        }
        return line.count == 0 ? self.conclude() : self.take(field: line)
    }

    // MARK: Request line

    private mutating func take(requestLine line: Span<UInt8>) -> Verdict {
        var spaces: [Int] = []
        for index in line.indices {
            if line[index] == UInt8(ascii: " ") {
                spaces.append(index)
            } else if line[index] < 0x21 || line[index] == 0x7f {
                return Self.bad("The request line has a byte that is not allowed")
            }
        }
        guard spaces.count == 2, spaces[0] > 0, spaces[1] > spaces[0] + 1 else {
            return Self.bad("The request line is malformed")
        }
        let version = line.extracting(spaces[1] + 1..<line.count)
        if equal(version, "HTTP/1.1") {
            self.minorVersion = 1
        } else if equal(version, "HTTP/1.0") {
            self.minorVersion = 0
        } else if version.count > 5, equal(version.extracting(0..<5), "HTTP/") {
            return .refuse(status: 505, message: "Only HTTP/1.1 and HTTP/1.0 are spoken here")
        } else {
            return Self.bad("The request line is malformed")
        }
        let name = line.extracting(0..<spaces[0])
        for index in name.indices where !isToken(name[index]) { return Self.bad("The method is malformed") }
        guard let method = HTTPMethod.allCases.first(where: { equal(name, $0.rawValue) }) else {
            return .refuse(status: 501, message: "The method is not known")
        }
        self.method = method
        return .more
    }

    // MARK: Fields

    private mutating func take(field line: Span<UInt8>) -> Verdict {
        var colon = 0
        while colon < line.count, isToken(line[colon]) { colon += 1 }
        guard colon > 0, colon < line.count, line[colon] == UInt8(ascii: ":") else {
            return Self.bad("A header name is malformed")
        }
        var start = colon + 1
        // Only spaces, as the parser does: a tab it would leave in the value must be seen here, too.
        while start < line.count, line[start] == UInt8(ascii: " ") { start += 1 }
        var end = line.count
        while end > start, line[end - 1] == UInt8(ascii: " ") || line[end - 1] == UInt8(ascii: "\t") { end -= 1 }
        let value = line.extracting(start..<end)
        for index in value.indices
        where value[index] < 0x20 && value[index] != UInt8(ascii: "\t") || value[index] == 0x7f {
            return Self.bad("A header value has a byte that is not allowed")
        }
        self.headerCount += 1
        if self.headerCount > self.headerCountLimit {
            return .refuse(status: 431, message: "The request has too many header fields")
        }
        return self.interpret(name: line.extracting(0..<colon), value: value)
    }

    private mutating func interpret(name: Span<UInt8>, value: Span<UInt8>) -> Verdict {
        switch name.count {
        case 4 where equalIgnoringCase(name, "host"):
            self.hosts += 1
        case 14 where equalIgnoringCase(name, "content-length"):
            guard self.contentLength == nil else { return Self.bad("Content-Length is given twice") }
            guard let length = decimal(value) else { return Self.bad("Content-Length is not a number") }
            self.contentLength = length
        case 17 where equalIgnoringCase(name, "transfer-encoding"):
            guard !self.isChunked, equalIgnoringCase(value, "chunked") else {
                return Self.bad("Transfer-Encoding must be chunked, once")
            }
            self.isChunked = true
        default: break
        }
        return .more
    }

    private func conclude() -> Verdict {
        if self.isChunked && self.contentLength != nil {
            return Self.bad("Transfer-Encoding and Content-Length exclude each other")
        }
        if self.isChunked && self.minorVersion == 0 { return Self.bad("HTTP/1.0 has no Transfer-Encoding") }
        if self.hosts > 1 || (self.hosts == 0 && self.minorVersion == 1) {
            return Self.bad("One Host field is required")
        }
        let length = self.contentLength ?? 0
        if length > self.bodyBytesLimit { return .refuse(status: 413, message: "The request body is too large") }
        if !self.method.readsBody && (self.isChunked || length > 0) { return Self.bad("The method has no body") }
        return .complete
    }

    private static func bad(_ message: String) -> Verdict { .refuse(status: 400, message: message) }

    private static var tooLarge: Verdict { .refuse(status: 431, message: "The request's header is too large") }
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
private func isToken(_ byte: UInt8) -> Bool {
    // Bits 32 to 126 of the ASCII table, as two halves.
    let low: UInt64 = 0x03ff_6cfa_0000_0000
    let high: UInt64 = 0x57ff_ffff_c7ff_fffe
    guard byte < 128 else { return false }
    return (byte < 64 ? low : high) >> UInt64(byte & 63) & 1 == 1
}

/// The value of a non-empty run of ASCII digits; a huge one is cut at 2^52, far above any limit.
private func decimal(_ value: Span<UInt8>) -> Int? {
    guard value.count > 0 else { return nil }
    var number = 0
    for index in value.indices {
        guard value[index] >= UInt8(ascii: "0"), value[index] <= UInt8(ascii: "9") else { return nil }
        number = min(number * 10 + Int(value[index] - UInt8(ascii: "0")), 1 << 52)
    }
    return number
}

private func equal(_ bytes: Span<UInt8>, _ text: String) -> Bool {
    guard bytes.count == text.utf8.count else { return false }
    var index = 0
    for byte in text.utf8 {
        if bytes[index] != byte { return false }
        index += 1
    }
    return true
}

/// `text` must be lower-case ASCII.
private func equalIgnoringCase(_ bytes: Span<UInt8>, _ text: String) -> Bool {
    guard bytes.count == text.utf8.count else { return false }
    var index = 0
    for byte in text.utf8 {
        let upper = bytes[index] >= UInt8(ascii: "A") && bytes[index] <= UInt8(ascii: "Z")
        if (upper ? bytes[index] | 0x20 : bytes[index]) != byte { return false }
        index += 1
    }
    return true
}
